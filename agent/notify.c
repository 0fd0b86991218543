// SPDX-License-Identifier: MIT
// Sends one datagram to the service manager's socket, which is all that sd_notify does.
#include "agent/notify.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include "shared/num.h"

void notify_send(const char *state)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un un = {.sun_family = AF_UNIX};
	if (path == NULL || (path[0] != '/' && path[0] != '@') ||
		strlen(path) >= sizeof(un.sun_path))
		return;
	memcpy(un.sun_path, path, strlen(path));
	if (path[0] == '@')
		un.sun_path[0] = '\0'; // abstract
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return;
	socklen_t len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path));
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
	return us / 2;
}
