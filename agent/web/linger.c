// SPDX-License-Identifier: MIT
// A socket closed with bytes unread resets the connection, and the caller loses the answer it was
// just sent: what still comes is read and thrown away for a while (RFC 9112, 9.6).
#include "agent/web/linger.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>
#include "agent/web/private.h"
#include "shared/mem.h"

#define LINGERS_MAX 1024
#define LINGER_US 1000000
#define LINGER_BYTES (1024 * 1024)

static void linger_end(struct farewell *g)
{
	struct web *w = g->web;
	loop_watch_set(w->loop, &g->watch, g->watch.fd, 0, NULL, NULL);
	close(g->watch.fd);
	if (g->prev != NULL)
		g->prev->next = g->next;
	else
		w->lingers = g->next;
	if (g->next != NULL)
		g->next->prev = g->prev;
	w->lingers_n--;
	free(g);
}

static void on_linger(void *arg, uint32_t events)
{
	struct farewell *g = arg;
	(void)events;
	char sink[16384];
	for (;;) {
		ssize_t n = recv(g->watch.fd, sink, sizeof(sink), MSG_DONTWAIT);
		if (n < 0 && errno == EAGAIN)
			return;
		if (n <= 0 || (size_t)n >= g->left) {
			linger_end(g);
			return;
		}
		g->left -= (size_t)n;
	}
}

void web_linger(struct web *w, int fd)
{
	shutdown(fd, SHUT_WR);
	if (w->lingers_n >= LINGERS_MAX) {
		close(fd);
		return;
	}
	struct farewell *g = mem_zalloc(1, sizeof(*g));
	g->web = w;
	g->until_us = loop_now_us(w->loop) + LINGER_US;
	g->left = LINGER_BYTES;
	g->next = w->lingers;
	if (g->next != NULL)
		g->next->prev = g;
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
		if (now_us > g->until_us)
			linger_end(g);
	}
}

void web_lingers_end(struct web *w)
{
	while (w->lingers != NULL)
		linger_end(w->lingers);
}
