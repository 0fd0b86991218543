// SPDX-License-Identifier: MIT
// Who may call: clients of the model traffic, tokens of the platform. Each is a cmd_fn.
#ifndef YJ_CONSOLE_CMD_CLIENT_H
#define YJ_CONSOLE_CMD_CLIENT_H

#include "console/cmd/cmd.h"

enum err_code cmd_client_list(struct cmd *c);
enum err_code cmd_client_get(struct cmd *c);
enum err_code cmd_client_add(struct cmd *c);
enum err_code cmd_client_update(struct cmd *c);
enum err_code cmd_client_delete(struct cmd *c);
enum err_code cmd_client_policy(struct cmd *c);

enum err_code cmd_token_list(struct cmd *c);
enum err_code cmd_token_get(struct cmd *c);
enum err_code cmd_token_create(struct cmd *c);
enum err_code cmd_token_delete(struct cmd *c);

#endif
