// SPDX-License-Identifier: MIT
// What an attempt used and cost, as far as anybody knows, into the ledger.
//
// An upstream that does not tell is not taken to be free. Where an answer came, tokens are
// estimated: LIMITS_BYTES_PER_TOKEN bytes of the request are one, and so is each piece of a stream
// or as many bytes of a whole answer. Where the work was begun but no answer came, usage is
// unknown. What an upstream refused, or what never reached it, cost nothing and is no usage.
#include "agent/call/book.h"

#include "agent/call/admit.h"
#include "agent/call/call.h"
#include "agent/record/ledger.h"
#include "agent/state/limits.h"
#include "shared/clock.h"
#include "shared/log.h"
#include "shared/text.h"

// Whether the upstream may bill the attempt.
static bool was_used(const struct gw_call *c, enum outcome out, enum err_code code)
{
	switch (out) {
	case OUT_OK:
		return true;
	case OUT_CLIENT:
		return code == ERR_CLIENT_GONE;
	case OUT_FAILED:
		return c->phase != GS_WAIT || code == ERR_UPSTREAM_TIMEOUT ||
			code == ERR_UPSTREAM_BAD_RESPONSE || code == ERR_UPSTREAM_TOO_LARGE;
	default:
		return false;
	}
}

static void estimate(const struct gw_call *c, struct price_usage *u)
{
	int64_t out = c->send.stream ? c->events : (int64_t)(c->bytes_out / LIMITS_BYTES_PER_TOKEN);
	bool by_tokens = c->in.offer == OFFER_CHAT || c->in.offer == OFFER_COMPLETIONS ||
		c->in.offer == OFFER_RESPONSES || c->in.offer == OFFER_EMBEDDINGS;
	// The pieces of /v1/responses are not tokens.
	if (!by_tokens || (c->in.offer == OFFER_RESPONSES && !c->translate && c->send.stream))
		return;
	u->source = COST_ESTIMATED;
	if (u->in < 0)
		u->in = (int64_t)((c->in.body.n + LIMITS_BYTES_PER_TOKEN - 1) /
			LIMITS_BYTES_PER_TOKEN);
	if (u->out < 0)
		u->out = c->in.offer == OFFER_EMBEDDINGS ? 0 : out;
}

// Metric and log: an upstream that cannot count is for somebody to look at.
void gw_usage_absurd(struct agent *a, const char *feature, const char *target)
{
	static _Atomic int64_t next_us; // the log says it once in a while
	int64_t now = clock_mono_us(), due = atomic_load(&next_us);
	metric_add(a->metrics, MET_USAGE_ABSURD, 1, (const char *const[]){feature, target, NULL});
	if (now >= due && atomic_compare_exchange_strong(&next_us, &due, now + 10 * 1000000))
		log_line(LOG_LVL_WARN, "usage_absurd", "feature", feature, "target", target, "hint",
			_("the upstream told a usage nobody can believe: it is estimated"), NULL);
}

static struct price_usage usage_of(const struct gw_call *c, bool answered)
{
	const struct adapter_usage *a = &c->usage;
	struct price_usage u = PRICE_USAGE_NONE;
	u.in = a->in;
	u.out = a->out;
	u.cached = a->cached;
	u.cache_write = a->cache_write;
	u.reasoning = a->reasoning;
	u.images = a->images;
	u.chars = a->chars;
	u.audio_ms = a->audio_ms;
	if (UNLIKELY(usage_is_absurd(a)))
		gw_usage_absurd(c->gl->agent, c->feature->doc.name, c->cand->target_name);
	// Who made pictures and does not say how many made those that were asked for.
	if (answered && u.images < 0 &&
		(c->in.offer == OFFER_IMAGES || c->in.offer == OFFER_IMAGE_EDITS))
		u.images = c->in.images != FIELD_NONE ? MAX_OF(c->in.images, 1) : 1;
	// Tokens of an answer that were counted here say nothing of the prompt's.
	bool told = c->usage_source == COST_REPORTED && u.in >= 0 && !usage_is_absurd(a) &&
		(u.out >= 0 || c->in.offer == OFFER_EMBEDDINGS);
	if (told)
		u.source = COST_REPORTED;
	else if (u.images >= 0 || u.chars >= 0 || u.audio_ms >= 0)
		u.source = COST_COUNTED;
	else if (answered)
		estimate(c, &u);
	return u;
}

static const char *model_of(const struct gw_call *c)
{
	const char *model = c->cand->target->upstream_model;
	return model != NULL ? model : c->in.model;
}

// The picture that was asked for, where the price depends on it.
static struct price_picture picture_of(struct gw_call *c, const struct price *p)
{
	struct price_picture picture = {NULL, NULL};
	if (p == NULL || p->images.n == 0)
		return picture;
	const struct jscan_member *q = jscan_find(c->in.m, c->in.n, "quality");
	if (q != NULL && q->value.n > 2)
		picture.quality = arena_strndup(&c->r->arena, q->value.p + 1, q->value.n - 2);
	if (c->in.width != FIELD_NONE && c->in.height != FIELD_NONE)
		picture.size = arena_printf(&c->r->arena, "%lldx%lld", (long long)c->in.width,
			(long long)c->in.height);
	return picture;
}

// A request's cost is that of all its attempts; with one of unknown cost the rest is a guess.
static void add_cost(struct gw_call *c, const struct money *m)
{
	if (m->source == COST_UNKNOWN)
		c->cost_unknown = true;
	else
		money_add(&c->cost, m);
	if (c->cost_unknown && c->cost.source != COST_UNKNOWN)
		c->cost.source = COST_ESTIMATED;
}

void gw_ledger(struct gw_call *c, enum outcome out, enum err_code code)
{
	int64_t wall_ms = loop_wall_ms(c->gl->loop);
	bool used = was_used(c, out, code), answered = out == OUT_OK || c->phase != GS_WAIT;
	const struct price *p = snapshot_price(c->r->snap, c->cand, c->feature->doc.name,
		c->in.model, wall_ms);
	struct ledger_entry e = {.wall_ms = wall_ms,
		.feature = c->feature->doc.name,
		.target = c->cand->target_name,
		.client = c->ask.client,
		.key = c->cand->live->id,
		.model = model_of(c),
		.first = c->tries_n == 0,
		.failed = out != OUT_OK && out != OUT_CLIENT,
		.streamed = c->send.stream,
		.interrupted = out != OUT_OK && c->phase != GS_WAIT,
		.used = used,
		.paid = p != NULL && price_paid(p),
		.usage = PRICE_USAGE_NONE};
	if (used) {
		struct price_picture picture = picture_of(c, p);
		e.usage = usage_of(c, answered);
		e.cost = price_cost(p, &e.usage, &picture);
		c->spent = e.usage;
		add_cost(c, &e.cost);
		gw_spend(c, &e.cost);
	}
	ledger_add(c->gl->agent->ledger, &e);
}
