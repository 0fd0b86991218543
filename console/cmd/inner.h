// SPDX-License-Identifier: MIT
// A command run for another one: what it prints is caught as JSON, it asks nobody and notes nothing.
#ifndef YJ_CONSOLE_CMD_INNER_H
#define YJ_CONSOLE_CMD_INNER_H

#include "console/cmd/cmd.h"

struct inner {
	struct cmd cmd;
	struct cmd_io io;
	struct str out; // what it printed
};

// The words and options of c, with its settings and an arena of its own. Whose address is kept:
// `in` may not move. `in->cmd.client` may be set to one of the caller's and taken back.
void inner_init(struct inner *in, const struct cmd *c, struct console_settings *s);
// Runs it again from the start: out, error and arena are those of this time alone.
enum err_code inner_run(struct inner *in, cmd_fn fn);
void inner_release(struct inner *in);

// Where rows of several runs stand together: a set with one more column, of texts, in front; in the
// arena.
const struct field_set *inner_front_column(struct arena *a, const struct field_set *set,
	const char *name, const char *help);
// An object with this member before those it has; object is JSON text, "{…}".
void inner_front_member(struct jw *w, const char *name, const char *value, struct slice object);

#endif
