// SPDX-License-Identifier: MIT
// The agent as a whole: its parts in their order, one control loop on the calling thread and a
// thread per traffic loop.
#ifndef YJ_AGENT_PLATFORM_H
#define YJ_AGENT_PLATFORM_H

#include "agent/core/agent.h"
#include "agent/core/settings.h"
#include "agent/web/inherit.h"
#include "shared/str.h"

struct platform;

// Binds, opens the store, builds and connects everything, starts threads, writes ports.json.
// On failure nothing is left. *ret_exit: 78 settings and ports, 75 state held by another, 70 else.
// pool: sockets that listen already; those that it does not use are closed.
enum err_code platform_start(const struct settings *s, struct listen_pool *pool,
	struct platform **ret, int *ret_exit, struct err *err);
// What a start would refuse: the settings as its parts read them, and its addresses, which are bound
// and left again. ERR_CONFIG_INVALID with the next step. Lines of *notes: what is not judged.
enum err_code platform_check(const struct settings *s, struct str *notes, struct err *err);
// Takes over what may change while running: the certificate of the gateway's port. On an error nothing
// has changed; the log and the event feed are told either way. On the control loop.
enum err_code platform_reload(struct platform *p, const struct settings *fresh, struct err *err);
// Whether every loop has done what it was asked at the call before; asks them again. Not yet asked: true.
bool platform_lives(struct platform *p);
struct loop *platform_control(struct platform *p);
// Runs the control loop on this thread until the drain is over.
void platform_run(struct platform *p);
void platform_free(struct platform *p);

#endif
