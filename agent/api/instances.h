// SPDX-License-Identifier: MIT
// Changes of registered instances: register, replace, leave, drain. Through the store.
#ifndef YJ_AGENT_API_INSTANCES_H
#define YJ_AGENT_API_INSTANCES_H

#include "agent/api/change.h"
#include "agent/web/web.h"
#include "shared/jx.h"

#define INSTANCES_PER_TOKEN 256 // of PROBE_INSTANCES_MAX that one service token may register

// Inside a change's job: registers the document v as a PUT of it would, judged alike. only_new: one that is
// there is ERR_CONFLICT_EXISTS. Afterwards, on the loop, probes_wake.
enum err_code instance_put_in(struct store_tx *tx, struct change *c, const struct jx *v,
	struct slice service, struct slice id, bool only_new, const struct instance_obj **ret,
	struct err *err);

void h_service_create(struct req *r);
void h_instance_put(struct req *r);
void h_instance_delete(struct req *r);
void h_instance_drain(struct req *r);
void h_instance_undrain(struct req *r);

#endif
