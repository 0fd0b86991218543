// SPDX-License-Identifier: MIT
// Commands of who may call: clients and tokens, a row each.
#include "console/cmd/rows.h"

#include "console/cmd/commands.h"
#include "shared/rows/identity.h"
#include "shared/text.h"

static const struct command rows[] = {
	{
		.id = CMD_CLIENT_LIST,
		.path = "client list",
		.summary = N_("list the clients of the model traffic"),
		.endpoint = EP_CLIENT_LIST,
		.output = &client_view_fields,
		.flags = CMF_LIST | CMF_FLEET | CMF_WATCH,
		.examples = {{"yijian client list", 0}},
	},
	{
		.id = CMD_CLIENT_ADD,
		.path = "client add",
		.summary = N_("add a client and show its key, this once"),
		.text = N_(
			"The key goes to standard output alone, or with --out into a new file that only "
			"you may read. As soon as one client exists, every caller of the gateway needs "
			"a key: before the first one is made, those who called without a key in the "
			"last 5 minutes are named. On a terminal the command asks; elsewhere it wants "
			"--confirm NAME, or ends with 11 and has done nothing."),
		.args = {{"NAME", true, false, CC_NONE, N_("name of the client")}},
		.opts = {COPT_RPM, COPT_TPM, COPT_CONCURRENCY, COPT_BURST, COPT_BUDGET, COPT_OUT,
			COPT_CONFIRM},
		.body = &client_fields,
		.endpoint = EP_CLIENT_CREATE,
		.output = &client_view_fields,
		.flags = CMF_CHANGES,
		.examples =
			{{"yijian client add shop --rpm 600 --budget 25USD/month --features chat "
			  "--out shop.key --confirm shop",
				0}},
		.exits = {4, 5, 6, 11},
	},
	{
		.id = CMD_CLIENT_GET,
		.path = "client get",
		.summary = N_("show a client, its limits and what it spent"),
		.args = {{"CLIENT", true, false, CC_CLIENT,
			N_("name, id, or id:ID where a name is like it")}},
		.endpoint = EP_CLIENT_GET,
		.output = &client_view_fields,
		.examples = {{"yijian client get shop -o json", 0}},
		.exits = {3},
	},
	{
		.id = CMD_CLIENT_UPDATE,
		.path = "client update",
		.summary = N_("change a client's limits; none lifts one"),
		.args = {{"CLIENT", true, false, CC_CLIENT,
			N_("name, id, or id:ID where a name is like it")}},
		.opts = {COPT_NAME, COPT_RPM, COPT_TPM, COPT_CONCURRENCY, COPT_BURST, COPT_BUDGET,
			COPT_IF_MATCH},
		.body = &client_fields,
		.endpoint = EP_CLIENT_PATCH,
		.output = &client_view_fields,
		.flags = CMF_CHANGES,
		.examples = {{"yijian client update shop --rpm 1200 --budget none", 0}},
		.exits = {3, 5, 6},
	},
	{
		.id = CMD_CLIENT_DELETE,
		.path = "client delete",
		.summary = N_("delete clients; their keys end at once"),
		.args = {{"CLIENT", true, true, CC_CLIENT,
			N_("name, id, or id:ID where a name is like it")}},
		.endpoint = EP_CLIENT_DELETE,
		.flags = CMF_CHANGES | CMF_CONFIRM,
		.examples = {{"yijian client delete shop --yes", 0}},
		.exits = {3, 9, 11},
	},
	{
		.id = CMD_CLIENT_POLICY,
		.path = "client policy",
		.summary = N_("tell or say whether callers of the gateway need a client's key"),
		.text = N_(
			"From the first client on they do, also when no client is left: this alone ends "
			"it. Beyond loopback they always do."),
		.opts = {COPT_IF_MATCH, COPT_CONFIRM},
		.body = &client_policy_fields,
		.endpoint = EP_CLIENT_POLICY_GET,
		.output = &client_policy_fields,
		.examples = {{"yijian client policy", 0},
			{"yijian client policy --required true", 0}},
		.exits = {4, 5, 11},
	},
	{
		.id = CMD_TOKEN_LIST,
		.path = "token list",
		.summary = N_("list the tokens of the platform"),
		.endpoint = EP_TOKEN_LIST,
		.output = &token_view_fields,
		.flags = CMF_LIST | CMF_FLEET | CMF_WATCH,
		.examples = {{"yijian token list -o wide", 0}},
	},
	{
		.id = CMD_TOKEN_CREATE,
		.path = "token create",
		.summary = N_("make a token and show it, this once"),
		.text = N_(
			"The token goes to standard output alone, or with --out into a new file that "
			"only you may read. Use it by --token-file or YIJIAN_TOKEN_FILE. Nobody makes "
			"a token that may more than themselves."),
		.args = {{"NAME", true, false, CC_NONE, N_("name of the token")}},
		.opts = {COPT_OUT},
		.body = &token_fields,
		.endpoint = EP_TOKEN_CREATE,
		.output = &token_view_fields,
		.flags = CMF_CHANGES,
		.examples =
			{{"yijian token create ci --role operator --scopes keys:read,keys:write "
			  "--out ci.token",
				0}},
		.exits = {4, 5, 6},
	},
	{
		.id = CMD_TOKEN_GET,
		.path = "token get",
		.summary = N_("show a token's role, scopes and last use"),
		.args = {{"TOKEN", true, false, CC_TOKEN,
			N_("name, id, or id:ID where a name is like it")}},
		.endpoint = EP_TOKEN_GET,
		.output = &token_view_fields,
		.examples = {{"yijian token get ci", 0}},
		.exits = {3},
	},
	{
		.id = CMD_TOKEN_DELETE,
		.path = "token delete",
		.summary = N_("revoke tokens at once"),
		.text = N_(
			"The last administrator's token can be revoked by root over the unix socket "
			"alone: --agent unix:PATH."),
		.args = {{"TOKEN", true, true, CC_TOKEN,
			N_("name, id, or id:ID where a name is like it")}},
		.endpoint = EP_TOKEN_DELETE,
		.flags = CMF_CHANGES | CMF_CONFIRM,
		.examples = {{"yijian token delete ci --yes", 0}},
		.exits = {3, 5, 9, 11},
	},
};

const struct command_rows rows_access = {rows, ARRAY_LEN(rows)};
