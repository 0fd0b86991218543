// SPDX-License-Identifier: MIT
// Each loop has its own record of counters, opened keys and spare calls, made when its first
// request comes, so that model traffic of several threads shares nothing.
#include "agent/call/loop.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/random.h>
#include "agent/call/call.h"
#include "agent/call/cells.h"
#include "agent/call/life.h"
#include "agent/call/secret.h"
#include "shared/clock.h"
#include "shared/mem.h"

struct gateway {
	struct agent *agent;
	pthread_mutex_t lock;
	struct gw_loop *loops;
};

struct gateway *gateway_new(struct agent *a)
{
	struct gateway *g = mem_zalloc(1, sizeof(*g));
	g->agent = a;
	pthread_mutex_init(&g->lock, NULL);
	return g;
}

void gateway_free(struct gateway *g)
{
	if (g == NULL)
		return;
	while (g->loops != NULL) {
		struct gw_loop *gl = g->loops;
		g->loops = gl->next;
		gw_cells_free(gl);
		gw_secrets_free(gl);
		gw_spares_free(gl);
		str_release(&gl->event);
		free(gl);
	}
	pthread_mutex_destroy(&g->lock);
	free(g);
}

// ---- per loop ----

static struct gw_loop *loop_add(struct gateway *g, struct loop *l)
{
	struct gw_loop *gl = mem_zalloc(1, sizeof(*gl));
	gl->loop = l;
	gl->agent = g->agent;
	if (getrandom(&gl->random, sizeof(gl->random), 0) != sizeof(gl->random))
		gl->random = (uint64_t)clock_mono_us();
	gl->inflight = metric_cell(g->agent->metrics, MET_GW_INFLIGHT, NULL);
	pthread_mutex_lock(&g->lock);
	gl->next = g->loops;
	g->loops = gl;
	pthread_mutex_unlock(&g->lock);
	return gl;
}

struct gw_loop *gw_loop_at(struct gateway *g, struct loop *l)
{
	pthread_mutex_lock(&g->lock);
	struct gw_loop *gl = g->loops;
	while (gl != NULL && gl->loop != l)
		gl = gl->next;
	pthread_mutex_unlock(&g->lock);
	return gl != NULL ? gl : loop_add(g, l);
}

struct gw_loop *gw_loop_of(struct req *r)
{
	static _Thread_local struct gw_loop *mine; // a loop is a thread
	static _Thread_local struct gateway *of;
	if (LIKELY(mine != NULL && of == r->agent->gateway && mine->loop == r->loop))
		return mine;
	of = r->agent->gateway;
	mine = gw_loop_at(r->agent->gateway, r->loop);
	return mine;
}

uint64_t gw_random(struct gw_loop *gl)
{
	uint64_t z = gl->random += UINT64_C(0x9e3779b97f4a7c15); // splitmix64
	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}
