// SPDX-License-Identifier: MIT
// How an attempt ends: a whole answer that is passed on, an error the upstream gave, or a failure;
// and whether the caller is answered or the next candidate is asked.
#include "agent/gateway/private.h"

#include "agent/call/admit.h"
#include "agent/call/attempt.h"
#include "agent/call/secret.h"
#include "shared/clock.h"

void gw_count_broken(struct gw_call *c, const char *cause)
{
	const char *const labels[] = {c->cells->name, cause, NULL};
	metric_add(c->gl->agent->metrics, MET_GW_STREAMS_BROKEN, 1, labels);
}

// The attempt under way is over, whatever is still asked for of a list.
static void over(struct gw_call *c, enum outcome out, int status, enum err_code code,
	const char *end, int64_t cooldown_us)
{
	gw_batch_stop(c);
	gw_attempt_end(c, out, status, code, end, cooldown_us);
}

// It failed: the next candidate may do better.
static void go_on(struct gw_call *c)
{
	gw_record_failure(c);
	c->go_on(c);
}

void gw_attempt_failed(struct gw_call *c, enum up_end end, int status)
{
	c->unreachable = end == UP_CONNECT || end == UP_TIMEOUT_CONNECT || end == UP_RESET;
	const char *word = end == UP_OK ? "bad_response" : up_end_name(end);
	// That this agent is full says nothing of the candidate.
	enum outcome out = end == UP_NO_ROOM ? OUT_CLIENT : OUT_FAILED;
	c->unsent = end == UP_NO_ROOM;
	over(c, out, status, up_end_code(end), word, 0);
	go_on(c);
}

void gw_attempt_refused(struct gw_call *c, int status, struct slice retry_after, struct slice body)
{
	struct slice key = c->secret != NULL ? secret_bytes(&c->secret->key)
					     : (struct slice){NULL, 0};
	int64_t cooldown_us = 0;
	if (status != 0 && status < 400) { // a redirect is never followed
		gw_attempt_failed(c, UP_OK, status);
		return;
	}
	const struct instance *in = c->cand->key == NULL ? &c->cand->instance->doc : NULL;
	adapter_error_read_as(in != NULL ? (enum error_shape)in->quirks.error_shape : ERRORS_ANY,
		in != NULL ? in->engine : c->cand->key->doc.vendor, status, body, key, &c->error);
	c->error.outcome = gw_outcome_at(c->cand, c->error.outcome);
	// Asked for what it was only taken to have: it does not, which says nothing of what it has.
	if (status == 404 && c->adapter->protocol != c->cand->protocol)
		c->error.outcome = OUT_CLIENT;
	// A name that came from the caller may be wrong for this caller alone.
	if (c->error.outcome == OUT_MODEL_GONE && c->cand->target->upstream_model == NULL)
		c->error.outcome = OUT_CLIENT;
	if (c->error.outcome == OUT_RATE_LIMITED) {
		int64_t s = adapter_retry_after_s(retry_after, clock_wall_ms(),
			c->feature->doc.retry.honour_retry_after_max_s);
		cooldown_us = s * 1000000;
		if (s > 0 && (c->retry_s == 0 || s < c->retry_s))
			c->retry_s = s;
	}
	over(c, c->error.outcome, status, c->error.code,
		status != 0 ? arena_printf(&c->r->arena, "http_%d", status) : "error", cooldown_us);
	if (!c->error.final) {
		go_on(c);
		return;
	}
	struct err err = {0};
	err_set(&err, c->error.code, c->error.message[0] != '\0' ? "%s" : NULL, c->error.message);
	gw_fail(c, &err);
}

// ---- whole answers ----

static const char *answer_type(struct gw_call *c, const struct adapter_answer *answer)
{
	if (answer->content_type != NULL)
		return answer->content_type;
	if (answer->own_type.n > 0)
		return arena_slice(&c->r->arena, answer->own_type);
	return "application/json";
}

void gw_reply(struct gw_call *c, int status, struct adapter_answer *answer)
{
	struct req *r = c->r;
	c->bytes_out = answer->body.n;
	c->ttfb_us = loop_now_us(c->gl->loop) - r->start_us;
	gw_headers(c);
	gw_account(c, status, ERR_OK);
	req_reply(r, status, answer_type(c, answer), answer->body);
}

void gw_take_answer(struct gw_call *c, const struct upstream_response *res, struct slice body)
{
	const struct adapter_reply got = {.status = res->status,
		.content_type = res->content_type,
		.body = body,
		.at_s = c->wall_ms / 1000,
		.serial = c->serial};
	struct adapter_answer answer;
	enum answer_kind kind = c->adapter->parse(c->call, &got, &c->scratch, &answer);
	if (kind == ANSWER_OK) {
		enum batch_step step = gw_batch_take(c, &answer);
		if (UNLIKELY(step == BATCH_MORE)) {
			gw_batch_go_on(c);
			return;
		}
		if (UNLIKELY(step == BATCH_BAD))
			kind = ANSWER_BAD;
	}
	if (kind == ANSWER_OK && !gw_sink_whole(c, &answer))
		kind = ANSWER_BAD;
	switch (kind) {
	case ANSWER_OK:
		c->usage = answer.usage;
		c->bytes_out = answer.body.n;
		over(c, OUT_OK, res->status, ERR_OK, "ok", 0);
		gw_reply(c, res->status, &answer);
		return;
	case ANSWER_ERROR:
		gw_attempt_refused(c, answer.status, res->retry_after, body);
		return;
	case ANSWER_BAD:
		gw_attempt_failed(c, UP_OK, res->status);
	}
}

static void take_end(struct gw_call *c, enum up_end end, const struct upstream_response *res,
	struct slice body)
{
	if (end == UP_OK)
		gw_heed_upstream(c, res);
	if (end != UP_OK)
		gw_attempt_failed(c, end, res->status);
	else if (res->status < 200 || res->status > 299)
		gw_attempt_refused(c, res->status, res->retry_after, body);
	else
		gw_take_answer(c, res, body);
}

static void on_done(void *arg, enum up_end end, const struct upstream_response *res,
	struct slice body, const struct err *err)
{
	struct gw_call *c = arg;
	(void)err;
	c->up = NULL;
	take_end(c, end, res, body);
}

const struct upstream_callbacks gw_whole_callbacks = {.done = on_done};

// ---- lists in parts ----

// A further part has no words: none of them is answered.
static void part_failed(struct gw_call *c, const struct err *e)
{
	over(c, OUT_CLIENT, 0, e->code, "not_sent", 0);
	gw_fail(c, e);
}

const struct batch_calls gw_batch_calls = {.end = take_end, .failed = part_failed};
