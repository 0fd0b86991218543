// SPDX-License-Identifier: MIT
// Changes of registered instances: register, replace, leave, drain. Through the store.
#ifndef YJ_AGENT_API_INSTANCES_H
#define YJ_AGENT_API_INSTANCES_H

#include "agent/api/change.h"
#include "agent/web/web.h"
#include "shared/jx.h"

#define INSTANCES_PER_TOKEN 256 // of PROBE_INSTANCES_MAX that one service token may register

// One registration, by whichever road it comes.
struct instance_wish {
	const struct agent *agent; // borrowed
	struct arena *arena; // borrowed: what is read lives in it
	enum role role, reach; // of who asks; reach: principal_reach
	const struct field_set *fields; // what may be said: instance_fields, or those of a view
	bool only_new; // an instance that is there is a conflict
	bool says_enabled, says_auth; // otherwise the operator's wish stands
	bool keeps_reach; // an admin who says what is there says nothing
	struct instance doc;
	bool created;
};
// Reads doc and what it says. service, id: those of its name; empty where the document says them.
enum err_code instance_read(struct instance_wish *w, const struct jx *v, struct slice service,
	struct slice id, struct err *err);
// In a job: judges who, credential and place, and writes it.
enum err_code instance_register(struct store_tx *tx, struct instance_wish *w,
	const struct actor *actor, int64_t if_match, const struct instance_obj **ret,
	struct err *err);
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
