// SPDX-License-Identifier: MIT
// Standard descriptors as scripts hand them over: closed, full, non-blocking, or read by nobody.
#ifndef YJ_SHARED_OUT_H
#define YJ_SHARED_OUT_H

#include "shared/slice.h"

// At the very start of a program: a standard descriptor that is closed is taken, so that no file or
// socket of ours becomes it. What is written to it still fails as before.
void out_guard(void);
// Writes all of it, whether the descriptor blocks or not. Returns 0, or errno of the failure; then
// *ret_written, which may be NULL, says how far it came. *stop, when not NULL, ends the wait for a
// reader once it is set (EINTR).
int out_write(int fd, struct slice text, size_t *ret_written, volatile int *stop);
// The last word on what was written: some file systems only tell at the close that they took nothing.
int out_close(int fd);

#endif
