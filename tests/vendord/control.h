// SPDX-License-Identifier: MIT
// /_sim/…: what a test asks of the simulator itself.
#pragma once
#include "tests/vendord/call.h"

// What the server is to do besides answering.
struct control_wish {
	int64_t refuse_ms; // stop listening for so long; 0: nothing
	bool close_idle;	 // close connections that wait for a request
};

bool control_is(const struct http_request *request);
void control_serve(struct sim *sim, const struct http_request *request, struct answer *answer,
	struct control_wish *ret_wish);
