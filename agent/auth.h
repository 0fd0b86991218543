// SPDX-License-Identifier: MIT
// Who is calling: the kernel's peer uid on loopback and the unix socket, or a token. Deny by
// default. A pure function of what the connection and the headers say.
#ifndef YJ_AGENT_AUTH_H
#define YJ_AGENT_AUTH_H

#include <sys/socket.h>
#include "agent/peer.h"
#include "agent/store.h"

struct principal {
	enum role role; // ROLE_NONE: refused, or the data path's client
	char name[80]; // "uid:0", "peer:172.17.0.1", client "local"
	enum err_code why; // when refused
	char detail[160]; // the row's message when empty
};

struct auth_call {
	const struct endpoint *ep;
	enum peer_kind kind;
	bool peer_trust; // setting
	bool forwarded; // a proxy's header is there
	// borrowed header values; p NULL: absent
	struct slice host, origin, fetch_site, authorization, api_key;
	struct slice local_ip; // address the caller reached, as text; may be empty
};

// What can be said without the uid. Returns true when *ret is the verdict (why ERR_OK: allowed);
// false: it depends on the uid, ask auth_by_uid.
bool auth_judge(const struct auth_call *c, struct principal *ret);
// known false: the kernel did not say whose socket it is.
void auth_by_uid(const struct auth_call *c, bool known, uid_t uid, enum role role,
	struct principal *ret);
// localhost, 127.0.0.0/8, [::1], any port; the local address itself; the platform's service names
// for trusted peers.
bool auth_host_is_local(const struct auth_call *c);

#endif
