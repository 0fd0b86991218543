// SPDX-License-Identifier: MIT
// Image tasks of the gateway. Each is a cmd_fn.
#ifndef YJ_CONSOLE_CMD_TASK_H
#define YJ_CONSOLE_CMD_TASK_H

#include "console/cmd/cmd.h"

enum err_code cmd_task_list(struct cmd *c);
enum err_code cmd_task_get(struct cmd *c);
enum err_code cmd_task_cancel(struct cmd *c);
enum err_code cmd_task_wait(struct cmd *c);

#endif
