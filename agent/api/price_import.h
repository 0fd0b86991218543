// SPDX-License-Identifier: MIT
// Reading price lists: our own documents, LiteLLM's model_prices_and_context_window.json and a
// provider's file of Portkey's models. Numbers are read from their text: 1.3e-10 USD is 130 pico,
// with no binary fraction between. Pure.
#ifndef YJ_AGENT_API_PRICE_IMPORT_H
#define YJ_AGENT_API_PRICE_IMPORT_H

#include "shared/arena.h"
#include "shared/err.h"
#include "shared/rows/model.h"

enum price_format { PRICES_YIJIAN, PRICES_LITELLM, PRICES_PORTKEY };
extern const char *const price_format_names[]; // NULL-terminated, in enum order

#define PRICE_ITEMS_MAX 10000 // of one list

struct price_item {
	const char *name; // as the list has it
	const char *ignored; // why it is left out, for people; NULL: price is filled
	struct price price;
};

struct price_list {
	struct price_item *v;
	size_t n;
	const char **remove; // ids to delete, of our own documents
	size_t removes;
};

// yijian: {"items":[price, …],"remove":["id", …]}, or one price. Fields unknown to us are errors.
// litellm: {"model": {"litellm_provider", "input_cost_per_token", …}}; pictures priced by pixel or
//   under "quality/WxH/model" become rows of their model.
// portkey: {"model": {"pricing_config": {"pay_as_you_go": {…}}}}, US cents; it does not say whose:
//   vendor does.
// Everything lives in the arena. The text's own faults are errors; what we have no use for is
// ignored item by item.
enum err_code price_list_read(enum price_format format, const char *vendor, struct slice text,
	struct arena *a, struct price_list *ret, struct err *err);

#endif
