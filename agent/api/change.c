// SPDX-License-Identifier: MIT
// Carries a changing request to the store thread and back: is it a repetition, is the object still
// as the caller read it, run, keep the answer, tell the others.
#include "agent/api/change.h"

#include <stdio.h>
#include <string.h>

#include "agent/state/caller.h"
#include "agent/store/idem.h"
#include "agent/web/cond.h"
#include "agent/web/idem.h"
#include "shared/jx.h"
#include "shared/num.h"
#include "shared/text.h"

static void release_body(void *arg)
{
	struct change *c = arg;
	str_wipe(&c->body);
}

struct change *change_new(struct req *r, change_run_fn *run, void *arg)
{
	struct change *c = arena_zalloc(&r->arena, 1, sizeof(*c));
	c->r = r;
	c->run = run;
	c->arg = arg;
	c->event = EVENT_KINDS;
	c->etag = FIELD_NONE;
	c->if_match = FIELD_NONE;
	arena_defer(&r->arena, release_body, c);
	return c;
}

struct jscan_limits change_limits(void)
{
	return (struct jscan_limits){.tokens = body_limit(BODY_DOC)->tokens};
}

// ---- once, however often it is asked ----

// One name space for all endpoints: a key that was used elsewhere was used for something else.
#define IDEM_SPACE ""

// Until a day after an upgrade: former versions kept an answer for its endpoint, with a hash of the body
// alone. Where a query says what is to be done, that is not enough to be the same request.
static enum err_code find_former(struct store_tx *tx, struct change *c, bool *ret_found)
{
	const struct req *r = c->r;
	const struct seal *seal = store_seal(r->agent->store);
	if (r->ep->params != NULL)
		return ERR_OK;
	unsigned char hash[32];
	if (r->ep->id == EP_SERVICE_CREATE)
		seal_row_mac(seal, r->body, hash);
	else
		seal_token_hash(seal, r->body, hash);
	return store_idem_find(tx, r->ep->name, c->idem_key, hash, ret_found, &c->status, &c->body,
		&c->job.err);
}

static enum err_code find_earlier(struct store_tx *tx, struct change *c, bool *ret_found)
{
	*ret_found = false;
	if (!c->idem_key.n)
		return ERR_OK;
	if (!idem_hash(c->r, c->r->body, c->hash))
		return err_set(&c->job.err, ERR_SEALED, NULL); // nothing can be compared
	enum err_code code = store_idem_find(tx, IDEM_SPACE, c->idem_key, c->hash, ret_found,
		&c->status, &c->body, &c->job.err);
	return code || *ret_found ? code : find_former(tx, c, ret_found);
}

struct change_key change_key_of(const struct change *c)
{
	struct change_key k = {.key = ""};
	snprintf(k.key, sizeof(k.key), "%.*s", SLICE_FMT(c->idem_key));
	memcpy(k.hash, c->hash, sizeof(k.hash));
	return k;
}

enum err_code change_keep(struct store_tx *tx, const struct change_key *k, int status,
	struct slice body, struct err *err)
{
	return !k->key[0]
		? ERR_OK
		: store_idem_save(tx, IDEM_SPACE, slice_of(k->key), k->hash, status, body, err);
}

// ---- only when the object is as the caller read it ----

// The revision of the path's object; FIELD_NONE: there is none.
static int64_t of_feature(const struct snapshot *s, const struct req *r)
{
	const struct feature_obj *f = snapshot_feature(s, r->param[0]);
	return f != NULL ? f->o.revision : FIELD_NONE;
}

static int64_t of_key(const struct snapshot *s, const struct req *r)
{
	const struct key_obj *k = snapshot_key(s, r->param[0]);
	return k != NULL ? k->o.revision : FIELD_NONE;
}

static int64_t of_client(const struct snapshot *s, const struct req *r)
{
	struct ident id;
	const struct client_obj *c = ident_read(r->param[0], CREDENTIAL_CLIENT, &id)
		? snapshot_client(s, &id)
		: NULL;
	return c != NULL ? c->o.revision : FIELD_NONE;
}

static int64_t of_policy(const struct snapshot *s, const struct req *r UNUSED)
{
	return s->policy_revision;
}

static int64_t of_token(const struct snapshot *s, const struct req *r)
{
	struct ident id;
	const struct token_obj *t = ident_read(r->param[0], CREDENTIAL_TOKEN, &id)
		? snapshot_token(s, &id)
		: NULL;
	return t != NULL && !t->revoked_at ? t->o.revision : FIELD_NONE;
}

static int64_t of_rule(const struct snapshot *s, const struct req *r)
{
	const struct rule_obj *rule = snapshot_rule(s, r->param[0]);
	return rule != NULL ? rule->o.revision : FIELD_NONE;
}

static int64_t of_instance(const struct snapshot *s, const struct req *r)
{
	const struct instance_obj *in = snapshot_instance(s, r->param[0], r->param[1]);
	return in != NULL ? in->o.revision : FIELD_NONE;
}

// All that there is.
static int64_t of_platform(const struct snapshot *s, const struct req *r UNUSED)
{
	return (int64_t)s->revision;
}

static const struct {
	const char *path;
	int64_t (*revision)(const struct snapshot *s, const struct req *r);
} objects[] = {
	{"/api/v1/features/{name}", of_feature},
	{"/api/v1/apply", of_platform},
	{"/api/v1/keys/{id}", of_key},
	{"/api/v1/clients/{id}", of_client},
	{"/api/v1/clients/policy", of_policy},
	{"/api/v1/tokens/{id}", of_token},
	{"/api/v1/alerts/rules/{name}", of_rule},
	{"/api/v1/services/{service}/instances/{id}", of_instance},
};

// Of what is not there the change itself says so, but for one that would make it.
static enum err_code judge(const struct snapshot *s, struct change *c, struct err *err)
{
	const struct req *r = c->r;
	int64_t revision = FIELD_NONE;
	if (!(r->ep->flags & EPF_IF_MATCH))
		return ERR_OK;
	for (size_t i = 0; i < ARRAY_LEN(objects); i++)
		if (slice_starts(slice_of(r->ep->path), objects[i].path))
			revision = objects[i].revision(s, r);
	if (revision == FIELD_NONE)
		return r->method == HTTP_PUT ? req_may_change(r, NULL, err) : ERR_OK;
	char etag[ETAG_MAX];
	etag_of_revision(revision, etag);
	if (req_may_change(r, etag, err))
		return err->code;
	if (req_has_if_match(r))
		c->if_match = revision;
	return ERR_OK;
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
	code = judge(store_tx_snapshot(tx), c, &job->err);
	if (code)
		return code;
	code = c->run(tx, c, &job->err);
	if (code == ERR_CONFLICT_EXISTS && req_wants_new(c->r))
		return req_may_change(c->r, "", &job->err);
	if (!code && c->idem_key.n && c->later == NULL)
		code = store_idem_save(tx, IDEM_SPACE, c->idem_key, c->hash,
			c->status ? c->status : 200, str_slice(&c->body), &job->err);
	return code;
}

void change_keep_nothing(struct change *c)
{
	c->idem_key = (struct slice){0};
}

void change_tell_one(struct req *r, enum event_kind kind, const char *action, const char *object,
	struct slice name, int64_t revision)
{
	struct str s = STR_INIT;
	struct jw w = jw_to(&s);
	jw_obj(&w, NULL);
	jw_str(&w, "action", action);
	if (object != NULL)
		jw_str(&w, "object", object);
	else
		jw_slice(&w, "name", name);
	req_actor_write(r, &w);
	if (object == NULL && revision != FIELD_NONE)
		jw_int(&w, "revision", revision);
	jw_obj_end(&w);
	events_add(r->agent->events, kind, str_slice(&s));
	str_release(&s);
}

void change_tell(struct req *r, const char *action, const char *object)
{
	change_tell_one(r, EVENT_CONFIG, action, object, (struct slice){0}, FIELD_NONE);
}

static void done(struct store_job *job, enum err_code code)
{
	struct change *c = job->arg;
	struct req *r = c->r;
	if (code) {
		req_fail(r, &job->err);
		return;
	}
	if (c->later != NULL && !c->replayed) {
		c->later(c);
		return;
	}
	if (c->committed != NULL && !c->replayed)
		c->committed(c);
	if (c->event != EVENT_KINDS && c->job.wrote)
		change_tell_one(r, c->event, c->event_action != NULL ? c->event_action : "change",
			c->event_object, c->event_name, c->etag);
	char etag[ETAG_MAX];
	if (c->etag != FIELD_NONE) {
		etag_of_revision(c->etag, etag);
		req_header_add(r, "ETag", etag);
	}
	if (c->retry_after_s) {
		snprintf(etag, sizeof(etag), "%d", c->retry_after_s);
		req_header_add(r, "Retry-After", etag);
	}
	if (c->location != NULL)
		req_header_add(r, "Location", c->location);
	if (c->replayed)
		req_header_add(r, "Idempotent-Replayed", "true");
	if (c->once_name != NULL && !c->replayed) { // before the answer's closing brace
		struct jw w = jw_to(&c->body);
		c->body.n--;
		w.comma = true;
		jw_str(&w, c->once_name, c->once_value);
		str_add_c(&c->body, '}');
	}
	if (c->status == 204)
		req_reply(r, 204, NULL, (struct slice){0});
	else
		req_reply_json(r, c->status ? c->status : 200, &c->body);
}

void change_submit(struct change *c)
{
	struct req *r = c->r;
	struct err err = {0};
	if ((r->ep->flags & EPF_IDEMPOTENCY_KEY) && req_idempotency_key(r, &c->idem_key, &err)) {
		req_fail(r, &err);
		return;
	}
	c->job = (struct store_job){
		.run = run_job, .done = done, .loop = r->loop, .arg = c, .actor = req_actor(r)};
	if (!store_submit(r->agent->store, &c->job)) {
		req_fail_code(r, ERR_OVERLOADED);
		return;
	}
	req_suspend(r);
}

void change_begin(struct req *r, change_run_fn *run, void *arg)
{
	change_submit(change_new(r, run, arg));
}

void change_begin_doc(struct req *r, const struct field_set *fields, void *doc, change_run_fn *run)
{
	struct err err = {0};
	if (jx_decode(fields, r->body, change_limits(), JX_CREATE, &r->arena, doc, &err))
		req_fail(r, &err);
	else
		change_begin(r, run, doc);
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
	if (next != NULL)
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
	enum err_code code = p->list(tx, &p->before, (int)p->limit, &items, &total, &more, err);
	if (!code) {
		list_open(&w, &c->body);
		if (items.n)
			jw_raw(&w, NULL, str_slice(&items));
		list_close(&w, total, store_tx_snapshot(tx)->revision, cursor_write(&more, next));
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
	p->list = list;
	p->limit = req_query_int(r, "limit");
	if (cursor != NULL && !cursor_read(cursor, &p->before)) {
		req_fail_code(r, ERR_CURSOR_INVALID);
		return;
	}
	change_begin(r, run_page, p);
}

bool change_not_modified(struct req *r, int64_t revision)
{
	char etag[ETAG_MAX];
	etag_of_revision(revision, etag);
	return req_not_modified(r, etag);
}
