// SPDX-License-Identifier: MIT
// What the files of the gateway share: one model request under way, and what a loop keeps for all
// of them. Private to agent/gateway/gateway* and
// agent/tasks/tasks*.
#ifndef YJ_AGENT_CALL_CALL_H
#define YJ_AGENT_CALL_CALL_H

#include "agent/protocol/adapter.h"
#include "agent/protocol/batch.h"
#include "agent/decide/attempt.h"
#include "agent/record/decisions.h"
#include "agent/protocol/error.h"
#include "agent/protocol/fold.h"
#include "agent/record/history.h"
#include "agent/protocol/dialect_anthropic.h"
#include "agent/state/price.h"
#include "agent/core/metrics.h"
#include "agent/upstream/upstream.h"
#include "agent/web/web.h"
#include "shared/map.h"
#include "shared/sse.h"

#define GW_ATTEMPTS_MAX 16 // as features may ask for
#define GW_ANSWER_MAX ((size_t)64 * 1024 * 1024) // bytes of a whole answer
#define GW_STREAM_MAX ((size_t)256 * 1024 * 1024) // bytes of a stream
#define GW_ERROR_BODY_MAX ((size_t)256 * 1024) // of what came instead of a stream
#define GW_SPARE_MAX 512 // finished calls kept for their buffers
#define GW_SPARE_BYTES_MAX ((size_t)128 * 1024)
#define GW_SECRETS_MAX 256 // opened keys per loop
#define GW_SECRET_US INT64_C(60000000)
#define GW_CELLS_AGAIN_US INT64_C(60000000)
#define GW_FEATURES_MAX 1024 // told apart in a loop's cells; later ones are counted together
#define GW_CLOSE_US INT64_C(100000) // from [DONE] to the upstream's own end
#define GW_WAIT_LOOK_US INT64_C(50000) // between looks at what does not tell when it returns
#define GW_AGAIN_US INT64_C(50000) // longest wait before the same candidate is asked again; doubles
#define GW_WAITING_MAX 1024 // callers held back on one loop; further ones are answered at once
#define GW_RETRY_TOLD_S 60 // longest wait callers are told

struct gw_secret { // an opened key; freed when expired and unused
	struct secret key;
	char id[ID_MAX];
	uint64_t version;
	int64_t until_us;
	unsigned refs;
	bool listed;
};

struct gw_feature { // counters of one feature on one loop, looked up once
	const char *name; // owned
	struct map targets; // name → gw_target
	unsigned users; // calls under way
	bool listed; // found by its name; else the last of its users frees it
	int64_t again_us; // when it is looked up anew as there was no room; 0: there was
	struct metric_cell *by_class[6], *duration, *ttfb, *fallbacks, *gone;
	struct metric_cell *tokens_in, *tokens_out, *chosen, *none;
};

struct gw_target { // of one feature; a series is made when it first counts something
	const char *name; // owned
	struct metric_cell *by_outcome[OUT_CLIENT + 1];
};

struct gw_loop { // used by its loop's thread alone
	struct gw_loop *next;
	struct gateway *gateway;
	struct loop *loop;
	struct agent *agent;
	uint64_t random;
	struct map features; // name → gw_feature
	size_t targets_n; // of all features
	struct metric_cell *inflight, *skips[SKIP_COUNT];
	struct gw_secret *secrets[GW_SECRETS_MAX];
	size_t secrets_n;
	struct loop_timer sweep;
	struct gw_call *spare;
	size_t spare_n;
	size_t waiting; // calls held back
	struct decision decision; // the one made last
	struct str event; // scratch
};

struct gw_batch; // gateway_batch.c

struct gw_attempt {
	const char *target; // candidate's name; lives as long as the snapshot
	const char *end; // "ok", "http_429", "connect_timeout" …
	int status; // 0: no answer
	enum err_code code;
	int64_t ms;
};

enum gw_phase { // of an upstream stream
	GS_WAIT, // nothing shown yet: fallback is free
	GS_OPEN, // the caller has bytes
	GS_DONE, // complete, [DONE] written
};

struct gw_call {
	struct gw_call *next; // spare
	struct gw_loop *gl;
	struct req *r;
	struct gw_feature *cells;
	const struct feature_obj *feature;
	const struct route *route;
	struct adapter_call in;
	struct adapter_call *chat; // the same in OpenAI's words, once needed; NULL until then
	const struct adapter_call *call; // what this attempt's adapter reads: one of the two
	// decisions
	struct decide_request ask;
	struct decision *first; // copy in the request's arena
	struct decide_request first_ask;
	char id[DECISION_ID_MAX];
	int64_t wall_ms;
	uint64_t serial; // random
	double decide_us;
	const char *reason;
	bool recorded, kept;
	// held back until a candidate returns
	struct loop_timer wait;
	int64_t wait_from_us, wait_until_us; // 0: not yet
	bool waiting;
	// attempts
	struct gw_attempt tries[GW_ATTEMPTS_MAX];
	size_t tries_n;
	size_t unfit_n; // of them: those whose adapter has no words for the request
	struct err *unfit; // why the first has none; in the request's arena, NULL: none yet
	uint8_t per_candidate[DECIDE_MAX];
	int64_t retry_s; // soonest end of a cooldown met here; 0 none
	struct adapter_error error; // of the last answer that was one
	// the attempt under way
	const struct candidate *cand;
	int cand_i;
	bool unreachable; // it failed before the upstream said anything
	bool unsent; // it ended before anything was sent
	const struct adapter *adapter;
	struct upcall *up;
	struct gw_secret *secret;
	int64_t try_us;
	struct adapter_ask send;
	struct str headers, scratch;
	// stream
	enum gw_phase phase;
	bool sse; // what comes is a stream of events or lines
	bool raw; // what comes are the bytes that were asked for
	const char *raw_type; // their content type, in the request's arena
	struct gw_batch *batch; // a list asked for in parts; NULL until one was
	bool translate; // the caller's dialect is not the adapter's
	struct sse reader;
	struct adapter_stream chunks;
	struct fold *fold; // the caller does not stream, the upstream does
	struct adapter_answer folded; // what it came to; points into the buffers below
	struct messages_stream face;
	struct str out, instead; // batch to the caller; what came instead of a stream
	struct str middle; // events on their way to fold or translation
	struct loop_timer timer;
	int64_t wrote_us, event_us;
	int64_t first_us; // of the first event that said something; 0 none yet
	int64_t events; // passed on
	uint64_t read_n; // events read
	bool full; // the caller does not keep up: the upstream is not read
	// result
	struct adapter_usage usage;
	enum cost_source usage_source;
	struct price_usage spent; // by the last attempt that did work
	struct money cost; // of all attempts, as far as known
	bool cost_unknown; // of one of them
	int64_t ttfb_us;
	size_t bytes_out;
	int status;
	enum err_code code;
	bool over; // answered, or the caller is gone: accounted
	bool paused; // it has waited before it asks the same candidate again
	bool admitted; // client and feature count it as under way
	struct task_waiter *task; // agent/tasks/tasks: what it waits for, when it asks for pictures
	const char *limited_by; // "client:rpm" when a limit refused it; NULL
	int64_t retry_after_s; // the caller is told with an error; 0: nothing
	enum refusal refused; // why it was, when the error code does not say
	const char *task_id; // of the image task it is about, in the request's arena; NULL none
	bool goes_on; // it is over, its task is not: the history counts the end of the work
};

struct gw_told { // a traffic event, of a call or of work that outlived its calls; all borrowed
	const char *id; // of the request, or of the task
	const char *task, *model, *target, *decision, *limited_by, *reason; // NULL: none
	const struct ident *client;
	const char *client_name; // for people; NULL or "" none
	const char *feature, *endpoint;
	const struct gw_attempt *tries;
	size_t tries_n;
	int status;
	enum err_code code;
	bool stream;
	int64_t ttfb_us, total_us; // ttfb 0: none
	int64_t tokens_in, tokens_out; // -1 unknown
	enum cost_source tokens_source;
	bool absurd; // the upstream told a usage that was not believed
	struct money cost;
	size_t bytes_in, bytes_out;
};

// gateway_loop.c
struct gw_loop *gw_loop_of(struct req *r);
struct gw_loop *gw_loop_at(struct gateway *g, struct loop *l); // that loop's thread alone uses it
struct gw_call *gw_call_new(struct gw_loop *gl);
void gw_call_free(struct gw_call *c);
// For this turn.
struct gw_feature *gw_feature_of(struct gw_loop *gl, const char *name);
// One attempt of a request of this feature has ended.
void gw_count_attempt(struct gw_loop *gl, struct gw_feature *f, const struct candidate *c,
	enum outcome out);
// Has the call count for this feature. Its series may have ended with an earlier feature of the name:
// then it is looked up anew, and calls under way count where nobody looks.
void gw_cells_take(struct gw_call *c, const char *name);
void gw_cells_drop(struct gw_call *c);
uint64_t gw_random(struct gw_loop *gl);
// The candidate's key in clear, counted; NULL (and *err) when it does not open.
struct gw_secret *gw_secret_take(struct gw_loop *gl, const struct key_obj *key, struct err *err);
// What goes along to the candidate: *ret is NULL when it asks for nothing. False: it asks for a secret
// that is not to be had, and must not be called.
bool gw_secret_of(struct gw_loop *gl, const struct candidate *c, struct gw_secret **ret,
	struct err *err);
void gw_secret_drop(struct gw_loop *gl, struct gw_secret *s);
// What an upstream's refusal says of this candidate: an instance has no account, and no key but its
// credential; without one it heals like any other failure.
enum outcome gw_outcome_at(const struct candidate *c, enum outcome out);

// gateway_admit.c
// Before the decision: takes what the request needs of its client's and its feature's limits, and
// estimates its tokens. Not ERR_OK: it is refused, and limited_by, refused and retry_after_s say why;
// whoever called answers (gw_fail).
enum err_code gw_admit(struct gw_call *c, struct err *err);
// Once, when the request ends: what it really used. Called by gw_account.
void gw_settle(struct gw_call *c, enum err_code code);
// What the attempt under way cost, for the budgets of client, feature and key; unknown is counted as
// such.
void gw_spend(struct gw_call *c, const struct money *m);
// The same for work that outlives its request, such as an image task; each may be NULL.
void gw_charge(const struct client_obj *client, const struct feature_obj *f,
	const struct key_obj *key, const struct money *m);
// x-ratelimit-… of the answer, when something is limited. Called by gw_headers.
void gw_limit_headers(struct gw_call *c);
// The upstream says that nothing is left until a time: its key rests until then.
void gw_heed_upstream(struct gw_call *c, const struct upstream_response *res);
// Whether the client's list of features holds this one; NULL: the built-in client may all.
bool gw_client_may(const struct client_obj *client, const struct feature_obj *f);

// attempt.c
// Decides and begins the next attempt, or answers that there is none.
void gw_next(struct gw_call *c);
// Lets go of a call that is held back.
void gw_wait_stop(struct gw_call *c);
// The attempt under way has ended; then gw_next or an answer.
void gw_attempt_end(struct gw_call *c, enum outcome out, int status, enum err_code code,
	const char *end, int64_t cooldown_us);
// It failed: tries the next candidate.
void gw_attempt_failed(struct gw_call *c, enum up_end end, int status);
void gw_clear_ask(struct adapter_ask *a);
// Sends it to the attempt's candidate; *headers is room for lines that are no usual ones. Both stay
// until the callback.
struct upcall *gw_start(struct gw_call *c, const struct adapter_ask *ask, struct str *headers,
	const struct upstream_callbacks *cb, void *arg);
// The end of such a call for a whole answer.
void gw_take_end(struct gw_call *c, enum up_end end, const struct upstream_response *res,
	struct slice body);
// A whole answer of a good status: parsed and passed on, or the attempt has failed.
void gw_take_answer(struct gw_call *c, const struct upstream_response *res, struct slice body);
void gw_reply(struct gw_call *c, int status, struct adapter_answer *answer);
// The upstream answered with an error: by its status, or in a body or an event that stands for
// one of this status (0: it did not say which).
void gw_attempt_refused(struct gw_call *c, int status, struct slice retry_after,
	struct slice body);

// gateway_stream.c
extern const struct upstream_callbacks gw_stream_callbacks;
void gw_stream_stop(struct gw_call *c);
void gw_stream_cut(struct gw_call *c); // the agent stops: tells the caller of an open stream

// By what a stream ended: a closed set.
void gw_count_broken(struct gw_call *c, const char *cause);

// gateway_raw.c
extern const struct upstream_callbacks gw_raw_callbacks;

// gateway_batch.c
#define GW_PARTS_MAX 4 // asked for at once, once the first was answered
enum batch_step { BATCH_DONE, BATCH_MORE, BATCH_BAD };
// Before an attempt: how much of the list is asked for first.
void gw_batch_begin(struct gw_call *c, const struct candidate *cand);
// Of a good answer: *answer is the whole one (DONE), or others are to come (MORE).
enum batch_step gw_batch_take(struct gw_call *c, struct adapter_answer *answer);
// Asks for parts that nobody was asked for yet, as far as the candidate's concurrency allows.
void gw_batch_go_on(struct gw_call *c);
// The attempt ends: no part is waited for any more.
void gw_batch_stop(struct gw_call *c);
void gw_batch_free(struct gw_call *c);

// gateway_sink.c: the caller's side of a stream
// Chooses what the attempt's adapter reads and how its answer gets to the caller.
enum err_code gw_sink_choose(struct gw_call *c, const struct candidate *cand, struct err *err);
// Where the adapter appends, and what becomes of it; false when it is too much.
struct str *gw_sink_to(struct gw_call *c);
bool gw_sink_take(struct gw_call *c);
void gw_sink_open(struct gw_call *c); // answers 200 and begins the stream
void gw_sink_flush(struct gw_call *c);
void gw_sink_ping(struct gw_call *c);
void gw_sink_end(struct gw_call *c); // the last events of a complete answer
void gw_sink_broken(struct gw_call *c); // the last event of one that is not
// A whole answer in the caller's dialect: one event's worth of bytes or a folded stream.
bool gw_sink_whole(struct gw_call *c, struct adapter_answer *answer);
// gateway_ledger.c
// Before the attempt under way is forgotten: what it used and cost.
void gw_ledger(struct gw_call *c, enum outcome out, enum err_code code);

// gateway_event.c
// X-Yijian-… of the answer.
void gw_headers(struct gw_call *c);
// Answers with an error, and with what retry_after_s says, and ends the call.
void gw_fail(struct gw_call *c, const struct err *e);
// What it would answer, in OpenAI's shape.
int gw_error_status(const struct gw_call *c, const struct err *e);
void gw_error_json(const struct gw_call *c, const struct err *e, struct str *out);
// Counts and tells what happened, once.
void gw_account(struct gw_call *c, int status, enum err_code code);
// Writes the event. s: scratch. Any thread.
void gw_tell(struct agent *a, struct str *s, const struct gw_told *t);
// 5xx, 429 and streams that broke: what the error rate of a route counts.
bool gw_is_failure(int status, enum err_code code);
void gw_record_failure(struct gw_call *c);
// Counts and logs that an upstream told a usage that is not believed.
void gw_usage_absurd(struct agent *a, const char *feature, const char *target);
// What is known of the usage at the end, and how.
void gw_settle_usage(struct gw_call *c);
void gw_candidate_event(struct gw_call *c, enum outcome out, int status);

#endif
