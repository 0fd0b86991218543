// SPDX-License-Identifier: MIT
// Datagrams to the service manager's socket, which is all that sd_notify does, and an end that is told
// though we go on.
#include "agent/notify.h"

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>
#include "shared/num.h"

#define BARRIER_MS 1000

// A socket to send from, and the manager's address; -1: there is no manager.
static int manager(struct sockaddr_un *un, socklen_t *ret_len)
{
	const char *path = getenv("NOTIFY_SOCKET");
	*un = (struct sockaddr_un){.sun_family = AF_UNIX};
	if (path == NULL || (path[0] != '/' && path[0] != '@') ||
		strlen(path) >= sizeof(un->sun_path))
		return -1;
	memcpy(un->sun_path, path, strlen(path));
	if (path[0] == '@')
		un->sun_path[0] = '\0'; // abstract
	*ret_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path));
	return socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
}

void notify_send(const char *state)
{
	struct sockaddr_un un;
	socklen_t len;
	int fd = manager(&un, &len);
	if (fd < 0)
		return;
	ssize_t n = sendto(fd, state, strlen(state), MSG_NOSIGNAL, (struct sockaddr *)&un, len);
	(void)n; // a manager that does not listen changes nothing here
	close(fd);
}

int64_t notify_watchdog_us(void)
{
	const char *text = getenv("WATCHDOG_USEC"), *pid = getenv("WATCHDOG_PID");
	int64_t us;
	if (text == NULL || !num_i64(slice_of(text), 1, INT64_MAX, &us))
		return 0;
	int64_t whose;
	if (pid != NULL && (!num_i64(slice_of(pid), 1, INT32_MAX, &whose) || whose != getpid()))
		return 0;
	return us / 4; // one that comes late ends nothing
}

// The manager has read all that was told when it closes what it is sent along (BARRIER=1).
static void barrier(void)
{
	struct sockaddr_un un;
	socklen_t len;
	int wait[2], fd = manager(&un, &len);
	if (fd < 0 || pipe2(wait, O_CLOEXEC) < 0) {
		if (fd >= 0)
			close(fd);
		return;
	}
	char text[] = "BARRIER=1";
	struct iovec v = {text, sizeof(text) - 1};
	union {
		struct cmsghdr align;
		char room[CMSG_SPACE(sizeof(int))];
	} control = {0};
	struct msghdr m = {.msg_name = &un,
		.msg_namelen = len,
		.msg_iov = &v,
		.msg_iovlen = 1,
		.msg_control = control.room,
		.msg_controllen = sizeof(control)};
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(c), &wait[1], sizeof(int));
	ssize_t n = sendmsg(fd, &m, MSG_NOSIGNAL);
	close(wait[1]);
	struct pollfd p = {.fd = wait[0]};
	if (n > 0)
		poll(&p, 1, BARRIER_MS);
	close(wait[0]);
	close(fd);
}

// A child that the manager is told of in our place: its parent, the first child, has ended, so that
// its end is told to the manager. It ends when `hold` is closed.
static pid_t orphan(const int hold[2])
{
	int said[2];
	pid_t pid = -1;
	if (pipe2(said, O_CLOEXEC) < 0)
		return -1;
	pid_t child = fork();
	if (child == 0) {
		pid_t grandchild = fork();
		char byte;
		if (grandchild != 0)
			_exit(write(said[1], &grandchild, sizeof(grandchild)) < 0);
		close(hold[1]);
		_exit(read(hold[0], &byte, 1) < 0);
	}
	close(said[1]);
	if (child < 0 || read(said[0], &pid, sizeof(pid)) != (ssize_t)sizeof(pid))
		pid = -1;
	close(said[0]);
	if (child > 0)
		waitpid(child, NULL, 0);
	return pid;
}

bool notify_leave(void)
{
	int hold[2];
	char state[64];
	if (getenv("NOTIFY_SOCKET") == NULL || pipe2(hold, O_CLOEXEC) < 0)
		return false;
	pid_t pid = orphan(hold);
	close(hold[0]);
	if (pid > 0) {
		snprintf(state, sizeof(state), "STOPPING=1\nMAINPID=%ld", (long)pid);
		notify_send(state);
		barrier();
	}
	close(hold[1]);
	return pid > 0;
}
