// SPDX-License-Identifier: MIT
// alert commands: what fires, who sees to it, and the rules behind it.
#include "console/cmd/alert.h"

#include <string.h>

#include "console/cmd/show.h"
#include "shared/text.h"

enum err_code cmd_alert_list(struct cmd *c)
{
	struct client_call call = {.ep = EP_ALERT_LIST};
	struct str q = STR_INIT;
	cmd_query(&q, "state", cmd_has(c, COPT_ALL) ? "all" : "current");
	cmd_query(&q, "limit", cmd_opt(c, COPT_LIMIT));
	call.query = str_text(&q);
	enum err_code code = cmd_call_list(c, &call);
	str_release(&q);
	return code;
}

enum err_code cmd_alert_get(struct cmd *c)
{
	struct client_call call = {.ep = EP_ALERT_GET, .param = {c->arg[0]}};
	return cmd_call_show(c, &call);
}

static enum err_code ack_one(struct cmd *c, const char *id)
{
	struct client_call call = {.ep = EP_ALERT_ACK, .param = {id}};
	const char *note = cmd_opt(c, COPT_NOTE);
	struct str body = STR_INIT;
	struct jw w = jw_to(&body);
	jw_obj(&w, NULL);
	if (note != NULL)
		jw_str(&w, "note", note);
	jw_obj_end(&w);
	call.body = str_slice(&body);
	struct client_answer a;
	enum err_code code = cmd_call(c, &call, &a);
	str_release(&body);
	if (code)
		return code;
	if (!cmd_for_people(c))
		return cmd_show(c, &a);
	cmd_writef(c, _("alert %s acknowledged\n"), id);
	if (!jx_bool(jx_get(a.doc, "stored"), true))
		cmd_notef(c, "%s",
			_("it would not outlive a restart: the database takes no writes"));
	return ERR_OK;
}

enum err_code cmd_alert_ack(struct cmd *c)
{
	return cmd_each(c, 0, ack_one);
}

// ---- rules ----

enum err_code cmd_alert_rules_list(struct cmd *c)
{
	struct client_call call = {.ep = EP_ALERT_RULE_LIST};
	return cmd_call_list(c, &call);
}

enum err_code cmd_alert_rules_get(struct cmd *c)
{
	struct client_call call = {.ep = EP_ALERT_RULE_GET, .param = {c->arg[0]}};
	return cmd_call_show(c, &call);
}

static enum err_code write_rule(struct cmd *c, struct client_call *call, const char *name)
{
	struct str body = STR_INIT;
	struct jw w = jw_to(&body);
	jw_obj(&w, NULL);
	if (name != NULL)
		jw_str(&w, "name", name);
	cmd_body(c, &w);
	jw_obj_end(&w);
	call->body = str_slice(&body);
	enum err_code code = cmd_call_show(c, call);
	str_release(&body);
	return code;
}

enum err_code cmd_alert_rules_add(struct cmd *c)
{
	struct client_call call = {.ep = EP_ALERT_RULE_CREATE};
	return write_rule(c, &call, c->arg[0]);
}

enum err_code cmd_alert_rules_set(struct cmd *c)
{
	const char *revision = cmd_opt(c, COPT_IF_MATCH);
	struct client_call call = {.ep = EP_ALERT_RULE_PATCH,
		.param = {c->arg[0]},
		.headers = {revision != NULL ? arena_printf(&c->arena, "If-Match: \"%s\"", revision)
					     : NULL}};
	if (!cmd_body_given(c))
		return err_set(&c->err, ERR_USAGE, _("say what to change, e.g. --threshold 10"));
	return write_rule(c, &call, NULL);
}

static enum err_code delete_one(struct cmd *c, const char *name)
{
	struct client_call call = {.ep = EP_ALERT_RULE_DELETE, .param = {name}};
	struct client_answer a;
	enum err_code code = cmd_call(c, &call, &a);
	return code ? code
		    : cmd_done(c, name, "deleted",
			      arena_printf(&c->arena, _("alert rule %s deleted"), name));
}

enum err_code cmd_alert_rules_delete(struct cmd *c)
{
	return cmd_each(c, 0, delete_one);
}

// ---- what other commands show of it ----

void cmd_alert_lines(struct cmd *c, const struct jx *status)
{
	const struct jx *alerts = jx_get(status, "alerts"), *items = jx_get(alerts, "items");
	long long firing = (long long)jx_int(jx_get(alerts, "firing"), 0);
	cmd_writef(c, _("alerts %lld  %lld acked\n"), firing,
		(long long)jx_int(jx_get(alerts, "acked"), 0));
	for (size_t i = 0; i < jx_len(items); i++) {
		const struct jx *al = jx_at(items, i);
		struct str line = STR_INIT;
		str_addf(&line, "  %c ",
			strcmp(jx_str(jx_get(al, "severity"), ""), "critical") == 0 ? '!' : '?');
		text_add_safe(&line, slice_of(jx_str(jx_get(al, "message"), "?")));
		str_add(&line,
			strcmp(jx_str(jx_get(al, "state"), ""), "acked") == 0 ? _("  (acked)")
									      : "");
		cmd_writef(c, "%s\n", str_text(&line));
		str_release(&line);
	}
}
