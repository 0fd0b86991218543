// SPDX-License-Identifier: MIT
// When the agent has more to do than it can: new model requests are answered with 503 at once,
// before their body is looked at, so that those that are taken stay fast and nobody hangs. What is
// watched: how long work has stood in a loop's queue, requests under way, memory. Platform APIs and
// health pages are never shed here.
//
// The queue is judged as CoDel does (RFC 8289): not its length but the time work has waited, and not
// the worst of an interval but the least, so that a burst that drains is none of our business. What
// stands too long for a whole interval raises the share that is shed; it falls again by itself.
#ifndef YJ_AGENT_OVERLOAD_H
#define YJ_AGENT_OVERLOAD_H

#include <stdatomic.h>
#include "agent/loop.h"
#include "agent/settings.h"

enum overload { OVERLOAD_NONE, OVERLOAD_INFLIGHT, OVERLOAD_QUEUE, OVERLOAD_MEMORY,
	OVERLOAD_CONNECTIONS, OVERLOAD_DESCRIPTORS, OVERLOAD_WHYS };
const char *overload_name(enum overload why); // "inflight", "queue", …

// ---- one loop's queue; pure ----

#define OVERLOAD_INTERVAL_US 100000
// Turning one away costs about a third of serving one. Callers that come back at once make shedding
// feed itself: beyond about a half the queue hardly gets shorter (it is as long as there are callers),
// and the turning away eats what the others need. At 0.95 a crowd of 2,560 left a fifth of the goodput.
#define OVERLOAD_SHARE_MAX 0.45

struct overload_gate {
	double share; // of new requests that is shed
	double due; // shed owed, so that a share is kept exactly and not by chance
	int64_t since_us; // start of the interval
	int64_t least_us; // shortest wait seen in it; -1 none
};

// A turn of the loop: its work has waited queue_us at most. target_us 0: never sheds.
void overload_turn(struct overload_gate *g, int64_t target_us, int64_t now_us, int64_t queue_us);
// Whether this request is one of the share.
bool overload_turns_away(struct overload_gate *g);

// ---- the agent ----

struct load; // requests under way and memory, of all loops

struct load *load_new(const struct settings *s);
void load_free(struct load *o);
// Looks at the memory now and then, on this loop.
void load_start(struct load *o, struct loop *l);
void load_stop(struct load *o);
// Whether a new model request is taken. Thread-safe; the gate is the loop's own.
enum overload load_judge(struct load *o, struct overload_gate *g);
// A request that was taken, and its end.
void load_enter(struct load *o);
void load_leave(struct load *o);

#endif
