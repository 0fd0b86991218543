// SPDX-License-Identifier: MIT
// Conditional requests (RFC 9110, 13.1): the one reader of If-Match and If-None-Match. Pure.
#ifndef YJ_AGENT_WEB_COND_H
#define YJ_AGENT_WEB_COND_H

#include "agent/web/head.h"

#define IF_MATCH "If-Match"
#define IF_NONE_MATCH "If-None-Match"
#define ETAG_MAX 64

enum cond {
	COND_ABSENT, // no such header
	COND_NO, // it names neither this tag nor "*"
	COND_TAG, // it names this tag
	COND_ANY, // it says "*"
	COND_BAD, // no list of entity tags
};

// What the header's lines say of an object with this tag ("\"7\"", quotes and all; NULL: of none).
// weak: W/"7" and "7" are one; else a weak tag is like no other.
enum cond cond_read(const struct head *h, const char *name, const char *etag, bool weak);
// A revision as an entity tag.
void etag_of_revision(int64_t revision, char buf[ETAG_MAX]);

#endif
