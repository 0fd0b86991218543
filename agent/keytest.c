// SPDX-License-Identifier: MIT
// A real, free call with a key: is the address reachable, does the vendor take the key, which
// models does it see.
#include <stdio.h>
#include <string.h>

#include "agent/breaker.h"
#include "agent/change.h"
#include "agent/keys.h"
#include "agent/upstream.h"
#include "shared/clock.h"
#include "shared/jx.h"
#include "shared/text.h"
#include "shared/vendors.h"

#define TEST_TIMEOUT_MS 10000
#define TEST_BODY_MAX (4 * 1024 * 1024)

struct keytest {
	struct req *r;
	struct upcall *call;
	struct url url;
	struct secret secret;
	struct live *live; // of a stored key; NULL for one in the body
	const struct vendor_row *row;
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

static void finish(struct keytest *t)
{
	jw_arr_end(&t->w);
	jw_bool(&t->w, "ok", t->ok);
	jw_obj_end(&t->w);
	if (t->ok && t->live)
		breaker_reset(t->live);
	req_reply_json(t->r, 200, &t->out);
}

static void models(struct keytest *t, const struct upstream_response *res, struct slice body)
{
	struct err err = {0};
	const struct jx *doc = NULL;
	char text[64];

	if (jx_parse(body, (struct jscan_limits){200000, JSCAN_DEPTH}, &t->r->arena, &doc, &err) ||
		!jx_is_arr(jx_get(doc, "data"))) {
		check(t, "models", "warn", res->ttfb_us, _("the model list could not be read"),
			_("is base_url the vendor's API, without /v1?"));
		return;
	}
	snprintf(text, sizeof(text), _("%zu models visible to this key"), jx_len(jx_get(doc, "data")));
	check(t, "models", "ok", res->ttfb_us, text, NULL);
}

static void judge(struct keytest *t, const struct upstream_response *res, struct slice body)
{
	char text[64];

	snprintf(text, sizeof(text), "HTTP %d", res->status);
	check(t, "connect", "ok", res->connect_us, t->url.origin, NULL);
	if (res->status == 200) {
		check(t, "key accepted", "ok", res->ttfb_us, text, NULL);
		models(t, res, body);
	} else if (res->status == 401 || res->status == 403) {
		check(t, "key accepted", "fail", res->ttfb_us, text,
			_("the vendor refuses this key: is it complete, and for this region?"));
		if (t->live) // requests need not find out one by one
			breaker_outcome(t->live, &(struct breaker_policy){0}, OUT_AUTH,
				clock_mono_us(), clock_wall_ms(), 0, res->status);
	} else if (res->status == 429) {
		check(t, "key accepted", "warn", res->ttfb_us, text,
			_("rate limited or out of credit; the key itself is known"));
	} else {
		check(t, "key accepted", res->status >= 500 ? "fail" : "warn", res->ttfb_us, text,
			_("the vendor did not say whether it takes this key"));
	}
}

static void done(void *arg, enum up_end end, const struct upstream_response *res,
	struct slice body, const struct err *err)
{
	struct keytest *t = arg;

	t->call = NULL;
	secret_release(&t->secret);
	if (end == UP_OK && res)
		judge(t, res, body);
	else
		check(t, "connect", "fail", 0, err && err->message[0] ? err->message : up_end_name(end),
			_("can this host reach the address? see base_url, proxy and firewall"));
	finish(t);
}

static void gone(struct req *r)
{
	struct keytest *t = r->user;

	if (t->call)
		upcall_abort(t->call);
	t->call = NULL;
}

static void release(void *arg)
{
	struct keytest *t = arg;

	secret_release(&t->secret);
	str_release(&t->out);
}

static void start(struct keytest *t, const char *pool_key)
{
	static const struct upstream_callbacks callbacks = {.done = done};
	struct req *r = t->r;
	struct upstream_request up = {.url = &t->url, .pool_key = pool_key, .method = "GET",
		.path = arena_printf(&r->arena, "%s%s", t->url.path, t->row->test_path),
		.headers = t->row->auth == AUTH_X_API_KEY ? "anthropic-version: 2023-06-01\r\n" : "", .auth = &t->secret,
		.auth_style = t->row->auth, .connect_ms = TEST_TIMEOUT_MS,
		.first_byte_ms = TEST_TIMEOUT_MS, .idle_ms = TEST_TIMEOUT_MS,
		.total_ms = TEST_TIMEOUT_MS, .body_max = TEST_BODY_MAX, .vendor_key = true};

	t->ok = true;
	t->w = jw_to(&t->out);
	jw_obj(&t->w, NULL);
	jw_arr(&t->w, "checks");
	r->user = t;
	req_on_gone(r, gone);
	req_suspend(r);
	t->call = upstream_start(loop_upstream(r->loop), &up, &callbacks, t);
}

static struct keytest *test_new(struct req *r)
{
	struct keytest *t = arena_zalloc(&r->arena, 1, sizeof(*t));

	t->r = r;
	arena_defer(&r->arena, release, t);
	return t;
}

void h_key_test(struct req *r)
{
	const struct key_obj *k = snapshot_key(r->snap, r->param[0]);
	struct keytest *t = test_new(r);
	struct err err = {0};

	if (!k) {
		err_set(&err, ERR_NOT_FOUND, _("no key of this id"));
		req_fail(r, &err);
		return;
	}
	if (store_key_open(r->agent->store, k, &t->secret, &err)) {
		req_fail(r, &err);
		return;
	}
	t->url = k->url;
	t->live = k->live;
	t->row = vendor_find(slice_of(k->doc.vendor),
		slice_of(k->doc.service ? k->doc.service : k->doc.services.v[0]));
	start(t, k->doc.id);
}

void h_key_test_new(struct req *r)
{
	struct vendor_key *doc = arena_zalloc(&r->arena, 1, sizeof(*doc));
	struct keytest *t = test_new(r);
	struct slice bytes;

	if (!key_decode(r, doc, &t->url))
		return;
	bytes = secret_bytes(&doc->api_key);
	secret_set(&t->secret, bytes.p, bytes.n);
	t->row = vendor_find(slice_of(doc->vendor),
		slice_of(doc->service ? doc->service : doc->services.v[0]));
	// Its own connections: none that another key was spoken on.
	start(t, arena_printf(&r->arena, "unsaved:%s", r->id));
}
