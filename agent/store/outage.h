// SPDX-License-Identifier: MIT
// What is known dead, kept over a restart (agent/monitor/outages).
#ifndef YJ_AGENT_STORE_OUTAGE_H
#define YJ_AGENT_STORE_OUTAGE_H

#include "agent/store/store.h"

struct outage {
	int64_t mark; // of the object, address and secret it was seen of; another one begins without
	int32_t fault; // enum live_fault of a key
	int64_t since_ms; // of the fault
	int64_t cool_until_ms; // wall clock; 0 not cooling
	int32_t cool_status;
	int64_t beat_ms; // an instance expired: its last heartbeat; 0 not
};
static inline bool outage_any(const struct outage *o)
{
	return o->fault != 0 || o->cool_until_ms != 0 || o->beat_ms != 0;
}
int64_t store_outage_mark_key(const struct key_obj *k);
int64_t store_outage_mark_instance(const struct instance_obj *in);
// id: of the live record. Nothing known: the row goes.
enum err_code store_outage_put(struct store_tx *tx, enum live_kind kind, const char *id,
	const struct outage *o, struct err *err);
enum err_code store_outage_walk(struct store_tx *tx,
	void (*each)(void *arg, enum live_kind kind, const char *id, const struct outage *o),
	void *arg, struct err *err);

#endif
