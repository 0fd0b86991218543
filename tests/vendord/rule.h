// SPDX-License-Identifier: MIT
// Rules: which requests get which fault, how often. The first that matches counts.
#pragma once
#include "tests/vendord/fault.h"

#define RULE_MAX 256
#define RULE_TEXT_MAX 200

struct rule {
	// Empty matches anything. path and model may end in '*'; key also matches by its end.
	char vendor[RULE_TEXT_MAX], path[RULE_TEXT_MAX], key[RULE_TEXT_MAX], model[RULE_TEXT_MAX];
	char body[RULE_TEXT_MAX]; // a text inside the request's body
	int stream;    // -1: either
	int64_t count, skip;   // count -1: for ever
	uint64_t hits;
	struct fault fault;
};

struct rules {
	struct rule *rows;
	size_t n;
};

struct rule_subject {
	struct span vendor, path, key, model, body;
	bool stream;
};

// Adds one rule object or a list of them; false when one is not understood (none is added then).
bool rules_add(struct rules *rules, struct span json);
void rules_clear(struct rules *rules);
// The fault for this request, or NULL; counts it.
const struct fault *rules_match(struct rules *rules, const struct rule_subject *subject);
void rules_json(const struct rules *rules, struct buf *out);
