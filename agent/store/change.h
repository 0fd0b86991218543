// SPDX-License-Identifier: MIT
// Rows of changes. For this folder alone; page.h lists them.
#ifndef YJ_AGENT_STORE_CHANGE_H
#define YJ_AGENT_STORE_CHANGE_H

#include "agent/store/private.h"

// Changes are kept up to so many and for so long, the newest in any case; the audit log has all.
#define STORE_CHANGES_KEPT 10000
#define STORE_CHANGES_KEPT_MS (90LL * 24 * 3600 * 1000)

// Change row with its revision, and the audit row.
enum err_code tx_change(struct store_tx *tx, int64_t revision, const char *action, const char *kind,
	const char *name, const char *summary, struct slice before, struct err *err);
// The same of an object whose name is not its identity: id is.
enum err_code tx_change_of(struct store_tx *tx, int64_t revision, const char *action,
	const char *kind, const char *name, const char *id, const char *summary,
	struct slice before, struct err *err);
// What a change row keeps of the object that stood before it: of a changed one the top members that
// are otherwise in `now`, each whole as it was, null for one that was not there (what follows from any
// change is left out); of one that is deleted (now NULL) all, of a new one (old NULL) nothing. Put in
// the place of the members of `now` they lead back. Valid until the next call.
struct slice tx_before(struct store_tx *tx, const struct object *old, const struct object *now);
// Those beyond the bounds above go, at most so many of the oldest, and with the one that deleted a
// feature its revisions. *more becomes true when there may be others.
enum err_code store_changes_prune(struct store_tx *tx, int64_t most, bool *more, struct err *err);
// snap->revision: the newest one's.
enum err_code store_revision_load(struct load *l, struct err *err);

#endif
