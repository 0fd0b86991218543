// SPDX-License-Identifier: MIT
// Who is calling: the kernel's peer uid on loopback and the unix socket, or a token. Deny by
// default.
#ifndef YJ_AGENT_AUTH_H
#define YJ_AGENT_AUTH_H

#include <sys/socket.h>
#include "agent/store.h"

struct principal {
	enum role role; // ROLE_NONE: refused
	char name[80]; // "uid:0", "token:…"
	enum err_code why; // when refused
	char detail[160];
};

#endif
