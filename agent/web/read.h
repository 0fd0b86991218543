// SPDX-License-Identifier: MIT
// What a handler reads of its request: headers, the query, conditions, who asks.
#ifndef YJ_AGENT_WEB_READ_H
#define YJ_AGENT_WEB_READ_H

#include "shared/err.h"
#include "shared/jw.h"
#include "shared/rows/api.h"
#include "agent/store/store.h"

struct req;

// NULL / empty slice when absent. Header names in any case.
const char *req_header(const struct req *r, const char *name);
// A query value, judged by the endpoint's row of this name before the handler ran: its decoded text,
// NULL when absent; what query_value's num is; and that as a truth.
const char *req_query(const struct req *r, const char *name);
int64_t req_query_int(const struct req *r, const char *name);
bool req_query_bool(const struct req *r, const char *name);
// Of an object that the request changes: its entity tag, NULL when there is none. Says
// ERR_PRECONDITION_FAILED when If-Match or If-None-Match do not let it. Any thread.
enum err_code req_may_change(const struct req *r, const char *etag, struct err *err);
// True when it says If-Match, so that a change needs the object as it was judged.
bool req_has_if_match(const struct req *r);
// True when it says If-None-Match: *, so that something new is to be made or nothing.
bool req_wants_new(const struct req *r);
// Of an answer to GET: adds the ETag. True when the caller has it, or wants another one alone: 304 or
// 412 was sent.
bool req_not_modified(struct req *r, const char *etag);
// Whether a Prefer header (RFC 7240) says `name`, alone and without a value. ERR_PARAM_INVALID when
// one cannot be read.
// The task whose end its caller waited for at an agent before; NULL: none.
const char *req_resumes(const struct req *r);
enum err_code req_prefers(const struct req *r, const char *name, bool *ret, struct err *err);
// Idempotency-Key; empty when absent. ERR_PARAM_INVALID, or ERR_FIELD_RANGE when too long.
enum err_code req_idempotency_key(const struct req *r, struct slice *ret, struct err *err);
// The query as it came.
struct slice req_raw_query(const struct req *r);
struct actor req_actor(const struct req *r);
// The members of an event that say who did it: "actor", and "actor_name" where there is one.
void req_actor_write(const struct req *r, struct jw *w);
// ERR_OK as long as who was let in would be now; for answers that last. Others are judged again by
// their next request.
enum err_code req_still_may(const struct req *r);
// Root, without a token, over the unix socket: what nobody on a network can be.
bool req_is_unix_root(const struct req *r);
// Which endpoints have a handler in this build.
void req_mounted(const struct req *r, bool ret[EP_COUNT]);

#endif
