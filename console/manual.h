// SPDX-License-Identifier: MIT
// Manual pages of the console's side, in troff's man macros.
#ifndef YJ_CONSOLE_MANUAL_H
#define YJ_CONSOLE_MANUAL_H

#include "shared/str.h"

// Name of page i ("yijian.1", "yijian-key.1", ...) into buf; NULL behind the last.
const char *manual_name(size_t i, char *buf, size_t size);
// Appends one page; false when there is none of this name.
bool manual_page(const char *page, struct str *out);

#endif
