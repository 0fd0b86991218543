// SPDX-License-Identifier: MIT
// A stored document in memory: decoded once, rendered once, immutable, shared by snapshots.
// Counted on the store thread only.
#ifndef YJ_AGENT_STATE_OBJECT_H
#define YJ_AGENT_STATE_OBJECT_H

#include "agent/core/ident.h"
#include "agent/state/limits.h"
#include "agent/state/live.h"
#include "shared/rows/alert.h"
#include "shared/arena.h"
#include "shared/rows/identity.h"
#include "shared/rows/model.h"
#include "shared/urlx.h"

struct sealed {
	unsigned char *p; // envelope of agent/store/seal.h, in the object's arena
	size_t n;
};

struct object {
	unsigned refs;
	struct arena arena; // everything below it lives here
	int64_t revision;
	struct slice json; // answer rendered from the stored document, without live members
};

struct feature_obj {
	struct object o;
	struct feature doc;
	struct live **target_live; // per target, id "feature|target"
	struct live *live; // of the feature as a whole
	uint64_t life; // of live (agent/state/live.h)
	uint64_t *target_life; // of each target_live
	struct limits limits;
	const char *route; // under which its route is kept; NULL: its name
};

// It is for this service of its vendor.
static inline bool key_serves(const struct vendor_key *k, const char *service)
{
	return (k->service != NULL && strcmp(k->service, service) == 0) ||
		strv_has(&k->services, service);
}

struct key_obj {
	struct object o;
	struct vendor_key doc; // api_key empty; see sealed
	struct sealed sealed;
	uint64_t row_version;
	const char *ref; // "vendor/service/slug"
	const char *origin; // "https://api.openai.com:443", part of the AAD
	struct url url;
	struct live *live;
	uint64_t life; // of live: which address and secret an attempt with it uses
	struct limits limits;
};

#define CALLER_HASH 32
struct token_obj {
	struct object o;
	struct token doc;
	struct ident id; // as doc.id
	unsigned char hash[CALLER_HASH]; // keyed, of the whole token
	int64_t revoked_at; // 0 not: a revoked one is remembered to be told apart from an unknown
	struct live *live;
};

struct client_obj {
	struct object o;
	struct client_doc doc;
	struct ident id; // as doc.id
	unsigned char hash[CALLER_HASH];
	struct live *live;
	struct limits limits;
};

struct price_obj {
	struct object o;
	struct price doc;
};

struct instance_obj {
	struct object o;
	struct instance doc;
	struct url url;
	bool near_only; // its name must not lead to a public address
	struct live *live; // id "service/id"
	uint64_t life; // of live: which address an attempt goes to
};

struct rule_obj {
	struct object o; // revision 0: as it came with the agent
	struct alert_rule doc;
};

// Object whose arena holds it: the first member's address is the struct's.
void *object_new(size_t size);
void object_hold(void *obj);
void object_drop(void *obj); // frees at zero (runs arena defers, which drop live records)

#endif
