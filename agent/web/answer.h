// SPDX-License-Identifier: MIT
// The head of a decided answer.
#ifndef YJ_AGENT_WEB_ANSWER_H
#define YJ_AGENT_WEB_ANSWER_H

#include <stdbool.h>
#include <string.h>
#include "shared/str.h"
#include "shared/token.h"

struct web_req;

// Writes a header's value, which is a handler's or an upstream's: a line break in it would begin another
// header, so control bytes become blanks. Returns its end.
static inline char *web_put_value(char *at, struct slice value)
{
	char *end = at + value.n;
	memcpy(at, value.p, value.n);
	for (char *p = LIKELY(field_value_is(value)) ? end : at; p < end; p++)
		*p = field_value_char(*p) ? *p : ' ';
	return end;
}
bool web_out_has(const struct web_req *q, const char *name);
// The headers of the decided answer but for its framing, one by one.
void web_each_header(struct web_req *q, void (*fn)(void *arg, const char *name, const char *value),
	void *arg);
// Status line and headers, appended to out.
void web_write_head(struct web_req *q, struct str *out);

#endif
