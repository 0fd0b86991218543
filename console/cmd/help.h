// SPDX-License-Identifier: MIT
// What people read about commands, derived from the rows: help text, manual pages, completion.
#ifndef YJ_CONSOLE_CMD_HELP_H
#define YJ_CONSOLE_CMD_HELP_H

#include "console/cmd/commands.h"
#include "shared/str.h"

// The overview: every noun with its verbs.
void help_overview(struct str *out);
// A few lines for `yijian` without a terminal.
void help_short(struct str *out);
void help_command(const struct command *row, struct str *out);
// "key", "key add", "exit-codes", "environment"; false when there is no such topic.
bool help_topic(const char *topic, struct str *out);
// Name of manual page i ("yijian.1", "yijian-key.1", …); NULL behind the last.
const char *help_man_name(size_t i, char *buf, size_t size);
// troff (man macros) of one page; false when there is none of this name.
bool help_man(const char *page, struct str *out);
// The shell's script; false for an unknown shell.
bool help_completion(const char *shell, struct str *out);
// Options of a command as rows for the parser, into buf; returns how many. Body options get ids
// from COPT_COUNT on: COPT_COUNT + index into row->body.
#define HELP_OPTIONS_MAX 96
#define HELP_NAME_MAX 48
struct help_options {
	struct opt_row row[HELP_OPTIONS_MAX];
	char name[HELP_OPTIONS_MAX][HELP_NAME_MAX]; // of body options
	size_t n;
};
void help_options(const struct command *row, struct help_options *ret);

#endif
