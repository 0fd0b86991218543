// SPDX-License-Identifier: MIT
// How a key or an instance stands: the one rule behind its state in documents, gauges, alerts and
// decisions. Several things may hold at once; the first in the enum's order is the one that is shown.
#ifndef YJ_AGENT_DECIDE_STANDING_H
#define YJ_AGENT_DECIDE_STANDING_H

#include "agent/state/object.h"

enum key_standing {
	KEY_IS_SEALED, // its secret cannot be opened
	KEY_IS_DISABLED,
	KEY_IS_DRAINED, // an operator's wish for a time
	KEY_IS_EXPIRED,
	KEY_IS_INVALID,
	KEY_IS_NO_QUOTA,
	KEY_IS_REGION_DENIED, // what the vendor said of it
	KEY_IS_COOLING,
	KEY_IS_OPEN, // passes by itself
	KEY_IS_OK,
	KEY_IS_UNKNOWN, // has answered nothing since the agent started or it got its secret
	KEY_STANDINGS
};
enum key_use { KEY_USABLE, KEY_COOLS, KEY_FAULTY, KEY_OFF, KEY_USES };

struct key_standing_row {
	const char *name; // in documents
	enum key_use use;
};

enum instance_standing {
	INSTANCE_IS_DISABLED,
	INSTANCE_IS_DRAINED,
	INSTANCE_IS_EXPIRED, // its heartbeat is overdue
	INSTANCE_IS_DOWN,
	INSTANCE_IS_WARN,
	INSTANCE_IS_OK, // what probes or heartbeats say
	INSTANCE_IS_UNKNOWN,
	INSTANCE_STANDINGS
};
enum instance_use { INSTANCE_UP, INSTANCE_OUT, INSTANCE_IDLE, INSTANCE_UNSEEN, INSTANCE_USES };

struct instance_standing_row {
	const char *name;
	enum instance_use use;
};

static inline bool key_expired(const struct key_obj *k, int64_t now_wall_ms)
{
	return k->doc.expires_at != FIELD_NONE && k->doc.expires_at <= now_wall_ms;
}

// Bits of what nobody but an operator, the vendor or time can mend: sealed, expired and the vendor's
// word. 0 for nearly every key that is asked on the traffic path.
static inline unsigned key_faults(const struct key_obj *k, bool sealed, int64_t now_wall_ms)
{
	static const unsigned said[] = {[LIVE_KEY_INVALID] = 1u << KEY_IS_INVALID,
		[LIVE_KEY_NO_QUOTA] = 1u << KEY_IS_NO_QUOTA,
		[LIVE_REGION_DENIED] = 1u << KEY_IS_REGION_DENIED,
		[LIVE_MODEL_GONE] = 0}; // of a model, never of a key
	return (sealed ? 1u << KEY_IS_SEALED : 0) |
		(key_expired(k, now_wall_ms) ? 1u << KEY_IS_EXPIRED : 0) |
		said[atomic_load_explicit(&k->live->fault, memory_order_relaxed)];
}

// Bits (1 << enum key_standing) of all that holds; never 0.
unsigned key_standings(const struct key_obj *k, bool sealed, int64_t now_us, int64_t now_wall_ms);
// The first of them.
enum key_standing key_standing(const struct key_obj *k, bool sealed, int64_t now_us,
	int64_t now_wall_ms);
const struct key_standing_row *key_standing_row(enum key_standing s);
// Monotonic time when it passes by itself; 0: it does not.
int64_t key_standing_until_us(const struct key_obj *k, enum key_standing s);

// An operator's temporary wish on a record holds.
static inline bool live_overridden(const struct live *l, int64_t now_us)
{
	int64_t until = atomic_load_explicit(&l->override_until_us, memory_order_relaxed);
	return until == 0 || now_us < until;
}

static inline bool live_drained(const struct live *l, int64_t now_us)
{
	return atomic_load_explicit(&l->drained, memory_order_relaxed) != 0 &&
		live_overridden(l, now_us);
}

static inline bool live_open(const struct live *l, int64_t now_us)
{
	return atomic_load_explicit(&l->breaker, memory_order_relaxed) == BREAKER_OPEN &&
		atomic_load_explicit(&l->breaker_until_us, memory_order_relaxed) > now_us;
}

// When the heartbeat runs, or ran, out, monotonic; 0: it has none, or has not beaten yet.
static inline int64_t instance_beat_until_us(const struct instance_obj *in)
{
	int64_t beat = atomic_load_explicit(&in->live->last_beat_us, memory_order_relaxed);
	return in->doc.ttl_s == FIELD_NONE || beat == 0 ? 0 : beat + in->doc.ttl_s * 1000000;
}

static inline bool instance_beat_late(const struct instance_obj *in, int64_t now_us)
{
	int64_t until = instance_beat_until_us(in);
	return until != 0 && now_us > until;
}

enum instance_standing instance_standing(const struct instance_obj *in, int64_t now_us);
const struct instance_standing_row *instance_standing_row(enum instance_standing s);

#endif
