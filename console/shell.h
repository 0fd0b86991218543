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

// Runs the line, or the lines of the file, or what is typed until "exit" or end of input, and ends the
// program with the exit code of the last command. Returns with ERR_USAGE when the file cannot be read.
// The history file is 0600, is appended to, and holds no line that may carry a secret.
enum err_code shell_run(const struct shell *s, const char *line, const char *file, struct err *err);

#endif
