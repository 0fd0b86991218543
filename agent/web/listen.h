// SPDX-License-Identifier: MIT
// Listening sockets, opened before anything else so that a busy port is known at once.
#ifndef YJ_AGENT_WEB_LISTEN_H
#define YJ_AGENT_WEB_LISTEN_H

#include <sys/types.h>
#include "agent/core/settings.h"
#include "agent/web/inherit.h"

struct listening {
	int fd[SETTINGS_ADDRS_MAX]; // owned; close them after the last web_quiesce
	char text[SETTINGS_ADDRS_MAX][64]; // "127.0.0.1:8000", "[::1]:8000"
	size_t n;
	size_t named; // the first of them are those of the addresses, the others further ones of the same
	int port; // of the first
	char missing[SETTINGS_ADDRS_MAX][64]; // addresses this host does not have
	size_t missing_n;
	bool has_ipv4;
};

// Binds every address, the same port on all when it is 0. A loopback address, or a family, that this
// host does not have is left out and named in `missing`; nothing left is an error that names them. A busy port: ERR_CONFIG_INVALID with its
// holder in the message. On failure nothing stays open. Of the pool (NULL: none) it takes what listens
// for the service at these addresses already, also where there are several at one (ReusePort= of
// systemd.socket(5), a service stopped and started while its agent of before still served).
enum err_code listen_open(const struct listen_addr *addrs, size_t n, enum service_id service,
	struct listen_pool *pool, struct listening *ret, struct err *err);
void listen_close(struct listening *l);
// Unix socket for everybody on this host (identity is judged by peer uid). What a dead process left
// is replaced; *ret_held: somebody listens there, who is named in the message. `ours` is a directory
// this process has locked, its state directory: in it nobody else's start is waited for.
struct unix_listening {
	int fd; // -1: none
	dev_t dev; // of the path's name when it was ours
	ino_t ino;
};
enum err_code listen_unix(const char *path, const char *ours, struct unix_listening *ret,
	bool *ret_held, struct err *err);
// The socket of an agent before, at the same path. Not ERR_OK: nothing is there, and fd is the caller's.
enum err_code listen_unix_again(const char *path, int fd, struct unix_listening *ret);
// Takes the name away if it is still ours, and closes.
void listen_unix_close(const char *path, struct unix_listening *l);
// "nginx (pid 812)"; "" when no such process can be seen.
void listen_process(long pid, char *buf, size_t size);
// "nginx (pid 812)" for the process that listens on the port, or "" when it cannot be seen.
void listen_holder(int port, char *buf, size_t size);

#endif
