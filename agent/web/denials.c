// SPDX-License-Identifier: MIT
// Guesses are slowed by one leaky bucket per peer; what is to be audited waits in a fixed table that a
// job of the store empties.
#include "agent/web/denials.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "agent/state/quota.h"
#include "agent/store/audit.h"
#include "shared/clock.h"
#include "shared/log.h"
#include "shared/mem.h"

#define LOOK_US INT64_C(1000000)
#define EVERY_US INT64_C(60000000) // between two writings while refusals go on
#define SLOTS_TRIED 8

struct peer_slot { // IPv6 peers count by their /64
	unsigned char addr[16];
	_Atomic int64_t tat_ns; // under the lock; atomic for quota_take
};

struct group {
	enum err_code code;
	struct ident who;
	char shown[CALLER_NAME_BYTES + 1]; // "" none; it tells nobody apart
	char peer[INET6_ADDRSTRLEN], endpoint[40];
	uint64_t n;
};

struct groups {
	struct group v[DENIALS_GROUPS];
	size_t n;
	uint64_t others; // beyond the table
};

struct denials {
	pthread_mutex_t lock;
	struct peer_slot peers[DENIALS_PEERS];
	struct groups waiting;
	// control loop
	struct store *store;
	struct loop *loop;
	struct loop_timer timer;
	struct store_job job;
	struct groups writing;
	bool busy, failed;
	int64_t wrote_us;
};

struct denials *denials_new(void)
{
	struct denials *d = mem_zalloc(1, sizeof(*d));
	pthread_mutex_init(&d->lock, NULL);
	return d;
}

void denials_free(struct denials *d)
{
	if (d == NULL)
		return;
	pthread_mutex_destroy(&d->lock);
	free(d);
}

// ---- guesses ----

static void addr_of(const struct sockaddr *sa, unsigned char ret[16], char text[INET6_ADDRSTRLEN])
{
	memset(ret, 0, 16);
	snprintf(text, INET6_ADDRSTRLEN, "unix");
	if (sa == NULL)
		return;
	if (sa->sa_family == AF_INET) {
		const struct in_addr *v4 = &((const struct sockaddr_in *)sa)->sin_addr;
		memcpy(ret, v4, 4);
		ret[4] = 4;
		inet_ntop(AF_INET, v4, text, INET6_ADDRSTRLEN);
	} else if (sa->sa_family == AF_INET6) {
		const struct in6_addr *v6 = &((const struct sockaddr_in6 *)sa)->sin6_addr;
		memcpy(ret, v6, 8);
		ret[15] = 6;
		inet_ntop(AF_INET6, v6, text, INET6_ADDRSTRLEN);
	}
}

static struct peer_slot *slot_of(struct denials *d, const unsigned char addr[16])
{
	// It only spreads: an attacker gains nothing by a clash.
	uint64_t hash = slice_hash(SLICE_HASH_BEGIN, (struct slice){(const char *)addr, 16});
	struct peer_slot *oldest = NULL;
	for (uint32_t i = 0; i < SLOTS_TRIED; i++) {
		struct peer_slot *s = &d->peers[(hash + i) % DENIALS_PEERS];
		if (memcmp(s->addr, addr, 16) == 0)
			return s;
		if (oldest == NULL || s->tat_ns < oldest->tat_ns)
			oldest = s;
	}
	memcpy(oldest->addr, addr, 16);
	oldest->tat_ns = 0;
	return oldest;
}

static int64_t guess(struct denials *d, const unsigned char addr[16], int64_t now_us)
{
	struct quota q = quota_per_minute(DENIALS_GUESSES, DENIALS_GUESSES);
	int64_t until = 0;
	if (quota_take(q, &slot_of(d, addr)->tat_ns, 1, now_us, &until))
		return 0;
	return MAX_OF((until - now_us + 999999) / 1000000, 1);
}

// ---- groups ----

static void group_add(struct groups *g, const struct denial *what, const char *peer)
{
	for (size_t i = 0; i < g->n; i++) {
		struct group *one = &g->v[i];
		if (one->code == what->code && !strcmp(one->peer, peer) &&
			ident_eq(&one->who, &what->who) &&
			!strncmp(one->endpoint, what->endpoint, sizeof(one->endpoint) - 1)) {
			one->n++;
			return;
		}
	}
	if (g->n == DENIALS_GROUPS) {
		g->others++;
		return;
	}
	struct group *one = &g->v[g->n++];
	*one = (struct group){.code = what->code, .n = 1};
	snprintf(one->peer, sizeof(one->peer), "%s", peer);
	one->who = what->who;
	snprintf(one->shown, sizeof(one->shown), "%s", what->shown);
	snprintf(one->endpoint, sizeof(one->endpoint), "%s", what->endpoint);
}

int64_t denials_note(struct denials *d, const struct denial *what, int64_t now_us)
{
	unsigned char addr[16];
	char text[INET6_ADDRSTRLEN];
	addr_of(what->peer, addr, text);
	pthread_mutex_lock(&d->lock);
	group_add(&d->waiting, what, text);
	int64_t wait_s = what->guess ? guess(d, addr, now_us) : 0;
	pthread_mutex_unlock(&d->lock);
	return wait_s;
}

// ---- writing ----

static enum err_code run(struct store_tx *tx, struct store_job *job)
{
	struct denials *d = CONTAINER_OF(job, struct denials, job);
	struct groups *g = &d->writing;
	char object[512];
	enum err_code code = ERR_OK;
	for (size_t i = 0; i < g->n && !code; i++) {
		const struct group *one = &g->v[i];
		snprintf(object, sizeof(object), "%s from %s%s%s%s%s%s, %llu times", one->endpoint,
			one->peer, ident_any(&one->who) ? " by " : "", one->who.text,
			one->shown[0] ? " (" : "", one->shown, one->shown[0] ? ")" : "",
			(unsigned long long)one->n);
		code = store_audit(tx, "denied", object, err_row(one->code)->code, &job->err);
	}
	if (!code && g->others) {
		snprintf(object, sizeof(object), "other calls, %llu times",
			(unsigned long long)g->others);
		code = store_audit(tx, "denied", object, "various", &job->err);
	}
	return code;
}

static void done(struct store_job *job, enum err_code code)
{
	struct denials *d = CONTAINER_OF(job, struct denials, job);
	d->busy = false;
	if (code && !d->failed)
		log_line(LOG_LVL_WARN, "denials_not_audited", "detail", job->err.message, NULL);
	d->failed = code != ERR_OK;
}

static void look(void *arg)
{
	struct denials *d = arg;
	int64_t now = loop_now_us(d->loop);
	loop_timer_set(d->loop, &d->timer, LOOK_US, look, d);
	if (d->busy || (d->wrote_us && now - d->wrote_us < EVERY_US))
		return;
	pthread_mutex_lock(&d->lock);
	bool any = d->waiting.n || d->waiting.others;
	if (any) {
		d->writing = d->waiting;
		d->waiting.n = 0;
		d->waiting.others = 0;
	}
	pthread_mutex_unlock(&d->lock);
	// A quiet minute: the next refusal is told at once again.
	d->wrote_us = any ? now : 0;
	if (!any)
		return;
	d->job = (struct store_job){
		.run = run, .done = done, .loop = d->loop, .actor = ACTOR_SELF("agent")};
	d->busy = store_submit(d->store, &d->job);
}

void denials_start(struct denials *d, struct store *st, struct loop *control)
{
	d->store = st;
	d->loop = control;
	loop_timer_set(control, &d->timer, LOOK_US, look, d);
}

void denials_stop(struct denials *d)
{
	if (d->loop != NULL)
		loop_timer_clear(d->loop, &d->timer);
}
