// SPDX-License-Identifier: MIT
// What a call costs: pure arithmetic over a price document and what was used. Amounts are int64
// pico (10^-12) of a currency, worked out in 128 bits, so nothing is lost to rounding before the
// end and nothing wraps: what does not fit is INT64_MAX. Unknown is a value, never zero.
#ifndef YJ_AGENT_STATE_PRICE_H
#define YJ_AGENT_STATE_PRICE_H

#include <stdatomic.h>
#include "shared/rows/model.h"

#define PICO_SUM_MAX (INT64_MAX / 2) // where sums end: one more may still be added to two of them

// a + b, which ends at INT64_MAX; neither is negative.
static inline int64_t sat_add(int64_t a, int64_t b)
{
	return __builtin_add_overflow(a, b, &a) ? INT64_MAX : a;
}
// Adds to a sum that threads share; it ends at PICO_SUM_MAX.
void sat_add_shared(_Atomic int64_t *sum, int64_t more);

// How sure an amount is, the surest last: a sum is as sure as its least sure part.
enum cost_source {
	COST_UNKNOWN, // no price, or no usage
	COST_ESTIMATED, // quantities guessed, as tokens from bytes
	COST_COUNTED, // quantities counted here: images, characters
	COST_REPORTED, // quantities told by the upstream
	COST_SOURCES
};
const char *cost_source_name(enum cost_source s);

struct money {
	int64_t pico; // 0 when unknown
	char currency[4]; // "" when unknown
	enum cost_source source;
};

// What one call used; -1 where that is not known. cached, cache_write are part of in, reasoning of
// out.
struct price_usage {
	int64_t in, out, cached, cache_write, reasoning; // tokens
	int64_t images, chars, audio_ms;
	enum cost_source source; // of the quantities
};
#define PRICE_USAGE_NONE ((struct price_usage){-1, -1, -1, -1, -1, -1, -1, -1, COST_UNKNOWN})

// Which picture was made; NULL where not said.
struct price_picture {
	const char *quality, *size; // "high", "1024x1024"
};

// The cost of `u` at price `p` (NULL: unknown). One of the price's bases is used, the first whose
// quantities are all known: tokens, images, characters, seconds; the price per request is added.
// Token prices follow the tier of the prompt's length. Where all prices are zero the call is free,
// whatever was used.
struct money price_cost(const struct price *p, const struct price_usage *u,
	const struct price_picture *picture);
// The unit price of one image; FIELD_NONE when the price does not say. The row that names both
// quality and size wins over one that names either, which wins over the price of any image.
int64_t price_image(const struct price *p, const struct price_picture *picture);
// What a call is likely to cost, before it is made; COST_ESTIMATED or unknown. What it does not say
// is taken as PRICE_TOKENS_IN and PRICE_TOKENS_OUT tokens, as many characters and a minute; of
// pictures whose quality is not said, the dearest counts.
struct price_wish {
	int64_t tokens; // of the prompt; 0 not known
	int64_t images; // 0: a call that makes none
	int64_t width, height; // FIELD_NONE not said
};
#define PRICE_TOKENS_IN 1000
#define PRICE_TOKENS_OUT 250
struct money price_expected(const struct price *p, const struct price_wish *w);
// True when something costs: an amount of zero for it is worth a question.
bool price_paid(const struct price *p);
// Whether it may be used at this time.
bool price_valid(const struct price *p, int64_t now_wall_ms);
// Adds up amounts of one currency; *sum keeps the least sure known source. Unknown ones are left
// out and the answer is false, as for another currency.
bool money_add(struct money *sum, const struct money *m);

// Decimal text ("1.3e-10", "0.042") times 10^shift, exactly: half of the last digit rounds up.
// False for anything that is no such number, is negative, or does not fit [0, max].
bool price_decimal(struct slice text, int shift, int64_t max, int64_t *ret);

#endif
