// SPDX-License-Identifier: MIT
// Structured log lines: one JSON object per line on stderr (journald takes it as it is), every
// field escaped and capped at 4 KiB. A secret has no way in: struct secret cannot be formatted.
// Only program floors call this.
#ifndef YJ_SHARED_LOG_H
#define YJ_SHARED_LOG_H

#include "shared/slice.h"

enum log_level { LOG_LVL_ERROR, LOG_LVL_WARN, LOG_LVL_INFO, LOG_LVL_DEBUG };

#define LOG_FIELD_MAX 4096

// Thread-safe. Call once before the first line; fd is borrowed.
void log_open(int fd, enum log_level level);
void log_set_level(enum log_level level);
bool log_level_named(struct slice name, enum log_level *ret);
bool log_on(enum log_level level);
// {"at":…,"level":…,"event":EVENT, KEY:VALUE…}: pairs of const char *, closed by NULL.
// A NULL value leaves the pair out.
void log_line(enum log_level level, const char *event, ...) __attribute__((sentinel));

#endif
