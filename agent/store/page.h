// SPDX-License-Identifier: MIT
// Pages of the logs and lists of the database, newest first.
#ifndef YJ_AGENT_STORE_PAGE_H
#define YJ_AGENT_STORE_PAGE_H

#include "agent/store/store.h"

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
enum err_code store_change_list(struct store_tx *tx, const struct store_place *before, int limit,
	struct str *out, size_t *ret_total, struct store_place *ret_next, struct err *err);

#endif
