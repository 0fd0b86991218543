// SPDX-License-Identifier: MIT
// "vendor/service" as the name of a model: a feature nobody wrote, with this one target. It is made when
// a key for it comes or a feature that has the target changes, and is as immutable as the others.
#ifndef YJ_AGENT_STATE_DIRECT_H
#define YJ_AGENT_STATE_DIRECT_H

#include "agent/state/snapshot.h"

struct direct;

// Whether there is an enabled key for it.
bool direct_has_key(const struct snapshot *s, const char *vendor, const char *service);
// Of what the snapshot being built says; the caller owns the reference. NULL: there is no such service
// of a vendor, or no enabled key for it.
struct direct *direct_make(const struct snapshot *s, const char *vendor, const char *service);

#endif
