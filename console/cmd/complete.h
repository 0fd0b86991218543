// SPDX-License-Identifier: MIT
// Candidates for the word under the cursor, from the rows and, for names, from the agent.
#ifndef YJ_CONSOLE_CMD_COMPLETE_H
#define YJ_CONSOLE_CMD_COMPLETE_H

#include "console/cmd/cmd.h"

#define COMPLETE_TIMEOUT_MS 400 // for the agent; without an answer the rows' own words stand

// One candidate per line into out, with describe a TAB and what it is behind it. words[n - 1] is the one
// being typed (may be "").
void complete_words(const struct console_settings *s, const char *const *words, size_t n,
	bool describe, struct str *out);

#endif
