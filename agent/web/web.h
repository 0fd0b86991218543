// SPDX-License-Identifier: MIT
// A request as its handler sees it, HTTP/1.1 (RFC 9112) and 1.0. Framing guard, slow-sender reaper,
// routing by the endpoint table, identity, body limits and answers live in this folder; handlers know
// none of it. Everything is for the loop's thread.
#ifndef YJ_AGENT_WEB_WEB_H
#define YJ_AGENT_WEB_WEB_H

#include "agent/web/auth.h"
#include "agent/web/read.h"
#include "agent/web/reply.h"
#include "shared/arena.h"

#define REQ_PARAMS_MAX 4
#define REQ_ID_MAX 24
#define IDEMPOTENCY_KEY_MAX 255

struct agent; // agent/core/agent.h: everything a handler may reach

struct req {
	struct arena arena; // dies with the request
	struct agent *agent; // borrowed
	struct loop *loop; // borrowed
	const struct snapshot *snap; // held until the request ends
	const struct endpoint *ep;
	enum service_id service; // whose port it came in on
	enum http_method method;
	struct slice path; // raw, after the optional /v1 prefix rule
	struct slice param[REQ_PARAMS_MAX]; // of {…} segments, percent-decoded
	struct slice body; // whole; empty when none
	struct principal who;
	// Why it is refused, when that is known better than its error code says.
	enum refusal refused;
	const char *refused_client, *refused_name; // id and name of the client then; in the arena
	bool told; // refused, or failed: counted and told already
	char id[REQ_ID_MAX]; // X-Request-Id
	int64_t start_us; // monotonic
	int status; // set by the reply
	void *user; // the handler's own
	struct web_req *web; // private
};

// A handler replies before it returns, or calls req_suspend and replies later from its loop.
typedef void (*req_handler)(struct req *r);

#endif
