// SPDX-License-Identifier: MIT
// One command over all contexts: a process for each, so that one which hangs holds up nobody, and
// their answers put together as rows.
#include "console/cmd/fleet.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <strings.h>
#include <sys/wait.h>
#include <unistd.h>

#include "console/base/contexts.h"
#include "console/cmd/inner.h"
#include "shared/clock.h"
#include "shared/http.h"
#include "shared/num.h"
#include "shared/text.h"
#include "shared/rows/model.h"

#define STEP_MS 100 // between two looks at an interrupt

// What a process tells before its text.
struct head {
	enum err_code code;
	struct err err;
};

struct ship {
	const struct context *context;
	pid_t pid;
	int fd; // of its answer; -1: it is over
	struct str text; // head and answer
	int64_t took_ms;
	struct head head;
	const struct jx *doc; // NULL: it did not answer
};

struct fleet {
	struct cmd *c;
	struct ship *v;
	size_t n;
	int64_t began_ms, slowest_ms; // of those that answered
};

static int64_t now_ms(void)
{
	return clock_mono_us() / 1000;
}

// ---- one process each ----

static void write_all(int fd, const void *p, size_t n)
{
	const char *at = p;
	while (n) {
		ssize_t done = write(fd, at, n);
		if (done < 0 && errno == EINTR)
			continue;
		if (done <= 0)
			return;
		at += done;
		n -= (size_t)done;
	}
}

// In the new process. What was said on the command line of one agent was said of none of these.
static void sail(struct cmd *c, cmd_fn fn, const struct context *one, int fd)
{
	static const enum console_setting own[] = {
		CSET_AGENT, CSET_TOKEN_FILE, CSET_CA_FILE, CSET_PIN};
	struct console_settings s = console_settings_copy(c->settings);
	struct head head = {0};
	struct inner in;
	for (size_t i = 0; i < ARRAY_LEN(own); i++)
		s.origin[own[i]] = "default";
	contexts_choose(&s, one);
	inner_init(&in, c, &s);
	head.code = inner_run(&in, fn);
	if (head.code && in.cmd.err.code != head.code)
		err_set(&in.cmd.err, head.code, NULL);
	head.err = in.cmd.err;
	write_all(fd, &head, sizeof(head));
	write_all(fd, str_text(&in.out), in.out.n);
}

static enum err_code launch(struct fleet *f, cmd_fn fn, struct ship *s)
{
	int fds[2];
	s->fd = -1;
	if (pipe2(fds, O_CLOEXEC) != 0)
		return err_set(&f->c->err, ERR_INTERNAL, "pipe: %s", strerror(errno));
	s->pid = fork();
	if (s->pid == 0) {
		sail(f->c, fn, s->context, fds[1]);
		_exit(0);
	}
	close(fds[1]);
	s->fd = fds[0];
	if (s->pid > 0)
		return ERR_OK;
	return err_set(&f->c->err, ERR_INTERNAL, "fork: %s", strerror(errno));
}

// ---- until all have answered, or long enough ----

static void over(struct fleet *f, struct ship *s)
{
	close(s->fd);
	s->fd = -1;
	s->took_ms = now_ms() - f->began_ms;
	waitpid(s->pid, NULL, 0);
	s->pid = 0;
	if (s->text.n < sizeof(s->head)) {
		s->head.code = ERR_INTERNAL;
		err_set(&s->head.err, ERR_INTERNAL, NULL);
		return;
	}
	memcpy(&s->head, s->text.p, sizeof(s->head));
	struct slice text = {s->text.p + sizeof(s->head), s->text.n - sizeof(s->head)};
	struct err ignored;
	if (text.n &&
		jx_parse(text, (struct jscan_limits){0, JSCAN_DEPTH_TRAFFIC}, &f->c->arena, &s->doc,
			&ignored))
		s->doc = NULL;
	if (s->doc == NULL && !s->head.code)
		s->head.code = err_set(&s->head.err, ERR_NOT_AN_AGENT, NULL);
	if (s->doc != NULL)
		f->slowest_ms = MAX_OF(f->slowest_ms, s->took_ms);
}

static void give_up(struct fleet *f, struct ship *s)
{
	kill(s->pid, SIGKILL);
	close(s->fd);
	s->fd = -1;
	waitpid(s->pid, NULL, 0);
	s->pid = 0;
	s->head.code = err_set(&s->head.err, ERR_TIMED_OUT, _("no answer in %lld ms"),
		(long long)(now_ms() - f->began_ms));
}

// How long after the start the rest is given up; -1: nobody has answered yet.
static int64_t patience_ms(const struct fleet *f)
{
	const struct console_settings *s = f->c->settings;
	int64_t timeout_ms = 10000;
	num_duration_ms(slice_of(s->value[CSET_TIMEOUT]), &timeout_ms);
	if (strcmp(s->origin[CSET_TIMEOUT], "default") != 0 || f->slowest_ms == 0)
		return timeout_ms;
	return MIN_OF(timeout_ms, MAX_OF(f->slowest_ms * 14 / 10, FLEET_PATIENCE_MS));
}

static void read_some(struct fleet *f, struct ship *s)
{
	char buf[16384];
	ssize_t n = read(s->fd, buf, sizeof(buf));
	if (n > 0)
		str_add_n(&s->text, buf, (size_t)n);
	else if (n == 0 || errno != EINTR)
		over(f, s);
}

static void gather(struct fleet *f)
{
	struct pollfd *fds = arena_zalloc(&f->c->arena, f->n, sizeof(*fds));
	for (;;) {
		size_t open = 0;
		for (size_t i = 0; i < f->n; i++) {
			fds[i] = (struct pollfd){f->v[i].fd, POLLIN, 0};
			open += f->v[i].fd >= 0;
		}
		int64_t left = f->began_ms + patience_ms(f) - now_ms();
		if (!open)
			return;
		if (left > 0 && !*f->c->io->interrupted) {
			poll(fds, f->n, (int)MIN_OF(left, STEP_MS));
			for (size_t i = 0; i < f->n; i++)
				if (fds[i].fd >= 0 && fds[i].revents)
					read_some(f, &f->v[i]);
			continue;
		}
		for (size_t i = 0; i < f->n; i++)
			if (f->v[i].fd >= 0)
				give_up(f, &f->v[i]);
	}
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

static void add_error(struct jw *w, const struct ship *s)
{
	jw_obj(w, "error");
	jw_str(w, "code", err_row(s->head.code)->code);
	jw_str(w, "message", s->head.err.message);
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
static void add_summary(struct cmd *c, struct jw *w, const struct ship *s)
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

static void add_ship(struct cmd *c, struct jw *w, const struct ship *s, bool summary)
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
	const struct ship *first = NULL, *no = NULL;
	size_t failed = 0;
	for (size_t i = 0; i < f->n; i++) {
		const struct ship *s = &f->v[i];
		if (s->doc == NULL) {
			failed++;
			first = first == NULL ? s : first;
			cmd_notef(c, "%s: %s", s->context->name, s->head.err.message);
		} else if (s->head.code && no == NULL) {
			no = s;
		}
	}
	if (failed == f->n) {
		c->err = first->head.err;
		return first->head.code;
	}
	bool predicate = c->row->id == CMD_STATUS || c->row->id == CMD_HEALTH;
	if (failed)
		return err_set(&c->err, predicate ? ERR_ANSWER_NO : ERR_PARTLY_DONE,
			_("%zu of %zu contexts did not answer"), failed, f->n);
	if (no == NULL)
		return ERR_OK;
	return err_set(&c->err, no->head.code, "%s: %s", no->context->name, no->head.err.message);
}

enum err_code fleet_run(struct cmd *c, cmd_fn fn)
{
	struct contexts all;
	struct fleet f = {.c = c, .began_ms = now_ms()};
	enum err_code code = ERR_OK;
	if (cmd_has(c, COPT_AGENT) || cmd_has(c, COPT_CONTEXT))
		return err_set(&c->err, ERR_USAGE, "%s",
			_("--all-contexts asks them all: leave --agent and --context out"));
	code = contexts_load(&c->arena, &all, &c->err);
	if (!code && all.n == 0) {
		err_set(&c->err, ERR_NOT_FOUND, "%s", _("there are no contexts"));
		err_hint(&c->err, "%s", _("add one: yijian context add NAME --agent URL"));
		return ERR_NOT_FOUND;
	}
	f.v = arena_zalloc(&c->arena, MAX_OF(all.n, 1), sizeof(*f.v));
	http_free(http_new()); // what the library does once is done before the processes part
	for (; !code && f.n < all.n; f.n++) {
		f.v[f.n].context = &all.v[f.n];
		code = launch(&f, fn, &f.v[f.n]);
	}
	gather(&f);
	if (!code && *c->io->interrupted)
		code = err_set(&c->err, ERR_REFUSED, "%s", _("interrupted"));
	if (!code)
		code = show(&f);
	if (!code)
		code = judge(&f);
	for (size_t i = 0; i < f.n; i++)
		str_release(&f.v[i].text);
	return code;
}
