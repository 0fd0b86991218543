// SPDX-License-Identifier: MIT
// wait: until something is so.
#ifndef YJ_CONSOLE_CMD_WAIT_H
#define YJ_CONSOLE_CMD_WAIT_H

#include "console/cmd/cmd.h"

enum err_code cmd_wait(struct cmd *c);

#endif
