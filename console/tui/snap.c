// SPDX-License-Identifier: MIT
// The screen's picture of the agent: polled without waiting for it, the last good answer kept, and
// how old it is.
#include "console/tui/snap.h"

#include <stdio.h>
#include <string.h>
#include "console/base/client.h"
#include "shared/clock.h"

static enum err_code keep_answer(struct fetch *f, const struct http_response *res)
{
	struct arena a = ARENA_INIT;
	const struct jx *v = NULL;
	if (res->status == 304 && f->v != NULL)
		return ERR_OK;
	if (res->status < 200 || res->status > 299) {
		enum err_code code = client_error(res->status, res->body, res->content_type, &a,
			&f->err);
		arena_release(&a);
		return code;
	}
	if (res->body.n > 0 &&
		jx_parse(res->body, (struct jscan_limits){0}, &a, &v, &f->err) != ERR_OK) {
		arena_release(&a);
		return err_set(&f->err, ERR_NOT_AN_AGENT, NULL);
	}
	arena_release(&f->arena);
	f->arena = a;
	f->v = v;
	snprintf(f->etag, sizeof(f->etag), "%s",
		strlen(res->etag) < SNAP_ETAG_MAX ? res->etag : "");
	return ERR_OK;
}

static void fetch_done(void *arg, enum err_code code, const struct http_response *res,
	const struct err *err)
{
	struct fetch *f = arg;
	f->call = NULL;
	f->ended_us = clock_mono_us();
	f->snap->changed = true;
	f->code = code;
	if (code != ERR_OK) {
		f->err = *err;
		return;
	}
	f->code = keep_answer(f, res);
	if (f->code == ERR_OK)
		f->good_us = f->ended_us;
}

static void fetch_start(struct fetch *f, const char *method, struct slice body, int64_t timeout_ms)
{
	struct snap *s = f->snap;
	char url[SNAP_URL_MAX];
	size_t n = 0;
	struct http_request r = {.method = method,
		.url = url,
		.unix_socket = s->unix_socket,
		.trust = s->trust,
		.body = body,
		.has_body = body.n > 0,
		.timeout_ms = timeout_ms,
		.token = s->token != NULL && s->token->n > 0 ? s->token : NULL,
		.on_done = fetch_done,
		.arg = f};
	snprintf(url, sizeof(url), "%s%s", s->url, f->path);
	char known[SNAP_ETAG_MAX + 20];
	if (f->etag[0] != '\0') {
		snprintf(known, sizeof(known), "If-None-Match: %s", f->etag);
		r.headers[n++] = known;
	}
	if (r.has_body)
		r.headers[n++] = "Content-Type: application/json";
	f->call = http_start(s->http, &r);
}

static void fetch_drop(struct fetch *f)
{
	if (f->call != NULL)
		http_cancel(f->call);
	struct snap *s = f->snap;
	arena_release(&f->arena);
	*f = (struct fetch){.snap = s};
}

// A list's path has no parameters.
static void set_path(struct fetch *f, enum endpoint_id ep, const char *query)
{
	snprintf(f->path, sizeof(f->path), "%s%s%s", endpoint_row(ep)->path,
		query != NULL ? "?" : "", query != NULL ? query : "");
}

void snap_init(struct snap *s, const char *url, const char *unix_socket,
	const struct http_trust *trust, const struct secret *token, int64_t refresh_ms)
{
	*s = (struct snap){.http = http_new(),
		.url = url,
		.unix_socket = unix_socket,
		.trust = trust,
		.token = token,
		.refresh_ms = refresh_ms};
	s->status.snap = s->list.snap = s->reply.snap = s;
	set_path(&s->status, EP_STATUS, NULL);
}

void snap_release(struct snap *s)
{
	fetch_drop(&s->status);
	fetch_drop(&s->list);
	fetch_drop(&s->reply);
	http_free(s->http);
}

void snap_watch(struct snap *s, enum endpoint_id ep, const char *query)
{
	struct fetch wanted = {0};
	if (ep != EP_COUNT)
		set_path(&wanted, ep, query);
	if (strcmp(s->list.path, wanted.path) == 0)
		return;
	fetch_drop(&s->list);
	memcpy(s->list.path, wanted.path, sizeof(s->list.path));
	snap_poll(s, false);
}

static void poll_one(struct fetch *f, bool now)
{
	bool due = f->ended_us == 0 || now ||
		clock_mono_us() - f->ended_us >= f->snap->refresh_ms * 1000;
	if (f->path[0] != '\0' && f->call == NULL && due)
		fetch_start(f, "GET", (struct slice){0}, SNAP_TIMEOUT_MS);
}

void snap_poll(struct snap *s, bool now)
{
	poll_one(&s->status, now);
	poll_one(&s->list, now);
}

bool snap_call(struct snap *s, enum endpoint_id ep, const char *path, struct slice body)
{
	if (s->reply.call != NULL)
		return false;
	fetch_drop(&s->reply);
	snprintf(s->reply.path, sizeof(s->reply.path), "%s", path);
	fetch_start(&s->reply, method_names[endpoint_row(ep)->method], body, SNAP_CALL_TIMEOUT_MS);
	return true;
}

enum link snap_link(const struct snap *s)
{
	const struct fetch *f = &s->status;
	if (f->ended_us != 0 && f->code != ERR_OK)
		return LINK_DOWN;
	if (f->good_us == 0)
		return LINK_CONNECTING;
	return clock_mono_us() - f->good_us > s->refresh_ms * 3000 + 1000000 ? LINK_STALE
									     : LINK_LIVE;
}
