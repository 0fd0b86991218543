// SPDX-License-Identifier: MIT
// Commands of changes and documents, a row each.
#include "console/cmd/rows.h"

#include "console/cmd/commands.h"
#include "shared/text.h"

static const struct command rows[] = {
	{
		.id = CMD_CHANGE_LIST,
		.path = "change list",
		.summary = N_("list who changed what"),
		.opts = {COPT_LIMIT},
		.endpoint = EP_CHANGE_LIST,
		.output = &change_fields,
		.flags = CMF_LIST | CMF_FLEET | CMF_WATCH,
		.examples = {{"yijian change list", 0}},
	},
	{
		.id = CMD_AUDIT_LIST,
		.path = "audit list",
		.summary = N_("list the audit log"),
		.opts = {COPT_LIMIT},
		.endpoint = EP_AUDIT_LIST,
		.output = &audit_fields,
		.flags = CMF_LIST | CMF_FLEET | CMF_WATCH,
		.examples = {{"yijian audit list", 0}},
	},
};

const struct command_rows rows_document = {rows, ARRAY_LEN(rows)};
