// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <unistd.h>
#include <cmocka.h>
#include "agent/core/loop.h"

#define TIMERS 50
#define POSTS 1000

struct book {
	struct loop *loop;
	int fired[TIMERS], n, posts;
	struct loop_timer timers[TIMERS];
	struct loop_watch a, b;
	int calls;
};

struct entry {
	struct book *book;
	int id;
};

static void fire(void *arg)
{
	struct entry *e = arg;
	e->book->fired[e->book->n++] = e->id;
	if (e->book->n == TIMERS - 1)
		loop_stop(e->book->loop);
}

static void test_timers_in_order(void **state)
{
	struct book book = {.loop = loop_new("test", NULL)};
	struct entry entries[TIMERS];
	(void)state;
	for (int i = 0; i < TIMERS; i++) {
		entries[i] = (struct entry){&book, i};
		int64_t delay_us = (i * 37 % TIMERS) * 100;
		loop_timer_set(book.loop, &book.timers[i], delay_us, fire, &entries[i]);
	}
	loop_timer_clear(book.loop, &book.timers[7]);
	loop_timer_clear(book.loop, &book.timers[7]); // idle: nothing
	loop_run(book.loop);
	assert_int_equal(book.n, TIMERS - 1);
	for (int i = 1; i < book.n; i++)
		assert_true(book.fired[i - 1] * 37 % TIMERS < book.fired[i] * 37 % TIMERS);
	for (int i = 0; i < book.n; i++)
		assert_int_not_equal(book.fired[i], 7);
	loop_free(book.loop);
}

static void posted(void *arg)
{
	struct book *book = arg;
	if (++book->posts == POSTS)
		loop_stop(book->loop);
}

static void *poster(void *arg)
{
	struct book *book = arg;
	for (int i = 0; i < POSTS / 2; i++)
		loop_post(book->loop, posted, book);
	return NULL;
}

static void test_posts_from_threads(void **state)
{
	struct book book = {.loop = loop_new("test", NULL)};
	pthread_t a, b;
	(void)state;
	pthread_create(&a, NULL, poster, &book);
	pthread_create(&b, NULL, poster, &book);
	loop_run(book.loop);
	pthread_join(a, NULL);
	pthread_join(b, NULL);
	assert_int_equal(book.posts, POSTS);
	loop_free(book.loop);
}

// Whichever of two ready watches comes first takes both away: the other must not be called.
static void take_both(void *arg, uint32_t events)
{
	struct book *book = arg;
	(void)events;
	book->calls++;
	loop_watch_set(book->loop, &book->a, book->a.fd, 0, NULL, NULL);
	loop_watch_set(book->loop, &book->b, book->b.fd, 0, NULL, NULL);
	loop_stop(book->loop);
}

static void test_a_removed_watch_is_not_called(void **state)
{
	struct book book = {.loop = loop_new("test", NULL)};
	int one[2], two[2];
	(void)state;
	assert_int_equal(pipe(one) | pipe(two), 0);
	assert_int_equal(write(one[1], "x", 1) + write(two[1], "x", 1), 2);
	assert_int_equal(loop_watch_set(book.loop, &book.a, one[0], EPOLLIN, take_both, &book),
		ERR_OK);
	assert_int_equal(loop_watch_set(book.loop, &book.b, two[0], EPOLLIN, take_both, &book),
		ERR_OK);
	loop_run(book.loop);
	assert_int_equal(book.calls, 1);
	loop_free(book.loop);
	for (int i = 0; i < 2; i++) {
		close(one[i]);
		close(two[i]);
	}
}

// A thread that waits must not be taken for one that reads.
struct presence {
	struct loop *loop;
	int offline, online, turns;
	bool reads;
};

static void leave(void *arg)
{
	struct presence *p = arg;
	p->reads = false;
	p->offline++;
}

static void come(void *arg)
{
	struct presence *p = arg;
	p->reads = true;
	p->online++;
}

static void read_twice(void *arg)
{
	struct presence *p = arg;
	assert_true(p->reads);
	if (++p->turns == 2)
		loop_stop(p->loop);
	else
		loop_later(p->loop, read_twice, p);
}

static void test_hooks_stand_around_the_wait(void **state)
{
	struct presence p = {0};
	(void)state;
	p.loop = loop_new("test", &(struct loop_hooks){leave, come, &p});
	loop_later(p.loop, read_twice, &p);
	loop_run(p.loop);
	assert_int_equal(p.turns, 2);
	assert_int_equal(p.offline, p.online + 1);
	assert_false(p.reads);
	loop_free(p.loop);
}

static void again(void *arg)
{
	struct book *book = arg;
	if (++book->calls < 3)
		loop_later(book->loop, again, book);
	else
		loop_stop(book->loop);
}

static void test_later_does_not_wait(void **state)
{
	struct book book = {.loop = loop_new("test", NULL)};
	(void)state;
	loop_later(book.loop, again, &book);
	loop_run(book.loop);
	assert_int_equal(book.calls, 3);
	loop_free(book.loop);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_timers_in_order),
		cmocka_unit_test(test_posts_from_threads),
		cmocka_unit_test(test_a_removed_watch_is_not_called),
		cmocka_unit_test(test_hooks_stand_around_the_wait),
		cmocka_unit_test(test_later_does_not_wait),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
