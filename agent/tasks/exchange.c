// SPDX-License-Identifier: MIT
// Requests of tasks are built from names, as no caller and no route of a caller stands behind them:
// what opens the upstream is looked up anew for each, and goes along only where it may be seen.
#include "agent/tasks/exchange.h"

#include "agent/call/attempt.h"
#include "agent/call/exchange.h"
#include "agent/call/secret.h"
#include "agent/tasks/slot.h"
#include "agent/tasks/target.h"
#include "shared/text.h"

#define CONNECT_MS 10000 // when the feature is gone
#define IDLE_MS 60000

void task_hold(struct task_run *r, const struct snapshot *snap, const struct candidate *cand)
{
	snapshot_hold(snap);
	r->tries.snap = snap;
	r->tries.feature = snapshot_feature_for(snap, slice_of(r->t.feature), r->t.offer);
	r->tries.cand = cand;
}

bool task_take_candidate(struct task_run *r)
{
	const struct snapshot *snap = snapshots_now(r->e->agent->snaps);
	const struct candidate *c = task_candidate_of(r, snap, NULL);
	if (c != NULL)
		task_hold(r, snap, c);
	return c != NULL;
}

const struct url *task_take_upstream(struct task_run *r)
{
	struct err err = {0}; // it is asked for again, or fails for reasons of its own
	const struct snapshot *snap = snapshots_now(r->e->agent->snaps);
	struct slice service = slice_of(r->t.target_name), vendor = slice_cut(&service, '/');
	const struct vendor_row *v = vendor_find(vendor, service);
	const struct key_obj *key = task_key_of(r, snap);
	snapshot_hold(snap);
	r->tries.snap = snap;
	if (key == NULL) {
		const struct instance_obj *in = task_instance_of(r, snap);
		const struct key_obj *opens = NULL;
		enum grant grant = in != NULL ? snapshot_grant(snap, in, &opens) : GRANT_GONE;
		if (grant != GRANT_NONE && (grant != GRANT_KEY || snap->sealed))
			return NULL; // never without what it asks for
		r->pool_key = in->live->id;
		r->style = instance_auth(&in->doc, &r->auth_header);
		if (opens != NULL)
			r->tries.secret = gw_secret_take(r->e->gl, opens, &err);
		return opens == NULL || r->tries.secret != NULL ? &in->url : NULL;
	}
	r->pool_key = key->live->id;
	r->style = v != NULL ? v->auth : AUTH_BEARER;
	r->auth_header = NULL;
	r->tries.secret = gw_secret_take(r->e->gl, key, &err);
	return r->tries.secret != NULL ? &key->url : NULL;
}

void task_call(struct task_run *r, const struct task_exchange *x)
{
	bool vendor = r->t.key[0] != '\0';
	// A picture that an instance serves itself is behind its credential like the rest of it.
	bool shown = r->tries.secret != NULL && (!x->foreign || (x->near && !vendor));
	const struct instance_obj *in = task_instance_of(r, r->tries.snap);
	const struct feature_obj *f = snapshot_feature_for(r->tries.snap, slice_of(r->t.feature),
		r->t.offer);
	exchange_headers(&r->send, vendor ? 0 : r->hop, &r->headers);
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
		.near_only = (!x->foreign || x->near) && in != NULL && in->near_only,
		.vendor_key = shown};
	if (shown) {
		q.auth = &r->tries.secret->key;
		q.auth_style = r->style;
		q.auth_header = r->auth_header;
	}
	r->up = upstream_start(loop_upstream(r->e->loop), &q, x->cb, r);
}

struct slice task_secret(const struct task_run *r)
{
	return r->tries.secret != NULL ? secret_bytes(&r->tries.secret->key)
				       : (struct slice){NULL, 0};
}

void task_call_end(struct task_run *r)
{
	attempt_secret_drop(&r->tries);
	if (r->tries.snap != NULL)
		snapshot_drop(r->tries.snap);
	r->tries.snap = NULL;
	r->tries.feature = NULL;
	r->tries.cand = NULL;
	arena_reset(&r->arena);
	gw_clear_ask(&r->send);
	task_relay_clear(&r->relay);
}

void task_unadmit(struct task_run *r)
{
	if (r->tries.cand == NULL)
		return;
	attempt_let_go(r->tries.cand);
	task_slot_free(r, r->part);
}
