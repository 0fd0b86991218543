// SPDX-License-Identifier: MIT
// What every port answers about itself: /, /healthz, /metrics, /openapi.json, /api.
#ifndef YJ_AGENT_API_PAGES_H
#define YJ_AGENT_API_PAGES_H

#include "agent/web/web.h"

void h_root(struct req *r);
void h_healthz(struct req *r);
void h_metrics(struct req *r);
void h_openapi(struct req *r);
void h_api(struct req *r);

#endif
