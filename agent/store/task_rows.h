// SPDX-License-Identifier: MIT
// Rows of image tasks. Everything but the plain structs is for jobs on the store thread. A request
// is kept, sealed, only while it waits for its turn, and the row loses it with the intention to
// submit. Results are kept, sealed, until they end: TASK_RESULT_MS at most and, of all together,
// TASK_RESULTS_MAX bytes, the oldest go first; finished tasks TASK_KEPT_MS and TASKS_KEPT_MAX.
#ifndef YJ_AGENT_STORE_TASK_ROWS_H
#define YJ_AGENT_STORE_TASK_ROWS_H

#include "agent/store/page.h"
#include "agent/store/task.h"

#define TASK_RESULT_MS INT64_C(86400000)
#define TASK_RESULTS_MAX INT64_C(536870912)
#define TASK_KEPT_MS (7 * INT64_C(86400000))
#define TASKS_KEPT_MAX 20000
#define TASK_OPEN_MAX 4096 // unfinished at once

// The earlier task of the same client and Idempotency-Key, if any: then nothing is written, *ret is
// filled and *ret_found true. ERR_IDEMPOTENCY_MISMATCH when it was asked with another body.
// An earlier one that failed before anything was accepted gives its key up.
enum err_code store_task_create(struct store_tx *tx, const struct task *t, struct slice request,
	bool *ret_found, struct task *ret, struct err *err);
// keep_request: it waits still; request: written anew, empty for the one that is kept. result empty:
// none.
enum err_code store_task_update(struct store_tx *tx, const struct task *t, bool keep_request,
	struct slice request, struct slice result, struct err *err);
// What a part brought, kept sealed while the task is unfinished; the last word counts.
enum err_code store_task_part_put(struct store_tx *tx, const char *id, size_t part,
	struct slice result, struct err *err);
// Calls fn for each that is kept. One that does not open is passed over.
enum err_code store_task_parts(struct store_tx *tx, const char *id,
	void (*fn)(void *arg, size_t part, struct slice result), void *arg, struct err *err);
// ERR_NOT_FOUND; client NULL: anybody's. result may be NULL; it is empty when it has ended.
enum err_code store_task_get(struct store_tx *tx, struct slice id, const struct ident *client,
	struct task *ret, struct str *result, struct err *err);
// Items of a list, newest first, below `before` (seq 0: the top). Empty filters take all.
enum err_code store_task_list(struct store_tx *tx, struct slice state, struct slice feature,
	const struct store_place *before, int limit, struct str *out, size_t *ret_total,
	struct store_place *ret_next, struct err *err);
// Calls fn for each unfinished task, oldest first, with its request (empty: submitted).
enum err_code store_task_open(struct store_tx *tx,
	void (*fn)(void *arg, const struct task *t, struct slice request), void *arg,
	struct err *err);
// Ends results whose time is over and drops what is beyond the limits above: a share of them that fits
// the log, and *ret_more when another call may find more.
enum err_code store_task_sweep(struct store_tx *tx, bool *ret_more, struct err *err);
// Succeeded is expired once its pictures have ended.
void task_age(struct task *t, int64_t now_wall_ms);

#endif
