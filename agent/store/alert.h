// SPDX-License-Identifier: MIT
// Alert rules, and the alerts that fired.
#ifndef YJ_AGENT_STORE_ALERT_H
#define YJ_AGENT_STORE_ALERT_H

#include "agent/store/store.h"

// A built-in rule that was changed goes back to its default; an unchanged one is a conflict.
enum err_code store_rule_put(struct store_tx *tx, const struct alert_rule *rule, bool create,
	int64_t if_match, const struct rule_obj **ret, struct err *err);
enum err_code store_rule_delete(struct store_tx *tx, struct slice name, int64_t if_match,
	struct err *err);
// An alert that fired, as JSON; resolved_at FIELD_NONE while it does. Prune keeps the newest
// resolved ones. Walk tells all, the oldest first.
enum err_code store_alert_put(struct store_tx *tx, const char *id, int64_t fired_at,
	int64_t resolved_at, struct slice doc, struct err *err);
enum err_code store_alert_prune(struct store_tx *tx, int64_t keep, struct err *err);
enum err_code store_alert_walk(struct store_tx *tx, void (*fn)(void *arg, struct slice doc),
	void *arg, struct err *err);

#endif
