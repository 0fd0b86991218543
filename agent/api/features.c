// SPDX-License-Identifier: MIT
// Reads and writes the routing plan of each feature and lets agents and consoles wait until the
// configuration has another revision.
#include "agent/api/features.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/api/change.h"
#include "agent/store/feature.h"
#include "agent/store/page.h"
#include "shared/clock.h"
#include "shared/jx.h"
#include "shared/mem.h"
#include "shared/text.h"

#define WATCH_STEP_US 1000000 // how often a waiting one looks whether the agent is stopping

static int by_name(const void *a, const void *b)
{
	const struct feature_obj *const *x = a, *const *y = b;
	return strcmp((*x)->doc.name, (*y)->doc.name);
}

const struct feature_obj **features_by_name(struct req *r, size_t *ret_n)
{
	const struct feature_obj **v = arena_zalloc(&r->arena, r->snap->features.n + 1, sizeof(*v));
	struct pmap_it it = {0};
	size_t n = 0;
	void *obj;
	while (pmap_next(r->snap->features, &it, NULL, &obj))
		v[n++] = obj;
	qsort(v, n, sizeof(*v), by_name);
	*ret_n = n;
	return v;
}

void h_feature_list(struct req *r)
{
	if (change_not_modified(r, (int64_t)r->snap->revision))
		return;
	size_t n = 0;
	const struct feature_obj **v = features_by_name(r, &n);
	struct str out = STR_INIT;
	struct jw w;
	list_open(&w, &out);
	for (size_t i = 0; i < n; i++)
		jw_raw(&w, NULL, v[i]->o.json);
	list_close(&w, n, r->snap->revision, NULL);
	req_reply_json(r, 200, &out);
}

static void no_feature(struct req *r)
{
	struct err err = {0};
	err_set(&err, ERR_NOT_FOUND, _("no feature of this name"));
	err_hint(&err, "%s", _("list them: GET /api/v1/features"));
	req_fail(r, &err);
}

void h_feature_get(struct req *r)
{
	const struct feature_obj *f = snapshot_feature(r->snap, r->param[0]);
	if (f == NULL) {
		no_feature(r);
		return;
	}
	if (!change_not_modified(r, f->o.revision))
		req_reply(r, 200, "application/json; charset=utf-8", f->o.json);
}

// What a change of a feature works on.
struct feature_change {
	struct feature doc;
	struct slice name;
	int64_t revision; // of a rollback
	bool create;
};

static void answer(struct change *c, const struct feature_obj *f)
{
	str_add_slice(&c->body, f->o.json);
	c->etag = f->o.revision;
	c->event = EVENT_CONFIG;
	c->event_name = slice_of(arena_strdup(&c->r->arena, f->doc.name));
}

static enum err_code run_put(struct store_tx *tx, struct change *c, struct err *err)
{
	struct feature_change *f = c->arg;
	bool existed = snapshot_feature(store_tx_snapshot(tx), slice_of(f->doc.name)) != NULL;
	const struct feature_obj *obj;
	enum err_code code = store_feature_put(tx, &f->doc, f->create, c->if_match, &obj, err);
	if (code)
		return code;
	answer(c, obj);
	c->status = existed ? 200 : 201;
	c->event_action = existed ? "update" : "create";
	if (!existed)
		c->location = arena_printf(&c->r->arena, "/api/v1/features/%s", obj->doc.name);
	return ERR_OK;
}

void h_feature_create(struct req *r)
{
	struct feature_change *f = arena_zalloc(&r->arena, 1, sizeof(*f));
	struct err err = {0};
	if (jx_decode(&feature_fields, r->body, change_limits(), JX_CREATE, &r->arena, &f->doc,
		    &err)) {
		req_fail(r, &err);
		return;
	}
	f->create = true;
	change_begin(r, run_put, f);
}

void h_feature_put(struct req *r)
{
	struct feature_change *f = arena_zalloc(&r->arena, 1, sizeof(*f));
	const struct field *name = field_named(&feature_fields, SLICE("name"));
	struct jscan_member m[64];
	struct slice body = r->body;
	struct err err = {0};
	size_t n = 0;
	enum err_code code = jscan_object(body, change_limits(), m, ARRAY_LEN(m), &n, &err);
	// The path names the feature; the body may leave its name out.
	if (!code && jscan_find(m, n, "name") == NULL) {
		struct str s = STR_INIT;
		str_addf(&s, "{\"name\":");
		str_add_json(&s, r->param[0]);
		body.p = strchr(body.p, '{') + 1;
		body.n = r->body.n - (size_t)(body.p - r->body.p);
		str_add(&s, n ? "," : "");
		str_add_slice(&s, body);
		body = (struct slice){arena_slice(&r->arena, str_slice(&s)), s.n};
		str_release(&s);
	}
	if (!code)
		code = jx_decode(&feature_fields, body, change_limits(), JX_CREATE, &r->arena,
			&f->doc, &err);
	if (!code && !slice_eq_str(r->param[0], f->doc.name))
		code = err_field(&err, ERR_FIELD_RANGE, name->name,
			_("the name in the body is not the one in the path"));
	if (code) {
		req_fail(r, &err);
		return;
	}
	change_begin(r, run_put, f);
}

// Decoded on the store thread over the document as it is then, so that no change between is lost.
static enum err_code run_patch(struct store_tx *tx, struct change *c, struct err *err)
{
	const struct feature_obj *old = snapshot_feature(store_tx_snapshot(tx), c->r->param[0]);
	struct arena a = ARENA_INIT;
	if (old == NULL)
		return err_set(err, ERR_NOT_FOUND, _("no feature of this name"));
	struct feature doc = old->doc;
	enum err_code code = jx_decode(&feature_fields, c->r->body, change_limits(), JX_PATCH, &a,
		&doc, err);
	if (!code && strcmp(doc.name, old->doc.name) != 0)
		code = err_field(err, ERR_FIELD_FORBIDDEN, "name", _("a name cannot be changed"));
	const struct feature_obj *obj;
	if (!code)
		code = store_feature_put(tx, &doc, false, c->if_match, &obj, err);
	if (!code)
		answer(c, obj);
	c->event_action = "update";
	arena_release(&a);
	return code;
}

void h_feature_patch(struct req *r)
{
	if (snapshot_feature(r->snap, r->param[0]) == NULL) {
		no_feature(r);
		return;
	}
	change_begin(r, run_patch, NULL);
}

static enum err_code run_delete(struct store_tx *tx, struct change *c, struct err *err)
{
	enum err_code code = store_feature_delete(tx, c->r->param[0], c->if_match, err);
	c->status = 204;
	c->event = EVENT_CONFIG;
	c->event_action = "delete";
	c->event_name = c->r->param[0];
	return code;
}

void h_feature_delete(struct req *r)
{
	change_begin(r, run_delete, NULL);
}

static enum err_code run_rollback(struct store_tx *tx, struct change *c, struct err *err)
{
	const struct rollback_body *body = c->arg;
	const struct feature_obj *old = snapshot_feature(store_tx_snapshot(tx), c->r->param[0]);
	if (old == NULL)
		return err_set(err, ERR_NOT_FOUND, _("no feature of this name"));
	const struct feature_obj *obj;
	enum err_code code = store_feature_rollback(tx, c->r->param[0], body->revision, &obj, err);
	if (!code)
		answer(c, obj);
	c->event_action = "rollback";
	return code;
}

void h_feature_rollback(struct req *r)
{
	struct rollback_body *body = arena_zalloc(&r->arena, 1, sizeof(*body));
	change_begin_doc(r, &rollback_fields, body, run_rollback);
}

void h_change_list(struct req *r)
{
	change_page(r, store_change_list);
}

void h_revisions(struct req *r)
{
	change_page(r, store_change_list);
}

static enum err_code list_revisions(struct store_tx *tx, struct change *c, struct err *err)
{
	struct str items = STR_INIT;
	struct jw w;
	size_t n = 0;
	enum err_code code = store_feature_revisions(tx, c->r->param[0], &items, &n, err);
	if (!code) {
		list_open(&w, &c->body);
		jw_raw(&w, NULL, str_slice(&items));
		list_close(&w, n, store_tx_snapshot(tx)->revision, NULL);
	}
	str_release(&items);
	return code;
}

void h_feature_revisions(struct req *r)
{
	change_begin(r, list_revisions, NULL);
}

// ---- watching ----

// Outlives its request: the store thread may still be about to wake it when the caller leaves.
struct watch {
	struct req *r; // NULL once the caller has gone
	struct loop *loop;
	struct snapshots *snaps;
	struct snapshot_waiter waiter;
	struct loop_timer timer;
	uint64_t since;
	uint64_t lineage; // of the snapshot that `since` was compared with
	int64_t until_us;
};

static const char *lineage_text(const struct snapshot *snap, char buf[24])
{
	snprintf(buf, 24, "%016llx", (unsigned long long)snap->lineage);
	return buf;
}

static void watch_answer(struct req *r, uint64_t since, bool reset)
{
	const struct snapshot *snap = snapshots_now(r->agent->snaps);
	uint64_t now = snap->revision;
	struct str out = STR_INIT;
	struct jw w = jw_to(&out);
	jw_obj(&w, NULL);
	jw_int(&w, "revision", (int64_t)now);
	jw_bool(&w, "changed", now != since || reset);
	if (now < since || reset)
		jw_bool(&w, "reset", true);
	char lineage[24];
	jw_str(&w, "lineage", lineage_text(snap, lineage));
	jw_obj_end(&w);
	req_reply_json(r, 200, &out);
}

static void watch_end(struct watch *w)
{
	struct req *r = w->r;
	enum err_code code = r != NULL ? req_still_may(r) : ERR_OK;
	loop_timer_clear(w->loop, &w->timer);
	if (code)
		req_fail_code(r, code);
	else if (r != NULL)
		watch_answer(r, w->since, snapshots_now(w->snaps)->lineage != w->lineage);
	free(w);
}

// On the loop: something was published.
static void watch_woken(void *arg)
{
	struct watch *w = arg;

	const struct snapshot *snap = snapshots_now(w->snaps);
	if (w->r != NULL && snap->revision == w->since && snap->lineage == w->lineage &&
		loop_now_us(w->loop) < w->until_us)
		snapshots_wait(w->snaps, w->since, &w->waiter);
	else
		watch_end(w);
}

// On the store thread.
static void watch_published(void *arg)
{
	struct watch *w = arg;
	loop_post(w->loop, watch_woken, w);
}

static void watch_timer(void *arg)
{
	struct watch *w = arg;
	int64_t left = w->until_us - loop_now_us(w->loop);
	if (left > 0 && !atomic_load(&w->r->agent->draining)) {
		loop_timer_set(w->loop, &w->timer, MIN_OF(left, WATCH_STEP_US), watch_timer, w);
		return;
	}
	w->until_us = 0;
	if (snapshots_unwait(w->snaps, &w->waiter))
		watch_end(w);
}

static void watch_gone(struct req *r)
{
	struct watch *w = r->user;
	w->r = NULL;
	loop_timer_clear(w->loop, &w->timer);
	if (snapshots_unwait(w->snaps, &w->waiter))
		free(w);
}

static void watch_begin(struct req *r, uint64_t since, int64_t wait_ms)
{
	struct watch *w = mem_zalloc(1, sizeof(*w));
	w->r = r;
	w->loop = r->loop;
	w->snaps = r->agent->snaps;
	w->since = since;
	w->lineage = snapshots_now(w->snaps)->lineage;
	w->until_us = loop_now_us(r->loop) + wait_ms * 1000;
	w->waiter.fn = watch_published;
	w->waiter.arg = w;
	r->user = w;
	req_suspend(r);
	req_on_gone(r, watch_gone);
	watch_timer(w);
	snapshots_wait(w->snaps, since, &w->waiter);
}

void h_watch(struct req *r)
{
	int64_t since = req_query_int(r, "since"), wait_ms = req_query_int(r, "wait");

	const struct snapshot *snap = snapshots_now(r->agent->snaps);
	const char *lineage = req_query(r, "lineage");
	char own[24];
	bool other = lineage != NULL && strcmp(lineage, lineage_text(snap, own)) != 0;
	if (wait_ms == 0 || other || snap->revision != (uint64_t)since)
		watch_answer(r, (uint64_t)since, other);
	else
		watch_begin(r, (uint64_t)since, wait_ms);
}
