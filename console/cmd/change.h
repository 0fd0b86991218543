// SPDX-License-Identifier: MIT
// change, audit and undo: who changed what, whether the log of it is whole, and the way back.
#ifndef YJ_CONSOLE_CMD_CHANGE_H
#define YJ_CONSOLE_CMD_CHANGE_H

#include "console/cmd/cmd.h"

enum err_code cmd_change_list(struct cmd *c);
enum err_code cmd_change_get(struct cmd *c);
enum err_code cmd_undo(struct cmd *c); // change undo too
enum err_code cmd_audit_list(struct cmd *c);
enum err_code cmd_audit_verify(struct cmd *c);

#endif
