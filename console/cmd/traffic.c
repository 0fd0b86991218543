// SPDX-License-Identifier: MIT
// traffic and metrics commands: requests as they pass or looked up again, and the series of all
// ports in one table.
#include "console/cmd/traffic.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "console/cmd/show.h"
#include "shared/clock.h"
#include "shared/mem.h"
#include "shared/rows/model.h"
#include "shared/num.h"
#include "shared/prom.h"
#include "shared/sse.h"
#include "shared/text.h"

#define PAGE 1000 // the most events of an answer
#define PAGE_TEXT "1000"

struct tail {
	struct cmd *c;
	struct sse sse;
	struct arena arena;
	int64_t left; // events still wanted; -1 no limit
	bool heads; // the table's head was written
	enum err_code code;
};

static bool wanted(struct cmd *c, const struct jx *event)
{
	if (cmd_has(c, COPT_FEATURE) &&
		!cmd_opt_lists(c, COPT_FEATURE, jx_str(jx_get(event, "feature"), "")))
		return false;
	return !cmd_has(c, COPT_ERRORS) || jx_int(jx_get(event, "status"), 0) >= 400;
}

// A table of one row, the same widths each time: a tail cannot know what comes.
static void tail_line(struct tail *t, const struct jx *e)
{
	static const struct {
		const char *name, *title;
		int cells;
	} cols[] = {{"id", "ID", 18}, {"client", "CLIENT", 10}, {"feature", "FEATURE", 16},
		{"target", "TARGET", 28}, {"status", "CODE", 4}, {"ttfb_ms", "TTFB", 7},
		{"total_ms", "TOTAL", 7}, {"code", "NOTE", 24}};
	struct str line = STR_INIT, cell = STR_INIT;
	const char *at = jx_str(jx_get(e, "at"), "");
	if (!t->heads && !t->c->format.no_headers) {
		str_add(&line, "TIME         ");
		for (size_t i = 0; i < ARRAY_LEN(cols); i++)
			text_add_fit(&line, slice_of(cols[i].title), cols[i].cells + 1, true, true);
		str_add(&line, "\n");
	}
	t->heads = true;
	text_add_fit(&line,
		(struct slice){at + MIN_OF(strlen(at), 11),
			MIN_OF(strlen(at), 23) - MIN_OF(strlen(at), 11)},
		13, true, true);
	for (size_t i = 0; i < ARRAY_LEN(cols); i++) {
		const struct jx *v = jx_get(e, cols[i].name);
		const struct jx *name = i == 1 ? jx_get(e, "client_name") : NULL;
		v = jx_is_str(name) ? name : v; // people know it by that

		str_clear(&cell);
		format_cell(field_named(&event_fields, slice_of(cols[i].name)), v, 0, &cell);
		if (strcmp(cols[i].name, "code") == 0 && jx_is_null(v)) {
			str_clear(&cell);
			// Without an error there is to note which image task it is about.
			const char *task = jx_str(jx_get(e, "task"), "");
			bool end = task[0] != '\0' &&
				strcmp(task, jx_str(jx_get(e, "id"), "")) == 0;
			if (end)
				str_add(&cell, _("end of the task"));
			else
				text_add_safe(&cell, slice_of(task));
		}
		// A refused caller without identity is known by its address; an event of many says
		// how many.
		const char *caller = jx_str(jx_get(e, "caller"), NULL);
		int64_t more = jx_int(jx_get(e, "repeated"), 0);
		if (strcmp(cols[i].name, "client") == 0 && caller != NULL) {
			str_clear(&cell);
			text_add_safe(&cell, slice_of(caller));
		}
		if (strcmp(cols[i].name, "code") == 0 && more > 0)
			str_addf(&cell, " x%lld", (long long)more + 1);
		text_add_fit(&line, str_slice(&cell), cols[i].cells, true, true);
		str_add_c(&line, ' ');
	}
	while (line.n && line.p[line.n - 1] == ' ')
		str_cut(&line, line.n - 1);
	str_add_c(&line, '\n');
	cmd_write(t->c, str_slice(&line));
	str_release(&line);
	str_release(&cell);
}

// What the stream says of itself: that the reader fell behind, or came from another life of the agent.
static bool tail_note(struct tail *t, const struct sse_event *e)
{
	const struct jx *doc = NULL;
	bool reset = slice_eq_str(e->name, "reset");
	if (!reset && !slice_eq_str(e->name, "lost"))
		return false;
	struct err ignored;
	if (reset)
		cmd_notef(t->c, "%s",
			_("warning: the agent was started anew since this cursor: events "
			  "before its start are gone"));
	else if (!jx_parse(e->data, (struct jscan_limits){100, JSCAN_DEPTH}, &t->arena, &doc,
			 &ignored))
		cmd_notef(t->c, _("warning: %lld events were missed"),
			(long long)jx_int(jx_get(doc, "lost"), 0));
	return true;
}

static void tail_event(struct tail *t, struct slice data)
{
	const struct jx *event = NULL;
	struct err ignored;
	if (jx_parse(data, (struct jscan_limits){10000, JSCAN_DEPTH}, &t->arena, &event,
		    &ignored) ||
		strcmp(jx_str(jx_get(event, "kind"), ""), "traffic") != 0 || !wanted(t->c, event))
		return;
	if (cmd_for_people(t->c)) {
		tail_line(t, event);
	} else {
		struct format_options o = t->c->format;
		struct str out = STR_INIT;
		o.format = o.format == FMT_JSON ? FMT_NDJSON : o.format;
		o.no_headers = o.no_headers || t->heads;
		t->heads = true;
		t->code = format_doc(&o, t->c->row->output, event, &out, &t->c->err);
		if (!t->code)
			cmd_write(t->c, str_slice(&out));
		str_release(&out);
	}
	if (t->left > 0)
		t->left--;
}

static bool on_bytes(void *arg, struct slice bytes)
{
	struct tail *t = arg;
	struct sse_event e;
	while (t->left != 0 && !t->code && sse_next(&t->sse, &bytes, &e))
		if (!tail_note(t, &e))
			tail_event(t, e.data);
	arena_reset(&t->arena);
	return t->left != 0 && !t->code && !t->sse.too_large && !*t->c->io->interrupted;
}

static enum err_code limit_of(struct cmd *c, int64_t absent, int64_t *ret)
{
	const char *limit = cmd_opt(c, COPT_LIMIT);
	*ret = absent;
	if (limit != NULL && !num_i64(slice_of(limit), 1, 1000000, ret))
		return err_set(&c->err, ERR_USAGE, _("--limit is a number from 1 on"));
	return ERR_OK;
}

enum err_code cmd_traffic_tail(struct cmd *c)
{
	struct tail t = {.c = c, .arena = ARENA_INIT};
	struct client_call call = {
		.ep = EP_EVENTS, .on_data = on_bytes, .arg = &t, .timeout_ms = -1};
	struct str q = STR_INIT;
	enum err_code code = limit_of(c, -1, &t.left);
	cmd_query(&q, "stream", "true");
	cmd_query(&q, "kinds", "traffic");
	cmd_query(&q, "since", cmd_opt(c, COPT_SINCE));
	call.query = str_text(&q);
	struct client_answer a;
	if (!code)
		code = cmd_call(c, &call, &a);
	if (!code)
		code = t.code;
	if (!code && t.left != 0 && !*c->io->interrupted)
		code = err_set(&c->err, ERR_UNREACHABLE, _("the agent ended the stream"));
	sse_release(&t.sse);
	arena_release(&t.arena);
	str_release(&q);
	return code;
}

struct found { // of the listed events those that are wanted, oldest first
	const struct jx **v;
	size_t n;
};

static enum err_code traffic_page(struct cmd *c, const char *since, struct found *f,
	struct client_answer *ret)
{
	struct client_call call = {.ep = EP_EVENTS};
	struct str q = STR_INIT;
	cmd_query(&q, "kinds", "traffic");
	cmd_query(&q, "stream", "false");
	cmd_query(&q, "limit", PAGE_TEXT);
	cmd_query(&q, "since", since);
	call.query = str_text(&q);
	enum err_code code = cmd_call(c, &call, ret);
	str_release(&q);
	if (code)
		return code;
	const struct jx *all = jx_get(ret->doc, "items");
	f->v = mem_realloc(f->v, f->n + jx_len(all), sizeof(*f->v));
	for (size_t i = 0; i < jx_len(all); i++)
		if (wanted(c, jx_at(all, i)))
			f->v[f->n++] = jx_at(all, i);
	return ERR_OK;
}

// What is looked for may lie before the newest page: from the oldest event that is there up to `head`.
static enum err_code traffic_all(struct cmd *c, int64_t head, struct found *f)
{
	enum err_code code = ERR_OK;
	char since[24] = "1"; // of no life: answered with the first event of this one
	f->n = 0;
	struct client_answer a;
	for (int64_t at = 0; !code && at < head;) {
		code = traffic_page(c, since, f, &a);
		int64_t next = code ? 0 : jx_int(jx_get(a.doc, "next"), 0);
		if (next <= at)
			break;
		at = next;
		snprintf(since, sizeof(since), "%lld", (long long)at);
	}
	return code;
}

static enum err_code traffic_show(struct cmd *c, const struct found *f, int64_t limit)
{
	struct client_answer a = {0};
	struct str items = STR_INIT;
	struct jw w = jw_to(&items);
	jw_obj(&w, NULL);
	jw_arr(&w, "items");
	for (size_t i = 0; i < MIN_OF(f->n, (size_t)limit); i++) {
		struct str one = STR_INIT;
		jx_write(f->v[f->n - 1 - i], 0, &one);
		jw_raw(&w, NULL, str_slice(&one));
		str_release(&one);
	}
	jw_arr_end(&w);
	jw_obj_end(&w);
	enum err_code code = jx_parse(str_slice(&items), (struct jscan_limits){0, JSCAN_DEPTH},
		&c->arena, &a.doc, &c->err);
	str_release(&items);
	return code ? code : cmd_show_items(c, &a, "items");
}

// The newest of what is asked for, the newest first.
enum err_code cmd_traffic_list(struct cmd *c)
{
	struct client_answer a;
	struct found f = {0};
	const char *since = cmd_opt(c, COPT_SINCE);
	int64_t limit;
	enum err_code code = limit_of(c, 100, &limit);
	if (!code)
		code = traffic_page(c, since, &f, &a);
	if (!code && jx_bool(jx_get(a.doc, "reset"), false))
		cmd_notef(c, "%s",
			_("warning: the agent was started anew since this cursor: events "
			  "before its start are gone"));
	if (!code && jx_int(jx_get(a.doc, "lost"), 0) > 0)
		cmd_notef(c, _("warning: %lld events were missed"),
			(long long)jx_int(jx_get(a.doc, "lost"), 0));
	if (!code && since == NULL && (int64_t)f.n < limit &&
		jx_len(jx_get(a.doc, "items")) >= PAGE)
		code = traffic_all(c, jx_int(jx_get(a.doc, "next"), 0), &f);
	if (!code)
		code = traffic_show(c, &f, limit);
	free(f.v);
	return code;
}

// ---- metrics ----

static const char *const metric_paths[SVC_COUNT] = {
	"api-gateway", "config-center", "key-manager", "service-registry", "router-engine"};

// The agent's own address answers its gateway's series; the others have their ports in the service
// list, of which the port alone is taken: whoever answers does not choose the host, and another port
// gets no token. port: "" for the agent's own.
static enum err_code scrape(struct cmd *c, struct slice port, struct client_answer *ret)
{
	struct console_settings one = *c->settings;
	struct client_call call = {.method = "GET", .path = endpoint_row(EP_METRICS)->path};
	struct slice rest = slice_of(client_base(c->client));
	if (port.n) {
		slice_cut(&rest, '/');
		slice_cut(&rest, '/');
		struct slice host = slice_cut(&rest, '/');
		ptrdiff_t colon = host.n && host.p[0] == '[' ? slice_find(host, ']') + 1
							     : slice_find(host, ':');
		host.n = colon > 0 ? (size_t)colon : host.n;
		one.value[CSET_AGENT] = arena_printf(&c->arena, "http://%.*s:%.*s", SLICE_FMT(host),
			SLICE_FMT(port));
		one.value[CSET_TOKEN_FILE] = "";
	}
	struct client *client;
	enum err_code code = client_new(&one, &client, &c->err);
	if (!code)
		code = client_do(client, &call, &c->arena, ret, &c->err);
	client_free(client);
	return code;
}

static void add_series(struct cmd *c, struct jw *w, struct slice text, const char *service,
	const char *name, bool whole, size_t *ret_n)
{
	struct prom_sample s;
	while (prom_next(&text, &s)) {
		const char *sample = arena_slice(&c->arena, s.name);
		if (name != NULL &&
			(whole ? strcmp(sample, name) != 0 : strstr(sample, name) == NULL))
			continue;
		++*ret_n;
		jw_obj(w, NULL);
		jw_str(w, "service", service);
		jw_slice(w, "name", s.name);
		jw_slice(w, "labels", s.labels);
		if (isfinite(s.value))
			jw_num(w, "value", s.value);
		else
			jw_null(w, "value");
		jw_obj_end(w);
	}
}

// Of one port; beyond TLS and the socket the others' ports are not asked, and that is said.
static enum err_code add_port(struct cmd *c, struct jw *w, const struct jx *s, size_t k,
	const char *name, bool whole, size_t *ret_n)
{
	struct client_answer text;
	const char *service = metric_paths[k];
	if (k && client_address(c->client) != NULL) {
		cmd_notef(c,
			_("%s: its metrics are on a port without TLS, at the agent's host alone"),
			service);
		return ERR_OK;
	}
	struct slice url = slice_of(jx_str(jx_get(s, "url"), "")), port = {url.p, 0};
	while (port.n < url.n && isdigit((unsigned char)url.p[url.n - port.n - 1]))
		port.n++;
	port.p = url.p + url.n - port.n;
	enum err_code code = k && !port.n ? err_set(&c->err, ERR_UNREACHABLE, "%s", _("no port"))
					  : scrape(c, k ? port : (struct slice){"", 0}, &text);
	if (code == ERR_UNREACHABLE && k) { // it may be for the agent's own host alone
		cmd_notef(c, "%s: %s", service, c->err.message);
		return ERR_OK;
	}
	if (!code)
		add_series(c, w, text.body, service, name, whole, ret_n);
	return code;
}

static enum err_code metrics(struct cmd *c, const char *name, bool whole)
{
	struct client_call call = {.ep = EP_SERVICE_LIST};
	struct client_answer list;
	struct str items = STR_INIT;
	struct jw w = jw_to(&items);
	size_t found = 0;
	enum err_code code = cmd_call(c, &call, &list);
	jw_obj(&w, NULL);
	jw_arr(&w, "items");
	for (size_t i = 0; !code && i < jx_len(jx_get(list.doc, "items")); i++) {
		const struct jx *s = jx_at(jx_get(list.doc, "items"), i);
		for (size_t k = 0; !code && k < SVC_COUNT; k++)
			if (strcmp(metric_paths[k], jx_str(jx_get(s, "service"), "")) == 0)
				code = add_port(c, &w, s, k, name, whole, &found);
	}
	jw_arr_end(&w);
	jw_obj_end(&w);
	if (!code && whole && !found) {
		code = err_set(&c->err, ERR_NOT_FOUND, _("no metric of this name"));
		err_hint(&c->err, "%s", _("list them: yijian metrics list"));
	}
	if (!code)
		code = cmd_show_made(c, &items, "items");
	str_release(&items);
	return code;
}

enum err_code cmd_metrics_list(struct cmd *c)
{
	return metrics(c, c->arg_n ? c->arg[0] : NULL, false);
}

enum err_code cmd_metrics_get(struct cmd *c)
{
	return metrics(c, c->arg[0], true);
}
