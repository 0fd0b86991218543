// SPDX-License-Identifier: MIT
// Appends the history's closed steps to the database each minute and reads them back by the wall
// clock.
#include "agent/record/keep.h"

#include <stdlib.h>
#include "agent/store/history.h"
#include "shared/clock.h"
#include "shared/mem.h"

#define EVERY_US INT64_C(60000000)
#define FINE_KEPT_S (HISTORY_FINE_S * (HISTORY_FINE_N + 60))
#define COARSE_KEPT_S (HISTORY_COARSE_S * (HISTORY_COARSE_N + 60))

struct rings {
	uint64_t fine, coarse; // steps closed
};

struct history_keep {
	struct history *history; // borrowed
	struct store *store; // borrowed
	struct loop *loop;
	struct loop_timer timer;
	struct store_job job, last_job;
	struct rings kept; // in the database
	struct rings taken; // by the job under way; the store thread's until it is done
	bool busy;
};

// ---- restoring ----

struct restore {
	struct history *history;
	bool coarse;
	int64_t now_ms, newest_ms, latest_ms;
};

static void look(void *arg, int64_t at_ms, struct slice chunk)
{
	struct restore *r = arg;
	(void)chunk;
	if (at_ms <= r->latest_ms)
		r->newest_ms = MAX_OF(r->newest_ms, at_ms);
}

static void unpack(void *arg, int64_t at_ms, struct slice chunk)
{
	struct restore *r = arg;
	if (at_ms <= r->now_ms) // later: of a clock that was far ahead for a while
		history_unpack(r->history, r->coarse, chunk, r->now_ms - at_ms);
}

static void restore(struct history *h, struct store *st, int64_t now_wall_ms)
{
	static const int64_t steps[] = {HISTORY_FINE_S, HISTORY_COARSE_S};
	static const int64_t kept_s[] = {FINE_KEPT_S, COARSE_KEPT_S};
	struct restore v[ARRAY_LEN(steps)];
	for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
		v[i] = (struct restore){h, i > 0, now_wall_ms, 0, now_wall_ms + kept_s[i] * 1000};
		store_history_read(st, steps[i], look, &v[i]);
		v[i].now_ms = MAX_OF(now_wall_ms, v[i].newest_ms); // the clock was set back
	}
	history_restore_begin(h);
	for (size_t i = 0; i < ARRAY_LEN(steps); i++)
		store_history_read(st, steps[i], unpack, &v[i]);
	history_restored(h);
}

struct history_keep *history_keep_new(struct history *h, struct store *st, int64_t now_wall_ms)
{
	struct history_keep *k = mem_zalloc(1, sizeof(*k));
	struct str none = STR_INIT;
	k->history = h;
	k->store = st;
	restore(h, st, now_wall_ms);
	int64_t age_us;
	k->kept.fine = history_pack(h, false, UINT64_MAX, 0, &none, &age_us);
	k->kept.coarse = history_pack(h, true, UINT64_MAX, 0, &none, &age_us);
	return k;
}

void history_keep_free(struct history_keep *k)
{
	free(k);
}

// ---- keeping ----

static enum err_code keep(struct history_keep *k, struct store_tx *tx, bool coarse, uint64_t from,
	uint64_t *ret_upto, struct err *err)
{
	struct str chunk = STR_INIT;
	int64_t age_us = 0;
	enum err_code code = ERR_OK;
	*ret_upto = history_pack(k->history, coarse, from, clock_mono_us(), &chunk, &age_us);
	if (chunk.n > 0)
		code = store_history_add(tx, coarse ? HISTORY_COARSE_S : HISTORY_FINE_S,
			clock_wall_ms() - age_us / 1000, str_slice(&chunk),
			coarse ? COARSE_KEPT_S : FINE_KEPT_S, err);
	str_release(&chunk);
	return code;
}

static enum err_code run(struct store_tx *tx, struct store_job *job)
{
	struct history_keep *k = job->arg;
	enum err_code code = keep(k, tx, false, k->kept.fine, &k->taken.fine, &job->err);
	if (code == ERR_OK)
		code = keep(k, tx, true, k->kept.coarse, &k->taken.coarse, &job->err);
	return code;
}

// What the store refused is in the rings still, and is written with the next chunk.
static void done(struct store_job *job, enum err_code code)
{
	struct history_keep *k = job->arg;
	k->busy = false;
	if (code == ERR_OK)
		k->kept = k->taken;
}

static void last_done(struct store_job *job, enum err_code code)
{
	(void)job;
	(void)code; // nobody is left to write it again
}

void history_keep_now(struct history_keep *k)
{
	if (k->busy)
		return;
	k->job = (struct store_job){
		.run = run, .done = done, .loop = k->loop, .arg = k, .actor = ACTOR_SELF("system")};
	k->busy = store_submit(k->store, &k->job);
}

static void on_timer(void *arg)
{
	struct history_keep *k = arg;
	loop_timer_set(k->loop, &k->timer, EVERY_US, on_timer, k);
	history_keep_now(k);
}

void history_keep_start(struct history_keep *k, struct loop *l)
{
	k->loop = l;
	loop_timer_set(l, &k->timer, EVERY_US, on_timer, k);
}

void history_keep_stop(struct history_keep *k)
{
	if (k->loop == NULL)
		return;
	loop_timer_clear(k->loop, &k->timer);
	history_close(k->history, clock_mono_us());
	k->last_job = (struct store_job){.run = run,
		.done = last_done,
		.loop = k->loop,
		.arg = k,
		.actor = ACTOR_SELF("system")};
	store_submit(k->store, &k->last_job);
}
