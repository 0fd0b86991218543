// SPDX-License-Identifier: MIT
// What a part of a task brought, as it is kept until the others are over:
//   {"usage":[tokens in, out, cached, images],"extra":"further members of the answer",
//    "items":[{"json":{…}} | {"fetch":"address","revised":"…","same":true} |
//             {"code":"…","message":"…"} | {}]}
#include "agent/tasks/part.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "agent/protocol/scrub.h"
#include "agent/tasks/exchange.h"
#include "shared/jscan.h"
#include "shared/jw.h"
#include "shared/mem.h"
#include "shared/text.h"

#define MEMBERS_MAX 8

// ---- out of an answer ----

static void keep_item(struct task_run *r, const struct image_item *from, struct task_item *to)
{
	if (from->code[0] != '\0') {
		memcpy(to->code, from->code, sizeof(to->code));
		memcpy(to->message, from->message, sizeof(to->message));
		if (scrub_shows(slice_of(to->message), task_secret(r)))
			snprintf(to->message, sizeof(to->message), "%s",
				_("the vendor did not make this one"));
		if (scrub_shows(slice_of(to->code), task_secret(r)))
			snprintf(to->code, sizeof(to->code), "unknown");
		return;
	}
	if (from->fetch.n > 0) {
		str_add_slice(&to->fetch, from->fetch);
		str_add_slice(&to->revised, from->revised);
		to->same = from->fetch.p[0] == '/';
		return;
	}
	image_item_json(from, &to->json);
	r->bytes += to->json.n;
	r->e->bytes += to->json.n;
}

static void add_usage(struct task_run *r, const struct adapter_usage *u)
{
	int64_t images = MAX_OF(r->usage.images, 0);
	adapter_usage_merge(&r->usage, u);
	r->usage.images = images + MAX_OF(u->images, 0);
}

void task_take_items(struct task_run *r, size_t part)
{
	const struct task_part *p = &r->t.part[part];
	const struct image_result *got = &r->e->result;
	size_t n = MIN_OF(got->n, (size_t)p->n);
	for (size_t i = 0; i < n; i++)
		keep_item(r, &got->item[i], &r->item_v[(size_t)p->first + i]);
	if (part == 0) { // of further parts it would be the same, or add up to nothing OpenAI knows
		for (size_t i = 0; i < got->extra_n; i++)
			str_addf(&r->extra, ",\"%.*s\":%.*s", SLICE_FMT(got->extra[i].key),
				SLICE_FMT(got->extra[i].value));
	}
	r->at[part].usage = got->usage;
	add_usage(r, &got->usage);
}

int task_next_fetch(const struct task_run *r)
{
	for (size_t i = 0; i < (size_t)r->t.n; i++) {
		const struct task_item *it = &r->item_v[i];
		if (it->fetch.n > 0 && it->json.n == 0 && it->code[0] == '\0')
			return (int)i;
	}
	return -1;
}

// ---- writing ----

void task_part_write(const struct task_run *r, size_t part, struct str *out)
{
	const struct task_part *p = &r->t.part[part];
	const struct adapter_usage *u = &r->at[part].usage;
	struct jw w = jw_to(out);
	jw_obj(&w, NULL);
	jw_arr(&w, "usage");
	jw_int(&w, NULL, u->in);
	jw_int(&w, NULL, u->out);
	jw_int(&w, NULL, u->cached);
	jw_int(&w, NULL, u->images);
	jw_arr_end(&w);
	if (part == 0)
		jw_slice(&w, "extra", str_slice(&r->extra));
	jw_arr(&w, "items");
	for (int64_t i = p->first; i < p->first + p->n; i++) {
		const struct task_item *it = &r->item_v[i];
		jw_obj(&w, NULL);
		if (it->json.n > 0) {
			jw_raw(&w, "json", str_slice(&it->json));
		} else if (it->code[0] != '\0') {
			jw_str(&w, "code", it->code);
			jw_str(&w, "message", it->message);
		} else if (it->fetch.n > 0) {
			jw_slice(&w, "fetch", str_slice(&it->fetch));
			if (it->revised.n > 0)
				jw_raw(&w, "revised", str_slice(&it->revised));
			jw_bool(&w, "same", it->same);
		}
		jw_obj_end(&w);
	}
	jw_arr_end(&w);
	jw_obj_end(&w);
}

// ---- reading: what this agent wrote and sealed itself ----

static const struct jscan_limits any = {.tokens = 0, .depth = JSCAN_DEPTH_TRAFFIC};

static void read_text(const struct jscan_member *m, struct str *out)
{
	size_t n = 0;
	if (m == NULL)
		return;
	char *text = mem_alloc(m->value.n + 1);
	if (jscan_string(m->value, text, m->value.n + 1, &n))
		str_add_n(out, text, n);
	free(text);
}

static bool read_item(struct slice json, struct task_item *it)
{
	struct jscan_member m[MEMBERS_MAX];
	size_t n;
	if (jscan_object(json, any, m, ARRAY_LEN(m), &n, NULL) != ERR_OK)
		return false;
	const struct jscan_member *made = jscan_find(m, n, "json"),
				  *code = jscan_find(m, n, "code");
	const struct jscan_member *why = jscan_find(m, n, "message");
	const struct jscan_member *same = jscan_find(m, n, "same");
	const struct jscan_member *revised = jscan_find(m, n, "revised");
	if (made != NULL)
		str_add_slice(&it->json, made->value);
	if (code != NULL)
		jscan_string(code->value, it->code, sizeof(it->code), NULL);
	if (why != NULL)
		jscan_string(why->value, it->message, sizeof(it->message), NULL);
	if (revised != NULL)
		str_add_slice(&it->revised, revised->value);
	it->same = same != NULL && same->type == JS_TRUE;
	read_text(jscan_find(m, n, "fetch"), &it->fetch);
	return true;
}

static bool read_usage(const struct jscan_member *m, struct adapter_usage *u)
{
	int64_t *const to[] = {&u->in, &u->out, &u->cached, &u->images};
	*u = ADAPTER_USAGE_UNKNOWN;
	if (m == NULL || m->type != JS_ARRAY)
		return false;
	struct slice rest = m->value;
	struct slice item;
	for (size_t i = 0; i < ARRAY_LEN(to); i++) {
		if (!jscan_next(&rest, &item) || !jscan_int(item, to[i]))
			return false;
	}
	return true;
}

bool task_part_read(struct task_run *r, size_t part, struct slice text)
{
	struct task_part *p = &r->t.part[part];
	struct jscan_member m[MEMBERS_MAX];
	size_t n;
	if (jscan_object(text, any, m, ARRAY_LEN(m), &n, NULL) != ERR_OK ||
		!read_usage(jscan_find(m, n, "usage"), &r->at[part].usage))
		return false;
	const struct jscan_member *items = jscan_find(m, n, "items");
	if (items == NULL || items->type != JS_ARRAY)
		return false;
	struct slice rest = items->value, item;
	for (int64_t i = p->first; i < p->first + p->n; i++) {
		if (!jscan_next(&rest, &item) || !read_item(item, &r->item_v[i]))
			return false;
	}
	if (part == 0)
		read_text(jscan_find(m, n, "extra"), &r->extra);
	r->at[part].kept = true;
	add_usage(r, &r->at[part].usage);
	return true;
}
