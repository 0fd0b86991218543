// SPDX-License-Identifier: MIT
// What the files of the gateway share: a call that is answered while its caller waits, from below:
// batch, sink, end, count, stream and raw, next.
#ifndef YJ_AGENT_GATEWAY_PRIVATE_H
#define YJ_AGENT_GATEWAY_PRIVATE_H

#include "agent/call/account.h"
#include "agent/call/call.h"

#define GW_EVENT_MAX ((size_t)32 * 1024 * 1024) // of a stream: a picture may be one
#define GW_ERROR_BODY_MAX ((size_t)256 * 1024) // of what came instead of a stream

// ---- batch ----

enum batch_step { BATCH_DONE, BATCH_MORE, BATCH_BAD };
struct batch_calls { // what becomes of a part; either may be the end of the attempt
	void (*end)(struct gw_call *c, enum up_end end, const struct upstream_response *res,
		struct slice body);
	void (*failed)(struct gw_call *c, const struct err *e); // it cannot be written
};
// Before an attempt: how much of the list is asked for first. calls: static.
void gw_batch_begin(struct gw_call *c, const struct candidate *cand,
	const struct batch_calls *calls);
// Of a good answer: *answer is the whole one (DONE), or others are to come (MORE).
enum batch_step gw_batch_take(struct gw_call *c, struct adapter_answer *answer);
// Asks for parts that nobody was asked for yet, as far as the candidate's concurrency allows.
void gw_batch_go_on(struct gw_call *c);
// Before the attempt ends: no part is waited for any more.
void gw_batch_stop(struct gw_call *c);
void gw_batch_free(struct gw_call *c); // before the call is

// ---- sink: the way of an answer to the caller ----

// Chooses what the attempt's adapter reads and how its answer gets to the caller.
enum err_code gw_sink_choose(struct gw_call *c, const struct candidate *cand, struct err *err);
// Where the adapter appends, and what becomes of it; false when it is too much.
struct str *gw_sink_to(struct gw_call *c);
bool gw_sink_take(struct gw_call *c);
void gw_sink_end(struct gw_call *c); // the last events of a complete answer
void gw_sink_broken(struct gw_call *c); // the last event of one that is not
// The same after an error event: message is the upstream's, "" none.
void gw_sink_broken_by(struct gw_call *c, const char *message);
// Events that came instead of a document are folded; what they are when they are one.
enum answer_kind gw_sink_events(struct gw_call *c, struct slice body, struct adapter_answer *ret);
// A whole answer in the caller's dialect: one event's worth of bytes or a folded stream.
bool gw_sink_whole(struct gw_call *c, struct adapter_answer *answer);

// ---- end: of an attempt ----

extern const struct upstream_callbacks gw_whole_callbacks; // of an answer that is no stream
// The attempt under way is over, whatever is still asked for of a list.
void gw_attempt_over(struct gw_call *c, const struct ending *e);
extern const struct batch_calls gw_batch_calls;
// What callers are shown of the end of the attempt under way, such as "ok". None under way: nothing.
void gw_attempt_end(struct gw_call *c, enum outcome out, int status, enum err_code code,
	const char *end);
// It failed: goes on.
void gw_attempt_failed(struct gw_call *c, enum up_end end, int status);
// The upstream answered with an error: by its status, or in a body or an event that stands for
// one of this status (0: it did not say which). Goes on, or answers with it.
void gw_attempt_refused(struct gw_call *c, int status, struct slice retry_after, struct slice body);
// A whole answer of a good status: parsed and passed on, or the attempt has failed.
void gw_take_answer(struct gw_call *c, const struct upstream_response *res, struct slice body);
void gw_reply(struct gw_call *c, int status, struct adapter_answer *answer);
// By what a stream ended: a closed set.
void gw_count_broken(struct gw_call *c, const char *cause);

// ---- count: tokens, without an answer ----

// Of a call that counts: answers with an estimate, at once or when this candidate cannot count.
void gw_count_estimated(struct gw_call *c);
bool gw_count_here(struct gw_call *c, const struct candidate *cand);

// ---- stream, raw: from the upstream ----

extern const struct upstream_callbacks gw_stream_callbacks;
void gw_stream_cut(struct gw_call *c); // the agent stops: tells the caller of an open stream
extern const struct upstream_callbacks gw_raw_callbacks;

// ---- next ----

// Decides and begins the next attempt, or answers that there is none.
void gw_next(struct gw_call *c);
// Lets go of a call that is held back.
void gw_wait_stop(struct gw_call *c);

#endif
