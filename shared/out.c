// SPDX-License-Identifier: MIT
// What scripts do to standard descriptors (closed, full, not blocking) kept from everything else
// that writes.
#include "shared/out.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

void out_guard(void)
{
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
		if (fcntl(fd, F_GETFD) >= 0 || errno != EBADF)
			continue;
		// The lowest free one is this one; opened for the other direction, it fails as closed.
		int got = open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY);
		if (got != fd && got >= 0)
			close(got);
	}
}

int out_write(int fd, struct slice text, size_t *ret_written, volatile int *stop)
{
	size_t at = 0;
	int why = 0;
	while (at < text.n && why == 0) {
		struct pollfd room = {fd, POLLOUT, 0};
		ssize_t n = write(fd, text.p + at, text.n - at);
		if (n >= 0)
			at += (size_t)n;
		else if (errno == EAGAIN)
			why = poll(&room, 1, -1) < 0 && errno != EINTR ? errno : 0;
		else if (errno != EINTR)
			why = errno;
		if (why == 0 && n < 0 && stop != NULL && *stop)
			why = EINTR;
	}
	if (ret_written != NULL)
		*ret_written = at;
	return why;
}

int out_close(int fd)
{
	return close(fd) < 0 && errno != EBADF && errno != EINTR ? errno : 0;
}
