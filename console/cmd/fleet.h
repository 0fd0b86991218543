// SPDX-License-Identifier: MIT
// --all-contexts: one command asked of every agent there is a name for, at the same time.
#ifndef YJ_CONSOLE_CMD_FLEET_H
#define YJ_CONSOLE_CMD_FLEET_H

#include "console/cmd/cmd.h"

// Runs fn once for each context, each in a thread of its own, and shows all their rows with the
// context in front. One that does not answer has a row of its own; it is waited for half as long
// again as for the slowest that did (FLEET_PATIENCE_MS at least), or as long as --timeout says.
// ERR_ANSWER_NO: it is the answer of one of them; ERR_PARTLY_DONE: some of a list are missing; the
// error of the first when none answered.
enum err_code fleet_run(struct cmd *c, cmd_fn fn);

#define FLEET_PATIENCE_MS 500

#endif
