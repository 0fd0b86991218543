// SPDX-License-Identifier: MIT
// A file of the user's own beside the settings, which programs write too: who else may touch it is
// looked at before it is believed, and it is put in place whole, one writer at a time.
#ifndef YJ_CONSOLE_BASE_OWN_FILE_H
#define YJ_CONSOLE_BASE_OWN_FILE_H

#include "shared/err.h"
#include "shared/str.h"

enum own_file_rule {
	OWN_FILE_READABLE, // others may read it, and never write it
	OWN_FILE_PRIVATE, // others may neither
};

// Appends all of it to out, nothing where there is none. ERR_CONFIG_INVALID: it cannot be read, is
// another user's, too large, or against the rule.
enum err_code own_file_read(const char *path, enum own_file_rule rule, size_t max, struct str *out,
	struct err *err);
// Makes the folder with all above it and keeps other writers out until own_file_unlock. *ret_fd is
// -1 when it fails. ERR_CONFIG_INVALID.
enum err_code own_file_lock(const char *folder, int *ret_fd, struct err *err);
void own_file_unlock(int fd); // -1 is nothing
// Puts the text in the place of `path`, which lies in the locked folder: 0600, on disk when it
// returns. ERR_CONFIG_INVALID, and what was there stands.
enum err_code own_file_write(int folder, const char *path, struct slice text, struct err *err);

#endif
