// SPDX-License-Identifier: MIT
// What people read about commands, derived from the rows: help text, completion.
#ifndef YJ_CONSOLE_CMD_HELP_H
#define YJ_CONSOLE_CMD_HELP_H

#include "console/cmd/commands.h"
#include "shared/str.h"

// The overview: every noun with its verbs, on one screen.
void help_overview(struct str *out);
// The command tree as a document: commands with arguments, options, examples and exit codes.
void help_json(struct str *out);
// A few lines for `yijian` without a terminal.
void help_short(struct str *out);
void help_command(const struct command *row, struct str *out);
// "key", "key add", "exit-codes", "environment"; false when there is no such topic.
bool help_topic(const char *topic, struct str *out);
// "yijian key add VENDOR/SERVICE[/NAME] [options]"
void help_synopsis(const struct command *row, struct str *out);
// "-o, --output FORMAT"
void help_option_head(const struct opt_row *o, struct str *out);
struct help_exit {
	int code;
	const char *text;
};
const struct help_exit *help_exits(size_t *ret_n);
// The shell's script; false for an unknown shell.
bool help_completion(const char *shell, struct str *out);
// Options of a command as rows for the parser, into buf; returns how many. Body options get ids
// from COPT_COUNT on: COPT_COUNT + index into row->body. The first `own` are the command's, the others
// those of every command, without what would do nothing here. Without a row all of these.
#define HELP_OPTIONS_MAX 96
#define HELP_NAME_MAX 48
#define HELP_TEXT_MAX 200
struct help_options {
	struct opt_row row[HELP_OPTIONS_MAX];
	char name[HELP_OPTIONS_MAX][HELP_NAME_MAX]; // of body options
	char text[HELP_OPTIONS_MAX][HELP_TEXT_MAX]; // of those with choices
	size_t n, own;
};
void help_options(const struct command *row, struct help_options *ret);

#endif
