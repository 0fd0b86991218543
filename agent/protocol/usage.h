// SPDX-License-Identifier: MIT
// What one exchange is charged by, as the upstream told it. Pure.
#ifndef YJ_AGENT_PROTOCOL_USAGE_H
#define YJ_AGENT_PROTOCOL_USAGE_H

#include "shared/jscan.h"

// What an upstream may claim of one exchange in tokens, characters or milliseconds: far beyond any
// model's context. More, less than nothing and parts of one are not believed.
#define USAGE_FIGURE_MAX INT64_C(1000000000)
#define USAGE_ABSURD (-2) // not known either: something was told that nobody can believe

// What one exchange is charged by; -1: not known. cached and cache_write are parts of in,
// reasoning of out.
struct adapter_usage {
	int64_t in, out, cached, cache_write, reasoning; // tokens
	int64_t images, chars, audio_ms;
};
#define ADAPTER_USAGE_UNKNOWN ((struct adapter_usage){-1, -1, -1, -1, -1, -1, -1, -1})
// A figure of a usage; -1 when absent or null, USAGE_ABSURD when it is none.
int64_t usage_figure(const struct jscan_member *m);
static inline bool usage_is_absurd(const struct adapter_usage *u)
{
	return u->in < -1 || u->out < -1 || u->cached < -1 || u->cache_write < -1 ||
		u->reasoning < -1 || u->images < -1 || u->chars < -1 || u->audio_ms < -1;
}
// What `more` knows replaces what *u says.
void adapter_usage_merge(struct adapter_usage *u, const struct adapter_usage *more);

#endif
