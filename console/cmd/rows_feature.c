// SPDX-License-Identifier: MIT
// Commands of features, a row each.
#include "console/cmd/rows.h"

#include "console/cmd/commands.h"
#include "shared/rows/model.h"
#include "shared/text.h"

#define FEATURE_ARG {"FEATURE", true, false, CC_FEATURE, N_("name of a feature")}

static const struct command rows[] = {
	{
		.id = CMD_FEATURE_LIST,
		.path = "feature list",
		.summary = N_("list what the platform offers"),
		.endpoint = EP_FEATURE_LIST,
		.output = &feature_fields,
		.flags = CMF_LIST | CMF_FLEET | CMF_WATCH,
		.examples = {{"yijian feature list", 0}},
	},
	{
		.id = CMD_FEATURE_GET,
		.path = "feature get",
		.summary = N_("show one feature with its targets"),
		.args = {FEATURE_ARG},
		.endpoint = EP_FEATURE_GET,
		.output = &feature_fields,
		.examples = {{"yijian feature get text_to_image -o json", 0}},
		.exits = {3},
	},
	{
		.id = CMD_FEATURE_SET,
		.path = "feature set",
		.summary = N_("create or change a feature"),
		.text = N_(
			"With --file the document in the file (JSON or YAML) replaces the feature; "
			"otherwise the options given are changed and the rest is kept. A feature "
			"there is none of is made with them, unless --if-match asks for one."),
		.args = {FEATURE_ARG},
		.opts = {COPT_FILE, COPT_IF_MATCH},
		.body = &feature_fields,
		.endpoint = EP_FEATURE_PATCH,
		.output = &feature_fields,
		.flags = CMF_CHANGES,
		.examples = {{"yijian feature set chat --strategy weighted", 0}},
		.exits = {3, 5, 6},
	},
	{
		.id = CMD_FEATURE_DELETE,
		.path = "feature delete",
		.summary = N_("remove a feature"),
		.args = {FEATURE_ARG},
		.opts = {COPT_IF_MATCH},
		.endpoint = EP_FEATURE_DELETE,
		.flags = CMF_CHANGES | CMF_CONFIRM,
		.examples = {{"yijian feature delete old_feature --yes", 0}},
		.exits = {3, 5, 11},
	},
	{
		.id = CMD_FEATURE_HISTORY,
		.path = "feature history",
		.summary = N_("list a feature's stored revisions"),
		.args = {FEATURE_ARG},
		.endpoint = EP_FEATURE_REVISIONS,
		.output = &revision_fields,
		.flags = CMF_LIST | CMF_FLEET | CMF_WATCH,
		.examples = {{"yijian feature history chat", 0}},
		.exits = {3},
	},
	{
		.id = CMD_FEATURE_ROLLBACK,
		.path = "feature rollback",
		.summary = N_("make an earlier revision the current one"),
		.args = {FEATURE_ARG},
		.opts = {COPT_REVISION},
		.endpoint = EP_FEATURE_ROLLBACK,
		.output = &feature_fields,
		.flags = CMF_CHANGES,
		.examples = {{"yijian feature rollback chat --revision 1", 0}},
		.exits = {3, 5, 6},
	},
};

const struct command_rows rows_feature = {rows, ARRAY_LEN(rows)};
