// SPDX-License-Identifier: MIT
// What goes wrong on purpose. A fault is a set of directives, written `name`, `name:arg` and
// joined by `;` (header X-Sim-Fault, --fault, the request field "user":"vendord:…"), or as the
// JSON object {"name":arg} of a rule. fault_rows in fault.c is the list, `vendord --help` prints it.
#pragma once
#include "tests/vendord/buf.h"

#define FAULT_ARG_MAX 256
#define FAULT_NONE (-1)

// Numbers are FAULT_NONE where the directive is absent; flags are 1 where it is there.
struct fault {
	int64_t status, delay_ms, hang, headers_then_hang, drip_bps, drip_all_bps;
	int64_t reset, reset_mid, close, close_mid, truncated_length, truncated_chunk;
	int64_t cut_stream, cut_mid_event, cut_mid_utf8, no_done, no_finish, empty;
	int64_t garbage, html, bad_json, duplicate_keys, json_instead_of_sse, error_in_200;
	int64_t sse_error, sse_error_flat, endless_comments, huge, huge_event, gzip_bomb;
	int64_t wrong_content_encoding, two_content_length, header_huge, continue_flood;
	int64_t http09, no_length, refuse_ms, pace_ms, tokens, bytes, crlf;
	int64_t queue;
	int64_t task_polls, task_fail, task_partial;
	int64_t thinking, uncounted;
	int64_t split, piece;
	char tool_call[FAULT_ARG_MAX];
	char retry_after[FAULT_ARG_MAX], redirect[FAULT_ARG_MAX];
	char error_shape[FAULT_ARG_MAX];
	char form[FAULT_ARG_MAX];
	char code[FAULT_ARG_MAX], content_type[FAULT_ARG_MAX], header[FAULT_ARG_MAX];
};

void fault_clear(struct fault *fault);
// Adds directives; false when one is unknown or its argument does not fit.
bool fault_add(struct fault *fault, struct span directives);
bool fault_add_json(struct fault *fault, struct span object);
// Any directive that changes what arrives, other than shape (tokens, bytes, pace, delay).
bool fault_breaks(const struct fault *fault);
// One line per directive for --help.
void fault_help(struct buf *out);
// The names as a JSON array.
void fault_names(struct buf *out);
