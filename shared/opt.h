// SPDX-License-Identifier: MIT
// GNU-style command lines from rows: options anywhere, --name=value, -xVALUE, -- ends them.
// Nothing is printed.
#ifndef YJ_SHARED_OPT_H
#define YJ_SHARED_OPT_H

#include "shared/err.h"

struct opt_row {
	int id;
	const char *name; // long name without dashes
	char letter; // short name, 0 none
	// What the value is called in help; NULL: a switch; "[=word]": a switch that may say the word
	const char *value;
	const char *help;
};

struct opt_next {
	const struct opt_row *row; // NULL: a plain word
	const char *value; // of the option, or the word itself
};

struct opt {
	char **argv; // borrowed
	int argc, at;
	const struct opt_row *rows;
	size_t n;
	const char *cluster; // rest of "-abc"
	bool only_words; // behind "--"
};

void opt_init(struct opt *o, const struct opt_row *rows, size_t n, int argc, char **argv);
// The next option or word; *ret_end true at the end. ERR_USAGE names the option and the closest
// known one.
enum err_code opt_next(struct opt *o, struct opt_next *ret, bool *ret_end, struct err *err);

#endif
