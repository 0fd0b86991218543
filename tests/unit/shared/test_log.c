// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>
#include "shared/jscan.h"
#include "shared/log.h"
#include "shared/mem.h"

// What stands in the file behind fd, read from its start.
static size_t text_of(int fd, char *buf, size_t size)
{
	ssize_t n = pread(fd, buf, size - 1, 0);

	assert_true(n >= 0);
	buf[n] = '\0';
	return (size_t)n;
}

static int scratch(void)
{
	char name[] = "/tmp/yijian-log-XXXXXX";
	int fd = mkstemp(name);

	assert_true(fd >= 0);
	unlink(name);
	assert_int_equal(fcntl(fd, F_SETFL, O_APPEND), 0);
	return fd;
}

static void writes_one_escaped_line(void **state UNUSED)
{
	int fd = scratch();
	char buf[4096];
	size_t n;
	struct jscan_member m[8];
	struct err err;

	log_open(fd, LOG_LVL_INFO);
	log_line(LOG_LVL_INFO, "start", "path", "a\"b\n\x1b[31m\xff", "none", NULL, "port", "8000",
		NULL);
	n = text_of(fd, buf, sizeof(buf));
	assert_int_equal(buf[n - 1], '\n');
	assert_null(memchr(buf, '\n', n - 1));
	assert_null(memchr(buf, '\x1b', n));
	assert_int_equal(jscan_object((struct slice){buf, n}, (struct jscan_limits){0}, m, 8, &n,
				 &err),
		ERR_OK);
	assert_int_equal(n, 5); // at, level, event, path, port
	assert_true(slice_eq_str(jscan_find(m, n, "level")->value, "\"info\""));
	assert_true(slice_eq_str(jscan_find(m, n, "port")->value, "\"8000\""));
	close(fd);
}

static void keeps_the_level(void **state UNUSED)
{
	int fd = scratch();
	char buf[256];
	enum log_level level;

	log_open(fd, LOG_LVL_WARN);
	log_line(LOG_LVL_INFO, "quiet", NULL);
	assert_false(log_on(LOG_LVL_INFO));
	assert_true(log_on(LOG_LVL_ERROR));
	assert_int_equal(text_of(fd, buf, sizeof(buf)), 0);
	log_set_level(LOG_LVL_DEBUG);
	log_line(LOG_LVL_DEBUG, "loud", NULL);
	assert_true(text_of(fd, buf, sizeof(buf)) > 0);
	assert_true(log_level_named(SLICE("warn"), &level));
	assert_int_equal(level, LOG_LVL_WARN);
	assert_false(log_level_named(SLICE("WARN"), &level));
	close(fd);
}

static void cuts_long_fields(void **state UNUSED)
{
	int fd = scratch();
	char *value = mem_alloc(100000), *buf = mem_alloc(100000);

	memset(value, 'v', 99999);
	value[99999] = '\0';
	log_open(fd, LOG_LVL_INFO);
	log_line(LOG_LVL_INFO, "long", "v", value, NULL);
	assert_in_range(text_of(fd, buf, 100000), LOG_FIELD_MAX, LOG_FIELD_MAX + 200);
	free(value);
	free(buf);
	close(fd);
}

static void *writer(void *arg)
{
	for (int i = 0; i < 200; i++)
		log_line(LOG_LVL_INFO, "tick", "who", (const char *)arg, NULL);
	return NULL;
}

static void lines_of_threads_stay_whole(void **state UNUSED)
{
	int fd = scratch(), lines = 0;
	char *buf = mem_alloc(1 << 20);
	const char *who[] = {"one", "two", "three", "four"};
	pthread_t t[4];
	struct slice rest, line;

	log_open(fd, LOG_LVL_INFO);
	for (int i = 0; i < 4; i++)
		pthread_create(&t[i], NULL, writer, (void *)(uintptr_t)who[i]);
	for (int i = 0; i < 4; i++)
		pthread_join(t[i], NULL);
	rest = (struct slice){buf, text_of(fd, buf, 1 << 20)};
	for (line = slice_cut(&rest, '\n'); line.n; line = slice_cut(&rest, '\n'), lines++)
		assert_int_equal(jscan_check(line, (struct jscan_limits){0}, NULL), ERR_OK);
	assert_int_equal(lines, 800);
	free(buf);
	close(fd);
}

// ---- the thread that writes ----

static void order_and_completeness(void **state UNUSED)
{
	int fd = scratch(), lines = 0;
	char *buf = mem_alloc(1 << 20), want[32];
	struct slice rest, line;

	log_open(fd, LOG_LVL_INFO);
	assert_true(log_start());
	for (int i = 0; i < 1000; i++) {
		snprintf(want, sizeof(want), "%d", i);
		log_line(LOG_LVL_INFO, "tick", "n", want, NULL);
	}
	log_stop();
	log_line(LOG_LVL_INFO, "tick", "n", "1000", NULL); // at once again
	rest = (struct slice){buf, text_of(fd, buf, 1 << 20)};
	for (line = slice_cut(&rest, '\n'); line.n; line = slice_cut(&rest, '\n'), lines++) {
		snprintf(want, sizeof(want), "\"n\":\"%d\"}", lines);
		assert_true(slice_ends(line, want));
	}
	assert_int_equal(lines, 1001);
	assert_int_equal(log_lost(), 0);
	free(buf);
	close(fd);
}

struct pipe_reader {
	int fd;
	char *buf;
	size_t n;
};

static void *read_all(void *arg)
{
	struct pipe_reader *r = arg;
	ssize_t n;
	while ((n = read(r->fd, r->buf + r->n, (1 << 20) - r->n)) > 0)
		r->n += (size_t)n;
	return NULL;
}

// Nobody reads for a while: who logs is not held up, what has no room is counted and told.
static void a_reader_that_blocks(void **state UNUSED)
{
	int ends[2];
	struct pipe_reader r = {.buf = mem_alloc(1 << 20)};
	char text[1024], said[64];
	uint64_t before = log_lost();
	size_t lines = 0;
	pthread_t t;

	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	assert_int_equal(pipe(ends), 0);
	log_open(ends[1], LOG_LVL_INFO);
	assert_true(log_start());
	for (int i = 0; i < 1000; i++) // a pipe and a ring take a third of it
		log_line(LOG_LVL_INFO, "many", "text", text, NULL);
	assert_true(log_lost() > before);
	r.fd = ends[0];
	pthread_create(&t, NULL, read_all, &r);
	log_stop();
	log_line(LOG_LVL_INFO, "last", NULL);
	close(ends[1]);
	pthread_join(t, NULL);
	for (struct slice rest = {r.buf, r.n}, line; (line = slice_cut(&rest, '\n')).n > 0;) {
		assert_int_equal(jscan_check(line, (struct jscan_limits){0}, NULL), ERR_OK);
		lines += memmem(line.p, line.n, "log_lost", 8) == NULL;
	}
	snprintf(said, sizeof(said), "\"log_lost\",\"lines\":\"%llu\"}",
		(unsigned long long)log_lost());
	r.buf[MIN_OF(r.n, (size_t)(1 << 20) - 1)] = '\0';
	assert_non_null(strstr(r.buf, said));
	assert_int_equal(lines, 1000 - (log_lost() - before) + 1);
	free(r.buf);
	close(ends[0]);
}

// A full disk: nothing is written, and what was lost is said once something is again.
static void a_file_that_is_full(void **state UNUSED)
{
	int full = open("/dev/full", O_WRONLY), fd = scratch();
	uint64_t before = log_lost();
	char buf[4096];

	if (full < 0)
		skip();
	log_open(full, LOG_LVL_INFO);
	assert_true(log_start());
	for (int i = 0; i < 3; i++)
		log_line(LOG_LVL_INFO, "gone", NULL);
	log_stop();
	assert_int_equal(log_lost(), before + 3);
	log_open(fd, LOG_LVL_INFO);
	assert_true(log_start());
	log_line(LOG_LVL_INFO, "back", NULL);
	log_stop();
	text_of(fd, buf, sizeof(buf));
	assert_non_null(strstr(buf, "log_lost"));
	assert_true(strstr(buf, "log_lost") < strstr(buf, "\"back\""));
	close(full);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(writes_one_escaped_line),
		cmocka_unit_test(keeps_the_level),
		cmocka_unit_test(cuts_long_fields),
		cmocka_unit_test(lines_of_threads_stay_whole),
		cmocka_unit_test(order_and_completeness),
		cmocka_unit_test(a_reader_that_blocks),
		cmocka_unit_test(a_file_that_is_full),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
