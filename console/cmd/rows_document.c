// SPDX-License-Identifier: MIT
// Commands of changes and documents, a row each.
#include "console/cmd/rows.h"

#include "console/cmd/commands.h"
#include "shared/text.h"

#define PATHS_ARG {"PATH", false, true, CC_FILE, N_("more files and folders, as -f names them")}

#define TOLD(member, text)                                                                         \
	{.name = (member),                                                                         \
		.offset = FIELD_NO_HOME,                                                           \
		.type = FT_STR,                                                                    \
		.flags = FF_READONLY | FF_COLUMN,                                                  \
		.help = (text)}
static const struct field applied_rows[] = {
	TOLD("kind", N_("Feature, Key, Service, Client or AlertRule")),
	TOLD("name", N_("which one")),
	TOLD("result", N_("created, configured, unchanged, deleted or invalid")),
	TOLD("note", N_("what is to be known of it")),
};
static const struct field_set applied_fields = {
	"Applied", applied_rows, ARRAY_LEN(applied_rows), 0};

static const struct command rows[] = {
	{
		.id = CMD_APPLY,
		.path = "apply",
		.summary = N_("make the platform what documents say"),
		.text = N_(
			"Documents have kind, name and spec: JSON, one a line (NDJSON) or YAML, in files, "
			"in folders, or on standard input (-f -). All are read before anything is sent; "
			"they are tried, and then done as a whole or not at all, on the revision they "
			"were tried on. A Key's secret is named, never written: "
			"\"api_key\": {\"from\": \"file:PATH\"}, PATH below the document's folder or "
			"--secret-dir, or {\"from\": \"stdin\"}; for a new key without one a terminal "
			"is asked. --prune deletes what is there of these kinds and in no document, "
			"once that is agreed to. A new Client's key is shown this once; the first one "
			"wants --confirm NAME where it locks somebody out."),
		.args = {PATHS_ARG},
		.opts = {COPT_FILE, COPT_RECURSIVE, COPT_DRY_RUN, COPT_PRUNE, COPT_CONFIRM,
			COPT_SECRET_DIR},
		.endpoint = EP_APPLY,
		.output = &applied_fields,
		.flags = CMF_CHANGES,
		.examples = {{"yijian apply -f platform.yaml --dry-run", 0},
			{"yijian apply -f platform.yaml", 0}},
		.exits = {3, 5, 6, 11},
	},
	{
		.id = CMD_DIFF,
		.path = "diff",
		.summary = N_("show what documents would change"),
		.text = N_(
			"Answers 0 when they would change nothing and 1 when they would. Each that "
			"differs is shown as a unified difference of what the agent has and what the "
			"document says; secrets are masked."),
		.args = {PATHS_ARG},
		.opts = {COPT_FILE, COPT_RECURSIVE, COPT_PRUNE, COPT_SECRET_DIR},
		.endpoint = EP_APPLY,
		.output = &applied_fields,
		.examples = {{"yijian diff -f platform.yaml", 0}},
		.exits = {1, 6},
	},
	{
		.id = CMD_VALIDATE,
		.path = "validate",
		.summary = N_("tell whether documents are valid, changing nothing"),
		.text = N_(
			"The agent judges them, as apply would. With --offline only their shape is "
			"judged, and no agent is asked."),
		.args = {PATHS_ARG},
		.opts = {COPT_FILE, COPT_RECURSIVE, COPT_OFFLINE},
		.endpoint = EP_APPLY,
		.output = &applied_fields,
		.examples = {{"yijian validate -f platform.yaml --offline", 0},
			{"yijian validate -f platform.yaml", 0}},
		.exits = {6},
	},
	{
		.id = CMD_EXPORT,
		.path = "export",
		.summary = N_("write the platform as documents, without secrets"),
		.text = N_(
			"As YAML, or with -o json or ndjson; with --out a file for each in a folder. "
			"What it writes, apply takes. Tokens are never exported."),
		.args = {{"KIND", false, true, CC_NONE,
			N_("only these: Feature, Key, Service, Client, AlertRule")}},
		.opts = {COPT_OUT},
		.endpoint = EP_EXPORT,
		.examples = {{"yijian export", 0}, {"yijian export Feature -o json", 0},
			{"yijian export --out platform", 0}},
	},
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
