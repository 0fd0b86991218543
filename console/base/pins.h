// SPDX-License-Identifier: MIT
// The keys of agents that a user trusts by themselves, whatever authority signed them: the file
// "pins" beside the user's settings, "HOST:PORT sha256//…" a line, # for remarks.
#ifndef YJ_CONSOLE_BASE_PINS_H
#define YJ_CONSOLE_BASE_PINS_H

#include "shared/arena.h"
#include "shared/err.h"

#define PINS_FILE_MAX (256 * 1024) // bytes

struct pin_row {
	const char *address, *pin;
};

// The name a pin is kept by: "host:port" in lower case, IPv6 in brackets and as short as it goes,
// 443 where none is said. Takes https://HOST[:PORT][/…] and HOST[:PORT]. ERR_USAGE.
enum err_code pins_address(const char *text, struct arena *a, const char **ret, struct err *err);
// All rows; *ret_n 0 when there is no file. ERR_CONFIG_INVALID: it cannot be read, others may
// write it, or a line of it is no pin.
enum err_code pins_load(struct arena *a, struct pin_row **ret, size_t *ret_n, struct err *err);
// The pin of one address, NULL when none is kept.
enum err_code pins_find(const char *address, struct arena *a, const char **ret, struct err *err);
// Keeps a pin in the place of the address's, or with pin NULL forgets it; *ret_was says whether one
// was there. On disk when it returns; what others keep meanwhile stays. ERR_CONFIG_INVALID.
enum err_code pins_keep(const char *address, const char *pin, bool *ret_was, struct err *err);

#endif
