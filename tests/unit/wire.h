// SPDX-License-Identifier: MIT
// JSON in tables of tests, written with ' for ", and requests as upstreams get them.
#ifndef YJ_TESTS_UNIT_WIRE_H
#define YJ_TESTS_UNIT_WIRE_H

#include "agent/protocol/adapter.h"

// The text with its ' as "; one of a few buffers that take turns.
const char *wire(const char *text);
// Fails unless the two are the same; both with ' for ", got may have either.
void wire_same(const char *got, const char *want);

struct wire_ask { // zeroed: a plain target without a vendor, at a bare origin
	enum offer offer;
	const char *vendor, *path; // of the target; of its address
	const char *params, *defaults, *drop; // of the target, of the feature; one name
	const char *model; // upstream_model
	const char *engine; // of an instance; NULL: a key's
	enum protocol protocol;
	enum dialect dialect;
	bool force_stream, count, translated;
};
// What `ad` asks for the request (a JSON object without its braces); *ret_ask is to be released.
// The call stays readable until the next one.
enum err_code wire_build(const struct adapter *ad, const struct wire_ask *of, const char *request,
	struct adapter_ask *ret_ask, struct err *err);
struct adapter_call *wire_call(void);
void wire_release(struct adapter_ask *ask);
// Fails unless that is the body asked with, without its braces.
void wire_asks(const struct adapter *ad, const struct wire_ask *of, const char *request,
	const char *body);

#endif
