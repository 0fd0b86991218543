// SPDX-License-Identifier: MIT
// Commands that go on until something is so, a row each.
#include "console/cmd/rows.h"

#include "console/cmd/commands.h"
#include "shared/text.h"

static const struct command rows[] = {
	{
		.id = CMD_WAIT,
		.path = "wait",
		.summary = N_("wait until something is so"),
		.text = N_(
			"What is not there yet is waited for. --for is exists, deleted, healthy, "
			"enabled, disabled, or MEMBER=VALUE of what get -o json shows, such as "
			"state=cooldown. The agent's events wake it, so that it looks at once. It "
			"gives up after --timeout, 60s where none is said, and answers 8."),
		.args = {{"NOUN/NAME", true, false, CC_NONE,
			N_("e.g. service/sd-webui, key/openai/dalle/prod-1, route/chat")}},
		.opts = {COPT_FOR},
		.endpoint = EP_EVENTS,
		.examples = {{"yijian wait service/demo-llm --for=healthy --timeout 60s", 0},
			{"yijian wait key/openai/gpt-4/demo --for=enabled -o json", 0},
			{"yijian wait feature/old_feature --for=deleted --timeout 5s", 0}},
	},
	{
		.id = CMD_WATCH,
		.path = "watch",
		.summary = N_("print a list, and then what changes in it"),
		.text = N_(
			"As NOUN list --watch. On a terminal the table is drawn anew; elsewhere what "
			"came, changed or went is one more row, with -o ndjson an object with its "
			"type ADDED, MODIFIED or DELETED. It never ends by itself: an agent that goes "
			"away is called again, and standard error says so."),
		.args = {{"NOUN", true, false, CC_NONE,
			N_("key, service, feature, route, client, alert, task, change …")}},
		.endpoint = EP_EVENTS,
		.examples = {{"yijian watch key -o ndjson | head -n 1", 0}},
	},
};

const struct command_rows rows_wait = {rows, ARRAY_LEN(rows)};
