// SPDX-License-Identifier: MIT
// OpenAPI 3.1 of one service, and the plain list of its endpoints, made from the endpoint and
// field rows.
#ifndef YJ_SHARED_ROWS_OPENAPI_H
#define YJ_SHARED_ROWS_OPENAPI_H

#include "shared/rows/api.h"
#include "shared/str.h"

// all: what the gateway mounts, every service's endpoints; otherwise the service's own.
// mounted[EP_COUNT] (NULL: every row) leaves rows out.
void openapi_write(enum service_id service, bool all, const bool *mounted, struct str *out);
// {"items":[{"method","path","name","summary","service","needs"}],"total":N}
void openapi_list(enum service_id service, bool all, const bool *mounted, struct str *out);

#endif
