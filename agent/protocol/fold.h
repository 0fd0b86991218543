// SPDX-License-Identifier: MIT
// Folds the chunks of a streamed completion into the one document it would have been: for callers
// that do not stream from models that only do. Pure; bounded.
#ifndef YJ_AGENT_PROTOCOL_FOLD_H
#define YJ_AGENT_PROTOCOL_FOLD_H

#include "shared/str.h"

#define FOLD_MAX ((size_t)16 * 1024 * 1024) // bytes of all text together
#define FOLD_CHOICES_MAX 16
#define FOLD_PARTS_MAX 12 // members of a message: content, reasoning_content, refusal …

struct fold;

// serial: another one for every answer, for ids of calls where the server gives none.
struct fold *fold_new(uint64_t serial);
void fold_free(struct fold *f); // NULL is fine
// One chunk: chat's or text completion's. False when it does not fit or is none of them.
bool fold_add(struct fold *f, struct slice chunk);
// The document. Text that came in pieces is joined; what is not text is as it came last.
void fold_write(struct fold *f, struct str *out);

#endif
