// SPDX-License-Identifier: MIT
// A submit that is answered as a stream: partial pictures go to the callers that wait and stream,
// and what is complete at the end is read as the whole answer it stands for. A stream that ends
// before is an answer that was lost.
#include "agent/tasks/relay.h"

#include <stdlib.h>
#include "agent/protocol/openai.h"
#include "agent/tasks/answer.h"
#include "shared/mem.h"
#include "shared/text.h"

static const struct jscan_limits lax = {.depth = JSCAN_DEPTH_TRAFFIC, .lax = true};

static void show(struct task_run *r, const char *type, struct slice data)
{
	r->relay.shown++;
	for (struct task_waiter *w = r->waiters; w != NULL; w = w->next) {
		if (!w->streams)
			continue;
		struct task_partial *p = mem_zalloc(1, sizeof(*p));
		p->w = w;
		p->type = type;
		str_add_slice(&p->json, data);
		atomic_fetch_add(&w->refs, 1);
		loop_post(w->loop, w->partial, p);
	}
}

static void keep(struct task_relay *y, const struct jscan_member *m, size_t n, struct slice b64)
{
	static const char *const names[] = {
		"usage", "background", "output_format", "quality", "size"};
	str_add(&y->data, y->data.n > 0 ? ",{\"b64_json\":" : "{\"b64_json\":");
	str_add_slice(&y->data, b64);
	str_add_c(&y->data, '}');
	str_clear(&y->extra);
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		const struct jscan_member *at = jscan_find(m, n, names[i]);
		if (at == NULL)
			continue;
		str_addf(&y->extra, ",\"%s\":", names[i]);
		str_add_slice(&y->extra, at->value);
	}
}

static void take_event(struct task_run *r, struct slice name, struct slice data)
{
	static const struct {
		const char *json, *type;
		bool whole;
	} rows[] = {{"\"image_generation.partial_image\"", "image_generation.partial_image", false},
		{"\"image_edit.partial_image\"", "image_edit.partial_image", false},
		{"\"image_generation.completed\"", "image_generation.completed", true},
		{"\"image_edit.completed\"", "image_edit.completed", true}};
	struct task_relay *y = &r->relay;
	struct jscan_member m[ANSWER_MEMBERS_MAX];
	size_t n = 0;
	if (y->refused || jscan_object(data, lax, m, ARRAY_LEN(m), &n, NULL) != ERR_OK)
		return;
	bool wrapped = openai_is_error(m, n);
	if (wrapped || slice_eq_str(name, "error")) {
		str_clear(&y->instead);
		str_add(&y->instead, wrapped ? "" : "{\"error\":");
		str_add_slice(&y->instead, data);
		str_add(&y->instead, wrapped ? "" : "}");
		y->refused = true;
		return;
	}
	const struct jscan_member *type = jscan_find(m, n, "type"),
				  *b64 = jscan_find(m, n, "b64_json");
	if (type == NULL || b64 == NULL || b64->type != JS_STRING)
		return;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		if (!slice_eq_str(type->value, rows[i].json))
			continue;
		if (rows[i].whole)
			keep(y, m, n, b64->value);
		else
			show(r, rows[i].type, data);
	}
}

// ---- from the upstream ----

static bool head(void *arg, const struct upstream_response *res)
{
	struct task_run *r = arg;
	task_relay_clear(&r->relay);
	r->relay.reader.max = TASK_FETCH_MAX;
	r->relay.sse = res->status == 200 && slice_starts(res->content_type, "text/event-stream");
	return true;
}

static bool data(void *arg, struct slice bytes)
{
	struct task_run *r = arg;
	if (!r->relay.sse) {
		str_add_slice(&r->relay.instead, bytes);
		return true;
	}
	struct sse_event ev;
	while (!r->relay.reader.too_large && sse_next(&r->relay.reader, &bytes, &ev)) {
		r->relay.read_n++;
		take_event(r, ev.name, ev.data);
	}
	return true;
}

// Pictures that came are kept, however it ended.
static void done(void *arg, enum up_end end, const struct upstream_response *res,
	struct slice body UNUSED, const struct err *err UNUSED)
{
	struct task_run *r = arg;
	struct task_relay *y = &r->relay;
	struct slice whole = str_slice(&y->instead);
	struct str out = STR_INIT;
	if (y->sse && y->data.n > 0) {
		str_add(&out, "{\"data\":[");
		str_add_slice(&out, str_slice(&y->data));
		str_add_c(&out, ']');
		str_add_slice(&out, str_slice(&y->extra));
		str_add_c(&out, '}');
		whole = str_slice(&out);
		end = UP_OK;
	} else if (y->sse && y->refused) {
		end = UP_OK;
	} else if (y->sse && end == UP_OK) {
		end = y->reader.too_large ? UP_TOO_LARGE : UP_RESET;
	}
	y->done(r, end, res, whole);
	str_release(&out);
}

static uint64_t unfinished(void *arg)
{
	const struct task_relay *y = &((const struct task_run *)arg)->relay;
	if (!y->sse)
		return 1;
	return sse_partial(&y->reader) ? y->read_n + 1 : 0;
}

const struct upstream_callbacks task_relay_callbacks = {head, data, done, unfinished};
