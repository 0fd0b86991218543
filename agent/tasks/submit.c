// SPDX-License-Identifier: MIT
// One submit: sent once its intention is kept, never twice, and what its end says of the candidate
// and of the work.
#include "agent/tasks/private.h"

#include <stdio.h>
#include <string.h>
#include "agent/record/ledger.h"
#include "agent/protocol/scrub.h"
#include "shared/clock.h"
#include "shared/text.h"
#include "shared/version.h"

#define JSON_TYPE "application/json"
#define AGENT "User-Agent: yijian/" YJ_VERSION "\r\n"
#define HOP "X-Yijian-Hop: 1\r\n" // self-hosted targets may be agents themselves
#define CONNECT_MS 10000 // when the feature is gone
#define IDLE_MS 60000
#define SUBMIT_FIRST_BYTE_MS 60000 // a task's id comes at once

// ---- slots at a key or an instance ----

static const struct key_obj *key_of(const struct task_run *r, const struct snapshot *snap)
{
	return r->t.key[0] != '\0' ? snapshot_key(snap, slice_of(r->t.key)) : NULL;
}

static struct live *instance_live(const struct task_run *r, const struct snapshot *snap)
{
	struct slice id = slice_of(r->t.instance), service = slice_cut(&id, '/');
	const struct instance_obj *in = snapshot_instance(snap, service, id);
	return in != NULL ? in->live : NULL;
}

void task_slot_show(struct task_run *r, size_t part, const struct candidate *c)
{
	if (r->at[part].shown != NULL || c->pair == NULL)
		return;
	r->at[part].shown =
		live_take(r->e->agent->live, c->pair->kind, slice_of(c->pair->id));
	atomic_fetch_add(&r->at[part].shown->inflight, 1);
}

static void slot_hide(struct task_run *r, size_t part)
{
	struct live *l = r->at[part].shown;
	if (l == NULL)
		return;
	atomic_fetch_sub(&l->inflight, 1);
	live_drop(r->e->agent->live, l);
	r->at[part].shown = NULL;
}

// Of a task of an earlier life: what its candidate is now.
static void show_again(struct task_run *r, size_t part, const struct snapshot *snap)
{
	const struct feature_obj *f = snapshot_feature(snap, slice_of(r->t.feature));
	const struct route *route = f != NULL ? snapshot_route(snap, f) : NULL;
	for (size_t i = 0; route != NULL && i < route->n; i++) {
		if (strcmp(route->v[i].name, r->t.target) != 0)
			continue;
		task_slot_show(r, part, &route->v[i]);
		return;
	}
}

void task_slot_take(struct task_run *r, size_t part)
{
	const struct snapshot *snap = snapshots_now(r->e->agent->snaps);
	const struct key_obj *key = key_of(r, snap);
	struct live *l = key != NULL ? key->live : instance_live(r, snap);
	if (l == NULL)
		return;
	atomic_fetch_add(&l->inflight, 1);
	r->at[part].slot = r->at[part].sent = true;
	show_again(r, part, snap);
}

void task_slot_free(struct task_run *r, size_t part)
{
	const struct snapshot *snap = snapshots_now(r->e->agent->snaps);
	const struct key_obj *key = key_of(r, snap);
	struct live *l;
	if (!r->at[part].slot)
		return;
	r->at[part].slot = false;
	slot_hide(r, part);
	if (key != NULL && r->at[part].sent)
		limits_release(&key->limits, key->live, r->ask.tokens, -1);
	else if (key != NULL)
		limits_undo(&key->limits, key->live, r->ask.tokens);
	else if ((l = instance_live(r, snap)) != NULL)
		atomic_fetch_sub(&l->inflight, 1);
	task_wake_queue(r->e);
}

// ---- exchanges ----

struct slice task_secret(const struct task_run *r)
{
	return r->secret != NULL ? secret_bytes(&r->secret->key) : (struct slice){NULL, 0};
}

void task_call_end(struct task_run *r)
{
	if (r->secret != NULL)
		gw_secret_drop(r->e->gl, r->secret);
	r->secret = NULL;
	if (r->snap != NULL)
		snapshot_drop(r->snap);
	r->snap = NULL;
	r->cand = NULL;
	arena_reset(&r->arena);
	gw_clear_ask(&r->send);
	task_relay_clear(&r->relay);
}

void task_hold(struct task_run *r, const struct snapshot *snap, const struct candidate *cand,
	int i)
{
	snapshot_hold(snap);
	r->snap = snap;
	r->cand = cand;
	r->cand_i = i;
}

bool task_take_candidate(struct task_run *r)
{
	const struct snapshot *snap = snapshots_now(r->e->agent->snaps);
	const struct feature_obj *f = snapshot_feature(snap, slice_of(r->t.feature));
	const struct route *route = f != NULL ? snapshot_route(snap, f) : NULL;
	for (size_t i = 0; route != NULL && i < route->n; i++) {
		if (strcmp(route->v[i].name, r->t.target) != 0)
			continue;
		task_hold(r, snap, &route->v[i], (int)i);
		return true;
	}
	return false;
}

const struct url *task_take_upstream(struct task_run *r, struct err *err)
{
	const struct snapshot *snap = snapshots_now(r->e->agent->snaps);
	struct slice service = slice_of(r->t.target_name), vendor = slice_cut(&service, '/');
	const struct vendor_row *v = vendor_find(vendor, service);
	const struct key_obj *key = key_of(r, snap);
	snapshot_hold(snap);
	r->snap = snap;
	if (key == NULL) {
		struct slice id = slice_of(r->t.instance), name = slice_cut(&id, '/');
		const struct instance_obj *in = snapshot_instance(snap, name, id);
		const struct key_obj *opens = NULL;
		enum grant grant = in != NULL ? snapshot_grant(snap, in, &opens) : GRANT_GONE;
		if (grant != GRANT_NONE && (grant != GRANT_KEY || snap->sealed))
			return NULL; // never without what it asks for
		r->pool_key = in->live->id;
		r->style = instance_auth(&in->doc, &r->auth_header);
		if (opens != NULL)
			r->secret = gw_secret_take(r->e->gl, opens, err);
		return opens == NULL || r->secret != NULL ? &in->url : NULL;
	}
	r->pool_key = key->live->id;
	r->style = v != NULL ? v->auth : AUTH_BEARER;
	r->auth_header = NULL;
	r->secret = gw_secret_take(r->e->gl, key, err);
	return r->secret != NULL ? &key->url : NULL;
}

static bool stays_near(const struct task_run *r)
{
	struct slice id = slice_of(r->t.instance), service = slice_cut(&id, '/');
	const struct instance_obj *in = r->t.instance[0] != '\0'
		? snapshot_instance(r->snap, service, id) : NULL;
	return in != NULL && in->near_only;
}

void task_call(struct task_run *r, const struct task_exchange *x)
{
	bool vendor = r->t.key[0] != '\0';
	// A picture that an instance serves itself is behind its credential like the rest of it.
	bool shown = r->secret != NULL && (!x->foreign || (x->near && !vendor));
	const struct feature_obj *f = snapshot_feature(r->snap, slice_of(r->t.feature));
	str_clear(&r->headers);
	if (r->send.body.n > 0 && r->send.content_type == NULL)
		str_add(&r->headers, "Content-Type: " JSON_TYPE "\r\n");
	str_addf(&r->headers, "Accept: %s\r\n" AGENT "%s%s",
		x->bytes ? "*/*" : r->send.stream ? "text/event-stream" : JSON_TYPE,
		vendor ? "" : HOP, str_text(&r->send.headers));
	struct upstream_request q = {.url = x->url,
		.pool_key = x->foreign ? "task-pictures" : r->pool_key,
		.method = r->send.method,
		.path = str_text(&r->send.path),
		.headers = str_text(&r->headers),
		.body = str_slice(&r->send.body),
		.connect_ms = f != NULL ? f->doc.timeouts.connect_ms : CONNECT_MS,
		.first_byte_ms = x->first_byte_ms,
		.idle_ms = f != NULL ? f->doc.timeouts.idle_ms : IDLE_MS,
		.total_ms = x->total_ms,
		.body_max = x->body_max,
		.once = x->once,
		.stream = r->send.stream,
		.public_only = x->foreign && !x->near,
		.near_only = (!x->foreign || x->near) && stays_near(r),
		.vendor_key = shown};
	if (shown) {
		q.auth = &r->secret->key;
		q.auth_style = r->style;
		q.auth_header = r->auth_header;
	}
	r->up = upstream_start(loop_upstream(r->e->loop), &q, x->cb, r);
}

// ---- what an attempt's end says of the candidate ----

static void spend(const struct task_run *r, const struct feature_obj *f, const struct money *m)
{
	const struct client_obj *client = snapshot_client(r->snap, &r->t.client);
	bool known = m->source != COST_UNKNOWN;
	int64_t wall = clock_wall_ms();
	if (client != NULL)
		limits_spend(&client->limits, client->live, known, m->pico, m->currency, wall);
	if (f->limits.budget_pico >= 0)
		limits_spend(&f->limits, f->live, known, m->pico, m->currency, wall);
	if (r->cand->key != NULL && r->cand->key->limits.budget_pico >= 0)
		limits_spend(&r->cand->key->limits, r->cand->live, known, m->pico, m->currency, wall);
}

// A task's cost is that of all its attempts; with one of unknown cost the rest is a guess.
static void add_to_bill(struct task_bill *b, const struct price_usage *u, const struct money *m)
{
	b->spent = *u;
	if (m->source == COST_UNKNOWN)
		b->cost_unknown = true;
	else
		money_add(&b->cost, m);
	if (b->cost_unknown && b->cost.source != COST_UNKNOWN)
		b->cost.source = COST_ESTIMATED;
}

// pictures: made; -1 not known; nothing was used when the submit was refused.
static void book(struct task_run *r, const struct feature_obj *f, enum outcome out, bool used,
	const struct adapter_usage *usage)
{
	char size[48];
	int64_t wall = clock_wall_ms();
	const struct price *p = snapshot_price(r->snap, r->cand, f->doc.name, r->t.model, wall);
	struct ledger_entry e = {.wall_ms = wall, .feature = f->doc.name,
		.target = r->cand->target_name, .client = &r->t.client, .key = r->cand->live->id,
		.model = r->t.model,
		.first = !r->booked, .failed = out != OUT_OK && out != OUT_CLIENT,
		.used = used, .paid = p != NULL && price_paid(p), .usage = PRICE_USAGE_NONE};
	struct price_picture picture = {r->quality[0] != '\0' ? r->quality : NULL,
		r->t.width != FIELD_NONE ? size : NULL};
	if (used) {
		snprintf(size, sizeof(size), "%lldx%lld", (long long)r->t.width,
			(long long)r->t.height);
		e.usage.in = usage->in;
		e.usage.out = usage->out;
		e.usage.cached = usage->cached;
		e.usage.images = usage->images;
		if (usage_is_absurd(usage))
			gw_usage_absurd(r->e->agent, f->doc.name, r->cand->target_name);
		e.usage.source = usage->in >= 0 && usage->out >= 0 ? COST_REPORTED
				 : usage->images >= 0 ? COST_COUNTED : COST_UNKNOWN;
		e.cost = price_cost(p, &e.usage, &picture);
		spend(r, f, &e.cost);
		add_to_bill(&r->bill, &e.usage, &e.cost);
	}
	r->booked = true;
	ledger_add(r->e->agent->ledger, &e);
}

void task_booked(struct task_run *r, enum outcome out, bool used, const struct adapter_usage *usage)
{
	const struct feature_obj *f = snapshot_feature(r->snap, slice_of(r->t.feature));
	if (f != NULL && r->cand->live != NULL)
		book(r, f, out, used, usage);
}

// Counts the attempt and tells breakers and metrics. The slot stays: it is freed apart.
void task_attempt_over(struct task_run *r, enum outcome out, int status, enum err_code code,
	const char *end, bool unreachable, int64_t cooldown_us)
{
	const struct feature_obj *f = snapshot_feature(r->snap, slice_of(r->t.feature));
	int64_t now = loop_now_us(r->e->loop), us = now - r->try_us;
	const struct attempt_end e = {.out = out, .unreachable = unreachable,
		.status = status != 0 ? status : -(int)code, .now_us = now,
		.wall_ms = clock_wall_ms(), .us = us, .cooldown_us = cooldown_us};
	// Of a feature that is gone no policy is known: what the vendor said of the key still counts.
	const struct breaker_policy p = f != NULL ? attempt_policy(&f->doc) : (struct breaker_policy){0};
	bool changed = attempt_tell(r->cand, &p, &e);
	if (f != NULL && changed) {
		r->e->face.cand = r->cand;
		r->e->face.feature = f;
		gw_candidate_event(&r->e->face, out, status);
		r->e->face.cand = NULL;
	}
	gw_count_attempt(r->e->gl, gw_feature_of(r->e->gl, r->t.feature), r->cand, out);
	if (r->tries_n < GW_ATTEMPTS_MAX) {
		struct task_try *t = &r->tries[r->tries_n++];
		*t = (struct task_try){.status = status, .code = code, .ms = us / 1000};
		snprintf(t->target, sizeof(t->target), "%s", r->cand->name);
		snprintf(t->end, sizeof(t->end), "%s", end);
	}
	r->t.attempts++;
	decisions_attempt(r->e->agent->decisions, r->t.decision, r->cand->name, status, code,
		us / 1000);
}

// ---- the end of a submit ----

static void part_over(struct task_run *r, enum task_state s)
{
	r->t.part[r->part].state = s;
	task_slot_free(r, r->part);
}

// It certainly was not accepted: the part waits for another candidate. One whose neighbours have gone
// somewhere goes there or nowhere, and is not tried for ever.
void task_next_candidate(struct task_run *r)
{
	bool fixed = false;
	for (size_t i = 0; i < r->t.parts_n; i++)
		fixed |= i != r->part && r->t.part[i].state != TASK_QUEUED;
	bool enough = fixed && ++r->at[r->part].refused >= GW_ATTEMPTS_MAX;
	if (enough && r->tries_n > 0 && r->t.code == ERR_OK) {
		const struct task_try *last = &r->tries[r->tries_n - 1];
		r->t.code = last->code != ERR_OK ? last->code : ERR_ALL_UPSTREAMS_FAILED;
		r->t.status = err_row(r->t.code)->status;
		snprintf(r->t.message, sizeof(r->t.message), "%s", _(err_row(r->t.code)->message));
	}
	part_over(r, enough ? TASK_FAILED : TASK_QUEUED);
	task_call_end(r);
	task_wake(r);
}

// Nobody can tell whether it was accepted.
static void doubtful(struct task_run *r, enum err_code code, int status)
{
	struct err err = {0};
	struct adapter_usage none = ADAPTER_USAGE_UNKNOWN;
	if (r->cand->key == NULL) { // one's own bills nothing
		task_booked(r, OUT_FAILED, false, &none);
		task_next_candidate(r);
		return;
	}
	task_booked(r, OUT_FAILED, true, &none);
	part_over(r, TASK_UNKNOWN);
	task_call_end(r);
	err_set(&err, code, NULL);
	r->t.code = code;
	r->t.status = err_row(code)->status;
	snprintf(r->t.message, sizeof(r->t.message), "%s", err.message);
	(void)status;
	task_wake(r);
}

static bool certain(enum up_end end)
{
	return end == UP_CONNECT || end == UP_FORBIDDEN || end == UP_TIMEOUT_CONNECT ||
		end == UP_NO_ROOM;
}

static void submit_failed(struct task_run *r, enum up_end end, int status)
{
	struct adapter_usage none = ADAPTER_USAGE_UNKNOWN;
	bool full = end == UP_NO_ROOM; // this agent is, which says nothing of the candidate
	bool away = !full && (certain(end) || end == UP_RESET);
	r->at[r->part].sent = !full;
	task_attempt_over(r, full ? OUT_CLIENT : OUT_FAILED, status, up_end_code(end),
		end == UP_OK ? "bad_response" : up_end_name(end), away, 0);
	if (!certain(end)) {
		doubtful(r, up_end_code(end) == ERR_UNREACHABLE ? ERR_UPSTREAM_BAD_RESPONSE : up_end_code(end),
			status);
		return;
	}
	task_booked(r, OUT_FAILED, false, &none);
	task_next_candidate(r);
}

// Statuses of things in between, which say nothing of the one behind them.
static bool is_doubtful(int status)
{
	return status == 408 || status == 502 || status == 504 || status >= 520;
}

// Reads an error answer into r->error.
static void read_refusal(struct task_run *r, int status, struct slice body)
{
	struct adapter_error *e = &r->error;
	adapter_error_read(r->cand->key != NULL ? r->cand->key->doc.vendor
						: r->cand->instance->doc.engine,
		status, body, task_secret(r), e);
	e->outcome = gw_outcome_at(r->cand, e->outcome);
	if (e->outcome == OUT_MODEL_GONE && r->cand->target->upstream_model == NULL)
		e->outcome = OUT_CLIENT;
}

static void keep_error(struct task_run *r)
{
	const struct adapter_error *e = &r->error;
	struct task *t = &r->t;
	t->code = e->code;
	t->status = e->final ? e->status : err_row(e->code)->status;
	snprintf(t->message, sizeof(t->message), "%.*s", (int)sizeof(t->message) - 1,
		e->message[0] != '\0' ? e->message : err_row(e->code)->message);
	snprintf(t->wire_type, sizeof(t->wire_type), "%s", e->type);
	snprintf(t->wire_code, sizeof(t->wire_code), "%s", e->wire_code);
}

void task_refused(struct task_run *r, int status, struct slice body)
{
	read_refusal(r, status, body);
	keep_error(r);
}

static void submit_refused(struct task_run *r, int status, struct slice retry_after,
	struct slice body)
{
	const struct feature_obj *f = snapshot_feature(r->snap, slice_of(r->t.feature));
	struct adapter_usage none = ADAPTER_USAGE_UNKNOWN;
	int64_t cooldown_us = 0;
	char word[24];
	if (status != 0 && status < 400) { // a redirect is never followed
		submit_failed(r, UP_OK, status);
		return;
	}
	read_refusal(r, status != 0 ? status : 502, body);
	if (r->error.outcome == OUT_RATE_LIMITED) {
		int64_t s = adapter_retry_after_s(retry_after, clock_wall_ms(),
			f != NULL ? f->doc.retry.honour_retry_after_max_s : 60);
		cooldown_us = s * 1000000;
		if (s > 0 && (r->retry_s == 0 || s < r->retry_s))
			r->retry_s = s;
	}
	snprintf(word, sizeof(word), status != 0 ? "http_%d" : "error", status);
	task_attempt_over(r, r->error.outcome, status, r->error.code, word, false, cooldown_us);
	if (is_doubtful(status) && !r->error.final) {
		doubtful(r, r->error.code == ERR_UPSTREAM_TIMEOUT ? ERR_UPSTREAM_TIMEOUT
								 : ERR_UPSTREAM_BAD_RESPONSE, status);
		return;
	}
	task_booked(r, r->error.outcome, false, &none);
	if (!r->error.final) {
		task_next_candidate(r);
		return;
	}
	struct err err = {0};
	err_set(&err, r->error.code, r->error.message[0] != '\0' ? "%s" : NULL, r->error.message);
	keep_error(r);
	part_over(r, TASK_FAILED);
	task_call_end(r);
	if (r->t.parts_n == 1)
		task_fail(r, TASK_FAILED, &err);
	else
		task_wake(r);
}

static void after_acceptance(struct task_run *r, enum err_code code)
{
	// Not written: the row still says submitting, and is written again with the next step.
	if (code != ERR_OK)
		log_line(LOG_LVL_WARN, "task_not_written", "task", r->t.id, NULL);
	task_wake(r);
}

static void accepted(struct task_run *r)
{
	struct task_part *p = &r->t.part[r->part];
	int64_t now = loop_now_us(r->e->loop);
	snprintf(p->id, sizeof(p->id), "%s", r->e->result.id);
	p->state = TASK_RUNNING;
	r->at[r->part].began_us = now;
	r->at[r->part].next_us = now + r->e->agent->settings->task_poll_ms * 1000;
	task_state(r, TASK_RUNNING);
	task_call_end(r);
	task_store(r, NULL, after_acceptance);
}

static void done_at_once(struct task_run *r)
{
	task_booked(r, OUT_OK, true, &r->e->result.usage);
	task_take_items(r, r->part);
	task_call_end(r);
	task_part_done(r);
}

static void take_answer(struct task_run *r, const struct upstream_response *res, struct slice body)
{
	const struct image_adapter *a = image_adapter_for(r->cand);
	struct image_want want = {.format = r->t.format, .n = r->t.part[r->part].n};
	image_result_clear(&r->e->result);
	switch (a->submitted(&want, body, &r->e->result)) {
	case IMAGE_ACCEPTED:
		if (scrub_holds(slice_of(r->e->result.id), task_secret(r))) {
			submit_failed(r, UP_OK, res->status); // an id is kept and shown
			return;
		}
		task_attempt_over(r, OUT_OK, res->status, ERR_OK, "ok", false, 0);
		accepted(r);
		return;
	case IMAGE_DONE:
		task_attempt_over(r, OUT_OK, res->status, ERR_OK, "ok", false, 0);
		done_at_once(r);
		return;
	case IMAGE_FAILED: // behind partial pictures nobody can tell what it cost
		submit_refused(r, r->e->result.status == 0 && r->relay.shown > 0
			? 502 : r->e->result.status, (struct slice){NULL, 0}, r->e->result.error);
		return;
	default:
		submit_failed(r, UP_OK, res->status);
	}
}

static void submit_ended(struct task_run *r, enum up_end end, const struct upstream_response *res,
	struct slice body)
{
	r->up = NULL;
	r->doing = DOING_NOTHING;
	atomic_fetch_sub(&r->e->submitting, 1);
	if (end != UP_OK)
		submit_failed(r, end, res->status);
	else if (res->status < 200 || res->status > 299)
		submit_refused(r, res->status, res->retry_after, body);
	else
		take_answer(r, res, body);
}

static void on_submitted(void *arg, enum up_end end, const struct upstream_response *res,
	struct slice body, const struct err *err UNUSED)
{
	submit_ended(arg, end, res, body);
}

static const struct upstream_callbacks submit_callbacks = {.done = on_submitted};

// ---- sending ----

static enum err_code read_request(struct task_run *r, struct image_want *want, struct err *err)
{
	enum err_code code = image_read_call(str_slice(&r->type), str_slice(&r->body), r->t.offer,
		false, &r->e->form, &r->e->call, err);
	return code == ERR_OK ? image_read(&r->e->call, r->draw, want, err) : code;
}

static void not_sent(struct task_run *r, const struct err *err)
{
	task_attempt_over(r, OUT_CLIENT, 0, err->code, "not_sent", false, 0);
	part_over(r, TASK_FAILED);
	task_call_end(r);
	task_fail(r, TASK_FAILED, err);
}

static void submit_now(struct task_run *r)
{
	const struct feature_obj *f = snapshot_feature(r->snap, slice_of(r->t.feature));
	const struct image_adapter *a = image_adapter_for(r->cand);
	struct task_part *p = &r->t.part[r->part];
	struct image_want want;
	struct image_submit s = {.want = &want, .feature = &f->doc, .cand = r->cand,
		.first = p->first, .n = p->n};
	struct err err = {0};
	if (read_request(r, &want, &err) != ERR_OK || a->submit(&s, &r->send, &err) != ERR_OK) {
		not_sent(r, &err);
		return;
	}
	snprintf(r->t.note, sizeof(r->t.note), "%s", s.note);
	r->life_s = a->life_s;
	r->doing = DOING_SUBMIT;
	r->relay.done = submit_ended;
	r->at[r->part].sent = true;
	atomic_fetch_add(&r->e->submitting, 1);
	struct task_exchange x = {.url = r->cand->url, .body_max = GW_ANSWER_MAX, .once = true,
		.first_byte_ms = f->doc.timeouts.first_byte_ms, .cb = r->send.stream ? &task_relay_callbacks : &submit_callbacks,
		.total_ms = f->doc.timeouts.total_ms};
	if (!a->sync)
		x.first_byte_ms = MIN_OF(x.first_byte_ms, SUBMIT_FIRST_BYTE_MS);
	task_call(r, &x);
}

void task_unadmit(struct task_run *r)
{
	if (r->cand == NULL)
		return;
	attempt_let_go(r->cand);
	task_slot_free(r, r->part);
}

// The intention could not be written: nothing was sent.
static void not_kept(struct task_run *r, enum err_code code)
{
	struct err err = {0};
	const struct image_adapter *a = image_adapter_for(r->cand);
	bool may = !r->stored && !r->async && r->t.idem[0] == '\0' && code != ERR_IDEMPOTENCY_MISMATCH;
	if (may && a->sync) {
		r->durable = false;
		submit_now(r);
		return;
	}
	task_unadmit(r);
	if (may) { // another one may answer at once
		r->unkept = code;
		task_next_candidate(r);
		return;
	}
	err_set(&err, code, NULL);
	task_call_end(r);
	if (!r->stored) {
		task_fail(r, TASK_FAILED, &err);
		return;
	}
	r->t.part[r->part].state = TASK_QUEUED; // it waits on until the store takes it
	task_state(r, TASK_QUEUED);
	task_queue(r);
}

void task_intended(struct task_run *r, enum err_code code)
{
	if (code == ERR_OK)
		submit_now(r);
	else
		not_kept(r, code);
}
