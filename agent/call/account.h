// SPDX-License-Identifier: MIT
// What becomes known of a call: to its caller, the counters, the decisions and the event stream.
#ifndef YJ_AGENT_CALL_ACCOUNT_H
#define YJ_AGENT_CALL_ACCOUNT_H

#include "agent/call/call.h"

struct gw_told { // a traffic event, of a call or of work that outlived its calls; all borrowed
	const char *id; // of the request, or of the task
	const char *task, *model, *target, *decision, *limited_by, *reason; // NULL: none
	const struct ident *client;
	const char *client_name; // for people; NULL or "" none
	const char *feature, *endpoint;
	const struct attempt *tries;
	size_t tries_n;
	int status;
	enum err_code code;
	bool stream;
	int64_t ttfb_us, total_us; // ttfb 0: none
	int64_t tokens_in, tokens_out; // -1 unknown
	enum cost_source tokens_source;
	bool absurd; // the upstream told a usage that was not believed
	struct money cost;
	size_t bytes_in, bytes_out;
};

// X-Yijian-… of the answer.
void gw_headers(struct gw_call *c);
// An error will tell the caller to come back in about s seconds.
void gw_tell_retry(struct gw_call *c, int64_t s);
// Answers with an error, and with what retry_after_s says, and ends the call.
void gw_fail(struct gw_call *c, const struct err *e);
// What it would answer, in the caller's shape.
int gw_error_status(const struct gw_call *c, const struct err *e);
void gw_error_json(const struct gw_call *c, const struct err *e, struct str *out);
// Counts and tells what happened, once.
void gw_account(struct gw_call *c, int status, enum err_code code);
// Writes the event. s: scratch. Any thread.
void gw_tell(struct agent *a, struct str *s, const struct gw_told *t);
// 5xx, 429 and streams that broke: what the error rate of a route counts.
bool gw_is_failure(int status, enum err_code code);
void gw_record_failure(struct gw_call *c);
// What is known of the usage at the end, and how.
void gw_settle_usage(struct gw_call *c);
// The end of the attempt under way changed how its candidate stands.
void gw_candidate_event(const struct tries *t, const struct ending *e);

#endif
