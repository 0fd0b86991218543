// SPDX-License-Identifier: MIT
// What an Idempotency-Key stands for.
#ifndef YJ_AGENT_WEB_IDEM_H
#define YJ_AGENT_WEB_IDEM_H

#include "agent/web/web.h"

// Method, path, query and this body of the request. False: sealed, nothing can be compared.
bool idem_hash(const struct req *r, struct slice body, unsigned char ret[32]);

#endif
