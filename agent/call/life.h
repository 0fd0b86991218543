// SPDX-License-Identifier: MIT
// Calls made and done with.
#ifndef YJ_AGENT_CALL_LIFE_H
#define YJ_AGENT_CALL_LIFE_H

struct gw_call;
struct gw_loop;

struct gw_call *gw_call_new(struct gw_loop *gl);
void gw_call_free(struct gw_call *c); // its batch was before
void gw_face_free(struct gw_call *c); // of an attempt that failed
void gw_spares_free(struct gw_loop *gl);

#endif
