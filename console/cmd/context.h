// SPDX-License-Identifier: MIT
// context and login: agents by name.
#ifndef YJ_CONSOLE_CMD_CONTEXT_H
#define YJ_CONSOLE_CMD_CONTEXT_H

#include "console/cmd/cmd.h"

enum err_code cmd_context_list(struct cmd *c);
enum err_code cmd_context_get(struct cmd *c);
enum err_code cmd_context_use(struct cmd *c);
enum err_code cmd_context_add(struct cmd *c);
enum err_code cmd_context_remove(struct cmd *c);
enum err_code cmd_login(struct cmd *c);
enum err_code cmd_logout(struct cmd *c);

#endif
