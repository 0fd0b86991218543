// SPDX-License-Identifier: MIT
// The items of a part are kept without their index, which is the whole request's once parts are
// joined; embeddings come in the caller's order, ranks by score over all parts.
#include "agent/protocol/batch.h"

#include <stdlib.h>
#include "agent/protocol/json.h"
#include "shared/num.h"
#include "shared/text.h"
#include "shared/rows/vendors.h"

// ---- the request ----

static const char *list_name(const struct adapter_call *call)
{
	return call->offer == OFFER_RERANK ? "documents" : "input";
}

static bool is_number(struct slice v)
{
	return v.n > 0 && (v.p[0] == '-' || (v.p[0] >= '0' && v.p[0] <= '9'));
}

enum err_code batch_read(struct adapter_call *call, struct err *err)
{
	const char *name = list_name(call);
	const struct jscan_member *m = jscan_find(call->m, call->n, name);
	bool rerank = call->offer == OFFER_RERANK;
	call->items = 1;
	if (m == NULL)
		return err_field(err, ERR_FIELD_REQUIRED, name, NULL);
	if (m->type == JS_STRING && !rerank)
		return ERR_OK;
	if (m->type != JS_ARRAY)
		return err_field(err, ERR_FIELD_TYPE, name, _("must be a text or a list"));
	struct slice rest = m->value, item;
	size_t n = 0;
	bool first_number = false;
	while (jscan_next(&rest, &item)) {
		if (n == 0) {
			first_number = is_number(item);
			call->tokens = first_number || item.p[0] == '[';
		}
		if (!rerank &&
			(first_number ? !is_number(item) : item.p[0] != (call->tokens ? '[' : '"')))
			return err_field(err, ERR_FIELD_TYPE, name,
				_("holds items of several kinds"));
		if (rerank && item.p[0] != '"' && item.p[0] != '{')
			return err_field(err, ERR_FIELD_TYPE, name, _("must be texts or objects"));
		n++;
	}
	if (n == 0)
		return err_field(err, ERR_FIELD_RANGE, name, _("must not be empty"));
	if (!first_number)
		call->items = n;
	if (call->items > BATCH_ITEMS_MAX)
		return err_field(err, ERR_FIELD_RANGE, name, _("holds more than %d items"),
			BATCH_ITEMS_MAX);
	return ERR_OK;
}

size_t batch_max(const struct adapter_call *call, const struct candidate *cand)
{
	const char *model = adapter_model(call, cand);
	if (call->offer != OFFER_EMBEDDINGS && call->offer != OFFER_RERANK)
		return 0;
	if (cand->instance != NULL)
		return (size_t)MAX_OF(cand->instance->doc.quirks.max_batch, 0);
	return (size_t)vendor_batch_max(cand->key->doc.vendor, call->offer, model);
}

bool batch_items(const struct adapter_call *call, struct str *out)
{
	const struct jscan_member *m = jscan_find(call->m, call->n, list_name(call));
	if (m->type != JS_ARRAY || (call->items == 1 && call->tokens))
		return false;
	struct slice rest = m->value;
	size_t end = call->part > 0 ? call->from + call->part : SIZE_MAX;
	str_add_c(out, '[');
	struct slice item;
	for (size_t i = 0; i < end && jscan_next(&rest, &item); i++) {
		if (i < call->from)
			continue;
		if (i > call->from)
			str_add_c(out, ',');
		str_add_slice(out, item);
	}
	str_add_c(out, ']');
	return true;
}

// ---- the answers ----

void batch_reset(struct batch *b)
{
	b->items.n = 0;
	str_clear(&b->text);
	b->model[0] = '\0';
	b->usage = ADAPTER_USAGE_UNKNOWN;
	b->parts = 0;
}

void batch_release(struct batch *b)
{
	VEC_RELEASE(&b->items);
	str_release(&b->text);
}

// seen: a bit for each item of the part.
static bool add_item(struct batch *b, const struct adapter_call *call, uint64_t *seen,
	struct slice json)
{
	struct jscan_member m[16];
	struct batch_item item = {.at = b->text.n};
	size_t n;
	if (!adapter_object(json, m, ARRAY_LEN(m), &n) || n == ARRAY_LEN(m))
		return false;
	const struct jscan_member *index = jscan_find(m, n, "index");
	const struct jscan_member *score = jscan_find(m, n, "relevance_score");
	if (index == NULL || !jscan_int(index->value, &item.index) || item.index < 0 ||
		(size_t)item.index >= call->part ||
		(seen[item.index / 64] >> item.index % 64 & 1) != 0)
		return false;
	seen[item.index / 64] |= UINT64_C(1) << item.index % 64;
	item.index += (int64_t)call->from;
	if (call->offer == OFFER_RERANK && (score == NULL || !num_f64(score->value, &item.score)))
		return false;
	for (size_t i = 0; i < n; i++) {
		if (&m[i] == index)
			continue;
		str_add(&b->text, ",\"");
		str_add_slice(&b->text, m[i].key);
		str_add(&b->text, "\":");
		str_add_slice(&b->text, m[i].value);
	}
	item.n = b->text.n - item.at;
	VEC_PUSH(&b->items, item);
	return true;
}

bool batch_add(struct batch *b, const struct adapter_call *call, const struct adapter_answer *part)
{
	struct jscan_member m[ANSWER_MEMBERS_MAX];
	uint64_t seen[BATCH_ITEMS_MAX / 64] = {0};
	size_t n, before = b->items.n;
	if (!adapter_object(part->body, m, ARRAY_LEN(m), &n))
		return false;
	const struct jscan_member *list = jscan_find(m, n,
		call->offer == OFFER_RERANK ? "results" : "data");
	if (list == NULL || list->type != JS_ARRAY)
		return false;
	struct slice rest = list->value, item;
	while (jscan_next(&rest, &item)) {
		if (!add_item(b, call, seen, item))
			return false;
	}
	int64_t more = part->usage.in;
	if (more == USAGE_ABSURD || b->usage.in == USAGE_ABSURD)
		b->usage.in = USAGE_ABSURD;
	else if (more < 0 || (b->usage.in < 0 && b->parts > 0))
		b->usage.in = -1; // a sum of which a part is not known
	else
		b->usage.in = MAX_OF(b->usage.in, 0) + more;
	const struct jscan_member *model = jscan_find(m, n, "model");
	if (model != NULL && model->type == JS_STRING)
		aj_copy(aj_inner(model->value), b->model, sizeof(b->model));
	b->parts++;
	return b->items.n - before == call->part;
}

static int by_index(const void *a, const void *b)
{
	const struct batch_item *x = a, *y = b;
	return (x->index > y->index) - (x->index < y->index);
}

// Equal ones as the caller had them.
static int by_score(const void *a, const void *b)
{
	const struct batch_item *x = a, *y = b;
	if (x->score != y->score)
		return x->score < y->score ? 1 : -1;
	return by_index(a, b);
}

static size_t top_n(const struct adapter_call *call, size_t n)
{
	const struct jscan_member *m = jscan_find(call->m, call->n, "top_n");
	int64_t top;
	if (call->offer != OFFER_RERANK || call->part > 0 || m == NULL ||
		!jscan_int(m->value, &top) || top < 1)
		return n;
	return MIN_OF(n, (size_t)top);
}

void batch_write(struct batch *b, const struct adapter_call *call, struct str *out)
{
	bool rerank = call->offer == OFFER_RERANK;
	size_t n = top_n(call, b->items.n);
	qsort(b->items.v, b->items.n, sizeof(b->items.v[0]), rerank ? by_score : by_index);
	str_add(out, rerank ? "{\"results\":[" : "{\"object\":\"list\",\"data\":[");
	for (size_t i = 0; i < n; i++) {
		const struct batch_item *item = &b->items.v[i];
		str_addf(out, "%s{\"index\":%lld", i > 0 ? "," : "", (long long)item->index);
		str_add_n(out, b->text.p + item->at, item->n);
		str_add_c(out, '}');
	}
	str_addf(out, "],\"model\":\"%s\",\"usage\":{", b->model);
	if (!rerank)
		str_addf(out, "\"prompt_tokens\":%lld,", (long long)MAX_OF(b->usage.in, 0));
	str_addf(out, "\"total_tokens\":%lld}}", (long long)MAX_OF(b->usage.in, 0));
}
