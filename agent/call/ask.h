// SPDX-License-Identifier: MIT
// What a model request asks of a decision, live or as a dry run.
#ifndef YJ_AGENT_CALL_ASK_H
#define YJ_AGENT_CALL_ASK_H

#include "agent/decide/decide.h"
#include "agent/web/web.h"

struct gw_call;

// What the feature allows of one request.
enum err_code gw_check_limits(const struct gw_call *c, struct err *err);
// Route, cells and what is asked of a decision, the caller's wishes included; feature is set.
enum err_code gw_prepare(struct gw_call *c, struct err *err);
// The wishes alone: X-Yijian-Data (any, local_only) narrows the feature's data policy,
// X-Yijian-Session or the body's "user" (empty when absent) names the session that an affinity
// keeps together. Fills local_only and session of *ret. A data policy nobody knows is an error,
// since a typing error must not let data leave.
enum err_code wishes_read(const struct req *r, const struct feature *f, struct slice user,
	struct decide_request *ret, struct err *err);

#endif
