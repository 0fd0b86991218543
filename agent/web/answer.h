// SPDX-License-Identifier: MIT
// The head of a decided answer.
#ifndef YJ_AGENT_WEB_ANSWER_H
#define YJ_AGENT_WEB_ANSWER_H

#include <stdbool.h>
#include "shared/str.h"

struct web_req;

bool web_out_has(const struct web_req *q, const char *name);
// The headers of the decided answer but for its framing, one by one.
void web_each_header(struct web_req *q, void (*fn)(void *arg, const char *name, const char *value),
	void *arg);
// Status line and headers, appended to out.
void web_write_head(struct web_req *q, struct str *out);

#endif
