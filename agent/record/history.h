// SPDX-License-Identifier: MIT
// The agent's own figures over time, per feature and in all: requests, errors, fallbacks, tokens,
// latency quantiles. 10 s steps for 1 h, 60 s steps for 24 h; sampled on the control loop from
// counters that the gateway moves. Kept across restarts by agent/record/keep. At most HISTORY_FEATURES_MAX features are told apart, later
// ones are counted together, so memory ends at history_memory_max().
#ifndef YJ_AGENT_RECORD_HISTORY_H
#define YJ_AGENT_RECORD_HISTORY_H

#include "agent/core/loop.h"
#include "shared/str.h"

#define HISTORY_FEATURES_MAX 59 // with the total: 60 x 5 figures = 300 series
#define HISTORY_FINE_S 10
#define HISTORY_FINE_N 360
#define HISTORY_COARSE_S 60
#define HISTORY_COARSE_N 1440
#define HISTORY_WINDOW_MAX_S 300 // of history_sum

struct history;

enum figure { FIG_RATE, FIG_ERRORS, FIG_P50, FIG_P95, FIG_TOKENS, FIG_COUNT };

struct figure_row {
	enum figure id;
	const char *name; // "rate"
	const char *unit; // "req/s"
	const char *help;
};
const struct figure_row *figure_row(enum figure id);

struct history *history_new(int64_t now_us);
void history_free(struct history *h);
// Samples every HISTORY_FINE_S on the loop until history_stop.
void history_start(struct history *h, struct loop *l);
void history_stop(struct history *h, struct loop *l);
// What history_start's timer does: closes the steps that are over.
void history_sample(struct history *h, int64_t now_us);
// At the very end: the open steps too, short as they are.
void history_close(struct history *h, int64_t now_us);

// One model request that has ended; one whose image task went on counts when its work has. Thread-safe,
// atomics only.
struct history_request {
	bool error; // 5xx, 429, a broken stream, or refused by the gateway itself
	bool broken; // a stream that was interrupted
	bool fell_back; // took more than one attempt
	int64_t latency_us; // -1: none that says anything
	int64_t tokens; // in and out; 0 unknown
};
// An empty name counts in the total alone.
void history_count(struct history *h, struct slice feature, const struct history_request *q);

struct history_sum {
	uint64_t requests, errors, fallbacks, tokens, broken;
	double seconds; // really covered
	double p50_ms, p95_ms; // NAN unknown
};
// The last `seconds` (≤ HISTORY_WINDOW_MAX_S) up to now; an empty name is the total.
struct history_sum history_sum(struct history *h, struct slice feature, int64_t now_us,
	int seconds);
// Closed steps of one figure, oldest first, at most max; returns how many. *ret_age_us is the time
// since the end of the newest. NAN where a step has no figure.
size_t history_points(struct history *h, struct slice feature, enum figure fig, bool coarse,
	int64_t now_us, float *ret, size_t max, int64_t *ret_age_us);
// Names of features counted so far, borrowed for this turn of the loop; the total is not among them.
size_t history_features(struct history *h, const char **ret, size_t max);

// The feature is another one of the name: it begins with nothing. What was counted stays in the total.
// Any thread.
void history_forget(struct history *h, struct slice feature);
// On the sampling loop: features that are not alive give their place back kept_us after that was first
// seen, or when another one needs it.
void history_review(struct history *h, int64_t now_us, int64_t kept_us,
	bool (*alive)(void *arg, const char *label, const char *value), void *arg);

// Keeping them: chunks of closed steps as bytes. Appends the steps closed since `from` (as far as
// they are still there) and returns what to pass the next time; nothing is appended when there are
// none. *ret_age_us: time since the end of the newest. Any thread.
uint64_t history_pack(struct history *h, bool coarse, uint64_t from, int64_t now_us,
	struct str *out, int64_t *ret_age_us);
// Before any request is counted: begin, then every chunk with the age of its newest step, then
// restored. Steps that no chunk has are gaps (NAN, not zero); what is older than the rings is left
// out. False for bytes that are no chunk.
void history_restore_begin(struct history *h);
// Before it: age_ms tells how old a feature is, -1 when there is none. What a chunk has of an earlier
// one of the name, or of none, is left out.
void history_restore_of(struct history *h, int64_t (*age_ms)(void *arg, struct slice feature),
	void *arg);
bool history_unpack(struct history *h, bool coarse, struct slice chunk, int64_t newest_age_ms);
void history_restored(struct history *h);
size_t history_memory(struct history *h); // bytes now
size_t history_memory_max(void);

#endif
