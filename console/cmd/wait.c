// SPDX-License-Identifier: MIT
// wait NOUN/NAME --for=…: looks at one thing whenever the agent says that something happened, until it
// is as asked for.
#include "console/cmd/wait.h"

#include <stdio.h>
#include <string.h>

#include "console/cmd/wake.h"
#include "shared/clock.h"
#include "shared/jw.h"
#include "shared/num.h"
#include "shared/text.h"

#define WAIT_DEFAULT_MS INT64_C(60000)
#define PROGRESS_AFTER_MS 300
#define GAP_MS 50

// What can be waited for, and how one is read. A list is looked through for its name or id.
static const struct thing {
	const char *noun;
	enum endpoint_id get, list; // EP_COUNT: not so
	const char *query; // of the list: names the one; NULL: none does
	const char *proof; // member that an agent's answer has
	const char *state; // member that says how it is
	const char *healthy; // value of it
	bool traffic; // only requests tell that it changes
} things[] = {
	{"key", EP_COUNT, EP_KEY_LIST, "ref", "items", "state", "ok", false},
	{"service", EP_SERVICE_GET, EP_COUNT, NULL, "service", "state", "OK", false},
	{"instance", EP_INSTANCE_GET, EP_COUNT, NULL, "id", "state", "OK", false},
	{"feature", EP_FEATURE_GET, EP_COUNT, NULL, "name", NULL, NULL, false},
	{"route", EP_ROUTE_GET, EP_COUNT, NULL, "items", "state", "OK", true},
	{"client", EP_COUNT, EP_CLIENT_LIST, NULL, "items", NULL, NULL, false},
	{"token", EP_COUNT, EP_TOKEN_LIST, NULL, "items", NULL, NULL, false},
	{"alert", EP_ALERT_GET, EP_COUNT, NULL, "id", "state", "resolved", false},
	{"task", EP_TASK_GET, EP_COUNT, NULL, "id", "state", "succeeded", true},
};

enum goal { GOAL_EXISTS, GOAL_DELETED, GOAL_HEALTHY, GOAL_ENABLED, GOAL_DISABLED, GOAL_VALUE };

struct waiting {
	struct cmd *c;
	struct arena arena; // of one look
	const struct thing *thing;
	const char *name, *second; // second: an instance's id, else NULL
	enum goal goal;
	const char *path, *value; // of GOAL_VALUE
	int64_t began_ms;
	bool met;
	char last[160]; // how it was when it was last looked at, safe
};

// ---- what is asked for ----

static enum err_code bad_goal(struct cmd *c)
{
	err_set(&c->err, ERR_USAGE, "%s", _("--for does not say what to wait for"));
	err_hint(&c->err, "%s",
		_("it is exists, deleted, healthy, enabled, disabled, or MEMBER=VALUE such as "
		  "state=cooldown or weight=2"));
	return ERR_USAGE;
}

static enum err_code read_goal(struct waiting *w)
{
	static const struct {
		const char *word;
		enum goal goal;
	} words[] = {{"exists", GOAL_EXISTS}, {"deleted", GOAL_DELETED}, {"absent", GOAL_DELETED},
		{"healthy", GOAL_HEALTHY}, {"enabled", GOAL_ENABLED}, {"disabled", GOAL_DISABLED}};
	struct cmd *c = w->c;
	const char *text = cmd_opt(c, COPT_FOR);
	if (text == NULL)
		return bad_goal(c);
	for (size_t i = 0; i < ARRAY_LEN(words); i++) {
		if (strcmp(words[i].word, text) != 0)
			continue;
		w->goal = words[i].goal;
		if (w->goal == GOAL_HEALTHY && w->thing->get != EP_FEATURE_GET &&
			w->thing->state == NULL)
			return err_set(&c->err, ERR_USAGE, _("a %s is neither healthy nor ill"),
				w->thing->noun);
		return ERR_OK;
	}
	struct slice value = slice_of(text), path = slice_cut(&value, '=');
	if (path.n && path.p[0] == '.')
		path = (struct slice){path.p + 1, path.n - 1};
	if (strchr(text, '=') == NULL || !path.n)
		return bad_goal(c);
	w->goal = GOAL_VALUE;
	w->path = arena_slice(&c->arena, path);
	w->value = arena_slice(&c->arena, value);
	return ERR_OK;
}

static enum err_code read_thing(struct waiting *w)
{
	struct cmd *c = w->c;
	struct slice name = slice_of(c->arg[0]), noun = slice_cut(&name, '/');
	for (size_t i = 0; i < ARRAY_LEN(things); i++)
		if (slice_eq_str(noun, things[i].noun))
			w->thing = &things[i];
	if (w->thing == NULL || !name.n) {
		err_set(&c->err, ERR_USAGE, "%s", _("say what to wait for as NOUN/NAME"));
		err_hint(&c->err, "%s",
			_("e.g. service/sd-webui, service/sd-webui/gpu7, key/openai/dalle/prod-1; "
			  "nouns: key service feature route client token alert task"));
		return ERR_USAGE;
	}
	bool one = w->thing->get == EP_SERVICE_GET && slice_find(name, '/') >= 0;
	if (one || w->thing->get == EP_INSTANCE_GET) {
		w->thing += w->thing->get == EP_SERVICE_GET; // the row of instances is the next
		w->second = arena_slice(&c->arena, name);
		struct slice rest = name, service = slice_cut(&rest, '/');
		w->name = arena_slice(&c->arena, service);
		w->second = arena_slice(&c->arena, rest);
		return ERR_OK;
	}
	w->name = arena_slice(&c->arena, name);
	return ERR_OK;
}

// ---- one look ----

static const struct jx *in_list(const struct waiting *w, const struct jx *items)
{
	const struct jx *found = NULL;
	for (size_t i = 0; i < jx_len(items) && found == NULL; i++) {
		const struct jx *one = jx_at(items, i);
		struct str name = STR_INIT;
		format_name(one, &name);
		if (w->thing->query != NULL || strcmp(str_text(&name), w->name) == 0 ||
			text_same(jx_str(jx_get(one, "id"), NULL), w->name) ||
			text_same(jx_str(jx_get(one, "name"), NULL), w->name))
			found = one;
		str_release(&name);
	}
	return found;
}

// The thing as it is now; NULL: there is none.
static enum err_code fetch(struct waiting *w, const struct jx **ret)
{
	struct cmd *c = w->c;
	const struct thing *t = w->thing;
	bool listed = t->get == EP_COUNT;
	struct client_call call = {.ep = listed ? t->list : t->get, .param = {w->name, w->second}};
	struct client_answer a;
	struct str q = STR_INIT;
	if (t->query != NULL)
		cmd_query(&q, t->query, w->name);
	if (listed) {
		call.param[0] = NULL;
		call.query = str_text(&q);
	}
	enum err_code code = cmd_client(c);
	if (!code)
		code = client_do(c->client, &call, &w->arena, &a, &c->err);
	str_release(&q);
	*ret = NULL;
	if (code == ERR_NOT_FOUND || code == ERR_GONE) {
		c->err = (struct err){0};
		return ERR_OK;
	}
	if (code)
		return code;
	if (jx_get(a.doc, t->proof) == NULL)
		return err_set(&c->err, ERR_NOT_AN_AGENT, NULL);
	*ret = listed ? in_list(w, jx_get(a.doc, "items")) : a.doc;
	return ERR_OK;
}

static bool same_value(const struct jx *v, const char *want)
{
	struct str text = STR_INIT;
	if (jx_is_str(v))
		return slice_ieq_str(slice_of(jx_str(v, "")), want);
	if (v == NULL)
		return false;
	jx_write(v, 0, &text);
	bool same = strcmp(str_text(&text), want) == 0;
	str_release(&text);
	return same;
}

// A route is healthy when one of its targets is; the others by their own state.
static bool is_healthy(const struct waiting *w, const struct jx *v)
{
	const struct jx *items = jx_get(v, "items");
	if (items == NULL)
		return same_value(jx_get(v, w->thing->state), w->thing->healthy);
	for (size_t i = 0; i < jx_len(items); i++)
		if (same_value(jx_get(jx_at(items, i), w->thing->state), w->thing->healthy))
			return true;
	return false;
}

static bool is_met(const struct waiting *w, const struct jx *v)
{
	bool off = jx_is_bool(jx_get(v, "enabled")) && !jx_bool(jx_get(v, "enabled"), true);
	if (v == NULL)
		return w->goal == GOAL_DELETED;
	switch (w->goal) {
	case GOAL_EXISTS:
		return true;
	case GOAL_DELETED:
		return false;
	case GOAL_HEALTHY:
		return is_healthy(w, v);
	case GOAL_ENABLED:
		return !off;
	case GOAL_DISABLED:
		return off;
	default:
		return same_value(jx_path(v, w->path), w->value);
	}
}

static void note_last(struct waiting *w, const struct jx *v)
{
	struct str text = STR_INIT;
	const char *member = w->goal == GOAL_VALUE		      ? w->path
		: w->goal == GOAL_ENABLED || w->goal == GOAL_DISABLED ? "enabled"
								      : w->thing->state;
	const struct jx *at = member != NULL ? jx_path(v, member) : NULL;
	if (v == NULL)
		str_add(&text, "absent");
	else if (at == NULL)
		str_add(&text, "there");
	else
		format_cell(NULL, at, 0, &text);
	snprintf(w->last, sizeof(w->last), "%s", str_text(&text));
	str_release(&text);
}

static enum err_code look(void *arg, bool *ret_done)
{
	struct waiting *w = arg;
	const struct jx *v;
	arena_reset(&w->arena);
	enum err_code code = fetch(w, &v);
	if (code)
		return code;
	note_last(w, v);
	w->met = *ret_done = is_met(w, v);
	return ERR_OK;
}

static void tick(void *arg)
{
	struct waiting *w = arg;
	int64_t ms = clock_mono_us() / 1000 - w->began_ms;
	if (ms >= PROGRESS_AFTER_MS)
		cmd_progressf(w->c, _("%s: %s, %lld s"), w->c->arg[0], w->last,
			(long long)(ms / 1000));
}

// ---- the end ----

static void say(struct waiting *w, enum err_code code)
{
	struct cmd *c = w->c;
	struct str text = STR_INIT;
	struct jw jw = jw_to(&text);
	int64_t ms = clock_mono_us() / 1000 - w->began_ms;
	if (c->format.format != FMT_JSON && c->format.format != FMT_NDJSON) {
		if (!code)
			cmd_writef(c, "%s %s\n", c->arg[0], cmd_opt(c, COPT_FOR));
		return;
	}
	jw_obj(&jw, NULL);
	jw_str(&jw, "resource", c->arg[0]);
	jw_str(&jw, "condition", cmd_opt(c, COPT_FOR));
	jw_bool(&jw, "met", w->met);
	jw_int(&jw, "waited_ms", ms);
	jw_str(&jw, "last", w->last);
	jw_obj_end(&jw);
	cmd_writef(c, "%s\n", str_text(&text));
	str_release(&text);
}

static int64_t patience_ms(const struct cmd *c)
{
	int64_t ms = WAIT_DEFAULT_MS;
	if (strcmp(c->settings->origin[CSET_TIMEOUT], "flag") == 0)
		num_duration_ms(slice_of(c->settings->value[CSET_TIMEOUT]), &ms);
	return ms;
}

enum err_code cmd_wait(struct cmd *c)
{
	struct waiting w = {
		.c = c, .arena = ARENA_INIT, .began_ms = clock_mono_us() / 1000, .last = ""};
	enum err_code code = read_thing(&w);
	if (!code)
		code = read_goal(&w);
	if (!code)
		code = cmd_client(c); // judges --timeout too
	if (code)
		return code;
	struct wake wake = {.kinds = w.thing->traffic ? "traffic,health,key,config,alert"
						      : "health,key,config,alert",
		.gap_ms = GAP_MS,
		.until_ms = w.began_ms + patience_ms(c),
		.look = look,
		.tick = tick,
		.arg = &w};
	code = wake_run(c, &wake);
	cmd_progress_over(c);
	if (!code || code == ERR_TIMED_OUT)
		say(&w, code);
	if (code == ERR_TIMED_OUT) {
		err_set(&c->err, ERR_TIMED_OUT, _("%s is not %s yet: %s"), c->arg[0],
			cmd_opt(c, COPT_FOR), w.last);
		err_hint(&c->err, "%s", _("--timeout says how long to wait"));
	}
	arena_release(&w.arena);
	return code;
}
