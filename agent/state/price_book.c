// SPDX-License-Identifier: MIT
// Looks a price up from the narrowest thing it may be for (this key, this target, this feature) to
// the model alone.
#include "agent/state/price_book.h"

#include <stdio.h>
#include <string.h>
#include "agent/state/price.h"

static const char usd[] = "USD";

struct slice price_id(const struct price *p, char buf[PRICE_ID_MAX])
{
	const char *scope = p->key != NULL ? "@key="
		: p->target != NULL	   ? "@target="
		: p->feature != NULL	   ? "@feature="
					   : "";
	const char *at = p->key != NULL ? p->key
		: p->target != NULL	? p->target
		: p->feature != NULL	? p->feature
					: "";
	bool dollars = p->currency == NULL || strcmp(p->currency, usd) == 0;
	int n = snprintf(buf, PRICE_ID_MAX, "%s/%s%s%s%s%s", p->vendor, p->model, scope, at,
		dollars ? "" : ":", dollars ? "" : p->currency);
	return (struct slice){buf, MIN_OF((size_t)n, PRICE_ID_MAX - 1)};
}

static const struct price *at(struct pmap prices, const struct price *like, int64_t now_wall_ms)
{
	char buf[PRICE_ID_MAX];
	const struct price_obj *p = pmap_get(prices, price_id(like, buf));
	return p != NULL && price_valid(&p->doc, now_wall_ms) ? &p->doc : NULL;
}

static const struct price *in_currency(struct pmap prices, struct price *like,
	const struct price_ask *ask, int64_t now_wall_ms)
{
	like->currency = ask->currency != NULL ? ask->currency : usd;
	const struct price *p = at(prices, like, now_wall_ms);
	if (p != NULL || ask->currency != NULL)
		return p;
	like->currency = "CNY";
	return at(prices, like, now_wall_ms);
}

static const struct price *in_scope(struct pmap prices, struct price *like,
	const struct price_ask *ask, int64_t now_wall_ms)
{
	const char *const names[] = {ask->model, "*"};
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		like->model = names[i];
		const struct price *p = names[i] != NULL && names[i][0] != '\0'
			? in_currency(prices, like, ask, now_wall_ms)
			: NULL;
		if (p != NULL)
			return p;
	}
	return NULL;
}

const struct price *price_book_find(struct pmap prices, const struct price_ask *ask,
	int64_t now_wall_ms)
{
	struct price scopes[] = {{.key = ask->key}, {.target = ask->target},
		{.feature = ask->feature}, {.key = NULL}};
	const struct price *p = NULL;
	if (prices.n == 0)
		return NULL;
	for (size_t i = 0; i < ARRAY_LEN(scopes) && p == NULL; i++) {
		struct price *like = &scopes[i];
		bool narrowed = like->key != NULL || like->target != NULL || like->feature != NULL;
		like->vendor = ask->vendor;
		if (narrowed || i + 1 == ARRAY_LEN(scopes))
			p = in_scope(prices, like, ask, now_wall_ms);
	}
	return p;
}
