// SPDX-License-Identifier: MIT
// The vectors of an answer, whoever wrote it: one for each text that was asked about, all of one
// length, numbers alone, in the caller's order and in the form the caller asked for.
#ifndef YJ_AGENT_PROTOCOL_VECTORS_H
#define YJ_AGENT_PROTOCOL_VECTORS_H

#include "agent/protocol/batch.h"

struct vectors { // slices of the answer
	size_t asked, n;
	size_t length; // numbers in each; 0 not known yet
	bool base64; // the caller's wish: a string of little-endian float32, not a list
	bool mend; // it cannot pass as it stands
	struct slice item[BATCH_ITEMS_MAX]; // by their place: a vector, or an object that holds one
};

// For the items of the part (or all of them). Leaves `item` unset.
void vectors_begin(struct vectors *l, const struct adapter_call *call);
// Takes every item of a list. False when it does not answer each text once with a good vector.
bool vectors_take(struct vectors *l, struct slice list);
// Appends them as the list of OpenAI's "data".
void vectors_write(const struct vectors *l, struct str *out);

#endif
