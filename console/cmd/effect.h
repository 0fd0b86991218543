// SPDX-License-Identifier: MIT
// What taking targets out would do to the features they serve, told before it is done.
#ifndef YJ_CONSOLE_CMD_EFFECT_H
#define YJ_CONSOLE_CMD_EFFECT_H

#include "console/cmd/cmd.h"

// Which rows of the live route table go: every one that all given members fit.
struct effect_of {
	const char *feature; // NULL: of every feature
	const char *target; // "openai/gpt-4"; NULL: of any that begins with `vendor`
	const char *vendor;
	const char *part; // slug or instance behind '#'; NULL: any
};

// "2 of 3 targets of chat left" for every feature that loses one, in the arena; "" when none does.
// *ret_last: one of them would be left without any, and what it is asked for will fail.
enum err_code effect_tell(struct cmd *c, const struct effect_of *of, const char **ret_text,
	bool *ret_last);
// Nothing to ask where every feature keeps a target; otherwise as cmd_agree.
enum err_code effect_agree(struct cmd *c, const struct effect_of *of, const char *name);

#endif
