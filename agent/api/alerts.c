// SPDX-License-Identifier: MIT
// Answers what fires and what fired, and lets operators write the rules behind it: the list is the
// monitor's, the rules are documents of the store.
#include "agent/api/alerts.h"

#include <stdlib.h>
#include <string.h>
#include "agent/monitor/alerts.h"
#include "agent/api/change.h"
#include "agent/store/alert.h"
#include "agent/store/audit.h"
#include "shared/jx.h"
#include "shared/text.h"

// ---- alerts ----

static void no_alert(struct req *r)
{
	struct err err = {0};
	err_set(&err, ERR_NOT_FOUND, _("no alert of this id"));
	err_hint(&err, "%s", _("list them: GET /api/v1/alerts"));
	req_fail(r, &err);
}

void h_alert_list(struct req *r)
{
	size_t total = 0;
	struct str out = STR_INIT;
	struct jw w;
	list_open(&w, &out);
	alerts_write(r->agent->alerts, &w, (enum alerts_which)req_query_int(r, "state"),
		(size_t)req_query_int(r, "limit"), &total);
	list_close(&w, total, r->snap->revision, NULL);
	req_reply_json(r, 200, &out);
}

void h_alert_get(struct req *r)
{
	struct str out = STR_INIT;
	struct jw w = jw_to(&out);
	if (alerts_write_one(r->agent->alerts, &w, r->param[0])) {
		req_reply_json(r, 200, &out);
		return;
	}
	str_release(&out);
	no_alert(r);
}

struct ack {
	struct store_job job;
	struct req *r;
	const char *id;
	struct str row;
	int64_t fired_ms;
	uint64_t changes;
};

static void ack_release(void *arg)
{
	str_release(&((struct ack *)arg)->row);
}

static enum err_code ack_keep(struct store_tx *tx, struct store_job *job)
{
	const struct ack *a = CONTAINER_OF(job, struct ack, job);
	enum err_code code = store_alert_put(tx, a->id, a->fired_ms, FIELD_NONE, str_slice(&a->row),
		&job->err);
	return code ? code : store_audit(tx, "alert.ack", a->id, "ok", &job->err);
}

// It holds in memory also when the database takes no writes: the alert may be about just that.
// "stored" says whether it would outlive a restart.
static void ack_done(struct store_job *job, enum err_code code)
{
	struct ack *a = CONTAINER_OF(job, struct ack, job);
	if (code == ERR_OK)
		alerts_kept(a->r->agent->alerts, slice_of(a->id), a->changes);
	h_alert_get(a->r);
}

void h_alert_ack(struct req *r)
{
	struct ack *a = arena_zalloc(&r->arena, 1, sizeof(*a));
	struct alert_ack_body body = {0};
	struct err err = {0};
	if (r->body.n > 0 &&
		jx_decode(&alert_ack_fields, r->body, change_limits(), JX_CREATE, &r->arena, &body,
			&err) != ERR_OK) {
		req_fail(r, &err);
		return;
	}
	arena_defer(&r->arena, ack_release, a);
	switch (alerts_ack(r->agent->alerts, r->param[0], &r->who, body.note, &a->row, &a->fired_ms,
		&a->changes)) {
	case ACK_NOT_FOUND:
		no_alert(r);
		return;
	case ACK_NOT_FIRING:
		err_set(&err, ERR_CONFLICT_STATE, _("this alert does not fire"));
		req_fail(r, &err);
		return;
	case ACK_DONE:
		break;
	}
	a->r = r;
	a->id = arena_slice(&r->arena, r->param[0]);
	a->job = (struct store_job){
		.run = ack_keep, .done = ack_done, .loop = r->loop, .actor = req_actor(r)};
	if (store_submit(r->agent->store, &a->job))
		req_suspend(r);
	else
		h_alert_get(r);
}

// ---- rules ----

static int by_name(const void *a, const void *b)
{
	const struct rule_obj *x = *(struct rule_obj *const *)a, *y = *(struct rule_obj *const *)b;
	return strcmp(x->doc.name, y->doc.name);
}

void h_alert_rule_list(struct req *r)
{
	struct pmap_it it = {0};
	struct str out = STR_INIT;
	size_t n = 0;
	if (change_not_modified(r, (int64_t)r->snap->revision))
		return;
	const struct rule_obj **v = arena_zalloc(&r->arena, r->snap->alert_rules.n + 1,
		sizeof(v[0]));
	void *obj;
	while (pmap_next(r->snap->alert_rules, &it, NULL, &obj))
		v[n++] = obj;
	qsort(v, n, sizeof(v[0]), by_name);
	struct jw w;
	list_open(&w, &out);
	for (size_t i = 0; i < n; i++)
		jw_raw(&w, NULL, v[i]->o.json);
	list_close(&w, n, r->snap->revision, NULL);
	req_reply_json(r, 200, &out);
}

static const struct rule_obj *rule_or_fail(struct req *r)
{
	const struct rule_obj *rule = snapshot_rule(r->snap, r->param[0]);
	struct err err = {0};
	if (rule != NULL)
		return rule;
	err_set(&err, ERR_NOT_FOUND, _("no alert rule of this name"));
	err_hint(&err, "%s", _("list them: GET /api/v1/alerts/rules"));
	req_fail(r, &err);
	return NULL;
}

void h_alert_rule_get(struct req *r)
{
	const struct rule_obj *rule = rule_or_fail(r);
	if (rule != NULL && !change_not_modified(r, rule->o.revision))
		req_reply(r, 200, "application/json; charset=utf-8", rule->o.json);
}

static void answer(struct change *c, const struct rule_obj *rule)
{
	str_add_slice(&c->body, rule->o.json);
	c->etag = rule->o.revision;
	c->event = EVENT_CONFIG;
	c->event_name = slice_of(arena_strdup(&c->r->arena, rule->doc.name));
}

static enum err_code run_create(struct store_tx *tx, struct change *c, struct err *err)
{
	const struct rule_obj *obj;
	enum err_code code = store_rule_put(tx, c->arg, true, c->if_match, &obj, err);
	if (code)
		return code;
	answer(c, obj);
	c->status = 201;
	c->event_action = "create";
	c->location = arena_printf(&c->r->arena, "/api/v1/alerts/rules/%s", obj->doc.name);
	return ERR_OK;
}

void h_alert_rule_create(struct req *r)
{
	struct alert_rule *rule = arena_zalloc(&r->arena, 1, sizeof(*rule));
	change_begin_doc(r, &alert_rule_fields, rule, run_create);
}

static enum err_code run_patch(struct store_tx *tx, struct change *c, struct err *err)
{
	const struct rule_obj *old = snapshot_rule(store_tx_snapshot(tx), c->r->param[0]);
	struct arena a = ARENA_INIT;
	if (old == NULL)
		return err_set(err, ERR_NOT_FOUND, _("no alert rule of this name"));
	struct alert_rule doc = old->doc;
	enum err_code code = jx_decode(&alert_rule_fields, c->r->body, change_limits(), JX_PATCH,
		&a, &doc, err);
	if (!code && strcmp(doc.name, old->doc.name) != 0)
		code = err_field(err, ERR_FIELD_FORBIDDEN, "name", _("a name cannot be changed"));
	const struct rule_obj *obj;
	if (!code)
		code = store_rule_put(tx, &doc, false, c->if_match, &obj, err);
	if (!code)
		answer(c, obj);
	c->event_action = "update";
	arena_release(&a);
	return code;
}

void h_alert_rule_patch(struct req *r)
{
	if (rule_or_fail(r) == NULL)
		return;
	change_begin(r, run_patch, NULL);
}

static enum err_code run_delete(struct store_tx *tx, struct change *c, struct err *err)
{
	c->status = 204;
	c->event = EVENT_CONFIG;
	c->event_action = "delete";
	c->event_name = c->r->param[0];
	return store_rule_delete(tx, c->r->param[0], c->if_match, err);
}

void h_alert_rule_delete(struct req *r)
{
	change_begin(r, run_delete, NULL);
}
