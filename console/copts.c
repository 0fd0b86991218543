// SPDX-License-Identifier: MIT
#include "console/commands.h"

#include "shared/text.h"

static const struct opt_row rows[COPT_COUNT] = {
	{COPT_AGENT, "agent", 0, "URL", N_("agent to call: http://HOST:PORT or unix:PATH")},
	{COPT_TOKEN_FILE, "token-file", 0, "PATH", N_("file that holds the agent token")},
	{COPT_CONTEXT, "context", 0, "NAME", N_("name shown for this connection")},
	{COPT_OUTPUT, "output", 'o', "FORMAT",
		N_("table, wide, json, ndjson, csv, yaml or name")},
	{COPT_COLUMNS, "columns", 0, "A,B", N_("columns of the table")},
	{COPT_SORT_BY, "sort-by", 0, "COLUMN", N_("order of the rows, -COLUMN descends")},
	{COPT_NO_HEADERS, "no-headers", 0, NULL, N_("leave the column heads out")},
	{COPT_FIELD, "field", 0, "PATH", N_("print one value, e.g. items[0].id")},
	{COPT_TIMEOUT, "timeout", 0, "TIME", N_("longest wait for one answer, e.g. 10s")},
	{COPT_YES, "yes", 'y', NULL, N_("do not ask")},
	{COPT_NO_INPUT, "no-input", 0, NULL, N_("never ask: fail instead")},
	{COPT_READ_ONLY, "read-only", 0, NULL, N_("refuse every change")},
	{COPT_QUIET, "quiet", 'q', NULL, N_("no notes on standard error")},
	{COPT_COLOR, "color", 0, "WHEN", N_("auto, always or never")},
	{COPT_NO_UNICODE, "no-unicode", 0, NULL, N_("draw with ASCII only")},
	{COPT_RAW, "raw", 0, NULL, N_("CSV without the guard against formulas")},
	{COPT_HELP, "help", 'h', NULL, N_("explain the command")},
	{COPT_VERSION, "version", 0, NULL, N_("print the version")},
	{COPT_NAME, "name", 0, "TEXT", N_("name of the key")},
	{COPT_API_KEY, "api-key", 0, "-", N_("read the secret from standard input")},
	{COPT_API_KEY_FILE, "api-key-file", 0, "PATH", N_("read the secret from a file")},
	{COPT_API_KEY_FD, "api-key-fd", 0, "N", N_("read the secret from a file descriptor")},
	{COPT_FORCE, "force", 0, NULL, N_("no warning about the secret's prefix")},
	{COPT_FILE, "file", 'f', "PATH", N_("document to send, JSON or YAML; - is standard input")},
	{COPT_FEATURE, "feature", 0, "NAME", N_("feature")},
	{COPT_ERRORS, "errors", 0, NULL, N_("only what failed")},
	{COPT_SINCE, "since", 0, "CURSOR", N_("events after this one")},
	{COPT_LIMIT, "limit", 'n', "N", N_("at most so many")},
	{COPT_EXPECT, "expect", 0, "TARGET", N_("answer 1 unless this target is chosen")},
	{COPT_WIDTH, "width", 0, "PIXELS", N_("width of the picture")},
	{COPT_HEIGHT, "height", 0, "PIXELS", N_("height of the picture")},
	{COPT_SIZE, "size", 0, "WxH", N_("size of the picture")},
	{COPT_STREAM, "stream", 0, NULL, N_("as a stream")},
	{COPT_MODEL, "model", 0, "NAME", N_("feature, alias or vendor/service")},
	{COPT_OUT, "out", 0, "PATH", N_("where the picture goes")},
	{COPT_KEY, "key", 0, "SLUG", N_("only this key of the target")},
	{COPT_INSTANCE, "instance", 0, "ID", N_("only this instance of the target")},
	{COPT_EXPIRES, "expires", 0, "TIME", N_("lift it again after this time, e.g. 10m")},
	{COPT_WEIGHT, "weight", 0, "N", N_("new weight")},
	{COPT_REVISION, "revision", 0, "N", N_("number of the revision")},
	{COPT_DATA, "data", 'd', "JSON", N_("body to send")},
	{COPT_MAN, "man", 0, "PAGE", N_("print a manual page's source")},
	{COPT_MAN_LIST, "man-list", 0, NULL, N_("list the manual pages")},
	{COPT_REFRESH, "refresh", 0, "TIME", N_("time between two looks at the agent")},
	{COPT_COMMAND, "command", 'c', "TEXT", N_("run one line and leave")},
	{COPT_IF_MATCH, "if-match", 0, "N", N_("only if this is still the revision")},
	{COPT_ORIGIN, "show-origin", 0, NULL, N_("say where each value comes from")},
	{COPT_N, "n", 0, "N", N_("number of pictures")},
	{COPT_ID, "id", 0, "ID", N_("id of the instance")},
	{COPT_ALL, "all", 0, NULL, N_("also what is over")},
	{COPT_NOTE, "note", 0, "TEXT", N_("what is being done about it")},
};

const struct opt_row *copts_all(void)
{
	return rows;
}
