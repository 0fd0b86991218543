// SPDX-License-Identifier: MIT
// One request on its way to a vendor: what it says and the answer it gets.
#pragma once
#include "tests/vendord/answer.h"
#include "tests/vendord/json.h"
#include "tests/vendord/rule.h"
#include "tests/vendord/stats.h"

// The request fields any vendor reads, from the JSON top level or from form parts.
// clang-format off
#define PARAMS(X) \
	X(model) X(stream) X(stream_options) X(max_tokens) X(max_completion_tokens) X(n) \
	X(messages) X(prompt) X(input) X(dimensions) X(encoding_format) X(size) X(style) \
	X(response_format) X(quality) X(user) X(parameters) X(options) X(inputs) \
	X(texts) X(query) X(batch_size) X(n_iter) X(width) X(height) X(seed) X(documents) X(top_n) \
	X(return_text) X(voice) X(max_output_tokens) X(partial_images)
// clang-format on

enum param {
#define X(name) P_##name,
	PARAMS(X)
#undef X
		PARAM_N
};

struct vendor_sim;

struct sim {
	const char *label;
	const struct vendor_sim *flavour; // who answers at /
	uint64_t seed, serial;
	bool no_auth;
	int port;
	struct fault base; // from the command line, under every rule
	struct rules rules;
	struct stats stats;
	// The credential that self-hosted servers ask for: field, and what it must say; empty: none.
	struct buf lock_field, lock_value;
	int64_t tasks_max; // of one key at once, further submits are refused; 0: any number
};

struct call {
	struct sim *sim;
	const struct http_request *request;
	const struct vendor_sim *vendor;
	struct span path; // without the vendor's prefix
	struct span key;
	struct span param[PARAM_N]; // raw JSON values; empty: not there
	struct buf form; // what params of a multipart body point into
	bool stream, json_bad;
	uint64_t serial;
	struct fault fault;
	struct answer *answer;
};

// Reads the body's fields; a body that is neither JSON nor a form leaves them empty.
void call_read(struct call *call);
void call_release(struct call *call);
int64_t call_int(const struct call *call, enum param param, int64_t otherwise);
bool call_is(const struct call *call, enum param param, const char *text);
// The raw text of a string parameter, between its quotes.
struct span call_text(const struct call *call, enum param param);
