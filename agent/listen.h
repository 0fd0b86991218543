// SPDX-License-Identifier: MIT
// Listening sockets, opened before anything else so that a busy port is known at once.
#ifndef YJ_AGENT_LISTEN_H
#define YJ_AGENT_LISTEN_H

#include "agent/settings.h"

struct listening {
	int fd[SETTINGS_ADDRS_MAX]; // owned; close them after the last web_quiesce
	char text[SETTINGS_ADDRS_MAX][64]; // "127.0.0.1:8000", "[::1]:8000"
	size_t n;
	int port; // of the first
	size_t skipped; // addresses of a family this host does not have
};

// Binds every address, the same port on all when it is 0. A busy port: ERR_CONFIG_INVALID with its
// holder in the message. On failure nothing stays open.
enum err_code listen_open(const struct listen_addr *addrs, size_t n, struct listening *ret,
	struct err *err);
void listen_close(struct listening *l);
// Unix socket for everybody on this host (identity is judged by peer uid); a stale one is replaced.
enum err_code listen_unix(const char *path, int *ret_fd, struct err *err);
// "nginx (pid 812)" for the process that listens on the port, or "" when it cannot be seen.
void listen_holder(int port, char *buf, size_t size);

#endif
