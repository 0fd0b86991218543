// SPDX-License-Identifier: MIT
// Browser pages of other origins (Fetch standard, "CORS protocol"): those that the operator names, by
// their exact origins, may call models and read the answers; nothing else of the agent, and never with
// a browser's own credentials.
#ifndef YJ_AGENT_WEB_CORS_H
#define YJ_AGENT_WEB_CORS_H

#include <stdbool.h>
#include "shared/err.h"
#include "shared/slice.h"

// Answers' headers that a page may read besides those that any may.
#define CORS_EXPOSED                                                                                                \
	"X-Request-Id, X-Yijian-Decision, X-Yijian-Target, X-Yijian-Reason, X-Yijian-Attempts, "                    \
	"X-Yijian-Dropped, X-Yijian-Task, X-Yijian-Note, Retry-After, Retry-After-Ms, X-Should-Retry, Request-Id, " \
	"X-RateLimit-Limit-Requests, X-RateLimit-Remaining-Requests, X-RateLimit-Reset-Requests, "                  \
	"X-RateLimit-Limit-Tokens, X-RateLimit-Remaining-Tokens, X-RateLimit-Reset-Tokens"

struct web_req;

// The setting: a comma list of origins as browsers send them. ERR_CONFIG_INVALID when one is none.
enum err_code cors_parse(struct slice list, struct err *err);
// Whether the list names it.
bool cors_lists(struct slice list, struct slice origin);
// Behind the match of a request with an Origin: notes what its answers say to the page. ERR_OK, also
// of a preflight that is to be answered by web_cors_preflight; ERR_BAD_ORIGIN: of one that is not.
// Others go on as they would have.
enum err_code web_cors_judge(struct web_req *q, enum err_code code);
// Answers a preflight.
void web_cors_preflight(struct web_req *q);

#endif
