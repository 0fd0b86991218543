// SPDX-License-Identifier: MIT
// Who stands at the other end of a connection: the kernel's uid of a loopback TCP peer
// (NETLINK_SOCK_DIAG) or of a unix socket (SO_PEERCRED), and the role its groups give it.
#ifndef YJ_AGENT_WEB_PEER_H
#define YJ_AGENT_WEB_PEER_H

#include <netinet/in.h>
#include <sys/types.h>
#include "agent/core/loop.h"
#include "shared/rows/api.h"

enum peer_kind { PEER_REMOTE, PEER_LOOPBACK, PEER_UNIX, PEER_TRUSTED };

#define PEER_NETS_MAX 16
struct peer_net {
	int family;
	unsigned char addr[16];
	unsigned bits;
};
struct peer_nets {
	struct peer_net v[PEER_NETS_MAX];
	size_t n;
};

// "172.17.0.0/16,fd00::/8"; ERR_CONFIG_INVALID otherwise.
enum err_code peer_nets_parse(struct slice text, struct peer_nets *ret, struct err *err);
// Whether the address is in one of the networks; v4-mapped ones count as IPv4.
bool peer_in_nets(const struct sockaddr *peer, const struct peer_nets *nets);
enum peer_kind peer_kind_of(const struct sockaddr *peer, const struct peer_nets *trusted);
// True for 127/8, ::1 and v4-mapped 127/8.
bool peer_is_loopback(const struct sockaddr *sa);
// Roles by uid. root and the agent's own uid are admin at once; groups are looked up on a thread
// of their own (a directory service may take seconds) and remembered for a minute.
struct peer_roles;
struct peer_roles *peer_roles_new(void);
void peer_roles_free(struct peer_roles *p);
// Waits until no look-up is under way: its end is told to a loop, which must still be there.
void peer_roles_settle(struct peer_roles *p);
// Uid of the process at the other end of connected socket fd; tens of us. False: not known (the peer
// is already gone, another network namespace, no permission). Any thread.
bool peer_uid(struct peer_roles *p, int fd, enum peer_kind kind, uid_t *ret);
// True: *ret is the role now. False: fn(arg) will run on the loop when it is known; ask again.
bool peer_role(struct peer_roles *p, uid_t uid, struct loop *l, void (*fn)(void *arg), void *arg,
	enum role *ret);
// The role when it can be said without a look-up.
bool peer_role_known(struct peer_roles *p, uid_t uid, enum role *ret);

#endif
