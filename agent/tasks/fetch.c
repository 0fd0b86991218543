// SPDX-License-Identifier: MIT
// What was made is fetched for callers that want bytes, and where only the upstream can be asked for
// it. An address comes out of an answer: it is somebody else's word, and is asked as such.
#include "agent/tasks/fetch.h"

#include <stdio.h>
#include <string.h>
#include "agent/tasks/exchange.h"
#include "shared/text.h"

#define FETCH_TOTAL_MS 120000
#define FETCH_TRIES 3

// again: it may come another time.
static void fetch_failed(struct task_run *r, bool again, const char *why)
{
	struct task_item *it = &r->item_v[r->item];
	if (++it->tries >= FETCH_TRIES || !again) {
		snprintf(it->code, sizeof(it->code), "fetch_failed");
		snprintf(it->message, sizeof(it->message), "%s", why);
	}
}

// Pages and error documents come under 200 as well: no picture begins like them.
static bool is_document(struct slice bytes)
{
	struct slice text = slice_trim(bytes);
	return slice_starts(text, "<") || slice_starts(text, "{");
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
}

static void on_fetched(void *arg, enum up_end end, const struct upstream_response *res,
	struct slice body, const struct err *err UNUSED)
{
	struct task_run *r = arg;
	r->up = NULL;
	r->doing = DOING_NOTHING;
	if (end == UP_OK && res->status == 200 && body.n > 0 && !is_document(body)) {
		take_bytes(r, body);
	} else if (end == UP_OK && res->status == 200) {
		fetch_failed(r, true, _("what came in its place is no picture"));
	} else {
		char why[80];
		if (end == UP_OK)
			snprintf(why, sizeof(why), "fetching it ended in HTTP %d", res->status);
		else
			snprintf(why, sizeof(why), "fetching it ended in %s", up_end_name(end));
		bool same_again = end == UP_OK ? res->status < 500
					       : end == UP_FORBIDDEN || end == UP_TOO_LARGE;
		fetch_failed(r, !same_again, why);
	}
	task_call_end(r);
	task_wake(r);
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

// Fills in where it is; what is wrong with that, NULL: nothing.
static const char *aim(struct task_run *r, const struct task_item *it, struct task_exchange *x)
{
	const struct url *own = x->url;
	if (r->e->bytes > TASK_BYTES_MAX)
		return "the agent holds too many pictures";
	if (it->same) {
		if (own == NULL)
			return "the upstream is gone";
		str_add(&r->send.path, own->path);
		str_add_slice(&r->send.path, str_slice(&it->fetch));
		return NULL;
	}
	struct url *far = arena_alloc(&r->arena, sizeof(*far));
	if (!split_url(r, str_slice(&it->fetch), far))
		return "its address is not allowed";
	x->url = far;
	x->foreign = true;
	x->near = own != NULL && urlx_same_origin(own->origin, far->origin);
	return NULL;
}

void task_fetch(struct task_run *r, size_t item)
{
	static const struct upstream_callbacks callbacks = {.done = on_fetched};
	struct task_exchange x = {.url = task_take_upstream(r),
		.first_byte_ms = TASK_FIRST_BYTE_MS,
		.total_ms = FETCH_TOTAL_MS,
		.body_max = TASK_FETCH_MAX,
		.cb = &callbacks};
	r->item = item;
	r->send.method = "GET";
	r->send.accept = "*/*";
	const char *wrong = aim(r, &r->item_v[item], &x);
	if (wrong == NULL) {
		r->doing = DOING_FETCH;
		task_call(r, &x);
		return;
	}
	fetch_failed(r, false, wrong);
	task_call_end(r);
	task_wake(r);
}
