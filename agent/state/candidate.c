// SPDX-License-Identifier: MIT
// What a route works out once about each of its candidates, so that a decision compares numbers
// instead of texts.
#include "agent/state/candidate.h"

#include <string.h>

static unsigned needs_mask(const struct strv *v)
{
	unsigned mask = 0;
	for (int k = 0; k < NEED_COUNT; k++)
		if (strv_has(v, need_names[k]))
			mask |= 1u << k;
	return mask;
}

static void read_sizes(struct arena *a, const struct strv *texts, struct candidate *c)
{

	if (!texts->n)
		return;
	struct size *sizes = arena_alloc(a, texts->n * sizeof(*sizes));
	for (size_t i = 0; i < texts->n; i++)
		c->sizes_n += model_size(slice_of(texts->v[i]), &sizes[c->sizes_n].width,
			&sizes[c->sizes_n].height);
	c->sizes = sizes;
}

// The model its vectors come from, as adapter_model would ask for it.
static const char *space_of(const struct target *t, const struct instance *in)
{
	if (t->space != NULL)
		return t->space;
	if (t->upstream_model != NULL)
		return t->upstream_model;
	return in != NULL && in->models.n > 0 ? in->models.v[0] : "";
}

// Numbers of tokens are of one vocabulary: what clients send are OpenAI's, which other servers would take
// for their own and answer with vectors of another text. vLLM says that it takes its own ones.
static bool reads_tokens_otherwise(const struct candidate *c)
{
	if (protocol_row(c->protocol)->offer != OFFER_EMBEDDINGS)
		return false;
	if (c->instance != NULL)
		return !text_same(c->instance->doc.engine, "vllm");
	return c->target->vendor != NULL && strcmp(c->target->vendor, "openai") != 0;
}

const struct key_obj *candidate_secret(const struct candidate *c)
{
	return c->key != NULL ? c->key : c->credential;
}

enum auth_style instance_auth(const struct instance *in, const char **ret_header)
{
	static const enum auth_style styles[] = {[INSTANCE_OPEN] = AUTH_NONE,
		[INSTANCE_BEARER] = AUTH_BEARER,
		[INSTANCE_BASIC] = AUTH_BASIC,
		[INSTANCE_HEADER] = AUTH_HEADER};
	*ret_header = in->auth.header;
	return styles[in->auth.type];
}

enum auth_style candidate_auth(const struct candidate *c, const char **ret_header)
{

	*ret_header = NULL;
	if (c->key == NULL)
		return c->instance != NULL ? instance_auth(&c->instance->doc, ret_header)
					   : AUTH_NONE;
	return c->vendor != NULL ? c->vendor->auth : AUTH_BEARER;
}

void candidate_count(const struct candidate *c, int64_t now_us, int64_t now_wall_ms, bool ok,
	int64_t us, int status)
{
	live_count(c->live, c->life, now_us, ok, us);
	if (c->pair == NULL)
		return;
	live_count(c->pair, LIFE_ANY, now_us, ok, us);
	if (ok)
		return;
	atomic_store_explicit(&c->pair->last_error_wall_ms, now_wall_ms, memory_order_relaxed);
	atomic_store_explicit(&c->pair->last_error_status, status, memory_order_relaxed);
}

void route_complete(struct route *r, struct live_table *live, struct arena *a)
{
	const struct feature *f = &r->feature->doc;
	bool pinned = f->pin_model || f->endpoint == OFFER_EMBEDDINGS;
	for (size_t i = 0; i < r->n; i++) {
		struct candidate *c = &r->v[i];
		const struct target *t = c->target;
		const struct instance *in = c->instance != NULL ? &c->instance->doc : NULL;
		c->hash = slice_hash(SLICE_HASH_BEGIN, slice_of(c->name));
		c->space = space_of(t, in);
		c->lacks = needs_mask(&t->lacks) | (in != NULL ? needs_mask(&in->lacks) : 0);
		if (protocol_texts_only(c->protocol) || reads_tokens_otherwise(c))
			c->lacks |= 1u << NEED_TOKENS;
		read_sizes(a, in != NULL && in->sizes.n ? &in->sizes : &t->sizes, c);
		r->choosy |= c->lacks != 0;
		c->pinned = pinned;
		if (c->live != NULL) {
			const char *feature = r->feature->doc.name;
			const char *model = c->target->upstream_model != NULL
				? c->target->upstream_model
				: "";
			// With its lives: a new address or object begins with a record of its own.
			const char *all = arena_printf(a, "%s|%s|%s|%s|%llx|%llx", feature,
				c->target->id, c->name, model, (unsigned long long)(c->life >> 32),
				(unsigned long long)r->feature->life);
			const char *id = arena_printf(a, "%016llx|%s|%s",
				(unsigned long long)slice_hash(SLICE_HASH_BEGIN, slice_of(all)),
				feature, c->target->id);
			c->pair = live_hold(a, live, LIVE_PAIR, id);
		}
		if (pinned && r->space == NULL && c->live != NULL)
			r->space = c->space;
	}
}
