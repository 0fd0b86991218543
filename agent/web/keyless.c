// SPDX-License-Identifier: MIT
// A fixed table with a ring of half minutes per caller; who is known is counted without the lock.
#include "agent/web/keyless.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "agent/state/quota.h"
#include "shared/mem.h"
#include "shared/str.h"
#include "shared/text.h"

#define STEP_US INT64_C(30000000)
#define STEPS 10 // five minutes
#define AGENT_CELLS 60
#define ASKED_PER_MINUTE 3000
#define ASKED_AT_ONCE 50
#define TEXT_MAX 300

_Static_assert(STEPS *STEP_US == KEYLESS_WINDOW_S * INT64_C(1000000), "steps fill the window");

struct caller {
	char address[64];
	char agent[TEXT_MAX]; // safe to show
	_Atomic uint32_t life; // 0: free
	_Atomic int64_t last_us;
	_Atomic int64_t epoch[STEPS]; // which step the count is of
	_Atomic uint32_t n[STEPS];
};

struct keyless {
	_Atomic int64_t asked_ns; // agent/state/quota
	pthread_mutex_t lock; // of who is told apart
	uint32_t lives;
	struct caller v[KEYLESS_CALLERS];
};

struct keyless *keyless_new(void)
{
	struct keyless *k = mem_zalloc(1, sizeof(*k));
	pthread_mutex_init(&k->lock, NULL);
	return k;
}

void keyless_free(struct keyless *k)
{
	if (k == NULL)
		return;
	pthread_mutex_destroy(&k->lock);
	free(k);
}

static void count(struct caller *c, int64_t now_us)
{
	int64_t epoch = now_us / STEP_US;
	size_t i = (size_t)(epoch % STEPS);
	int64_t seen = atomic_load_explicit(&c->epoch[i], memory_order_relaxed);
	if (UNLIKELY(seen != epoch) && atomic_compare_exchange_strong(&c->epoch[i], &seen, epoch))
		atomic_store_explicit(&c->n[i], 0, memory_order_relaxed);
	atomic_fetch_add_explicit(&c->n[i], 1, memory_order_relaxed);
	atomic_store_explicit(&c->last_us, now_us, memory_order_relaxed);
}

bool keyless_count(struct keyless *k, struct keyless_mark mark, int64_t now_us)
{
	struct caller *c = &k->v[mark.slot % KEYLESS_CALLERS];
	if (mark.life == 0 || atomic_load_explicit(&c->life, memory_order_relaxed) != mark.life)
		return false;
	count(c, now_us);
	return true;
}

static void begin(struct keyless *k, struct caller *c, const char *address, const char *agent)
{
	snprintf(c->address, sizeof(c->address), "%s", address);
	snprintf(c->agent, sizeof(c->agent), "%s", agent);
	for (size_t i = 0; i < STEPS; i++) {
		atomic_store(&c->epoch[i], -1);
		atomic_store(&c->n[i], 0);
	}
	k->lives += k->lives == UINT32_MAX ? 2 : 1; // never 0
	atomic_store(&c->life, k->lives);
}

bool keyless_may_ask(struct keyless *k, int64_t now_us)
{
	return quota_take(quota_per_minute(ASKED_PER_MINUTE, ASKED_AT_ONCE), &k->asked_ns, 1,
		now_us, NULL);
}

// An address whose uid was not asked is whoever is there of that address.
static bool is_address(const char *kept, const char *address)
{
	size_t n = strlen(address);
	return strncmp(kept, address, n) == 0 &&
		(kept[n] == '\0' || (kept[n] == ' ' && strchr(address, ' ') == NULL));
}

static struct caller *caller_of(struct keyless *k, const char *address, const char *agent)
{
	struct caller *quiet = &k->v[0];
	for (size_t i = 0; i < KEYLESS_CALLERS; i++) {
		struct caller *c = &k->v[i];
		if (atomic_load(&c->life) != 0 && is_address(c->address, address) &&
			strcmp(c->agent, agent) == 0)
			return c;
		if (atomic_load(&c->last_us) < atomic_load(&quiet->last_us))
			quiet = c;
	}
	begin(k, quiet, address, agent);
	return quiet;
}

struct keyless_mark keyless_first(struct keyless *k, const char *caller, struct slice agent,
	int64_t now_us)
{
	struct str safe = STR_INIT;
	text_add_fit(&safe, agent, AGENT_CELLS, false, true);
	char text[TEXT_MAX];
	snprintf(text, sizeof(text), "%s", safe.n < TEXT_MAX ? str_text(&safe) : "");
	str_release(&safe);
	pthread_mutex_lock(&k->lock);
	struct caller *c = caller_of(k, caller, text);
	count(c, now_us);
	struct keyless_mark mark = {(uint32_t)(c - k->v), atomic_load(&c->life)};
	pthread_mutex_unlock(&k->lock);
	return mark;
}

// ---- what is told ----

static uint64_t lately(struct caller *c, int64_t now_us)
{
	int64_t epoch = now_us / STEP_US;
	uint64_t sum = 0;
	if (atomic_load(&c->life) == 0)
		return 0;
	for (size_t i = 0; i < STEPS; i++)
		if (epoch - atomic_load(&c->epoch[i]) < STEPS)
			sum += atomic_load(&c->n[i]);
	return sum;
}

size_t keyless_lately(struct keyless *k, int64_t now_us, uint64_t *ret_requests)
{
	size_t n = 0;
	*ret_requests = 0;
	pthread_mutex_lock(&k->lock);
	for (size_t i = 0; i < KEYLESS_CALLERS; i++) {
		uint64_t one = lately(&k->v[i], now_us);
		n += one > 0;
		*ret_requests += one;
	}
	pthread_mutex_unlock(&k->lock);
	return n;
}

static void write_shown(struct keyless *k, struct jw *w, int64_t now_us)
{
	size_t shown = 0;
	pthread_mutex_lock(&k->lock);
	for (size_t i = 0; i < KEYLESS_CALLERS && shown < KEYLESS_SHOWN; i++) {
		uint64_t one = lately(&k->v[i], now_us);
		if (one == 0)
			continue;
		shown++;
		jw_obj(w, NULL);
		jw_str(w, "caller", k->v[i].address);
		jw_str(w, "user_agent", k->v[i].agent[0] != '\0' ? k->v[i].agent : NULL);
		jw_int(w, "requests_5m", (int64_t)one);
		jw_obj_end(w);
	}
	pthread_mutex_unlock(&k->lock);
}

void keyless_write(struct keyless *k, struct jw *w, int64_t now_us)
{
	uint64_t requests;
	size_t callers = keyless_lately(k, now_us, &requests);
	jw_int(w, "keyless_callers", (int64_t)callers);
	jw_int(w, "keyless_requests_5m", (int64_t)requests);
	jw_arr(w, "keyless");
	write_shown(k, w, now_us);
	jw_arr_end(w);
}
