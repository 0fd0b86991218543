// SPDX-License-Identifier: MIT
// From a raw path to a row of the endpoint table: a tree of segments built once per process and
// shared by all loops, read-only afterwards.
#ifndef YJ_AGENT_WEB_MATCH_H
#define YJ_AGENT_WEB_MATCH_H

#include "shared/rows/api.h"
#include "shared/arena.h"
#include "shared/slice.h"

#define MATCH_PARAMS_MAX 4
#define MATCH_SEGMENTS_MAX 16

struct match {
	const struct endpoint *ep; // NULL: no such path, or not with this method
	bool path_known; // some method exists on this path: 405, not 404
	unsigned allow; // bit per enum http_method that the path takes
	struct slice param[MATCH_PARAMS_MAX]; // raw, as in the path
	size_t n;
};

struct match_tree;

// mounted[EP_COUNT]: false leaves a row out.
struct match_tree *match_new(const bool *mounted);
void match_free(struct match_tree *t);
// path: raw, without query, checked by guard_path. services: bit per service whose rows count
// (those of SVC_ALL always do).
void match_path(const struct match_tree *t, struct slice path, enum http_method method,
	unsigned services, struct match *ret);
// "GET, POST" of the bits, HEAD added to GET.
void match_allow(unsigned allow, char *buf, size_t size);

#endif
