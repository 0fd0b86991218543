// SPDX-License-Identifier: MIT
// Two texts line by line, told as diff -u does.
#ifndef YJ_CONSOLE_CMD_UDIFF_H
#define YJ_CONSOLE_CMD_UDIFF_H

#include "shared/str.h"

#define UDIFF_CONTEXT 3 // lines around what differs

// Appends the hunks that make `from` into `to`, without heads; false, and nothing, when they are the
// same. Texts whose differing parts are very long are told as all of one and all of the other.
bool udiff(struct slice from, struct slice to, struct str *out);

#endif
