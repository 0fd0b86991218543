// SPDX-License-Identifier: MIT
// What the snapshot, its building and the building of its routes share. Nobody else includes it.
#ifndef YJ_AGENT_STATE_PRIVATE_H
#define YJ_AGENT_STATE_PRIVATE_H

#include "agent/state/snapshot.h"

// The members of one service or feature: id → object.
struct group {
	unsigned refs;
	struct pmap members;
};

// A feature's route, built by whoever asks first.
struct route_cell {
	unsigned refs;
	_Atomic(struct route_box *) box;
	// What stood here before a change, when it was built: its candidates' live records stay until the
	// next one takes them, so that figures and breakers outlast a change. The store thread's.
	struct route_cell *was;
};

// What "vendor/service" stands for.
struct direct {
	struct object o;
	// For each offer that the service is there for; one that another's words are translated to is
	// that one. In the arena.
	struct feature_obj *as[OFFER_COUNT];
	const struct feature_obj *first;
};

struct route_box {
	struct arena arena;
	struct route route;
};

// Objects of one kind by name: takes over a reference, drops one.
void object_put(struct pmap *m, struct slice key, void *obj);
void object_del(struct pmap *m, struct slice key);

// Of a service's keys or instances ("openai", "gpt-4"; "self", "gpu"), of what joins a feature.
struct slice snapshot_group_key(const char *kind, const char *name, char *buf, size_t size);
// Whether one of its targets is this service; kind: enum target_kind, vendor NULL when self-hosted.
bool feature_concerns(const struct feature *f, int kind, const char *vendor, const char *service);
void route_box_free(struct route_box *box); // NULL is fine

// Whether what is put is the object, address and secret that were there before is judged when it is
// put, so that no road that writes can leave it out; its live record follows when the fork is
// published. The object it takes the place of is still in *s.
void snapshot_feature_lives(struct snapshot *s, struct feature_obj *f);
void snapshot_key_lives(struct snapshot *s, struct key_obj *k);
void snapshot_instance_lives(struct snapshot *s, struct instance_obj *in, struct slice name);
void snapshot_feature_gone(struct snapshot *s, struct feature_obj *f);
void snapshot_live_on(struct snapshot *s); // has the records follow
void snapshot_again_drop(struct snapshot *s);

#endif
