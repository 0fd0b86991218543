// SPDX-License-Identifier: MIT
// An answer as the vendor means it, before anything goes wrong with it.
#pragma once
#include "tests/vendord/fault.h"
#include "tests/vendord/play.h"

struct answer {
	int status;
	const char *content_type;
	struct buf fields; // further header lines, each with CRLF
	struct buf body;
	bool stream; // body is events, each ending at event_end[i]
	size_t *event_end;
	size_t event_n, event_cap;
	size_t tail_n;   // events at the end that are no content: finish, usage, [DONE]
	bool done_mark; // the last of them is a [DONE]
	const char *error_event; // a failure in the stream as this vendor says it; NULL: OpenAI's
	bool control;   // from /_sim: no fault applies
};

void answer_release(struct answer *answer);
void answer_clear(struct answer *answer);
void answer_field(struct answer *answer, const char *name, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
// Ends the event that was being written into body.
void answer_event(struct answer *answer);
// An event in front of event `at` (or at the end).
void answer_event_insert(struct answer *answer, size_t at, struct span bytes);
// Composes what is sent; the answer's own body is spoiled by it.
void answer_compose(struct answer *answer, const struct fault *fault, bool keep_alive,
	bool head_only, struct play *play);
