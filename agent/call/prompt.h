// SPDX-License-Identifier: MIT
// What a model request asks, looked at before it is paid for: is something asked at all, and how
// much. One judge for live calls and dry runs. Pure.
#ifndef YJ_AGENT_CALL_PROMPT_H
#define YJ_AGENT_CALL_PROMPT_H

#include "agent/protocol/adapter.h"

// Messages that are no list or an empty one, an empty text, a picture's prompt or a speech that
// nobody could see: ERR_FIELD_TYPE or ERR_FIELD_RANGE. What is absent is not judged.
enum err_code prompt_judge(const struct adapter_call *call, struct err *err);
// The feature's limits of one request: max_prompt_chars over all its texts, max_n, max_body_bytes.
enum err_code prompt_limits(const struct feature *f, const struct adapter_call *call,
	struct err *err);
// Code points of all texts a model reads; of token numbers each is one. -1: it cannot be counted.
int64_t prompt_chars(const struct adapter_call *call);

#endif
