// SPDX-License-Identifier: MIT
// Preloaded into a successor under test, which ends by SIGKILL at the step that YIJIAN_TEST_CRASH
// names: at a message of its hand-over (its number in agent/handover/wire.h, "m5"; "s5": once it is
// sent), or when it reads which migrations the database has ("open"). "newer": to it the database has
// one that it does not know. Built by the test that needs it.
#include <dlfcn.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define MIGRATIONS "SELECT id, checksum FROM migration"

static const char *step(void)
{
	const char *name = getenv("YIJIAN_TEST_CRASH");
	return name ? name : "";
}

static void end_at(const char *name)
{
	if (strcmp(step(), name) == 0)
		raise(SIGKILL);
}

ssize_t sendmsg(int fd, const struct msghdr *m, int flags)
{
	ssize_t (*next)(int, const struct msghdr *, int) = dlsym(RTLD_NEXT, "sendmsg");
	int kind;
	socklen_t size = sizeof(kind);
	uint32_t number;
	// Messages of their own, the number first.
	if (m->msg_iovlen == 0 || m->msg_iov[0].iov_len < sizeof(number) ||
		getsockopt(fd, SOL_SOCKET, SO_TYPE, &kind, &size) < 0 || kind != SOCK_SEQPACKET)
		return next(fd, m, flags);
	memcpy(&number, m->msg_iov[0].iov_base, sizeof(number));
	char name[16];
	snprintf(name, sizeof(name), "m%u", number);
	end_at(name);
	ssize_t n = next(fd, m, flags);
	name[0] = 's';
	end_at(name);
	return n;
}

int sqlite3_prepare_v3(void *db, const char *sql, int n, unsigned flags, void *statement,
	const char **tail)
{
	int (*next)(void *, const char *, int, unsigned, void *, const char **) = dlsym(RTLD_NEXT,
		"sqlite3_prepare_v3");
	if (strncmp(sql, MIGRATIONS, strlen(MIGRATIONS)) == 0) {
		end_at("open");
		if (strcmp(step(), "newer") == 0) {
			sql = MIGRATIONS
				" UNION ALL SELECT max(id) + 1, 'x' FROM migration ORDER BY id";
			n = -1;
		}
	}
	return next(db, sql, n, flags, statement, tail);
}
