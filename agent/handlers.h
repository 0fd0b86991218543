// SPDX-License-Identifier: MIT
// Endpoint id → function. The tables of shared/rows/api.c know nothing of it.
#ifndef YJ_AGENT_HANDLERS_H
#define YJ_AGENT_HANDLERS_H

#include "agent/web/web.h"

// EP_COUNT of them, by endpoint id.
const req_handler *handlers_all(void);

#endif
