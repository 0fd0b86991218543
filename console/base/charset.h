// SPDX-License-Identifier: MIT
// What the terminal can draw, by the charset of the locale and not by its name.
#ifndef YJ_CONSOLE_BASE_CHARSET_H
#define YJ_CONSOLE_BASE_CHARSET_H

#include "shared/str.h"

// Takes the locale of the environment; one that is not installed is replaced by C.UTF-8.
void charset_setup(void);
bool charset_unicode(void); // whether it is UTF-8
bool charset_missing(void); // whether the locale of the environment is not installed
// Writes the program's own glyphs with ASCII: "sk-...a1b2", charts of "#" and ".". Other letters, as
// in names, stay what they are.
void charset_ascii(struct slice text, struct str *out);

#endif
