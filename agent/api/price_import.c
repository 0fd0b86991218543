// SPDX-License-Identifier: MIT
// Takes foreign price lists apart as text, number by number, and makes price documents of what it
// knows; what has no place in ours is named with why, never guessed.
#include "agent/api/price_import.h"

#include <stdlib.h>
#include <string.h>
#include "agent/state/price.h"
#include "shared/rows/api.h"
#include "shared/clock.h"
#include "shared/jx.h"
#include "shared/map.h"
#include "shared/mem.h"
#include "shared/num.h"
#include "shared/text.h"

#define MEMBERS_MAX 256 // of one entry
#define USD 12 // decimal places to pico
#define CENTS 10
#define UNIT_MAX INT64_C(1000000000000000) // as the price's fields allow

const char *const price_format_names[] = {"yijian", "litellm", "portkey", NULL};

struct reader {
	struct arena *a;
	struct price_list *list;
	size_t cap;
	struct map by_model; // "vendor/model" → index + 1 of its item
	const char *vendor; // of a list that does not say
};

struct members {
	struct jscan_member m[MEMBERS_MAX];
	size_t n;
};

static struct jscan_limits no_limits(void)
{
	return (struct jscan_limits){0, JSCAN_DEPTH, false};
}

static bool read_members(struct slice object, struct members *ret)
{
	ret->n = 0;
	struct err ignored;
	return object.n > 0 && object.p[0] == '{' &&
		jscan_object(object, no_limits(), ret->m, MEMBERS_MAX, &ret->n, &ignored) == ERR_OK;
}

static struct slice member(const struct members *o, const char *key)
{
	const struct jscan_member *m = jscan_find(o->m, o->n, key);
	return m != NULL ? m->value : (struct slice){NULL, 0};
}

static const char *text_of(struct arena *a, struct slice value)
{
	size_t n = 0;
	if (value.n < 2 || value.p[0] != '"')
		return NULL;
	char *buf = arena_alloc(a, value.n);
	return jscan_string(value, buf, value.n, &n) ? buf : NULL;
}

static bool pico(struct slice value, int places, int64_t *ret)
{
	return value.n > 0 && price_decimal(value, places, UNIT_MAX, ret);
}

// ---- items ----

static struct price_item *add_item(struct reader *rd, const char *name)
{
	struct price_list *l = rd->list;
	if (l->n == rd->cap) {
		size_t cap = rd->cap > 0 ? 2 * rd->cap : 64;
		struct price_item *grown = arena_alloc(rd->a, cap * sizeof(*grown));
		if (l->n > 0)
			memcpy(grown, l->v, l->n * sizeof(*grown));
		l->v = grown;
		rd->cap = cap;
	}
	struct price_item *it = &l->v[l->n++];
	*it = (struct price_item){.name = name};
	field_defaults(&price_fields, &it->price);
	return it;
}

// The item of a vendor's model, made once: pictures come as entries of their own.
static struct price_item *item_of(struct reader *rd, const char *vendor, const char *model)
{
	const char *key = arena_printf(rd->a, "%s/%s", vendor, model);
	uintptr_t at = (uintptr_t)map_get(&rd->by_model, slice_of(key));
	if (at > 0)
		return &rd->list->v[at - 1];
	struct price_item *it = add_item(rd, model);
	map_put(&rd->by_model, slice_of(key), (void *)(uintptr_t)rd->list->n);
	it->price.vendor = vendor;
	it->price.model = model;
	it->price.currency = "USD";
	return it;
}

// A model that cannot be one of ours: too long, or with characters ids do not have.
static bool good_model(const char *model)
{
	size_t n = strlen(model);
	return n > 0 && n <= NAME_MAX_CP && field_charset_ok(FC_NAME, slice_of(model));
}

static void add_image(struct reader *rd, struct price *p, const char *quality, const char *size,
	int64_t value)
{
	struct price_image *v = p->images.v;
	if (p->images.n >= PRICE_IMAGES_MAX)
		return;
	struct price_image *grown = arena_alloc(rd->a, (p->images.n + 1) * sizeof(*grown));
	if (p->images.n > 0)
		memcpy(grown, v, p->images.n * sizeof(*grown));
	grown[p->images.n] = (struct price_image){quality, size, value};
	p->images = (struct objv){grown, p->images.n + 1};
}

static bool says_something(const struct price *p)
{
	const int64_t each[] = {p->input_pico, p->output_pico, p->image_pico, p->image_output_pico,
		p->char_pico, p->second_pico, p->request_pico};
	for (size_t i = 0; i < ARRAY_LEN(each); i++) {
		if (each[i] != FIELD_NONE)
			return true;
	}
	return p->images.n > 0;
}

// ---- LiteLLM ----

// Whose models are whose: provider as the lists name it, prefix of its model ids, our vendor.
static const struct provider {
	const char *name, *prefix, *vendor;
} providers[] = {
	{"openai", "openai/", "openai"},
	{"text-completion-openai", "openai/", "openai"},
	{"dashscope", "dashscope/", "aliyun"},
	{"anthropic", "anthropic/", "anthropic"},
};

static const struct provider *provider_of(const char *name)
{
	for (size_t i = 0; name != NULL && i < ARRAY_LEN(providers); i++) {
		if (strcmp(providers[i].name, name) == 0)
			return &providers[i];
	}
	return NULL;
}

struct unit { // a member of an entry, and the price's member it fills
	const char *key;
	size_t at;
};
#define AT(m) offsetof(struct price, m)

static const struct unit litellm_units[] = {
	{"input_cost_per_token", AT(input_pico)},
	{"output_cost_per_token", AT(output_pico)},
	{"cache_read_input_token_cost", AT(cached_input_pico)},
	{"cache_creation_input_token_cost", AT(cache_write_pico)},
	{"output_cost_per_reasoning_token", AT(reasoning_pico)},
	{"output_cost_per_image_token", AT(image_output_pico)},
	{"input_cost_per_character", AT(char_pico)},
	{"input_cost_per_second", AT(second_pico)},
};

static void read_units(const struct members *o, const struct unit *units, size_t n, int places,
	struct price *p)
{
	for (size_t i = 0; i < n; i++) {
		int64_t *at = (int64_t *)((char *)p + units[i].at);
		pico(member(o, units[i].key), places, at);
	}
}

static struct price_tier *add_tier(struct reader *rd, struct price *p, int64_t above)
{
	struct price_tier *v = p->tiers.v;
	if (p->tiers.n >= PRICE_TIERS_MAX)
		return NULL;
	struct price_tier *grown = arena_alloc(rd->a, (p->tiers.n + 1) * sizeof(*grown));
	if (p->tiers.n > 0)
		memcpy(grown, v, p->tiers.n * sizeof(*grown));
	p->tiers = (struct objv){grown, p->tiers.n + 1};
	struct price_tier *t = &grown[p->tiers.n - 1];
	*t = (struct price_tier){above, FIELD_NONE, FIELD_NONE, FIELD_NONE, FIELD_NONE, FIELD_NONE};
	return t;
}

static void fill_tier(const struct members *o, const char *suffix, struct arena *a,
	struct price_tier *t)
{
	const struct {
		const char *key;
		int64_t *at;
	} each[] = {{"input_cost_per_token", &t->input_pico},
		{"output_cost_per_token", &t->output_pico},
		{"cache_read_input_token_cost", &t->cached_input_pico},
		{"cache_creation_input_token_cost", &t->cache_write_pico},
		{"output_cost_per_reasoning_token", &t->reasoning_pico}};
	for (size_t i = 0; i < ARRAY_LEN(each); i++)
		pico(member(o, arena_printf(a, "%s%s", each[i].key, suffix)), USD, each[i].at);
}

static int64_t first_number(struct slice array)
{
	struct slice item;
	double v = 0;
	return jscan_next(&array, &item) && num_f64(item, &v) && v >= 0 && v < 1e12 ? (int64_t)v
										    : -1;
}

static int by_above(const void *x, const void *y)
{
	const struct price_tier *a = x, *b = y;
	return (a->above_tokens > b->above_tokens) - (a->above_tokens < b->above_tokens);
}

// tiered_pricing: the tier that begins at nothing is the row itself.
static void read_tiers(struct reader *rd, struct slice tiers, struct price *p)
{
	struct members *o = mem_alloc(sizeof(*o));
	struct slice item;
	while (tiers.n > 0 && tiers.p[0] == '[' && jscan_next(&tiers, &item)) {
		if (!read_members(item, o))
			continue;
		int64_t from = first_number(member(o, "range"));
		struct price_tier *t = from > 0 ? add_tier(rd, p, from) : NULL;
		if (from == 0)
			read_units(o, litellm_units, 5, USD, p);
		else if (t != NULL)
			fill_tier(o, "", rd->a, t);
	}
	free(o);
	if (p->tiers.n > 1)
		qsort(p->tiers.v, p->tiers.n, sizeof(struct price_tier), by_above);
}

// "hd/1024-x-1792/dall-e-3", "512-x-512/dall-e-2": quality and size stand before the model.
static bool split_picture(struct arena *a, const char *id, const char **ret_quality,
	const char **ret_size, int64_t *ret_pixels, const char **ret_model)
{
	struct slice rest = slice_of(id), first = slice_cut(&rest, '/'), quality = {NULL, 0}, part;
	if (slice_find(first, '-') < 0 || first.p[0] < '0' || first.p[0] > '9') {
		quality = first;
		first = slice_cut(&rest, '/');
	}
	part = first;
	struct slice width = slice_cut(&part, '-'), x = slice_cut(&part, '-');
	int64_t w, h;
	if (!slice_eq_str(x, "x") || rest.n == 0 || !num_i64(width, 1, 100000, &w) ||
		!num_i64(part, 1, 100000, &h))
		return false;
	*ret_quality = quality.n > 0 ? arena_slice(a, quality) : NULL;
	*ret_size = arena_printf(a, "%lldx%lld", (long long)w, (long long)h);
	*ret_pixels = w * h;
	*ret_model = arena_slice(a, rest);
	return true;
}

// A picture by its pixels is told to a hundredth of a cent; the list's own figures are rounded.
static bool by_pixel(struct slice value, int64_t pixels, int64_t *ret)
{
	const int64_t step = INT64_C(100000000);
	int64_t each;
	if (!price_decimal(value, USD + 6, UNIT_MAX, &each) || each == 0)
		return false;
	__int128 v = (__int128)each * pixels / 1000000;
	if (v > UNIT_MAX)
		return false;
	*ret = (int64_t)(v + step / 2) / step * step;
	return true;
}

static const char *litellm_picture(struct reader *rd, const struct members *o, const char *vendor,
	const char *name, bool *ret_is)
{
	const char *quality, *size, *model;
	int64_t pixels;
	*ret_is = split_picture(rd->a, name, &quality, &size, &pixels, &model);
	if (!*ret_is)
		return NULL;
	if (!good_model(model))
		return _("its name is no model id");
	int64_t each;
	if (!pico(member(o, "input_cost_per_image"), USD, &each) &&
		!pico(member(o, "output_cost_per_image"), USD, &each) &&
		!by_pixel(member(o, "input_cost_per_pixel"), pixels, &each) &&
		!by_pixel(member(o, "output_cost_per_pixel"), pixels, &each))
		return _("no price in units we know");
	struct price_item *it = item_of(rd, vendor, model);
	it->price.source = "litellm";
	add_image(rd, &it->price, quality, size, each);
	return NULL;
}

static const char *litellm_model(struct reader *rd, const struct members *o,
	const struct provider *pr, const char *name)
{
	size_t prefix = strlen(pr->prefix);
	const char *model = strncmp(name, pr->prefix, prefix) == 0 ? name + prefix : name;
	if (!good_model(model))
		return _("its name is no model id");
	struct price p;
	field_defaults(&price_fields, &p);
	read_units(o, litellm_units, ARRAY_LEN(litellm_units), USD, &p);
	if (!pico(member(o, "output_cost_per_image"), USD, &p.image_pico))
		pico(member(o, "input_cost_per_image"), USD, &p.image_pico);
	read_tiers(rd, member(o, "tiered_pricing"), &p);
	// input_cost_per_token_above_272k_tokens and its like.
	static const int64_t thousands[] = {128, 200, 256, 272};
	for (size_t i = 0; i < ARRAY_LEN(thousands); i++) {
		const char *suffix = arena_printf(rd->a, "_above_%lldk_tokens",
			(long long)thousands[i]);
		const char *key = arena_printf(rd->a, "input_cost_per_token%s", suffix);
		struct price_tier *t = member(o, key).n > 0 ? add_tier(rd, &p, thousands[i] * 1000)
							    : NULL;
		if (t != NULL)
			fill_tier(o, suffix, rd->a, t);
	}
	if (!says_something(&p))
		return _("no price in units we know");
	struct price_item *it = item_of(rd, pr->vendor, model);
	p.images = it->price.images; // entries of its pictures came first
	p.vendor = it->price.vendor;
	p.model = it->price.model;
	p.currency = "USD";
	p.source = "litellm";
	struct slice value = member(o, "deprecation_date");
	const char *day = text_of(rd->a, value);
	int64_t ms;
	if (day != NULL && strlen(day) == 10 &&
		clock_parse_rfc3339(slice_of(arena_printf(rd->a, "%sT00:00:00Z", day)), &ms))
		p.shutdown_at = ms;
	it->price = p;
	return NULL;
}

static const char *litellm_entry(struct reader *rd, const char *name, struct slice value,
	struct members *o)
{
	bool picture = false;
	if (strcmp(name, "sample_spec") == 0)
		return _("it explains the list's fields");
	if (!read_members(value, o))
		return _("it is no object");
	const struct provider *pr = provider_of(text_of(rd->a, member(o, "litellm_provider")));
	if (pr == NULL)
		return _("its provider is in no catalogue");
	const char *why = litellm_picture(rd, o, pr->vendor, name, &picture);
	return picture ? why : litellm_model(rd, o, pr, name);
}

// ---- Portkey ----

static const struct unit portkey_units[] = {
	{"request_token", AT(input_pico)},
	{"request_text_token", AT(input_pico)},
	{"response_token", AT(output_pico)},
	{"response_text_token", AT(output_pico)},
	{"cache_read_input_token", AT(cached_input_pico)},
	{"cached_text_input_token", AT(cached_input_pico)},
	{"cache_write_input_token", AT(cache_write_pico)},
	{"reasoning_token", AT(reasoning_pico)},
	{"response_image_token", AT(image_output_pico)},
};

// Models whose "token" is something else.
static const struct {
	const char *prefix;
	size_t at;
	int64_t per;
} portkey_odd[] = {
	{"tts-1", AT(char_pico), 1}, {"whisper-", AT(second_pico), 60}, // they say a minute
};

static struct slice price_in(struct slice object)
{
	struct members *o = mem_alloc(sizeof(*o));
	struct slice v = read_members(object, o) ? member(o, "price") : (struct slice){NULL, 0};
	free(o);
	return v;
}

static const char *plain(struct arena *a, struct slice key)
{
	return slice_eq_str(key, "default") ? NULL : arena_slice(a, key);
}

// image.QUALITY.SIZE.price; "default" is any.
static void portkey_images(struct reader *rd, struct slice image, struct price *p)
{
	struct members *qualities = mem_alloc(sizeof(*qualities)),
		       *sizes = mem_alloc(sizeof(*sizes));
	if (!read_members(image, qualities))
		qualities->n = 0;
	for (size_t i = 0; i < qualities->n; i++) {
		if (!read_members(qualities->m[i].value, sizes))
			continue;
		for (size_t k = 0; k < sizes->n; k++) {
			int64_t each;
			if (pico(price_in(sizes->m[k].value), CENTS, &each))
				add_image(rd, p, plain(rd->a, qualities->m[i].key),
					plain(rd->a, sizes->m[k].key), each);
		}
	}
	free(qualities);
	free(sizes);
}

static void portkey_odd_unit(struct price *p, const char *model)
{
	for (size_t i = 0; i < ARRAY_LEN(portkey_odd); i++) {
		if (strncmp(model, portkey_odd[i].prefix, strlen(portkey_odd[i].prefix)) != 0 ||
			p->input_pico == FIELD_NONE)
			continue;
		*(int64_t *)((char *)p + portkey_odd[i].at) = (p->input_pico +
								      portkey_odd[i].per / 2) /
			portkey_odd[i].per;
		p->input_pico = p->output_pico = FIELD_NONE;
	}
}

// They write 0 for what a vendor has no price of its own for.
static void unset_zero(int64_t *v)
{
	if (*v == 0)
		*v = FIELD_NONE;
}

static const char *portkey_entry(struct reader *rd, const char *name, struct slice value,
	struct members *o)
{
	if (strcmp(name, "default") == 0)
		return _("it explains the list's fields");
	if (!good_model(name))
		return _("its name is no model id");
	if (!read_members(value, o) || !read_members(member(o, "pricing_config"), o) ||
		!read_members(member(o, "pay_as_you_go"), o))
		return _("no price in units we know");
	struct price p;
	field_defaults(&price_fields, &p);
	for (size_t i = 0; i < ARRAY_LEN(portkey_units); i++) {
		struct slice v = price_in(member(o, portkey_units[i].key));
		pico(v, CENTS, (int64_t *)((char *)&p + portkey_units[i].at));
	}
	portkey_images(rd, member(o, "image"), &p);
	unset_zero(&p.cached_input_pico);
	unset_zero(&p.cache_write_pico);
	portkey_odd_unit(&p, name);
	if (!says_something(&p))
		return _("no price in units we know");
	struct price_item *it = item_of(rd, rd->vendor, name);
	p.vendor = it->price.vendor;
	p.model = it->price.model;
	p.currency = "USD";
	p.source = "portkey";
	it->price = p;
	return NULL;
}

// ---- whole lists ----

typedef const char *(*entry_fn)(struct reader *rd, const char *name, struct slice value,
	struct members *o);

static enum err_code read_entries(struct reader *rd, struct slice text, entry_fn fn,
	struct err *err)
{
	struct jscan_limits limits = {body_limit(BODY_APPLY)->tokens, JSCAN_DEPTH, false};
	struct jscan_member *m = mem_alloc(PRICE_ITEMS_MAX * sizeof(*m));
	struct members *o = mem_alloc(sizeof(*o));
	size_t n = 0;
	enum err_code code = jscan_object(text, limits, m, PRICE_ITEMS_MAX, &n, err);
	for (size_t i = 0; i < n && code == ERR_OK; i++) {
		const char *name = arena_slice(rd->a, m[i].key);
		const char *why = fn(rd, name, m[i].value, o);
		if (why != NULL)
			add_item(rd, name)->ignored = why;
	}
	free(o);
	free(m);
	return code;
}

static enum err_code own_items(struct reader *rd, const struct jx *items, struct err *err)
{
	for (size_t i = 0; i < jx_len(items); i++) {
		struct price_item *it = add_item(rd, "");
		enum err_code code = jx_decode_value(&price_fields, jx_at(items, i), JX_CREATE,
			rd->a, &it->price, err);
		if (code != ERR_OK)
			return code;
		it->name = it->price.model;
	}
	return ERR_OK;
}

static enum err_code own_removes(struct reader *rd, const struct jx *ids, struct err *err)
{
	struct price_list *l = rd->list;
	l->remove = arena_zalloc(rd->a, jx_len(ids) + 1, sizeof(*l->remove));
	for (size_t i = 0; i < jx_len(ids); i++) {
		if (!jx_is_str(jx_at(ids, i)))
			return err_field(err, ERR_FIELD_TYPE, "remove", _("must be a list of ids"));
		l->remove[l->removes++] = jx_str(jx_at(ids, i), "");
	}
	return ERR_OK;
}

static enum err_code read_own(struct reader *rd, struct slice text, struct err *err)
{
	struct jscan_limits limits = {body_limit(BODY_APPLY)->tokens, JSCAN_DEPTH, false};
	const struct jx *doc;
	void *it = NULL;
	enum err_code code = jx_parse(text, limits, rd->a, &doc, err);
	if (code != ERR_OK)
		return code;
	if (jx_is_null(jx_get(doc, "items")) && jx_is_null(jx_get(doc, "remove"))) {
		struct price_item *one = add_item(rd, "");
		code = jx_decode_value(&price_fields, doc, JX_CREATE, rd->a, &one->price, err);
		one->name = one->price.model;
		return code;
	}
	const struct jx *value;
	const char *key;
	while (code == ERR_OK && jx_next(doc, &it, &key, &value)) {
		if (strcmp(key, "items") == 0 && jx_is_arr(value))
			code = own_items(rd, value, err);
		else if (strcmp(key, "remove") == 0 && jx_is_arr(value))
			code = own_removes(rd, value, err);
		else if (strcmp(key, "items") == 0 || strcmp(key, "remove") == 0)
			code = err_field(err, ERR_FIELD_TYPE, key, _("must be a list"));
		else if (strcmp(key, "total") != 0 && strcmp(key, "revision") != 0 &&
			strcmp(key, "next") != 0) // what a list answered may be posted again
			code = err_field(err, ERR_FIELD_UNKNOWN, key, NULL);
	}
	return code;
}

enum err_code price_list_read(enum price_format format, const char *vendor, struct slice text,
	struct arena *a, struct price_list *ret, struct err *err)
{
	struct reader rd = {.a = a, .list = ret, .vendor = vendor};
	*ret = (struct price_list){.v = NULL};
	enum err_code code = ERR_OK;
	if (format == PRICES_YIJIAN)
		code = read_own(&rd, text, err);
	else if (format == PRICES_LITELLM)
		code = read_entries(&rd, text, litellm_entry, err);
	else
		code = read_entries(&rd, text, portkey_entry, err);
	map_release(&rd.by_model);
	return code;
}
