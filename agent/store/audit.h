// SPDX-License-Identifier: MIT
// The audit log: a chain of rows, each of which authenticates all before it.
#ifndef YJ_AGENT_STORE_AUDIT_H
#define YJ_AGENT_STORE_AUDIT_H

#include "agent/store/store.h"

#define AUDIT_TEXT_MAX                                                                             \
	1024 // of an object in a row: a name, or two origins as well; a longer one is cut
// Appends an audit row without a document change (denials, starts, tests).
enum err_code store_audit(struct store_tx *tx, const char *action, const char *object,
	const char *result, struct err *err);
// The same of an object that has an id.
enum err_code store_audit_of(struct store_tx *tx, const char *action, const char *object,
	const char *object_id, const char *result, struct err *err);
// Walks the chain; *ret_bad_seq is 0 when it holds.
enum err_code store_audit_verify(struct store_tx *tx, int64_t *ret_bad_seq, struct err *err);

#endif
