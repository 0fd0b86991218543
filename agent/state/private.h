// SPDX-License-Identifier: MIT
// What the snapshot and the building of its routes share. Nobody else includes it.
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

struct route_box {
	struct arena arena;
	struct route route;
};

// Of a service's keys or instances ("openai", "gpt-4"; "self", "gpu"), of what joins a feature.
struct slice snapshot_group_key(const char *kind, const char *name, char *buf, size_t size);
// Whether one of its targets is this service; kind: enum target_kind, vendor NULL when self-hosted.
bool feature_concerns(const struct feature *f, int kind, const char *vendor, const char *service);
void route_box_free(struct route_box *box); // NULL is fine

#endif
