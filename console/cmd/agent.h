// SPDX-License-Identifier: MIT
// The keys of agents that this user trusts by themselves. Each is a cmd_fn.
#ifndef YJ_CONSOLE_CMD_AGENT_H
#define YJ_CONSOLE_CMD_AGENT_H

#include "console/cmd/cmd.h"

enum err_code cmd_agent_list(struct cmd *c);
enum err_code cmd_agent_trust(struct cmd *c);
enum err_code cmd_agent_forget(struct cmd *c);

#endif
