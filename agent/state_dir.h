// SPDX-License-Identifier: MIT
// The state directory: whose it is, that nobody else can change it, and that one agent alone has it.
#ifndef YJ_AGENT_STATE_DIR_H
#define YJ_AGENT_STATE_DIR_H

#include <sys/types.h>

#include "agent/core/settings.h"
#include "shared/err.h"

// ERR_CONFIG_INVALID with the command that mends it: no directory, another user's, or writable by
// group or others, who could put their own database and keys there; or a file in it that is none.
// One that is not there yet is ERR_OK.
enum err_code state_dir_check(const char *dir, struct err *err);
// Makes every missing part, 0700, checks, and takes from others what they may read in it.
enum err_code state_dir_make(const char *dir, struct err *err);
// Takes it for this process until *ret_fd is closed, without a file of its own, so that a full or
// read-only disk is no obstacle. ERR_CONFIG_INVALID with the holder's name when another has it.
// *ret_fd -1 with ERR_OK: this file system knows no locks.
enum err_code state_dir_hold(const char *dir, int *ret_fd, struct err *err);
// Who would start: this user, but where root asks about a directory that is another's, that one, as a
// service's settings are looked at by root.
uid_t state_dir_user(const struct settings *s);
// What that user's start would say of directory and root key, touching nothing. *why_sealed (code
// ERR_OK: nothing): it would start, and its keys could not be opened.
enum err_code state_dir_judge(const struct settings *s, struct err *why_sealed, struct err *err);

#endif
