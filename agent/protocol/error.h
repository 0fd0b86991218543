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
	// With final: too long for this model. One whose known window is larger may take it.
	bool larger;
	int64_t window; // with larger: tokens the server says it takes; 0 not said
	int status; // of HTTP; given to the caller when final
	char type[64], wire_code[64], param[128]; // of the upstream, "" when absent
	char message[ADAPTER_TEXT_MAX];
};

// Whether a document that is no answer is an error in one of the shapes that are read here: "error",
// "object":"error", a message beside a code or a type, or FastAPI's "detail".
bool adapter_is_error(struct slice body);
// of: the vendor, or the engine of a self-hosted instance. status: of the answer, or the one an error
// under a good status stands for; 0, or below 400: it is read from the error's code and type. secret:
// the key in clear (may be empty): its text never passes.
void adapter_error_read(const char *of, int status, struct slice body, struct slice secret,
	struct adapter_error *ret);
// The same of a server whose way to write errors is known.
void adapter_error_read_as(enum error_shape shape, const char *of, int status, struct slice body,
	struct slice secret, struct adapter_error *ret);
// How long a Retry-After value (seconds, with a fraction too, or a date) asks to wait: 0 and less → 1 s,
// garbage or absent → 5 s, at most cap_s.
int64_t adapter_retry_after_us(struct slice value, int64_t wall_ms, int64_t cap_s);
// The same in whole seconds, rounded up.
int64_t adapter_retry_after_s(struct slice value, int64_t wall_ms, int64_t cap_s);
// Of one that is busy (OUT_BUSY): a second when it did not say, and never long.
int64_t adapter_busy_s(struct slice value, int64_t wall_ms);

#endif
