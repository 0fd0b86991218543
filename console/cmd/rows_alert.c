// SPDX-License-Identifier: MIT
// Commands of alerts and their rules, a row each.
#include "console/cmd/rows.h"

#include "console/cmd/commands.h"
#include "shared/rows/alert.h"
#include "shared/text.h"

static const struct command rows[] = {
	{
		.id = CMD_ALERT_LIST,
		.path = "alert list",
		.summary = N_("list the alerts under way"),
		.opts = {COPT_ALL, COPT_LIMIT},
		.endpoint = EP_ALERT_LIST,
		.output = &alert_fields,
		.flags = CMF_LIST | CMF_FLEET | CMF_WATCH,
		.examples = {{"yijian alert list", 0}, {"yijian alert list --all -o wide", 0}},
	},
	{
		.id = CMD_ALERT_GET,
		.path = "alert get",
		.summary = N_("show one alert with its next step"),
		.args = {{"ALERT", true, false, CC_ALERT, N_("id of an alert")}},
		.endpoint = EP_ALERT_GET,
		.output = &alert_fields,
		.examples = {{"yijian alert get al-0199c0a5f1e0001", 3}},
		.exits = {3},
	},
	{
		.id = CMD_ALERT_ACK,
		.path = "alert ack",
		.summary = N_("say that somebody sees to an alert"),
		.text = N_(
			"An acknowledged alert still fires, and resolves by itself when its condition "
			"has passed."),
		.args = {{"ALERT", true, true, CC_ALERT, N_("id of an alert")}},
		.opts = {COPT_NOTE},
		.endpoint = EP_ALERT_ACK,
		.output = &alert_fields,
		.flags = CMF_CHANGES,
		.examples = {{"yijian alert ack al-0199c0a5f1e0001 --note \"new key ordered\"", 3}},
		.exits = {3, 5, 9},
	},
	{
		.id = CMD_ALERT_RULES_LIST,
		.path = "alert rules list",
		.summary = N_("list the alert rules"),
		.endpoint = EP_ALERT_RULE_LIST,
		.output = &alert_rule_fields,
		.flags = CMF_LIST | CMF_FLEET | CMF_WATCH,
		.examples = {{"yijian alert rules list", 0}},
	},
	{
		.id = CMD_ALERT_RULES_GET,
		.path = "alert rules get",
		.summary = N_("show one alert rule"),
		.args = {{"RULE", true, false, CC_ALERT_RULE, N_("name of a rule")}},
		.endpoint = EP_ALERT_RULE_GET,
		.output = &alert_rule_fields,
		.examples = {{"yijian alert rules get key-expiry -o json", 0}},
		.exits = {3},
	},
	{
		.id = CMD_ALERT_RULES_ADD,
		.path = "alert rules add",
		.summary = N_("add an alert rule"),
		.args = {{"RULE", true, false, CC_NONE, N_("name of the rule")}},
		.body = &alert_rule_fields,
		.endpoint = EP_ALERT_RULE_CREATE,
		.output = &alert_rule_fields,
		.flags = CMF_CHANGES,
		.examples = {{"yijian alert rules add chat-slow --metric p95_ms --only chat "
			      "--threshold 2000 --for-s 120",
			0}},
		.exits = {5, 6},
	},
	{
		.id = CMD_ALERT_RULES_SET,
		.path = "alert rules set",
		.summary = N_("change an alert rule"),
		.args = {{"RULE", true, false, CC_ALERT_RULE, N_("name of a rule")}},
		.opts = {COPT_IF_MATCH},
		.body = &alert_rule_fields,
		.endpoint = EP_ALERT_RULE_PATCH,
		.output = &alert_rule_fields,
		.flags = CMF_CHANGES,
		.examples = {{"yijian alert rules set key-expiry --threshold 30", 0}},
		.exits = {3, 5, 6},
	},
	{
		.id = CMD_ALERT_RULES_DELETE,
		.path = "alert rules delete",
		.summary = N_("delete alert rules; built-in ones go back to their defaults"),
		.args = {{"RULE", true, true, CC_ALERT_RULE, N_("name of a rule")}},
		.endpoint = EP_ALERT_RULE_DELETE,
		.flags = CMF_CHANGES | CMF_CONFIRM,
		.examples = {{"yijian alert rules delete key-expiry --yes", 0}},
		.exits = {3, 5, 9},
	},
};

const struct command_rows rows_alert = {rows, ARRAY_LEN(rows)};
