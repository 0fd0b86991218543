// SPDX-License-Identifier: MIT
// Answers whose bytes pass as they come: sound. Nothing is shown before the first byte, so until
// then every failure is a real status or a fallback; afterwards the answer is complete or its
// connection is cut, since bytes have no other way to say that they broke.
#include "agent/gateway/private.h"

#include "agent/call/admit.h"
#include "agent/call/attempt.h"
#include "agent/call/secret.h"
#include "agent/protocol/scrub.h"

#include <string.h>

static bool begins_as(struct slice type, const char *name)
{
	size_t n = strlen(name);
	return type.n >= n && slice_ieq_n(type, name, n); // of either case
}

static bool head(void *arg, const struct upstream_response *res)
{
	struct gw_call *c = arg;
	c->status = res->status;
	str_clear(&c->instead);
	// What is text instead of sound is an error, whatever its status.
	c->raw = res->status == 200 && !begins_as(res->content_type, "application/json") &&
		!begins_as(res->content_type, "text/");
	// The one header of an upstream that callers are shown: not when it quotes the key.
	bool shown = c->raw && res->content_type.n > 0 &&
		(c->tries.secret == NULL ||
			!scrub_holds(res->content_type, secret_bytes(&c->tries.secret->key)));
	c->raw_type = shown ? arena_slice(&c->r->arena, res->content_type)
			    : "application/octet-stream";
	return true;
}

static void on_drain(struct req *r)
{
	struct gw_call *c = r->user;
	if (c->up != NULL)
		upcall_pause(c->up, false);
}

static void open_answer(struct gw_call *c)
{
	struct req *r = c->r;
	c->phase = GS_OPEN;
	c->ttfb_us = loop_now_us(c->gl->loop) - r->start_us;
	gw_headers(c);
	req_on_drain(r, on_drain);
	req_stream_begin(r, 200, c->raw_type);
}

static bool data(void *arg, struct slice bytes)
{
	struct gw_call *c = arg;
	if (!c->raw) { // the beginning is enough to know what it says
		size_t room = GW_ERROR_BODY_MAX - c->instead.n;
		str_add_n(&c->instead, bytes.p, MIN_OF(bytes.n, room));
		return true;
	}
	if (bytes.n == 0)
		return true;
	if (c->phase == GS_WAIT)
		open_answer(c);
	c->bytes_out += bytes.n;
	if (req_stream_write(c->r, bytes) > REQ_STREAM_HIGH && c->up != NULL)
		upcall_pause(c->up, true);
	return true;
}

static void complete(struct gw_call *c)
{
	c->chunks.usage.chars = c->in.chars != FIELD_NONE ? c->in.chars : -1;
	gw_attempt_end(c, OUT_OK, 200, ERR_OK, "ok");
	gw_account(c, 200, ERR_OK);
	req_stream_end(c->r);
}

static void broken(struct gw_call *c, const char *end)
{
	c->code = ERR_STREAM_INTERRUPTED;
	gw_count_broken(c, end);
	gw_attempt_end(c, OUT_FAILED, 200, ERR_STREAM_INTERRUPTED, end);
	gw_record_failure(c);
	gw_account(c, 200, ERR_STREAM_INTERRUPTED);
	req_stream_abort(c->r);
}

static void without_sound(struct gw_call *c, const struct upstream_response *res)
{
	const struct adapter_reply got = {.status = res->status,
		.content_type = res->content_type,
		.body = str_slice(&c->instead)};
	struct adapter_answer answer;
	if (res->status < 200 || res->status > 299)
		gw_attempt_refused(c, res->status, res->retry_after, got.body);
	else if (c->adapter->parse(c->call, &got, &c->scratch, &answer) == ANSWER_ERROR)
		gw_attempt_refused(c, answer.status, res->retry_after, got.body);
	else
		gw_attempt_failed(c, UP_OK, res->status);
}

static void done(void *arg, enum up_end end, const struct upstream_response *res, struct slice body,
	const struct err *err)
{
	struct gw_call *c = arg;
	(void)body;
	(void)err;
	c->up = NULL;
	if (end == UP_OK)
		gw_heed_upstream(c, res);
	if (c->phase == GS_OPEN && end == UP_OK)
		complete(c);
	else if (c->phase == GS_OPEN)
		broken(c, up_end_name(end));
	else if (end != UP_OK)
		gw_attempt_failed(c, end, res->status);
	else
		without_sound(c, res);
}

// What is not shown yet, too: one document.
static uint64_t unfinished(void *arg UNUSED)
{
	return 1;
}

const struct upstream_callbacks gw_raw_callbacks = {head, data, done, unfinished};
