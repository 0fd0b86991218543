// SPDX-License-Identifier: MIT
// Telling the service manager: sd_notify(3)'s protocol without its library. Does nothing when
// NOTIFY_SOCKET is not set.
#ifndef YJ_AGENT_NOTIFY_H
#define YJ_AGENT_NOTIFY_H

#include "shared/base.h"

// "READY=1", "STOPPING=1", "RELOADING=1\nMONOTONIC_USEC=…", "WATCHDOG=1", "STATUS=…".
void notify_send(const char *state);
// Interval at which WATCHDOG=1 is due (a quarter of WATCHDOG_USEC), 0 when nobody watches.
int64_t notify_watchdog_us(void);
// Tells the manager that its main process is another one from now on, which ends at once: it goes on as
// if we had ended. False: there is no manager, or none such process could be made.
bool notify_leave(void);

#endif
