// SPDX-License-Identifier: MIT
// The configuration as documents: kind, name and spec, as apply takes them. Never a secret, never what
// is observed or what only the agent sets.
#ifndef YJ_AGENT_API_EXPORT_H
#define YJ_AGENT_API_EXPORT_H

#include "agent/web/web.h"
#include "shared/jw.h"
#include "shared/rows/model.h"

struct document {
	const char *name; // in the object, or the arena it was listed into
	const void *obj; // struct feature_obj and so on, borrowed from the snapshot
};

// All of a kind by name, in the arena; of alert rules those that somebody made or changed.
struct document *documents_of(const struct snapshot *snap, enum document_kind kind, struct arena *a,
	size_t *ret_n);
// The spec of an object: members that have a value, defaults among them; what is unset or empty is left
// out, and so read as unset.
void document_write(struct jw *w, const char *key, const struct snapshot *snap,
	enum document_kind kind, const void *obj);

// ERR_SCOPE_EXCEEDED for a token that does not hold the scope of this kind: the endpoint's own scope
// speaks of features alone.
enum err_code document_in_scope(const struct principal *who, enum document_kind kind, bool write,
	struct err *err);

void h_export(struct req *r);

#endif
