// SPDX-License-Identifier: MIT
// What callers speak, a row each: OpenAI's chat and what is made after it, OpenAI's Responses,
// Anthropic's Messages. Whoever asks in one is answered in it: by a target that speaks it untouched,
// by any other with the request written as a chat completion's and the answer told again. Pure.
#ifndef YJ_AGENT_PROTOCOL_DIALECT_H
#define YJ_AGENT_PROTOCOL_DIALECT_H

#include "agent/protocol/turn.h"

// What a target takes in a chat completion beyond what all do.
enum dialect_takes {
	TAKES_FILES = 1 << 0, // parts of the type file
	TAKES_REASONING = 1 << 1, // an earlier turn's reasoning_content
	TAKES_LATE_SYSTEM = 1 << 2, // a system's message among the others
	TAKES_THINKING = 1 << 3, // Anthropic's member "thinking"
	TAKES_EFFORT = 1 << 4, // reasoning_effort
	TAKES_LONG_NAMES = 1 << 5, // of tools, beyond 64 letters
	TAKES_LOSS = 1 << 6, // nobody else would do better: what has no word is left out and named
};
unsigned dialect_takes(const struct candidate *cand);

struct dialect_chat { // a caller's request on its way to a chat completion
	const struct adapter_call *call;
	unsigned takes;
	struct str *out;
	struct str *dropped; // names of what is left out, comma separated
	bool format; // response_format was written
};
// The wish for so much effort, as between quotes.
void dialect_effort(struct dialect_chat *c, struct slice effort);
// Names it once.
void dialect_drop(struct dialect_chat *c, const char *name);
void dialect_drop_slice(struct dialect_chat *c, struct slice name);

// What the user says between two messages of the model's, as one message: most templates of chats
// have the two take turns. A text that stands alone stays one, the rest are parts.
struct dialect_user {
	struct str text, parts;
	bool any, parted;
};
void dialect_user_text(struct dialect_user *u, struct slice inner, bool part);
void dialect_user_part(struct dialect_user *u, struct slice part);
void dialect_user_flush(struct dialect_user *u, struct str *out); // behind what is there
void dialect_user_release(struct dialect_user *u);

// What becomes of a request's member: renamed, written by a function, or refused where an answer could
// not do without it; none of them: it needs no word in a chat.
struct dialect_wish {
	const char *name, *to;
	void (*add)(const struct jscan_member *m, struct dialect_chat *c);
	enum err_code (*refuse)(const struct jscan_member *m, struct dialect_chat *c,
		struct err *err);
};
// By its rows; a member in none of them is left out and named.
enum err_code dialect_wishes(struct dialect_chat *c, const struct dialect_wish *rows, size_t n,
	struct err *err);

// The tools of a request, behind what is there. add() writes one as a function's, and says whether it
// has words for it. Tools that run at the vendor's, or that its models alone know, have none: they are
// named as dropped, and when there are no others, an answer would not be the one that was asked for.
enum err_code dialect_tools(struct dialect_chat *c,
	bool (*add)(struct dialect_chat *c, const struct aj *tool, struct str *list), bool *ret_any,
	struct err *err);

struct dialect_error {
	int status;
	const char *type, *code, *param, *message,
		*request_id; // OpenAI's words; param, code: NULL none
};

struct dialect_row {
	enum dialect dialect;
	// Scans and checks a caller's request.
	enum err_code (*read)(struct slice body, enum offer offer, bool need_model,
		struct adapter_call *ret, struct err *err);
	// Writes it as a chat completion's; NULL: it is one. ERR_FIELD_RANGE: an answer without what
	// has no word there would be another one.
	enum err_code (*chat)(struct dialect_chat *c, struct err *err);
	// Told again, event by event and as a whole; NULL as above. What begins and ends them:
	const struct turn_words *words, *whole_words;
	// Of a completion told as a whole; false when it is none.
	bool (*answer)(struct turn *t, struct slice completion, struct str *out);
	// The events that close a complete answer; t: NULL when it passed untouched.
	void (*end)(struct turn *t, const struct adapter_call *asked, struct str *out);
	// The last event of one that is not; t as above; sequence: of the event.
	void (*broken)(struct turn *t, const struct dialect_error *e, int64_t sequence,
		struct str *out);
	void (*ping)(struct str *out); // keeps a line open
	void (*error)(const struct dialect_error *e, struct str *out); // instead of an answer
	int (*status)(int status); // of errors; NULL: as they are
};

// Each in the file of its dialect.
extern const struct dialect_row dialect_openai, dialect_anthropic, dialect_responses;

#endif
