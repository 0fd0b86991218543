// SPDX-License-Identifier: MIT
// What a model request asks of a decision, live or as a dry run.
#ifndef YJ_AGENT_CALL_ASK_H
#define YJ_AGENT_CALL_ASK_H

#include "agent/decide/decide.h"
#include "agent/web/web.h"

struct adapter_call;
struct gw_call;

// What the feature allows of one request.
enum err_code gw_check_limits(const struct gw_call *c, struct err *err);
// Route, cells and what is asked of a decision, the caller's wishes included; feature is set.
enum err_code gw_prepare(struct gw_call *c, struct err *err);
// The call's own part: the one reader for live requests and dry runs. all: needs of which no candidate
// lacks any, too, as records show them. *ret points to the call's model, and is for callers without a
// key until it says otherwise.
void ask_read(const struct adapter_call *call, const struct route *route, bool all,
	struct decide_request *ret);
// Marks the candidates that have no words for a wish that binds, of a dry run: a live request finds
// that of whom it would ask. a: of what is noted.
void ask_judge(const struct adapter_call *call, const struct route *route, struct arena *a,
	struct decide_request *ret);
// The caller's wishes: X-Yijian-Data (any, local_only) narrows the feature's data policy,
// X-Yijian-Session or the body's "user" names the session that an affinity keeps together. Fills
// local_only and session of *ret. A data policy nobody knows is an error, since a typing error must
// not let data leave.
enum err_code ask_wishes(const struct req *r, const struct feature *f,
	const struct adapter_call *call, struct decide_request *ret, struct err *err);

#endif
