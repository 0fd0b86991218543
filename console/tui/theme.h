// SPDX-License-Identifier: MIT
// How a state's word is shown: colour and mark beside it, never colour alone.
#ifndef YJ_CONSOLE_TUI_THEME_H
#define YJ_CONSOLE_TUI_THEME_H

#include "console/tui/term.h"

struct look {
	const char *word;
	enum skin skin;
	char mark; // ' ' fine, '?' look at it, '!' trouble
};

// Case does not matter; an unknown word is shown as one to look at.
const struct look *look_of(const char *word);

#endif
