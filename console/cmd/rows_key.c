// SPDX-License-Identifier: MIT
// Commands of vendor keys, a row each.
#include "console/cmd/rows.h"

#include "console/cmd/commands.h"
#include "shared/rows/model.h"
#include "shared/text.h"

#define KEY_ARG {"KEY", true, false, CC_KEY, N_("vendor/service/name, slug or id")}
#define KEY_ARGS {"KEY", true, true, CC_KEY, N_("vendor/service/name, slug or id")}

#define TOLD(member, head, text)                                                                   \
	{.name = (member),                                                                         \
		.offset = FIELD_NO_HOME,                                                           \
		.type = FT_STR,                                                                    \
		.flags = FF_READONLY | FF_COLUMN,                                                  \
		.title = (head),                                                                   \
		.help = (text)}
static const struct field import_rows[] = {
	TOLD("name", N_("KEY"), N_("vendor/service/name")),
	TOLD("result", N_("RESULT"), N_("created, unchanged or failed")),
	TOLD("secret", N_("SECRET"), N_("prefix and last four characters")),
	TOLD("message", N_("NOTE"), N_("why it failed")),
};
static const struct field_set key_import_fields = {
	"KeyImport", import_rows, ARRAY_LEN(import_rows), 0};

static const struct command rows[] = {
	{
		.id = CMD_KEY_LIST,
		.path = "key list",
		.summary = N_("list the vendor keys"),
		.args = {{"VENDOR[/SERVICE]", false, false, CC_VENDOR_SERVICE,
			N_("only keys of this vendor or service")}},
		.endpoint = EP_KEY_LIST,
		.output = &key_view_fields,
		.flags = CMF_LIST | CMF_FLEET | CMF_WATCH,
		.examples = {{"yijian key list -o json", 0}, {"yijian key list openai -o name", 0}},
	},
	{
		.id = CMD_KEY_GET,
		.path = "key get",
		.summary = N_("show one key, never its secret"),
		.args = {KEY_ARG},
		.endpoint = EP_KEY_GET,
		.output = &key_view_fields,
		.examples = {{"yijian key get openai/gpt-4/demo -o json", 0}},
		.exits = {3},
	},
	{
		.id = CMD_KEY_ADD,
		.path = "key add",
		.summary = N_("store a vendor key"),
		.text = N_(
			"The secret comes from --api-key-file, from standard input (--api-key -), from "
			"a file descriptor (--api-key-fd), or from a hidden prompt. It is never taken "
			"from the command line: that would leave it in the shell history and the "
			"process list. The same name with the same secret is unchanged and answers 0."),
		.args = {{"VENDOR/SERVICE[/NAME]", true, false, CC_VENDOR_SERVICE,
			N_("what the key is for, and its name when --name is not given")}},
		.opts = {COPT_NAME, COPT_API_KEY, COPT_API_KEY_FILE, COPT_API_KEY_FD, COPT_FORCE},
		.body = &key_fields,
		.endpoint = EP_KEY_CREATE,
		.output = &key_view_fields,
		.flags = CMF_CHANGES,
		.examples =
			{{"yijian key add openai/dalle --name \"OpenAI DALL-E Key\" --tier primary "
			  "--api-key - < keyfile",
				 0},
				{"yijian key add sdwebui/local/studio --base-url http://10.0.3.7:7860 "
				 "--api-key - < login",
					0}},
		.exits = {5, 6},
	},
	{
		.id = CMD_KEY_SET,
		.path = "key set",
		.summary = N_("change a key's settings"),
		.text = N_(
			"A stored secret goes to another --base-url only by an admin, or when the secret "
			"is shown again: --api-key -, --api-key-file or --api-key-fd."),
		.args = {KEY_ARG},
		.opts = {COPT_NAME, COPT_API_KEY, COPT_API_KEY_FILE, COPT_API_KEY_FD,
			COPT_IF_MATCH},
		.body = &key_fields,
		.endpoint = EP_KEY_PATCH,
		.output = &key_view_fields,
		.flags = CMF_CHANGES,
		.examples = {{"yijian key set openai/gpt-4/demo --weight 2", 0}},
		.exits = {3, 5, 6},
	},
	{
		.id = CMD_KEY_TEST,
		.path = "key test",
		.summary = N_("make a real, free call with a key"),
		.args = {KEY_ARGS},
		.endpoint = EP_KEY_TEST,
		.output = &keytest_fields,
		.examples = {{"yijian key test openai/gpt-4/demo", 0}},
		.exits = {3, 9, 10},
	},
	{
		.id = CMD_KEY_ROTATE,
		.path = "key rotate",
		.summary = N_("replace a key's secret"),
		.args = {KEY_ARG},
		.opts = {COPT_API_KEY, COPT_API_KEY_FILE, COPT_API_KEY_FD, COPT_FORCE},
		.endpoint = EP_KEY_ROTATE,
		.output = &key_view_fields,
		.flags = CMF_CHANGES,
		.examples = {{"yijian key rotate openai/gpt-4/demo --api-key - < keyfile", 0}},
		.exits = {3, 6},
	},
	{
		.id = CMD_KEY_ENABLE,
		.path = "key enable",
		.summary = N_("let routes use a key"),
		.args = {KEY_ARGS},
		.endpoint = EP_KEY_ENABLE,
		.flags = CMF_CHANGES,
		.examples = {{"yijian key enable openai/gpt-4/demo", 0}},
		.exits = {3, 9},
	},
	{
		.id = CMD_KEY_DISABLE,
		.path = "key disable",
		.summary = N_("keep routes from using a key"),
		.text = N_(
			"The last target of a feature wants the key's name: typed on a terminal, "
			"elsewhere --confirm VENDOR/SERVICE/NAME."),
		.args = {KEY_ARGS},
		.opts = {COPT_CONFIRM},
		.endpoint = EP_KEY_DISABLE,
		.flags = CMF_CHANGES,
		.examples = {{"yijian key disable openai/gpt-4/demo", 0}},
		.exits = {3, 9, 11},
	},
	{
		.id = CMD_KEY_DELETE,
		.path = "key delete",
		.summary = N_("remove a key"),
		.text = N_(
			"Tells which features lose a target, and wants the key's name: typed on a "
			"terminal, elsewhere --confirm VENDOR/SERVICE/NAME, once for each."),
		.args = {KEY_ARGS},
		.endpoint = EP_KEY_DELETE,
		.opts = {COPT_CONFIRM},
		.flags = CMF_CHANGES,
		.examples = {{"yijian key delete openai/gpt-4/old --confirm openai/gpt-4/old", 0}},
		.exits = {3, 9, 11},
	},
	{
		.id = CMD_KEY_FINGERPRINT,
		.path = "key fingerprint",
		.summary = N_("tell which stored key a secret is, storing nothing"),
		.opts = {COPT_API_KEY, COPT_API_KEY_FILE, COPT_API_KEY_FD},
		.endpoint = EP_KEY_FINGERPRINT,
		.examples = {{"yijian key fingerprint --api-key - < keyfile", 0}},
		.exits = {6},
	},
	{
		.id = CMD_KEY_IMPORT,
		.path = "key import",
		.summary = N_("store the vendor keys of a file"),
		.text = N_(
			"CSV whose first line names members of a key (vendor, service, key_name, "
			"api_key, tier …); JSON or YAML, a list of documents as key add sends them; or "
			"lines of NAME=value, of which OPENAI_API_KEY, ANTHROPIC_API_KEY, "
			"DASHSCOPE_API_KEY and the like become keys for all services of their vendor. "
			"The file is read whole first; a key that is there with the same secret is "
			"unchanged. --dry-run asks the agent and stores nothing."),
		.args = {{"FILE", true, false, CC_FILE, N_("the file; - is standard input")}},
		.opts = {COPT_FORMAT, COPT_DRY_RUN},
		.endpoint = EP_KEY_CREATE,
		.output = &key_import_fields,
		.flags = CMF_CHANGES,
		.examples = {{"yijian key import keys.csv --dry-run", 0},
			{"yijian key import keys.env --format env", 0}},
		.exits = {5, 6, 9},
	},
	{
		.id = CMD_KEY_VENDORS,
		.path = "key vendors",
		.summary = N_("list the vendors, services and engines the agent knows"),
		.endpoint = EP_VENDOR_LIST,
		.output = &vendor_fields,
		.flags = CMF_LIST | CMF_FLEET,
		.examples = {{"yijian key vendors", 0}},
	},
};

const struct command_rows rows_key = {rows, ARRAY_LEN(rows)};
