// SPDX-License-Identifier: MIT
// The one judge of addresses that documents name: never metadata services and the like, never the
// agent itself, nothing that the settings close. A name is judged again when it is dialled.
#ifndef YJ_AGENT_API_ADDRESS_H
#define YJ_AGENT_API_ADDRESS_H

#include "agent/core/agent.h"
#include "shared/rows/identity.h"
#include "shared/rows/model.h"
#include "shared/urlx.h"

// Where a vendor's key may be sent, its own base_url or the vendor's; over plain http not in public.
enum err_code address_of_key(const struct agent *a, const struct vendor_key *k, struct arena *arena,
	struct url *ret, struct err *err);
// Where this caller may register an instance; a public address takes an admin.
enum err_code address_of_instance(const struct agent *a, enum role role, struct slice text,
	struct arena *arena, struct err *err);
// For an instance that is shown a credential.
enum err_code address_hides_secret(const struct url *url, struct err *err);

#endif
