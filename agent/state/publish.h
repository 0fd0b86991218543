// SPDX-License-Identifier: MIT
// Where the current snapshot is found. The store thread builds the next one after each commit and
// publishes a pointer. Readers are loops: quiescent-state reclamation (each loop announces once per
// turn that it holds nothing it has not counted) plus a count for requests that outlive a turn.
#ifndef YJ_AGENT_STATE_PUBLISH_H
#define YJ_AGENT_STATE_PUBLISH_H

#include "agent/state/snapshot.h"

struct snapshots; // the publishing point

#define SNAPSHOT_READERS_MAX 64

struct snapshots *snapshots_new(void);
void snapshots_free(struct snapshots *s);
// A reader slot for one loop thread; -1 when all are taken.
int snapshots_join(struct snapshots *s);
// Called by the loop before it may block (offline) and when it wakes (online).
void snapshots_offline(struct snapshots *s, int reader);
void snapshots_online(struct snapshots *s, int reader);
// The current one; valid until this loop's next offline/online, longer with hold.
const struct snapshot *snapshots_now(struct snapshots *s);
void snapshot_hold(const struct snapshot *snap);
void snapshot_drop(const struct snapshot *snap);
// Store thread: makes `next` current and frees every retired one nobody can hold.
void snapshots_publish(struct snapshots *s, struct snapshot *next);
void snapshots_collect(struct snapshots *s); // only the freeing
// Tells fn, on the publishing thread, of everything that another snapshot has for another object,
// address or secret; before the store answers. One observer, set before the store's thread runs or
// while it does.
typedef void snapshots_observer(void *arg, const struct snapshot_again *e);
void snapshots_observe(struct snapshots *s, snapshots_observer *fn, void *arg);
// Calls fn(arg) once when another revision than `since` is published (a lower one when a database was
// put back): on the publishing thread, or at
// once here when it is there already. The waiter is its owner's and stays until fn was called.
struct snapshot_waiter {
	void (*fn)(void *arg);
	void *arg;
	uint64_t since;
	struct snapshot_waiter *next;
};
void snapshots_wait(struct snapshots *s, uint64_t since, struct snapshot_waiter *w);
// False when fn was called or is about to be: the waiter must stay until then.
bool snapshots_unwait(struct snapshots *s, struct snapshot_waiter *w);

#endif
