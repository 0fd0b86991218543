// SPDX-License-Identifier: MIT
// Who waits for a task and what they are told: callers, each on its own loop, and who wants it
// stopped. Control loop but for what says otherwise.
#ifndef YJ_AGENT_TASKS_ANSWER_H
#define YJ_AGENT_TASKS_ANSWER_H

#include "agent/tasks/run.h"

struct task_answer { // what callers are told; shared, immutable once made
	_Atomic int refs;
	struct task t;
	struct str body;
	bool durable, replayed, accepted; // accepted: 202
	struct attempt tries[GW_ATTEMPTS_MAX];
	size_t tries_n;
	struct arena arena; // theirs
	const char *reason; // static text, or NULL
	const char *dropped; // members that do not reach the last attempt's upstream, or NULL
	struct adapter_error error;
	struct err err; // why not
	int64_t retry_s;
	const char *limited_by; // static text, or NULL
	const char *field; // that was at fault, or NULL
	struct adapter_usage usage;
	struct bill bill; // empty for a caller who was told before
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
	void (*told)(
		void *waiter); // caller's loop: there is an answer; gives up the engine's count
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

struct task_partial { // a picture on its way, for one caller; holds the waiter
	struct task_waiter *w;
	const char *type; // literal
	struct str json;
};

// The id that w's caller may ask for. Any thread.
const char *task_waiter_id(const struct task_waiter *w);

struct task_answer *task_answer_new(const struct task_run *r);
void task_answer_fail(struct task_answer *a); // it tells why the task failed
void task_join(struct task_run *r, struct task_waiter *w);
void task_tell(struct task_run *r, struct task_answer *a); // all waiters; takes a
// Those who only wanted to know that it is kept.
void task_tell_accepted(struct task_run *r);
// A finished or unfinished one of the past, for a caller that came again. Takes body.
void task_tell_stored(struct task_waiter *w, const struct task *t, struct str *body);
// It never was, and is dropped; refuse tells everybody who waits for it.
void task_forget(struct task_run *r);
void task_refuse(struct task_run *r);
// Who wanted it stopped, if anybody did.
void task_cancel_tell(struct task_run *r, enum err_code code);

#endif
