// SPDX-License-Identifier: MIT
// One change, its undoing, and whether the log of who did what is whole.
#ifndef YJ_AGENT_API_CHANGES_H
#define YJ_AGENT_API_CHANGES_H

#include "agent/web/web.h"

void h_change_get(struct req *r);
void h_change_undo(struct req *r);
void h_audit_verify(struct req *r);

#endif
