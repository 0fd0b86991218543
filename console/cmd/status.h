// SPDX-License-Identifier: MIT
// The platform as a whole, and the console's own settings. Each is a cmd_fn.
#ifndef YJ_CONSOLE_CMD_STATUS_H
#define YJ_CONSOLE_CMD_STATUS_H

#include "console/cmd/cmd.h"

enum err_code cmd_status(struct cmd *c);
enum err_code cmd_health(struct cmd *c);
enum err_code cmd_api(struct cmd *c);
enum err_code cmd_config_list(struct cmd *c);
enum err_code cmd_version(struct cmd *c);

#endif
