// SPDX-License-Identifier: MIT
// One model request under way, whoever answers it, and what a loop keeps for all of its requests.
// The calls on them stand in the headers beside, by noun.
#ifndef YJ_AGENT_CALL_CALL_H
#define YJ_AGENT_CALL_CALL_H

#include "agent/call/tries.h"
#include "agent/protocol/adapter.h"
#include "agent/protocol/batch.h"
#include "agent/record/decisions.h"
#include "agent/protocol/fold.h"
#include "agent/record/history.h"
#include "agent/protocol/dialect.h"
#include "agent/core/agent.h"
#include "agent/core/metrics.h"
#include "agent/store/store.h"
#include "agent/upstream/upstream.h"
#include "agent/web/web.h"
#include "shared/map.h"
#include "shared/sse.h"

#define GW_ANSWER_MAX ((size_t)64 * 1024 * 1024) // bytes of a whole answer
#define GW_STREAM_MAX ((size_t)256 * 1024 * 1024) // bytes of a stream
#define GW_SECRETS_MAX 256 // opened keys per loop

struct gw_feature { // counters of one feature on one loop, looked up once
	const char *name; // owned
	struct map targets; // name → gw_target
	unsigned users; // calls under way
	bool listed; // found by its name; else the last of its users frees it
	int64_t again_us; // when it is looked up anew as there was no room; 0: there was
	struct metric_cell *by_class[6], *duration, *ttfb, *fallbacks, *gone;
	struct metric_cell *tokens_in, *tokens_out, *chosen, *none;
};

struct gw_loop { // used by its loop's thread alone
	struct gw_loop *next;
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
	unsigned chat_takes; // what was taken into account there
	const char *chat_dropped; // what has no word there, as an attempt's dropped
	const struct adapter_call *call; // what this attempt's adapter reads: one of the two
	// decisions
	struct decision *first; // copy in the request's arena
	struct decide_request first_ask;
	char id[DECISION_ID_MAX];
	int64_t wall_ms;
	uint64_t serial; // random
	double decide_us;
	const char *reason;
	bool kept; // it was recorded for good
	// held back until a candidate returns
	struct loop_timer wait;
	int64_t wait_from_us, wait_until_us; // 0: not yet
	bool waiting;
	// attempts
	struct tries tries;
	uint8_t per_candidate[DECIDE_MAX];
	void (*go_on)(struct gw_call *c); // what follows an attempt that failed
	// the attempt under way
	const struct adapter *adapter;
	struct upcall *up;
	struct adapter_ask send;
	struct str headers, scratch;
	// stream
	enum gw_phase phase;
	bool sse; // what comes is a stream of events or lines
	bool sniff; // what it is is not known yet: its beginning is kept in `instead`
	bool raw; // what comes are the bytes that were asked for
	const char *raw_type; // their content type, in the request's arena
	struct gw_batch
		*batch; // of agent/gateway/batch: a list asked for in parts; NULL until one was
	bool translate; // the caller's dialect is not the adapter's
	struct sse reader;
	struct adapter_stream chunks;
	struct fold *fold; // the caller does not stream, the upstream does
	struct adapter_answer folded; // what it came to; points into the buffers below
	struct turn *face; // the answer told again; NULL: it passes untouched
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

#endif
