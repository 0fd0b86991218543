// SPDX-License-Identifier: MIT
// What was used, and what models cost. Each is a cmd_fn.
#ifndef YJ_CONSOLE_CMD_PRICE_H
#define YJ_CONSOLE_CMD_PRICE_H

#include "console/cmd/cmd.h"

enum err_code cmd_usage(struct cmd *c);

enum err_code cmd_price_list(struct cmd *c);
enum err_code cmd_price_get(struct cmd *c);
enum err_code cmd_price_import(struct cmd *c);
enum err_code cmd_price_delete(struct cmd *c);

#endif
