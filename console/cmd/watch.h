// SPDX-License-Identifier: MIT
// --watch: a list that goes on, and tells what changes in it.
#ifndef YJ_CONSOLE_CMD_WATCH_H
#define YJ_CONSOLE_CMD_WATCH_H

#include "console/cmd/cmd.h"

// Runs fn, a list, now and whenever the agent says that something happened. On a terminal the table
// is drawn anew; elsewhere each row that came, changed or went is one more row (with json and ndjson
// {"type":"ADDED|MODIFIED|DELETED","object":{…}}, a line each). Never ends by itself but with an
// error.
enum err_code watch_run(struct cmd *c, cmd_fn fn);

#endif
