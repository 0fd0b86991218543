// SPDX-License-Identifier: MIT
// What a request says of its own routing, live or as a dry run: X-Yijian-Data (any, local_only)
// narrows the feature's data policy, X-Yijian-Session or the body's "user" names the session that
// an affinity keeps together.
#ifndef YJ_AGENT_CALL_WISHES_H
#define YJ_AGENT_CALL_WISHES_H

#include "agent/decide/decide.h"
#include "agent/web/web.h"

// Fills local_only and session of *ret. user: the body's, empty when absent. A data policy nobody
// knows is an error, since a typing error must not let data leave.
enum err_code wishes_read(const struct req *r, const struct feature *f, struct slice user,
	struct decide_request *ret, struct err *err);

#endif
