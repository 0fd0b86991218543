// SPDX-License-Identifier: MIT
// From words to a command and its exit code; used by the program and by the shell.
#ifndef YJ_CONSOLE_DISPATCH_H
#define YJ_CONSOLE_DISPATCH_H

#include "console/cmd/cmd.h"

struct dispatch {
	struct console_settings *settings; // borrowed
	const struct cmd_io *io; // borrowed
	bool in_shell; // no console or shell inside the shell
};

// Runs one command line (without the program's name) and answers its exit code. Errors have been
// printed.
int dispatch_run(const struct dispatch *d, int argc, char **argv);
// The end of the program: `code`, unless the output did not get where it was sent.
int dispatch_end(int code);
// io over the standard descriptors; interrupted points at the flag set by SIGINT.
void dispatch_stdio(struct cmd_io *io);

#endif
