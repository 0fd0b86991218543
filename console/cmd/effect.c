// SPDX-License-Identifier: MIT
// The live route table with and without the targets a command would take out of it.
#include "console/cmd/effect.h"

#include <string.h>

#include "shared/text.h"

static bool fits(const struct effect_of *of, const struct jx *row)
{
	struct slice part = slice_of(jx_str(jx_get(row, "target"), ""));
	struct slice target = slice_cut(&part, '#'), service = target;
	struct slice vendor = slice_cut(&service, '/');
	return (of->feature == NULL ||
		       strcmp(jx_str(jx_get(row, "feature"), ""), of->feature) == 0) &&
		(of->target == NULL || slice_eq_str(target, of->target)) &&
		(of->vendor == NULL || slice_eq_str(vendor, of->vendor)) &&
		(of->part == NULL || slice_eq_str(part, of->part));
}

// Whether it could take a request, now or when it is less busy.
static bool usable(const struct jx *row)
{
	static const char *const states[] = {"OK", "FULL", "LIMITED", "HALF_OPEN"};
	const char *state = jx_str(jx_get(row, "state"), "");
	for (size_t i = 0; i < ARRAY_LEN(states); i++)
		if (strcmp(state, states[i]) == 0)
			return true;
	return false;
}

struct share {
	size_t before, after;
	double rate; // requests per second of the feature
};

static struct share share_of(const struct jx *items, const char *feature,
	const struct effect_of *of)
{
	struct share s = {0};
	for (size_t i = 0; i < jx_len(items); i++) {
		const struct jx *row = jx_at(items, i);
		if (strcmp(jx_str(jx_get(row, "feature"), ""), feature) != 0)
			continue;
		s.rate += jx_num(jx_get(row, "rate"), 0);
		s.before += usable(row);
		s.after += usable(row) && !fits(of, row);
	}
	return s;
}

enum err_code effect_tell(struct cmd *c, const struct effect_of *of, const char **ret_text,
	bool *ret_last)
{
	struct client_call call = {.ep = EP_ROUTE_LIST};
	struct client_answer a;
	struct str text = STR_INIT;
	const char *told = "";
	*ret_last = false;
	enum err_code code = cmd_call(c, &call, &a);
	const struct jx *items = code ? NULL : jx_get(a.doc, "items");
	for (size_t i = 0; i < jx_len(items); i++) { // rows of a feature stand together
		const char *feature = jx_str(jx_get(jx_at(items, i), "feature"), "");
		if (strcmp(feature, told) == 0)
			continue;
		told = feature;
		struct share s = share_of(items, feature, of);
		if (s.after == s.before)
			continue;
		str_addf(&text, _("%s%zu of %zu targets of %s left"), text.n ? "; " : "", s.after,
			s.before, feature);
		if (s.after > 0)
			continue;
		*ret_last = true;
		str_add(&text, _(", "));
		text_add_si(&text, s.rate);
		str_add(&text, _(" req/s will fail"));
	}
	*ret_text = arena_strdup(&c->arena, str_text(&text));
	str_release(&text);
	return code;
}

enum err_code effect_agree(struct cmd *c, const struct effect_of *of, const char *name)
{
	const char *text;
	bool last;
	enum err_code code = effect_tell(c, of, &text, &last);
	return code || !last ? code : cmd_agree(c, name, text);
}
