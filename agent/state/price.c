// SPDX-License-Identifier: MIT
// Arithmetic in 128 bits over pico amounts, and decimal text read without a binary fraction
// between.
#include "agent/state/price.h"

#include <stdio.h>
#include <string.h>

typedef __int128 wide;

void sat_add_shared(_Atomic int64_t *sum, int64_t more)
{
	int64_t was = atomic_load_explicit(sum, memory_order_relaxed), now;
	do
		now = MIN_OF(sat_add(MAX_OF(was, 0), MAX_OF(more, 0)), PICO_SUM_MAX);
	while (!atomic_compare_exchange_weak_explicit(sum, &was, now, memory_order_relaxed,
		memory_order_relaxed));
}

const char *cost_source_name(enum cost_source s)
{
	static const char *const names[COST_SOURCES] = {
		[COST_UNKNOWN] = "unknown",
		[COST_ESTIMATED] = "estimated",
		[COST_COUNTED] = "counted",
		[COST_REPORTED] = "reported",
	};
	return names[s];
}

// ---- prices ----

static bool set(int64_t pico)
{
	return pico != FIELD_NONE;
}

static int64_t or_else(int64_t pico, int64_t other)
{
	return set(pico) ? pico : other;
}

static int fit(const char *said, const char *asked)
{
	if (said == NULL)
		return 0;
	return asked != NULL && strcmp(said, asked) == 0 ? 1 : -1;
}

int64_t price_image(const struct price *p, const struct price_picture *picture)
{
	const struct price_image *v = p->images.v;
	int64_t best = p->image_pico;
	int best_fit = 0;
	for (size_t i = 0; i < p->images.n; i++) {
		int quality = fit(v[i].quality, picture != NULL ? picture->quality : NULL);
		int size = fit(v[i].size, picture != NULL ? picture->size : NULL);
		if (quality < 0 || size < 0 || 1 + quality + size <= best_fit)
			continue;
		best_fit = 1 + quality + size;
		best = v[i].pico;
	}
	return best;
}

// Whether something has a price, and whether one of them is not zero.
static bool look(const struct price *p, bool *ret_paid)
{
	const int64_t each[] = {p->input_pico, p->output_pico, p->image_pico, p->image_output_pico,
		p->char_pico, p->second_pico, p->request_pico};
	const struct price_image *images = p->images.v;
	bool some = p->images.n > 0;
	*ret_paid = false;
	for (size_t i = 0; i < ARRAY_LEN(each); i++) {
		some = some || set(each[i]);
		*ret_paid = *ret_paid || (set(each[i]) && each[i] > 0);
	}
	for (size_t i = 0; i < p->images.n; i++)
		*ret_paid = *ret_paid || images[i].pico > 0;
	return some;
}

bool price_paid(const struct price *p)
{
	bool paid;
	return look(p, &paid) && paid;
}

bool price_valid(const struct price *p, int64_t now_wall_ms)
{
	return p->valid_from == FIELD_NONE || p->valid_from <= now_wall_ms;
}

// ---- cost ----

static wide part(int64_t n, int64_t pico)
{
	return n > 0 && set(pico) ? (wide)n * pico : 0;
}

// n of a whole, when it is known and sensible.
static int64_t share(int64_t n, int64_t whole)
{
	return n > 0 ? MIN_OF(n, whole) : 0;
}

static bool token_cost(const struct price *p, const struct price_usage *u, wide *ret)
{
	// The token prices for a prompt of this length; what a tier does not say is the row's.
	struct price_tier r = {0, p->input_pico, p->output_pico, p->cached_input_pico,
		p->cache_write_pico, p->reasoning_pico};
	const struct price_tier *tiers = p->tiers.v;
	for (size_t i = 0; i < p->tiers.n; i++) {
		const struct price_tier *t = &tiers[i];
		if (u->in <= t->above_tokens || t->above_tokens < r.above_tokens)
			continue;
		r.above_tokens = t->above_tokens;
		r.input_pico = or_else(t->input_pico, p->input_pico);
		r.output_pico = or_else(t->output_pico, p->output_pico);
		r.cached_input_pico = or_else(t->cached_input_pico, p->cached_input_pico);
		r.cache_write_pico = or_else(t->cache_write_pico, p->cache_write_pico);
		r.reasoning_pico = or_else(t->reasoning_pico, p->reasoning_pico);
	}
	int64_t out_pico = u->images > 0 ? or_else(p->image_output_pico, r.output_pico)
					 : r.output_pico;
	if (!set(r.input_pico) && !set(out_pico))
		return false;
	if ((set(r.input_pico) && u->in < 0) || (set(out_pico) && u->out < 0))
		return false;
	int64_t cached = share(u->cached, u->in);
	int64_t written = share(u->cache_write, u->in - cached);
	int64_t thought = share(u->reasoning, u->out);
	*ret = part(u->in - cached - written, r.input_pico) +
		part(cached, or_else(r.cached_input_pico, r.input_pico)) +
		part(written, or_else(r.cache_write_pico, r.input_pico)) +
		part(u->out - thought, out_pico) +
		part(thought, or_else(r.reasoning_pico, out_pico));
	return true;
}

static bool basis_cost(const struct price *p, const struct price_usage *u,
	const struct price_picture *picture, wide *ret)
{
	if (token_cost(p, u, ret))
		return true;
	int64_t image = price_image(p, picture);
	if (set(image) && u->images >= 0) {
		*ret = part(u->images, image);
	} else if (set(p->char_pico) && u->chars >= 0) {
		*ret = part(u->chars, p->char_pico);
	} else if (set(p->second_pico) && u->audio_ms >= 0) {
		*ret = (part(u->audio_ms, p->second_pico) + 500) / 1000;
	} else {
		*ret = 0;
		return set(p->request_pico);
	}
	return true;
}

struct money price_cost(const struct price *p, const struct price_usage *u,
	const struct price_picture *picture)
{
	struct money m = {0, "", COST_UNKNOWN};
	wide sum = 0;
	bool paid = true, is_free = p != NULL && look(p, &paid) && !paid;
	if (p == NULL ||
		(!is_free && (u->source == COST_UNKNOWN || !basis_cost(p, u, picture, &sum))))
		return m;
	sum += is_free ? 0 : part(1, p->request_pico);
	m.pico = sum > INT64_MAX ? INT64_MAX : (int64_t)sum;
	m.source = u->source != COST_UNKNOWN ? u->source : COST_COUNTED;
	size_t n = strlen(p->currency != NULL ? p->currency : "");
	memcpy(m.currency, n == 3 ? p->currency : "USD", 4);
	return m;
}

static int64_t dearest(const struct price *p)
{
	const struct price_image *v = p->images.v;
	int64_t pico = FIELD_NONE;
	for (size_t i = 0; i < p->images.n; i++)
		pico = MAX_OF(pico, v[i].pico);
	return pico;
}

static struct money picture_expected(const struct price *p, const struct price_wish *w)
{
	char size[48] = "";
	struct price_picture picture = {NULL, size};
	struct price_usage u = PRICE_USAGE_NONE;
	struct price one = *p;
	u.images = w->images;
	u.source = COST_ESTIMATED;
	if (p->images.n > 0 && w->width != FIELD_NONE && w->height != FIELD_NONE)
		snprintf(size, sizeof(size), "%lldx%lld", (long long)w->width,
			(long long)w->height);
	one.image_pico = or_else(price_image(p, &picture), dearest(p));
	one.images.n = 0;
	return price_cost(&one, &u, NULL);
}

struct money price_expected(const struct price *p, const struct price_wish *w)
{
	if (p == NULL || w->images > 0)
		return p == NULL ? (struct money){0, "", COST_UNKNOWN} : picture_expected(p, w);
	int64_t in = w->tokens > 0 ? w->tokens : PRICE_TOKENS_IN;
	struct price_usage u = {.in = in,
		.out = PRICE_TOKENS_OUT,
		.cached = -1,
		.cache_write = -1,
		.reasoning = -1,
		.images = -1,
		.chars = in,
		.audio_ms = 60000,
		.source = COST_ESTIMATED};
	return price_cost(p, &u, NULL);
}

bool money_add(struct money *sum, const struct money *m)
{
	if (m->source == COST_UNKNOWN)
		return false;
	if (sum->source == COST_UNKNOWN) {
		*sum = *m;
		return true;
	}
	if (strcmp(sum->currency, m->currency) != 0)
		return false;
	sum->pico = sat_add(sum->pico, m->pico);
	sum->source = MIN_OF(sum->source, m->source);
	return true;
}

// ---- decimal text ----

#define DIGITS_MAX 40
#define EXPONENT_MAX 400

static bool digit(struct slice s, size_t i)
{
	return i < s.n && s.p[i] >= '0' && s.p[i] <= '9';
}

struct decimal {
	char digits[DIGITS_MAX]; // without leading zeros
	int n;
	int exponent; // of the last digit
};

static bool read_mantissa(struct slice s, size_t *at, struct decimal *d)
{
	size_t i = *at, seen = 0;
	bool point = false;
	for (; digit(s, i) || (i < s.n && s.p[i] == '.' && !point); i++) {
		if (s.p[i] == '.') {
			point = true;
			continue;
		}
		seen++;
		if (d->n == 0 && s.p[i] == '0') {
			d->exponent -= point;
			continue;
		}
		if (d->n == DIGITS_MAX) {
			d->exponent += !point; // far below what is kept
			continue;
		}
		d->digits[d->n++] = s.p[i];
		d->exponent -= point;
	}
	*at = i;
	return seen > 0;
}

static bool read_exponent(struct slice s, size_t *at, struct decimal *d)
{
	size_t i = *at;
	int e = 0;
	if (i == s.n)
		return true;
	if (s.p[i] != 'e' && s.p[i] != 'E')
		return false;
	bool minus = ++i < s.n && s.p[i] == '-';
	if (i < s.n && (s.p[i] == '-' || s.p[i] == '+'))
		i++;
	if (!digit(s, i))
		return false;
	for (; digit(s, i); i++)
		e = MIN_OF(e * 10 + (s.p[i] - '0'), EXPONENT_MAX);
	d->exponent += minus ? -e : e;
	*at = i;
	return i == s.n;
}

bool price_decimal(struct slice text, int shift, int64_t max, int64_t *ret)
{
	struct decimal d = {.n = 0};
	size_t at = 0;
	if (!read_mantissa(text, &at, &d) || !read_exponent(text, &at, &d))
		return false;
	int places = d.n + d.exponent + shift; // digits before the point of the result
	wide v = 0;
	for (int i = 0; i < places && v <= max; i++)
		v = v * 10 + (i < d.n ? d.digits[i] - '0' : 0);
	if (places >= 0 && places < d.n && d.digits[places] >= '5')
		v++;
	if (v > max)
		return false;
	*ret = (int64_t)v;
	return true;
}
