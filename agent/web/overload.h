// SPDX-License-Identifier: MIT
// When the agent has more to do than it can: new model requests are answered with 503 early, before
// their body is looked at, so that those that are taken stay fast and nobody hangs. What is watched:
// how long a new one would wait for its turn, requests under way, memory. Platform APIs and health
// pages are never shed here.
//
// Work that was begun goes first: a turn of a loop begins a bounded number of new requests, the
// others wait unread in a lane, first come, first served. So what is under way, and with it buffers
// and upstream connections, stays as small as it can be while the processor is the limit, and does
// not matter while an engine is slow and the processor idle. Who would wait too long goes to a
// second lane, which is emptied with 503 just fast enough to tell each of them soon, and never more
// of them in a turn than new requests are begun: turning one away costs about a third of serving one,
// and callers that come back at once would otherwise keep the agent busy with nothing but refusals.
#ifndef YJ_AGENT_WEB_OVERLOAD_H
#define YJ_AGENT_WEB_OVERLOAD_H

#include <stdatomic.h>
#include "agent/core/loop.h"
#include "agent/core/settings.h"

enum overload {
	OVERLOAD_NONE,
	OVERLOAD_INFLIGHT,
	OVERLOAD_QUEUE,
	OVERLOAD_MEMORY,
	OVERLOAD_CONNECTIONS,
	OVERLOAD_DESCRIPTORS,
	OVERLOAD_BUFFERS,
	OVERLOAD_WHYS
};
const char *overload_name(enum overload why); // "inflight", "queue", …

// ---- one loop's turns; pure ----

#define OVERLOAD_TURN 32 // new requests begun in one turn
#define OVERLOAD_SHED_US                                                                           \
	10000 // in which those are told who are turned away, if they are not too many
#define OVERLOAD_SMOOTH 32 // turns
#define OVERLOAD_SHED_COST 3 // so many can be told in the time that serving one takes
#define OVERLOAD_EACH_US 20.0 // what one costs, as long as nobody had to wait

struct overload_gate {
	double each_us; // what a request of the lane took lately, with all that a turn does besides
	int64_t turn_us; // start of the last turn; 0 none
	double begun; // in the last turn, those told counted for what they cost; 0: the lane was emptied
	size_t may_begin; // in this turn
};

// A turn begins at now_us (monotonic) with so many in the lanes. Returns how many of the second one
// are to be told now, OVERLOAD_TURN at most.
size_t overload_turn(struct overload_gate *g, int64_t now_us, size_t waiting, size_t turned_away);
// Whether one more may join those that wait, so that it has its turn within max_us; 0: any time.
bool overload_has_room(const struct overload_gate *g, size_t waiting, int64_t max_us);

// ---- the agent ----

struct load; // requests under way and memory, of all loops

struct load *load_new(const struct settings *s);
void load_free(struct load *o);
// Looks at the memory now and then, on this loop.
void load_start(struct load *o, struct loop *l);
void load_stop(struct load *o);
// Whether a new model request is taken. Thread-safe.
enum overload load_judge(struct load *o);
// A request that was taken, and its end.
void load_enter(struct load *o);
void load_leave(struct load *o);

// Bytes that wait in this process for their callers: bodies and heads as they come in, answers that
// are not taken. One bound (buffers_max_mb) holds for each of the two sums over all loops; those who
// hold much, and who need not say who they are, do not get to its end, so that there is always room
// for small requests.
enum load_held { HELD_REQUESTS, HELD_ANSWERS, HELD_KINDS };
#define LOAD_LOOPS_MAX 32
#define LOAD_SMALL ((int64_t)64 * 1024) // a request that may use the last eighth
struct load_bytes { // of one loop, which alone writes them
	_Atomic int64_t n[HELD_KINDS];
	char apart[48]; // its own cache line
};
struct load_bytes *load_join(struct load *o); // once per loop, before it runs
// Whether that much more may be held. Looks at the sums, changes nothing.
bool load_has_room(const struct load *o, enum load_held what, int64_t more, bool last_part);
void load_hold(struct load_bytes *mine, enum load_held what, int64_t by); // negative: let go of
int64_t load_held(const struct load *o, enum load_held what);

#endif
