// SPDX-License-Identifier: MIT
// Requests as they pass, and the metrics of every port. Each is a cmd_fn.
#ifndef YJ_CONSOLE_CMD_TRAFFIC_H
#define YJ_CONSOLE_CMD_TRAFFIC_H

#include "console/cmd/cmd.h"

enum err_code cmd_traffic_tail(struct cmd *c);
enum err_code cmd_traffic_list(struct cmd *c);

enum err_code cmd_metrics_list(struct cmd *c);
enum err_code cmd_metrics_get(struct cmd *c);

#endif
