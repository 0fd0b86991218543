// SPDX-License-Identifier: MIT
// change, audit and undo. Which change can be undone, by whom and until when, the agent says.
#include "console/cmd/change.h"

#include <string.h>

#include "console/cmd/show.h"
#include "shared/clock.h"
#include "shared/num.h"
#include "shared/text.h"

#define LOG_DEFAULT 100 // rows of a log, unless more are asked for
#define LOG_PAGE 1000 // as many as an answer has
#define LOOKED_AT "100" // newest changes among which the last that can be undone is found

static enum err_code log_list(struct cmd *c, enum endpoint_id ep)
{
	struct client_call call = {.ep = ep};
	const char *limit = cmd_opt(c, COPT_LIMIT);
	struct str q = STR_INIT;
	int64_t max = LOG_DEFAULT;
	if (limit != NULL && !num_i64(slice_of(limit), 1, INT64_C(1) << 30, &max))
		return err_set(&c->err, ERR_USAGE, "%s", _("--limit is a number from 1 on"));
	cmd_query(&q, "limit", arena_printf(&c->arena, "%lld", (long long)MIN_OF(max, LOG_PAGE)));
	call.query = str_text(&q);
	struct client_answer a;
	enum err_code code = cmd_call_pages(c, &call, (size_t)max, &a);
	if (!code)
		code = cmd_show_items(c, &a, "items");
	str_release(&q);
	return code;
}

enum err_code cmd_change_list(struct cmd *c)
{
	return log_list(c, EP_CHANGE_LIST);
}

enum err_code cmd_change_get(struct cmd *c)
{
	struct client_call call = {.ep = EP_CHANGE_GET, .param = {c->arg[0]}};
	return cmd_call_show(c, &call);
}

enum err_code cmd_audit_list(struct cmd *c)
{
	return log_list(c, EP_AUDIT_LIST);
}

enum err_code cmd_audit_verify(struct cmd *c)
{
	struct client_call call = {.ep = EP_AUDIT_VERIFY};
	struct client_answer a;
	enum err_code code = cmd_call(c, &call, &a);
	if (code)
		return code;
	if (!jx_is_bool(jx_get(a.doc, "ok")))
		return err_set(&c->err, ERR_NOT_AN_AGENT, NULL);
	code = cmd_show(c, &a);
	if (!code && !jx_bool(jx_get(a.doc, "ok"), false))
		code = err_set(&c->err, ERR_ANSWER_NO, "%s",
			_("the audit log is not what was written: rows were changed or are gone"));
	return code;
}

// ---- undo ----

// What the agent made by itself at its first start is nobody's last change.
static bool can_be_undone(const struct jx *change, int64_t now_ms)
{
	if (strcmp(jx_str(jx_get(change, "actor"), ""), "system") == 0)
		return false;
	int64_t until_ms;
	const char *until = jx_str(jx_get(change, "undoable_until"), NULL);
	return until != NULL && clock_parse_rfc3339(slice_of(until), &until_ms) &&
		until_ms > now_ms;
}

// Shows what is undone when nobody has said it, and asks.
static enum err_code agree(struct cmd *c, const struct jx *change)
{
	struct str line = STR_INIT;
	static const char *const members[] = {
		"id", "at", "actor", "action", "kind", "name", "summary"};
	for (size_t i = 0; i < ARRAY_LEN(members); i++) {
		str_add(&line, i ? "  " : "");
		text_add_safe(&line, slice_of(jx_str(jx_get(change, members[i]), "")));
	}
	cmd_notef(c, "%s", str_text(&line));
	str_release(&line);
	if (c->yes)
		return ERR_OK;
	if (!c->no_input && c->io->in_tty)
		return c->io->confirm(c->io->arg, _("Undo this?"), &c->err);
	err_set(&c->err, ERR_REFUSED, "%s", _("nobody can be asked whether this is the one"));
	err_hint(&c->err, _("say which: yijian undo %s, or agree with --yes"),
		jx_str(jx_get(change, "id"), "CHANGE"));
	return ERR_REFUSED;
}

static enum err_code last_change(struct cmd *c, const char **ret)
{
	struct client_call call = {.ep = EP_CHANGE_LIST, .query = "limit=" LOOKED_AT};
	struct client_answer a;
	enum err_code code = cmd_call(c, &call, &a);
	if (code)
		return code;
	const struct jx *items = jx_get(a.doc, "items");
	if (!jx_is_arr(items))
		return err_set(&c->err, ERR_NOT_AN_AGENT, NULL);
	int64_t now_ms = clock_wall_ms();
	for (size_t i = 0; i < jx_len(items); i++) {
		if (!can_be_undone(jx_at(items, i), now_ms))
			continue;
		*ret = jx_str(jx_get(jx_at(items, i), "id"), "");
		return agree(c, jx_at(items, i));
	}
	err_set(&c->err, ERR_NOT_FOUND, "%s",
		_("none of the last " LOOKED_AT " changes can be undone"));
	err_hint(&c->err, "%s", _("see them: yijian change list"));
	return ERR_NOT_FOUND;
}

enum err_code cmd_undo(struct cmd *c)
{
	struct client_call call = {.ep = EP_CHANGE_UNDO};
	struct client_answer a;
	struct str line = STR_INIT;
	const char *id = c->arg_n ? c->arg[0] : NULL;
	enum err_code code = id != NULL ? ERR_OK : last_change(c, &id);
	call.param[0] = id;
	if (!code)
		code = cmd_call(c, &call, &a);
	if (code)
		return code;
	if (c->format.format != FMT_TABLE && c->format.format != FMT_WIDE)
		return cmd_show(c, &a);
	text_add_safe(&line, slice_of(jx_str(jx_get(a.doc, "summary"), "")));
	cmd_writef(c, _("change %s undone%s%s\n"), id, line.n ? ": " : "", str_text(&line));
	if (jx_is_str(jx_get(a.doc, "id")))
		cmd_notef(c, _("that is change %s, which can be undone too"),
			jx_str(jx_get(a.doc, "id"), ""));
	str_release(&line);
	return ERR_OK;
}
