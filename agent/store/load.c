// SPDX-License-Identifier: MIT
// All that the database holds of the configuration, read into a snapshot: at the start, and
// again when a file that was gone is back. Each noun reads its own rows; here is only their
// order.
#include "agent/store/load.h"

#include "agent/store/change.h"

enum err_code store_load(struct store *st, struct snapshot *snap, struct err *err)
{
	// What was spent is put into the live records of the objects that spent it: after those.
	static enum err_code (*const loaders[])(struct load *l, struct err *err) = {
		store_features_load,
		store_keys_load,
		store_instances_load,
		store_callers_load,
		store_spend_load,
		store_probe_load,
		store_rules_load,
		store_prices_load,
		store_revision_load,
		store_policy_load,
	};
	struct load l = {st, snap, 0};
	enum err_code code = ERR_OK;
	for (size_t i = 0; !code && i < ARRAY_LEN(loaders); i++)
		code = loaders[i](&l, err);
	st->quarantined = l.bad;
	return code;
}
