// SPDX-License-Identifier: MIT
// Answers in the format that was chosen: of the agent, of pages of a list, made here, or of what was done.
#ifndef YJ_CONSOLE_CMD_SHOW_H
#define YJ_CONSOLE_CMD_SHOW_H

#include "console/cmd/cmd.h"

// One document or a list in the chosen format, columns by the command's output rows.
enum err_code cmd_show(struct cmd *c, const struct client_answer *a);
enum err_code cmd_show_items(struct cmd *c, const struct client_answer *a, const char *path);
// A document made here instead of by the agent, shown in the same way: its list at `path`, or as one
// document when NULL.
enum err_code cmd_show_made(struct cmd *c, const struct str *json, const char *path);
// That something was done: `text` for people, else {"name","result"}, result being one word.
enum err_code cmd_done(struct cmd *c, const char *name, const char *result, const char *text);
// Whether the chosen format is for people, who get words where scripts get the document.
bool cmd_for_people(const struct cmd *c);
// The call, and its answer shown like that: one document, or the items of a list.
enum err_code cmd_call_show(struct cmd *c, const struct client_call *call);
// A list whose answer may be in pages: all of them, or the first `max` items (0: no limit), as one. What
// is cut without being asked to is said.
enum err_code cmd_call_pages(struct cmd *c, const struct client_call *call, size_t max,
	struct client_answer *ret);
enum err_code cmd_call_list(struct cmd *c, const struct client_call *call);

#endif
