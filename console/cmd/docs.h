// SPDX-License-Identifier: MIT
// Features and instances of services as documents. Each is a cmd_fn.
#ifndef YJ_CONSOLE_CMD_DOCS_H
#define YJ_CONSOLE_CMD_DOCS_H

#include "console/cmd/cmd.h"

enum err_code cmd_feature_list(struct cmd *c);
enum err_code cmd_feature_get(struct cmd *c);
enum err_code cmd_feature_set(struct cmd *c);
enum err_code cmd_feature_delete(struct cmd *c);
enum err_code cmd_feature_history(struct cmd *c);
enum err_code cmd_feature_rollback(struct cmd *c);

enum err_code cmd_service_list(struct cmd *c);
enum err_code cmd_service_get(struct cmd *c);
enum err_code cmd_service_register(struct cmd *c);
enum err_code cmd_service_deregister(struct cmd *c);
enum err_code cmd_service_drain(struct cmd *c);
enum err_code cmd_service_undrain(struct cmd *c);
enum err_code cmd_service_check(struct cmd *c);

#endif
