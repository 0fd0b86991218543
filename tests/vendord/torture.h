// SPDX-License-Identifier: MIT
// Answers as real servers write them, odd but readable, and failures told in odd places: a table of
// forms, each with what it says. The directive `form:NAME` plays one; GET /_sim/forms lists them.
#pragma once
#include "tests/vendord/call.h"

// The form of the call's fault becomes its answer; false: there is no such form.
bool torture_answer(struct call *call);
// {"items":[{"name","engine","call","says"}]}
void torture_json(struct buf *out);
