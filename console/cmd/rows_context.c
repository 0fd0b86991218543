// SPDX-License-Identifier: MIT
// Commands of contexts, a row each: agents by name.
#include "console/cmd/rows.h"

#include "console/base/contexts.h"
#include "console/cmd/commands.h"
#include "shared/text.h"

#define CONTEXT_ARG {"CONTEXT", true, false, CC_CONTEXT, N_("name of a context")}

static const struct command rows[] = {
	{
		.id = CMD_CONTEXT_LIST,
		.path = "context list",
		.summary = N_("list the agents you have names for"),
		.endpoint = EP_COUNT,
		.output = &context_fields,
		.flags = CMF_LIST | CMF_ALONE,
		.examples = {{"yijian context list", 0}},
		.exits = {78},
	},
	{
		.id = CMD_CONTEXT_GET,
		.path = "context get",
		.summary = N_("show a context, without a name the one in use"),
		.args = {{"CONTEXT", false, false, CC_CONTEXT, N_("name of a context")}},
		.endpoint = EP_COUNT,
		.output = &context_fields,
		.flags = CMF_ALONE,
		.examples = {{"yijian context get lab", 0}},
		.exits = {3, 78},
	},
	{
		.id = CMD_CONTEXT_USE,
		.path = "context use",
		.summary = N_("let commands go to this context where none is said"),
		.args = {CONTEXT_ARG},
		.endpoint = EP_COUNT,
		.flags = CMF_ALONE | CMF_PLAIN,
		.examples = {{"yijian context use lab", 0}},
		.exits = {3, 78},
	},
	{
		.id = CMD_CONTEXT_ADD,
		.path = "context add",
		.summary = N_("give an agent a name"),
		.text = N_(
			"--agent says where it is; --token-file, --ca-file and --pin how it is called, "
			"--read-only that nothing is changed there, --danger production that whatever "
			"takes something away wants the context's name said. A context of this name "
			"is replaced. The file is $XDG_CONFIG_HOME/yijian/contexts; it is refused when "
			"others may read or write it."),
		.args = {{"CONTEXT", true, false, CC_NONE, N_("its name")}},
		.opts = {COPT_DANGER},
		.endpoint = EP_COUNT,
		.flags = CMF_ALONE | CMF_PLAIN,
		.examples = {{"yijian context add stage --agent http://localhost:8000", 0},
			{"yijian context add prod --agent https://prod.example:8000 --token-file "
			 "prod.token --danger production",
				0}},
		.exits = {78},
	},
	{
		.id = CMD_CONTEXT_REMOVE,
		.path = "context remove",
		.summary = N_("forget the name of an agent, and the token login kept for it"),
		.args = {{"CONTEXT", true, true, CC_CONTEXT, N_("name of a context")}},
		.endpoint = EP_COUNT,
		.flags = CMF_ALONE | CMF_PLAIN,
		.examples = {{"yijian context remove old", 0}},
		.exits = {3, 9, 78},
	},
	{
		.id = CMD_LOGIN,
		.path = "login",
		.summary = N_("keep a token for a context, once the agent has taken it"),
		.text = N_(
			"The token comes from a hidden prompt or from standard input (--token -). It is "
			"kept in a file of yours alone beside the contexts. With --agent a context that "
			"is not there is made."),
		.args = {{"CONTEXT", false, false, CC_CONTEXT,
			N_("name of a context; without one the one in use")}},
		.opts = {COPT_TOKEN},
		.endpoint = EP_STATUS,
		.flags = CMF_ALONE | CMF_PLAIN,
		.examples = {{"yijian login lab --token - < lab.token", 0}},
		.exits = {3, 4, 78},
	},
	{
		.id = CMD_LOGOUT,
		.path = "logout",
		.summary = N_("forget the token login kept for a context"),
		.args = {{"CONTEXT", false, false, CC_CONTEXT,
			N_("name of a context; without one the one in use")}},
		.endpoint = EP_COUNT,
		.flags = CMF_ALONE | CMF_PLAIN,
		.examples = {{"yijian logout lab", 0}},
		.exits = {3, 78},
	},
};

const struct command_rows rows_context = {rows, ARRAY_LEN(rows)};
