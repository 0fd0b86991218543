// SPDX-License-Identifier: MIT
// Documents on their way to the agent: tried first, completed with what people know, then done against
// the revision they were tried on.
#include "console/cmd/plan.h"

#include <string.h>

#include "shared/text.h"

#define APPLY_TIMEOUT_MS 60000
#define PROGRESS_AFTER_MS 300

enum apply_result plan_result(const struct jx *item)
{
	const char *said = jx_str(jx_get(item, "result"), "");
	for (size_t i = 0; apply_result_names[i] != NULL; i++)
		if (strcmp(apply_result_names[i], said) == 0)
			return (enum apply_result)i;
	return APPLY_INVALID;
}

bool plan_needs_secret(const struct jx *item)
{
	return jx_bool(jx_get(item, "needs_secret"), false);
}

enum err_code plan_judge(struct cmd *c, const struct jx *items)
{
	const struct jx *first = NULL;
	size_t n = 0;
	for (size_t i = 0; i < jx_len(items); i++) {
		const struct jx *item = jx_at(items, i);
		if (plan_result(item) != APPLY_INVALID || plan_needs_secret(item))
			continue;
		first = n++ == 0 ? item : first;
	}
	if (first == NULL)
		return ERR_OK;
	const struct jx *e = jx_get(first, "error");
	const struct err_row *row = err_row_named(slice_of(jx_str(jx_get(e, "code"), "")));
	struct str safe = STR_INIT;
	text_add_safe(&safe,
		slice_of(arena_printf(&c->arena, "%s %s: %s%s%s",
			jx_str(jx_get(first, "kind"), "?"), jx_str(jx_get(first, "name"), "?"),
			jx_str(jx_get(e, "field"), ""), jx_get(e, "field") != NULL ? ": " : "",
			jx_str(jx_get(e, "message"), "?"))));
	err_set(&c->err, row != NULL ? row->id : ERR_JSON_INVALID, "%s", str_text(&safe));
	str_clear(&safe);
	text_add_safe(&safe, slice_of(jx_str(jx_get(e, "hint"), "")));
	if (safe.n)
		err_hint(&c->err, "%s", str_text(&safe));
	else
		err_hint(&c->err, _("nothing was applied; %zu of %zu documents are invalid"), n,
			jx_len(items));
	str_release(&safe);
	return c->err.code;
}

// ---- the calls ----

static bool still_going(void *arg, int64_t waited_ms)
{
	if (waited_ms >= PROGRESS_AFTER_MS)
		cmd_progressf(arg, _("the agent reads the documents: %lld s"),
			(long long)(waited_ms / 1000));
	return true;
}

static enum err_code send(struct cmd *c, const struct plan *p, bool dry, const char *if_match,
	struct client_answer *ret)
{
	struct client_call call = {.ep = EP_APPLY,
		.query = dry && p->prune != NULL ? arena_printf(&c->arena, "dry_run=1&%s", p->prune)
			: dry			 ? "dry_run=1"
						 : p->prune,
		.headers = {if_match},
		.timeout_ms = APPLY_TIMEOUT_MS,
		.on_wait = still_going,
		.wait_arg = c};
	struct str body = STR_INIT;
	documents_body(&p->docs, p->confirm, p->confirm_n, &body);
	enum err_code code = jscan_check(str_slice(&body),
		(struct jscan_limits){DOCUMENT_TOKENS_MAX, 0}, &c->err);
	if (!code && body.n > DOCUMENT_BYTES_MAX)
		code = err_set(&c->err, ERR_BODY_TOO_LARGE, NULL);
	call.body = str_slice(&body);
	if (!code)
		code = cmd_call(c, &call, ret);
	cmd_progress_over(c);
	str_wipe(&body);
	if (!code && !jx_is_arr(jx_get(ret->doc, "items")))
		code = err_set(&c->err, ERR_NOT_AN_AGENT, NULL);
	return code;
}

static enum err_code try_it(struct cmd *c, struct plan *p)
{
	enum err_code code = send(c, p, true, NULL, &p->answer);
	p->items = code ? NULL : jx_get(p->answer.doc, "items");
	return code;
}

enum err_code plan_do(struct cmd *c, const struct plan *p, struct client_answer *ret)
{
	const struct jx *revision = jx_get(p->answer.doc, "revision");
	const char *if_match = jx_is_num(revision)
		? arena_printf(&c->arena, "If-Match: \"%lld\"", (long long)jx_int(revision, 0))
		: NULL;
	enum err_code code = send(c, p, false, if_match, ret);
	if (code == ERR_PRECONDITION_FAILED) {
		err_set(&c->err, code, "%s",
			_("somebody changed the platform meanwhile; nothing was applied"));
		err_hint(&c->err, "%s", _("see what is different now: yijian diff -f …"));
	}
	return code;
}

void plan_confirm(struct cmd *c, struct plan *p, const char *name)
{
	const char **names = arena_zalloc(&c->arena, p->confirm_n + 1, sizeof(*names));
	for (size_t i = 0; i < p->confirm_n; i++)
		names[i] = p->confirm[i];
	names[p->confirm_n++] = name;
	p->confirm = names;
}

// The kinds of --prune as the agent spells them.
static enum err_code read_prune(struct cmd *c, struct plan *p)
{
	struct str q = STR_INIT;
	struct slice rest = slice_of(cmd_has(c, COPT_PRUNE) ? cmd_opt(c, COPT_PRUNE) : "");
	while (rest.n) {
		struct slice one = slice_trim(slice_cut(&rest, ','));
		size_t kind = 0;
		while (kind < DOC_KINDS && !slice_ieq_str(one, document_kind_names[kind]))
			kind++;
		if (kind == DOC_KINDS) {
			str_release(&q);
			return err_set(&c->err, ERR_USAGE, "%s",
				_("--prune takes Feature, Key, Service, Client, AlertRule"));
		}
		str_addf(&q, "%s%s", q.n ? "," : "", document_kind_names[kind]);
	}
	p->prune = q.n ? arena_printf(&c->arena, "prune=%s", str_text(&q)) : NULL;
	str_release(&q);
	return ERR_OK;
}

enum err_code plan_make(struct cmd *c, bool secrets, struct plan *ret)
{
	*ret = (struct plan){0};
	enum err_code code = documents_read(c, &ret->docs);
	if (!code && secrets)
		code = documents_secrets(c, &ret->docs);
	if (!code)
		code = read_prune(c, ret);
	for (size_t i = 0; i < c->opt_n; i++)
		if (c->opt[i].id == COPT_CONFIRM)
			plan_confirm(c, ret, c->opt[i].value);
	return code ? code : try_it(c, ret);
}

void plan_release(struct plan *p)
{
	documents_release(&p->docs);
}

// ---- secrets nobody has named ----

static struct document *document_of(struct plan *p, const struct jx *item)
{
	for (size_t i = 0; i < p->docs.n; i++)
		if (strcmp(p->docs.v[i].kind, jx_str(jx_get(item, "kind"), "")) == 0 &&
			strcmp(p->docs.v[i].name, jx_str(jx_get(item, "name"), "")) == 0)
			return &p->docs.v[i];
	return NULL;
}

static enum err_code missing_secrets(struct cmd *c, const struct plan *p)
{
	struct str names = STR_INIT;
	for (size_t i = 0; i < jx_len(p->items); i++) {
		const struct jx *item = jx_at(p->items, i);
		if (!plan_needs_secret(item))
			continue;
		str_add(&names, names.n ? ", " : "");
		text_add_safe(&names, slice_of(jx_str(jx_get(item, "name"), "?")));
	}
	err_field(&c->err, ERR_FIELD_REQUIRED, "api_key", _("new keys have no secret: %s"),
		str_text(&names));
	err_hint(&c->err, "%s",
		_("write \"api_key\": {\"from\": \"file:PATH\"} or {\"from\": \"stdin\"} into their "
		  "spec, or run it on a terminal, which asks; nothing was applied"));
	str_release(&names);
	return ERR_FIELD_REQUIRED;
}

enum err_code plan_secrets(struct cmd *c, struct plan *p)
{
	size_t asked = 0;
	enum err_code code = ERR_OK;
	for (size_t i = 0; !code && i < jx_len(p->items); i++) {
		const struct jx *item = jx_at(p->items, i);
		struct document *d = plan_needs_secret(item) ? document_of(p, item) : NULL;
		if (d == NULL)
			continue;
		if (c->no_input || !c->io->in_tty)
			return missing_secrets(c, p);
		struct str prompt = STR_INIT;
		str_add(&prompt, _("Secret of key "));
		text_add_safe(&prompt, slice_of(d->name));
		str_add(&prompt, _(" (hidden): "));
		code = c->io->ask_secret(c->io->arg, str_text(&prompt), &d->secret, &c->err);
		str_release(&prompt);
		asked++;
	}
	return code || asked == 0 ? code : try_it(c, p);
}
