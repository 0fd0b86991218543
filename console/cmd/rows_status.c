// SPDX-License-Identifier: MIT
// Commands that show the platform at a glance, a row each.
#include "console/cmd/rows.h"

#include "console/cmd/commands.h"
#include "shared/rows/model.h"
#include "shared/text.h"

static const struct command rows[] = {
	{
		.id = CMD_STATUS,
		.path = "status",
		.summary = N_("show the platform on one screen: services, routes, keys, traffic"),
		.text = N_(
			"Answers 0 when everything is in order and 1 when something is degraded."),
		.endpoint = EP_STATUS,
		.flags = CMF_FLEET,
		.output = &status_fields,
		.examples = {{"yijian status", 0}, {"yijian status -o json", 0}},
		.exits = {1},
	},
	{
		.id = CMD_HEALTH,
		.path = "health",
		.summary = N_("ask the five services and the instances for their health"),
		.args = {{"SERVICE", false, true, CC_SERVICE, N_("only these services")}},
		.endpoint = EP_SERVICE_LIST,
		.output = &service_fields,
		.flags = CMF_LIST | CMF_FLEET | CMF_WATCH,
		.examples = {{"yijian health", 0}, {"yijian health key-manager", 0}},
		.exits = {1, 3},
	},
	{
		.id = CMD_DOCTOR,
		.path = "doctor",
		.summary = N_("check agent, permissions, terminal and completion, with fixes"),
		.endpoint = EP_COUNT,
		.flags = CMF_LIST,
		.examples = {{"yijian doctor", 0}},
		.exits = {1},
	},
};

const struct command_rows rows_status = {rows, ARRAY_LEN(rows)};
