// SPDX-License-Identifier: MIT
// Tokens and clients are made with a secret that is shown once, narrowed, renamed, ended; and the
// policy says whether a client's key is asked for.
#include "agent/api/callers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "agent/state/caller.h"
#include "agent/api/change.h"
#include "agent/store/caller.h"
#include "agent/store/policy.h"
#include "agent/store/spend.h"
#include "agent/web/keyless.h"
#include "shared/clock.h"
#include "shared/credential.h"
#include "shared/jx.h"
#include "shared/mem.h"
#include "shared/text.h"

#define SAVE_US INT64_C(3000000)

// ---- what they look like ----

static const char *client_state(const struct client_obj *c, const struct spent *spent,
	int64_t now_wall_ms)
{
	if (!c->doc.enabled)
		return "disabled";
	if (c->doc.expires_at != FIELD_NONE && c->doc.expires_at <= now_wall_ms)
		return "expired";
	return c->limits.budget_pico >= 0 && spent->pico >= c->limits.budget_pico ? "over_budget"
										  : "active";
}

// The stored members were rendered when the object was: everything between its braces.
static void open_with(struct jw *w, struct slice json)
{
	jw_obj(w, NULL);
	str_add_n(w->out, json.p + 1, json.n - 2);
	w->comma = true;
}

static void client_write(struct jw *w, const struct client_obj *c)
{
	int64_t wall = clock_wall_ms();
	struct spent spent = limits_spent(&c->limits, c->live, wall);
	open_with(w, c->o.json);
	jw_str(w, "state", client_state(c, &spent, wall));
	jw_int(w, "inflight", atomic_load(&c->live->inflight));
	jw_int(w, "requests", (int64_t)atomic_load(&c->live->requests));
	jw_int(w, "limited", (int64_t)atomic_load(&c->live->limited));
	jw_obj(w, "spent");
	jw_int(w, "pico", spent.pico);
	jw_str(w, "currency", c->limits.currency);
	jw_str(w, "source", spent.unpriced ? "estimated" : "counted");
	jw_obj_end(w);
	jw_int(w, "unpriced", spent.unpriced);
	jw_time_or_null(w, "last_used_at", atomic_load(&c->live->last_used_wall_ms));
	jw_obj_end(w);
}

static void token_write(struct jw *w, const struct token_obj *t)
{
	open_with(w, t->o.json);
	jw_str(w, "state", auth_token_state(t, clock_wall_ms()));
	jw_time_or_null(w, "last_used_at", atomic_load(&t->live->last_used_wall_ms));
	jw_obj_end(w);
}

// ---- reading ----

static int client_by_name(const void *a, const void *b)
{
	return strcmp((*(struct client_obj *const *)a)->doc.name,
		(*(struct client_obj *const *)b)->doc.name);
}

static int token_by_name(const void *a, const void *b)
{
	return strcmp((*(struct token_obj *const *)a)->doc.name,
		(*(struct token_obj *const *)b)->doc.name);
}

void h_client_list(struct req *r)
{
	const struct client_obj **v = arena_zalloc(&r->arena, r->snap->clients.n + 1, sizeof(*v));
	struct pmap_it it = {0};
	struct str out = STR_INIT;
	size_t n = 0;
	void *obj;
	while (pmap_next(r->snap->clients, &it, NULL, &obj))
		v[n++] = obj;
	qsort(v, n, sizeof(*v), client_by_name);
	struct jw w;
	list_open(&w, &out);
	for (size_t i = 0; i < n; i++)
		client_write(&w, v[i]);
	list_close(&w, n, r->snap->revision, NULL);
	req_reply_json(r, 200, &out);
}

void h_token_list(struct req *r)
{
	const struct token_obj **v = arena_zalloc(&r->arena, r->snap->tokens.n + 1, sizeof(*v));
	struct pmap_it it = {0};
	struct str out = STR_INIT;
	size_t n = 0;
	void *obj;
	while (pmap_next(r->snap->tokens, &it, NULL, &obj))
		if (!((struct token_obj *)obj)->revoked_at)
			v[n++] = obj;
	qsort(v, n, sizeof(*v), token_by_name);
	struct jw w;
	list_open(&w, &out);
	for (size_t i = 0; i < n; i++)
		token_write(&w, v[i]);
	list_close(&w, n, r->snap->revision, NULL);
	req_reply_json(r, 200, &out);
}

static void reply_doc(struct req *r, const struct object *o, struct str *out)
{
	if (change_not_modified(r, o->revision))
		str_release(out);
	else
		req_reply_json(r, 200, out);
}

static enum err_code client_missing(struct err *err)
{
	err_set(err, ERR_NOT_FOUND, _("no client of this id"));
	err_hint(err, "%s", _("names are no ids: GET /api/v1/clients lists both"));
	return ERR_NOT_FOUND;
}

static enum err_code token_missing(struct err *err)
{
	err_set(err, ERR_NOT_FOUND, _("no token of this id"));
	err_hint(err, "%s", _("names are no ids: GET /api/v1/tokens lists both"));
	return ERR_NOT_FOUND;
}

static void missing(struct req *r, enum err_code (*say)(struct err *err))
{
	struct err err = {0};
	say(&err);
	req_fail(r, &err);
}

// By its id and nothing else: a name that somebody chose opens nobody's door.
static const struct client_obj *find_client(const struct snapshot *snap, struct slice id)
{
	struct ident ident;
	return ident_read(id, CREDENTIAL_CLIENT, &ident) ? snapshot_client(snap, &ident) : NULL;
}

static const struct token_obj *find_token(const struct snapshot *snap, struct slice id)
{
	struct ident ident;
	const struct token_obj *t = ident_read(id, CREDENTIAL_TOKEN, &ident)
		? snapshot_token(snap, &ident)
		: NULL;
	return t != NULL && !t->revoked_at ? t : NULL;
}

void h_client_get(struct req *r)
{
	const struct client_obj *c = find_client(r->snap, r->param[0]);
	struct str out = STR_INIT;
	struct jw w = jw_to(&out);
	if (c == NULL) {
		missing(r, client_missing);
		return;
	}
	client_write(&w, c);
	reply_doc(r, &c->o, &out);
}

void h_token_get(struct req *r)
{
	const struct token_obj *t = find_token(r->snap, r->param[0]);
	struct str out = STR_INIT;
	struct jw w = jw_to(&out);
	if (t == NULL) {
		missing(r, token_missing);
		return;
	}
	token_write(&w, t);
	reply_doc(r, &t->o, &out);
}

// ---- changing ----

static void told(struct change *c, const char *action, const char *name, int64_t revision)
{
	c->event = EVENT_CONFIG;
	c->event_action = action;
	c->event_name = slice_of(arena_strdup(&c->r->arena, name));
	c->etag = revision;
}

static void wipe(void *arg)
{
	secret_wipe(arg, CREDENTIAL_LEN + 1);
}

// Room for a secret that is wiped with the request.
static char *secret_room(struct req *r)
{
	char *secret = arena_zalloc(&r->arena, 1, CREDENTIAL_LEN + 1);
	arena_defer(&r->arena, wipe, secret);
	return secret;
}

static enum err_code run_client_create(struct store_tx *tx, struct change *c, struct err *err)
{
	bool asked = store_tx_snapshot(tx)->clients_required;
	char *secret = secret_room(c->r);
	struct jw w = jw_to(&c->body);
	const struct client_obj *obj;
	enum err_code code = store_client_create(tx, c->arg, secret, &obj, err);
	if (code)
		return code;
	client_write(&w, obj);
	if (!asked && store_tx_snapshot(tx)->clients_required) {
		str_cut(&c->body, c->body.n - 1); // its closing brace
		w.comma = true;
		jw_obj(&w, "locks_out");
		keyless_write(c->r->agent->keyless, &w, clock_mono_us());
		jw_obj_end(&w);
		str_add_c(&c->body, '}');
	}
	c->once_name = "key";
	c->once_value = secret;
	c->status = 201;
	c->location = arena_printf(&c->r->arena, "/api/v1/clients/%s", obj->doc.id);
	told(c, "create", obj->doc.name, obj->o.revision);
	return ERR_OK;
}

void h_client_create(struct req *r)
{
	struct client_doc *doc = arena_zalloc(&r->arena, 1, sizeof(*doc));
	change_begin_doc(r, &client_fields, doc, run_client_create);
}

static enum err_code run_client_patch(struct store_tx *tx, struct change *c, struct err *err)
{
	const struct client_obj *old = find_client(store_tx_snapshot(tx), c->r->param[0]);
	struct arena a = ARENA_INIT;
	struct jw w = jw_to(&c->body);
	if (old == NULL)
		return client_missing(err);
	struct client_doc doc = old->doc;
	enum err_code code = jx_decode(&client_fields, c->r->body, change_limits(), JX_PATCH, &a,
		&doc, err);
	const struct client_obj *obj;
	if (!code)
		code = store_client_put(tx, &old->id, &doc, c->if_match, &obj, err);
	if (!code) {
		client_write(&w, obj);
		told(c, "update", obj->doc.name, obj->o.revision);
	}
	arena_release(&a);
	return code;
}

void h_client_patch(struct req *r)
{
	if (find_client(r->snap, r->param[0]) != NULL)
		change_begin(r, run_client_patch, NULL);
	else
		missing(r, client_missing);
}

static enum err_code run_client_delete(struct store_tx *tx, struct change *c, struct err *err)
{
	const struct client_obj *old = find_client(store_tx_snapshot(tx), c->r->param[0]);
	if (old == NULL)
		return client_missing(err);
	told(c, "delete", old->doc.name, FIELD_NONE);
	c->status = 204;
	return store_client_delete(tx, &old->id, c->if_match, err);
}

void h_client_delete(struct req *r)
{
	change_begin(r, run_client_delete, NULL);
}

// ---- whether they are asked for ----

static void policy_write(struct str *out, const struct snapshot *snap)
{
	struct client_policy p = {snap->clients_required, snap->policy_revision};
	struct jw w = jw_to(out);
	jw_doc(&w, NULL, &client_policy_fields, &p);
}

void h_client_policy_get(struct req *r)
{
	struct str out = STR_INIT;
	policy_write(&out, r->snap);
	if (change_not_modified(r, r->snap->policy_revision))
		str_release(&out);
	else
		req_reply_json(r, 200, &out);
}

static enum err_code run_policy_put(struct store_tx *tx, struct change *c, struct err *err)
{
	const struct client_policy *p = c->arg;
	bool changed;
	enum err_code code = store_policy_put(tx, p->required, c->if_match, &changed, err);
	if (code)
		return code;
	policy_write(&c->body, store_tx_snapshot(tx));
	c->etag = store_tx_snapshot(tx)->policy_revision;
	if (changed)
		told(c, "update", "clients/policy", c->etag);
	return ERR_OK;
}

void h_client_policy_put(struct req *r)
{
	struct client_policy *p = arena_zalloc(&r->arena, 1, sizeof(*p));
	change_begin_doc(r, &client_policy_fields, p, run_policy_put);
}

static enum err_code run_token_create(struct store_tx *tx, struct change *c, struct err *err)
{
	char *secret = secret_room(c->r);
	struct jw w = jw_to(&c->body);
	const struct token_obj *obj;
	enum err_code code = store_token_create(tx, c->arg, secret, &obj, err);
	if (code)
		return code;
	token_write(&w, obj);
	c->once_name = "token";
	c->once_value = secret;
	c->status = 201;
	c->location = arena_printf(&c->r->arena, "/api/v1/tokens/%s", obj->doc.id);
	told(c, "create", obj->doc.name, obj->o.revision);
	return ERR_OK;
}

static enum err_code check_cidr(const struct token *doc, struct err *err)
{

	if (doc->cidr.n > TOKEN_CIDRS_MAX)
		return err_field(err, ERR_FIELD_RANGE, "cidr", _("at most %d networks"),
			TOKEN_CIDRS_MAX);
	struct peer_nets nets;
	for (size_t i = 0; i < doc->cidr.n; i++)
		if (peer_nets_parse(slice_of(doc->cidr.v[i]), &nets, NULL) || nets.n != 1)
			return err_field(err, ERR_FIELD_RANGE, "cidr",
				_("cidr[%zu] is not a network such as 10.0.0.0/8 or fd00::/8"), i);
	return ERR_OK;
}

void h_token_create(struct req *r)
{
	struct token *doc = arena_zalloc(&r->arena, 1, sizeof(*doc));
	struct err err = {0};
	enum err_code code = jx_decode(&token_fields, r->body, change_limits(), JX_CREATE,
		&r->arena, doc, &err);
	if (!code)
		code = check_cidr(doc, &err);
	if (!code)
		code = auth_may_mint(&r->who, doc, &err);
	if (code)
		req_fail(r, &err);
	else
		change_begin(r, run_token_create, doc);
}

static bool is_admins(const struct token_obj *t)
{
	return t->doc.role == TOKEN_ADMIN && auth_token_whole(&t->doc);
}

// Another token that is an administrator's now.
static bool other_admin(const struct snapshot *snap, const struct token_obj *but)
{
	struct pmap_it it = {0};
	int64_t wall = clock_wall_ms();
	void *obj;
	while (pmap_next(snap->tokens, &it, NULL, &obj)) {
		const struct token_obj *t = obj;
		if (t != but && is_admins(t) && strcmp(auth_token_state(t, wall), "active") == 0)
			return true;
	}
	return false;
}

static enum err_code run_token_delete(struct store_tx *tx, struct change *c, struct err *err)
{
	const struct token_obj *old = find_token(store_tx_snapshot(tx), c->r->param[0]);
	const bool *root = c->arg;
	if (old == NULL)
		return token_missing(err);
	if (!role_covers(c->r->who.role, role_of((enum token_role)old->doc.role)) ||
		(is_admins(old) && c->job.actor.role != ROLE_ADMIN))
		return err_set(err, ERR_SCOPE_EXCEEDED, _("this token may more than you"));
	if (!*root && is_admins(old) && !other_admin(store_tx_snapshot(tx), old)) {
		err_set(err, ERR_LAST_ADMIN, NULL);
		err_hint(err, "%s",
			_("make another one first, or delete it as root over the unix socket"));
		return ERR_LAST_ADMIN;
	}
	told(c, "revoke", old->doc.name, FIELD_NONE);
	c->status = 204;
	return store_token_revoke(tx, &old->id, err);
}

void h_token_delete(struct req *r)
{
	bool *root = arena_zalloc(&r->arena, 1, sizeof(*root));
	*root = req_is_unix_root(r);
	change_begin(r, run_token_delete, root);
}

// ---- spending, written down ----

struct callers {
	struct agent *agent;
	struct loop_timer timer;
	struct store_job job;
	bool busy;
};

struct callers *callers_new(struct agent *a)
{
	struct callers *c = mem_zalloc(1, sizeof(*c));
	c->agent = a;
	return c;
}

void callers_free(struct callers *c)
{
	free(c);
}

static enum err_code run_save(struct store_tx *tx, struct store_job *job)
{
	return store_spend_save(tx, &job->err);
}

static void saved(struct store_job *job, enum err_code code)
{
	struct callers *c = CONTAINER_OF(job, struct callers, job);
	(void)code; // the rows stay marked: the next writing has them
	c->busy = false;
}

static bool is_dirty(const struct live *l)
{
	return atomic_load_explicit(&l->spend.dirty, memory_order_relaxed) != 0;
}

// Whether there is anything to write; only then the store is asked.
static bool any_dirty(const struct snapshot *s)
{
	struct pmap_it clients = {0}, tokens = {0}, features = {0}, keys = {0};
	void *obj;
	while (pmap_next(s->clients, &clients, NULL, &obj))
		if (is_dirty(((struct client_obj *)obj)->live))
			return true;
	while (pmap_next(s->tokens, &tokens, NULL, &obj))
		if (is_dirty(((struct token_obj *)obj)->live))
			return true;
	while (pmap_next(s->features, &features, NULL, &obj))
		if (is_dirty(((struct feature_obj *)obj)->live))
			return true;
	while (pmap_next(s->keys, &keys, NULL, &obj))
		if (is_dirty(((struct key_obj *)obj)->live))
			return true;
	return false;
}

void callers_save_now(struct callers *c)
{
	struct agent *a = c->agent;
	if (c->busy || !any_dirty(snapshots_now(a->snaps)))
		return;
	c->job = (struct store_job){
		.run = run_save, .done = saved, .loop = a->control, .actor = ACTOR_SELF("agent")};
	c->busy = store_submit(a->store, &c->job);
}

static void on_timer(void *arg)
{
	struct callers *c = arg;
	loop_timer_set(c->agent->control, &c->timer, SAVE_US, on_timer, c);
	callers_save_now(c);
}

void callers_start(struct callers *c)
{
	loop_timer_set(c->agent->control, &c->timer, SAVE_US, on_timer, c);
}

void callers_stop(struct callers *c)
{
	loop_timer_clear(c->agent->control, &c->timer);
	callers_save_now(c);
}
