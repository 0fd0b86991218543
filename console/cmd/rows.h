// SPDX-License-Identifier: MIT
// The rows of the command tree, a file for each group of nouns. console/cmd/commands puts them
// together: nobody else needs this.
#ifndef YJ_CONSOLE_CMD_ROWS_H
#define YJ_CONSOLE_CMD_ROWS_H

#include <stddef.h>

struct command;

struct command_rows {
	const struct command *row;
	size_t n;
};

extern const struct command_rows rows_status;
extern const struct command_rows rows_key;
extern const struct command_rows rows_feature;
extern const struct command_rows rows_service;
extern const struct command_rows rows_route;
extern const struct command_rows rows_traffic;
extern const struct command_rows rows_document;
extern const struct command_rows rows_alert;
extern const struct command_rows rows_access;
extern const struct command_rows rows_wait;
extern const struct command_rows rows_context;
extern const struct command_rows rows_own;

#endif
