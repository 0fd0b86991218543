// SPDX-License-Identifier: MIT
// Who waits while the database changes hands.
#include "agent/web/hold.h"

#include "agent/web/private.h"

// Whether the store's thread may be asked.
static bool needs_store(const struct endpoint *ep)
{
	return (ep->flags & EPF_STORED) || (ep->method != HTTP_GET && ep->may != MAY_CALL);
}

bool web_hold(struct web_req *q)
{
	struct web *w = q->web;
	if (!needs_store(q->r.ep))
		return false;
	q->state = RS_HELD;
	q->next_held = w->held_reqs;
	w->held_reqs = q;
	if (w->pass != NULL && !w->passing) {
		w->passing = true;
		loop_later(w->loop, w->pass_all, w); // it is being read in this moment
	}
	return true;
}

void web_hold_forget(struct web_req *q)
{
	struct web_req **at = &q->web->held_reqs;
	while (*at != NULL && *at != q)
		at = &(*at)->next_held;
	if (*at != NULL)
		*at = q->next_held;
}
