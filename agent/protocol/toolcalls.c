// SPDX-License-Identifier: MIT
// Whether an object is complete is known as its text comes, letter by letter, so that a call can be
// handed on while others are still written.
#include "agent/protocol/toolcalls.h"

#include <stdlib.h>
#include <string.h>
#include "agent/protocol/tools.h"
#include "shared/mem.h"

void toolcalls_release(struct toolcalls *t)
{
	for (size_t i = 0; i < t->n; i++) {
		str_release(&t->v[i].id);
		str_release(&t->v[i].name);
		str_release(&t->v[i].arguments);
		str_release(&t->v[i].more);
	}
	free(t->v);
	*t = (struct toolcalls){0};
}

void toolcalls_reset(struct toolcalls *t, uint64_t serial)
{
	toolcalls_release(t);
	t->serial = serial;
}

// ---- how far an object goes ----

static void see(struct toolcall *c, unsigned char letter)
{
	if (c->in_text) {
		if (c->escaped)
			c->escaped = false;
		else if (letter == '\\')
			c->escaped = true;
		else if (letter == '"')
			c->in_text = false;
	} else if (letter == '"') {
		c->in_text = true;
	} else if (letter == '{' || letter == '[') {
		c->depth++;
	} else if ((letter == '}' || letter == ']') && c->depth > 0) {
		c->whole = --c->depth == 0;
	}
}

// raw is a text that spells another one: its escapes stand for letters of that.
static void see_raw(struct toolcall *c, struct slice raw)
{
	for (size_t i = 0; i < raw.n && !c->whole; i++) {
		unsigned char letter = (unsigned char)raw.p[i];
		if (letter == '\\' && i + 1 < raw.n) {
			letter = (unsigned char)raw.p[++i];
			if (letter == 'u' && i + 4 < raw.n) {
				char hex[5] = {
					raw.p[i + 1], raw.p[i + 2], raw.p[i + 3], raw.p[i + 4], 0};
				unsigned long code = strtoul(hex, NULL, 16);
				letter = code < 0x80 ? (unsigned char)code : 'u';
				i += 4;
			} else if (letter != '"' && letter != '\\') {
				letter = ' ';
			}
		}
		see(c, letter);
	}
}

// ---- which call ----

static struct toolcall *open_call(struct toolcalls *t, int64_t index)
{
	if (t->n == TOOLCALLS_MAX)
		return NULL;
	if (t->n == t->cap) {
		t->cap = t->cap != 0 ? t->cap * 2 : 4;
		t->v = mem_realloc(t->v, t->cap, sizeof(*t->v));
	}
	struct toolcall *c = &t->v[t->n++];
	*c = (struct toolcall){.index = index};
	return c;
}

struct piece {
	int64_t index;
	struct slice id, name;
	const struct jscan_member *arguments; // NULL: none
};

// A complete call that would get a second beginning: the piece is another call's.
static bool begins_anew(const struct toolcall *c, const struct piece *p)
{
	bool known = p->id.n > 0 && slice_eq(p->id, str_slice(&c->id));
	return p->name.n > 0 && p->arguments != NULL && c->whole && !known;
}

static struct toolcall *call_of(struct toolcalls *t, const struct piece *p)
{
	struct toolcall *last = t->n > 0 ? &t->v[t->last] : NULL;
	if (p->index >= 0) {
		// Among several of one index the youngest is the one under way.
		for (size_t i = t->n; i-- > 0;) {
			if (t->v[i].index == p->index)
				return begins_anew(&t->v[i], p) ? open_call(t, p->index) : &t->v[i];
		}
		return open_call(t, p->index);
	}
	for (size_t i = t->n; p->id.n > 0 && i-- > 0;) {
		if (slice_eq(str_slice(&t->v[i].id), p->id))
			return &t->v[i];
	}
	bool new_id = p->id.n > 0 && (last == NULL || last->id.n > 0 || last->name.n > 0);
	bool new_name = last != NULL && p->name.n > 0 && last->name.n > 0 &&
		!slice_eq(p->name, str_slice(&last->name));
	if (last == NULL || new_id || new_name || begins_anew(last, p))
		return open_call(t, -1);
	return last;
}

// ---- what a piece says ----

static void add(struct toolcalls *t, struct str *to, struct slice text)
{
	t->bytes += text.n;
	str_add_slice(to, text);
}

// Some servers give an object where the text of one belongs.
static void add_arguments(struct toolcalls *t, struct toolcall *c, const struct jscan_member *m)
{
	if (m->type == JS_STRING) {
		add(t, &c->arguments, aj_inner(m->value));
		if (!c->custom)
			see_raw(c, aj_inner(m->value));
	} else if (!c->whole) {
		struct str text = STR_INIT;
		str_add_json(&text, m->value);
		add(t, &c->arguments, aj_inner(str_slice(&text)));
		see_raw(c, aj_inner(str_slice(&text)));
		str_release(&text);
	}
}

static void keep_more(struct toolcalls *t, struct toolcall *c, const struct aj *call)
{
	static const char *const own[] = {"index", "id", "type", "function", "custom"};
	if (c->more.n > 0)
		return;
	for (size_t i = 0; i < call->n; i++) {
		bool known = call->m[i].type == JS_NULL;
		for (size_t k = 0; k < ARRAY_LEN(own); k++)
			known |= slice_eq_str(call->m[i].key, own[k]);
		if (known)
			continue;
		str_add_c(&c->more, ',');
		str_add_c(&c->more, '"');
		add(t, &c->more, call->m[i].key);
		str_add_slice(&c->more, SLICE("\":"));
		add(t, &c->more, call->m[i].value);
	}
}

static bool add_piece(struct toolcalls *t, const struct aj *call, const struct aj *function,
	bool custom, size_t *ret_at)
{
	struct piece p = {.index = aj_count(call, "index"),
		.id = aj_text(call, "id"),
		.name = aj_text(function, "name"),
		.arguments = aj_find(function, custom ? "input" : "arguments")};
	struct toolcall *c = call_of(t, &p);
	if (c == NULL)
		return false;
	*ret_at = t->last = (size_t)(c - t->v);
	c->custom |= custom;
	if (c->id.n == 0)
		add(t, &c->id, p.id);
	if (c->name.n == 0)
		add(t, &c->name, p.name);
	if (p.arguments != NULL)
		add_arguments(t, c, p.arguments);
	keep_more(t, c, call);
	return true;
}

bool toolcalls_add(struct toolcalls *t, struct slice item, size_t *ret_at)
{
	struct aj call;
	if (!aj_scan(item, &call))
		return false;
	struct aj function;
	bool custom = aj_object(&call, "custom", &function);
	if (!custom)
		aj_object(&call, "function", &function);
	return add_piece(t, &call, &function, custom, ret_at);
}

bool toolcalls_add_all(struct toolcalls *t, const struct aj *message)
{
	const struct jscan_member *calls = aj_typed(message, "tool_calls", JS_ARRAY);
	struct slice rest = calls != NULL ? calls->value : SLICE("[]"), item;
	size_t at;
	while (jscan_next(&rest, &item)) {
		if (!toolcalls_add(t, item, &at))
			return false;
	}
	static const struct aj bare;
	struct aj function;
	if (aj_object(message, "function_call", &function) && calls == NULL)
		return add_piece(t, &bare, &function, false, &at);
	return true;
}

// ---- what callers get ----

void toolcalls_new_id(uint64_t serial, size_t at, struct str *out)
{
	str_addf(out, "call_%016llx%02zx", (unsigned long long)serial, at);
}

struct slice toolcalls_id(struct toolcalls *t, size_t at)
{
	struct str *id = &t->v[at].id;
	bool taken = id->n == 0;
	for (size_t i = 0; i < at && !taken; i++)
		taken = slice_eq(str_slice(&t->v[i].id), str_slice(id));
	if (taken) {
		str_clear(id);
		toolcalls_new_id(t->serial, at, id);
	}
	return str_slice(id);
}

void toolcalls_write(struct toolcalls *t, struct str *out)
{
	str_add_c(out, '[');
	for (size_t i = 0; i < t->n; i++) {
		const struct toolcall *c = &t->v[i];
		const char *kind = c->custom ? "custom" : "function";
		str_add(out, i > 0 ? ",{" : "{");
		aj_add_inner(out, "id", toolcalls_id(t, i));
		aj_add_text(out, "type", kind);
		aj_name(out, kind);
		str_add_c(out, '{');
		aj_add_inner(out, "name", str_slice(&c->name));
		aj_add_inner(out, c->custom ? "input" : "arguments",
			c->arguments.n > 0 || c->custom ? str_slice(&c->arguments) : SLICE("{}"));
		str_add_c(out, '}');
		str_add_slice(out, str_slice(&c->more));
		str_add_c(out, '}');
	}
	str_add_c(out, ']');
}

void toolcalls_write_blocks(struct toolcalls *t, struct str *out)
{
	for (size_t i = 0; i < t->n; i++)
		tools_block(toolcalls_id(t, i), str_slice(&t->v[i].name),
			str_slice(&t->v[i].arguments), out);
}
