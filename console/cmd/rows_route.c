// SPDX-License-Identifier: MIT
// Commands of routes and decisions, a row each.
#include "console/cmd/rows.h"

#include "console/cmd/commands.h"
#include "shared/text.h"

#define FEATURE_ARG {"FEATURE", true, false, CC_FEATURE, N_("name of a feature")}
#define FEATURE_OR_BOTH                                                                            \
	{"FEATURE", true, false, CC_FEATURE,                                                       \
		N_("name of a feature; FEATURE/TARGET as lists print it says both")}
#define TARGET_ARG                                                                                 \
	{"TARGET", false, false, CC_TARGET, N_("target, e.g. openai/dalle or openai/dalle#main")}

static const struct command rows[] = {
	{
		.id = CMD_ROUTE_LIST,
		.path = "route list",
		.summary = N_("show the live route table"),
		.args = {{"FEATURE", false, false, CC_FEATURE, N_("only this feature")}},
		.endpoint = EP_ROUTE_LIST,
		.output = &route_fields,
		.flags = CMF_LIST | CMF_FLEET | CMF_WATCH,
		.examples = {{"yijian route list", 0}},
		.exits = {3},
	},
	{
		.id = CMD_ROUTE_GET,
		.path = "route get",
		.summary = N_("show the live routes of one feature"),
		.args = {FEATURE_ARG},
		.endpoint = EP_ROUTE_GET,
		.output = &route_fields,
		.flags = CMF_LIST | CMF_FLEET | CMF_WATCH,
		.examples = {{"yijian route get chat", 0}},
		.exits = {3},
	},
	{
		.id = CMD_ROUTE_EXPLAIN,
		.path = "route explain",
		.summary = N_("tell which target a request would take, and why not the others"),
		.text = N_(
			"A dry run: no vendor is called and nothing is billed or counted. Answers 1 when "
			"nothing is chosen; with --expect, also when another target is."),
		.args = {FEATURE_ARG},
		.opts = {COPT_WIDTH, COPT_HEIGHT, COPT_SIZE, COPT_N, COPT_MODEL, COPT_STREAM,
			COPT_EXPECT},
		.endpoint = EP_ROUTE_DECIDE,
		.output = &decision_fields,
		.examples = {{"yijian route explain text_to_image --width 1024 --height 1024", 0},
			{"yijian route explain chat --expect openai/gpt-4 -o json", 0}},
		.exits = {1, 3, 6},
	},
	{
		.id = CMD_ROUTE_SET,
		.path = "route set",
		.summary = N_("override a target's weight for a while"),
		.args = {FEATURE_OR_BOTH, TARGET_ARG},
		.opts = {COPT_WEIGHT, COPT_KEY, COPT_INSTANCE, COPT_EXPIRES},
		.endpoint = EP_ROUTE_PATCH,
		.output = &route_fields,
		.flags = CMF_CHANGES,
		.examples = {{"yijian route set chat openai/gpt-4 --weight 5 --expires 10m", 0}},
		.exits = {3, 6},
	},
	{
		.id = CMD_ROUTE_DRAIN,
		.path = "route drain",
		.summary = N_("take a target out of a route"),
		.text = N_(
			"The last target a feature has wants the name: typed on a terminal, elsewhere "
			"--confirm FEATURE/TARGET."),
		.args = {FEATURE_OR_BOTH, TARGET_ARG},
		.opts = {COPT_KEY, COPT_INSTANCE, COPT_EXPIRES, COPT_CONFIRM},
		.endpoint = EP_ROUTE_PATCH,
		.output = &route_fields,
		.flags = CMF_CHANGES,
		.examples =
			{{"yijian route drain chat openai/gpt-4 --expires 10m --confirm chat/openai/gpt-4",
				0}},
		.exits = {3, 6, 11},
	},
	{
		.id = CMD_ROUTE_UNDRAIN,
		.path = "route undrain",
		.summary = N_("bring a drained target back"),
		.args = {FEATURE_OR_BOTH, TARGET_ARG},
		.opts = {COPT_KEY, COPT_INSTANCE},
		.endpoint = EP_ROUTE_PATCH,
		.output = &route_fields,
		.flags = CMF_CHANGES,
		.examples = {{"yijian route undrain chat openai/gpt-4", 0}},
		.exits = {3, 6},
	},
	{
		.id = CMD_ROUTE_HISTORY,
		.path = "route history",
		.summary = N_("list recorded decisions"),
		.args = {{"FEATURE", false, false, CC_FEATURE, N_("only this feature")}},
		.opts = {COPT_LIMIT},
		.endpoint = EP_DECISION_LIST,
		.output = &decision_fields,
		.flags = CMF_LIST | CMF_FLEET | CMF_WATCH,
		.examples = {{"yijian route history", 0}},
	},
};

const struct command_rows rows_route = {rows, ARRAY_LEN(rows)};
