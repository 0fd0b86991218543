// SPDX-License-Identifier: MIT
// Attempts: decide, begin, judge how it ended, and go on with the next candidate as long as the
// caller has seen no byte.
#include "agent/call/call.h"

#include <string.h>
#include "agent/protocol/table.h"
#include "shared/clock.h"
#include "shared/text.h"

#define JSON_TYPE "application/json"
#define EVENT_TYPE "text/event-stream"
#define AGENT "User-Agent: yijian/" YJ_VERSION "\r\n"
#define HEADERS "Content-Type: " JSON_TYPE "\r\nAccept: " JSON_TYPE "\r\n" AGENT
#define HEADERS_STREAM "Content-Type: " JSON_TYPE "\r\nAccept: " EVENT_TYPE "\r\n" AGENT
// Self-hosted targets may be agents themselves; vendors are told nothing.
#define HOP "X-Yijian-Hop: 1\r\n"
#define HOP_2 "X-Yijian-Hop: 2\r\n"
#define HOP_3 "X-Yijian-Hop: 3\r\n"
#define HOP_4 "X-Yijian-Hop: 4\r\n" // refused by whoever gets it: an agent that calls itself
enum { HOPS = 5 };

// ---- the end of an attempt ----

// What the attempt used of its key's tokens: as reported, nothing when it failed or was refused, or
// -1 unknown.
static int64_t tokens_used(const struct gw_call *c, enum outcome out, int status)
{
	if (UNLIKELY(usage_is_absurd(&c->usage)))
		return -1;
	if (c->usage.in >= 0 || c->usage.out >= 0)
		return MAX_OF(c->usage.in, 0) + MAX_OF(c->usage.out, 0);
	return out == OUT_OK || (out == OUT_CLIENT && status < 400) ? -1 : 0;
}

// Gives back what admit() took, but for what was used.
static void give_back(struct gw_call *c, enum outcome out, int status)
{
	struct live *l = c->cand->live;
	const struct key_obj *key = c->cand->key;
	if (key == NULL)
		atomic_fetch_sub_explicit(&l->inflight, 1, memory_order_relaxed);
	else if (UNLIKELY(c->unsent))
		limits_undo(&key->limits, l, c->ask.tokens);
	else
		limits_release(&key->limits, l, c->ask.tokens, tokens_used(c, out, status));
}

static void tell_live(struct gw_call *c, enum outcome out, int status, enum err_code code,
	int64_t cooldown_us)
{
	struct live *pair = c->cand->pair;
	int64_t now = loop_now_us(c->gl->loop);
	give_back(c, out, status);
	if (pair != NULL)
		atomic_fetch_sub_explicit(&pair->inflight, 1, memory_order_relaxed);
	const struct attempt_end e = {.out = out, .unreachable = c->unreachable,
		.status = status != 0 ? status : -(int)code, .now_us = now,
		.wall_ms = clock_wall_ms(), .us = now - c->try_us, .cooldown_us = cooldown_us};
	const struct breaker_policy p = attempt_policy(&c->feature->doc);
	if (attempt_tell(c->cand, &p, &e))
		gw_candidate_event(c, out, status);
}

void gw_attempt_end(struct gw_call *c, enum outcome out, int status, enum err_code code,
	const char *end, int64_t cooldown_us)
{
	int64_t us = loop_now_us(c->gl->loop) - c->try_us;
	if (c->cand == NULL)
		return;
	gw_batch_stop(c);
	gw_settle_usage(c);
	tell_live(c, out, status, code, cooldown_us);
	gw_ledger(c, out, code);
	c->tries[c->tries_n++] = (struct gw_attempt){.target = c->cand->name, .end = end,
		.status = status, .code = code, .ms = us / 1000};
	gw_count_attempt(c->gl, c->cells, c->cand, out);
	gw_secret_drop(c->gl, c->secret);
	c->secret = NULL;
	c->cand = NULL;
	if (c->kept || c->recorded)
		decisions_attempt(c->gl->agent->decisions, c->id, c->tries[c->tries_n - 1].target,
			status, code, us / 1000);
}

static const char *http_word(struct gw_call *c, int status)
{
	return arena_printf(&c->r->arena, "http_%d", status);
}

static void go_on(struct gw_call *c)
{
	gw_record_failure(c);
	gw_next(c);
}

void gw_attempt_failed(struct gw_call *c, enum up_end end, int status)
{
	c->unreachable = end == UP_CONNECT || end == UP_TIMEOUT_CONNECT || end == UP_RESET;
	const char *word = end == UP_OK ? "bad_response" : up_end_name(end);
	// That this agent is full says nothing of the candidate.
	enum outcome out = end == UP_NO_ROOM ? OUT_CLIENT : OUT_FAILED;
	c->unsent = end == UP_NO_ROOM;
	gw_attempt_end(c, out, status, up_end_code(end), word, 0);
	go_on(c);
}

static void answer_refusal(struct gw_call *c)
{
	struct err err = {0};
	const struct adapter_error *e = &c->error;
	err_set(&err, e->code, e->message[0] != '\0' ? "%s" : NULL, e->message);
	gw_fail(c, &err);
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
		in != NULL ? in->engine : c->cand->key->doc.vendor, status != 0 ? status : 502, body,
		key, &c->error);
	c->error.outcome = gw_outcome_at(c->cand, c->error.outcome);
	// Asked for what it was only taken to have: it does not, which says nothing of what it has.
	if (status == 404 && protocol_row(c->cand->protocol)->offer != c->in.offer)
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
	gw_attempt_end(c, c->error.outcome, status, c->error.code,
		status != 0 ? http_word(c, status) : "error", cooldown_us);
	if (c->error.final)
		answer_refusal(c);
	else
		go_on(c);
}

// ---- whole answers ----

static const char *answer_type(struct gw_call *c, const struct adapter_answer *answer)
{
	if (answer->content_type != NULL)
		return answer->content_type;
	if (answer->own_type.n > 0)
		return arena_slice(&c->r->arena, answer->own_type);
	return JSON_TYPE;
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
	const struct adapter_reply got = {.status = res->status, .content_type = res->content_type,
		.body = body, .at_s = c->wall_ms / 1000, .serial = c->serial};
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
		gw_attempt_end(c, OUT_OK, res->status, ERR_OK, "ok", 0);
		gw_reply(c, res->status, &answer);
		return;
	case ANSWER_ERROR:
		gw_attempt_refused(c, answer.status, res->retry_after, body);
		return;
	case ANSWER_BAD:
		gw_attempt_failed(c, UP_OK, res->status);
	}
}

void gw_take_end(struct gw_call *c, enum up_end end, const struct upstream_response *res,
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
	gw_take_end(c, end, res, body);
}

static const struct upstream_callbacks whole = {.done = on_done};

// ---- the beginning of an attempt ----

static int hop_of(const struct gw_call *c)
{
	const char *hop = c->cand->key == NULL ? req_header(c->r, "X-Yijian-Hop") : NULL;
	if (c->cand->key != NULL)
		return 0;
	return hop == NULL || hop[0] < '0' || hop[0] > '3' || hop[1] != '\0' ? 1 : hop[0] - '0' + 1;
}

// The usual ones stand ready.
static const char *headers_of(const struct gw_call *c, const struct adapter_ask *a, struct str *room)
{
	static const char *const ready[2][HOPS] = {
		{HEADERS, HEADERS HOP, HEADERS HOP_2, HEADERS HOP_3, HEADERS HOP_4},
		{HEADERS_STREAM, HEADERS_STREAM HOP, HEADERS_STREAM HOP_2, HEADERS_STREAM HOP_3,
			HEADERS_STREAM HOP_4}};
	static const char *const hops[HOPS] = {"", HOP, HOP_2, HOP_3, HOP_4};
	int hop = hop_of(c);
	if (LIKELY(a->content_type == NULL && a->accept == NULL && a->headers.n == 0))
		return ready[a->stream][hop];
	str_clear(room);
	str_addf(room, "Content-Type: %s\r\nAccept: %s\r\n" AGENT "%s%s",
		a->content_type != NULL ? a->content_type : JSON_TYPE,
		a->accept != NULL ? a->accept : a->stream ? EVENT_TYPE : JSON_TYPE, hops[hop],
		str_text(&a->headers));
	return str_text(room);
}

struct upcall *gw_start(struct gw_call *c, const struct adapter_ask *ask, struct str *headers,
	const struct upstream_callbacks *cb, void *arg)
{
	const struct feature *f = &c->feature->doc;
	int64_t now = loop_now_us(c->gl->loop);
	struct upstream_request q = {.url = c->cand->url,
		.pool_key = c->cand->live->id,
		.method = ask->method,
		.path = str_text(&ask->path),
		.headers = headers_of(c, ask, headers),
		.body = str_slice(&ask->body),
		.connect_ms = f->timeouts.connect_ms,
		.first_byte_ms = MAX_OF(f->timeouts.first_byte_ms, c->adapter->patience_ms),
		.idle_ms = f->timeouts.idle_ms,
		.body_max = ask->stream ? GW_STREAM_MAX : GW_ANSWER_MAX,
		.stream = ask->stream,
		.near_only = c->cand->instance != NULL && c->cand->instance->near_only,
		.vendor_key = c->secret != NULL};
	int64_t left_ms = c->ask.deadline_us != FIELD_NONE
				  ? MAX_OF((c->ask.deadline_us - now) / 1000, 1)
				  : 0;
	q.total_ms = left_ms;
	if (c->in.stream) { // the request's deadline holds until the stream has begun
		q.total_ms = f->timeouts.stream_total_ms;
		if (left_ms > 0)
			q.first_byte_ms = MIN_OF(q.first_byte_ms, left_ms);
	}
	if (c->secret != NULL) {
		q.auth = &c->secret->key;
		q.auth_style = candidate_auth(c->cand, &q.auth_header);
	}
	return upstream_start(loop_upstream(c->gl->loop), &q, cb, arg);
}

// Takes what the attempt needs; false when another request was faster. forced: the least bad of
// those that are out, whatever its breakers say.
static bool admit(struct gw_call *c, const struct candidate *cand, bool forced)
{
	int64_t now = loop_now_us(c->gl->loop);
	struct limit_hit hit;
	if (cand->key == NULL)
		atomic_fetch_add_explicit(&cand->live->inflight, 1, memory_order_relaxed);
	else if (!limits_take(&cand->key->limits, cand->live, c->ask.tokens, now, clock_wall_ms(),
			 &hit))
		return false;
	if (forced || attempt_may(cand, now))
		return true;
	if (cand->key == NULL)
		atomic_fetch_sub_explicit(&cand->live->inflight, 1, memory_order_relaxed);
	else
		limits_undo(&cand->key->limits, cand->live, c->ask.tokens);
	return false;
}

static void mark(struct gw_call *c, int i)
{
	if (++c->per_candidate[i] >= c->feature->doc.retry.per_target)
		decide_tried(&c->ask, i);
}

void gw_clear_ask(struct adapter_ask *a)
{
	a->method = "POST";
	a->content_type = a->accept = NULL;
	a->stream = a->grows = a->raw = false;
	str_clear(&a->path);
	str_clear(&a->headers);
	str_clear(&a->body);
}

static enum stream_end stream_end(const struct candidate *cand)
{
	const struct quirks *q = cand->instance != NULL ? &cand->instance->doc.quirks : NULL;
	if (LIKELY(q == NULL || q->sends_done))
		return ENDS_WITH_DONE;
	return q->stream_options ? ENDS_WITH_USAGE : ENDS_WITH_FINISH;
}

// This candidate's adapter has no words for the request: the next one may have.
static void pass_over(struct gw_call *c, int i, const struct err *err)
{
	if (c->unfit == NULL) {
		c->unfit = arena_alloc(&c->r->arena, sizeof(*err));
		*c->unfit = *err;
	}
	c->unsent = true;
	decide_tried(&c->ask, i);
	gw_attempt_end(c, OUT_CLIENT, 0, err->code, "not_sent", 0);
	c->unfit_n++;
	gw_record_failure(c);
}

// ---- the same candidate once more ----

static void pause_over(void *arg)
{
	struct gw_call *c = arg;
	gw_wait_stop(c);
	c->paused = true;
	gw_next(c);
}

// What failed for many at once is not asked again by all of them at once.
static void pause_first(struct gw_call *c, int before)
{
	int64_t most_us = GW_AGAIN_US << MIN_OF(before - 1, 4);
	c->waiting = true;
	c->gl->waiting++;
	loop_timer_set(c->gl->loop, &c->wait,
		1000 + (int64_t)(gw_random(c->gl) % (uint64_t)most_us), pause_over, c);
}

enum again { AGAIN_NOW, AGAIN_LATER, AGAIN_NOT };

static enum again ask_again(struct gw_call *c, int i, const struct candidate *cand)
{
	int before = c->per_candidate[i];
	bool paused = c->paused;
	c->paused = false;
	if (before == 0) {
		if (c->feature->doc.retry.per_target > 1)
			breaker_first(cand->live);
		return AGAIN_NOW;
	}
	if (paused)
		return AGAIN_NOW;
	if (c->gl->waiting >= GW_WAITING_MAX || !breaker_retry(cand->live))
		return AGAIN_NOT;
	pause_first(c, before);
	return AGAIN_LATER;
}

// False when the candidate cannot be tried after all (another loop was faster).
static bool begin(struct gw_call *c, int i, bool forced)
{
	const struct candidate *cand = &c->route->v[i];
	struct err err = {0};
	enum again again = ask_again(c, i, cand);
	if (UNLIKELY(again != AGAIN_NOW)) {
		if (again == AGAIN_NOT)
			decide_tried(&c->ask, i);
		return again == AGAIN_LATER;
	}
	c->ask.no_least_bad |= forced;
	if (!admit(c, cand, forced)) {
		decide_tried(&c->ask, i);
		return false;
	}
	mark(c, i);
	c->cand = cand;
	c->cand_i = i;
	c->unreachable = c->unsent = false;
	c->try_us = loop_now_us(c->gl->loop);
	if (cand->pair != NULL)
		atomic_fetch_add_explicit(&cand->pair->inflight, 1, memory_order_relaxed);
	atomic_store_explicit(&cand->live->last_used_wall_ms, clock_wall_ms(),
		memory_order_relaxed);
	if (c->tries_n > 0)
		metric_cell_add(c->cells->fallbacks, 1);
	c->adapter = adapter_for(protocol_as(cand->protocol, c->in.offer));
	if (!gw_secret_of(c->gl, cand, &c->secret, &err)) {
		c->unsent = true;
		decide_tried(&c->ask, i);
		gw_attempt_end(c, OUT_CLIENT, 0, err.code, err_row(err.code)->code, 0);
		gw_record_failure(c);
		return false;
	}
	gw_clear_ask(&c->send);
	gw_batch_begin(c, cand);
	if (gw_sink_choose(c, cand, &err) != ERR_OK ||
		c->adapter->build(c->call, &c->feature->doc, cand, &c->send, &err) != ERR_OK) {
		pass_over(c, i, &err);
		return false;
	}
	c->chunks.grows = c->send.grows;
	c->chunks.end = stream_end(cand);
	c->up = gw_start(c, &c->send, &c->headers,
		c->send.raw	 ? &gw_raw_callbacks
		: c->send.stream ? &gw_stream_callbacks
				 : &whole,
		c);
	return true;
}

// ---- nothing left to try ----

static void tell_retry(struct gw_call *c, int64_t s)
{
	c->retry_after_s = MIN_OF(MAX_OF(s, 1), GW_RETRY_TOLD_S);
}

// Soonest end of a cooldown or of an open breaker.
static int64_t soonest_s(const struct gw_call *c, const struct decision *d)
{
	int64_t at = decide_retry_at_us(d), now = loop_now_us(c->gl->loop);
	for (size_t i = 0; i < d->n; i++) {
		if (d->v[i].skip == SKIP_BREAKER_OPEN &&
			(at == FIELD_NONE || d->v[i].view.until_us < at))
			at = d->v[i].view.until_us;
	}
	return at == FIELD_NONE ? 5 : (at - now + 999999) / 1000000;
}

// Of everything that could be tried, all has spent its money.
static bool all_spent(const struct decision *d)
{
	size_t spent = 0;
	for (size_t i = 0; i < d->n; i++) {
		enum skip s = d->v[i].skip;
		spent += s == SKIP_BUDGET_EXHAUSTED;
		if (s != SKIP_BUDGET_EXHAUSTED && s != SKIP_NO_KEY && s != SKIP_DISABLED &&
			s != SKIP_DRAINED)
			return false;
	}
	return spent > 0;
}

// All that could be tried says the same of this request, and nothing of a failure.
static enum refusal untried_why(const struct decision *d)
{
	static const uint8_t by_skip[SKIP_COUNT] = {[SKIP_RATE_LIMITED_RPM] = REFUSED_RPM,
		[SKIP_RATE_LIMITED_TPM] = REFUSED_TPM, [SKIP_CONCURRENCY_FULL] = REFUSED_CONCURRENCY,
		[SKIP_BUDGET_EXHAUSTED] = REFUSED_BUDGET, [SKIP_POLICY_DENIED] = REFUSED_POLICY};
	enum refusal why = REFUSED_NOT;
	if (d->feature_skip == SKIP_FEATURE_OFF)
		return REFUSED_FEATURE_OFF;
	for (size_t i = 0; i < d->n; i++) {
		enum skip s = d->v[i].skip;
		if (s == SKIP_NO_KEY || s == SKIP_DISABLED || s == SKIP_DRAINED)
			continue;
		if (by_skip[s] == REFUSED_NOT)
			return REFUSED_NOT;
		if (why == REFUSED_NOT || why == REFUSED_POLICY) // what a limit keeps back may be allowed
			why = (enum refusal)by_skip[s];
	}
	return why;
}

static void answer_untried(struct gw_call *c, const struct decision *d)
{
	struct err err = {0};
	c->refused = untried_why(d);
	err_set(&err, decide_refusal(c->route, d), NULL);
	if (all_spent(d)) {
		err_set(&err, ERR_BUDGET_EXCEEDED, "%s",
			_("the budgets of all usable vendor keys are used up (key:budget)"));
		c->limited_by = "key:budget";
	}
	if (d->feature_skip == SKIP_FEATURE_OFF)
		err_set(&err, ERR_NO_HEALTHY_TARGET, _("this feature is switched off"));
	tell_retry(c, soonest_s(c, d));
	gw_fail(c, &err);
}

// The code all attempts that were made share, when it says something of its own to the caller.
static enum err_code common_code(const struct gw_call *c)
{
	enum err_code code = ERR_OK;
	for (size_t i = 0; i < c->tries_n; i++) {
		if (strcmp(c->tries[i].end, "not_sent") == 0)
			continue;
		if (code != ERR_OK && c->tries[i].code != code)
			return ERR_ALL_UPSTREAMS_FAILED;
		code = c->tries[i].code;
	}
	switch (code) {
	case ERR_UPSTREAM_RATE_LIMITED:
	case ERR_UPSTREAM_AUTH_FAILED:
	case ERR_UPSTREAM_BILLING:
	case ERR_UPSTREAM_TIMEOUT:
	case ERR_UPSTREAM_BAD_RESPONSE:
	case ERR_UPSTREAM_TOO_LARGE:
	case ERR_OVERLOADED:
	case ERR_SEALED:
	case ERR_SECRET_CORRUPT:
		return code;
	default:
		return ERR_ALL_UPSTREAMS_FAILED;
	}
}

static void answer_tried(struct gw_call *c)
{
	if (c->unfit_n > 0 && c->unfit_n == c->tries_n) { // nobody has words for it
		gw_fail(c, c->unfit);
		return;
	}
	enum err_code code = common_code(c);
	struct err err = {0};
	if (code == ERR_ALL_UPSTREAMS_FAILED) {
		struct str text = STR_INIT;
		str_addf(&text, "%s:", _("every attempted upstream failed"));
		for (size_t i = 0; i < c->tries_n; i++)
			str_addf(&text, "%s %s %s", i > 0 ? "," : "", c->tries[i].target,
				c->tries[i].end);
		err_set(&err, code, "%s", str_text(&text));
		str_release(&text);
	} else {
		err_set(&err, code, NULL);
	}
	if (code == ERR_UPSTREAM_RATE_LIMITED)
		tell_retry(c, c->retry_s);
	if (code == ERR_OVERLOADED)
		tell_retry(c, 1);
	if (code == ERR_UPSTREAM_TIMEOUT && c->in.offer == OFFER_IMAGES)
		req_header_add(c->r, "x-should-retry", "false"); // a second try pays again
	gw_fail(c, &err);
}

// ---- decisions ----

// The first decision is the one that is shown; later ones only go on from it. It is copied as far
// as it is filled.
static void keep_first(struct gw_call *c, const struct decision *d, const struct decide_request *ask)
{
	size_t n = offsetof(struct decision, v) + d->n * sizeof(d->v[0]);
	struct gw_loop *gl = c->gl;
	c->first = arena_alloc(&c->r->arena, n);
	memcpy(c->first, d, n);
	c->first_ask = *ask;
	if (c->wait_from_us == 0) { // else it is the same decision, made again
		c->wall_ms = clock_wall_ms();
		c->serial = gw_random(gl);
	decision_id(c->id, c->wall_ms, c->serial);
	}
	c->reason = d->reason;
	c->recorded = decisions_record(gl->agent->decisions, c->id, c->r->snap, c->route, ask, d,
		"live", c->wall_ms, c->decide_us, false);
}

static void count_decision(struct gw_call *c, const struct decision *d)
{
	struct gw_loop *gl = c->gl;
	metric_cell_add(d->chosen >= 0 ? c->cells->chosen : c->cells->none, 1);
	for (size_t i = 0; i < d->n; i++) {
		enum skip s = d->v[i].skip;
		if (LIKELY(s == SKIP_NONE))
			continue;
		if (gl->skips[s] == NULL) {
			const char *const labels[] = {skip_name(s), NULL};
			gl->skips[s] = metric_cell(gl->agent->metrics, MET_SKIPS, labels);
		}
		metric_cell_add(gl->skips[s], 1);
	}
}

static const struct decision *choose(struct gw_call *c)
{
	struct decision *d = &c->gl->decision;
	double draw = (double)(gw_random(c->gl) >> 11) * 0x1p-53;
	int64_t before = clock_mono_us();
	decide(c->route, &c->ask, loop_now_us(c->gl->loop), clock_wall_ms(), draw, d);
	bool again = c->wait_from_us != 0 && c->tries_n == 0;
	if (c->first == NULL || again) {
		c->decide_us = (double)(clock_mono_us() - before);
		keep_first(c, d, &c->ask);
	}
	if (LIKELY(!again) || d->chosen >= 0)
		count_decision(c, d);
	if (d->chosen >= 0 && c->feature->doc.strategy == STRAT_ROUND_ROBIN)
		decide_turn(c->route);
	return d;
}

// ---- holding a caller back while every candidate is out ----

void gw_wait_stop(struct gw_call *c)
{
	if (!c->waiting)
		return;
	c->waiting = false;
	c->gl->waiting--;
	loop_timer_clear(c->gl->loop, &c->wait);
}

static void wait_over(void *arg)
{
	struct gw_call *c = arg;
	gw_wait_stop(c);
	c->ask.waited_us = loop_now_us(c->gl->loop) - c->wait_from_us;
	gw_next(c);
}

// True when the caller waits now, within what the feature and the request's deadline allow.
static bool wait_for_one(struct gw_call *c, const struct decision *d)
{
	const struct feature *f = &c->feature->doc;
	int64_t now = loop_now_us(c->gl->loop), at;
	if (f->all_down != ALL_DOWN_WAIT || d->feature_skip != SKIP_NONE
		|| !decide_may_return(d, &at) || c->gl->waiting >= GW_WAITING_MAX)
		return false;
	if (c->wait_from_us == 0) {
		c->wait_from_us = now;
		c->wait_until_us = now + f->wait_ms * 1000;
		if (c->ask.deadline_us != FIELD_NONE)
			c->wait_until_us = MIN_OF(c->wait_until_us,
				c->ask.deadline_us - DECIDE_MIN_LEFT_US);
	}
	if (now >= c->wait_until_us)
		return false;
	at = at == FIELD_NONE ? now + GW_WAIT_LOOK_US : MAX_OF(at, now + 1000);
	// An operator's test may bring a candidate back before its time.
	at = MIN_OF(MIN_OF(at, c->wait_until_us), now + 10 * GW_WAIT_LOOK_US);
	c->waiting = true;
	c->gl->waiting++;
	loop_timer_set(c->gl->loop, &c->wait, at - now, wait_over, c);
	return true;
}

void gw_next(struct gw_call *c)
{
	int64_t max = MIN_OF(c->feature->doc.retry.max_attempts, GW_ATTEMPTS_MAX);
	for (;;) {
		if (((int64_t)(c->tries_n - c->unfit_n) >= max && c->tries_n > 0) ||
			c->tries_n >= GW_ATTEMPTS_MAX) {
			answer_tried(c);
			return;
		}
		const struct decision *d = choose(c);
		if (d->chosen < 0) {
			if (wait_for_one(c, d))
				return;
			if (c->tries_n > 0)
				answer_tried(c);
			else
				answer_untried(c, d);
			return;
		}
		if (begin(c, d->chosen, d->v[d->chosen].skip != SKIP_NONE))
			return;
	}
}
