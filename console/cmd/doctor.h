// SPDX-License-Identifier: MIT
#ifndef YJ_CONSOLE_CMD_DOCTOR_H
#define YJ_CONSOLE_CMD_DOCTOR_H

#include "console/cmd/cmd.h"

enum err_code cmd_doctor(struct cmd *c);

#endif
