// SPDX-License-Identifier: MIT
// Whom a start waits for before it takes the socket's path.
#include "agent/web/listen.h"

#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>
#include <cmocka.h>

static int looks;

int __wrap_poll(struct pollfd *fds, nfds_t n, int timeout_ms);
int __wrap_poll(struct pollfd *fds, nfds_t n, int timeout_ms)
{
	(void)fds, (void)n, (void)timeout_ms;
	looks++;
	return 0;
}

// Listens in a directory that somebody has locked, whose state directory is `ours`; how often it looked.
static int looks_of(const char *dir, const char *ours)
{
	char path[96];
	struct unix_listening l;
	struct err err = {0};
	bool held;
	snprintf(path, sizeof(path), "%s/agent.sock", dir);
	int lock = open(dir, O_RDONLY | O_DIRECTORY);
	assert_int_equal(flock(lock, LOCK_EX | LOCK_NB), 0);
	looks = 0;
	assert_int_equal(listen_unix(path, ours, &l, &held, &err), ERR_OK);
	assert_true(l.fd >= 0 && !held);
	listen_unix_close(path, &l);
	close(lock);
	return looks;
}

static void test_a_start_waits_for_no_lock_of_its_own(void **state)
{
	(void)state;
	char a[] = "/tmp/yijian-listen-XXXXXX", b[] = "/tmp/yijian-listen-XXXXXX";
	assert_non_null(mkdtemp(a));
	assert_non_null(mkdtemp(b));
	assert_int_equal(looks_of(a, a), 0);
	assert_true(looks_of(a, b) > 1); // another's: it waits, but not for ever
	rmdir(a);
	rmdir(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_start_waits_for_no_lock_of_its_own)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
