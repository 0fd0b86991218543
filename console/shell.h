// SPDX-License-Identifier: MIT
// The readline shell: the same commands without the program's name, with history and completion.
#ifndef YJ_CONSOLE_SHELL_H
#define YJ_CONSOLE_SHELL_H

#include "shared/err.h"

struct dispatch;

// With a line: runs just that and answers its error class. Otherwise reads lines until "exit" or
// end of input. The history file is 0600 and holds no line with a secret option.
enum err_code shell_run(const struct dispatch *d, const char *line, struct err *err);

#endif
