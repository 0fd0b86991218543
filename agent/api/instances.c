// SPDX-License-Identifier: MIT
// Hosts register their model servers here, again and again as they start: what an operator wished
// since then stays, and whoever registers cannot choose where a key is sent.
#include "agent/api/instances.h"

#include <stdio.h>
#include <string.h>
#include "agent/api/address.h"
#include "agent/api/change.h"
#include "agent/api/services.h"
#include "agent/store/instance.h"
#include "agent/store/key.h"
#include "shared/clock.h"
#include "shared/jx.h"
#include "shared/text.h"
#include "shared/urlx.h"
#include "shared/rows/vendors.h"

// --- one change on its way through the store ---

struct wish {
	struct change *c; // borrowed: its way
	struct instance_wish in;
	int drain; // 1 drain, 0 undrain
};

static struct instance_wish wish_of(struct req *r)
{
	return (struct instance_wish){.agent = r->agent,
		.arena = &r->arena,
		.role = r->who.role,
		.reach = principal_reach(&r->who),
		.fields = &instance_fields};
}

// One of the request's arena, to be submitted with what is done after the commit.
static struct wish *wish_new(struct req *r, change_run_fn *run, void (*committed)(struct change *c))
{
	struct wish *wish = arena_zalloc(&r->arena, 1, sizeof(*wish));
	wish->c = change_new(r, run, wish);
	wish->c->committed = committed;
	wish->in = wish_of(r);
	return wish;
}

static void event(struct change *c, const char *action)
{
	const struct wish *wish = c->arg;
	c->event = EVENT_CONFIG;
	c->event_action = action;
	c->event_object = arena_printf(&c->r->arena, "%s/%s", wish->in.doc.service,
		wish->in.doc.id);
}

// What a repeated call is told too; the first one hears how it stands once it is published.
static void answer(struct store_tx *tx, struct change *c, const struct instance_obj *in)
{
	struct jw w = jw_to(&c->body);
	services_write_instance(&w, c->r->agent, store_tx_snapshot(tx), in);
	c->etag = in->o.revision;
}

// The instance as it is now that the change has been published; NULL when the next one in the queue
// has deleted it again: the answer of the commit stands.
static const struct instance_obj *published(const struct change *c, const struct snapshot **ret)
{
	const struct wish *wish = c->arg;
	*ret = snapshots_now(c->r->agent->snaps);
	return snapshot_instance(*ret, slice_of(wish->in.doc.service), slice_of(wish->in.doc.id));
}

static void answer_again(struct change *c, const struct snapshot *snap,
	const struct instance_obj *in)
{
	str_clear(&c->body);
	struct jw w = jw_to(&c->body);
	services_write_instance(&w, c->r->agent, snap, in);
	c->etag = in->o.revision;
}

// --- register ---

static enum err_code not_found(struct err *err)
{
	return err_set(err, ERR_NOT_FOUND, _("there is no such instance"));
}

// --- its credential: whoever registers must not choose where a key is sent ---

static bool same_auth(const struct instance_credential *a, const struct instance_credential *b)
{
	return a->type == b->type && text_same(a->key, b->key) && text_same(a->header, b->header);
}

// A name of RFC 9110, and none that frames the request or says what this agent says itself.
static bool is_free_header(const char *name)
{
	static const char *const taken[] = {"host", "content-length", "transfer-encoding", "te",
		"trailer", "connection", "keep-alive", "proxy-connection", "upgrade", "expect",
		"content-type", "content-encoding", "accept", "accept-encoding", "user-agent",
		"x-yijian-hop"};
	for (const char *p = name; *p != '\0'; p++) {
		bool word = (*p >= '0' && *p <= '9') || (*p >= 'A' && *p <= 'Z') ||
			(*p >= 'a' && *p <= 'z');
		if (!word && strchr("!#$%&'*+-.^_`|~", *p) == NULL)
			return false;
	}
	for (size_t i = 0; i < ARRAY_LEN(taken); i++) {
		if (slice_ieq_str(slice_of(name), taken[i]))
			return false;
	}
	return true;
}

static enum err_code check_form(const struct instance_credential *auth, struct err *err)
{
	if (auth->type == INSTANCE_OPEN)
		return auth->key == NULL && auth->header == NULL
			? ERR_OK
			: err_field(err, ERR_FIELD_REQUIRED, "auth.type",
				  _("how the credential is shown: bearer, basic or header"));
	if (auth->key == NULL)
		return err_field(err, ERR_FIELD_REQUIRED, "auth.key",
			_("the key that holds the credential is required"));
	if (auth->type != INSTANCE_HEADER)
		return auth->header == NULL
			? ERR_OK
			: err_field(err, ERR_FIELD_FORBIDDEN, "auth.header",
				  _("only the type header has a name of its own"));
	if (auth->header == NULL)
		return err_field(err, ERR_FIELD_REQUIRED, "auth.header",
			_("the name of the header is required"));
	return is_free_header(auth->header)
		? ERR_OK
		: err_field(err, ERR_FIELD_RANGE, "auth.header",
			  _("must be the name of a header that says nothing else"));
}

static enum err_code check_basic(const struct instance_wish *c, const struct key_obj *k,
	struct err *err)
{
	struct secret secret = {0};
	enum err_code code = store_key_open(c->agent->store, k, &secret, err);
	if (code == ERR_OK && slice_find(secret_bytes(&secret), ':') < 0)
		code = err_field(err, ERR_FIELD_RANGE, "auth.key",
			_("a credential of the type basic is stored as user:password"));
	secret_release(&secret);
	return code;
}

// The secret goes to the origin it was stored for and to no other; plain http only within a site.
static enum err_code check_key(const struct instance_wish *c, const struct key_obj *k,
	struct err *err)
{
	if (k == NULL) {
		err_field(err, ERR_FIELD_RANGE, "auth.key", _("there is no such key"));
		err_hint(err,
			_("store it first: POST /api/v1/keys with the vendor %s, the service " LOCAL_SERVICE
			  " and the instance's url as base_url"),
			c->doc.engine);
		return err->code;
	}
	if (engine_find(slice_of(k->doc.vendor)) == NULL)
		return err_field(err, ERR_FIELD_FORBIDDEN, "auth.key",
			_("a vendor's key opens no instance: only keys of engines do"));
	struct url url;
	if (urlx_parse(slice_of(c->doc.url), c->arena, &url, err) != ERR_OK)
		return err->code;
	if (!urlx_same_origin(k->origin, url.origin)) {
		err_field(err, ERR_FIELD_FORBIDDEN, "auth.key",
			_("this key is bound to another address than the instance's url"));
		err_hint(err,
			_("the key's base_url and the instance's url have the same scheme, host "
			  "and port"));
		return err->code;
	}
	if (address_hides_secret(&url, err) != ERR_OK)
		return err->code;
	return c->doc.auth.type == INSTANCE_BASIC ? check_basic(c, k, err) : ERR_OK;
}

// A document may say a key by its id or by its ref; no text is both, a ref has slashes.
static const struct key_obj *key_said(const struct snapshot *snap, struct slice text)
{
	const struct key_obj *k = snapshot_key(snap, text);
	return k != NULL ? k : snapshot_key_ref(snap, text);
}

static enum err_code check_auth(struct store_tx *tx, struct instance_wish *c,
	const struct instance_obj *old, struct err *err)
{
	static const struct instance_credential none = {.type = INSTANCE_OPEN};
	struct instance_credential *auth = &c->doc.auth;
	const struct instance_credential *was = old != NULL ? &old->doc.auth : &none;
	const struct key_obj *k = auth->key == NULL
		? NULL
		: key_said(store_tx_snapshot(tx), slice_of(auth->key));
	enum err_code code = check_form(auth, err);
	if (code != ERR_OK)
		return code;
	if (k != NULL)
		auth->key = k->doc.id; // its ref may change
	bool kept = same_auth(auth, was) &&
		(old == NULL || was->type == INSTANCE_OPEN ||
			strcmp(c->doc.url, old->doc.url) == 0);
	if (!kept && c->role == ROLE_SERVICE)
		return err_field(err, ERR_ROLE_FORBIDDEN, "auth",
			_("a credential, and the url of an instance that has one, take an operator"));
	if (auth->type == INSTANCE_OPEN || (kept && !c->says_auth))
		return ERR_OK;
	return check_key(c, k, err);
}

// Each instance takes a place among the probes and a look-up of its name.
static bool has_place(struct store_tx *tx, const struct actor *actor, struct err *err)
{
	const struct snapshot *snap = store_tx_snapshot(tx);
	struct pmap_it it = {0};
	size_t theirs = 0;
	if (snap->instances.n >= PROBE_INSTANCES_MAX) {
		err_set(err, ERR_CONFLICT_STATE, _("this agent watches %d instances at most"),
			PROBE_INSTANCES_MAX);
		err_hint(err, _("remove those that are gone: yijian service deregister"));
		return false;
	}
	if (actor->role != ROLE_SERVICE)
		return true;
	void *obj;
	struct err ignored;
	while (pmap_next(snap->instances, &it, NULL, &obj))
		theirs += services_may_touch(obj, ROLE_SERVICE, &actor->id, &ignored);
	if (theirs < INSTANCES_PER_TOKEN)
		return true;
	err_set(err, ERR_CONFLICT_STATE, _("a service token registers %d instances at most"),
		INSTANCES_PER_TOKEN);
	err_hint(err, _("remove those that are gone, or give each host a token of its own"));
	return false;
}

enum err_code instance_register(struct store_tx *tx, struct instance_wish *w,
	const struct actor *actor, int64_t if_match, const struct instance_obj **ret,
	struct err *err)
{
	const struct instance_obj *old = snapshot_instance(store_tx_snapshot(tx),
		slice_of(w->doc.service), slice_of(w->doc.id));
	if (old != NULL && w->only_new)
		return err_field(err, ERR_CONFLICT_EXISTS, "id",
			_("the service has an instance of this id"));
	if (!services_may_touch(old, actor->role, &actor->id, err))
		return err->code;
	if (old == NULL && !has_place(tx, actor, err))
		return err->code;
	// A repeated registration, as instances make it when they start, does not undo what an
	// operator wished.
	w->doc.draining = old != NULL && old->doc.draining;
	if (old != NULL && !w->says_enabled)
		w->doc.enabled = old->doc.enabled;
	if (old != NULL && !w->says_auth)
		w->doc.auth = old->doc.auth;
	if (check_auth(tx, w, old, err) != ERR_OK)
		return err->code;
	if (w->keeps_reach && old != NULL && field_same(&instance_fields, &old->doc, &w->doc)) {
		*ret = old;
		return if_match == FIELD_NONE || if_match == old->o.revision
			? ERR_OK
			: err_set(err, ERR_PRECONDITION_FAILED, NULL);
	}
	return store_instance_put(tx, &w->doc, if_match, &w->created, ret, err);
}

static enum err_code run_register(struct store_tx *tx, struct change *c, struct err *err)
{
	struct wish *wish = c->arg;
	const struct instance_obj *in = NULL;
	if (instance_register(tx, &wish->in, &c->job.actor, c->if_match, &in, err) != ERR_OK)
		return err->code;
	c->status = wish->in.created ? 201 : 200;
	event(c, wish->in.created ? "register" : "replace");
	answer(tx, c, in);
	return ERR_OK;
}

static void registered(struct change *c)
{
	const struct snapshot *snap;
	const struct instance_obj *in = published(c, &snap);
	if (in != NULL && in->doc.ttl_s != FIELD_NONE)
		probe_beat(in->live, clock_mono_us());
	probes_wake(c->r->agent->probes);
	if (in != NULL)
		answer_again(c, snap, in);
}

static enum err_code fit_engine(struct instance *in, const struct jx *v, struct err *err)
{
	if (in->engine == NULL)
		in->engine = "openai-compatible";
	const struct engine_row *e = engine_find(slice_of(in->engine));
	if (e == NULL) {
		err_field(err, ERR_FIELD_RANGE, "engine", _("no such engine is known"));
		err_hint(err,
			_("engines are in GET /api/v1/vendors; any server with OpenAI's API "
			  "is openai-compatible"));
		return err->code;
	}
	if (in->capacity.max_concurrency == FIELD_NONE && e->concurrency > 0)
		in->capacity.max_concurrency = e->concurrency;
	if (in->check.path == NULL)
		in->check.path = e->check_path;
	// The engine's quirks where the caller said nothing.
	const struct jx *said = jx_get(v, "quirks");
	if (jx_get(said, "embeddings_base64") == NULL)
		in->quirks.embeddings_base64 = e->quirks.embeddings_base64;
	if (jx_get(said, "sends_done") == NULL)
		in->quirks.sends_done = e->quirks.sends_done;
	if (jx_get(said, "stream_options") == NULL)
		in->quirks.stream_options = e->quirks.stream_options;
	if (jx_get(said, "error_shape") == NULL)
		in->quirks.error_shape = e->quirks.error_shape;
	if (jx_get(said, "max_batch") == NULL)
		in->quirks.max_batch = e->quirks.max_batch;
	return ERR_OK;
}

static enum err_code fit_name(const char *field, struct slice from_path, const char **member,
	struct arena *a, struct err *err)
{
	if (from_path.n == 0)
		return *member != NULL ? ERR_OK : err_field(err, ERR_FIELD_REQUIRED, field, NULL);
	if (from_path.n > ID_MAX)
		return err_field(err, ERR_FIELD_RANGE, field, _("must have at most %d letters"),
			ID_MAX);
	if (!field_charset_ok(FC_ID, from_path))
		return err_field(err, ERR_FIELD_CHARSET, field, "%s %s", field,
			_(field_charset_text(FC_ID)));
	if (*member != NULL && !slice_eq_str(from_path, *member))
		return err_field(err, ERR_FIELD_RANGE, field, _("is another one than in the path"));
	*member = arena_slice(a, from_path);
	return ERR_OK;
}

static bool is_platform_name(const char *service)
{
	for (int i = 0; i < SVC_COUNT; i++) {
		if (strcmp(service, service_row((enum service_id)i)->name) == 0)
			return true;
	}
	return false;
}

enum err_code instance_read(struct instance_wish *w, const struct jx *v, struct slice service,
	struct slice id, struct err *err)
{
	struct instance *doc = &w->doc;
	enum err_code code = jx_decode_value(w->fields, v, JX_CREATE, w->arena, doc, err);
	if (code != ERR_OK)
		return code;
	w->says_enabled = jx_get(v, "enabled") != NULL;
	w->says_auth = jx_get(v, "auth") != NULL;
	code = fit_name("service", service, &doc->service, w->arena, err);
	if (code == ERR_OK)
		code = fit_name("id", id, &doc->id, w->arena, err);
	if (code == ERR_OK && is_platform_name(doc->service))
		code = err_field(err, ERR_CONFLICT_EXISTS, "service",
			_("this is one of the platform's own services"));
	for (size_t i = 0; code == ERR_OK && i < doc->sizes.n; i++) {
		int64_t width, height;
		if (!model_size(slice_of(doc->sizes.v[i]), &width, &height))
			code = err_field(err, ERR_FIELD_RANGE, "sizes", _("must be WIDTHxHEIGHT"));
	}
	if (code == ERR_OK)
		code = fit_engine(doc, v, err);
	if (code == ERR_OK)
		code = address_of_instance(w->agent, w->reach, slice_of(doc->url), w->arena, err);
	return code;
}

static void register_instance(struct wish *wish, struct slice service, struct slice id)
{
	struct req *r = wish->c->r;
	struct err err = {0};
	const struct jx *v = NULL;
	if (jx_parse(r->body, change_limits(), &r->arena, &v, &err) != ERR_OK ||
		instance_read(&wish->in, v, service, id, &err) != ERR_OK)
		req_fail(r, &err);
	else
		change_submit(wish->c);
}

enum err_code instance_put_in(struct store_tx *tx, struct change *c, const struct jx *v,
	struct slice service, struct slice id, bool only_new, const struct instance_obj **ret,
	struct err *err)
{
	struct instance_wish w = wish_of(c->r);
	w.only_new = only_new;
	enum err_code code = instance_read(&w, v, service, id, err);
	return code ? code : instance_register(tx, &w, &c->job.actor, c->if_match, ret, err);
}

void h_instance_put(struct req *r)
{
	register_instance(wish_new(r, run_register, registered), r->param[0], r->param[1]);
}

void h_service_create(struct req *r)
{
	struct wish *wish = wish_new(r, run_register, registered);
	wish->in.only_new = true;
	register_instance(wish, (struct slice){0}, (struct slice){0});
}

// --- leave ---

static enum err_code run_delete(struct store_tx *tx, struct change *c, struct err *err)
{
	const struct wish *wish = c->arg;
	struct slice service = slice_of(wish->in.doc.service), id = slice_of(wish->in.doc.id);
	const struct instance_obj *old = snapshot_instance(store_tx_snapshot(tx), service, id);
	if (old == NULL)
		return not_found(err);
	if (!services_may_touch(old, c->job.actor.role, &c->job.actor.id, err))
		return err->code;
	c->status = 204;
	event(c, "deregister");
	return store_instance_delete(tx, service, id, err);
}

static void deleted(struct change *c)
{
	probes_wake(c->r->agent->probes);
}

// Whether it is there is for the change to say: a repeated call is answered as the first one was.
static void submit_named(struct wish *wish)
{
	struct req *r = wish->c->r;
	wish->in.doc.service = arena_slice(&r->arena, r->param[0]);
	wish->in.doc.id = arena_slice(&r->arena, r->param[1]);
	change_submit(wish->c);
}

void h_instance_delete(struct req *r)
{
	submit_named(wish_new(r, run_delete, deleted));
}

// --- drain ---

static enum err_code run_drain(struct store_tx *tx, struct change *c, struct err *err)
{
	struct wish *wish = c->arg;
	const struct instance_obj *in = NULL,
				  *old = snapshot_instance(store_tx_snapshot(tx),
					  slice_of(wish->in.doc.service),
					  slice_of(wish->in.doc.id));
	if (old == NULL)
		return not_found(err);
	struct instance doc = old->doc;
	doc.draining = wish->drain != 0;
	enum err_code code = store_instance_put(tx, &doc, c->if_match, &wish->in.created, &in, err);
	if (code != ERR_OK)
		return code;
	event(c, wish->drain ? "drain" : "undrain");
	answer(tx, c, in);
	return ERR_OK;
}

static void drained(struct change *c)
{
	const struct wish *wish = c->arg;
	const struct snapshot *snap;
	const struct instance_obj *in = published(c, &snap);
	if (in != NULL && !wish->drain)
		atomic_store(&in->live->drained, 0); // a live override says the same
	if (in != NULL)
		answer_again(c, snap, in);
}

static void drain(struct req *r, int on)
{
	struct wish *wish = wish_new(r, run_drain, drained);
	wish->drain = on;
	submit_named(wish);
}

void h_instance_drain(struct req *r)
{
	drain(r, 1);
}

void h_instance_undrain(struct req *r)
{
	drain(r, 0);
}
