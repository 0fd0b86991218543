// SPDX-License-Identifier: MIT
// Candidates and the routes they stand in: what a decision chooses among. Built once per route by
// agent/state/snapshot from targets, keys and instances; immutable.
#ifndef YJ_AGENT_STATE_CANDIDATE_H
#define YJ_AGENT_STATE_CANDIDATE_H

#include "agent/state/object.h"
#include "shared/rows/vendors.h"

#define CANDIDATES_MAX 128 // of a route: as many as a decision judges

struct size {
	int64_t width, height;
};

// What stands between an instance that asks for a credential and the key it refers to.
enum grant {
	GRANT_NONE, // it asks for nothing
	GRANT_KEY, // the key is there
	GRANT_GONE,
	GRANT_DISABLED,
	GRANT_ELSEWHERE, // its secret is bound to another address, or is no engine's
};

// One choosable thing: target × usable key, or target × instance.
struct candidate {
	const char *name; // "openai/dalle#prod-1", "self/sd-webui#gpu7"
	const char *target_name; // "openai/dalle"
	const char *id; // slug of the key, or id of the instance; "" neither
	const struct target *target;
	const struct key_obj *key; // NULL for instances and for vendors without any key
	const struct instance_obj *instance; // NULL for vendor keys
	const struct key_obj *credential; // what the instance asks for; NULL unless GRANT_KEY
	const struct vendor_row
		*vendor; // of the key's vendor and the target's service; NULL: no row
	enum grant grant;
	struct live *live; // of the key or instance; NULL when it has neither (skip no_key)
	uint64_t life; // the key's or instance's: what its outcomes are told of
	struct live *target_live;
	// Of this candidate in this feature and for this target's model: what one model does says nothing
	// of the key's others, and what one feature sends there is no figure of another's. NULL when it
	// has neither key nor instance.
	struct live *pair;
	const struct url *url;
	const struct price *price; // of its model; NULL unknown, or the model is the caller's
	int order, tier, weight;
	enum protocol protocol;
	uint64_t hash; // of its name, for affinity
	const char *space; // of its embeddings, or its model; "" when the caller's text decides
	const struct size *sizes; // NULL any
	size_t sizes_n;
	unsigned lacks; // bits of enum need
	bool sealed; // a key whose secret this agent cannot open
	bool pinned; // to its space: of several models none is the caller's to name
	bool unspoken; // no adapter of this build speaks its protocol
};

// The key whose secret goes along with an attempt: the vendor's, or the instance's credential. NULL:
// none does, or (grant beyond GRANT_KEY) the attempt must not be made.
const struct key_obj *candidate_secret(const struct candidate *c);
// How the secret is shown. *ret_header: of AUTH_HEADER.
enum auth_style candidate_auth(const struct candidate *c, const char **ret_header);
enum auth_style instance_auth(const struct instance *in, const char **ret_header);

struct route {
	const struct feature_obj *feature;
	size_t n; // at most CANDIDATES_MAX
	struct candidate *v; // sorted by order, tier, then name
	size_t left_out; // further ones, which come behind these
	// The space that the vectors of callers are of: the first target's that has a candidate, in
	// health or not. NULL: the feature is not pinned to one.
	const char *space;
	bool choosy; // some candidate lacks something
};

// One attempt at it is over: counts it for the key or instance and for this feature. status: of HTTP,
// or -enum err_code; looked at when it failed.
void candidate_count(const struct candidate *c, int64_t now_us, int64_t now_wall_ms, bool ok,
	int64_t us, int status);

// What follows from the parts of the candidates, once they are in their order: hashes, spaces,
// sizes, live records of their own. The arena is the route's and drops the records.
void route_complete(struct route *r, struct live_table *live, struct arena *a);

#endif
