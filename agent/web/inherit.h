// SPDX-License-Identifier: MIT
// Sockets that listen already when the agent starts: the service manager's, or those of an agent
// before.
#ifndef YJ_AGENT_WEB_INHERIT_H
#define YJ_AGENT_WEB_INHERIT_H

#include <sys/socket.h>
#include "agent/core/settings.h"

#define LISTEN_POOL_MAX (2 * SVC_COUNT * SETTINGS_ADDRS_MAX) // of both

struct listen_pool {
	struct listen_ready {
		int fd; // -1 once it was taken
		enum service_id service;
		struct sockaddr_storage at;
	} v[LISTEN_POOL_MAX];
	size_t n;
};

// False leaves fd open, and says why: no such service, no TCP socket that listens, one too many.
bool listen_pool_add(struct listen_pool *p, struct slice service, int fd, const char **ret_why);
// The one of this address, port 0 for any; -1: there is none. The caller's from now on. A socket that
// came twice is taken once.
int listen_pool_take(struct listen_pool *p, enum service_id service,
	const struct sockaddr_storage *at);
// What `from` has comes behind.
void listen_pool_join(struct listen_pool *p, struct listen_pool *from);
void listen_pool_close(struct listen_pool *p); // those that nobody took

// The service manager's sockets (sd_listen_fds(3)) into the pool, by their names: those of services, or
// of units "yijiand-SERVICE.socket". Of a service that has some they stand for the addresses of the
// settings, which are changed so. What is odd about one is an error that names it.
enum err_code listen_inherit(struct settings *s, struct listen_pool *pool, struct err *err);

#endif
