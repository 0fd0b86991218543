// SPDX-License-Identifier: MIT
// What documents would do, as the agent's dry run says, and what is still needed before they may.
#ifndef YJ_CONSOLE_CMD_PLAN_H
#define YJ_CONSOLE_CMD_PLAN_H

#include "console/cmd/document.h"

struct plan {
	struct documents docs;
	struct client_answer answer; // of the newest dry run
	const struct jx *items; // in it
	const char *prune; // query of the call: kinds, NULL none
	const char **confirm; // names that were agreed to; in the command's arena
	size_t confirm_n;
};

// Reads the documents the command names, with their secrets when `secrets`, and asks for a dry run,
// with what --prune would delete. Release it also after an error.
enum err_code plan_make(struct cmd *c, bool secrets, struct plan *ret);
// Asks on the terminal for secrets of new keys that no document names, and plans again; off it the
// error names each key and the ways. ERR_FIELD_REQUIRED.
enum err_code plan_secrets(struct cmd *c, struct plan *p);
// Somebody agreed to what happens to this one.
void plan_confirm(struct cmd *c, struct plan *p, const char *name);
// The real run, refused when the platform has moved since the plan: ERR_PRECONDITION_FAILED.
enum err_code plan_do(struct cmd *c, const struct plan *p, struct client_answer *ret);
void plan_release(struct plan *p);

enum apply_result plan_result(const struct jx *item);
bool plan_needs_secret(const struct jx *item);
// The error of the first item that is invalid, in c->err; ERR_OK when none is.
enum err_code plan_judge(struct cmd *c, const struct jx *items);

#endif
