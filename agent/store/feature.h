// SPDX-License-Identifier: MIT
// Features: their rows, and the revisions that were.
#ifndef YJ_AGENT_STORE_FEATURE_H
#define YJ_AGENT_STORE_FEATURE_H

#include "agent/store/store.h"

enum err_code store_feature_put(struct store_tx *tx, const struct feature *f, bool create,
	int64_t if_match, const struct feature_obj **ret, struct err *err);
enum err_code store_feature_delete(struct store_tx *tx, struct slice name, int64_t if_match,
	struct err *err);
// ERR_NOT_FOUND for a revision that never was or is no more among the STORE_REVISIONS_KEPT newest.
#define STORE_REVISIONS_KEPT 200 // per feature
enum err_code store_feature_rollback(struct store_tx *tx, struct slice name, int64_t revision,
	const struct feature_obj **ret, struct err *err);
// One of those that a fresh database has.
bool store_feature_is_default(const char *name);
// {"items":[…]} of a feature's stored revisions, newest first, appended as items to out.
enum err_code store_feature_revisions(struct store_tx *tx, struct slice name, struct str *out,
	size_t *ret_n, struct err *err);

#endif
