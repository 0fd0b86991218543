// SPDX-License-Identifier: MIT
// Registered instances of services.
#ifndef YJ_AGENT_STORE_INSTANCE_H
#define YJ_AGENT_STORE_INSTANCE_H

#include "agent/store/store.h"

enum err_code store_instance_put(struct store_tx *tx, const struct instance *in, int64_t if_match,
	bool *ret_created, const struct instance_obj **ret, struct err *err);
enum err_code store_instance_delete(struct store_tx *tx, struct slice service, struct slice id,
	struct err *err);
// Deregisters an instance that nobody beats for any more.
enum err_code store_instance_reap(struct store_tx *tx, struct slice service, struct slice id,
	struct err *err);

#endif
