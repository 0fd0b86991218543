// SPDX-License-Identifier: MIT
// What attempts used and cost, in the ledger, on the request's bill and against its budgets.
#ifndef YJ_AGENT_CALL_BOOK_H
#define YJ_AGENT_CALL_BOOK_H

#include "agent/call/tries.h"
#include "agent/protocol/usage.h"

struct gw_call;

struct booking {
	bool used; // the upstream did, or may have done, work that it bills
	bool streamed;
	bool interrupted; // bytes came, then it broke or the caller left
	const struct adapter_usage *told; // by the upstream; NULL: nothing
	struct price_usage usage; // what is charged
	struct price_picture picture;
	const char *model; // as sent upstream
	const struct client_obj *client; // NULL: nobody
};

// Of the attempt under way.
void attempt_book(struct tries *t, const struct booking *b, const struct ending *e);
// A call's, as far as anybody knows; before its attempt is forgotten.
struct booking gw_booking(struct gw_call *c, const struct ending *e);
// What an upstream told, as it is charged; source: how it is known.
struct price_usage price_usage_told(const struct adapter_usage *u, enum cost_source source);

#endif
