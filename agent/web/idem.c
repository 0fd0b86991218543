// SPDX-License-Identifier: MIT
// Hashes a request under the agent's own key, so that a repeated one is known without being kept.
#include "agent/web/idem.h"

#include "agent/core/agent.h"

bool idem_hash(const struct req *r, struct slice body, unsigned char ret[32])
{
	const struct seal *seal = store_seal(r->agent->store);
	struct str s = STR_INIT;
	if (seal == NULL)
		return false;
	unsigned char of_body[32];
	seal_token_hash(seal, body, of_body);
	// None of the first three can have a blank or a control byte in it.
	str_addf(&s, "%s %.*s?%.*s\n", method_names[r->method], SLICE_FMT(r->path),
		SLICE_FMT(req_raw_query(r)));
	str_add_n(&s, (const char *)of_body, sizeof(of_body));
	seal_token_hash(seal, str_slice(&s), ret);
	str_release(&s);
	return true;
}
