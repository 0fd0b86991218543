// SPDX-License-Identifier: MIT
// Pages of the logs and lists of the database, newest first.
#ifndef YJ_AGENT_STORE_PAGE_H
#define YJ_AGENT_STORE_PAGE_H

#include "agent/store/store.h"
#include "shared/arena.h"
#include "shared/jw.h"

// A place in a list of rows: its number, and a mark of the row that had it, so that a cursor of a row
// that is gone, or of another life of the database, is told from one that leads on.
struct store_place {
	int64_t seq, mark; // seq 0: the beginning
};
// sql tells the mark of the row ?1: its time, and in the last two bits whose list it is, because two
// rows of one transaction may have the same number. check: ERR_CURSOR_INVALID when the place is not as it was; find:
// gives the place of a row its mark (nothing to do for seq 0).
enum err_code store_place_check(struct store_tx *tx, const char *sql, const struct store_place *at,
	struct err *err);
enum err_code store_place_find(struct store_tx *tx, const char *sql, struct store_place *at,
	struct err *err);
// JSON items of the audit log and of the change log, newest first, below `before` (0: from the
// top). *ret_total counts all rows, whatever the page.
enum err_code store_audit_list(struct store_tx *tx, const struct store_place *before, int limit,
	struct str *out, size_t *ret_total, struct store_place *ret_next, struct err *err);
// One change, its texts in the arena it was read into.
struct store_change {
	int64_t revision, at; // wall ms
	const char *actor, *actor_name, *action, *kind, *name, *id,
		*summary; // actor_name, id: "" none
	struct slice before; // as tx_before has it; n 0: nothing stood before
};
// "c-42"; false for what is no change's id.
bool store_change_id(struct slice text, int64_t *ret_revision);
// ERR_NOT_FOUND: there was none of this number; ERR_GONE: it has aged out.
enum err_code store_change_read(struct store_tx *tx, int64_t revision, struct arena *a,
	struct store_change *ret, struct err *err);
// Until when it can be undone, wall ms; FIELD_NONE: it is final. A revocation is, and what does not say
// what stood before.
int64_t store_change_until(const struct store_change *c);
// As in a list; whole: with `before`.
void store_change_write(struct jw *w, const struct store_change *c, bool whole);
enum err_code store_change_list(struct store_tx *tx, const struct store_place *before, int limit,
	struct str *out, size_t *ret_total, struct store_place *ret_next, struct err *err);

#endif
