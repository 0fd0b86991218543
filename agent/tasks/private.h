// SPDX-License-Identifier: MIT
// What the files of the task engine share. Private to agent/tasks/tasks*. Everything but what a comment
// gives to the caller's loop belongs to the control loop.
#ifndef YJ_AGENT_TASKS_PRIVATE_H
#define YJ_AGENT_TASKS_PRIVATE_H

#include "agent/call/account.h"
#include "agent/call/admit.h"
#include "agent/call/attempt.h"
#include "agent/call/book.h"
#include "agent/call/call.h"
#include "agent/protocol/images.h"
#include "agent/call/cells.h"
#include "agent/call/exchange.h"
#include "agent/call/life.h"
#include "agent/call/loop.h"
#include "agent/call/secret.h"
#include "agent/call/sse.h"
#include "agent/tasks/tasks.h"

#define TASK_BYTES_MAX ((size_t)256 * 1024 * 1024) // requests that wait and results, in memory
#define TASK_WAITERS_MAX 64 // callers of one task
#define TASK_FETCH_MAX ((size_t)32 * 1024 * 1024) // bytes of one picture
#define TASK_LIFE_US INT64_C(86400000000) // accepted, then unknown
#define TASK_QUEUE_US INT64_C(3600000000) // longest wait for a turn
#define TASK_QUEUE_LOOK_US INT64_C(200000)
#define TASK_POLLS_PER_STEP 3 // then the interval doubles
#define TASK_POLL_MAX_MS 5000
#define TASK_POLL_STEP_US INT64_C(50000) // 20 a second per account
#define TASK_POLL_FAILS_MAX 200
#define TASK_UNKNOWNS_MAX 3 // the vendor does not know it, in a row
#define TASK_ACCOUNTS_MAX 1024

enum task_doing { DOING_NOTHING, DOING_SAVE, DOING_SUBMIT, DOING_POLL, DOING_FETCH, DOING_CANCEL };

struct task_item { // a picture, or what became of it
	struct str json; // as in "data"; empty: not yet, or failed
	struct str fetch, revised; // address; JSON text
	char code[64], message[160];
	bool same; // the address is a path at the upstream itself
	int tries;
};

struct task_try {
	char target[REF_MAX], end[32];
	int status;
	enum err_code code;
	int64_t ms;
};

// What callers are told; shared, immutable once made.
struct task_bill { // what the attempts of a task have used and cost
	struct price_usage spent; // by the last one that did work
	struct money cost; // of all, as far as known
	bool cost_unknown; // of one of them
};

struct task_answer {
	_Atomic int refs;
	struct task t;
	struct str body;
	bool durable, replayed, accepted; // accepted: 202
	struct task_try tries[GW_ATTEMPTS_MAX];
	size_t tries_n;
	const char *reason; // static text, or NULL
	struct adapter_error error;
	struct err err; // why not
	int64_t retry_s;
	struct adapter_usage usage;
	struct task_bill bill; // empty for a caller who was told before
	// The end of a task is told once: by the first call that answers with it, or by an event of
	// its own when the last who holds the answer lets go of it.
	struct agent *agent; // set: this is an end
	_Atomic bool told; // a call has
	_Atomic bool counted; // the history has a call that waited for it, as one that was too late
};
void task_answer_drop(struct task_answer *a); // any thread

struct task_waiter { // a caller; counted by both sides
	_Atomic int refs;
	struct loop *loop;
	struct tasks *e;
	struct gw_call *c; // caller's loop alone; NULL once it is answered or gone
	void (*told)(void *waiter); // caller's loop: there is an answer; gives up the engine's count
	void (*partial)(void *partial); // caller's loop: a struct task_partial, which it takes
	struct loop_timer deadline; // caller's loop alone
	bool async; // wants 202
	bool streams; // wants partial pictures, too
	bool late; // its time was over; set before it leaves
	char id[TASK_ID_MAX]; // of the task it asked for
	char earlier[TASK_ID_MAX]; // of the task of its key; read only once joined
	_Atomic bool joined;
	_Atomic bool kept; // its task is in the store
	struct task_run *run; // NULL once it was told, or has left
	struct task_waiter *next;
	struct task_answer *answer; // set when it is posted back
};
void task_waiter_drop(struct task_waiter *w);

// tasks_stream.c: the caller's loop, a call that asked for a stream
// Begins to keep the line open, when it streams; gw_sse_stop ends it.
void task_stream_wait(struct gw_call *c);
void task_stream_pictures(struct gw_call *c, const struct task_answer *a);
// Once the stream has begun (phase): its last event.
void task_stream_fail(struct gw_call *c, const struct err *e);
struct task_partial { // a picture on its way, for one caller; holds the waiter
	struct task_waiter *w;
	const char *type; // literal
	struct str json;
};
void task_stream_partial(void *partial);

struct task_run;

struct task_relay { // a submit's answer, as far as it is there
	struct sse reader;
	struct str data; // pictures, as items of "data"
	struct str extra; // ",name:value" of the last of them
	struct str instead; // what came instead of a stream, or its error
	bool sse, refused;
	size_t shown; // partial pictures: the work has begun
	uint64_t read_n; // events
	// The end, with the whole answer that the stream stands for; stays when the rest is cleared.
	void (*done)(struct task_run *r, enum up_end end, const struct upstream_response *res,
		struct slice body);
};
void task_relay_clear(struct task_relay *y);

struct task_account { // an account's pace at its vendor
	struct task_account *next;
	int64_t submit_us, poll_us; // not before
	bool named; // by people; else it is the id of a key or instance
	char name[];
};

struct task_save;

void task_cancel_ask(void *canceler);
void task_cancel_tell(struct task_run *r, enum err_code code);

struct task_run { // an unfinished task
	struct tasks *e;
	struct task_run *next, **back; // of all
	struct task_run *ready_next, *q_next;
	bool awake; // it is looked at in this turn
	bool queued; // waits for room
	struct task t;
	struct str body, type; // of the request, until every part is submitted
	struct decide_request ask; // its client points to t.client
	int64_t draw, queued_us;
	bool stored, durable, async, canceling, over;
	enum err_code unkept; // why its row could not be made: who has tasks of its own is not asked
	bool counted; // the history has a caller of it, who was told that it takes too long
	struct task_waiter *waiters;
	size_t waiters_n;
	// attempts
	struct task_try tries[GW_ATTEMPTS_MAX];
	size_t tries_n;
	const char *reason;
	struct adapter_error error;
	int64_t retry_s;
	// what is under way
	enum task_doing doing;
	size_t part, item;
	const struct snapshot *snap; // held with cand
	const struct candidate *cand;
	int cand_i;
	struct upcall *up;
	struct gw_secret *secret;
	struct adapter_ask send;
	struct task_relay relay; // when send.stream
	struct str headers;
	const char *pool_key;
	enum auth_style style;
	const char *auth_header; // of AUTH_HEADER; the held snapshot's
	bool booked; // its first attempt is in the ledger
	bool row_submits; // its row says that a part is being submitted: a crash now would leave a doubt
	bool row_asks; // its row still holds the request
	struct task_bill bill;
	char quality[16]; // as asked for, "" not said: prices depend on it
	struct task_canceler *canceler; // who asked
	struct arena arena; // of the exchange
	int64_t try_us;
	struct loop_timer timer;
	// parts and pictures
	struct {
		int64_t next_us, began_us;
		int polls, fails, unknowns;
		int refused; // submits that certainly came to nothing
		bool slot; // counted as in flight at key or instance
		struct live *shown; // and here, for the feature; counted reference, NULL: not
		bool sent; // its submit was: what the limits gave for it is used
		bool unsaved; // done; what it brought is written with the next state
		bool kept; // what it brought was read from the store
		struct adapter_usage usage; // once done
	} at[TASK_PARTS_MAX];
	struct task_item item_v[IMAGE_N_MAX];
	struct str extra; // further members of the answer, ",name:value"
	struct adapter_usage usage;
	int64_t life_s;
	size_t bytes; // counted in e->bytes
};

struct tasks {
	struct agent *agent;
	struct loop *loop;
	struct gw_loop *gl;
	struct task_run *all;
	struct task_run *ready, **ready_tail; // woken: what is next is looked at in this turn
	struct task_run *dropped; // to be freed once they were
	void (*turn)(void *e); // looks at those
	bool turning; // it is to come in this turn
	struct task_run *loaded, **loaded_tail; // read from the store at the start, not yet taken up
	size_t all_n, bytes;
	struct task_run *queue, **queue_tail;
	bool looking; // at the queue, as soon as may be
	struct loop_timer look, sweep;
	struct task_account *accounts;
	size_t accounts_n;
	struct adapter_call call; // scratch
	struct image_result result; // scratch
	struct str form; // scratch
	struct gw_call face; // for what is told of candidates
	struct store_job sweep_job, load_job;
	bool sweeping, stopped;
	bool sweep_more; // the job's until it is done
	_Atomic int64_t counts[TASK_STATES];
	_Atomic size_t submitting;
};

// tasks.c
struct task_run *task_run_new(struct tasks *e);
void task_run_free(struct task_run *r); // one that never entered
// Takes its body and first waiter. Control loop.
void task_enter(void *run);
// What is next is begun at the end of this turn, when nothing is under way then.
void task_wake(struct task_run *r);
// Stores it as it is now; then() runs when that is done or has failed. result is taken.
void task_store(struct task_run *r, struct str *result,
	void (*then)(struct task_run *r, enum err_code code));
void task_state(struct task_run *r, enum task_state s);
void task_queue(struct task_run *r);
void task_wake_queue(struct tasks *e);
// Over without pictures, for this reason.
void task_fail(struct task_run *r, enum task_state s, const struct err *err);
void task_finish(struct task_run *r);
struct task_run *task_find(struct tasks *e, const char *id);

// The part on which r works is done: its slot is free and what it brought is kept before anything
// else is begun, unless this was all.
void task_part_done(struct task_run *r);

// The id that w's caller may ask for. Any thread.
const char *task_waiter_id(const struct task_waiter *w);

// tasks_keep.c
void task_join(struct task_run *r, struct task_waiter *w);
// Tells everybody that it never was.
void task_refuse(struct task_run *r, const struct err *err);
struct task_answer *task_answer_new(const struct task_run *r);
void task_tell(struct task_run *r, struct task_answer *a); // all waiters; takes a
// A finished or unfinished one of the past, for a caller that came again. Takes body.
void task_tell_stored(struct task_waiter *w, const struct task *t, struct str *body);
struct task_account *task_account_of(struct tasks *e, const struct task_run *r);

// Out of the engine; freed at the end of the turn, for its callers still look at it.
void task_drop(struct task_run *r);

// tasks_part.c
void task_part_write(const struct task_run *r, size_t part, struct str *out);
// Takes up what was kept; false when it is not understood.
bool task_part_read(struct task_run *r, size_t part, struct slice text);

// tasks_try.c
void task_try(struct task_run *r);

// tasks_submit.c
void task_hold(struct task_run *r, const struct snapshot *snap, const struct candidate *cand,
	int i);
// The intention is kept (ERR_OK: it is sent now) or is not.
void task_intended(struct task_run *r, enum err_code code);
// Certainly nothing was accepted: the part waits for another candidate.
void task_next_candidate(struct task_run *r);
// Counts the attempt and tells breakers and metrics; its slot is freed apart.
void task_attempt_over(struct task_run *r, enum outcome out, int status, enum err_code code,
	const char *end, bool unreachable, int64_t cooldown_us);
struct task_exchange {
	const struct url *url;
	int64_t first_byte_ms, total_ms; // total 0: none
	size_t body_max;
	bool once; // never sent again by itself
	bool bytes; // a picture, not JSON
	bool foreign; // an address out of an answer: no key goes along, and only public ones,
	bool near; // unless it is the upstream's own, host and port (a vendor's key never does)
	const struct upstream_callbacks *cb;
};
// Starts it with what r->send says.
void task_call(struct task_run *r, const struct task_exchange *x);
// The key or instance the task went to, as it is now, with its secret: held until task_call_end.
// NULL: gone, or the secret does not open.
const struct url *task_take_upstream(struct task_run *r, struct err *err);
// Gives back what an attempt that never began took.
void task_unadmit(struct task_run *r);
// Into the ledger; cand is held. used: the upstream may bill it.
void task_booked(struct task_run *r, enum outcome out, bool used,
	const struct adapter_usage *usage);
// tasks_relay.c: of a submit that is answered as a stream.
extern const struct upstream_callbacks task_relay_callbacks;
// What was sent along with the exchange and must not come out of its answer; empty: nothing.
struct slice task_secret(const struct task_run *r);
// Lets go of the exchange's candidate, secret and buffers.
void task_call_end(struct task_run *r);
// The candidate by the names in t, in the snapshot of now: held until task_call_end. False: gone.
bool task_take_candidate(struct task_run *r);
void task_slot_take(struct task_run *r, size_t part); // for one that was running before
// A slot that was taken also shows among what the feature sends to this candidate.
void task_slot_show(struct task_run *r, size_t part, const struct candidate *c);
void task_slot_free(struct task_run *r, size_t part);
void task_refused(struct task_run *r, int status, struct slice body);

// tasks_poll.c
void task_usage_add(struct task_run *r, const struct adapter_usage *u);
void task_poll(struct task_run *r, size_t part);
void task_fetch(struct task_run *r, size_t item);
void task_cancel(struct task_run *r);
// What came of a part: e->result.
void task_take_items(struct task_run *r, size_t part);

#endif
