// SPDX-License-Identifier: MIT
// Everything a request needs, as one immutable tree. The store thread builds the next one after
// each commit and publishes a pointer. Readers are loops: quiescent-state reclamation (each loop
// announces once per turn that it holds nothing it has not counted) plus a count for requests
// that outlive a turn.
#ifndef YJ_AGENT_SNAPSHOT_H
#define YJ_AGENT_SNAPSHOT_H

#include "agent/object.h"
#include "agent/pmap.h"
#include "shared/vendors.h"

enum store_state { STORE_OK, STORE_DEGRADED, STORE_READONLY };

// One choosable thing: target × usable key, or target × instance.
struct candidate {
	const char *name; // "openai/dalle#prod-1", "self/sd-webui#gpu7"
	const char *target_name; // "openai/dalle"
	const struct target *target;
	const struct key_obj *key; // NULL for instances and for vendors without any key
	const struct instance_obj *instance; // NULL for vendor keys
	struct live *live; // of the key or instance; NULL when it has neither (skip no_key)
	struct live *target_live;
	const struct url *url;
	int order, tier, weight;
	enum protocol protocol;
	bool unspoken; // the catalogue knows it, but no adapter of this build speaks to it
};

struct route {
	const struct feature_obj *feature;
	size_t n;
	struct candidate *v; // sorted by order, tier, then name
};

struct snapshot {
	_Atomic uint32_t refs; // requests that hold it across turns
	uint64_t revision; // of the whole configuration
	int64_t published_wall_ms;
	enum store_state store_state;
	bool sealed;
	struct pmap features; // name → struct feature_obj
	struct pmap aliases; // alias → struct feature_obj
	struct pmap keys; // id → struct key_obj
	struct pmap key_refs; // "vendor/service/slug" → struct key_obj
	struct pmap instances; // "service/id" → struct instance_obj
	struct pmap by_service; // "vendor/service" or "self/service" → struct group (private)
	struct pmap routes; // feature name → struct route_cell (private)
	struct slice feature_list_json, key_list_json; // rendered lazily by their owners; may be empty
	struct snapshot *next_retired; // the store's
};

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

const struct feature_obj *snapshot_feature(const struct snapshot *s, struct slice name);
// By name, alias or "vendor/service" (the first enabled feature with such a target).
const struct feature_obj *snapshot_model(const struct snapshot *s, struct slice model);
const struct key_obj *snapshot_key(const struct snapshot *s, struct slice id_or_ref);
const struct instance_obj *snapshot_instance(const struct snapshot *s, struct slice service,
	struct slice id);
// The feature's candidates, built on first use after a change that concerns them. Valid as long
// as the snapshot. Never NULL for a feature of this snapshot.
const struct route *snapshot_route(const struct snapshot *s, const struct feature_obj *f);

#endif
