// SPDX-License-Identifier: MIT
// What a client, a feature or a vendor key may carry: requests and tokens per minute (GCRA),
// requests at once, money per window. The rules are worked out once per object; the state is a
// few atomics in its live record. Tokens are estimated when a request is admitted and settled when
// its use is known; money is counted when it is known, and what is not known is counted apart,
// never as zero. A budget is a gate, not a reservation: requests under way when it is used up are
// still paid for.
#ifndef YJ_AGENT_STATE_LIMITS_H
#define YJ_AGENT_STATE_LIMITS_H

#include "agent/state/live.h"
#include "agent/state/quota.h"
#include "shared/rows/model.h"

enum limit_kind { LIMIT_NONE, LIMIT_RPM, LIMIT_TPM, LIMIT_CONCURRENCY, LIMIT_BUDGET };

struct limits {
	struct quota rpm, tpm; // no limit: step_ns 0
	int64_t concurrency; // 0: none
	int64_t budget_pico; // -1: none
	char currency[4];
	int window; // enum budget_window
	bool any;
};

struct limit_hit {
	enum limit_kind kind;
	int64_t until_us; // monotonic time at which it may fit; FIELD_NONE not known
};

// FIELD_NONE: no such limit. budget may be NULL.
struct limits limits_of(int64_t rpm, int64_t tpm, int64_t concurrency, int64_t burst,
	const struct budget *budget);
const char *limit_name(enum limit_kind k); // "rpm", "tpm", "concurrency", "budget"

// Counts the request as in flight and takes what it needs; false with the limit that is hit, and
// then nothing is taken. now_us monotonic. Thread-safe.
bool limits_take(const struct limits *l, struct live *live, int64_t tokens, int64_t now_us,
	int64_t now_wall_ms, struct limit_hit *ret);
// The same question without taking anything.
struct limit_hit limits_look(const struct limits *l, const struct live *live, int64_t tokens,
	int64_t now_us, int64_t now_wall_ms);
// The request is over: out of flight, and its real tokens (-1: the estimate stands) replace the
// estimate. Once per limits_take that was true.
void limits_release(const struct limits *l, struct live *live, int64_t estimated, int64_t tokens);
// An attempt that never began: everything is given back.
void limits_undo(const struct limits *l, struct live *live, int64_t tokens);
// Money of one attempt. known false, or another currency than the budget's: counted as unpriced.
void limits_spend(const struct limits *l, struct live *live, bool known, int64_t pico,
	const char *currency, int64_t now_wall_ms);

// ---- the spending of a window ----
// Number of the window that holds this time: days or months since 1970, always 0 for a total.
int64_t budget_window_of(int window, int64_t now_wall_ms);
// Wall time at which it ends; FIELD_NONE for a total.
int64_t budget_window_end(int window, int64_t now_wall_ms);
struct spent {
	int64_t pico, unpriced;
};
// Of the current window; zeroes when the record is of an earlier one.
struct spent limits_spent(const struct limits *l, const struct live *live, int64_t now_wall_ms);

// ---- what callers are told ----
struct limits_view {
	int64_t requests_limit, requests_left, requests_reset_us; // limit 0: none
	int64_t tokens_limit, tokens_left, tokens_reset_us;
};
struct limits_view limits_view(const struct limits *l, const struct live *live, int64_t now_us);

// Rough size in tokens of a request's body: four bytes make one.
#define LIMITS_BYTES_PER_TOKEN 4

#endif
