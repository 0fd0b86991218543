// SPDX-License-Identifier: MIT
// What the agent does at each step of a hand-over, as the one before and as the one after.
#include "agent/succession.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "agent/api/callers.h"
#include "agent/call/admit.h"
#include "agent/ending.h"
#include "agent/handover/wire.h"
#include "agent/parts.h"
#include "agent/record/keep.h"
#include "agent/state/caller.h"
#include "agent/record/ledger.h"
#include "agent/tasks/away.h"
#include "shared/mem.h"
#include "shared/secret.h"

#define READY_LOOK_US 2000
#define USAGE_US 500000 // between two tellings of what was used

// ---- from the agent before ----

struct adoption { // a connection on its way to the loop that serves it
	struct lane *lane;
	struct web_passed p; // the bytes its own
};

static void adopt(void *arg)
{
	struct adoption *a = arg;
	char *bytes = (char *)(uintptr_t)a->p.bytes.p;
	if (!web_adopt(a->lane->web, &a->p))
		close(a->p.fd);
	secret_wipe(bytes, a->p.bytes.n);
	free(bytes);
	free((char *)(uintptr_t)a->p.task);
	free(a);
}

static bool on_passed(void *arg, const struct web_passed *passed)
{
	struct platform *p = arg;
	struct adoption *a = mem_zalloc(1, sizeof(*a));
	bool gateway = passed->service == SVC_API_GATEWAY;
	a->lane = &p->lanes[gateway ? 1 + (size_t)passed->fd % (p->lanes_n - 1) : 0];
	a->p = *passed;
	a->p.bytes.p = mem_strndup(passed->bytes.p, passed->bytes.n);
	a->p.task = mem_strdup(passed->task);
	loop_post(a->lane->loop, adopt, a);
	return true;
}

// Budgets learn of it, too: when the other one began to end they had been written without it.
static void charge(void *arg, const struct usage_key *key, const struct usage_sum *sum)
{
	struct platform *p = arg;
	const struct snapshot *snap = snapshots_now(p->agent.snaps);
	struct ident who = ident_stored(key->by[USAGE_CLIENT]);
	const struct client_obj *client = snapshot_client(snap, &who);
	const struct feature_obj *f = snapshot_feature(snap, slice_of(key->by[USAGE_FEATURE]));
	const struct key_obj *k = snapshot_key(snap, slice_of(key->by[USAGE_KEY]));
	for (int i = 0; i < COST_SOURCES; i++) {
		struct money m = {sum->pico[i], "", (enum cost_source)i};
		snprintf(m.currency, sizeof(m.currency), "%s", key->currency);
		if (sum->cost_n[i] > 0) // of what is unknown, that there was some
			gw_charge(client, f, k, &m);
	}
}

static void on_used(void *arg, struct slice rows)
{
	struct platform *p = arg;
	ledger_take(p->agent.ledger, rows, charge, p);
}

static void on_end(void *arg, const struct task_end *end)
{
	struct platform *p = arg;
	tasks_ended(p->agent.tasks, end);
}

static void on_over(void *arg)
{
	struct platform *p = arg;
	p->before = NULL;
	tasks_expect_none(p->agent.tasks);
}

// Its tasks are asked for by what it passes on: they are read first.
static void serve_when_ready(void *arg)
{
	struct platform *p = arg;
	const struct take_host host = {
		.arg = p, .request = on_passed, .usage = on_used, .end = on_end, .over = on_over};
	if (!tasks_ready(p->agent.tasks)) {
		loop_timer_set(p->agent.control, &p->usage, READY_LOOK_US, serve_when_ready, p);
		return;
	}
	p->before = take_serve(&p->taken, p->agent.control, &host);
	if (p->before == NULL)
		on_over(p);
}

// ---- to the next one ----

static bool leaves(void *arg)
{
	const struct platform *p = arg;
	return p->leaves || p->agent.draining;
}

static void start_over(void *arg)
{
	struct platform *p = arg;
	platform_drain(p, p->drain_s);
}

// One that was told to stop ends when so long nobody has come.
static void await_another(struct platform *p)
{
	loop_timer_set(p->agent.control, &p->drain, p->leave_us, start_over, p);
}

static void freeze(void *arg)
{
	struct platform *p = arg;
	if (p->leaves && !p->agent.draining)
		loop_timer_clear(p->agent.control, &p->drain);
	p->agent.hands = HANDS_CHANGING;
	tasks_freeze(p->agent.tasks);
	history_keep_now(p->keep);
	callers_save_now(p->agent.callers);
}

static bool is_still(void *arg)
{
	const struct platform *p = arg;
	return tasks_still(p->agent.tasks);
}

static void release(void *arg)
{
	web_release(arg);
}

static void thaw(void *arg)
{
	struct platform *p = arg;
	p->agent.hands = HANDS_OURS;
	tasks_thaw(p->agent.tasks);
	for (size_t i = 0; i < p->lanes_n; i++)
		loop_post(p->lanes[i].loop, release, p->lanes[i].web);
	if (p->leaves && !p->agent.draining)
		await_another(p); // who failed may be started again
}

static size_t give_sockets(void *arg, struct str *lines, int *fds)
{
	struct platform *p = arg;
	size_t n = 0;
	str_add(lines, "state\n");
	fds[n++] = p->state_fd;
	if (p->unix_socket.fd >= 0) {
		str_add(lines, "socket\n");
		fds[n++] = p->unix_socket.fd;
	}
	for (int svc = 0; svc < SVC_COUNT; svc++)
		for (size_t i = 0; i < p->listening[svc].n; i++) {
			str_addf(lines, "listen %s\n", service_row((enum service_id)svc)->name);
			fds[n++] = p->listening[svc].fd[i];
		}
	struct str away = STR_INIT;
	tasks_away(p->agent.tasks, &away);
	for (struct slice rest = str_slice(&away); rest.n > 0;) {
		struct slice one = slice_cut(&rest, '\n');
		str_addf(lines, "away %.*s\n", SLICE_FMT(one));
	}
	str_release(&away);
	return n;
}
_Static_assert(SVC_COUNT *SETTINGS_ADDRS_MAX + 2 <= WIRE_FDS_MAX, "all go in one message");

static bool pass(void *arg, const struct web_passed *passed)
{
	struct platform *p = arg;
	return give_request(p->give, passed);
}

static void pass_on(void *arg)
{
	struct lane *lane = arg;
	web_pass_on(lane->web, pass, lane->platform);
}

static void tell_usage(void *arg)
{
	struct platform *p = arg;
	ledger_give(p->agent.ledger, WIRE_BYTES_MAX, give_usage, p->give);
	loop_timer_set(p->agent.control, &p->usage, USAGE_US, tell_usage, p);
}

static void gone(void *arg)
{
	struct platform *p = arg;
	p->gone = true;
	p->agent.hands = HANDS_THEIRS;
	for (size_t i = 0; i < p->lanes_n; i++)
		loop_post(p->lanes[i].loop, pass_on, &p->lanes[i]);
	tasks_give(p->agent.tasks, give_end, p->give);
	tell_usage(p);
	if (!p->agent.draining)
		platform_drain(p, p->drain_s);
}

void succession_start(struct platform *p)
{
	const struct settings *s = p->agent.settings;
	const struct give_host host = {.arg = p,
		.leaves = leaves,
		.freeze = freeze,
		.still = is_still,
		.thaw = thaw,
		.sockets = give_sockets,
		.gone = gone};
	if (p->taken.fd >= 0)
		serve_when_ready(p);
	p->drain_s = s->drain_s;
	p->give = give_start(p->agent.control, p->agent.store, s->state_dir, s->root_key_file,
		&host);
}

void succession_end(struct platform *p)
{
	take_serve_end(p->before);
	if (p->give == NULL)
		return;
	loop_timer_clear(p->agent.control, &p->usage);
	if (p->gone)
		ledger_give(p->agent.ledger, WIRE_BYTES_MAX, give_usage, p->give);
	give_free(p->give);
}

void platform_leave(struct platform *p, int64_t wait_ms, int64_t drain_s)
{
	p->drain_s = drain_s;
	if (p->leaves || p->give == NULL || wait_ms == 0 || p->agent.draining) {
		platform_drain(p, drain_s);
		return;
	}
	p->leaves = true;
	p->leave_us = wait_ms * 1000;
	await_another(p);
}

void platform_await(struct platform *p)
{
	if (p->leaves && !p->agent.draining && p->agent.hands == HANDS_OURS)
		await_another(p);
}
