// SPDX-License-Identifier: MIT
// route commands: what the router would choose and why, and a hand on single candidates.
#include "console/cmd/route.h"

#include <string.h>

#include "console/cmd/effect.h"
#include "console/cmd/show.h"
#include "shared/num.h"
#include "shared/text.h"

enum err_code cmd_route_list(struct cmd *c)
{
	struct client_call call = {.ep = c->arg_n ? EP_ROUTE_GET : EP_ROUTE_LIST,
		.param = {c->arg_n ? c->arg[0] : NULL}};
	return cmd_call_list(c, &call);
}

enum err_code cmd_route_get(struct cmd *c)
{
	return cmd_route_list(c);
}

static void number(struct cmd *c, struct jw *w, enum copt id, const char *name)
{
	const char *text = cmd_opt(c, id);
	int64_t v;
	if (text != NULL && num_i64(slice_of(text), INT64_MIN + 1, INT64_MAX, &v))
		jw_int(w, name, v);
	else if (text != NULL)
		jw_str(w, name, text); // the agent says what is wrong with it
}

static const char *text_or(const struct jx *v, const char *path, const char *other)
{
	return jx_str(jx_path(v, path), other);
}

static void explain_line(struct cmd *c, const struct jx *cand, const char *chosen)
{
	const char *target = text_or(cand, "target", "?");
	const struct jx *skips = jx_get(cand, "skips");
	struct str line = STR_INIT;
	str_add(&line, chosen != NULL && strcmp(target, chosen) == 0 ? "> " : "  ");
	text_add_fit(&line, slice_of(target), 40, true, true);
	str_add_c(&line, ' ');
	if (jx_bool(jx_get(cand, "eligible"), false)) {
		str_addf(&line, _("eligible  order %lld  tier %s  weight %lld"),
			(long long)jx_int(jx_get(cand, "order"), 0), text_or(cand, "tier", "-"),
			(long long)jx_int(jx_get(cand, "weight"), 0));
	}
	for (size_t i = 0; i < jx_len(skips); i++) {
		const char *detail = text_or(jx_at(skips, i), "detail", NULL);
		str_add(&line, i ? ", " : _("skipped: "));
		text_add_safe(&line, slice_of(text_or(jx_at(skips, i), "code", "?")));
		if (detail != NULL) {
			str_add(&line, " (");
			text_add_safe(&line, slice_of(detail));
			str_add(&line, ")");
		}
	}
	cmd_writef(c, "%s\n", str_text(&line));
	str_release(&line);
}

static void explain_text(struct cmd *c, const struct jx *d)
{
	const struct jx *cands = jx_get(d, "candidates"), *fallback = jx_get(d, "fallback");
	const char *chosen = text_or(d, "chosen.target", NULL);
	cmd_writef(c,
		_("feature %s, revision %lld, strategy %s (a dry run: nothing is called or billed)\n"),
		text_or(d, "feature", "?"), (long long)jx_int(jx_get(d, "revision"), 0),
		text_or(d, "policy.strategy", "?"));
	// What narrows the choice, or comes after it, when it is not as usual.
	const struct jx *p = jx_get(d, "policy");
	const char *all_down = text_or(p, "all_down", "fail_fast"),
		   *space = text_or(p, "space", NULL);
	if (strcmp(all_down, "wait") == 0)
		cmd_writef(c, _("when all are out: wait up to %lld ms\n"),
			(long long)jx_int(jx_get(p, "wait_ms"), 0));
	else if (strcmp(all_down, "least_bad") == 0)
		cmd_writef(c, "%s\n", _("when all are out: try the least bad once"));
	if (text_or(p, "data_policy", NULL) != NULL)
		cmd_writef(c, "%s\n", _("data: never leaves self-hosted targets"));
	if (space != NULL)
		cmd_writef(c, _("space: only %s\n"), space);
	for (size_t i = 0; i < jx_len(cands); i++)
		explain_line(c, jx_at(cands, i), chosen);
	if (chosen != NULL)
		cmd_writef(c, _("chosen: %s (%s)\n"), chosen, text_or(d, "chosen.reason", "?"));
	else
		cmd_writef(c, "%s\n", _("chosen: nothing fits"));
	for (size_t i = 0; i < jx_len(fallback); i++)
		cmd_writef(c, _("then:   %s\n"), jx_str(jx_at(fallback, i), "?"));
}

// "openai/dalle" expects any of its keys, "openai/dalle#prod-1" just that one.
static bool as_expected(const char *chosen, const char *expect)
{
	size_t n = strlen(expect);
	return chosen != NULL && strncmp(chosen, expect, n) == 0 &&
		(chosen[n] == '\0' || chosen[n] == '#');
}

enum err_code cmd_route_explain(struct cmd *c)
{
	struct client_call call = {.ep = EP_ROUTE_DECIDE, .param = {c->arg[0]}};
	const char *expect = cmd_opt(c, COPT_EXPECT);
	struct str body = STR_INIT;
	struct jw w = jw_to(&body);
	jw_obj(&w, NULL);
	number(c, &w, COPT_WIDTH, "width");
	number(c, &w, COPT_HEIGHT, "height");
	number(c, &w, COPT_N, "n");
	if (cmd_opt(c, COPT_SIZE) != NULL)
		jw_str(&w, "size", cmd_opt(c, COPT_SIZE));
	if (cmd_opt(c, COPT_MODEL) != NULL)
		jw_str(&w, "model", cmd_opt(c, COPT_MODEL));
	if (cmd_has(c, COPT_STREAM))
		jw_bool(&w, "stream", true);
	jw_obj_end(&w);
	call.body = str_slice(&body);
	struct client_answer a;
	enum err_code code = cmd_call(c, &call, &a);
	str_release(&body);
	if (code)
		return code;
	if (!cmd_for_people(c))
		code = cmd_show(c, &a);
	else if (!c->quiet)
		explain_text(c, a.doc);
	const char *chosen = text_or(a.doc, "chosen.target", NULL);
	if (!code && expect != NULL && !as_expected(chosen, expect))
		code = err_set(&c->err, ERR_ANSWER_NO, _("chosen is %s, expected %s"),
			chosen != NULL ? chosen : _("nothing"), expect);
	if (!code && chosen == NULL) {
		err_set(&c->err, ERR_ANSWER_NO,
			_("nothing fits: no target of %s takes this request"), c->arg[0]);
		err_hint(&c->err, _("live states: yijian route list %s"), c->arg[0]);
		code = ERR_ANSWER_NO;
	}
	return code;
}

// What a command is about: FEATURE TARGET, or both as one word as lists print them; a key or instance
// by its option, or behind a '#'.
struct place {
	const char *feature, *target, *key, *instance;
};

static enum err_code place_of(struct cmd *c, struct place *ret)
{
	struct slice target = slice_of(c->arg[c->arg_n > 1 ? 1 : 0]), feature = {"", 0};
	if (c->arg_n < 2)
		feature = slice_cut(&target, '/');
	struct slice part = target;
	target = slice_cut(&part, '#');
	bool own = slice_starts(target, "self/");
	if (!target.n) {
		err_set(&c->err, ERR_USAGE, "%s", _("TARGET is missing"));
		err_hint(&c->err,
			_("say FEATURE TARGET, or FEATURE/TARGET as yijian route list -o name"));
		return ERR_USAGE;
	}
	*ret = (struct place){c->arg_n > 1 ? c->arg[0] : arena_slice(&c->arena, feature),
		arena_slice(&c->arena, target),
		part.n && !own ? arena_slice(&c->arena, part) : cmd_opt(c, COPT_KEY),
		part.n && own ? arena_slice(&c->arena, part) : cmd_opt(c, COPT_INSTANCE)};
	return ERR_OK;
}

// The word --key takes is a slug; as a name of a whole key it is its last part.
static const char *slug_of(const char *key)
{
	const char *last = key != NULL ? strrchr(key, '/') : NULL;
	return last != NULL ? last + 1 : key;
}

static enum err_code patch(struct cmd *c, const struct place *at, const char *member,
	const char *value)
{
	struct client_call call = {.ep = EP_ROUTE_PATCH, .param = {at->feature, at->target}};
	const char *expires = cmd_opt(c, COPT_EXPIRES);
	struct str q = STR_INIT, body = STR_INIT;
	int64_t ms = 0;
	if (expires != NULL && !num_duration_ms(slice_of(expires), &ms))
		return err_set(&c->err, ERR_USAGE, _("--expires is a duration such as 10m"));
	cmd_query(&q, "key", at->key);
	cmd_query(&q, "instance", at->instance);
	str_addf(&body, "{\"%s\":%s", member, value);
	if (expires != NULL)
		str_addf(&body, ",\"expires_in_s\":%lld", (long long)((ms + 999) / 1000));
	str_add(&body, "}");
	call.query = str_text(&q);
	call.body = str_slice(&body);
	struct client_answer a;
	enum err_code code = cmd_call(c, &call, &a);
	if (!code && !cmd_for_people(c))
		code = cmd_show(c, &a);
	else if (!code)
		cmd_writef(c, _("route %s %s: %s %s%s%s\n"), at->feature, at->target, member, value,
			expires != NULL ? _(" for ") : "", expires != NULL ? expires : "");
	str_release(&q);
	str_release(&body);
	return code;
}

enum err_code cmd_route_set(struct cmd *c)
{
	const char *weight = cmd_opt(c, COPT_WEIGHT);
	int64_t v;
	if (weight == NULL || !num_i64(slice_of(weight), 0, 1000000, &v))
		return err_set(&c->err, ERR_USAGE, _("--weight says the new weight, 0 to 1000000"));
	struct place at;
	enum err_code code = place_of(c, &at);
	return code ? code : patch(c, &at, "weight", weight);
}

enum err_code cmd_route_drain(struct cmd *c)
{
	struct place at;
	enum err_code code = place_of(c, &at);
	if (code)
		return code;
	struct effect_of of = {.feature = at.feature,
		.target = at.target,
		.part = at.instance != NULL ? at.instance : slug_of(at.key)};
	code = effect_agree(c, &of, arena_printf(&c->arena, "%s/%s", at.feature, at.target));
	return code ? code : patch(c, &at, "drain", "true");
}

enum err_code cmd_route_undrain(struct cmd *c)
{
	struct place at;
	enum err_code code = place_of(c, &at);
	return code ? code : patch(c, &at, "drain", "false");
}

enum err_code cmd_route_history(struct cmd *c)
{
	struct client_call call = {.ep = EP_DECISION_LIST};
	struct str q = STR_INIT;
	cmd_query(&q, "feature", c->arg_n ? c->arg[0] : NULL);
	cmd_query(&q, "limit", cmd_opt(c, COPT_LIMIT));
	call.query = str_text(&q);
	enum err_code code = cmd_call_list(c, &call);
	str_release(&q);
	return code;
}
