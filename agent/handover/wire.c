// SPDX-License-Identifier: MIT
// The messages of a hand-over on their socket.
#include "agent/handover/wire.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include "agent/store/seal.h"
#include "shared/str.h"

#define NAME "handover.sock"
#define KEY_BYTES 32
#define ROOM_MS 1000

// By the directory's descriptor: its own path may be longer than a socket's can be.
static struct sockaddr_un address(int dir_fd)
{
	struct sockaddr_un un = {.sun_family = AF_UNIX};
	snprintf(un.sun_path, sizeof(un.sun_path), "/proc/self/fd/%d/" NAME, dir_fd);
	return un;
}

int wire_listen(int dir_fd)
{
	struct sockaddr_un un = address(dir_fd);
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	wire_unlink(dir_fd);
	if (fd >= 0 &&
		(bind(fd, (struct sockaddr *)&un, sizeof(un)) < 0 ||
			fchmodat(dir_fd, NAME, 0600, 0) < 0 || listen(fd, 4) < 0)) {
		int why = errno;
		close(fd);
		errno = why;
		return -1;
	}
	return fd;
}

int wire_connect(int dir_fd)
{
	struct sockaddr_un un = address(dir_fd);
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (fd >= 0 && connect(fd, (struct sockaddr *)&un, sizeof(un)) < 0) {
		int why = errno;
		close(fd);
		errno = why;
		return -1;
	}
	return fd;
}

void wire_unlink(int dir_fd)
{
	unlinkat(dir_fd, NAME, 0);
}

bool wire_peer_is_ours(int fd, pid_t *ret_pid)
{
	struct ucred cred = {0};
	socklen_t n = sizeof(cred);
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &n) < 0)
		return false;
	*ret_pid = cred.pid;
	return cred.uid == geteuid() || cred.uid == 0;
}

// ---- messages ----

// Many may come at once; who reads them does nothing else for long.
static bool has_room(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLOUT};
	return poll(&p, 1, ROOM_MS) > 0 && (p.revents & POLLOUT);
}

bool wire_send(int fd, enum wire_kind kind, const void *p, size_t n, const int *fds, size_t fds_n)
{
	uint32_t head = kind;
	struct iovec v[2] = {{&head, sizeof(head)}, {(void *)(uintptr_t)p, n}};
	union {
		struct cmsghdr align;
		char room[CMSG_SPACE(WIRE_FDS_MAX * sizeof(int))];
	} control = {0};
	struct msghdr m = {.msg_iov = v, .msg_iovlen = n > 0 ? 2 : 1};
	if (fds_n > 0) {
		m.msg_control = control.room;
		m.msg_controllen = CMSG_SPACE(fds_n * sizeof(int));
		struct cmsghdr *c = CMSG_FIRSTHDR(&m);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(fds_n * sizeof(int));
		memcpy(CMSG_DATA(c), fds, fds_n * sizeof(int));
	}
	ssize_t sent;
	do
		sent = sendmsg(fd, &m, MSG_NOSIGNAL);
	while (sent < 0 && (errno == EINTR || (errno == EAGAIN && has_room(fd))));
	return sent == (ssize_t)(sizeof(head) + n);
}

static void take_fds(struct msghdr *m, struct wire_msg *ret)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c != NULL; c = CMSG_NXTHDR(m, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		size_t n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < n; i++) {
			int fd;
			memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(fd));
			if (ret->fds < WIRE_FDS_MAX)
				ret->fd[ret->fds++] = fd;
			else
				close(fd);
		}
	}
}

enum wire_got wire_recv(int fd, struct wire_msg *ret)
{
	uint32_t head = WIRE_KINDS;
	struct iovec v[2] = {{&head, sizeof(head)}, {ret->bytes, WIRE_BYTES_MAX}};
	union {
		struct cmsghdr align;
		char room[CMSG_SPACE(WIRE_FDS_MAX * sizeof(int))];
	} control;
	struct msghdr m = {.msg_iov = v,
		.msg_iovlen = 2,
		.msg_control = control.room,
		.msg_controllen = sizeof(control)};
	ret->n = ret->fds = 0;
	ssize_t n;
	do
		n = recvmsg(fd, &m, MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return errno == EAGAIN ? WIRE_NOTHING : WIRE_END;
	take_fds(&m, ret);
	if (n < (ssize_t)sizeof(head) || head >= WIRE_KINDS ||
		(m.msg_flags & (MSG_TRUNC | MSG_CTRUNC))) {
		wire_close_fds(ret);
		return WIRE_END;
	}
	ret->kind = (enum wire_kind)head;
	ret->n = (size_t)n - sizeof(head);
	ret->bytes[ret->n] = '\0';
	return WIRE_GOT;
}

void wire_close_fds(struct wire_msg *m)
{
	for (size_t i = 0; i < m->fds; i++)
		if (m->fd[i] >= 0)
			close(m->fd[i]);
	m->fds = 0;
}

// ---- proofs ----

enum err_code wire_key(const char *root_file, struct secret *ret, struct err *err)
{
	static const char context[] = "yijiand hand-over";
	struct secret root = {0};
	enum err_code code = seal_root_load(root_file, false, &root, err);
	if (code)
		return code;
	unsigned char key[KEY_BYTES];
	crypto_generichash(key, sizeof(key), (const unsigned char *)context, sizeof(context),
		root.p, root.n);
	secret_set(ret, key, sizeof(key));
	secret_wipe(key, sizeof(key));
	secret_release(&root);
	return ERR_OK;
}

void wire_proof(const struct secret *key, enum wire_side side,
	const unsigned char successor[WIRE_NONCE], const unsigned char before[WIRE_NONCE],
	unsigned char ret[WIRE_PROOF])
{
	unsigned char text[1 + 2 * WIRE_NONCE] = {(unsigned char)side};
	memcpy(text + 1, successor, WIRE_NONCE);
	memcpy(text + 1 + WIRE_NONCE, before, WIRE_NONCE);
	crypto_generichash(ret, WIRE_PROOF, text, sizeof(text), key->p, key->n);
}

bool wire_same(const unsigned char a[WIRE_PROOF], const unsigned char b[WIRE_PROOF])
{
	return sodium_memcmp(a, b, WIRE_PROOF) == 0;
}

// ---- what is too long for a message ----

int wire_file(struct slice bytes)
{
	int fd = memfd_create("request", MFD_CLOEXEC);
	while (fd >= 0 && bytes.n > 0) {
		ssize_t n = write(fd, bytes.p, bytes.n);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			close(fd);
			return -1;
		}
		bytes.p += n;
		bytes.n -= (size_t)n;
	}
	return fd;
}

bool wire_file_read(int fd, size_t max, struct str *out)
{
	struct stat st;
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size < 0 ||
		(uint64_t)st.st_size > max)
		return false;
	size_t n = (size_t)st.st_size, at = 0;
	str_reserve(out, n + 1);
	while (at < n) {
		ssize_t got = pread(fd, out->p + at, n - at, (off_t)at);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return false;
		at += (size_t)got;
	}
	out->n = n;
	out->p[n] = '\0';
	return true;
}
