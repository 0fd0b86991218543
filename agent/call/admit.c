// SPDX-License-Identifier: MIT
// Who may ask how much: the limits of the client and of the feature before a decision is made, what
// a request really used once that is known, and what callers are told of both.
#include "agent/call/admit.h"

#include <string.h>
#include "agent/call/call.h"
#include "shared/clock.h"
#include "shared/num.h"
#include "shared/text.h"

#define COOL_MAX_US INT64_C(60000000) // longest rest an upstream's own count may ask for

static const struct limits none;

static const struct limits *client_limits(const struct gw_call *c)
{
	return c->r->who.client != NULL ? &c->r->who.client->limits : &none;
}

// ---- admission ----

bool gw_client_may(const struct client_obj *client, const struct feature_obj *f)
{
	return client == NULL || client->doc.features.n == 0 ||
		strv_has(&client->doc.features, f->doc.name);
}

static int64_t limit_of(const struct limits *l, enum limit_kind kind)
{
	switch (kind) {
	case LIMIT_RPM:
		return l->rpm.limit;
	case LIMIT_TPM:
		return l->tpm.limit;
	default:
		return l->concurrency;
	}
}

// Seconds; 0: nobody can say.
static int64_t wait_s(const struct gw_call *c, const struct limit_hit *hit)
{
	int64_t us = hit->until_us == FIELD_NONE ? 0 : hit->until_us - loop_now_us(c->gl->loop);
	if (hit->kind == LIMIT_BUDGET && hit->until_us == FIELD_NONE)
		return 0; // a total ends when somebody raises it
	return MAX_OF((us + 999999) / 1000000, 1);
}

// Whose limit it was stands in the answer and in the event.
static enum err_code refuse(struct gw_call *c, const char *whose, const char *name,
	const struct limits *l, const struct limit_hit *hit, struct err *err)
{
	static const char *const units[] = {[LIMIT_RPM] = N_("requests per minute"),
		[LIMIT_TPM] = N_("tokens per minute"),
		[LIMIT_CONCURRENCY] = N_("requests at once")};
	static const enum refusal why[] = {[LIMIT_RPM] = REFUSED_RPM,
		[LIMIT_TPM] = REFUSED_TPM,
		[LIMIT_CONCURRENCY] = REFUSED_CONCURRENCY,
		[LIMIT_BUDGET] = REFUSED_BUDGET};
	c->refused = why[hit->kind];
	c->limited_by = arena_printf(&c->r->arena, "%s:%s", whose, limit_name(hit->kind));
	c->retry_after_s = wait_s(c, hit);
	metric_add(c->gl->agent->metrics, MET_GW_LIMITED, 1,
		(const char *const[]){whose, limit_name(hit->kind), NULL});
	if (hit->kind == LIMIT_BUDGET)
		return err_set(err, ERR_BUDGET_EXCEEDED,
			_("the budget of the %s %s is used up (%s)"), whose, name, c->limited_by);
	return err_set(err, ERR_RATE_LIMITED, _("the %s %s is limited to %lld %s (%s)"), whose,
		name, (long long)limit_of(l, hit->kind), _(units[hit->kind]), c->limited_by);
}

static void count(struct live *l, bool limited)
{
	atomic_fetch_add_explicit(limited ? &l->limited : &l->requests, 1, memory_order_relaxed);
}

enum err_code gw_admit(struct gw_call *c, struct err *err)
{
	const struct client_obj *client = c->r->who.client;
	const struct feature_obj *f = c->feature;
	int64_t now = loop_now_us(c->gl->loop);
	if (UNLIKELY(!gw_client_may(client, f))) {
		c->refused = REFUSED_FEATURE_DENIED;
		return err_set(err, ERR_SCOPE_EXCEEDED, _("this client may not call this feature"));
	}
	int64_t wall = client != NULL || f->limits.any ? loop_wall_ms(c->gl->loop) : 0;
	struct limit_hit hit;
	if (client != NULL) {
		bool in = limits_take(&client->limits, client->live, c->tries.ask.tokens, now, wall,
			&hit);
		count(client->live, !in);
		if (!in)
			return refuse(c, "client", client->doc.name, &client->limits, &hit, err);
	}
	if (!limits_take(&f->limits, f->live, c->tries.ask.tokens, now, wall, &hit)) {
		count(f->live, true);
		if (client != NULL)
			limits_undo(&client->limits, client->live, c->tries.ask.tokens);
		return refuse(c, "feature", f->doc.name, &f->limits, &hit, err);
	}
	c->admitted = true;
	return ERR_OK;
}

void gw_settle(struct gw_call *c, enum err_code code)
{
	const struct client_obj *client = c->r->who.client;
	int64_t used = -1; // the estimate stands: it was used, nobody says how much
	if (!c->admitted)
		return;
	c->admitted = false;
	if (UNLIKELY(usage_is_absurd(&c->usage)))
		used = -1;
	else if (c->usage.in >= 0 || c->usage.out >= 0)
		used = MAX_OF(c->usage.in, 0) + MAX_OF(c->usage.out, 0);
	else if (code != ERR_OK && code != ERR_CLIENT_GONE && code != ERR_STREAM_INTERRUPTED)
		used = 0;
	if (client != NULL)
		limits_release(&client->limits, client->live, c->tries.ask.tokens, used);
	limits_release(&c->feature->limits, c->feature->live, c->tries.ask.tokens, used);
}

void gw_charge(const struct client_obj *client, const struct feature_obj *f,
	const struct key_obj *key, const struct money *m)
{
	bool known = m->source != COST_UNKNOWN;
	bool feature_asks = f != NULL && f->limits.budget_pico >= 0;
	bool key_asks = key != NULL && key->limits.budget_pico >= 0;
	if (client == NULL && !feature_asks && !key_asks)
		return; // nobody asks
	int64_t wall = clock_wall_ms();
	if (client != NULL)
		limits_spend(&client->limits, client->live, known, m->pico, m->currency, wall);
	if (feature_asks)
		limits_spend(&f->limits, f->live, known, m->pico, m->currency, wall);
	if (key_asks)
		limits_spend(&key->limits, key->live, known, m->pico, m->currency, wall);
}

// ---- what callers are told ----

// The one that is nearer to its end speaks.
static void nearer(int64_t *limit, int64_t *left, int64_t *reset_us, int64_t limit2, int64_t left2,
	int64_t reset2_us)
{
	if (limit2 == 0 || (*limit != 0 && *left <= left2))
		return;
	*limit = limit2;
	*left = left2;
	*reset_us = reset2_us;
}

static void add_duration(struct req *r, const char *name, int64_t us, struct str *scratch)
{
	str_clear(scratch);
	text_add_duration(scratch, us);
	req_header_add(r, name, str_text(scratch));
}

void gw_limit_headers(struct gw_call *c)
{
	const struct limits *of[] = {client_limits(c), &c->feature->limits};
	const struct live *live[] = {
		c->r->who.client != NULL ? c->r->who.client->live : NULL, c->feature->live};
	struct limits_view v = {0};
	if (LIKELY(!of[0]->any && !of[1]->any))
		return;
	for (size_t i = 0; i < ARRAY_LEN(of); i++) {
		if (!of[i]->any)
			continue;
		struct limits_view one = limits_view(of[i], live[i], loop_now_us(c->gl->loop));
		nearer(&v.requests_limit, &v.requests_left, &v.requests_reset_us,
			one.requests_limit, one.requests_left, one.requests_reset_us);
		nearer(&v.tokens_limit, &v.tokens_left, &v.tokens_reset_us, one.tokens_limit,
			one.tokens_left, one.tokens_reset_us);
	}
	if (v.requests_limit != 0) {
		req_header_number(c->r, SLICE("x-ratelimit-limit-requests"), v.requests_limit);
		req_header_number(c->r, SLICE("x-ratelimit-remaining-requests"), v.requests_left);
		add_duration(c->r, "x-ratelimit-reset-requests", v.requests_reset_us,
			&c->gl->event);
	}
	if (v.tokens_limit != 0) {
		req_header_number(c->r, SLICE("x-ratelimit-limit-tokens"), v.tokens_limit);
		req_header_number(c->r, SLICE("x-ratelimit-remaining-tokens"), v.tokens_left);
		add_duration(c->r, "x-ratelimit-reset-tokens", v.tokens_reset_us, &c->gl->event);
	}
}

// ---- what the upstream tells ----

// Bit i: nothing is left of requests (0) or of tokens (1). Mostly something is, so that is asked
// first.
static unsigned nothing_left(const struct upstream_response *res)
{
	unsigned none_left = 0;
	for (size_t i = 0; i < res->headers_n; i++) {
		const struct upstream_header *h = &res->headers[i];
		if (LIKELY(!slice_eq_str(h->value, "0")))
			continue;
		if (slice_ieq_str(h->name, "x-ratelimit-remaining-requests"))
			none_left |= 1;
		else if (slice_ieq_str(h->name, "x-ratelimit-remaining-tokens"))
			none_left |= 2;
	}
	return none_left;
}

// The longest of those that count: of headers that came twice the stricter one.
static int64_t reset_us(const struct upstream_response *res, unsigned which)
{
	static const char *const names[2] = {
		"x-ratelimit-reset-requests", "x-ratelimit-reset-tokens"};
	int64_t longest = 0, us;
	for (size_t i = 0; i < 2 * res->headers_n; i++) {
		const struct upstream_header *h = &res->headers[i / 2];
		if ((which & 1u << i % 2) && slice_ieq_str(h->name, names[i % 2]) &&
			text_duration_us(h->value, &us))
			longest = MAX_OF(longest, us);
	}
	return longest;
}

void gw_heed_upstream(struct gw_call *c, const struct upstream_response *res)
{
	if (c->tries.cand == NULL || c->tries.cand->key == NULL)
		return;
	unsigned which = nothing_left(res);
	int64_t rest_us = UNLIKELY(which != 0) ? reset_us(res, which) : 0;
	if (UNLIKELY(rest_us > 0))
		breaker_cool(c->tries.cand->live, c->tries.cand->life, loop_now_us(c->gl->loop),
			MIN_OF(rest_us, COOL_MAX_US), res->status);
}
