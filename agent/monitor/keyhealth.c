// SPDX-License-Identifier: MIT
// Finds out whether a key that is out works again, by the cheapest call that can tell, and books
// what that call cost.
#include "agent/monitor/keyhealth.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "agent/protocol/error.h"
#include "agent/protocol/table.h"
#include "agent/decide/attempt.h"
#include "agent/decide/standing.h"
#include "agent/record/ledger.h"
#include "agent/state/probe_purse.h"
#include "agent/store/key.h"
#include "agent/store/probe.h"
#include "agent/upstream/upstream.h"
#include "agent/core/events.h"
#include "shared/clock.h"
#include "shared/map.h"
#include "shared/mem.h"
#include "shared/text.h"
#include "shared/vec.h"

#define TIMEOUT_MS 10000
#define PAID_TIMEOUT_MS 60000
#define BODY_MAX (4 * 1024 * 1024)
#define S_US INT64_C(1000000)
#define MICRO INT64_C(1000000) // pico in a millionth
#define PING_IN 16 // tokens, more than it has
#define PING_OUT 16 // some vendors round max_tokens up to so many
#define PING                                                                                       \
	"{\"model\":\"ping\",\"messages\":[{\"role\":\"user\",\"content\":\"ping\"}],"             \
	"\"max_tokens\":1}"

struct due { // a key that is out
	int64_t at_us, wait_us;
	uint64_t round;
};

struct keyhealth {
	struct agent *agent;
	struct loop *loop;
	struct loop_timer timer;
	struct map dues; // key id → struct due
	uint64_t round;
	int64_t walked_us; // when all keys were last looked at
	bool running, counted; // counted: what was spent before the last stop
	// the exchange that is out
	const struct snapshot *snap; // held; NULL: none
	const struct key_obj *key;
	const struct candidate *cand; // of a paid one
	const struct feature_obj *feature;
	const struct vendor_row *row;
	struct upcall *call;
	struct secret secret;
	struct arena arena;
	struct adapter_call ping;
	struct adapter_ask ask;
	struct str scratch;
	struct store_job job;
	bool job_out;
	int64_t taken_day; // of the purse
	struct money expected; // taken from it
	char noted_key[64]; // for the job, which may outlive the exchange
	struct probe_spent noted;
	// what is told
	pthread_mutex_t lock;
	int64_t day, free_today, paid_today;
	struct money cost; // of today's paid ones
	bool cost_unknown;
};

struct keyhealth *keyhealth_new(struct agent *a)
{
	struct keyhealth *h = mem_zalloc(1, sizeof(*h));
	h->agent = a;
	pthread_mutex_init(&h->lock, NULL);
	return h;
}

static void release(struct keyhealth *h)
{
	secret_release(&h->secret);
	arena_release(&h->arena);
	str_clear(&h->ask.path);
	str_clear(&h->ask.headers);
	str_clear(&h->ask.body);
	if (h->snap != NULL)
		snapshot_drop(h->snap);
	h->snap = NULL;
	h->key = NULL;
	h->cand = NULL;
}

void keyhealth_free(struct keyhealth *h)
{
	if (h == NULL)
		return;
	release(h);
	size_t it = 0;
	void *value;
	while (map_next(&h->dues, &it, NULL, &value))
		free(value);
	map_release(&h->dues);
	str_release(&h->ask.path);
	str_release(&h->ask.headers);
	str_release(&h->ask.body);
	str_release(&h->scratch);
	pthread_mutex_destroy(&h->lock);
	free(h);
}

// ---- what was spent today ----

static void turn_day(struct keyhealth *h)
{
	int64_t day = clock_wall_ms() / PROBE_DAY_MS;
	if (h->day == day)
		return;
	h->day = day;
	h->free_today = h->paid_today = 0;
	h->cost = (struct money){0};
	h->cost_unknown = false;
}

static struct probe_budget budget_of(const struct keyhealth *h)
{
	const struct settings *s = h->agent->settings;
	return (struct probe_budget){s->probe_budget_micro * MICRO, s->paid_probes_per_day};
}

static void count_cost(struct keyhealth *h, const struct money *m)
{
	pthread_mutex_lock(&h->lock);
	turn_day(h);
	if (m->source == COST_UNKNOWN || !money_add(&h->cost, m))
		h->cost_unknown = true;
	pthread_mutex_unlock(&h->lock);
}

void keyhealth_write_status(struct keyhealth *h, struct jw *w)
{
	pthread_mutex_lock(&h->lock);
	turn_day(h);
	jw_obj(w, "health_checks");
	jw_int(w, "free_today", h->free_today);
	jw_int(w, "paid_today", h->paid_today);
	jw_int(w, "budget_pico", budget_of(h).pico);
	jw_int(w, "budget_unpriced", budget_of(h).unpriced);
	bool none = h->cost.currency[0] == '\0';
	jw_money(w, "cost", h->cost.pico, none ? "USD" : h->cost.currency,
		h->cost_unknown ? "unknown"
				: cost_source_name(none ? COST_COUNTED : h->cost.source));
	jw_obj_end(w);
	pthread_mutex_unlock(&h->lock);
}

// ---- the end of a look ----

// It stays out: the next look comes later, up to a limit.
static void later(struct keyhealth *h)
{
	struct due *d = map_get(&h->dues, slice_of(h->key->doc.id));
	int64_t most = h->agent->settings->key_check_s * S_US * KEYHEALTH_BACKOFF_MAX;
	if (d == NULL)
		return;
	d->wait_us = MIN_OF(d->wait_us * 2, most);
	d->at_us = loop_now_us(h->loop) + d->wait_us;
}

static void recovered(struct keyhealth *h, int status)
{
	if (breaker_proven(h->key->live, h->key->life, clock_wall_ms())) {
		struct str s = STR_INIT;
		struct jw w = jw_to(&s);
		jw_obj(&w, NULL);
		jw_str(&w, "key", h->key->doc.id);
		jw_str(&w, "target", h->key->ref);
		jw_str(&w, "state", "recovered");
		jw_int(&w, "status", status);
		jw_str(&w, "why",
			h->cand != NULL ? _("a paid check of one token") : _("a free check"));
		jw_obj_end(&w);
		events_add(h->agent->events, EVENT_KEY, str_slice(&s));
		str_release(&s);
	}
}

static void judge_error(struct keyhealth *h, int status, struct slice body)
{
	struct adapter_error e = {0};
	adapter_error_read(h->key->doc.vendor, status, body, secret_bytes(&h->secret), &e);
	if (e.outcome == OUT_BILLING || e.outcome == OUT_AUTH || e.outcome == OUT_REGION)
		attempt_tell_key(h->key, e.outcome, loop_now_us(h->loop), clock_wall_ms(), 0,
			status);
	later(h);
}

// ---- a paid look ----

static void account(struct keyhealth *h, int status, struct slice body)
{
	const struct adapter *ad = adapter_for(h->cand->protocol);
	int64_t now_ms = clock_wall_ms();
	const struct price *p = snapshot_price(h->snap, h->cand, h->feature->doc.name,
		h->cand->target->upstream_model, now_ms);
	struct adapter_reply reply = {.status = status, .body = body, .at_s = now_ms / 1000};
	struct adapter_answer answer = {.usage = ADAPTER_USAGE_UNKNOWN};
	bool ok = status >= 200 && status <= 299;
	struct ledger_entry e = {.wall_ms = now_ms,
		.feature = h->feature->doc.name,
		.target = h->cand->target_name,
		.client = &ident_health_check,
		.key = h->key->doc.id,
		.model = h->cand->target->upstream_model,
		.first = true,
		.failed = !ok,
		.used = ok,
		.paid = p != NULL && price_paid(p),
		.usage = PRICE_USAGE_NONE};
	if (ok) {
		if (!h->ask.stream)
			ad->parse(&h->ping, &reply, &h->scratch, &answer);
		e.usage.in = answer.usage.in;
		e.usage.out = answer.usage.out;
		e.usage.source = answer.usage.in >= 0 ? COST_REPORTED : COST_UNKNOWN;
		e.cost = price_cost(p, &e.usage, NULL);
	}
	if (status >= 400 && status <= 499) { // a refusal is free of charge
		e.cost = h->expected;
		e.cost.pico = 0;
	}
	count_cost(h, e.cost.source != COST_UNKNOWN ? &e.cost : &h->expected);
	probe_purse_settle(h->key->live, h->taken_day, &h->expected, &e.cost);
	e.cost = ok ? e.cost : (struct money){0};
	ledger_add(h->agent->ledger, &e);
}

static enum err_code run_note(struct store_tx *tx, struct store_job *job)
{
	const struct keyhealth *h = job->arg;
	return store_probe_put(tx, h->noted_key, h->taken_day, &h->noted, &job->err);
}

static bool write_down(struct keyhealth *h, void (*done)(struct store_job *job, enum err_code code))
{
	static const struct actor system = ACTOR_SELF("system");
	snprintf(h->noted_key, sizeof(h->noted_key), "%s", h->key->doc.id);
	h->noted = probe_purse_spent(h->key->live, h->taken_day);
	h->job = (struct store_job){
		.run = run_note, .done = done, .loop = h->loop, .arg = h, .actor = system};
	h->job_out = store_submit(h->agent->store, &h->job);
	return h->job_out;
}

// A store that fails keeps what was taken before, which is more.
static void settled(struct store_job *job, enum err_code code UNUSED)
{
	struct keyhealth *h = job->arg;
	h->job_out = false;
	if (h->running)
		release(h);
}

static void paid_done(void *arg, enum up_end end, const struct upstream_response *res,
	struct slice body, const struct err *err UNUSED)
{
	struct keyhealth *h = arg;
	h->call = NULL;
	if (end == UP_OK && res != NULL)
		account(h, res->status, body);
	else
		count_cost(h, &h->expected); // it may have been made and billed
	if (end == UP_OK && res != NULL && res->status >= 200 && res->status <= 299)
		recovered(h, res->status);
	else if (end == UP_OK && res != NULL)
		judge_error(h, res->status, body);
	else
		later(h);
	if (!write_down(h, settled))
		release(h);
}

static void send_paid(struct keyhealth *h)
{
	static const struct upstream_callbacks callbacks = {.done = paid_done};
	const char *type = h->ask.content_type != NULL ? h->ask.content_type : "application/json";
	struct upstream_request q = {.url = h->cand->url,
		.pool_key = h->key->doc.id,
		.method = h->ask.method,
		.path = str_text(&h->ask.path),
		.headers = arena_printf(&h->arena, "Content-Type: %s\r\n%s", type,
			str_text(&h->ask.headers)),
		.auth = &h->secret,
		.auth_style = h->row->auth,
		.body = str_slice(&h->ask.body),
		.connect_ms = TIMEOUT_MS,
		.first_byte_ms = PAID_TIMEOUT_MS,
		.idle_ms = PAID_TIMEOUT_MS,
		.total_ms = PAID_TIMEOUT_MS,
		.body_max = BODY_MAX,
		.vendor_key = true};
	h->call = upstream_start(loop_upstream(h->loop), &q, &callbacks, h);
}

// Written down first: a crash may cost a probe of the budget, but never one more than it.
static void noted(struct store_job *job, enum err_code code)
{
	struct keyhealth *h = job->arg;
	h->job_out = false;
	if (!h->running)
		return;
	if (code == ERR_OK) {
		pthread_mutex_lock(&h->lock);
		turn_day(h);
		h->paid_today++;
		pthread_mutex_unlock(&h->lock);
		send_paid(h);
	} else {
		probe_purse_untake(h->key->live, h->taken_day, &h->expected);
		later(h);
		release(h);
	}
}

// The candidate of an enabled chat feature that this key serves with a model of the target's.
static bool find_candidate(struct keyhealth *h)
{
	struct pmap_it it = {0};
	void *value;
	while (pmap_next(h->snap->features, &it, NULL, &value)) {
		h->feature = value;
		if (!h->feature->doc.enabled || h->feature->doc.endpoint != OFFER_CHAT)
			continue;
		const struct route *route = snapshot_route(h->snap, h->feature);
		for (size_t i = 0; i < route->n; i++) {
			const struct candidate *c = &route->v[i];
			if (c->key == h->key && c->target->enabled && !c->unspoken &&
				c->target->upstream_model != NULL) {
				h->cand = c;
				return true;
			}
		}
	}
	return false;
}

// At most: what a vendor answers to one token asked for is little, but not always one.
static struct money expected(const struct keyhealth *h)
{
	const struct price *p = snapshot_price(h->snap, h->cand, h->feature->doc.name,
		h->cand->target->upstream_model, clock_wall_ms());
	struct price_usage u = PRICE_USAGE_NONE;
	u.in = PING_IN;
	u.out = PING_OUT;
	u.source = COST_ESTIMATED;
	return price_cost(p, &u, NULL);
}

static bool begin_paid(struct keyhealth *h)
{
	struct probe_budget budget = budget_of(h);
	struct err err = {0};
	if ((budget.pico == 0 && budget.unpriced == 0) || !find_candidate(h))
		return false;
	h->ask.method = "POST";
	h->ask.content_type = h->ask.accept = NULL;
	h->ask.stream = h->ask.grows = false;
	if (adapter_read(SLICE(PING), OFFER_CHAT, true, &h->ping, &err) != ERR_OK ||
		adapter_for(h->cand->protocol)
				->build(&h->ping, &h->feature->doc, h->cand, &h->ask, &err) !=
			ERR_OK)
		return false;
	h->taken_day = clock_wall_ms() / PROBE_DAY_MS;
	h->expected = expected(h);
	if (!probe_purse_take(h->key->live, h->taken_day, &h->expected, &budget))
		return false;
	if (write_down(h, noted))
		return true;
	probe_purse_untake(h->key->live, h->taken_day, &h->expected);
	return false;
}

// ---- a free look ----

static void free_done(void *arg, enum up_end end, const struct upstream_response *res,
	struct slice body, const struct err *err UNUSED)
{
	struct keyhealth *h = arg;
	int fault = atomic_load(&h->key->live->fault);
	h->call = NULL;
	pthread_mutex_lock(&h->lock);
	turn_day(h);
	h->free_today++;
	pthread_mutex_unlock(&h->lock);
	if (end != UP_OK || res == NULL) {
		later(h);
	} else if (res->status != 200) {
		judge_error(h, res->status, body);
	} else if (fault == LIVE_KEY_NO_QUOTA) { // the list is free for who has no credit, too
		if (begin_paid(h))
			return;
		later(h);
	} else if (fault != LIVE_OK) {
		recovered(h, res->status);
	}
	release(h);
}

static void begin_free(struct keyhealth *h, const struct snapshot *snap, const struct key_obj *k)
{
	static const struct upstream_callbacks callbacks = {.done = free_done};
	struct err err = {0};
	snapshot_hold(snap);
	h->snap = snap;
	h->key = k;
	h->cand = NULL;
	h->row = vendor_find(slice_of(k->doc.vendor),
		slice_of(k->doc.service != NULL ? k->doc.service : k->doc.services.v[0]));
	if (h->row == NULL || store_key_open(h->agent->store, k, &h->secret, &err) != ERR_OK) {
		later(h);
		release(h);
		return;
	}
	const char *header;
	enum auth_style style = snapshot_key_auth(snap, h->row, k->doc.id, &header);
	struct upstream_request q = {.url = &k->url,
		.pool_key = k->doc.id,
		.method = "GET",
		.path = arena_printf(&h->arena, "%s%s", k->url.path, h->row->test_path),
		.headers = h->row->auth == AUTH_X_API_KEY ? "anthropic-version: 2023-06-01\r\n"
							  : "",
		.auth = &h->secret,
		.auth_style = style,
		.auth_header = header,
		.connect_ms = TIMEOUT_MS,
		.first_byte_ms = TIMEOUT_MS,
		.idle_ms = TIMEOUT_MS,
		.total_ms = TIMEOUT_MS,
		.body_max = BODY_MAX,
		.vendor_key = true};
	h->call = upstream_start(loop_upstream(h->loop), &q, &callbacks, h);
}

// ---- the schedule ----

static bool is_out(const struct key_obj *k, int64_t wall_ms)
{
	unsigned faults = key_faults(k, false, wall_ms);
	return k->doc.enabled && faults != 0 && (faults >> KEY_IS_EXPIRED & 1) == 0;
}

static void forget_the_well(struct keyhealth *h)
{
	VEC_OF(char *) gone = {0};
	size_t it = 0;
	struct slice id;
	void *value;
	while (map_next(&h->dues, &it, &id, &value)) {
		if (((struct due *)value)->round != h->round)
			VEC_PUSH(&gone, mem_strndup(id.p, id.n));
	}
	for (size_t i = 0; i < gone.n; i++) {
		free(map_del(&h->dues, slice_of(gone.v[i])));
		free(gone.v[i]);
	}
	VEC_RELEASE(&gone);
}

static const struct key_obj *next_due(struct keyhealth *h, const struct snapshot *snap)
{
	int64_t now_us = loop_now_us(h->loop), wall_ms = clock_wall_ms();
	const struct key_obj *first = NULL;
	struct pmap_it it = {0};
	// While none is out, only new trouble is looked for: keys may be many, and time for a check is
	// a second away at least.
	if (h->dues.n == 0 && now_us - h->walked_us < S_US)
		return NULL;
	h->walked_us = now_us;
	h->round++;
	void *value;
	while (pmap_next(snap->keys, &it, NULL, &value)) {
		const struct key_obj *k = value;
		if (LIKELY(!is_out(k, wall_ms)))
			continue;
		struct due *d = map_get(&h->dues, slice_of(k->doc.id));
		if (d == NULL) {
			d = mem_zalloc(1, sizeof(*d));
			d->wait_us = h->agent->settings->key_check_s * S_US;
			d->at_us = now_us + d->wait_us;
			map_put(&h->dues, slice_of(k->doc.id), d);
		}
		d->round = h->round;
		if (first == NULL && d->at_us <= now_us)
			first = k;
	}
	forget_the_well(h);
	return first;
}

static void tick(void *arg)
{
	struct keyhealth *h = arg;
	const struct snapshot *snap = snapshots_now(h->agent->snaps);
	loop_timer_set(h->loop, &h->timer, KEYHEALTH_TICK_US, tick, h);
	if (!h->counted) {
		// What the records of keys brought along from before the last stop.
		struct pmap_it it = {0};
		pthread_mutex_lock(&h->lock);
		turn_day(h);
		void *value;
		while (pmap_next(snap->keys, &it, NULL, &value)) {
			const struct key_obj *k = value;
			struct probe_spent s = probe_purse_spent(k->live, h->day);
			struct money m = {.pico = s.pico, .source = COST_ESTIMATED};
			memcpy(m.currency, s.currency, sizeof(m.currency));
			h->paid_today += s.priced + s.unpriced;
			if (s.unpriced > 0 || (s.priced > 0 && !money_add(&h->cost, &m)))
				h->cost_unknown = true;
		}
		pthread_mutex_unlock(&h->lock);
		h->counted = true;
	}
	if (h->snap != NULL || snap->sealed)
		return;
	const struct key_obj *k = next_due(h, snap);
	if (k != NULL)
		begin_free(h, snap, k);
}

void keyhealth_start(struct keyhealth *h, struct loop *control)
{
	h->loop = control;
	h->running = true;
	loop_timer_set(control, &h->timer, KEYHEALTH_TICK_US, tick, h);
}

void keyhealth_stop(struct keyhealth *h)
{
	if (!h->running)
		return;
	h->running = false;
	loop_timer_clear(h->loop, &h->timer);
	if (h->call != NULL)
		upcall_abort(h->call);
	h->call = NULL;
	release(h);
}
