// SPDX-License-Identifier: MIT
// Commands that show the platform at a glance, a row each.
#include "console/cmd/rows.h"

#include "console/cmd/commands.h"
#include "shared/rows/model.h"
#include "shared/text.h"

#define TOLD(member, head, text)                                                                   \
	{.name = (member),                                                                         \
		.offset = FIELD_NO_HOME,                                                           \
		.type = FT_STR,                                                                    \
		.flags = FF_READONLY | FF_COLUMN,                                                  \
		.title = (head),                                                                   \
		.help = (text)}

// Of the answer the part that is rows: a table, CSV and names show it.
static const struct field route_rows[] = {
	TOLD("feature", N_("ROUTE"), N_("name of the feature")),
	TOLD("state", NULL, N_("OK, WARN, DOWN or OFF")),
	{.name = "candidates_ok",
		.offset = FIELD_NO_HOME,
		.type = FT_INT,
		.flags = FF_READONLY | FF_COLUMN,
		.title = N_("READY"),
		.help = N_("targets that take requests now")},
	{.name = "candidates",
		.offset = FIELD_NO_HOME,
		.type = FT_INT,
		.flags = FF_READONLY | FF_COLUMN,
		.title = N_("OF"),
		.help = N_("targets there are")},
	{.name = "rate",
		.offset = FIELD_NO_HOME,
		.type = FT_NUM,
		.flags = FF_READONLY | FF_COLUMN,
		.title = N_("REQ/S"),
		.help = N_("requests per second")},
	{.name = "p95_ms",
		.offset = FIELD_NO_HOME,
		.type = FT_NUM,
		.flags = FF_READONLY | FF_COLUMN,
		.title = N_("P95 MS"),
		.help = N_("95th percentile of latency")},
	{.name = "error_pct",
		.offset = FIELD_NO_HOME,
		.type = FT_NUM,
		.flags = FF_READONLY | FF_COLUMN,
		.title = N_("ERR%"),
		.help = N_("failed part")},
};
static const struct field_set status_route_fields = {
	"Status", route_rows, ARRAY_LEN(route_rows), 0};

static const struct field doctor_rows[] = {
	TOLD("result", NULL, N_("ok, warn or fail")),
	TOLD("name", N_("CHECK"), N_("what was looked at")),
	TOLD("seen", NULL, N_("what was seen")),
	TOLD("next_step", NULL, N_("what to do about it")),
};
static const struct field_set doctor_fields = {"Check", doctor_rows, ARRAY_LEN(doctor_rows), 0};

static const struct command rows[] = {
	{
		.id = CMD_STATUS,
		.path = "status",
		.summary = N_("show the platform on one screen: services, routes, keys, traffic"),
		.text = N_(
			"Answers 0 when everything is in order, and 1 when the agent or a service is "
			"degraded or a feature can serve nobody. CSV and names are of its routes."),
		.endpoint = EP_STATUS,
		.flags = CMF_FLEET,
		.output = &status_route_fields,
		.examples = {{"yijian status", 0}, {"yijian status -o json", 0}},
		.exits = {1},
	},
	{
		.id = CMD_HEALTH,
		.path = "health",
		.summary = N_("ask services, instances and features for their health"),
		.text = N_(
			"Answers 1 when one of them is not OK: a feature whose targets are all out or "
			"drained, too. With --live only the agent's /healthz is asked: whether it answers "
			"and can serve."),
		.args = {{"NAME", false, true, CC_SERVICE, N_("only these services or features")}},
		.opts = {COPT_LIVE},
		.endpoint = EP_SERVICE_LIST,
		.output = &service_fields,
		.flags = CMF_LIST | CMF_FLEET | CMF_WATCH,
		.examples = {{"yijian health", 0}, {"yijian health key-manager", 0},
			{"yijian health --live", 0}},
		.exits = {1, 3},
	},
	{
		.id = CMD_DOCTOR,
		.path = "doctor",
		.summary = N_("check agent, permissions, terminal and completion, with fixes"),
		.endpoint = EP_COUNT,
		.output = &doctor_fields,
		.flags = CMF_LIST,
		.examples = {{"yijian doctor", 0}, {"yijian doctor -o json", 0}},
		.exits = {1},
	},
};

const struct command_rows rows_status = {rows, ARRAY_LEN(rows)};
