// SPDX-License-Identifier: MIT
// The prices of a snapshot, found by what they are for.
#ifndef YJ_AGENT_STATE_PRICE_BOOK_H
#define YJ_AGENT_STATE_PRICE_BOOK_H

#include "agent/state/object.h"
#include "agent/core/pmap.h"

// The id of a price: "vendor/model", then what narrows it ("@feature=chat", "@target=openai/gpt-4",
// "@key=openai/gpt-4/main"), then ":CNY" when it is not in USD. Cut off beyond the buffer.
#define PRICE_ID_MAX 640
struct slice price_id(const struct price *p, char buf[PRICE_ID_MAX]);

struct price_ask { // NULL where there is none
	const char *vendor; // "self" for instances
	const char *model; // as sent upstream
	const char *feature, *target, *key;
	const char *currency; // the key's
};

// The narrowest one that is valid now: of the key, the target, the feature, then the model's; each by
// its model before "*"; in the key's currency, or where it names none in USD, then in CNY. NULL: not
// known. prices: id → struct price_obj. What a service is called is no model: it prices nothing.
const struct price *price_book_find(struct pmap prices, const struct price_ask *ask,
	int64_t now_wall_ms);

#endif
