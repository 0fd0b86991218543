// SPDX-License-Identifier: MIT
// Questions on the terminal: what struct cmd_io hands to commands. Each ends with a refusal when
// nobody can answer, or SIGINT comes first.
#ifndef YJ_CONSOLE_ASK_H
#define YJ_CONSOLE_ASK_H

#include "shared/err.h"
#include "shared/secret.h"

// From here on SIGINT is noted, and the second one ends the program.
void ask_setup(void);
volatile int *ask_interrupted(void); // set by SIGINT
enum err_code ask_confirm(void *arg, const char *question, struct err *err);
enum err_code ask_name(void *arg, const char *question, const char *name, struct err *err);
enum err_code ask_secret(void *arg, const char *prompt, struct secret *ret, struct err *err);

#endif
