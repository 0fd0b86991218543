// SPDX-License-Identifier: MIT
// Vendors' keys; their secrets go in and never come out. Each is a cmd_fn.
#ifndef YJ_CONSOLE_CMD_KEY_H
#define YJ_CONSOLE_CMD_KEY_H

#include "console/cmd/cmd.h"

enum err_code cmd_key_list(struct cmd *c);
enum err_code cmd_key_get(struct cmd *c);
enum err_code cmd_key_add(struct cmd *c);
enum err_code cmd_key_set(struct cmd *c);
enum err_code cmd_key_test(struct cmd *c);
enum err_code cmd_key_rotate(struct cmd *c);
enum err_code cmd_key_enable(struct cmd *c);
enum err_code cmd_key_disable(struct cmd *c);
enum err_code cmd_key_delete(struct cmd *c);
enum err_code cmd_key_fingerprint(struct cmd *c);
enum err_code cmd_key_vendors(struct cmd *c);

#endif
