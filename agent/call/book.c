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
static bool was_used(const struct gw_call *c, const struct ending *e)
{
	enum err_code code = e->code;
	switch (e->out) {
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
static void tell_absurd(const struct tries *t)
{
	static _Atomic int64_t next_us; // the log says it once in a while
	const char *feature = t->feature->doc.name, *target = t->cand->target_name;
	int64_t now = clock_mono_us(), due = atomic_load(&next_us);
	metric_add(t->gl->agent->metrics, MET_USAGE_ABSURD, 1,
		(const char *const[]){feature, target, NULL});
	if (now >= due && atomic_compare_exchange_strong(&next_us, &due, now + 10 * 1000000))
		log_line(LOG_LVL_WARN, "usage_absurd", "feature", feature, "target", target, "hint",
			_("the upstream told a usage nobody can believe: it is estimated"), NULL);
}

struct price_usage price_usage_told(const struct adapter_usage *a, enum cost_source source)
{
	return (struct price_usage){.in = a->in,
		.out = a->out,
		.cached = a->cached,
		.cache_write = a->cache_write,
		.reasoning = a->reasoning,
		.images = a->images,
		.chars = a->chars,
		.audio_ms = a->audio_ms,
		.source = source};
}

static struct price_usage usage_of(const struct gw_call *c, bool answered)
{
	struct price_usage u = price_usage_told(&c->usage, COST_UNKNOWN);
	// Tokens of an answer that were counted here say nothing of the prompt's.
	bool told = c->usage_source == COST_REPORTED && u.in >= 0 && !usage_is_absurd(&c->usage) &&
		(u.out >= 0 || c->in.offer == OFFER_EMBEDDINGS);
	if (told)
		u.source = COST_REPORTED;
	else if (u.images >= 0 || u.chars >= 0 || u.audio_ms >= 0)
		u.source = COST_COUNTED;
	else if (answered)
		estimate(c, &u);
	return u;
}

struct booking gw_booking(struct gw_call *c, const struct ending *e)
{
	const char *model = c->tries.cand->target->upstream_model;
	struct booking b = {.used = was_used(c, e),
		.streamed = c->send.stream,
		.interrupted = e->out != OUT_OK && c->phase != GS_WAIT,
		.told = &c->usage,
		.usage = PRICE_USAGE_NONE,
		.model = model != NULL ? model : c->in.model,
		.client = c->r->who.client};
	if (b.used)
		b.usage = usage_of(c, e->out == OUT_OK || c->phase != GS_WAIT);
	return b;
}

// A request's cost is that of all its attempts; with one of unknown cost the rest is a guess.
static void add_to_bill(struct bill *b, const struct price_usage *u, const struct money *m)
{
	b->spent = *u;
	if (m->source == COST_UNKNOWN)
		b->unknown = true;
	else
		money_add(&b->cost, m);
	if (b->unknown && b->cost.source != COST_UNKNOWN)
		b->cost.source = COST_ESTIMATED;
}

void attempt_book(struct tries *t, const struct booking *b, const struct ending *e)
{
	const struct candidate *c = t->cand;
	if (t->feature == NULL || c->live == NULL)
		return;
	const char *feature = t->feature->doc.name;
	int64_t wall_ms = loop_wall_ms(t->gl->loop);
	const struct price *p = snapshot_price(t->snap, c, feature, b->model, wall_ms);
	struct ledger_entry entry = {.wall_ms = wall_ms,
		.feature = feature,
		.target = c->target_name,
		.client = t->ask.client,
		.key = c->live->id,
		.model = b->model,
		.first = !t->booked,
		.failed = e->out != OUT_OK && e->out != OUT_CLIENT,
		.streamed = b->streamed,
		.interrupted = b->interrupted,
		.used = b->used,
		.paid = p != NULL && price_paid(p),
		.usage = b->usage};
	if (b->used) {
		if (UNLIKELY(b->told != NULL && usage_is_absurd(b->told)))
			tell_absurd(t);
		entry.cost = price_cost(p, &entry.usage, &b->picture);
		add_to_bill(&t->bill, &entry.usage, &entry.cost);
		gw_charge(b->client, t->feature, c->key, &entry.cost);
	}
	t->booked = true;
	ledger_add(t->gl->agent->ledger, &entry);
}
