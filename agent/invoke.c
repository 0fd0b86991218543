// SPDX-License-Identifier: MIT
// The feature says which endpoint its body belongs to: pictures are tasks, all else is answered
// while the caller waits. It stands above both, which do not know each other.
#include "agent/invoke.h"

#include "agent/gateway/gateway.h"
#include "agent/tasks/caller.h"
#include "agent/tasks/tasks.h"
#include "shared/text.h"

void h_invoke(struct req *r)
{
	const struct feature_obj *f = snapshot_model(r->snap, r->param[0]);
	if (f == NULL) {
		struct err err = {0};
		err_set(&err, ERR_NOT_FOUND, _("there is no feature of this name"));
		err_hint(&err, _("list them: GET /api/v1/features"));
		r->refused = REFUSED_MODEL_UNKNOWN;
		req_fail(r, &err);
	} else if (f->doc.endpoint == OFFER_IMAGES || f->doc.endpoint == OFFER_IMAGE_EDITS) {
		tasks_invoke(r, f);
	} else {
		gateway_invoke(r, f);
	}
}
