// SPDX-License-Identifier: MIT
// Which words are good news: states of routes, keys, alerts and tasks as colour and mark.
#include "console/tui/theme.h"

#include <strings.h>

static const struct look looks[] = {
	{"ok", SKIN_GOOD, ' '},
	{"passing", SKIN_GOOD, ' '},
	{"", SKIN_PLAIN, ' '},
	{"drain", SKIN_DIM, ' '},
	{"drained", SKIN_DIM, ' '},
	{"disabled", SKIN_DIM, ' '},
	{"off", SKIN_DIM, ' '},
	{"no_key", SKIN_DIM, ' '},
	{"unsupported", SKIN_DIM, ' '},
	{"unknown", SKIN_DIM, ' '},
	{"full", SKIN_WARN, '?'},
	{"warn", SKIN_WARN, '?'},
	{"degraded", SKIN_WARN, '?'},
	{"cooling", SKIN_WARN, '?'},
	{"limited", SKIN_WARN, '?'},
	{"half_open", SKIN_WARN, '?'},
	{"down", SKIN_BAD, '!'},
	{"open", SKIN_BAD, '!'},
	{"expired", SKIN_BAD, '!'},
	{"invalid", SKIN_BAD, '!'},
	{"no_quota", SKIN_BAD, '!'},
	{"firing", SKIN_BAD, '!'},
	{"pending", SKIN_WARN, '?'},
	{"acked", SKIN_WARN, ' '},
	{"resolved", SKIN_DIM, ' '},
	{"info", SKIN_PLAIN, ' '},
	{"warning", SKIN_WARN, '?'},
	{"active", SKIN_GOOD, ' '},
	{"running", SKIN_GOOD, ' '},
	{"succeeded", SKIN_GOOD, ' '},
	{"queued", SKIN_PLAIN, ' '},
	{"submitting", SKIN_PLAIN, ' '},
	{"canceled", SKIN_DIM, ' '},
	{"failed", SKIN_BAD, '!'},
	{"outcome_unknown", SKIN_BAD, '!'},
	{"gone", SKIN_BAD, '!'},
	{"sealed", SKIN_BAD, '!'},
	{"critical", SKIN_BAD, '!'},
};

static const struct look other = {"", SKIN_WARN, '?'};

const struct look *look_of(const char *word)
{
	for (size_t i = 0; i < ARRAY_LEN(looks); i++)
		if (strcasecmp(looks[i].word, word) == 0)
			return &looks[i];
	return &other;
}
