// SPDX-License-Identifier: MIT
// Texts are joined between their quotes, as they stand; of every other member the last piece counts.
#include "agent/protocol/fold.h"

#include <stdlib.h>
#include <string.h>
#include "agent/protocol/json.h"
#include "shared/mem.h"

#define KEY_MAX 48
#define FINISH_MAX 40

struct part { // a member of the message
	char key[KEY_MAX];
	struct str value; // of text: between its quotes
	bool text;
};

struct tool {
	int64_t index;
	struct str id, name, arguments; // between their quotes
};

struct choice {
	struct part parts[FOLD_PARTS_MAX];
	size_t parts_n;
	struct tool *tools;
	size_t tools_n, tools_cap;
	struct str logprobs; // items of its content list
	char finish[FINISH_MAX]; // raw JSON
};

struct fold {
	struct str head; // the first chunk's own members
	struct str usage;
	struct choice choices[FOLD_CHOICES_MAX];
	size_t n, bytes;
	bool begun, text; // text completions
};

struct fold *fold_new(void)
{
	return mem_zalloc(1, sizeof(struct fold));
}

void fold_free(struct fold *f)
{
	if (f == NULL)
		return;
	for (size_t i = 0; i < f->n; i++) {
		struct choice *c = &f->choices[i];
		for (size_t k = 0; k < c->parts_n; k++)
			str_release(&c->parts[k].value);
		for (size_t k = 0; k < c->tools_n; k++) {
			str_release(&c->tools[k].id);
			str_release(&c->tools[k].name);
			str_release(&c->tools[k].arguments);
		}
		free(c->tools);
		str_release(&c->logprobs);
	}
	str_release(&f->head);
	str_release(&f->usage);
	free(f);
}

static bool grow(struct fold *f, struct str *to, struct slice more)
{
	f->bytes += more.n;
	if (f->bytes > FOLD_MAX)
		return false;
	str_add_slice(to, more);
	return true;
}

// ---- a chunk's delta ----

static struct part *part_of(struct choice *c, struct slice key)
{
	for (size_t i = 0; i < c->parts_n; i++) {
		if (slice_eq_str(key, c->parts[i].key))
			return &c->parts[i];
	}
	if (c->parts_n == FOLD_PARTS_MAX || key.n >= KEY_MAX)
		return NULL;
	struct part *p = &c->parts[c->parts_n++];
	memcpy(p->key, key.p, key.n);
	p->key[key.n] = '\0';
	return p;
}

static bool add_part(struct fold *f, struct choice *c, const struct jscan_member *m)
{
	if (m->type == JS_NULL)
		return true;
	struct part *p = part_of(c, m->key);
	if (p == NULL)
		return true; // more members than any message has
	if (m->type == JS_STRING && (p->text || p->value.n == 0)) {
		p->text = true;
		return grow(f, &p->value, aj_inner(m->value));
	}
	p->text = m->type == JS_STRING;
	str_clear(&p->value);
	return grow(f, &p->value, p->text ? aj_inner(m->value) : m->value);
}

static struct tool *tool_of(struct choice *c, int64_t index)
{
	for (size_t i = 0; i < c->tools_n; i++) {
		if (c->tools[i].index == index)
			return &c->tools[i];
	}
	if (c->tools_n == FOLD_TOOLS_MAX)
		return NULL;
	if (c->tools_n == c->tools_cap) {
		c->tools_cap = c->tools_cap != 0 ? c->tools_cap * 2 : 4;
		c->tools = mem_realloc(c->tools, c->tools_cap, sizeof(*c->tools));
	}
	struct tool *t = &c->tools[c->tools_n++];
	*t = (struct tool){.index = index};
	return t;
}

static bool add_tool(struct fold *f, struct choice *c, struct slice item, int64_t place)
{
	struct aj call;
	if (!aj_scan(item, &call))
		return false;
	int64_t index = aj_count(&call, "index");
	struct tool *t = tool_of(c, index >= 0 ? index : place);
	if (t == NULL)
		return false;
	struct aj function;
	aj_object(&call, "function", &function);
	// Some servers repeat id and name in every piece.
	return (t->id.n > 0 || grow(f, &t->id, aj_text(&call, "id"))) &&
		(t->name.n > 0 || grow(f, &t->name, aj_text(&function, "name"))) &&
		grow(f, &t->arguments, aj_text(&function, "arguments"));
}

static bool add_delta(struct fold *f, struct choice *c, const struct aj *delta)
{
	for (size_t i = 0; i < delta->n; i++) {
		const struct jscan_member *m = &delta->m[i];
		struct slice rest = m->value;
		int64_t place = 0;
		if (slice_eq_str(m->key, "role"))
			continue;
		if (!slice_eq_str(m->key, "tool_calls") || m->type != JS_ARRAY) {
			if (!add_part(f, c, m))
				return false;
			continue;
		}
		struct slice item;
		while (jscan_next(&rest, &item)) {
			if (!add_tool(f, c, item, place++))
				return false;
		}
	}
	return true;
}

static bool add_logprobs(struct fold *f, struct choice *c, const struct aj *choice)
{
	struct aj logprobs;
	if (!aj_object(choice, "logprobs", &logprobs))
		return true;
	const struct jscan_member *list = aj_typed(&logprobs, "content", JS_ARRAY);
	struct slice item;
	for (struct slice rest = list != NULL ? list->value : SLICE("[]");
		jscan_next(&rest, &item);) {
		if (c->logprobs.n > 0)
			str_add_c(&c->logprobs, ',');
		if (!grow(f, &c->logprobs, item))
			return false;
	}
	return true;
}

static bool add_choice(struct fold *f, struct slice item)
{
	struct aj choice;
	if (!aj_scan(item, &choice))
		return false;
	int64_t index = MAX_OF(aj_count(&choice, "index"), 0);
	if (index >= FOLD_CHOICES_MAX)
		return false;
	f->n = MAX_OF(f->n, (size_t)index + 1);
	struct choice *c = &f->choices[index];
	const struct jscan_member *finish = aj_typed(&choice, "finish_reason", JS_STRING);
	if (finish != NULL && finish->value.n < FINISH_MAX) {
		memcpy(c->finish, finish->value.p, finish->value.n);
		c->finish[finish->value.n] = '\0';
	}
	const struct jscan_member *text = aj_typed(&choice, "text", JS_STRING);
	if (text != NULL) {
		f->text = true;
		return add_part(f, c, text);
	}
	struct aj delta;
	aj_object(&choice, "delta", &delta);
	return add_delta(f, c, &delta) && add_logprobs(f, c, &choice);
}

static bool add_head(struct fold *f, const struct aj *chunk)
{
	static const char *const own[] = {"object", "choices", "usage", "obfuscation"};
	for (size_t i = 0; i < chunk->n; i++) {
		bool skip = false;
		for (size_t k = 0; k < ARRAY_LEN(own); k++)
			skip |= slice_eq_str(chunk->m[i].key, own[k]);
		if (skip)
			continue;
		if (!grow(f, &f->head, SLICE("\"")) || !grow(f, &f->head, chunk->m[i].key) ||
			!grow(f, &f->head, SLICE("\":")) || !grow(f, &f->head, chunk->m[i].value) ||
			!grow(f, &f->head, SLICE(",")))
			return false;
	}
	return true;
}

bool fold_add(struct fold *f, struct slice json)
{
	struct aj chunk;
	if (!aj_scan(json, &chunk))
		return false;
	const struct jscan_member *choices = aj_typed(&chunk, "choices", JS_ARRAY);
	const struct jscan_member *usage = aj_typed(&chunk, "usage", JS_OBJECT);
	struct slice item;
	for (struct slice rest = choices != NULL ? choices->value : SLICE("[]");
		jscan_next(&rest, &item);) {
		if (!f->begun && !add_head(f, &chunk))
			return false;
		f->begun = true;
		if (!add_choice(f, item))
			return false;
	}
	if (usage == NULL)
		return true;
	str_clear(&f->usage);
	return grow(f, &f->usage, usage->value);
}

// ---- the document ----

static const struct part *find_part(const struct choice *c, const char *key)
{
	for (size_t i = 0; i < c->parts_n; i++) {
		if (strcmp(c->parts[i].key, key) == 0)
			return &c->parts[i];
	}
	return NULL;
}

static void write_tools(const struct choice *c, struct str *out)
{
	if (c->tools_n == 0)
		return;
	str_add_slice(out, SLICE(",\"tool_calls\":["));
	for (size_t i = 0; i < c->tools_n; i++) {
		const struct tool *t = &c->tools[i];
		str_add(out, i > 0 ? ",{" : "{");
		aj_add_inner(out, "id", str_slice(&t->id));
		str_add_slice(out, SLICE(",\"type\":\"function\",\"function\":{"));
		aj_add_inner(out, "name", str_slice(&t->name));
		aj_add_inner(out, "arguments", str_slice(&t->arguments));
		str_add_slice(out, SLICE("}}"));
	}
	str_add_c(out, ']');
}

static void write_message(const struct choice *c, struct str *out)
{
	str_add_slice(out, SLICE(",\"message\":{\"role\":\"assistant\""));
	if (find_part(c, "content") == NULL)
		aj_add(out, "content", SLICE("null"));
	for (size_t i = 0; i < c->parts_n; i++) {
		const struct part *p = &c->parts[i];
		if (p->text)
			aj_add_inner(out, p->key, str_slice(&p->value));
		else
			aj_add(out, p->key, str_slice(&p->value));
	}
	if (find_part(c, "refusal") == NULL)
		aj_add(out, "refusal", SLICE("null"));
	write_tools(c, out);
	str_add_c(out, '}');
}

static void write_choice(const struct fold *f, size_t i, struct str *out)
{
	const struct choice *c = &f->choices[i];
	str_add_slice(out, SLICE("{\"index\":"));
	str_add_i64(out, (int64_t)i);
	if (!f->text)
		write_message(c, out);
	else
		aj_add_inner(out, "text",
			find_part(c, "text") != NULL ? str_slice(&find_part(c, "text")->value)
						     : SLICE(""));
	if (c->logprobs.n > 0) {
		str_add_slice(out, SLICE(",\"logprobs\":{\"content\":["));
		str_add_slice(out, str_slice(&c->logprobs));
		str_add_slice(out, SLICE("],\"refusal\":null}"));
	} else {
		aj_add(out, "logprobs", SLICE("null"));
	}
	aj_add(out, "finish_reason", slice_of(c->finish[0] != '\0' ? c->finish : "null"));
	str_add_c(out, '}');
}

void fold_write(const struct fold *f, struct str *out)
{
	str_add_c(out, '{');
	str_add_slice(out, str_slice(&f->head));
	str_add(out, f->text ? "\"object\":\"text_completion\"" : "\"object\":\"chat.completion\"");
	str_add_slice(out, SLICE(",\"choices\":["));
	for (size_t i = 0; i < f->n; i++) {
		if (i > 0)
			str_add_c(out, ',');
		write_choice(f, i, out);
	}
	str_add_c(out, ']');
	if (f->usage.n > 0)
		aj_add(out, "usage", str_slice(&f->usage));
	str_add_c(out, '}');
}
