// SPDX-License-Identifier: MIT
// The readline shell: the same commands without the program's name, with history and completion.
#ifndef YJ_CONSOLE_SHELL_H
#define YJ_CONSOLE_SHELL_H

#include "console/cmd/cmd.h"

struct shell {
	struct console_settings *settings; // borrowed
	const struct cmd_io *io; // borrowed
	// Runs one command; it prints its own errors. Returns the exit code.
	int (*run)(const struct shell *s, int argc, char **argv);
};

// With a line: runs just that and answers its error class. Otherwise reads lines until "exit" or
// end of input. The history file is 0600 and holds no line with a secret option.
enum err_code shell_run(const struct shell *s, const char *line, struct err *err);

#endif
