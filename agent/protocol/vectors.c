// SPDX-License-Identifier: MIT
// Servers write a vector as a list of numbers, of texts that are numbers, or as base64, and its place
// as a number, a text or not at all. What is not sure is no answer: a wrong vector is found by nobody.
#include "agent/protocol/vectors.h"

#include <math.h>
#include <string.h>
#include "agent/protocol/base64.h"
#include "agent/protocol/json.h"
#include "shared/text.h"

// ---- one vector ----

// How many numbers the list holds, 0 when something else is in it. *ret_plain: nothing else than
// numbers are written, so that it may pass.
static size_t count_numbers(struct slice list, bool *ret_plain)
{
	static const char letters[] = "0123456789.,-+eE \t\r\n";
	struct slice inner = slice_trim((struct slice){list.p + 1, list.n - 2});
	size_t n = inner.n > 0, i = 0;
	for (; i < inner.n && strchr(letters, inner.p[i]) != NULL; i++)
		n += inner.p[i] == ',';
	*ret_plain = i == inner.n;
	if (*ret_plain)
		return n;
	struct slice item;
	double d;
	for (n = 0; jscan_next(&list, &item); n++)
		if (!aj_number(item, &d))
			return 0;
	return n;
}

// Its numbers, 0 when it is no vector. *ret_pass: in the form that is wanted.
static size_t length_of(struct slice vector, bool base64, bool *ret_pass)
{
	size_t n = 0;
	*ret_pass = false;
	if (slice_starts(vector, "[")) {
		n = count_numbers(vector, ret_pass);
		*ret_pass &= !base64;
	} else if (slice_starts(vector, "\"")) {
		*ret_pass = base64_kind(vector, &n) == BASE64_PLAIN && base64;
		n = n % 4 == 0 ? n / 4 : 0;
	}
	return n;
}

static void add_base64(struct slice list, struct str *out)
{
	struct str raw = STR_INIT;
	struct slice item;
	double d = 0;
	while (jscan_next(&list, &item)) {
		aj_number(item, &d);
		float f = (float)d;
		uint32_t bits;
		memcpy(&bits, &f, 4);
		for (int i = 0; i < 4; i++)
			str_add_c(&raw, (char)(bits >> 8 * i & 0xff));
	}
	str_add_base64(out, str_slice(&raw));
	str_release(&raw);
}

static void add_floats(struct slice string, struct str *out)
{
	struct str plain = STR_INIT, raw = STR_INIT;
	base64_add(string, &plain);
	base64_read(str_slice(&plain), &raw);
	for (size_t at = 0; at + 4 <= raw.n; at += 4) {
		uint32_t bits = 0;
		float f;
		for (int i = 0; i < 4; i++)
			bits |= (uint32_t)(unsigned char)raw.p[at + (size_t)i] << 8 * i;
		memcpy(&f, &bits, 4);
		str_addf(out, "%s%.9g", at > 0 ? "," : "", isfinite(f) ? (double)f : 0.0);
	}
	str_release(&plain);
	str_release(&raw);
}

static void add_numbers(struct slice list, struct str *out)
{
	struct slice item;
	for (bool first = true; jscan_next(&list, &item); first = false) {
		str_add(out, first ? "" : ",");
		str_add_slice(out, slice_starts(item, "\"") ? aj_inner(item) : item);
	}
}

static void add_vector(struct slice vector, bool base64, struct str *out)
{
	bool list = slice_starts(vector, "[");
	str_add_c(out, base64 ? '"' : '[');
	if (base64 && list)
		add_base64(vector, out);
	else if (base64)
		base64_add(vector, out);
	else if (list)
		add_numbers(vector, out);
	else
		add_floats(vector, out);
	str_add_c(out, base64 ? '"' : ']');
}

// ---- all of them ----

void vectors_begin(struct vectors *l, const struct adapter_call *call)
{
	l->asked = call->part > 0 ? call->part : call->items;
	l->n = l->length = 0;
	l->base64 = call->base64;
	l->mend = false;
}

// The vector in an item and its place, the next one where it is not said. False: there is none.
static bool read_item(const struct vectors *l, struct slice item, struct slice *ret_vector,
	size_t *ret_place, bool *ret_odd)
{
	struct aj o;
	*ret_vector = item;
	*ret_place = l->n;
	*ret_odd = true;
	if (!slice_starts(item, "{"))
		return true;
	if (!aj_scan(item, &o))
		return false;
	const struct jscan_member *vector = aj_find(&o, "embedding"), *at = aj_find(&o, "index");
	if (at == NULL)
		at = aj_find(&o, "text_index"); // DashScope
	double place = (double)l->n;
	if (vector == NULL || (at != NULL && !aj_number(at->value, &place)))
		return false;
	*ret_vector = vector->value;
	*ret_place = place >= 0 && place < (double)l->asked ? (size_t)place : l->asked;
	int64_t plain;
	*ret_odd = at == NULL || !jscan_int(at->value, &plain) || *ret_place != l->n;
	return place == floor(place);
}

bool vectors_take(struct vectors *l, struct slice list)
{
	uint64_t seen[BATCH_ITEMS_MAX / 64] = {0};
	struct slice item, vector;
	while (jscan_next(&list, &item)) {
		size_t place, length;
		bool odd, pass;
		if (!read_item(l, item, &vector, &place, &odd) || place >= l->asked ||
			(seen[place / 64] >> place % 64 & 1) != 0)
			return false;
		length = length_of(vector, l->base64, &pass);
		if (length == 0 || (l->length > 0 && length != l->length))
			return false;
		seen[place / 64] |= UINT64_C(1) << place % 64;
		l->length = length;
		l->mend |= odd || !pass;
		l->item[place] = item;
		l->n++;
	}
	return l->n == l->asked;
}

// The members as they stand, but for the vector and its place.
static void add_item(const struct vectors *l, size_t place, const struct aj *o, struct str *out)
{
	bool placed = jscan_find(o->m, o->n, "index") != NULL;
	str_add_c(out, '{');
	if (!placed)
		str_addf(out, "\"object\":\"embedding\",\"index\":%zu", place);
	for (size_t i = 0; i < o->n; i++) {
		const struct jscan_member *m = &o->m[i];
		if (slice_eq_str(m->key, "embedding")) {
			aj_name(out, "embedding");
			add_vector(m->value, l->base64, out);
		} else if (slice_eq_str(m->key, "index")) {
			aj_add_count(out, "index", (int64_t)place);
		} else if (placed ||
			!(slice_eq_str(m->key, "text_index") || slice_eq_str(m->key, "object"))) {
			aj_add_member(out, m);
		}
	}
	str_add_c(out, '}');
}

void vectors_write(const struct vectors *l, struct str *out)
{
	str_add_c(out, '[');
	for (size_t i = 0; i < l->n; i++) {
		struct aj o;
		str_add(out, i > 0 ? "," : "");
		if (slice_starts(l->item[i], "{") && aj_scan(l->item[i], &o)) {
			add_item(l, i, &o, out);
			continue;
		}
		str_addf(out, "{\"object\":\"embedding\",\"index\":%zu,\"embedding\":", i);
		add_vector(l->item[i], l->base64, out);
		str_add_c(out, '}');
	}
	str_add_c(out, ']');
}
