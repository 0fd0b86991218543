// SPDX-License-Identifier: MIT
// A list watched: read again when events wake, compared row by row with what was there before.
#include "console/cmd/watch.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "console/cmd/inner.h"
#include "console/cmd/wake.h"
#include "shared/mem.h"
#include "shared/text.h"

#define GAP_MS 100
#define GAP_TRAFFIC_MS 1000 // where every request is an event
#define CLEAR "\033[H\033[2J"

struct seen { // a row that was there
	char *name, *text; // its name and JSON
};

struct watch {
	struct cmd *c;
	cmd_fn fn;
	struct inner in;
	struct seen *v;
	size_t n;
	bool begun; // something was shown
};

static bool with_traffic(const struct cmd *c)
{
	switch (c->row->id) {
	case CMD_ROUTE_LIST:
	case CMD_ROUTE_GET:
	case CMD_ROUTE_HISTORY:
	case CMD_TASK_LIST:
	case CMD_USAGE:
		return true;
	default:
		return false;
	}
}

// ---- what changed ----

struct change {
	const char *type;
	struct jw w;
	size_t n; // so far
};

static void tell(struct change *ch, const char *type, const char *object)
{
	struct slice members = slice_of(object); // "{…}"
	jw_obj(&ch->w, NULL);
	jw_str(&ch->w, "type", type);
	jw_raw(&ch->w, "object", members);
	jw_obj_end(&ch->w);
	ch->n++;
}

static struct seen *find(struct watch *w, const char *name)
{
	for (size_t i = 0; i < w->n; i++)
		if (w->v[i].name != NULL && strcmp(w->v[i].name, name) == 0)
			return &w->v[i];
	return NULL;
}

static void forget(struct seen *s)
{
	free(s->name);
	free(s->text);
	*s = (struct seen){0};
}

// Takes the rows in the place of those before and tells the difference.
static void compare(struct watch *w, const struct jx *items, struct change *ch)
{
	size_t n = jx_len(items);
	struct seen *now = mem_zalloc(n + 1, sizeof(*now));
	for (size_t i = 0; i < n; i++) {
		struct str name = STR_INIT, text = STR_INIT;
		format_name(jx_at(items, i), &name);
		jx_write(jx_at(items, i), 0, &text);
		now[i] = (struct seen){mem_strdup(str_text(&name)), mem_strdup(str_text(&text))};
		str_release(&name);
		str_release(&text);
		struct seen *was = find(w, now[i].name);
		if (was == NULL)
			tell(ch, "ADDED", now[i].text);
		else if (strcmp(was->text, now[i].text) != 0)
			tell(ch, "MODIFIED", now[i].text);
		if (was != NULL)
			forget(was); // of two rows of one name each has its own before
	}
	for (size_t i = 0; i < w->n; i++) {
		if (w->v[i].name != NULL)
			tell(ch, "DELETED", w->v[i].text);
		forget(&w->v[i]);
	}
	free(w->v);
	w->v = now;
	w->n = n;
}

// ---- how it is told ----

static enum err_code show_changes(struct watch *w, const struct jx *changes)
{
	struct cmd *c = w->c;
	struct format_options o = c->format;
	bool lines = o.format == FMT_JSON || o.format == FMT_NDJSON;
	struct str out = STR_INIT, rows = STR_INIT;
	struct jw jw = jw_to(&rows);
	const struct jx *doc = NULL;
	enum err_code code = ERR_OK;
	jw_obj(&jw, NULL);
	jw_arr(&jw, "items");
	for (size_t i = 0; i < jx_len(changes); i++) {
		const struct jx *one = jx_at(changes, i);
		struct str text = STR_INIT;
		jx_write(lines ? one : jx_get(one, "object"), 0, &text);
		if (lines)
			str_addf(&out, "%s\n", str_text(&text));
		else
			inner_front_member(&jw, "event", jx_str(jx_get(one, "type"), "?"),
				str_slice(&text));
		str_release(&text);
	}
	jw_arr_end(&jw);
	jw_obj_end(&jw);
	if (!lines) {
		o.no_headers = o.no_headers || w->begun;
		code = jx_parse(str_slice(&rows), (struct jscan_limits){0, JSCAN_DEPTH_TRAFFIC},
			&w->in.cmd.arena, &doc, &c->err);
		if (!code)
			code = format_list(&o,
				inner_front_column(&w->in.cmd.arena, c->row->output, "event",
					N_("what happened to the row")),
				doc, jx_get(doc, "items"), &out, &c->err);
	}
	if (!code)
		cmd_write(c, str_slice(&out));
	w->begun = true;
	str_release(&out);
	str_release(&rows);
	return code;
}

static enum err_code show_table(struct watch *w, const struct jx *doc)
{
	struct cmd *c = w->c;
	struct str out = STR_INIT;
	str_add(&out, CLEAR);
	enum err_code code = format_list(&c->format, c->row->output, doc, jx_get(doc, "items"),
		&out, &c->err);
	if (!code)
		cmd_write(c, str_slice(&out));
	str_release(&out);
	return code;
}

static enum err_code look(void *arg, bool *ret_done)
{
	struct watch *w = arg;
	struct cmd *c = w->c;
	struct str text = STR_INIT;
	struct change ch = {.w = jw_to(&text)};
	const struct jx *doc, *changes;
	*ret_done = false;
	enum err_code code = inner_run(&w->in, w->fn);
	if (code && code != ERR_ANSWER_NO) {
		c->err = w->in.cmd.err;
		return code;
	}
	struct arena *a = &w->in.cmd.arena;
	code = jx_parse(str_slice(&w->in.out), (struct jscan_limits){0, JSCAN_DEPTH_TRAFFIC}, a,
		&doc, &c->err);
	if (code || !jx_is_arr(jx_get(doc, "items")))
		return err_set(&c->err, ERR_NOT_AN_AGENT, NULL);
	jw_arr(&ch.w, NULL);
	compare(w, jx_get(doc, "items"), &ch);
	jw_arr_end(&ch.w);
	bool redraw = c->io->out_tty &&
		(c->format.format == FMT_TABLE || c->format.format == FMT_WIDE);
	if (redraw && (ch.n > 0 || !w->begun)) {
		code = show_table(w, doc);
		w->begun = true;
	} else if (ch.n > 0) {
		code = jx_parse(str_slice(&text), (struct jscan_limits){0, JSCAN_DEPTH_TRAFFIC}, a,
			&changes, &c->err);
		if (!code)
			code = show_changes(w, changes);
	}
	str_release(&text);
	return code;
}

// A reader that has left is noticed also while nothing changes.
static void tick(void *arg)
{
	struct watch *w = arg;
	struct pollfd out = {STDOUT_FILENO, 0, 0};
	if (poll(&out, 1, 0) > 0 && (out.revents & POLLERR) != 0)
		cmd_write(w->c, SLICE("\n"));
}

enum err_code watch_run(struct cmd *c, cmd_fn fn)
{
	struct watch w = {.c = c, .fn = fn};
	bool traffic = with_traffic(c);
	struct wake wake = {
		.kinds = traffic ? "traffic,health,key,config,alert" : "health,key,config,alert",
		.gap_ms = traffic ? GAP_TRAFFIC_MS : GAP_MS,
		.look = look,
		.tick = tick,
		.arg = &w};
	inner_init(&w.in, c, c->settings);
	enum err_code code = wake_run(c, &wake);
	for (size_t i = 0; i < w.n; i++)
		forget(&w.v[i]);
	free(w.v);
	inner_release(&w.in);
	return code;
}
