// SPDX-License-Identifier: MIT
// What every adapter asks for: the path behind an upstream's base, the model's name there, and the
// call as the target's operator has it (params, drop_params).
#include "agent/protocol/adapter.h"

#include <stdio.h>
#include <string.h>

void adapter_path(const struct url *url, const char *path, struct str *ret)
{
	struct slice base = slice_of(url->path);
	str_add_slice(ret, base);
	str_add(ret, slice_ends(base, "/v1") ? path + strlen("/v1") : path);
}

void adapter_root_path(const struct url *url, const char *path, struct str *ret)
{
	struct slice base = slice_of(url->path);
	if (slice_ends(base, "/v1"))
		base.n -= strlen("/v1");
	if (slice_ends(base, "/compatible-mode"))
		base.n -= strlen("/compatible-mode");
	str_add_slice(ret, base);
	str_add(ret, path);
}

bool adapter_streams(const struct adapter_call *call, const struct feature *feature,
	const struct candidate *cand)
{
	return call->stream || feature->force_upstream_stream ||
		cand->target->force_upstream_stream;
}

// What its server says it serves; NULL not known.
static const struct live_models *served(const struct candidate *cand)
{
	return cand->instance != NULL && cand->live != NULL ? live_models(cand->live) : NULL;
}

static const char *of_list(const struct candidate *cand, const char *named)
{
	const struct strv *list = &cand->instance->doc.models;
	for (size_t i = 1; named != NULL && !cand->pinned && i < list->n; i++) {
		if (strcmp(list->v[i], named) == 0)
			return list->v[i];
	}
	return list->v[0];
}

const char *adapter_own_model(const char *named, const struct candidate *cand)
{
	if (cand->target->upstream_model != NULL)
		return cand->target->upstream_model;
	if (cand->instance != NULL && cand->instance->doc.models.n > 0)
		return of_list(cand, named);
	const struct live_models *m = served(cand);
	return m != NULL && m->n == 1 && !m->more ? m->v[0].name : NULL;
}

const char *adapter_model(const struct adapter_call *call, const struct candidate *cand)
{
	const char *own = adapter_own_model(call != NULL ? call->model : NULL, cand);
	if (own != NULL)
		return own;
	return call != NULL && call->model[0] != '\0' ? call->model : NULL;
}

int64_t adapter_window(const struct adapter_call *call, const struct candidate *cand)
{
	if (cand->target->context_window > 0)
		return cand->target->context_window;
	const struct live_models *m = served(cand);
	if (m == NULL)
		return 0;
	const char *model = adapter_model(call, cand);
	const struct live_model *at = model != NULL ? live_models_find(m, model) : NULL;
	if (at == NULL && m->n == 1 && !m->more) // whatever it is called
		at = &m->v[0];
	return at != NULL ? at->window : 0;
}

void adapter_new_id(uint64_t serial, char *buf, size_t size)
{
	snprintf(buf, size, "%016llx", (unsigned long long)serial);
}

enum answer_kind adapter_parse(const struct adapter *ad, const struct adapter_call *call,
	const struct adapter_reply *reply, struct str *scratch, struct adapter_answer *ret)
{
	enum answer_kind kind = ad->parse(call, reply, scratch, ret);
	struct adapter_reply again = *reply;
	struct str mended = STR_INIT;
	if (LIKELY(kind != ANSWER_BAD))
		return kind;
	if (!jscan_mend(reply->body, &mended)) {
		str_release(&mended);
		return kind;
	}
	again.body = str_slice(&mended);
	kind = ad->parse(call, &again, scratch, ret);
	if (ret->body.p == scratch->p) {
		str_release(&mended);
	} else {
		str_release(scratch);
		*scratch = mended;
	}
	return kind;
}

enum chunk_kind adapter_chunk(const struct adapter *ad, const struct adapter_call *call,
	struct adapter_stream *s, const struct sse_event *ev, struct str *out)
{
	enum chunk_kind kind = ad->chunk(call, s, ev->name, ev->data, out);
	struct str mended = STR_INIT;
	if (LIKELY(kind != CHUNK_BAD))
		return kind;
	if (jscan_mend(ev->data, &mended))
		kind = ad->chunk(call, s, ev->name, str_slice(&mended), out);
	str_release(&mended);
	return kind;
}

void adapter_stream_reset(struct adapter_stream *s, int64_t wall_ms, uint64_t serial)
{
	s->usage = ADAPTER_USAGE_UNKNOWN;
	s->want_usage = s->finish = s->opened = s->tools = false;
	s->status = 0;
	s->tool = -1;
	s->called = s->argued = 0;
	s->grows = false;
	s->seen = s->seen_thinking = 0;
	s->created = wall_ms / 1000;
	s->serial = serial;
	s->id[0] = s->model[0] = '\0';
	str_clear(&s->text);
}

// ---- what the target's operator decides ----

static bool is_asked(struct slice key)
{
	static const char *const keys[] = {"model", "stream", "messages", "prompt", "input",
		"query", "documents", "texts", "file", "image", "mask"};
	for (size_t i = 0; i < ARRAY_LEN(keys); i++)
		if (slice_eq_str(key, keys[i]))
			return true;
	return false;
}

// The longest answer has a name in each generation of the API: they are one wish.
static bool is_length(struct slice key)
{
	return slice_eq_str(key, "max_tokens") || slice_eq_str(key, "max_completion_tokens");
}

struct set { // a target's params
	struct jscan_member m[CALL_MEMBERS_MAX];
	size_t n;
	bool length;
};

static void read_set(const struct target *t, struct set *ret)
{
	const struct jscan_limits limits = {.depth = JSCAN_DEPTH_TRAFFIC};
	ret->n = 0;
	ret->length = false;
	if (t->params == NULL ||
		jscan_object(slice_of(t->params), limits, ret->m, CALL_MEMBERS_MAX, &ret->n,
			NULL) != ERR_OK)
		ret->n = 0;
	for (size_t i = 0; i < ret->n; i++)
		ret->length |= is_length(ret->m[i].key);
}

static const struct jscan_member *set_of(const struct set *s, struct slice key)
{
	for (size_t i = 0; i < s->n; i++)
		if (slice_eq(s->m[i].key, key))
			return is_asked(key) ? NULL : &s->m[i];
	return NULL;
}

// Apart, so that who needs none of it does not pay for its room.
static __attribute__((noinline)) const struct adapter_call *set_members(
	const struct adapter_call *call, const struct target *t, struct adapter_call *copy)
{
	struct set s;
	read_set(t, &s);
	*copy = *call;
	copy->n = 0;
	for (size_t i = 0; i < call->n; i++) {
		const struct jscan_member *m = &call->m[i], *set = set_of(&s, m->key);
		if (adapter_drops(t, m->key) || (set == NULL && s.length && is_length(m->key)))
			continue;
		copy->m[copy->n] = *m;
		if (set != NULL) {
			copy->m[copy->n].value = set->value;
			copy->m[copy->n].type = set->type;
		}
		copy->n++;
	}
	return copy;
}

const struct adapter_call *adapter_call_set(const struct adapter_call *call, const struct target *t,
	struct adapter_call *copy)
{
	return adapter_sets(t) ? set_members(call, t, copy) : call;
}

bool adapter_decides(const struct target *t, struct slice key)
{
	struct set s;
	read_set(t, &s);
	return adapter_drops(t, key) || set_of(&s, key) != NULL;
}

static bool find_in(const char *json, const char *name, struct jscan_member *ret)
{
	const struct jscan_limits limits = {.depth = JSCAN_DEPTH_TRAFFIC};
	struct jscan_member m[CALL_MEMBERS_MAX];
	size_t n;
	if (json == NULL ||
		jscan_object(slice_of(json), limits, m, ARRAY_LEN(m), &n, NULL) != ERR_OK)
		return false;
	const struct jscan_member *at = jscan_find(m, n, name);
	if (at == NULL || at->type == JS_NULL)
		return false;
	*ret = *at;
	return true;
}

bool adapter_wish(const struct adapter_call *call, const struct feature *feature,
	const struct target *t, const char *name, struct jscan_member *ret)
{
	if (find_in(t->params, name, ret))
		return true;
	const struct jscan_member *m = jscan_find(call->m, call->n, name);
	if (m == NULL || m->type == JS_NULL || adapter_drops(t, slice_of(name)))
		return find_in(feature->defaults, name, ret);
	*ret = *m;
	return true;
}
