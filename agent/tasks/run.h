// SPDX-License-Identifier: MIT
// An unfinished task, and the engine that holds them: what there is, what is awake, and what waits
// for room. Private to this folder. Everything belongs to the control loop but what says otherwise.
#ifndef YJ_AGENT_TASKS_RUN_H
#define YJ_AGENT_TASKS_RUN_H

#include "agent/call/call.h"
#include "agent/store/task_rows.h"

#define TASK_BYTES_MAX ((size_t)256 * 1024 * 1024) // requests that wait and results, in memory
#define TASK_FETCH_MAX ((size_t)32 * 1024 * 1024) // bytes of one picture

enum task_doing { DOING_NOTHING, DOING_SAVE, DOING_SUBMIT, DOING_POLL, DOING_FETCH, DOING_CANCEL };

struct task_item { // a picture, or what became of it
	struct str json; // as in "data"; empty: not yet, or failed
	struct str fetch, revised; // address; JSON text
	char code[64], message[160];
	bool same; // the address is a path at the upstream itself
	int tries;
};

struct task_run;
struct task_waiter;
struct task_canceler;
struct task_end; // agent/tasks/away

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

struct task_late { // how a submit ended while nothing may be kept of it
	enum up_end end;
	int status;
	int64_t ms; // it took
	struct str retry_after, body;
};

struct task_account { // an account's pace at its vendor
	struct task_account *next;
	int64_t submit_us, poll_us; // not before
	bool named; // by people; else it is the id of a key or instance
	char name[];
};

struct task_run { // an unfinished task
	struct tasks *e;
	struct task_run *next, **back; // of all
	struct task_run *awake_next, *q_next;
	bool awake; // it is looked at in this turn
	bool queued; // waits for room
	struct task t;
	struct str body, type; // of the request, until every part is submitted
	int64_t draw, queued_us;
	bool stored, durable, async, canceling, over;
	bool resumes; // no new one: its caller waited for the task of this id at an agent before
	bool away; // its submit is under way at an agent before
	struct task_late *late; // NULL: it has not ended, or may be taken
	enum err_code
		unkept; // why its row could not be made: who has tasks of its own is not asked
	bool counted; // the history has a caller of it, who was told that it takes too long
	struct task_waiter *waiters;
	size_t waiters_n;
	// attempts
	struct tries tries; // its client points to t.client; a snapshot is held with a candidate
	struct arena told; // names and ends of attempts
	const char *reason;
	const char *limited_by; // "key:budget"; NULL: nothing did
	const char *field; // of the request, that was at fault; NULL not said
	// what is under way
	enum task_doing doing;
	size_t part, item;
	struct upcall *up;
	struct adapter_ask send;
	struct task_relay relay; // when send.stream
	struct str headers;
	int hop; // agents it has passed, this one included
	const char *pool_key;
	enum auth_style style;
	const char *auth_header; // of AUTH_HEADER; the held snapshot's
	bool row_submits; // its row says that a part is being submitted: a crash now would leave a doubt
	bool row_asks; // its row still holds the request
	struct task_canceler *canceler; // who asked
	struct arena arena; // of the exchange
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
	struct task_run *awake, **awake_tail; // woken: what is next is looked at in this turn
	struct task_run *dropped; // to be freed once they were
	void (*turn)(void *e); // looks at those
	bool turning; // it is to come in this turn
	struct task_run *loaded,
		**loaded_tail; // read from the store at the start, not yet taken up
	size_t all_n, bytes;
	struct task_run *queue, **queue_tail;
	bool looking; // at the queue, as soon as may be
	struct loop_timer look, sweep;
	struct task_account *accounts;
	size_t accounts_n;
	struct adapter_call call; // scratch
	struct image_result result; // scratch
	struct str form; // scratch
	struct store_job sweep_job, load_job;
	bool sweeping, stopped;
	bool frozen; // the database changes hands: no step is begun, no end is taken
	bool ready; // what was in the store is taken up
	struct str expected; // submits under way at an agent before: lines of "ID PART"
	// It has the database: it is told of ends. NULL: nobody has.
	void (*tell_late)(struct task_run *r);
	bool (*tell)(void *arg, const struct task_end *end);
	void *tell_arg;
	bool sweep_more; // the job's until it is done
	_Atomic int64_t counts[TASK_STATES];
	_Atomic size_t submitting;
};

// Any thread. One that never entered is freed by who made it.
struct task_run *task_run_new(struct tasks *e);
void task_run_free(struct task_run *r);
void task_late_free(struct task_run *r);
// What its decisions are asked: as its caller asks, whom it outlives, without what concerns only one
// who waits.
void task_wish(struct task_run *r, const struct decide_request *ask);
// Into the engine.
void task_link(struct task_run *r);
// Out of the engine; freed at the end of the turn, for its callers still look at it.
void task_drop(struct task_run *r);
void task_unlink(struct task_run *r); // alone; then it is the caller's to free
struct task_run *task_find(struct tasks *e, const char *id);
void task_state(struct task_run *r, enum task_state s);
// What its callers are told when nothing is made; text NULL: the code's own.
void task_blame(struct task_run *r, enum err_code code, const char *text);

// What is next is begun at the end of this turn, when nothing is under way then.
void task_wake(struct task_run *r);
// The engine's turn: the next that is awake, NULL: none; and its end.
struct task_run *task_take_awake(struct tasks *e);
void task_turn_over(struct tasks *e);

// Waits for room at an upstream: first come, first served.
void task_queue(struct task_run *r);
void task_wake_queue(struct tasks *e); // there may be room

#endif
