// SPDX-License-Identifier: MIT
// How an attempt ends: a whole answer that is passed on, an error the upstream gave, or a failure;
// and whether the caller is answered or the next candidate is asked.
#include "agent/gateway/private.h"

#include "agent/call/admit.h"
#include "agent/call/attempt.h"
#include "agent/call/book.h"

void gw_count_broken(struct gw_call *c, const char *cause)
{
	const char *const labels[] = {c->cells->name, cause, NULL};
	metric_add(c->gl->agent->metrics, MET_GW_STREAMS_BROKEN, 1, labels);
}

void gw_attempt_over(struct gw_call *c, const struct ending *e)
{
	if (c->tries.cand == NULL)
		return;
	gw_batch_stop(c);
	gw_settle_usage(c);
	if (UNLIKELY(e->out == OUT_FAILED)) // who repeats it counts once
		c->tries.by = slice_hash_wide(slice_hash(SLICE_HASH_BEGIN,
						      slice_of(c->tries.ask.client->text)),
			c->in.body);
	struct booking b = gw_booking(c, e);
	attempt_end(&c->tries, e, &b);
}

void gw_attempt_end(struct gw_call *c, enum outcome out, int status, enum err_code code,
	const char *end)
{
	gw_attempt_over(c,
		&(struct ending){.out = out, .status = status, .code = code, .end = end});
}

// It failed: the next candidate may do better.
static void go_on(struct gw_call *c)
{
	gw_record_failure(c);
	c->go_on(c);
}

void gw_attempt_failed(struct gw_call *c, enum up_end end, int status)
{
	struct ending e = attempt_failed(&c->tries, end, status);
	gw_attempt_over(c, &e);
	go_on(c);
}

// Too long for the one that was asked: true when one whose window is known to be larger is left. The
// others would say the same.
static bool larger_left(struct gw_call *c)
{
	const struct adapter_error *e = &c->tries.error;
	int64_t window = adapter_window(&c->in, c->tries.cand);
	window = MAX_OF(window, e->window);
	if (window == 0) // then it is as large as the request seems to be
		window = c->tries.ask.tokens;
	bool left = false;
	for (size_t i = 0; i < c->route->n; i++) {
		if (window > 0 && adapter_window(&c->in, &c->route->v[i]) > window)
			left |= c->per_candidate[i] == 0;
		else
			decide_tried(&c->tries.ask, (int)i);
	}
	return left;
}

void gw_attempt_refused(struct gw_call *c, int status, struct slice retry_after, struct slice body)
{
	bool assumed = c->adapter->protocol != c->tries.cand->protocol;
	struct ending e = attempt_refused(&c->tries, assumed, status, retry_after, body);
	if (UNLIKELY(c->tries.error.larger) && e.final && larger_left(c))
		e.final = false;
	gw_attempt_over(c, &e);
	if (!e.final) {
		go_on(c);
		return;
	}
	struct err err = {0};
	err_set(&err, e.code, c->tries.error.message[0] != '\0' ? "%s" : NULL,
		c->tries.error.message);
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
	enum answer_kind kind = adapter_parse(c->adapter, c->call, &got, &c->scratch, &answer);
	if (UNLIKELY(kind == ANSWER_BAD)) // it may stream whatever it was asked
		kind = gw_sink_events(c, body, &answer);
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
		gw_attempt_end(c, OUT_OK, res->status, ERR_OK, "ok");
		gw_reply(c, res->status, &answer);
		return;
	case ANSWER_ERROR:
		gw_attempt_refused(c, answer.status, res->retry_after, body);
		return;
	case ANSWER_BAD:
		if (adapter_is_error(body))
			gw_attempt_refused(c, 0, res->retry_after, body);
		else
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
	gw_attempt_end(c, OUT_CLIENT, 0, e->code, "not_sent");
	gw_fail(c, e);
}

const struct batch_calls gw_batch_calls = {.end = take_end, .failed = part_failed};
