// SPDX-License-Identifier: MIT
// What fires, and the rules behind it. Each but the last is a cmd_fn.
#ifndef YJ_CONSOLE_CMD_ALERT_H
#define YJ_CONSOLE_CMD_ALERT_H

#include "console/cmd/cmd.h"

enum err_code cmd_alert_list(struct cmd *c);
enum err_code cmd_alert_get(struct cmd *c);
enum err_code cmd_alert_ack(struct cmd *c);

enum err_code cmd_alert_rules_list(struct cmd *c);
enum err_code cmd_alert_rules_get(struct cmd *c);
enum err_code cmd_alert_rules_add(struct cmd *c);
enum err_code cmd_alert_rules_set(struct cmd *c);
enum err_code cmd_alert_rules_delete(struct cmd *c);

// The firing alerts of a status document, a line each with its mark; says so when none fires.
void cmd_alert_lines(struct cmd *c, const struct jx *status);

#endif
