// SPDX-License-Identifier: MIT
// After acceptance: asking how far it is, fetching what was made, and stopping it. A poll that fails
// costs nothing and is made again: within the life of a task nothing that was paid for is given up.
#include "agent/tasks/private.h"

#include <stdio.h>
#include <string.h>
#include "agent/protocol/scrub.h"
#include "shared/clock.h"
#include "shared/text.h"

#define POLL_FIRST_BYTE_MS 30000
#define POLL_ANSWER_MAX ((size_t)4 * 1024 * 1024)
#define FETCH_TOTAL_MS 120000
#define FETCH_TRIES 3
#define REFUSALS_MAX 20 // polls in a row that the upstream refuses
#define BACKOFF_MAX_US INT64_C(60000000)

// ---- what was made ----

static void keep_item(struct task_run *r, const struct image_item *from, struct task_item *to)
{
	if (from->code[0] != '\0') {
		memcpy(to->code, from->code, sizeof(to->code));
		memcpy(to->message, from->message, sizeof(to->message));
		if (scrub_shows(slice_of(to->message), task_secret(r)))
			snprintf(to->message, sizeof(to->message), "%s",
				_("the vendor did not make this one"));
		if (scrub_shows(slice_of(to->code), task_secret(r)))
			snprintf(to->code, sizeof(to->code), "unknown");
		return;
	}
	if (from->fetch.n > 0) {
		str_add_slice(&to->fetch, from->fetch);
		str_add_slice(&to->revised, from->revised);
		to->same = from->fetch.p[0] == '/';
		return;
	}
	image_item_json(from, &to->json);
	r->bytes += to->json.n;
	r->e->bytes += to->json.n;
}

void task_usage_add(struct task_run *r, const struct adapter_usage *u)
{
	int64_t images = MAX_OF(r->usage.images, 0);
	adapter_usage_merge(&r->usage, u);
	r->usage.images = images + MAX_OF(u->images, 0);
}

void task_take_items(struct task_run *r, size_t part)
{
	const struct task_part *p = &r->t.part[part];
	const struct image_result *got = &r->e->result;
	size_t n = MIN_OF(got->n, (size_t)p->n);
	for (size_t i = 0; i < n; i++)
		keep_item(r, &got->item[i], &r->item_v[(size_t)p->first + i]);
	if (part == 0) { // of further parts it would be the same, or add up to nothing OpenAI knows
		for (size_t i = 0; i < got->extra_n; i++)
			str_addf(&r->extra, ",\"%.*s\":%.*s", SLICE_FMT(got->extra[i].key),
				SLICE_FMT(got->extra[i].value));
	}
	r->at[part].usage = got->usage;
	task_usage_add(r, &got->usage);
}

// ---- polls ----

static int64_t interval_us(const struct task_run *r, size_t part)
{
	int64_t ms = r->e->agent->settings->task_poll_ms;
	int steps = MIN_OF(r->at[part].polls / TASK_POLLS_PER_STEP, 16);
	return MIN_OF(ms << steps, MAX_OF(ms, TASK_POLL_MAX_MS)) * 1000;
}

// The account's polls follow each other at a distance.
static void poll_later(struct task_run *r, size_t part, int64_t us)
{
	struct task_account *a = task_account_of(r->e, r);
	int64_t at = loop_now_us(r->e->loop) + us;
	at = MAX_OF(at, a->poll_us);
	a->poll_us = MAX_OF(a->poll_us, loop_now_us(r->e->loop)) + TASK_POLL_STEP_US;
	r->at[part].next_us = at;
}

static void book_done(struct task_run *r, const struct adapter_usage *usage)
{
	if (task_take_candidate(r))
		task_booked(r, OUT_OK, true, usage);
	task_call_end(r);
}

static void part_ends(struct task_run *r, enum task_state s)
{
	r->t.part[r->part].state = s;
	task_slot_free(r, r->part);
	task_wake(r);
}

static void part_lost(struct task_run *r, enum task_state s, enum err_code code, const char *why)
{
	r->t.code = code;
	r->t.status = err_row(code)->status;
	snprintf(r->t.message, sizeof(r->t.message), "%s", why);
	part_ends(r, s);
}

// Nothing is lost by asking again, as long as somebody may answer.
static void poll_again(struct task_run *r, bool refused)
{
	size_t i = r->part;
	int64_t age = loop_now_us(r->e->loop) - r->at[i].began_us;
	int64_t us = interval_us(r, i) << MIN_OF(r->at[i].fails, 6);
	r->at[i].fails++;
	if (age > TASK_LIFE_US || (refused && r->at[i].fails > REFUSALS_MAX)) {
		part_lost(r, TASK_UNKNOWN, ERR_OUTCOME_UNKNOWN,
			refused ? _("the upstream refuses to tell how far it is")
				: _("the upstream did not answer for a day"));
		return;
	}
	poll_later(r, i, MIN_OF(us, BACKOFF_MAX_US));
	task_wake(r);
}

static void take_poll(struct task_run *r, struct slice body)
{
	const struct image_adapter *a = image_adapter_of(r->t.protocol);
	struct image_result *got = &r->e->result;
	size_t i = r->part;
	image_result_clear(got);
	enum image_end end = a->polled(r->t.format, r->t.part[i].id, body, got);
	if (end != IMAGE_BAD)
		r->at[i].fails = 0;
	r->at[i].unknowns = end == IMAGE_UNKNOWN ? r->at[i].unknowns + 1 : 0;
	if (end != IMAGE_DONE && end != IMAGE_FAILED)
		task_call_end(r);
	switch (end) {
	case IMAGE_DONE:
		task_take_items(r, i);
		book_done(r, &got->usage);
		r->life_s = a->life_s;
		task_part_done(r);
		return;
	case IMAGE_FAILED:
		if (task_take_candidate(r))
			task_refused(r, got->status, got->error);
		task_call_end(r);
		part_ends(r, TASK_FAILED);
		return;
	case IMAGE_CANCELED:
		part_ends(r, TASK_CANCELED);
		return;
	case IMAGE_UNKNOWN:
		if (r->at[i].unknowns < TASK_UNKNOWNS_MAX) {
			poll_later(r, i, interval_us(r, i));
			task_wake(r);
			return;
		}
		part_lost(r, TASK_EXPIRED, ERR_GONE,
			_("the vendor does not know this task any more: its results are gone"));
		return;
	case IMAGE_BAD:
		poll_again(r, false);
		return;
	default:
		poll_later(r, i, interval_us(r, i));
		task_wake(r);
	}
}

static void on_polled(void *arg, enum up_end end, const struct upstream_response *res,
	struct slice body, const struct err *err UNUSED)
{
	struct task_run *r = arg;
	r->up = NULL;
	r->doing = DOING_NOTHING;
	r->at[r->part].polls++;
	struct gw_secret *sent = r->secret;
	r->secret = NULL;
	task_call_end(r);
	r->secret = sent; // until it is known what must not come out of the answer
	if (end == UP_OK && res->status >= 200 && res->status < 300) {
		take_poll(r, body);
		return;
	}
	task_call_end(r);
	poll_again(r, end == UP_OK && res->status >= 400 && res->status < 500 &&
		res->status != 408 && res->status != 429);
}

void task_poll(struct task_run *r, size_t part)
{
	static const struct upstream_callbacks callbacks = {.done = on_polled};
	const struct image_adapter *a = image_adapter_of(r->t.protocol);
	struct err err = {0};
	const struct url *url = task_take_upstream(r, &err);
	r->part = part;
	if (url == NULL || a == NULL || a->poll == NULL) { // it may come back
		task_call_end(r);
		poll_again(r, false);
		return;
	}
	a->poll(url, r->t.part[part].id, &r->send);
	r->doing = DOING_POLL;
	task_call(r, &(struct task_exchange){.url = url, .first_byte_ms = POLL_FIRST_BYTE_MS,
		.total_ms = 2 * POLL_FIRST_BYTE_MS, .body_max = POLL_ANSWER_MAX, .cb = &callbacks});
}

// ---- fetching ----

static void fetch_failed(struct task_run *r, const char *why)
{
	struct task_item *it = &r->item_v[r->item];
	if (++it->tries >= FETCH_TRIES) {
		snprintf(it->code, sizeof(it->code), "fetch_failed");
		snprintf(it->message, sizeof(it->message), "%s", why);
	}
	task_wake(r);
}

static void take_bytes(struct task_run *r, struct slice bytes)
{
	struct task_item *it = &r->item_v[r->item];
	struct image_item item = {.revised = str_slice(&it->revised)};
	struct str b64 = STR_INIT, url = STR_INIT;
	str_add_c(&b64, '"');
	str_add_base64(&b64, bytes);
	str_add_c(&b64, '"');
	image_put_b64(r->t.format, str_slice(&b64), &item, &url);
	image_item_json(&item, &it->json);
	r->bytes += it->json.n;
	r->e->bytes += it->json.n;
	str_release(&b64);
	str_release(&url);
	task_wake(r);
}

static void on_fetched(void *arg, enum up_end end, const struct upstream_response *res,
	struct slice body, const struct err *err UNUSED)
{
	struct task_run *r = arg;
	char why[80];
	r->up = NULL;
	r->doing = DOING_NOTHING;
	if (end == UP_OK && res->status == 200 && body.n > 0) {
		take_bytes(r, body);
		task_call_end(r);
		return;
	}
	if (end == UP_OK)
		snprintf(why, sizeof(why), "fetching it ended in HTTP %d", res->status);
	else
		snprintf(why, sizeof(why), "fetching it ended in %s", up_end_name(end));
	task_call_end(r);
	if (end == UP_FORBIDDEN || end == UP_TOO_LARGE || (end == UP_OK && res->status < 500))
		r->item_v[r->item].tries = FETCH_TRIES; // it would be the same again
	fetch_failed(r, why);
}

// Origin and the rest of an address: the parser of upstreams takes no query.
static bool split_url(struct task_run *r, struct slice text, struct url *url)
{
	ptrdiff_t colon = slice_find(text, ':');
	struct slice rest = {text.p + colon + 3, text.n - (size_t)colon - 3};
	struct err err = {0};
	size_t host = 0;
	if (colon < 4 || text.n < (size_t)colon + 4 || memcmp(text.p + colon, "://", 3) != 0)
		return false;
	while (host < rest.n && rest.p[host] != '/' && rest.p[host] != '?')
		host++;
	for (size_t i = 0; i < text.n; i++) {
		if ((unsigned char)text.p[i] <= ' ' || (unsigned char)text.p[i] >= 0x7f ||
			text.p[i] == '#')
			return false;
	}
	struct slice origin = {text.p, (size_t)(rest.p + host - text.p)};
	if (urlx_parse(origin, &r->arena, url, &err) != ERR_OK)
		return false;
	if (host == rest.n || rest.p[host] == '?')
		str_add_c(&r->send.path, '/');
	str_add_n(&r->send.path, rest.p + host, rest.n - host);
	return true;
}

void task_fetch(struct task_run *r, size_t item)
{
	static const struct upstream_callbacks callbacks = {.done = on_fetched};
	struct task_item *it = &r->item_v[item];
	struct err err = {0};
	struct url url;
	const struct url *own = task_take_upstream(r, &err);
	struct task_exchange x = {.url = own, .first_byte_ms = POLL_FIRST_BYTE_MS,
		.total_ms = FETCH_TOTAL_MS, .body_max = TASK_FETCH_MAX, .bytes = true,
		.cb = &callbacks};
	r->item = item;
	r->send.method = "GET";
	if (r->e->bytes > TASK_BYTES_MAX) {
		it->tries = FETCH_TRIES;
		task_call_end(r);
		fetch_failed(r, "the agent holds too many pictures");
		return;
	}
	if (it->same && own != NULL) {
		str_add(&r->send.path, own->path);
		str_add_slice(&r->send.path, str_slice(&it->fetch));
	} else if (!it->same && split_url(r, str_slice(&it->fetch), &url)) {
		x.url = &url;
		x.foreign = true;
		x.near = own != NULL && urlx_same_origin(own->origin, url.origin);
	} else {
		it->tries = FETCH_TRIES;
		task_call_end(r);
		fetch_failed(r, it->same ? "the upstream is gone" : "its address is not allowed");
		return;
	}
	if (x.foreign) {
		struct url *kept = arena_alloc(&r->arena, sizeof(*kept));
		*kept = url;
		x.url = kept;
	}
	r->doing = DOING_FETCH;
	task_call(r, &x);
}

// ---- stopping ----

void task_cancel_tell(struct task_run *r, enum err_code code)
{
	struct task_canceler *c = r->canceler;
	r->canceler = NULL;
	r->canceling = false;
	if (c == NULL)
		return;
	c->code = code;
	loop_post(c->loop, c->told, c);
}

static void on_canceled(void *arg, enum up_end end, const struct upstream_response *res,
	struct slice body UNUSED, const struct err *err UNUSED)
{
	struct task_run *r = arg;
	bool done = end == UP_OK && res->status >= 200 && res->status < 300;
	r->up = NULL;
	r->doing = DOING_NOTHING;
	task_call_end(r);
	if (!done) { // it has begun: it will be finished, and billed
		task_cancel_tell(r, ERR_NOT_CANCELABLE);
		task_wake(r);
		return;
	}
	part_ends(r, TASK_CANCELED);
}

static void cancel_upstream(struct task_run *r, size_t part)
{
	static const struct upstream_callbacks callbacks = {.done = on_canceled};
	const struct image_adapter *a = image_adapter_of(r->t.protocol);
	struct err err = {0};
	const struct url *url = a != NULL && a->cancel != NULL ? task_take_upstream(r, &err) : NULL;
	r->part = part;
	if (url == NULL) {
		task_call_end(r);
		task_cancel_tell(r, ERR_NOT_CANCELABLE);
		task_wake(r);
		return;
	}
	a->cancel(url, r->t.part[part].id, &r->send);
	r->doing = DOING_CANCEL;
	task_call(r, &(struct task_exchange){.url = url, .first_byte_ms = POLL_FIRST_BYTE_MS,
		.total_ms = POLL_FIRST_BYTE_MS, .body_max = POLL_ANSWER_MAX, .cb = &callbacks});
}

void task_cancel(struct task_run *r)
{
	struct err err = {0};
	for (size_t i = 0; i < r->t.parts_n; i++) {
		if (r->t.part[i].state == TASK_QUEUED)
			r->t.part[i].state = TASK_CANCELED;
	}
	int running = task_part_in(&r->t, TASK_RUNNING);
	if (running >= 0) {
		cancel_upstream(r, (size_t)running);
		return;
	}
	if (task_part_in(&r->t, TASK_SUCCEEDED) >= 0 || task_part_in(&r->t, TASK_UNKNOWN) >= 0) {
		r->canceling = false; // some of it is done: that is its end
		task_wake(r);
		return;
	}
	err_set(&err, ERR_CANCELED, NULL);
	r->error.final = false;
	task_fail(r, TASK_CANCELED, &err);
}

void task_cancel_ask(void *arg)
{
	struct task_canceler *c = arg;
	struct task_run *r = task_find(c->e, c->id);
	if (r == NULL || r->over || r->canceler != NULL || r->doing == DOING_SUBMIT ||
		r->t.state == TASK_SUBMITTING) {
		c->code = r == NULL || r->over ? ERR_NOT_FOUND : ERR_NOT_CANCELABLE;
		loop_post(c->loop, c->told, c);
		return;
	}
	r->canceler = c;
	r->canceling = true;
	task_wake(r);
}
