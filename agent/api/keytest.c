// SPDX-License-Identifier: MIT
// A real, free call with a key: is the address reachable and how not, does the vendor take the key
// or would it in another region, is it a second key of an account, which models does it see and
// are those of its features among them.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/protocol/error.h"
#include "agent/decide/attempt.h"
#include "agent/api/change.h"
#include "agent/decide/decide.h"
#include "agent/api/keys.h"
#include "agent/store/origin.h"
#include "agent/api/regions.h"
#include "agent/protocol/scrub.h"
#include "agent/store/audit.h"
#include "agent/store/key.h"
#include "agent/upstream/upstream.h"
#include "shared/clock.h"
#include "shared/jx.h"
#include "shared/mem.h"
#include "shared/text.h"
#include "shared/rows/vendors.h"

#define TEST_TIMEOUT_MS 10000
#define REGION_TIMEOUT_MS 4000
#define TEST_BODY_MAX (4 * 1024 * 1024)
#define EXPIRY_NEAR_MS (14 * 86400000LL)
#define MODELS_SHOWN 6
#define MODELS_MAX 4096
#define RETRY_MAX_S 300

struct keytest {
	struct req *r;
	const struct change *once; // of a call with an Idempotency-Key; NULL otherwise
	struct upcall *call;
	const struct vendor_key *doc; // of the snapshot or the arena
	const struct key_obj *stored; // NULL for one in the body
	const char *pool_key;
	struct url url; // of the call that is out
	struct secret secret;
	const struct vendor_row *row;
	struct region regions[REGIONS_MAX]; // asked one after the other when the key is refused
	size_t regions_n, region_i;
	char first_origin[256];
	bool barred; // an address was left out: who asks may not send a stored secret there
	struct str asked; // origins beside the first that were shown a stored secret
	struct str out;
	struct jw w;
	bool ok;
};

static void check(struct keytest *t, const char *name, const char *result, int64_t us,
	const char *detail, const char *hint)
{
	jw_obj(&t->w, NULL);
	jw_str(&t->w, "name", name);
	jw_str(&t->w, "result", result);
	jw_int(&t->w, "ms", us / 1000);
	jw_str(&t->w, "detail", detail);
	jw_str(&t->w, "hint", hint);
	jw_obj_end(&t->w);
	if (strcmp(result, "fail") == 0)
		t->ok = false;
}

// What the vendor wrote, unless it shows the key.
static const char *foreign(const struct keytest *t, const char *text)
{
	return scrub_shows(slice_of(text), secret_bytes(&t->secret)) ? "…" : text;
}

// ---- the end: an audit row, which the caller does not wait for, and the answer ----

struct audit {
	struct store_job job;
	struct str object;
	bool ok;
	struct change_key key;
	struct str answer; // kept under it
};

static enum err_code run_audit(struct store_tx *tx, struct store_job *job)
{
	const struct audit *a = job->arg;

	enum err_code code = store_audit(tx, "key.test", str_text(&a->object),
		a->ok ? "ok" : "fail", &job->err);
	return code ? code : change_keep(tx, &a->key, 200, str_slice(&a->answer), &job->err);
}

static void audit_free(struct audit *a)
{
	str_release(&a->object);
	str_release(&a->answer);
	free(a);
}

static void audited(struct store_job *job, enum err_code code UNUSED)
{
	audit_free(job->arg);
}

static void audit(const struct keytest *t)
{
	struct audit *a = mem_zalloc(1, sizeof(*a));
	str_add(&a->object, t->stored != NULL ? t->stored->ref : "unsaved");
	if (t->asked.n)
		str_addf(&a->object, ": %s ->%s", t->first_origin, str_text(&t->asked));
	a->ok = t->ok;
	a->job = (struct store_job){.run = run_audit,
		.done = audited,
		.loop = t->r->loop,
		.arg = a,
		.actor = req_actor(t->r)};
	if (t->once != NULL) {
		a->key = change_key_of(t->once);
		str_add_slice(&a->answer, str_slice(&t->out));
	}
	if (!store_submit(t->r->agent->store, &a->job))
		audit_free(a);
}

static void finish(struct keytest *t)
{
	secret_release(&t->secret);
	jw_arr_end(&t->w);
	jw_bool(&t->w, "ok", t->ok);
	jw_obj_end(&t->w);
	if (t->ok && t->stored != NULL)
		breaker_proven(t->stored->live, t->stored->life, clock_wall_ms());
	audit(t);
	req_reply_json(t->r, 200, &t->out);
}

// ---- what the document itself says ----

static void look_expiry(struct keytest *t)
{
	int64_t at = t->doc->expires_at, now = clock_wall_ms();
	if (at == FIELD_NONE || at > now + EXPIRY_NEAR_MS)
		return;
	char when[CLOCK_TEXT_MAX];
	check(t, "expiry", at <= now ? "fail" : "warn", 0, clock_rfc3339(at, when),
		at <= now ? _("it has expired and is not used: change expires_at, or rotate it")
			  : _("it expires soon: make a new one and rotate"));
}

// Another stored key of this vendor that is this one again, or draws on the same account. org: hash
// of the organisation the vendor named, 0 none.
static void look_duplicates(struct keytest *t, const char *fingerprint, uint64_t org)
{
	struct pmap_it it = {0};
	void *value;
	while (pmap_next(t->r->snap->keys, &it, NULL, &value)) {
		const struct key_obj *k = value;
		if (k == t->stored || strcmp(k->doc.vendor, t->doc->vendor) != 0)
			continue;
		if (fingerprint != NULL && strcmp(k->doc.fingerprint, fingerprint) == 0) {
			check(t, "duplicate", "warn", 0,
				arena_printf(&t->r->arena, _("the same secret as %s"), k->ref),
				_("one key may serve several services: use its \"services\""));
			return;
		}
		bool same_account = t->doc->account != NULL && k->doc.account != NULL &&
			strcmp(t->doc->account, k->doc.account) == 0;
		if (same_account || (org && atomic_load(&k->live->org) == org)) {
			check(t, "account", "warn", 0,
				arena_printf(&t->r->arena, _("the same account as %s"), k->ref),
				_("the vendor's limits are per account: this key does not add to "
				  "them"));
			return;
		}
	}
}

static uint64_t organisation(const struct upstream_response *res)
{
	static const char *const names[] = {"openai-organization", "anthropic-organization-id"};
	for (size_t i = 0; i < res->headers_n; i++)
		for (size_t k = 0; k < ARRAY_LEN(names); k++)
			if (slice_ieq_str(res->headers[i].name, names[k]) &&
				res->headers[i].value.n)
				return decide_session(res->headers[i].value);
	return 0;
}

static void look_owner(struct keytest *t, const struct upstream_response *res)
{
	const struct seal *seal = store_seal(t->r->agent->store);
	uint64_t org = organisation(res);
	char *fingerprint = NULL;
	if (t->stored != NULL) {
		fingerprint = arena_strdup(&t->r->arena, t->stored->doc.fingerprint);
		if (live_match(t->stored->live, t->stored->life) == LIVE_SAME)
			atomic_store(&t->stored->live->org, org);
	} else if (seal != NULL) {
		fingerprint = arena_alloc(&t->r->arena, SEAL_FP_HEX + 1);
		seal_fingerprint(seal, &t->secret, fingerprint);
	}
	look_duplicates(t, fingerprint, org);
}

// ---- models ----

static const char *whats_there(struct keytest *t, const struct strv *m)
{
	struct str s = STR_INIT;
	for (size_t i = 0; i < MIN_OF(m->n, (size_t)MODELS_SHOWN); i++)
		str_addf(&s, "%s%s", i ? ", " : "", m->v[i]);
	if (m->n > MODELS_SHOWN)
		str_add(&s, ", …");
	const char *ret = foreign(t, arena_strdup(&t->r->arena, str_text(&s)));
	str_release(&s);
	return ret;
}

static void missing(struct keytest *t, const struct strv *m, const char *feature, const char *model)
{
	struct arena *a = &t->r->arena;
	const char *close = text_closest(slice_of(model), m->v, m->n);
	check(t, "model", "warn", 0,
		arena_printf(a, _("feature %s asks for %s, which this key does not see"), feature,
			model),
		close != NULL ? arena_printf(a, _("did you mean %s? It sees %s"), foreign(t, close),
					whats_there(t, m))
			      : arena_printf(a, _("change the target's upstream_model; it sees %s"),
					whats_there(t, m)));
}

static void look_models(struct keytest *t, const struct upstream_response *res, struct slice body)
{
	struct err err = {0};
	const struct jx *doc = NULL, *data = NULL;
	struct strv m = {0};
	if (jx_parse(body, (struct jscan_limits){200000, JSCAN_DEPTH}, &t->r->arena, &doc, &err) ==
		ERR_OK)
		data = jx_get(doc, "data");
	if (!jx_is_arr(data)) {
		check(t, "models", "warn", res->ttfb_us, _("the model list could not be read"),
			_("is base_url the vendor's API, without /v1?"));
		return;
	}
	m.v = arena_zalloc(&t->r->arena, MIN_OF(jx_len(data), (size_t)MODELS_MAX) + 1,
		sizeof(*m.v));
	for (size_t i = 0; i < MIN_OF(jx_len(data), (size_t)MODELS_MAX); i++)
		if (jx_is_str(jx_get(jx_at(data, i), "id")))
			m.v[m.n++] = jx_str(jx_get(jx_at(data, i), "id"), "");
	char text[64];
	snprintf(text, sizeof(text), _("%zu models visible to this key"), m.n);
	check(t, "models", "ok", res->ttfb_us, text, NULL);
	// The models of the targets it joins. Lists of some vendors leave models out, so it only
	// warns.
	struct pmap_it it = {0};
	void *value;
	while (pmap_next(t->r->snap->features, &it, NULL, &value)) {
		const struct feature *f = &((const struct feature_obj *)value)->doc;
		for (size_t i = 0; i < f->targets.n; i++) {
			const struct target *g = &((const struct target *)f->targets.v)[i];
			if (f->enabled && g->enabled && g->vendor != NULL &&
				g->upstream_model != NULL &&
				strcmp(g->vendor, t->doc->vendor) == 0 &&
				key_serves(t->doc, g->service) && !strv_has(&m, g->upstream_model))
				missing(t, &m, f->name, g->upstream_model);
		}
	}
}

// ---- another region ----

static void try_region(struct keytest *t);

static void region_done(void *arg, enum up_end end, const struct upstream_response *res,
	struct slice body UNUSED, const struct err *err UNUSED)
{
	struct keytest *t = arg;
	const struct region *g = &t->regions[t->region_i];
	t->call = NULL;
	if (end != UP_OK || res == NULL || res->status != 200) {
		t->region_i++;
		try_region(t);
		return;
	}
	check(t, "region", "fail", res->ttfb_us,
		arena_printf(&t->r->arena, _("the key works in region %s, at %s"), g->name, g->url),
		arena_printf(&t->r->arena, _("store it with region %s and base_url %s"), g->name,
			g->url));
	finish(t);
}

static void ask(struct keytest *t, const char *path, int64_t limit_ms,
	const struct upstream_callbacks *callbacks)
{
	const char *header;
	enum auth_style style = snapshot_key_auth(snapshots_now(t->r->agent->snaps), t->row,
		t->stored != NULL ? t->stored->doc.id : NULL, &header);
	struct upstream_request up = {.url = &t->url,
		.pool_key = t->pool_key,
		.method = "GET",
		.path = path,
		.headers = t->row->auth == AUTH_X_API_KEY ? "anthropic-version: 2023-06-01\r\n"
							  : "",
		.auth = &t->secret,
		.auth_style = style,
		.auth_header = header != NULL ? arena_strdup(&t->r->arena, header) : NULL,
		.connect_ms = limit_ms,
		.first_byte_ms = limit_ms,
		.idle_ms = limit_ms,
		.total_ms = limit_ms,
		.body_max = TEST_BODY_MAX,
		.vendor_key = true};
	t->call = upstream_start(loop_upstream(t->r->loop), &up, callbacks, t);
}

static bool may_ask(struct keytest *t)
{
	struct actor actor = req_actor(t->r);
	struct err ignored;
	if (t->stored == NULL ||
		origin_judge(&(struct origin_move){&actor, t->stored->origin, t->url.origin, false},
			&ignored) == ERR_OK)
		return true;
	t->barred = true;
	return false;
}

// The next address of the catalogue that was not asked yet; the key goes to its own vendor alone.
static void try_region(struct keytest *t)
{
	static const struct upstream_callbacks callbacks = {.done = region_done};
	struct arena *a = &t->r->arena;
	struct url base;
	struct err ignored;
	for (; t->region_i < t->regions_n; t->region_i++) {
		if (urlx_parse(slice_of(t->regions[t->region_i].url), a, &t->url, &ignored) !=
				ERR_OK ||
			urlx_parse(slice_of(t->row->base_url), a, &base, &ignored) != ERR_OK ||
			urlx_same_origin(t->url.origin, t->first_origin) || !may_ask(t))
			continue;
		if (t->stored != NULL)
			str_addf(&t->asked, " %s", t->url.origin);
		ask(t, arena_printf(a, "%s%s%s", t->url.path, base.path, t->row->test_path),
			REGION_TIMEOUT_MS, &callbacks);
		return;
	}

	// None is left.
	if (t->barred)
		check(t, "region", "warn", 0,
			_("the vendor's other regions were not asked: a stored secret goes to another "
			  "address only by an admin"),
			_("ask an admin, or test with the secret itself: POST /api/v1/keys/test"));
	else if (t->regions_n > 1)
		check(t, "region", "fail", 0, _("no other region of the vendor takes it either"),
			_("is it complete, and not revoked at the vendor?"));
	finish(t);
}

// True when other addresses are asked first, and the end comes later.
static bool look_elsewhere(struct keytest *t)
{
	if (t->row->local)
		return false;
	t->regions_n = regions_of(t->r->agent->settings, t->doc->vendor, &t->r->arena, t->regions);
	t->region_i = 0;
	if (!t->regions_n)
		return false;
	snprintf(t->first_origin, sizeof(t->first_origin), "%s", t->url.origin);
	try_region(t);
	return true;
}

// ---- what the vendor answered ----

// Requests need not find out one by one.
static void tell_live(struct keytest *t, enum outcome out, int64_t cooldown_us, int status)
{
	if (t->stored != NULL)
		attempt_tell_key(t->stored, out, clock_mono_us(), clock_wall_ms(), cooldown_us,
			status);
}

// False when the end comes later.
static bool refused(struct keytest *t, const struct upstream_response *res, struct slice body)
{
	struct adapter_error e = {0};
	adapter_error_read(t->doc->vendor, res->status, body, secret_bytes(&t->secret), &e);
	char text[128];
	snprintf(text, sizeof(text), "HTTP %d%s%s", res->status, e.wire_code[0] ? " " : "",
		e.wire_code);
	if (e.outcome == OUT_BILLING) {
		check(t, "quota", "fail", res->ttfb_us, text,
			_("the key is known, its account is out of credit: pay at the vendor"));
		tell_live(t, OUT_BILLING, 0, res->status);
		return true;
	}
	if (e.outcome == OUT_RATE_LIMITED) {
		int64_t now = clock_wall_ms();
		int64_t s = adapter_retry_after_s(res->retry_after, now, RETRY_MAX_S);
		char when[CLOCK_TEXT_MAX];
		check(t, "rate", "warn", 0,
			arena_printf(&t->r->arena, _("HTTP %d: rate limited until %s"), res->status,
				clock_rfc3339(now + s * 1000, when)),
			_("the key itself is known; try again then, or lower its limits"));
		tell_live(t, OUT_RATE_LIMITED, s * 1000000, res->status);
		return true;
	}
	if (res->status != 401 && res->status != 403) {
		check(t, "key accepted", res->status >= 500 ? "fail" : "warn", res->ttfb_us, text,
			_("the vendor did not say whether it takes this key"));
		return true;
	}
	bool of_plan = strcmp(t->doc->vendor, "aliyun") == 0 &&
		slice_starts(secret_bytes(&t->secret), "sk-sp-");
	check(t, "key accepted", "fail", res->ttfb_us, text,
		of_plan ? _("keys that begin with sk-sp- belong to a plan with an address of its own: set "
			    "base_url to it")
			: t->row->local
			? _("the instance refuses this credential")
			: _("the vendor refuses this key: is it complete, and for this region?"));
	tell_live(t, e.outcome == OUT_REGION ? OUT_REGION : OUT_AUTH, 0, res->status);
	return !look_elsewhere(t);
}

static const char *network_kind(enum up_end end, const char *why, const char **ret_hint)
{
	if (end >= UP_TIMEOUT_CONNECT && end <= UP_TIMEOUT_TOTAL) {
		*ret_hint =
			_("nothing came back in time: a firewall that drops, or a proxy is needed");
		return "timeout";
	}
	if (end == UP_FORBIDDEN) {
		*ret_hint = _("this address is not allowed for a vendor key: see base_url");
		return "forbidden";
	}
	if (end == UP_NO_ROOM) {
		*ret_hint =
			_("the agent can open no further connection: see its limit of open files");
		return "no_room";
	}
	if (strstr(why, "resolve") != NULL) {
		*ret_hint = _("the name is not known here: see base_url, and this host's DNS");
		return "dns";
	}
	if (strstr(why, "SSL") != NULL || strstr(why, "TLS") != NULL ||
		strstr(why, "certificate") != NULL) {
		*ret_hint = _("no trusted TLS there: see the scheme of base_url, the clock and the "
			      "host's certificates");
		return "tls";
	}
	if (strstr(why, "refused") != NULL || strstr(why, "connect") != NULL) {
		*ret_hint = _("nothing listens there: see host and port of base_url");
		return "refused";
	}
	*ret_hint = _("can this host reach the address? see base_url, proxy and firewall");
	return end == UP_CONNECT ? "unreachable" : "cut";
}

static void done(void *arg, enum up_end end, const struct upstream_response *res, struct slice body,
	const struct err *err)
{
	struct keytest *t = arg;
	bool over = true;
	t->call = NULL;
	if (end != UP_OK || res == NULL) {
		const char *why = err != NULL && err->message[0] ? err->message : up_end_name(end);
		const char *hint, *kind = network_kind(end, why, &hint);
		check(t, "connect", "fail", 0, arena_printf(&t->r->arena, "%s: %s", kind, why),
			hint);
	} else {
		check(t, "connect", "ok", res->connect_us, t->url.origin, NULL);
		if (res->status == 200) {
			check(t, "key accepted", "ok", res->ttfb_us, "HTTP 200", NULL);
			look_owner(t, res);
			if (!t->row->local) // what instances serve is theirs to say
				look_models(t, res, body);
		} else {
			look_owner(t, res);
			over = refused(t, res, body);
		}
	}
	if (over)
		finish(t);
}

// ---- the beginning ----

static void gone(struct req *r)
{
	struct keytest *t = r->user;
	if (t->call != NULL)
		upcall_abort(t->call);
	t->call = NULL;
}

static void release(void *arg)
{
	struct keytest *t = arg;
	secret_release(&t->secret);
	str_release(&t->out);
	str_release(&t->asked);
}

static void start(struct keytest *t, const char *pool_key)
{
	static const struct upstream_callbacks callbacks = {.done = done};
	struct req *r = t->r;
	t->ok = true;
	t->pool_key = pool_key;
	t->row = vendor_find(slice_of(t->doc->vendor),
		slice_of(t->doc->service != NULL ? t->doc->service : t->doc->services.v[0]));
	t->w = jw_to(&t->out);
	jw_obj(&t->w, NULL);
	jw_arr(&t->w, "checks");
	look_expiry(t);
	r->user = t;
	req_on_gone(r, gone);
	req_suspend(r);
	ask(t, arena_printf(&r->arena, "%s%s", t->url.path, t->row->test_path), TEST_TIMEOUT_MS,
		&callbacks);
}

static struct keytest *test_new(struct req *r, const struct change *once)
{
	struct keytest *t = arena_zalloc(&r->arena, 1, sizeof(*t));
	t->r = r;
	t->once = once;
	arena_defer(&r->arena, release, t);
	return t;
}

typedef void (*test_begin)(struct req *r, const struct change *once);
struct once {
	test_begin begin;
};

static void first_time(struct change *c)
{
	((const struct once *)c->arg)->begin(c->r, c);
}

static enum err_code run_once(struct store_tx *tx UNUSED, struct change *c, struct err *err UNUSED)
{
	c->later = first_time;
	return ERR_OK;
}

// A test repeated with its Idempotency-Key answers as it did.
static void test_once(struct req *r, test_begin begin)
{
	struct once *once = arena_zalloc(&r->arena, 1, sizeof(*once));
	once->begin = begin;
	if (req_header(r, "Idempotency-Key") != NULL)
		change_begin(r, run_once, once);
	else
		begin(r, NULL);
}

static void test_stored(struct req *r, const struct change *once)
{
	const struct key_obj *k = snapshot_key(r->snap, r->param[0]);
	struct keytest *t = test_new(r, once);
	struct err err = {0};
	if (k == NULL) {
		err_set(&err, ERR_NOT_FOUND, _("no key of this id"));
		req_fail(r, &err);
		return;
	}
	if (store_key_open(r->agent->store, k, &t->secret, &err)) {
		req_fail(r, &err);
		return;
	}
	t->url = k->url;
	t->stored = k;
	t->doc = &k->doc;
	start(t, k->doc.id);
}

void h_key_test(struct req *r)
{
	test_once(r, test_stored);
}

static void test_unsaved(struct req *r, const struct change *once)
{
	struct vendor_key *doc = arena_zalloc(&r->arena, 1, sizeof(*doc));
	struct keytest *t = test_new(r, once);
	if (!key_decode(r, doc, &t->url))
		return;
	struct slice bytes = secret_bytes(&doc->api_key);
	secret_set(&t->secret, bytes.p, bytes.n);
	t->doc = doc;
	// Its own connections: none that another key was spoken on.
	start(t, arena_printf(&r->arena, "unsaved:%s", r->id));
}

void h_key_test_new(struct req *r)
{
	test_once(r, test_unsaved);
}
