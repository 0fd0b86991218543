// SPDX-License-Identifier: MIT
// Everything a request needs, as one immutable tree: what stands in it, and how it is found. It is
// made by agent/state/build and published by agent/state/publish.
#ifndef YJ_AGENT_STATE_SNAPSHOT_H
#define YJ_AGENT_STATE_SNAPSHOT_H

#include "agent/state/candidate.h"
#include "agent/core/pmap.h"
#include "agent/state/price_book.h"
#include "shared/vec.h"

enum store_state { STORE_OK, STORE_DEGRADED, STORE_READONLY };

// A live record that stands for something else once this snapshot is published; also of every feature
// that is made or goes.
struct snapshot_again {
	void *obj; // held; it holds the record
	struct live *live;
	uint64_t life;
	enum live_again what;
};

struct snapshot {
	_Atomic uint32_t refs; // requests that hold it across turns
	uint64_t revision; // of the whole configuration
	uint64_t
		lineage; // one for each time a database was opened: revisions are compared within it
	int64_t published_wall_ms;
	enum store_state store_state;
	bool sealed;
	struct pmap features; // name → struct feature_obj
	struct pmap aliases; // alias → struct feature_obj
	struct pmap directs; // "vendor/service" → struct direct (private)
	bool calls_directs; // vendors' services may be called by that name
	struct pmap keys; // id → struct key_obj
	struct pmap key_refs; // "vendor/service/slug" → struct key_obj
	struct pmap instances; // "service/id" → struct instance_obj
	struct pmap tokens; // id → struct token_obj, revoked ones too
	struct pmap clients; // id → struct client_obj
	struct pmap
		client_names; // folded name → struct client_obj; says what is taken, finds nobody
	bool clients_required; // callers of the model traffic need a client's key
	int64_t policy_revision; // that said so; 0: nobody ever did
	struct pmap alert_rules; // name → struct rule_obj
	struct pmap prices; // id → struct price_obj
	size_t key_prices; // how many of them are of one key
	struct pmap
		groups; // "vendor/service", "self/service", "join/feature", "opens/key id" → members (private)
	struct pmap
		routes; // feature name, or "vendor/service offer" → cell with the route once built (private)
	struct live_table *live; // borrowed
	VEC_OF(struct snapshot_again) again; // of a fork; done when it is published
	const struct snapshot
		*before; // borrowed while a snapshot is read anew: what it takes the place of
	struct snapshot *next_retired; // the publishing point's
	uint64_t retired_epoch;
};

// "service/id", the key of instances; cut off beyond the buffer.
#define INSTANCE_KEY_MAX (2 * ID_MAX + 2)
struct slice instance_key(struct slice service, struct slice id, char buf[INSTANCE_KEY_MAX]);

// By its name, which "vendor/service" is one of: it stands for one for each offer (OFFER_COUNT, and where
// there is none for this one: the first).
const struct feature_obj *snapshot_feature(const struct snapshot *s, struct slice name);
const struct feature_obj *snapshot_feature_for(const struct snapshot *s, struct slice name,
	enum offer offer);
// The same by name or alias, as callers and operators say it.
const struct feature_obj *snapshot_model(const struct snapshot *s, struct slice model);
const struct feature_obj *snapshot_model_for(const struct snapshot *s, struct slice model,
	enum offer offer);
const struct key_obj *snapshot_key(const struct snapshot *s, struct slice id);
const struct key_obj *snapshot_key_ref(const struct snapshot *s, struct slice ref);
const struct rule_obj *snapshot_rule(const struct snapshot *s, struct slice name);
const struct instance_obj *snapshot_instance(const struct snapshot *s, struct slice service,
	struct slice id);
// What the instance's credential stands at. *ret_key: for GRANT_KEY alone.
enum grant snapshot_grant(const struct snapshot *s, const struct instance_obj *in,
	const struct key_obj **ret_key);
// How a key is shown when it is tried by itself: its row says so, or an instance that it opens.
// *ret_header: of AUTH_HEADER, the snapshot's; id NULL: not stored.
enum auth_style snapshot_key_auth(const struct snapshot *s, const struct vendor_row *row,
	const char *id, const char **ret_header);
// What a call of the feature's candidate costs now, by price_book_find; model is the caller's, for
// targets that pass it on. NULL: not known.
const struct price *snapshot_price(const struct snapshot *s, const struct candidate *c,
	const char *feature, const char *model, int64_t now_wall_ms);
// The feature's candidates, built on first use after a change that concerns them. Valid as long
// as the snapshot. Never NULL for a feature of this snapshot.
const struct route *snapshot_route(const struct snapshot *s, const struct feature_obj *f);

#endif
