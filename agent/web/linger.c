// SPDX-License-Identifier: MIT
// A socket closed with bytes unread resets the connection, and the caller loses the answer it was
// just sent. Each of these costs a descriptor and its record, and reads a bounded share in a turn.
#include "agent/web/linger.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>
#include "agent/web/private.h"
#include "shared/mem.h"
#include "shared/secret.h"

#define LINGERS_MAX 1024
#define READS_AT_ONCE 16 // then others get their turn
#define QUIET_US INT64_C(3000000)
#define MORE_US INT64_C(5000000)

// ---- how much, how long ----

void discard_begin(struct discard *d, const struct body_limit *limit, int64_t now_us)
{
	if (limit == NULL)
		limit = body_limit(BODY_IMAGE); // the largest: nobody knows what it was meant for
	*d = (struct discard){.free = limit->bytes,
		.until_us = now_us + limit->deadline_s * INT64_C(1000000),
		.quiet_us = now_us + QUIET_US};
}

bool discard_take(struct discard *d, size_t n, int64_t now_us)
{
	d->quiet_us = now_us + QUIET_US;
	d->free -= MIN_OF(d->free, (uint64_t)n);
	if (d->free == 0 && d->more_us == 0)
		d->more_us = now_us + MORE_US;
	return now_us < d->until_us && (d->more_us == 0 || now_us < d->more_us);
}

int64_t discard_due_us(const struct discard *d)
{
	int64_t due = MIN_OF(d->until_us, d->quiet_us);
	return d->more_us == 0 ? due : MIN_OF(due, d->more_us);
}

// ---- sockets ----

static void linger_end(struct farewell *g)
{
	struct web *w = g->web;
	loop_watch_set(w->loop, &g->watch, g->watch.fd, 0, NULL, NULL);
	close(g->watch.fd);
	*(g->prev != NULL ? &g->prev->next : &w->lingers) = g->next;
	*(g->next != NULL ? &g->next->prev : &w->lingers_last) = g->prev;
	w->lingers_n--;
	free(g);
}

static void on_linger(void *arg, uint32_t events)
{
	struct farewell *g = arg;
	struct web *w = g->web;
	(void)events;
	for (int i = 0; i < READS_AT_ONCE; i++) {
		ssize_t n = recv(g->watch.fd, w->read_buffer, WEB_READ_BYTES, MSG_DONTWAIT);
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (n > 0)
			secret_wipe(w->read_buffer, (size_t)n); // a key may be among them
		if (n <= 0 || !discard_take(&g->discard, (size_t)n, loop_now_us(w->loop))) {
			linger_end(g);
			return;
		}
	}
}

bool web_linger_give(struct web *w)
{
	if (w->lingers_last == NULL)
		return false;
	linger_end(w->lingers_last);
	return true;
}

void web_linger(struct web *w, int fd, const struct discard *d)
{
	shutdown(fd, SHUT_WR);
	if (w->lingers_n >= LINGERS_MAX)
		web_linger_give(w);
	struct farewell *g = mem_zalloc(1, sizeof(*g));
	g->web = w;
	g->discard = *d;
	g->next = w->lingers;
	*(g->next != NULL ? &g->next->prev : &w->lingers_last) = g;
	w->lingers = g;
	w->lingers_n++;
	g->watch.fd = fd;
	if (loop_watch_set(w->loop, &g->watch, fd, EPOLLIN | EPOLLRDHUP, on_linger, g) != ERR_OK)
		linger_end(g);
}

void web_lingers_tick(struct web *w, int64_t now_us)
{
	for (struct farewell *g = w->lingers, *next; g != NULL; g = next) {
		next = g->next;
		if (now_us > discard_due_us(&g->discard))
			linger_end(g);
	}
}

void web_lingers_end(struct web *w)
{
	while (w->lingers != NULL)
		linger_end(w->lingers);
}
