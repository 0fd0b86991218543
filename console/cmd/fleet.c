// SPDX-License-Identifier: MIT
// One command over all contexts: a thread for each, so that one which hangs holds up nobody, and
// their answers put together as rows.
#include "console/cmd/fleet.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "console/base/contexts.h"
#include "console/cmd/inner.h"
#include "shared/clock.h"
#include "shared/mem.h"
#include "shared/num.h"
#include "shared/text.h"

#define STEP_MS 100 // between two looks at an interrupt

// One context's run in its thread. What it uses is its own: a run that is given up goes on until its
// call ends, and frees itself then.
struct ship {
	struct port *port;
	struct console_settings settings;
	struct arena arena; // of the words it was started with
	struct inner in;
	cmd_fn fn;
	enum err_code code;
	int64_t took_ms;
	bool done, given_up; // both: who comes second frees it
};

// Where they come back to; goes with the last of them.
struct port {
	pthread_mutex_t lock;
	pthread_cond_t back;
	size_t users;
	int64_t began_ms;
};

struct row { // of one context
	const struct context *context;
	struct ship *ship; // NULL: it could not be started
	enum err_code code;
	struct err err;
	int64_t took_ms;
	const struct jx *doc; // NULL: it did not answer
	bool over;
};

struct fleet {
	struct cmd *c;
	struct port *port;
	struct row *v;
	size_t n;
	int64_t slowest_ms; // of those that answered
};

static int64_t now_ms(void)
{
	return clock_mono_us() / 1000;
}

// ---- one thread each ----

static void leave(struct port *p) // with the lock
{
	bool last = --p->users == 0;
	pthread_mutex_unlock(&p->lock);
	if (!last)
		return;
	pthread_cond_destroy(&p->back);
	pthread_mutex_destroy(&p->lock);
	free(p);
}

static void ship_free(struct ship *s)
{
	inner_release(&s->in);
	console_settings_release(&s->settings);
	arena_release(&s->arena);
	free(s);
}

// Copies of all words: those of the command may be gone before it is.
static struct ship *ship_new(struct fleet *f, cmd_fn fn, const struct context *one)
{
	static const enum console_setting own[] = {
		CSET_AGENT, CSET_TOKEN_FILE, CSET_CA_FILE, CSET_PIN};
	struct ship *s = mem_zalloc(1, sizeof(*s));
	const struct cmd *c = f->c;
	s->arena = ARENA_INIT;
	s->port = f->port;
	s->fn = fn;
	s->settings = console_settings_copy(c->settings);
	for (size_t i = 0; i < CSET_COUNT; i++) {
		s->settings.value[i] = arena_strdup(&s->arena, c->settings->value[i]);
		s->settings.origin[i] = arena_strdup(&s->arena, c->settings->origin[i]);
	}
	for (size_t i = 0; i < ARRAY_LEN(own); i++)
		s->settings.origin[own[i]] = "default"; // it was said of none of these
	contexts_choose(&s->settings, one);
	inner_init(&s->in, c, &s->settings);
	for (size_t i = 0; i < c->arg_n; i++)
		s->in.cmd.arg[i] = arena_strdup(&s->arena, c->arg[i]);
	for (size_t i = 0; i < c->opt_n; i++)
		if (c->opt[i].value != NULL)
			s->in.cmd.opt[i].value = arena_strdup(&s->arena, c->opt[i].value);
	return s;
}

static void *sail(void *arg)
{
	struct ship *s = arg;
	struct port *p = s->port;
	enum err_code code = inner_run(&s->in, s->fn);
	if (code && s->in.cmd.err.code != code)
		err_set(&s->in.cmd.err, code, NULL);
	pthread_mutex_lock(&p->lock);
	s->code = code;
	s->took_ms = now_ms() - p->began_ms;
	s->done = true;
	if (s->given_up)
		ship_free(s);
	else
		pthread_cond_signal(&p->back);
	leave(p);
	return NULL;
}

static void launch(struct fleet *f, cmd_fn fn, struct row *r)
{
	pthread_t thread;
	pthread_attr_t attr;
	r->ship = ship_new(f, fn, r->context);
	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	pthread_mutex_lock(&f->port->lock);
	int why = pthread_create(&thread, &attr, sail, r->ship);
	if (why == 0)
		f->port->users++;
	pthread_mutex_unlock(&f->port->lock);
	pthread_attr_destroy(&attr);
	if (why == 0)
		return;
	r->code = err_set(&r->err, ERR_INTERNAL, "pthread_create: %s", strerror(why));
	r->over = true;
	ship_free(r->ship);
	r->ship = NULL;
}

// ---- until all have answered, or long enough ----

// Its answer, in the command's arena; the ship goes.
static void come_in(struct fleet *f, struct row *r)
{
	struct ship *s = r->ship;
	r->over = true;
	r->code = s->code;
	r->err = s->in.cmd.err;
	r->took_ms = s->took_ms;
	struct err ignored;
	if (s->in.out.n &&
		jx_parse(str_slice(&s->in.out), (struct jscan_limits){0, JSCAN_DEPTH_TRAFFIC},
			&f->c->arena, &r->doc, &ignored))
		r->doc = NULL;
	if (r->doc == NULL && !r->code)
		r->code = err_set(&r->err, ERR_NOT_AN_AGENT, NULL);
	if (r->doc != NULL)
		f->slowest_ms = MAX_OF(f->slowest_ms, r->took_ms);
	ship_free(s);
	r->ship = NULL;
}

static void give_up(struct fleet *f, struct row *r)
{
	r->over = true;
	r->ship->given_up = true;
	r->ship = NULL;
	r->code = err_set(&r->err, ERR_TIMED_OUT, _("no answer in %lld ms"),
		(long long)(now_ms() - f->port->began_ms));
}

// How long after the start the rest is given up.
static int64_t patience_ms(const struct fleet *f)
{
	const struct console_settings *s = f->c->settings;
	int64_t timeout_ms = 10000;
	num_duration_ms(slice_of(s->value[CSET_TIMEOUT]), &timeout_ms);
	if (strcmp(s->origin[CSET_TIMEOUT], "default") != 0 || f->slowest_ms == 0)
		return timeout_ms;
	return MIN_OF(timeout_ms, MAX_OF(f->slowest_ms * 14 / 10, FLEET_PATIENCE_MS));
}

static void wait_some(struct port *p, int64_t ms)
{
	struct timespec until;
	clock_gettime(CLOCK_MONOTONIC, &until);
	int64_t ns = until.tv_nsec + ms * 1000000;
	until.tv_sec += ns / 1000000000;
	until.tv_nsec = ns % 1000000000;
	pthread_cond_timedwait(&p->back, &p->lock, &until);
}

static void gather(struct fleet *f)
{
	struct port *p = f->port;
	pthread_mutex_lock(&p->lock);
	for (;;) {
		size_t open = 0;
		for (size_t i = 0; i < f->n; i++) {
			if (!f->v[i].over && f->v[i].ship->done)
				come_in(f, &f->v[i]);
			open += !f->v[i].over;
		}
		int64_t left = p->began_ms + patience_ms(f) - now_ms();
		if (!open || left <= 0 || *f->c->io->interrupted)
			break;
		wait_some(p, MIN_OF(left, STEP_MS));
	}
	for (size_t i = 0; i < f->n; i++)
		if (!f->v[i].over)
			give_up(f, &f->v[i]);
	leave(p);
}

// ---- what is shown ----

static void add_members(struct jw *w, const struct jx *doc)
{
	const struct jx *value;
	const char *key;
	void *it = NULL;
	while (jx_next(doc, &it, &key, &value)) {
		struct str text = STR_INIT;
		jx_write(value, 0, &text);
		jw_raw(w, key, str_slice(&text));
		str_release(&text);
	}
}

static void add_error(struct jw *w, const struct row *s)
{
	jw_obj(w, "error");
	jw_str(w, "code", err_row(s->code)->code);
	jw_str(w, "message", s->err.message);
	jw_obj_end(w);
}

// "4/5": of a list's items those whose state is this one.
static const char *part(struct cmd *c, const struct jx *list, const char *good)
{
	size_t n = 0;
	for (size_t i = 0; i < jx_len(list); i++)
		n += strcasecmp(jx_str(jx_get(jx_at(list, i), "state"), ""), good) == 0;
	return arena_printf(&c->arena, "%zu/%zu", n, jx_len(list));
}

// One line of what `status` tells of an agent.
static void add_summary(struct cmd *c, struct jw *w, const struct row *s)
{
	const struct jx *keys = jx_get(s->doc, "keys");
	jw_str(w, "mode", s->context->read_only ? "RO" : "RW");
	jw_str(w, "agent", s->context->agent);
	jw_str(w, "state",
		s->doc == NULL ? "unreachable" : jx_str(jx_path(s->doc, "agent.state"), "?"));
	if (s->doc == NULL)
		return;
	jw_str(w, "services", part(c, jx_get(s->doc, "services"), "ok"));
	jw_str(w, "routes", part(c, jx_get(s->doc, "routes"), "ok"));
	int64_t total = jx_int(jx_get(keys, "total"), 0);
	jw_str(w, "keys",
		arena_printf(&c->arena, "%lld/%lld",
			(long long)(total - (int64_t)jx_len(jx_get(keys, "problems"))),
			(long long)total));
	jw_int(w, "alerts", jx_int(jx_path(s->doc, "alerts.firing"), 0));
	jw_int(w, "took_ms", s->took_ms);
}

static void add_ship(struct cmd *c, struct jw *w, const struct row *s, bool summary)
{
	const struct jx *items = jx_get(s->doc, "items");
	for (size_t i = 0; i < jx_len(items); i++) {
		jw_obj(w, NULL);
		jw_str(w, "context", s->context->name);
		add_members(w, jx_at(items, i));
		jw_obj_end(w);
	}
	if (items != NULL)
		return;
	jw_obj(w, NULL);
	jw_str(w, "context", s->context->name);
	if (summary)
		add_summary(c, w, s);
	else
		add_members(w, s->doc);
	if (s->doc == NULL)
		add_error(w, s);
	jw_obj_end(w);
}

#define SUMMARY(member, head, text)                                                                \
	{.name = (member),                                                                         \
		.offset = FIELD_NO_HOME,                                                           \
		.type = FT_STR,                                                                    \
		.flags = FF_READONLY | FF_COLUMN,                                                  \
		.title = (head),                                                                   \
		.help = (text)}
static const struct field summary_rows[] = {
	SUMMARY("mode", N_("MODE"), N_("RO: changes are refused here")),
	SUMMARY("agent", N_("AGENT"), N_("where it is")),
	SUMMARY("state", N_("STATE"), N_("of the agent")),
	SUMMARY("services", N_("SERVICES"), N_("those in order, of all")),
	SUMMARY("routes", N_("ROUTES"), N_("those in order, of all")),
	SUMMARY("keys", N_("KEYS"), N_("those in order, of all")),
	{.name = "alerts",
		.offset = FIELD_NO_HOME,
		.type = FT_INT,
		.flags = FF_READONLY | FF_COLUMN,
		.help = N_("that fire")},
	{.name = "took_ms",
		.offset = FIELD_NO_HOME,
		.type = FT_INT,
		.flags = FF_READONLY | FF_WIDE,
		.title = N_("TOOK"),
		.unit = "ms",
		.help = N_("until it had answered")},
};
static const struct field_set summary_fields = {
	"ContextStatus", summary_rows, ARRAY_LEN(summary_rows), 0};

static bool for_people(const struct cmd *c)
{
	return c->format.format != FMT_JSON && c->format.format != FMT_NDJSON &&
		c->format.format != FMT_YAML;
}

static enum err_code show(struct fleet *f)
{
	struct cmd *c = f->c;
	bool summary = c->row->id == CMD_STATUS && for_people(c);
	struct str text = STR_INIT, out = STR_INIT;
	struct jw w = jw_to(&text);
	const struct jx *doc;
	jw_obj(&w, NULL);
	jw_arr(&w, "items");
	for (size_t i = 0; i < f->n; i++)
		add_ship(c, &w, &f->v[i], summary);
	jw_arr_end(&w);
	jw_obj_end(&w);
	enum err_code code = jx_parse(str_slice(&text),
		(struct jscan_limits){0, JSCAN_DEPTH_TRAFFIC}, &c->arena, &doc, &c->err);
	if (!code)
		code = format_list(&c->format,
			inner_front_column(&c->arena, summary ? &summary_fields : c->row->output,
				"context", N_("whose row it is")),
			doc, jx_get(doc, "items"), &out, &c->err);
	if (!code)
		cmd_write(c, str_slice(&out));
	str_release(&text);
	str_release(&out);
	return code;
}

// ---- the answer of all ----

static enum err_code judge(struct fleet *f)
{
	struct cmd *c = f->c;
	const struct row *first = NULL, *no = NULL;
	size_t failed = 0;
	for (size_t i = 0; i < f->n; i++) {
		const struct row *s = &f->v[i];
		if (s->doc == NULL) {
			failed++;
			first = first == NULL ? s : first;
			cmd_notef(c, "%s: %s", s->context->name, s->err.message);
		} else if (s->code && no == NULL) {
			no = s;
		}
	}
	if (failed == f->n) {
		c->err = first->err;
		return first->code;
	}
	bool predicate = c->row->id == CMD_STATUS || c->row->id == CMD_HEALTH;
	if (failed)
		return err_set(&c->err, predicate ? ERR_ANSWER_NO : ERR_PARTLY_DONE,
			_("%zu of %zu contexts did not answer"), failed, f->n);
	if (no == NULL)
		return ERR_OK;
	return err_set(&c->err, no->code, "%s: %s", no->context->name, no->err.message);
}

static struct port *port_new(void)
{
	struct port *p = mem_zalloc(1, sizeof(*p));
	pthread_condattr_t attr;
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_mutex_init(&p->lock, NULL);
	pthread_cond_init(&p->back, &attr);
	pthread_condattr_destroy(&attr);
	p->users = 1;
	p->began_ms = now_ms();
	return p;
}

enum err_code fleet_run(struct cmd *c, cmd_fn fn)
{
	struct contexts all;
	struct fleet f = {.c = c};
	if (cmd_has(c, COPT_AGENT) || cmd_has(c, COPT_CONTEXT))
		return err_set(&c->err, ERR_USAGE, "%s",
			_("--all-contexts asks them all: leave --agent and --context out"));
	enum err_code code = contexts_load(&c->arena, &all, &c->err);
	if (code)
		return code;
	if (all.n == 0) {
		err_set(&c->err, ERR_NOT_FOUND, "%s", _("there are no contexts"));
		err_hint(&c->err, "%s", _("add one: yijian context add NAME --agent URL"));
		return ERR_NOT_FOUND;
	}
	f.v = arena_zalloc(&c->arena, all.n, sizeof(*f.v));
	f.port = port_new();
	for (; f.n < all.n; f.n++) {
		f.v[f.n].context = &all.v[f.n];
		launch(&f, fn, &f.v[f.n]);
	}
	gather(&f);
	if (*c->io->interrupted)
		return err_set(&c->err, ERR_REFUSED, "%s", _("interrupted"));
	code = show(&f);
	return code ? code : judge(&f);
}
