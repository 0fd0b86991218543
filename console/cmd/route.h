// SPDX-License-Identifier: MIT
// Where requests would go, and a hand on single candidates. Each is a cmd_fn.
#ifndef YJ_CONSOLE_CMD_ROUTE_H
#define YJ_CONSOLE_CMD_ROUTE_H

#include "console/cmd/cmd.h"

enum err_code cmd_route_list(struct cmd *c);
enum err_code cmd_route_get(struct cmd *c);
enum err_code cmd_route_explain(struct cmd *c);
enum err_code cmd_route_set(struct cmd *c);
enum err_code cmd_route_drain(struct cmd *c);
enum err_code cmd_route_undrain(struct cmd *c);
enum err_code cmd_route_history(struct cmd *c);

#endif
