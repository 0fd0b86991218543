// SPDX-License-Identifier: MIT
// An upstream's error answer, understood: what it says about the candidate, and to the caller. Pure.
#ifndef YJ_AGENT_PROTOCOL_ERROR_H
#define YJ_AGENT_PROTOCOL_ERROR_H

#include "agent/decide/breaker.h"
#include "shared/err.h"
#include "shared/slice.h"
#include "shared/rows/vendors.h"

#define ADAPTER_TEXT_MAX 512

struct adapter_error {
	enum outcome outcome; // what it says about the candidate
	enum err_code code;
	bool final; // the request's own fault: another candidate would say the same
	int status; // given to the caller when final
	char type[64], wire_code[64], param[128]; // of the upstream, "" when absent
	char message[ADAPTER_TEXT_MAX];
};

// of: the vendor, or the engine of a self-hosted instance. secret: the key in clear (may be
// empty): its text never passes.
void adapter_error_read(const char *of, int status, struct slice body, struct slice secret,
	struct adapter_error *ret);
// The same of a server whose way to write errors is known.
void adapter_error_read_as(enum error_shape shape, const char *of, int status, struct slice body,
	struct slice secret, struct adapter_error *ret);
// Seconds of a Retry-After value: 0 and less → 1, garbage or absent → 5, at most cap_s.
int64_t adapter_retry_after_s(struct slice value, int64_t wall_ms, int64_t cap_s);

#endif
