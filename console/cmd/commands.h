// SPDX-License-Identifier: MIT
// The command tree, one row per command. Dispatch, -h, closest match, completion (readline, bash,
// zsh, fish), man SYNOPSIS/OPTIONS/EXAMPLES and the test that runs every example are derived.
#ifndef YJ_CONSOLE_CMD_COMMANDS_H
#define YJ_CONSOLE_CMD_COMMANDS_H

#include "shared/rows/api.h"
#include "shared/opt.h"

#define CMD_ARGS_MAX 3
#define CMD_OPTS_MAX 12
#define CMD_EXAMPLES_MAX 4
#define CMD_EXITS_MAX 8

enum command_id {
	CMD_STATUS,
	CMD_HEALTH,
	CMD_DOCTOR,
	CMD_KEY_LIST,
	CMD_KEY_GET,
	CMD_KEY_ADD,
	CMD_KEY_SET,
	CMD_KEY_TEST,
	CMD_KEY_ROTATE,
	CMD_KEY_ENABLE,
	CMD_KEY_DISABLE,
	CMD_KEY_DELETE,
	CMD_KEY_FINGERPRINT,
	CMD_KEY_VENDORS,
	CMD_KEY_IMPORT,
	CMD_FEATURE_LIST,
	CMD_FEATURE_GET,
	CMD_FEATURE_SET,
	CMD_FEATURE_DELETE,
	CMD_FEATURE_HISTORY,
	CMD_FEATURE_ROLLBACK,
	CMD_SERVICE_LIST,
	CMD_SERVICE_GET,
	CMD_SERVICE_REGISTER,
	CMD_SERVICE_DEREGISTER,
	CMD_SERVICE_DRAIN,
	CMD_SERVICE_UNDRAIN,
	CMD_SERVICE_CHECK,
	CMD_ROUTE_LIST,
	CMD_ROUTE_GET,
	CMD_ROUTE_EXPLAIN,
	CMD_ROUTE_SET,
	CMD_ROUTE_DRAIN,
	CMD_ROUTE_UNDRAIN,
	CMD_ROUTE_HISTORY,
	CMD_TRAFFIC_TAIL,
	CMD_TRAFFIC_LIST,
	CMD_METRICS_LIST,
	CMD_METRICS_GET,
	CMD_APPLY,
	CMD_DIFF,
	CMD_VALIDATE,
	CMD_EXPORT,
	CMD_UNDO,
	CMD_CHANGE_LIST,
	CMD_CHANGE_GET,
	CMD_CHANGE_UNDO,
	CMD_AUDIT_LIST,
	CMD_AUDIT_VERIFY,
	CMD_TASK_LIST,
	CMD_TASK_GET,
	CMD_TASK_CANCEL,
	CMD_TASK_WAIT,
	CMD_USAGE,
	CMD_PRICE_LIST,
	CMD_PRICE_GET,
	CMD_PRICE_IMPORT,
	CMD_PRICE_DELETE,
	CMD_ALERT_LIST,
	CMD_ALERT_GET,
	CMD_ALERT_ACK,
	CMD_ALERT_RULES_LIST,
	CMD_ALERT_RULES_GET,
	CMD_ALERT_RULES_ADD,
	CMD_ALERT_RULES_SET,
	CMD_ALERT_RULES_DELETE,
	CMD_TRY_CHAT,
	CMD_TRY_IMAGE,
	CMD_TRY_EMBED,
	CMD_CLIENT_LIST,
	CMD_CLIENT_ADD,
	CMD_CLIENT_GET,
	CMD_CLIENT_UPDATE,
	CMD_CLIENT_DELETE,
	CMD_CLIENT_POLICY,
	CMD_TOKEN_LIST,
	CMD_TOKEN_CREATE,
	CMD_TOKEN_GET,
	CMD_TOKEN_DELETE,
	CMD_API,
	CMD_AGENT_LIST,
	CMD_AGENT_TRUST,
	CMD_AGENT_FORGET,
	CMD_WATCH,
	CMD_WAIT,
	CMD_CONTEXT_LIST,
	CMD_CONTEXT_GET,
	CMD_CONTEXT_USE,
	CMD_CONTEXT_ADD,
	CMD_CONTEXT_REMOVE,
	CMD_LOGIN,
	CMD_LOGOUT,
	CMD_CONFIG_LIST,
	CMD_CONSOLE,
	CMD_SHELL,
	CMD_COMPLETION,
	CMD_HELP,
	CMD_VERSION,
	CMD_COMPLETE, // hidden: what the shells ask
	CMD_COUNT
};

// Every option a command may take, once.
enum copt {
	// global
	COPT_AGENT,
	COPT_TOKEN_FILE,
	COPT_CA_FILE,
	COPT_PIN,
	COPT_CONTEXT,
	COPT_OUTPUT,
	COPT_COLUMNS,
	COPT_SORT_BY,
	COPT_NO_HEADERS,
	COPT_FIELD,
	COPT_TIMEOUT,
	COPT_YES,
	COPT_NO_INPUT,
	COPT_READ_ONLY,
	COPT_QUIET,
	COPT_COLOR,
	COPT_NO_UNICODE,
	COPT_RAW,
	COPT_HELP,
	COPT_VERSION,
	COPT_GLOBALS,
	// of single commands
	COPT_NAME = COPT_GLOBALS,
	COPT_API_KEY,
	COPT_API_KEY_FILE,
	COPT_API_KEY_FD,
	COPT_FORCE,
	COPT_FILE,
	COPT_FEATURE,
	COPT_ERRORS,
	COPT_SINCE,
	COPT_LIMIT,
	COPT_EXPECT,
	COPT_WIDTH,
	COPT_HEIGHT,
	COPT_SIZE,
	COPT_STREAM,
	COPT_MODEL,
	COPT_CONFIRM,
	COPT_OUT,
	COPT_KEY,
	COPT_INSTANCE,
	COPT_EXPIRES,
	COPT_WEIGHT,
	COPT_REVISION,
	COPT_DATA,
	COPT_MAN,
	COPT_MAN_LIST,
	COPT_REFRESH,
	COPT_COMMAND,
	COPT_IF_MATCH,
	COPT_ORIGIN,
	COPT_N,
	COPT_ID,
	COPT_ALL,
	COPT_NOTE,
	COPT_STATE,
	COPT_WITHIN,
	COPT_RPM,
	COPT_TPM,
	COPT_CONCURRENCY,
	COPT_BURST,
	COPT_BUDGET,
	COPT_BY,
	COPT_WINDOW,
	COPT_STEP,
	COPT_FORMAT,
	COPT_VENDOR,
	COPT_DRY_RUN,
	COPT_AUTH,
	COPT_AUTH_KEY,
	COPT_AUTH_HEADER,
	COPT_DANGER,
	COPT_FOR,
	COPT_RECURSIVE,
	COPT_SECRET_DIR,
	COPT_PRUNE,
	COPT_OFFLINE,
	COPT_ALL_CONTEXTS,
	COPT_WATCH,
	COPT_TOKEN,
	COPT_LIVE,
	COPT_JSON,
	COPT_COUNT
};

enum cmd_complete { // what the shells offer for an argument
	CC_NONE,
	CC_KEY,
	CC_FEATURE,
	CC_SERVICE,
	CC_INSTANCE,
	CC_TARGET,
	CC_VENDOR_SERVICE,
	CC_VIEW,
	CC_SHELL,
	CC_TOPIC,
	CC_FILE,
	CC_METHOD,
	CC_ALERT,
	CC_ALERT_RULE,
	CC_CLIENT,
	CC_TOKEN,
	CC_PRICE,
	CC_CONTEXT,
	CC_PIN, // an address of which a pin is kept
};

struct cmd_arg {
	const char *name; // "KEY"
	bool required, repeat;
	enum cmd_complete complete;
	const char *help;
};

struct cmd_example {
	const char *line; // as typed, without the prompt
	int exit; // what it answers on the demo state of the tests
};

enum cmd_flag {
	CMF_HIDDEN = 1 << 0,
	CMF_CHANGES = 1 << 1, // refused by --read-only
	CMF_CONFIRM = 1 << 2, // asks unless --yes
	CMF_LIST = 1 << 3, // prints rows
	CMF_RAW_ARGS = 1 << 4, // options are not parsed
	CMF_FLEET = 1 << 6, // takes --all-contexts
	CMF_WATCH = 1 << 7, // takes --watch
	CMF_ALONE = 1 << 5, // no context is chosen for it
	CMF_PLAIN = 1 << 8, // what it prints is no document
};

struct command {
	enum command_id id;
	const char *path; // "key list"
	const char *summary;
	const char *text; // further paragraphs for the manual, NULL none
	struct cmd_arg args[CMD_ARGS_MAX]; // closed by name NULL
	enum copt opts[CMD_OPTS_MAX]; // closed by COPT_AGENT (0, always allowed)
	const struct field_set *body; // writable rows become --field-name options; NULL none
	enum endpoint_id endpoint; // EP_COUNT: none or several
	const struct field_set *output; // columns; NULL: free text
	unsigned flags;
	struct cmd_example examples[CMD_EXAMPLES_MAX];
	int exits[CMD_EXITS_MAX]; // besides 0, 2, 4, 7, 8; closed by 0
};

// The row at this place, in the order of help; NULL past the last.
const struct command *command_at(size_t i);
// Longest row whose path begins the words; *ret_used words were consumed. NULL when none.
const struct command *command_match(const char *const *words, size_t n, size_t *ret_used);
const struct command *command_row(enum command_id id); // NULL: there is none
// The options table: rows in enum order.
const struct opt_row *copts_all(void);
// Name of the long option of a body field: "key_name" → "key-name" into buf.
const char *command_body_option(const struct field *f, char *buf, size_t size);
// True when the row is offered as an option of a command with this body.
bool command_body_offers(const struct field *f);

#endif
