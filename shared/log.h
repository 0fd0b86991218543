// SPDX-License-Identifier: MIT
// Structured log lines: one JSON object per line on stderr (journald takes it as it is), every
// field escaped and capped at 4 KiB. A secret has no way in: struct secret cannot be formatted.
// Only program floors call this.
//
// Who writes a log must not wait for who reads it: once log_start has run, lines go through a ring
// of LOG_RING_BYTES to a thread of their own, in order. What finds no room, or cannot be written, is
// lost, counted, and told by a line "log_lost" as soon as one can be written again.
#ifndef YJ_SHARED_LOG_H
#define YJ_SHARED_LOG_H

#include "shared/slice.h"

enum log_level { LOG_LVL_ERROR, LOG_LVL_WARN, LOG_LVL_INFO, LOG_LVL_DEBUG };

#define LOG_FIELD_MAX 4096
#define LOG_RING_BYTES ((size_t)256 * 1024)
#define LOG_FLUSH_MS 2000 // longest wait of log_stop for a reader that does not read

// Thread-safe. Call once before the first line; fd is borrowed.
void log_open(int fd, enum log_level level);
void log_set_level(enum log_level level);
bool log_level_named(struct slice name, enum log_level *ret);
bool log_on(enum log_level level);
// {"at":…,"level":…,"event":EVENT, KEY:VALUE…}: pairs of const char *, closed by NULL.
// A NULL value leaves the pair out.
void log_line(enum log_level level, const char *event, ...) __attribute__((sentinel));
// From now on a thread writes; until then, and again after log_stop, each line is written at once.
// Call once the process's signals are blocked as they shall be. A crash lets it finish for a second.
// False: no thread was to be had, lines go on as before.
bool log_start(void);
// Waits, LOG_FLUSH_MS at most, until everything is written.
void log_stop(void);
// Lines that were lost since the start. Thread-safe.
uint64_t log_lost(void);

#endif
