// SPDX-License-Identifier: MIT
// Lists that are longer than an upstream takes at once: the inputs of embeddings and the documents
// of a rerank. The request is asked for in parts and answered as one, all or nothing.
#ifndef YJ_AGENT_PROTOCOL_BATCH_H
#define YJ_AGENT_PROTOCOL_BATCH_H

#include "agent/protocol/adapter.h"
#include "shared/vec.h"

#define BATCH_ITEMS_MAX 2048 // as OpenAI documents for "input"; the same for "documents"

// Counts the request's items into call->items; ERR_FIELD_TYPE or ERR_FIELD_RANGE otherwise. Sets
// call->tokens when they are token numbers rather than texts.
enum err_code batch_read(struct adapter_call *call, struct err *err);
// Items the candidate takes in one call; 0: as many as there are.
size_t batch_max(const struct adapter_call *call, const struct candidate *cand);
// Appends the JSON list of the part's items (all of them when call->part is 0). False when the
// request's list is no list of items: a single text or one list of tokens.
bool batch_items(const struct adapter_call *call, struct str *out);

// The answers of the parts so far.
struct batch_item {
	int64_t index;
	double score;
	size_t at, n; // in text: the item's members but the index
};
struct batch {
	VEC_OF(struct batch_item) items;
	struct str text;
	char model[128]; // JSON-safe, "" unknown
	struct adapter_usage usage;
	size_t parts;
};
void batch_reset(struct batch *b);
void batch_release(struct batch *b);
// Takes the answer to the part that was asked: an embeddings list or a rerank's results. False when
// it does not answer each item once.
bool batch_add(struct batch *b, const struct adapter_call *call, const struct adapter_answer *part);
// Writes the answer: of all items when call->part is 0, of the part otherwise.
void batch_write(struct batch *b, const struct adapter_call *call, struct str *out);

#endif
