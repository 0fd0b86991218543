// SPDX-License-Identifier: MIT
// Everything a request needs, as one immutable tree. The store thread builds the next one after
// each commit and publishes a pointer. Readers are loops: quiescent-state reclamation (each loop
// announces once per turn that it holds nothing it has not counted) plus a count for requests
// that outlive a turn.
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
	uint64_t lineage; // one for each time a database was opened: revisions are compared within it
	int64_t published_wall_ms;
	enum store_state store_state;
	bool sealed;
	struct pmap features; // name → struct feature_obj
	struct pmap aliases; // alias → struct feature_obj
	struct pmap keys; // id → struct key_obj
	struct pmap key_refs; // "vendor/service/slug" → struct key_obj
	struct pmap instances; // "service/id" → struct instance_obj
	struct pmap tokens; // id → struct token_obj, revoked ones too
	struct pmap clients; // id → struct client_obj
	struct pmap client_names; // folded name → struct client_obj; says what is taken, finds nobody
	bool clients_required; // callers of the model traffic need a client's key
	int64_t policy_revision; // that said so; 0: nobody ever did
	struct pmap alert_rules; // name → struct rule_obj
	struct pmap prices; // id → struct price_obj
	size_t key_prices; // how many of them are of one key
	struct pmap groups; // "vendor/service", "self/service", "join/feature", "opens/key id" → members (private)
	struct pmap routes; // feature name → cell with the route once built (private)
	struct live_table *live; // borrowed
	VEC_OF(struct snapshot_again) again; // of a fork; done when it is published
	const struct snapshot *before; // borrowed while a snapshot is read anew: what it takes the place of
	struct snapshot *next_retired; // the publishing point's
	uint64_t retired_epoch;
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

// Building, store thread only. A fork shares everything with its parent and is changed in place
// until it is published; objects are taken over (the caller's reference becomes the snapshot's).
struct snapshot *snapshot_new(struct live_table *live);
struct snapshot *snapshot_fork(const struct snapshot *from);
void snapshot_free(struct snapshot *s);
void snapshot_put_feature(struct snapshot *s, struct feature_obj *f);
void snapshot_del_feature(struct snapshot *s, struct slice name);
void snapshot_put_key(struct snapshot *s, struct key_obj *k);
void snapshot_del_key(struct snapshot *s, struct slice id);
void snapshot_put_instance(struct snapshot *s, struct instance_obj *in);
void snapshot_del_instance(struct snapshot *s, struct slice service, struct slice id);
void snapshot_put_token(struct snapshot *s, struct token_obj *t);
void snapshot_del_token(struct snapshot *s, struct slice id);
void snapshot_put_client(struct snapshot *s, struct client_obj *c);
void snapshot_del_client(struct snapshot *s, struct slice id);
// Small letters, without outer space: "Prod " and "prod" are one name. At most CALLER_NAME_BYTES.
struct slice caller_name_fold(const char *name, char buf[CALLER_NAME_BYTES + 1]);
void snapshot_put_rule(struct snapshot *s, struct rule_obj *r);
void snapshot_del_rule(struct snapshot *s, struct slice name);
// Lives (snapshot_lives.c). Whether what is put is the object, address and secret that were there before
// is judged when it is put, so that no road that writes can leave it out; its live record follows when
// the fork is published. The object it takes the place of is still in *s.
void snapshot_feature_lives(struct snapshot *s, struct feature_obj *f);
void snapshot_key_lives(struct snapshot *s, struct key_obj *k);
void snapshot_instance_lives(struct snapshot *s, struct instance_obj *in, struct slice name);
void snapshot_feature_gone(struct snapshot *s, struct feature_obj *f);
void snapshot_live_on(struct snapshot *s); // has the records follow
void snapshot_again_drop(struct snapshot *s);
// Prices: any number of put and del, then one call that has every route look them up anew.
void snapshot_put_price(struct snapshot *s, struct price_obj *p);
void snapshot_del_price(struct snapshot *s, struct slice id);
void snapshot_prices_changed(struct snapshot *s);
// "service/id", the key of instances; cut off beyond the buffer.
#define INSTANCE_KEY_MAX (2 * ID_MAX + 2)
struct slice instance_key(struct slice service, struct slice id, char buf[INSTANCE_KEY_MAX]);

const struct feature_obj *snapshot_feature(const struct snapshot *s, struct slice name);
// By name, alias or "vendor/service" (the first enabled feature with such a target).
const struct feature_obj *snapshot_model(const struct snapshot *s, struct slice model);
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
const struct token_obj *snapshot_token(const struct snapshot *s, const struct ident *id);
const struct client_obj *snapshot_client(const struct snapshot *s, const struct ident *id);
// What a call of the feature's candidate costs now, by price_book_find; model is the caller's, for
// targets that pass it on. NULL: not known.
const struct price *snapshot_price(const struct snapshot *s, const struct candidate *c,
	const char *feature, const char *model, int64_t now_wall_ms);
// The feature's candidates, built on first use after a change that concerns them. Valid as long
// as the snapshot. Never NULL for a feature of this snapshot.
const struct route *snapshot_route(const struct snapshot *s, const struct feature_obj *f);

#endif
