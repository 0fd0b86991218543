// SPDX-License-Identifier: MIT
// Changes of registered instances: register, replace, leave, drain. Through the store.
#ifndef YJ_AGENT_API_INSTANCES_H
#define YJ_AGENT_API_INSTANCES_H

#include "agent/web/web.h"

#define INSTANCES_PER_TOKEN 256 // of PROBE_INSTANCES_MAX that one service token may register

void h_service_create(struct req *r);
void h_instance_put(struct req *r);
void h_instance_delete(struct req *r);
void h_instance_drain(struct req *r);
void h_instance_undrain(struct req *r);

#endif
