// SPDX-License-Identifier: MIT
// Shows which price counts for which model and stores a list that was imported, whole or not at
// all.
#include "agent/api/prices.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "agent/api/change.h"
#include "agent/api/price_import.h"
#include "agent/store/price.h"
#include "shared/num.h"
#include "shared/text.h"

// ---- listing ----

static int by_id(const void *a, const void *b)
{
	const struct price_obj *x = *(struct price_obj *const *)a;
	const struct price_obj *y = *(struct price_obj *const *)b;
	return strcmp(x->doc.id, y->doc.id);
}

static bool is(const char *asked, const char *have)
{
	return asked == NULL || (have != NULL && strcmp(asked, have) == 0);
}

static const struct price_obj **matching(struct req *r, size_t *ret_n)
{
	const char *vendor = req_query(r, "vendor"), *model = req_query(r, "model");
	const char *id = req_query(r, "id");
	const struct price_obj **v = arena_zalloc(&r->arena, r->snap->prices.n + 1, sizeof(*v));
	struct pmap_it it = {0};
	size_t n = 0;
	void *obj;
	while (pmap_next(r->snap->prices, &it, NULL, &obj)) {
		const struct price *p = &((const struct price_obj *)obj)->doc;
		if (is(vendor, p->vendor) && is(model, p->model) && is(id, p->id))
			v[n++] = obj;
	}
	qsort(v, n, sizeof(*v), by_id);
	*ret_n = n;
	return v;
}

void h_price_list(struct req *r)
{
	struct str out = STR_INIT;
	int64_t limit = req_query_int(r, "limit");
	size_t n = 0, i = 0, shown = 0;
	const struct price_obj **v = matching(r, &n);
	const char *cursor = req_query(r, "cursor");
	while (cursor != NULL && i < n && strcmp(v[i]->doc.id, cursor) <= 0)
		i++;
	struct jw w;
	list_open(&w, &out);
	for (; i < n && shown < (size_t)limit; i++, shown++)
		jw_raw(&w, NULL, v[i]->o.json);
	list_close(&w, n, r->snap->revision, i < n && i > 0 ? v[i - 1]->doc.id : NULL);
	req_reply_json(r, 200, &out);
}

// ---- importing ----

enum result { CREATED, CHANGED, UNCHANGED, IGNORED, REMOVED, RESULTS };
static const char *const results[RESULTS] = {
	"created", "changed", "unchanged", "ignored", "removed"};
_Static_assert((int)CREATED == PRICE_CREATED && (int)CHANGED == PRICE_CHANGED &&
		(int)UNCHANGED == PRICE_UNCHANGED,
	"the store's words come first");

struct import {
	enum price_format format;
	const char *vendor;
	bool dry_run;
	int64_t revision; // of the change, 0 until something changes
	int64_t n[RESULTS];
	struct jw w;
};

static void tell_item(struct import *im, const char *name, const char *id, enum result result,
	const char *why)
{
	im->n[result]++;
	jw_obj(&im->w, NULL);
	jw_str(&im->w, "name", name);
	jw_str(&im->w, "id", id);
	jw_str(&im->w, "result", results[result]);
	if (why != NULL)
		jw_str(&im->w, "reason", why);
	jw_obj_end(&im->w);
}

static enum err_code open_change(struct store_tx *tx, struct import *im, struct err *err)
{
	return im->revision != 0 ? ERR_OK : store_price_begin(tx, &im->revision, err);
}

static enum err_code put_item(struct store_tx *tx, struct import *im, const struct price_item *it,
	size_t i, struct err *err)
{
	struct err why = {0};
	if (it->ignored == NULL && price_check(&it->price, &why) != ERR_OK &&
		im->format == PRICES_YIJIAN) {
		char field[ERR_FIELD_MAX];
		snprintf(field, sizeof(field), "items[%zu].%.64s", i, why.field);
		return err_field(err, why.code, field, "%s", why.message);
	}
	if (it->ignored != NULL || why.code != ERR_OK) {
		tell_item(im, it->name, NULL, IGNORED,
			it->ignored != NULL ? it->ignored : why.message);
		return ERR_OK;
	}
	enum price_change change = store_price_compare(store_tx_snapshot(tx), &it->price);
	char id[PRICE_ID_MAX];
	price_id(&it->price, id);
	tell_item(im, it->name, id, (enum result)change, NULL);
	if (im->dry_run || change == PRICE_UNCHANGED)
		return ERR_OK;
	enum err_code code = open_change(tx, im, err);
	return code != ERR_OK ? code : store_price_put(tx, &it->price, im->revision, err);
}

static enum err_code remove_one(struct store_tx *tx, struct import *im, const char *id,
	struct err *err)
{
	bool found = pmap_get(store_tx_snapshot(tx)->prices, slice_of(id)) != NULL;
	enum err_code code = ERR_OK;
	if (found && !im->dry_run) {
		code = open_change(tx, im, err);
		if (code == ERR_OK)
			code = store_price_delete(tx, slice_of(id), &found, err);
	}
	tell_item(im, id, id, found ? REMOVED : IGNORED,
		found ? NULL : _("there is no price of this id"));
	return code;
}

static enum err_code run_list(struct store_tx *tx, struct change *c, const struct price_list *l,
	struct err *err)
{
	struct import *im = c->arg;
	enum err_code code = ERR_OK;
	im->w = jw_to(&c->body);
	jw_obj(&im->w, NULL);
	jw_bool(&im->w, "dry_run", im->dry_run);
	jw_arr(&im->w, "items");
	for (size_t i = 0; i < l->n && code == ERR_OK; i++)
		code = put_item(tx, im, &l->v[i], i, err);
	for (size_t i = 0; i < l->removes && code == ERR_OK; i++)
		code = remove_one(tx, im, l->remove[i], err);
	if (code == ERR_OK && im->revision != 0) {
		char summary[128];
		snprintf(summary, sizeof(summary), "%lld created, %lld changed, %lld removed",
			(long long)im->n[CREATED], (long long)im->n[CHANGED],
			(long long)im->n[REMOVED]);
		c->event = EVENT_CONFIG;
		c->event_action = "import";
		c->event_name = SLICE("prices");
		code = store_price_end(tx, im->revision, price_format_names[im->format], summary,
			err);
	}
	jw_arr_end(&im->w);
	for (int i = 0; i < RESULTS; i++)
		jw_int(&im->w, results[i], im->n[i]);
	jw_int(&im->w, "total", (int64_t)(l->n + l->removes));
	jw_int(&im->w, "revision", (int64_t)store_tx_snapshot(tx)->revision);
	jw_obj_end(&im->w);
	return code;
}

// Read on the store thread: a whole catalogue takes longer than a loop may.
static enum err_code run_import(struct store_tx *tx, struct change *c, struct err *err)
{
	struct import *im = c->arg;
	struct arena a = ARENA_INIT;
	struct price_list list;
	enum err_code code = price_list_read(im->format, im->vendor, c->r->body, &a, &list, err);
	if (code == ERR_OK)
		code = run_list(tx, c, &list, err);
	arena_release(&a);
	return code;
}

static enum err_code read_query(struct req *r, struct import *im, struct err *err)
{
	const char *vendor = req_query(r, "vendor");
	im->dry_run = req_query_bool(r, "dry_run");
	im->vendor = vendor;
	im->format = (enum price_format)req_query_int(r, "format");
	if (im->format == PRICES_PORTKEY && vendor == NULL)
		return err_field(err, ERR_FIELD_REQUIRED, "vendor",
			_("this list does not say whose models it prices: name the vendor"));
	if (vendor != NULL && !vendor_known(slice_of(vendor)))
		return err_field(err, ERR_VENDOR_UNKNOWN, "vendor", NULL);
	return ERR_OK;
}

void h_price_import(struct req *r)
{
	struct import *im = arena_zalloc(&r->arena, 1, sizeof(*im));
	struct err err = {0};
	if (read_query(r, im, &err) != ERR_OK) {
		req_fail(r, &err);
		return;
	}
	change_begin(r, run_import, im);
}
