// SPDX-License-Identifier: MIT
// Commands of changes and documents, a row each.
#include "console/cmd/rows.h"

#include "console/cmd/commands.h"
#include "shared/text.h"

static const struct command rows[] = {
	{
		.id = CMD_UNDO,
		.path = "undo",
		.summary = N_("take a change back"),
		.text = N_(
			"Without a CHANGE the last one that can be undone, which is shown first. Refused "
			"when what it made was changed since. Revocation is final: deleted tokens and "
			"clients, rotated keys. A deleted key comes back disabled, for 10 minutes."),
		.args = {{"CHANGE", false, false, CC_NONE,
			N_("id of a change: yijian change list")}},
		.endpoint = EP_CHANGE_UNDO,
		.output = &change_fields,
		.flags = CMF_CHANGES,
		.examples = {{"yijian undo --yes", 0}},
		.exits = {3, 4, 5, 11},
	},
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
		.id = CMD_CHANGE_GET,
		.path = "change get",
		.summary = N_("show one change"),
		.args = {{"CHANGE", true, false, CC_NONE, N_("id of a change")}},
		.endpoint = EP_CHANGE_GET,
		.output = &change_fields,
		.examples = {{"yijian change get c-0", 3}},
		.exits = {3},
	},
	{
		.id = CMD_CHANGE_UNDO,
		.path = "change undo",
		.summary = N_("take a change back, as yijian undo does"),
		.args = {{"CHANGE", true, false, CC_NONE, N_("id of a change")}},
		.endpoint = EP_CHANGE_UNDO,
		.output = &change_fields,
		.flags = CMF_CHANGES,
		.examples = {{"yijian change undo c-0", 3}},
		.exits = {3, 4, 5},
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
	{
		.id = CMD_AUDIT_VERIFY,
		.path = "audit verify",
		.summary = N_("check that the audit log is what was written"),
		.endpoint = EP_AUDIT_VERIFY,
		.output = &audit_verify_fields,
		.examples = {{"yijian audit verify", 0}},
		.exits = {1},
	},
};

const struct command_rows rows_document = {rows, ARRAY_LEN(rows)};
