// SPDX-License-Identifier: MIT
// Counting and telling of requests that were turned away.
#ifndef YJ_AGENT_WEB_TELL_H
#define YJ_AGENT_WEB_TELL_H

#include "shared/err.h"
#include "shared/rows/api.h"

struct web;
struct web_req;
struct conn;

// Refusals for who calls, or from where.
bool web_is_denial(enum err_code code);
// Counts one and has it audited; the seconds the caller shall wait.
int64_t web_note_denial(struct web_req *q, enum err_code code, bool guess);
// What only a handler or a change could tell is counted and audited like the rest: that it takes another
// role. Nothing for other codes; calls of models are told by their refusals.
void web_tell_denied(struct web_req *q, enum err_code code);
// Keeps of a refused caller what its snapshot may not outlive.
void web_refused_who(struct web_req *q);
// Counts and tells a refused model request, unless somebody did.
void web_tell_refused(struct web_req *q, const struct err *e);
// A model request without a client key is let in.
void web_tell_keyless(struct web_req *q);
// Counts a handshake that failed, or that is left before its end, and logs some of them; nothing of
// others. While its connection has its socket.
void web_tell_handshake(struct conn *c);
// Connections turned away before anything was read.
void web_tell_shed(struct web *w, enum service_id service);

#endif
