// SPDX-License-Identifier: MIT
// Fetching what was made, for callers that want bytes and as addresses at vendors end. An address
// comes out of an answer: it is somebody else's word, and is asked as such.
#include "agent/tasks/fetch.h"

#include <stdio.h>
#include <string.h>
#include "agent/tasks/exchange.h"
#include "shared/text.h"

#define FETCH_TOTAL_MS 120000
#define FETCH_TRIES 3

static void fetch_failed(struct task_run *r, const char *why)
{
	struct task_item *it = &r->item_v[r->item];
	if (++it->tries >= FETCH_TRIES) {
		snprintf(it->code, sizeof(it->code), "fetch_failed");
		snprintf(it->message, sizeof(it->message), "%s", why);
	}
	task_wake(r);
}

static void take_bytes(struct task_run *r, struct slice bytes)
{
	struct task_item *it = &r->item_v[r->item];
	struct image_item item = {.revised = str_slice(&it->revised)};
	struct str b64 = STR_INIT, url = STR_INIT;
	str_add_c(&b64, '"');
	str_add_base64(&b64, bytes);
	str_add_c(&b64, '"');
	image_put_b64(r->t.format, str_slice(&b64), &item, &url);
	image_item_json(&item, &it->json);
	r->bytes += it->json.n;
	r->e->bytes += it->json.n;
	str_release(&b64);
	str_release(&url);
	task_wake(r);
}

static void on_fetched(void *arg, enum up_end end, const struct upstream_response *res,
	struct slice body, const struct err *err UNUSED)
{
	struct task_run *r = arg;
	char why[80];
	r->up = NULL;
	r->doing = DOING_NOTHING;
	if (end == UP_OK && res->status == 200 && body.n > 0) {
		take_bytes(r, body);
		task_call_end(r);
		return;
	}
	if (end == UP_OK)
		snprintf(why, sizeof(why), "fetching it ended in HTTP %d", res->status);
	else
		snprintf(why, sizeof(why), "fetching it ended in %s", up_end_name(end));
	task_call_end(r);
	if (end == UP_FORBIDDEN || end == UP_TOO_LARGE || (end == UP_OK && res->status < 500))
		r->item_v[r->item].tries = FETCH_TRIES; // it would be the same again
	fetch_failed(r, why);
}

// Origin and the rest of an address: the parser of upstreams takes no query.
static bool split_url(struct task_run *r, struct slice text, struct url *url)
{
	ptrdiff_t colon = slice_find(text, ':');
	struct slice rest = {text.p + colon + 3, text.n - (size_t)colon - 3};
	struct err err = {0};
	size_t host = 0;
	if (colon < 4 || text.n < (size_t)colon + 4 || memcmp(text.p + colon, "://", 3) != 0)
		return false;
	while (host < rest.n && rest.p[host] != '/' && rest.p[host] != '?')
		host++;
	for (size_t i = 0; i < text.n; i++) {
		if ((unsigned char)text.p[i] <= ' ' || (unsigned char)text.p[i] >= 0x7f ||
			text.p[i] == '#')
			return false;
	}
	struct slice origin = {text.p, (size_t)(rest.p + host - text.p)};
	if (urlx_parse(origin, &r->arena, url, &err) != ERR_OK)
		return false;
	if (host == rest.n || rest.p[host] == '?')
		str_add_c(&r->send.path, '/');
	str_add_n(&r->send.path, rest.p + host, rest.n - host);
	return true;
}

void task_fetch(struct task_run *r, size_t item)
{
	static const struct upstream_callbacks callbacks = {.done = on_fetched};
	struct task_item *it = &r->item_v[item];
	struct err err = {0};
	struct url url;
	const struct url *own = task_take_upstream(r, &err);
	struct task_exchange x = {.url = own, .first_byte_ms = TASK_FIRST_BYTE_MS,
		.total_ms = FETCH_TOTAL_MS, .body_max = TASK_FETCH_MAX, .bytes = true,
		.cb = &callbacks};
	r->item = item;
	r->send.method = "GET";
	if (r->e->bytes > TASK_BYTES_MAX) {
		it->tries = FETCH_TRIES;
		task_call_end(r);
		fetch_failed(r, "the agent holds too many pictures");
		return;
	}
	if (it->same && own != NULL) {
		str_add(&r->send.path, own->path);
		str_add_slice(&r->send.path, str_slice(&it->fetch));
	} else if (!it->same && split_url(r, str_slice(&it->fetch), &url)) {
		x.url = &url;
		x.foreign = true;
		x.near = own != NULL && urlx_same_origin(own->origin, url.origin);
	} else {
		it->tries = FETCH_TRIES;
		task_call_end(r);
		fetch_failed(r, it->same ? "the upstream is gone" : "its address is not allowed");
		return;
	}
	if (x.foreign) {
		struct url *kept = arena_alloc(&r->arena, sizeof(*kept));
		*kept = url;
		x.url = kept;
	}
	r->doing = DOING_FETCH;
	task_call(r, &x);
}
