// SPDX-License-Identifier: MIT
// Commands of the console itself: agents, settings, shell, help, a row each.
#include "console/cmd/rows.h"

#include "console/cmd/commands.h"
#include "shared/text.h"

static const struct field pin_rows[] = {
	{.name = "name",
		.offset = FIELD_NO_HOME,
		.type = FT_STR,
		.flags = FF_READONLY | FF_COLUMN,
		.title = N_("ADDRESS"),
		.help = N_("host and port of the agent")},
	{.name = "pin",
		.offset = FIELD_NO_HOME,
		.type = FT_STR,
		.flags = FF_READONLY | FF_COLUMN,
		.help = N_("hash of its public key")},
};
static const struct field_set pin_fields = {"Pin", pin_rows, ARRAY_LEN(pin_rows), 0};

static const struct field setting_rows[] = {
	{.name = "name",
		.offset = FIELD_NO_HOME,
		.type = FT_STR,
		.flags = FF_READONLY | FF_COLUMN,
		.title = N_("SETTING"),
		.help = N_("name of the setting")},
	{.name = "value",
		.offset = FIELD_NO_HOME,
		.type = FT_STR,
		.flags = FF_READONLY | FF_COLUMN,
		.help = N_("what it is")},
	{.name = "origin",
		.offset = FIELD_NO_HOME,
		.type = FT_STR,
		.flags = FF_READONLY | FF_WIDE,
		.help = N_("where it comes from; with --show-origin")},
};
static const struct field_set setting_fields = {
	"Setting", setting_rows, ARRAY_LEN(setting_rows), 0};

static const struct field version_rows[] = {
	{.name = "name",
		.offset = FIELD_NO_HOME,
		.type = FT_STR,
		.flags = FF_READONLY | FF_COLUMN,
		.title = N_("CONSOLE"),
		.help = N_("version of this console")},
	{.name = "agent_version",
		.offset = FIELD_NO_HOME,
		.type = FT_STR,
		.flags = FF_READONLY | FF_COLUMN,
		.help = N_("version of the agent, when it answers")},
	{.name = "agent",
		.offset = FIELD_NO_HOME,
		.type = FT_STR,
		.flags = FF_READONLY | FF_COLUMN,
		.help = N_("the agent's address")},
};
static const struct field_set version_fields = {
	"Version", version_rows, ARRAY_LEN(version_rows), 0};

static const struct command rows[] = {
	{
		.id = CMD_API,
		.path = "api",
		.summary = N_("call any endpoint and print the answer"),
		.args = {{"METHOD", true, false, CC_METHOD, N_("GET, POST, PUT, PATCH or DELETE")},
			{"PATH", true, false, CC_NONE, N_("path, e.g. /api/v1/keys")}},
		.opts = {COPT_DATA, COPT_FILE},
		.endpoint = EP_COUNT,
		.examples = {{"yijian api GET /api/v1/features", 0}},
		.exits = {3, 5, 6},
	},
	{
		.id = CMD_AGENT_LIST,
		.path = "agent list",
		.summary = N_("list the agents whose keys you trust by themselves"),
		.endpoint = EP_COUNT,
		.output = &pin_fields,
		.flags = CMF_LIST | CMF_ALONE,
		.examples = {{"yijian agent list", 0}},
		.exits = {78},
	},
	{
		.id = CMD_AGENT_TRUST,
		.path = "agent trust",
		.summary = N_("trust the key of an https:// agent, whoever signed it"),
		.text = N_(
			"From then on the agent at this address is the one that has this key, whatever "
			"its certificate says and until when, and no other: also where authorities vouch "
			"for another. With --pin nobody is asked and nothing is sent; without, what is "
			"shown at the address is shown to you, and you are asked on the terminal. On the "
			"agent's host yijian doctor says the pin."),
		.args = {{"ADDRESS", true, false, CC_PIN, N_("HOST:PORT or https://HOST:PORT")}},
		.endpoint = EP_COUNT,
		.flags = CMF_CHANGES | CMF_ALONE | CMF_PLAIN,
		.examples = {{"yijian agent trust lab.example:8000 --pin "
			      "sha256//AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
			0}},
		.exits = {11, 78},
	},
	{
		.id = CMD_AGENT_FORGET,
		.path = "agent forget",
		.summary = N_("forget the key of an agent: authorities judge it again"),
		.args = {{"ADDRESS", true, true, CC_PIN, N_("HOST:PORT or https://HOST:PORT")}},
		.endpoint = EP_COUNT,
		.flags = CMF_CHANGES | CMF_ALONE | CMF_PLAIN,
		.examples = {{"yijian agent forget lab.example:8000", 0}},
		.exits = {3, 9, 78},
	},
	{
		.id = CMD_CONFIG_LIST,
		.path = "config list",
		.summary = N_("show the console's settings"),
		.opts = {COPT_ORIGIN},
		.endpoint = EP_COUNT,
		.output = &setting_fields,
		.flags = CMF_LIST,
		.examples = {{"yijian config list --show-origin", 0}},
		.exits = {78},
	},
	{
		.id = CMD_CONSOLE,
		.path = "console",
		.summary = N_("open the full-screen console"),
		.args = {{"VIEW", false, false, CC_VIEW, N_("the view to start in")}},
		.opts = {COPT_REFRESH},
		.endpoint = EP_COUNT,
		.flags = CMF_PLAIN,
		.examples = {{"yijian console keys", 2}},
	},
	{
		.id = CMD_SHELL,
		.path = "shell",
		.summary = N_("run commands interactively, with history and completion"),
		.text = N_(
			"Lines are commands without the program's name; # begins a comment. The shell "
			"ends with the exit code of the last one. The history holds no line with a secret."),
		.opts = {COPT_COMMAND, COPT_FILE},
		.endpoint = EP_COUNT,
		.examples = {{"yijian shell -c \"key list\"", 0}},
	},
	{
		.id = CMD_COMPLETION,
		.path = "completion",
		.summary = N_("print the completion script of a shell"),
		.args = {{"SHELL", true, false, CC_SHELL, N_("bash, zsh or fish")}},
		.endpoint = EP_COUNT,
		.flags = CMF_ALONE | CMF_PLAIN,
		.examples = {{"yijian completion bash", 0}},
	},
	{
		.id = CMD_HELP,
		.path = "help",
		.summary = N_("explain a command or topic"),
		.args = {{"TOPIC", false, true, CC_TOPIC,
			N_("a command, or exit-codes, environment")}},
		.opts = {COPT_MAN, COPT_MAN_LIST, COPT_JSON},
		.endpoint = EP_COUNT,
		.flags = CMF_ALONE | CMF_PLAIN,
		.examples = {{"yijian help key add", 0}, {"yijian help exit-codes", 0},
			{"yijian help --json", 0}},
		.exits = {3},
	},
	{
		.id = CMD_VERSION,
		.path = "version",
		.summary = N_("print the versions of the console and the agent"),
		.endpoint = EP_COUNT,
		.output = &version_fields,
		.examples = {{"yijian version", 0}, {"yijian version -o json", 0}},
	},
	{
		.id = CMD_COMPLETE,
		.path = "__complete",
		.summary = N_("candidates for the shells' completion"),
		.endpoint = EP_COUNT,
		.flags = CMF_HIDDEN | CMF_RAW_ARGS,
	},
};

const struct command_rows rows_own = {rows, ARRAY_LEN(rows)};
