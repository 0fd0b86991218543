// SPDX-License-Identifier: MIT
// A loop's counters by feature.
#ifndef YJ_AGENT_CALL_CELLS_H
#define YJ_AGENT_CALL_CELLS_H

#include "agent/decide/attempt.h"

struct gw_call;
struct gw_loop;
struct gw_feature;

// For this turn.
struct gw_feature *gw_feature_of(struct gw_loop *gl, const char *name);
// One attempt of a request of this feature has ended.
void gw_count_attempt(struct gw_loop *gl, struct gw_feature *f, const struct candidate *c,
	enum outcome out);
// Has the call count for this feature. Its series may have ended with an earlier feature of the
// name: then it is looked up anew, and calls under way count where nobody looks.
void gw_cells_take(struct gw_call *c, const char *name);
void gw_cells_drop(struct gw_call *c);
void gw_cells_free(struct gw_loop *gl); // all of them

#endif
