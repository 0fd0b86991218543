// SPDX-License-Identifier: MIT
// Texts are joined between their quotes, as they stand; of every other member the last piece counts.
#include "agent/protocol/fold.h"

#include <stdlib.h>
#include <string.h>
#include "agent/protocol/json.h"
#include "agent/protocol/toolcalls.h"
#include "shared/mem.h"

#define KEY_MAX 48
#define FINISH_MAX 40

struct part { // a member of the message
	char key[KEY_MAX];
	struct str value; // of text: between its quotes
	bool text;
};

struct choice {
	struct part parts[FOLD_PARTS_MAX];
	size_t parts_n;
	struct toolcalls tools;
	struct str logprobs; // items of its content list
	char finish[FINISH_MAX]; // raw JSON
	struct str stop; // raw JSON of "stop_reason", which some servers say beside it
};

struct fold {
	struct str head; // the first chunk's own members
	struct str usage;
	struct choice choices[FOLD_CHOICES_MAX];
	size_t n, bytes;
	uint64_t serial;
	bool begun, text; // text completions
};

struct fold *fold_new(uint64_t serial)
{
	struct fold *f = mem_zalloc(1, sizeof(*f));
	f->serial = serial;
	return f;
}

void fold_free(struct fold *f)
{
	if (f == NULL)
		return;
	for (size_t i = 0; i < f->n; i++) {
		struct choice *c = &f->choices[i];
		for (size_t k = 0; k < c->parts_n; k++)
			str_release(&c->parts[k].value);
		toolcalls_release(&c->tools);
		str_release(&c->logprobs);
		str_release(&c->stop);
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

static bool add_part(struct fold *f, struct choice *c, const struct jscan_member *m)
{
	if (m->type == JS_NULL)
		return true;
	struct part *p = NULL;
	for (size_t i = 0; p == NULL && i < c->parts_n; i++)
		p = slice_eq_str(m->key, c->parts[i].key) ? &c->parts[i] : NULL;
	if (p == NULL) {
		if (c->parts_n == FOLD_PARTS_MAX || m->key.n >= KEY_MAX)
			return true; // more members than any message has
		p = &c->parts[c->parts_n++];
		memcpy(p->key, m->key.p, m->key.n);
		p->key[m->key.n] = '\0';
	}
	if (m->type == JS_STRING && (p->text || p->value.n == 0)) {
		p->text = true;
		return grow(f, &p->value, aj_inner(m->value));
	}
	p->text = m->type == JS_STRING;
	str_clear(&p->value);
	return grow(f, &p->value, p->text ? aj_inner(m->value) : m->value);
}

// A list of parts: what it says is joined as text would be. into: the member that text goes to.
static bool add_parts(struct fold *f, struct choice *c, struct slice list, const char *into)
{
	static const char *const kinds[][3] = {{"text", "text", NULL},
		{"output_text", "text", NULL}, {"thinking", "thinking", "reasoning_content"},
		{"reasoning", "text", "reasoning_content"}, {"refusal", "refusal", "refusal"}};
	struct slice item;
	struct aj part;
	while (jscan_next(&list, &item)) {
		if (!aj_scan(item, &part))
			continue;
		for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
			const struct jscan_member *said = aj_find(&part, kinds[i][1]);
			if (said == NULL || !aj_is(&part, "type", kinds[i][0]))
				continue;
			const char *to = kinds[i][2] != NULL ? kinds[i][2] : into;
			struct jscan_member one = {slice_of(to), said->value, said->type};
			if (said->type == JS_ARRAY ? !add_parts(f, c, said->value, to)
						   : !add_part(f, c, &one))
				return false;
		}
	}
	return true;
}

static bool add_delta(struct fold *f, struct choice *c, const struct aj *delta)
{
	for (size_t i = 0; i < delta->n; i++) {
		const struct jscan_member *m = &delta->m[i];
		if (slice_eq_str(m->key, "role") || slice_eq_str(m->key, "tool_calls") ||
			slice_eq_str(m->key, "function_call"))
			continue;
		bool list = slice_eq_str(m->key, "content") && m->type == JS_ARRAY;
		if (list ? !add_parts(f, c, m->value, "content") : !add_part(f, c, m))
			return false;
	}
	size_t before = c->tools.bytes;
	if (!toolcalls_add_all(&c->tools, delta))
		return false;
	f->bytes += c->tools.bytes - before;
	return f->bytes <= FOLD_MAX;
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
	for (; f->n <= (size_t)index; f->n++)
		toolcalls_reset(&f->choices[f->n].tools, f->serial + f->n);
	struct choice *c = &f->choices[index];
	const struct jscan_member *finish = aj_typed(&choice, "finish_reason", JS_STRING);
	const struct jscan_member *stop = aj_find(&choice, "stop_reason");
	if (stop != NULL) {
		str_clear(&c->stop);
		if (!grow(f, &c->stop, stop->value))
			return false;
	}
	// "" and "null" mean null, also behind the real one.
	if (finish != NULL && finish->value.n < FINISH_MAX && finish->value.n > 2 &&
		!slice_eq_str(finish->value, "\"null\"")) {
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

static void write_message(struct choice *c, struct str *out)
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
	if (c->tools.n > 0) {
		aj_name(out, "tool_calls");
		toolcalls_write(&c->tools, out);
	}
	str_add_c(out, '}');
}

static void write_choice(struct fold *f, size_t i, struct str *out)
{
	struct choice *c = &f->choices[i];
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
	if (c->stop.n > 0)
		aj_add(out, "stop_reason", str_slice(&c->stop));
	str_add_c(out, '}');
}

void fold_write(struct fold *f, struct str *out)
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
