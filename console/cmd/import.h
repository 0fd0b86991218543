// SPDX-License-Identifier: MIT
// key import: many vendor keys out of one file.
#ifndef YJ_CONSOLE_CMD_IMPORT_H
#define YJ_CONSOLE_CMD_IMPORT_H

#include "console/cmd/cmd.h"

enum err_code cmd_key_import(struct cmd *c);

#endif
