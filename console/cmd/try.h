// SPDX-License-Identifier: MIT
// One real request, as an application would send it. Each is a cmd_fn.
#ifndef YJ_CONSOLE_CMD_TRY_H
#define YJ_CONSOLE_CMD_TRY_H

#include "console/cmd/cmd.h"

enum err_code cmd_try_chat(struct cmd *c);
enum err_code cmd_try_image(struct cmd *c);
enum err_code cmd_try_embed(struct cmd *c);

#endif
