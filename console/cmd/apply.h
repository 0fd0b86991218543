// SPDX-License-Identifier: MIT
// apply, diff, export and validate: the platform as documents.
#ifndef YJ_CONSOLE_CMD_APPLY_H
#define YJ_CONSOLE_CMD_APPLY_H

#include "console/cmd/cmd.h"

enum err_code cmd_apply(struct cmd *c);
enum err_code cmd_diff(struct cmd *c);
enum err_code cmd_export(struct cmd *c);
enum err_code cmd_validate(struct cmd *c);

#endif
