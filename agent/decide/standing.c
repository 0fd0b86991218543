// SPDX-License-Identifier: MIT
// Reads a key's and an instance's document and live record into the standings they have, and keeps
// the words that documents show for each.
#include "agent/decide/standing.h"

#define LOAD(p) atomic_load_explicit((p), memory_order_relaxed)

static const struct key_standing_row key_rows[KEY_STANDINGS] = {
	[KEY_IS_SEALED] = {"sealed", KEY_FAULTY},
	[KEY_IS_DISABLED] = {"disabled", KEY_OFF},
	[KEY_IS_DRAINED] = {"drained", KEY_OFF},
	[KEY_IS_EXPIRED] = {"expired", KEY_FAULTY},
	[KEY_IS_INVALID] = {"invalid", KEY_FAULTY},
	[KEY_IS_NO_QUOTA] = {"no_quota", KEY_FAULTY},
	[KEY_IS_REGION_DENIED] = {"region_denied", KEY_FAULTY},
	[KEY_IS_COOLING] = {"cooling", KEY_COOLS},
	[KEY_IS_OPEN] = {"open", KEY_FAULTY},
	[KEY_IS_OK] = {"ok", KEY_USABLE},
	[KEY_IS_UNKNOWN] = {"unknown", KEY_USABLE},
};

static const struct instance_standing_row instance_rows[INSTANCE_STANDINGS] = {
	[INSTANCE_IS_DISABLED] = {"DISABLED", INSTANCE_IDLE},
	[INSTANCE_IS_DRAINED] = {"DRAIN", INSTANCE_IDLE},
	[INSTANCE_IS_EXPIRED] = {"EXPIRED", INSTANCE_OUT},
	[INSTANCE_IS_DOWN] = {"DOWN", INSTANCE_OUT},
	[INSTANCE_IS_WARN] = {"WARN", INSTANCE_UP},
	[INSTANCE_IS_OK] = {"OK", INSTANCE_UP},
	[INSTANCE_IS_UNKNOWN] = {"UNKNOWN", INSTANCE_UNSEEN},
};

unsigned key_standings(const struct key_obj *k, bool sealed, int64_t now_us, int64_t now_wall_ms)
{
	const struct live *l = k->live;
	unsigned held = key_faults(k, sealed, now_wall_ms);
	if (!k->doc.enabled)
		held |= 1u << KEY_IS_DISABLED;
	if (live_drained(l, now_us))
		held |= 1u << KEY_IS_DRAINED;
	if (LOAD(&l->cooldown_until_us) > now_us)
		held |= 1u << KEY_IS_COOLING;
	if (live_open(l, now_us))
		held |= 1u << KEY_IS_OPEN;
	return held | 1u << (LOAD(&l->last_ok_wall_ms) != 0 ? KEY_IS_OK : KEY_IS_UNKNOWN);
}

enum key_standing key_standing(const struct key_obj *k, bool sealed, int64_t now_us,
	int64_t now_wall_ms)
{
	return (enum key_standing)__builtin_ctz(key_standings(k, sealed, now_us, now_wall_ms));
}

const struct key_standing_row *key_standing_row(enum key_standing s)
{
	return &key_rows[s];
}

int64_t key_standing_until_us(const struct key_obj *k, enum key_standing s)
{
	if (s == KEY_IS_COOLING)
		return LOAD(&k->live->cooldown_until_us);
	return s == KEY_IS_OPEN ? LOAD(&k->live->breaker_until_us) : 0;
}

enum instance_standing instance_standing(const struct instance_obj *in, int64_t now_us)
{
	static const enum instance_standing seen[] = {
		[HEALTH_UNKNOWN] = INSTANCE_IS_UNKNOWN,
		[HEALTH_PASSING] = INSTANCE_IS_OK,
		[HEALTH_WARNING] = INSTANCE_IS_WARN,
		[HEALTH_CRITICAL] = INSTANCE_IS_DOWN,
	};
	if (!in->doc.enabled)
		return INSTANCE_IS_DISABLED;
	if (in->doc.draining || live_drained(in->live, now_us))
		return INSTANCE_IS_DRAINED;
	if (instance_beat_late(in, now_us))
		return INSTANCE_IS_EXPIRED;
	return seen[LOAD(&in->live->health)];
}

const struct instance_standing_row *instance_standing_row(enum instance_standing s)
{
	return &instance_rows[s];
}
