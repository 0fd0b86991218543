// SPDX-License-Identifier: MIT
// Figures upstreams tell are claims: what nobody can believe is told from what was not said.
#include "agent/protocol/usage.h"

int64_t usage_figure(const struct jscan_member *m)
{
	if (m == NULL || m->type == JS_NULL)
		return -1;
	int64_t v;
	bool is_figure = m->type == JS_NUMBER && jscan_int(m->value, &v) && v >= 0;
	return is_figure && v <= USAGE_FIGURE_MAX ? v : USAGE_ABSURD;
}

static void keep(int64_t *to, int64_t v)
{
	if (v != -1)
		*to = v;
}

void adapter_usage_merge(struct adapter_usage *u, const struct adapter_usage *more)
{
	keep(&u->in, more->in);
	keep(&u->out, more->out);
	keep(&u->cached, more->cached);
	keep(&u->cache_write, more->cache_write);
	keep(&u->reasoning, more->reasoning);
	keep(&u->images, more->images);
	keep(&u->chars, more->chars);
	keep(&u->audio_ms, more->audio_ms);
}
