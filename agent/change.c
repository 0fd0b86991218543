// SPDX-License-Identifier: MIT
#include "agent/change.h"

#include <stdio.h>
#include <string.h>

#include "shared/num.h"
#include "shared/text.h"

static void release_body(void *arg)
{
	struct change *c = arg;

	str_wipe(&c->body);
}

struct change *change_new(struct req *r,
	enum err_code (*run)(struct store_tx *tx, struct change *c, struct err *err), void *arg)
{
	struct change *c = arena_zalloc(&r->arena, 1, sizeof(*c));
	struct err err = {0};

	c->r = r;
	c->run = run;
	c->arg = arg;
	c->event = EVENT_KINDS;
	c->etag = FIELD_NONE;
	if (req_if_match(r, &c->if_match, &err)) {
		req_fail(r, &err);
		return NULL;
	}
	arena_defer(&r->arena, release_body, c);
	return c;
}

static enum err_code find_earlier(struct store_tx *tx, struct change *c, bool *ret_found)
{
	const struct seal *seal = store_seal(c->r->agent->store);

	*ret_found = false;
	if (!c->idem_key.n || !seal)
		return ERR_OK;
	seal_token_hash(seal, c->r->body, c->body_hash);
	return store_idem_find(tx, c->r->ep->name, c->idem_key, c->body_hash, ret_found, &c->status,
		&c->body, &c->job.err);
}

static enum err_code run_job(struct store_tx *tx, struct store_job *job)
{
	struct change *c = job->arg;
	bool found;
	enum err_code code = find_earlier(tx, c, &found);

	if (code)
		return code;
	if (found) {
		c->replayed = true;
		return ERR_OK;
	}
	code = c->run(tx, c, &job->err);
	if (!code && c->idem_key.n)
		code = store_idem_save(tx, c->r->ep->name, c->idem_key, c->body_hash,
			c->status ? c->status : 200, str_slice(&c->body), &job->err);
	return code;
}

static void tell(struct change *c)
{
	struct str s = STR_INIT;
	struct jw w = jw_to(&s);

	if (c->event == EVENT_KINDS || !c->job.wrote)
		return;
	jw_obj(&w, NULL);
	jw_str(&w, "action", c->event_action ? c->event_action : "change");
	jw_slice(&w, "name", c->event_name);
	req_actor_write(c->r, &w);
	if (c->etag != FIELD_NONE)
		jw_int(&w, "revision", c->etag);
	jw_obj_end(&w);
	events_add(c->r->agent->events, c->event, str_slice(&s));
	str_release(&s);
}

// Before the closing brace of the answer.
static void add_once(struct change *c)
{
	struct jw w = jw_to(&c->body);

	c->body.n--;
	w.comma = true;
	jw_str(&w, c->once_name, c->once_value);
	str_add_c(&c->body, '}');
}

static void done(struct store_job *job, enum err_code code)
{
	struct change *c = job->arg;
	struct req *r = c->r;
	char etag[32];

	if (code) {
		req_denied(r, code);
		req_fail(r, &job->err);
		return;
	}
	tell(c);
	if (c->etag != FIELD_NONE) {
		snprintf(etag, sizeof(etag), "\"%lld\"", (long long)c->etag);
		req_header_add(r, "ETag", etag);
	}
	if (c->retry_after_s) {
		snprintf(etag, sizeof(etag), "%d", c->retry_after_s);
		req_header_add(r, "Retry-After", etag);
	}
	if (c->location)
		req_header_add(r, "Location", c->location);
	if (c->replayed)
		req_header_add(r, "Idempotent-Replayed", "true");
	if (c->once_name && !c->replayed)
		add_once(c);
	if (c->status == 204)
		req_reply(r, 204, NULL, (struct slice){0});
	else
		req_reply_json(r, c->status ? c->status : 200, &c->body);
}

void change_submit(struct change *c)
{
	struct req *r = c->r;
	const char *key = (r->ep->flags & EPF_IDEMPOTENCY_KEY) ? req_header(r, "Idempotency-Key")
							       : NULL;

	c->idem_key = slice_of(key);
	if (c->idem_key.n > IDEMPOTENCY_KEY_MAX) {
		struct err err = {0};

		err_field(&err, ERR_FIELD_RANGE, "Idempotency-Key",
			_("an Idempotency-Key has at most %d characters"), IDEMPOTENCY_KEY_MAX);
		req_fail(r, &err);
		return;
	}
	c->job = (struct store_job){.run = run_job, .done = done, .loop = r->loop, .arg = c,
		.actor = req_actor(r)};
	if (!store_submit(r->agent->store, &c->job)) {
		req_fail_code(r, ERR_OVERLOADED);
		return;
	}
	req_suspend(r);
}

void list_open(struct jw *w, struct str *out)
{
	*w = jw_to(out);
	jw_obj(w, NULL);
	jw_arr(w, "items");
}

void list_close(struct jw *w, size_t total, uint64_t revision, const char *next)
{
	jw_arr_end(w);
	jw_int(w, "total", (int64_t)total);
	jw_int(w, "revision", (int64_t)revision);
	if (next)
		jw_str(w, "next", next);
	jw_obj_end(w);
}

const char *cursor_write(const struct store_place *at, char buf[CURSOR_TEXT])
{
	if (at->seq == 0)
		return NULL;
	snprintf(buf, CURSOR_TEXT, "%lld.%lld", (long long)at->seq, (long long)at->mark);
	return buf;
}

bool cursor_read(const char *text, struct store_place *ret)
{
	struct slice mark = slice_of(text), seq = slice_cut(&mark, '.');

	return num_i64(seq, 1, INT64_MAX, &ret->seq) && num_i64(mark, 1, INT64_MAX, &ret->mark);
}

struct page {
	struct store_place before;
	int64_t limit;
	enum err_code (*list)(struct store_tx *tx, const struct store_place *before, int limit,
		struct str *out, size_t *ret_total, struct store_place *ret_next, struct err *err);
};

static enum err_code run_page(struct store_tx *tx, struct change *c, struct err *err)
{
	struct page *p = c->arg;
	struct str items = STR_INIT;
	struct jw w;
	char next[CURSOR_TEXT];
	struct store_place more = {0};
	size_t total = 0;
	enum err_code code =
		p->list(tx, &p->before, (int)p->limit, &items, &total, &more, err);

	if (!code) {
		list_open(&w, &c->body);
		if (items.n)
			jw_raw(&w, NULL, str_slice(&items));
		list_close(&w, total, store_tx_snapshot(tx)->revision,
			cursor_write(&more, next));
	}
	str_release(&items);
	return code;
}

void change_page(struct req *r,
	enum err_code (*list)(struct store_tx *tx, const struct store_place *before, int limit,
		struct str *out, size_t *ret_total, struct store_place *ret_next, struct err *err))
{
	struct page *p = arena_zalloc(&r->arena, 1, sizeof(*p));
	const char *cursor = req_query(r, "cursor");
	struct change *c;

	p->list = list;
	p->limit = req_query_int(r, "limit");
	if (cursor && !cursor_read(cursor, &p->before)) {
		req_fail_code(r, ERR_CURSOR_INVALID);
		return;
	}
	c = change_new(r, run_page, p);
	if (c)
		change_submit(c);
}

bool change_not_modified(struct req *r, int64_t revision)
{
	const char *have = req_header(r, "If-None-Match");
	char etag[32];

	snprintf(etag, sizeof(etag), "\"%lld\"", (long long)revision);
	req_header_add(r, "ETag", etag);
	if (!have || strcmp(have, etag) != 0)
		return false;
	req_reply(r, 304, NULL, (struct slice){0});
	return true;
}
