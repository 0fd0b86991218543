// SPDX-License-Identifier: MIT
// Streams events to whoever listens, at the pace each of them reads, and draws the history's
// figures for graphs.
#include "agent/api/feed.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "agent/core/events.h"
#include "agent/record/history.h"
#include "agent/core/agent.h"
#include "agent/core/metrics.h"
#include "shared/clock.h"
#include "shared/jw.h"
#include "shared/mem.h"
#include "shared/num.h"
#include "shared/text.h"

#define S_US INT64_C(1000000)
#define REST_US INT64_C(20000) // between two writes, so that a busy stream is written in batches

static const char *const kind_names[EVENT_KINDS] = {
	[EVENT_TRAFFIC] = "traffic",
	[EVENT_HEALTH] = "health",
	[EVENT_KEY] = "key",
	[EVENT_CONFIG] = "config",
	[EVENT_ALERT] = "alert",
};

#define ALL_KINDS ((1u << EVENT_KINDS) - 1)

static enum err_code read_kinds(const char *text, uint32_t *ret, struct err *err)
{
	*ret = ALL_KINDS;
	if (text == NULL)
		return ERR_OK;
	*ret = 0;
	struct slice rest = slice_of(text);
	while (rest.p != NULL) {
		struct slice one = slice_trim(slice_cut(&rest, ','));
		int i = 0;
		while (i < EVENT_KINDS && !slice_eq_str(one, kind_names[i]))
			i++;
		if (i == EVENT_KINDS) {
			err_field(err, ERR_PARAM_INVALID, "kinds", _("its value cannot be read"));
			err_hint(err, "%s",
				_("must be a list of traffic, health, key, config, alert"));
			return ERR_PARAM_INVALID;
		}
		*ret |= 1u << i;
	}
	return ERR_OK;
}

// --- as a list ---

struct page {
	struct str items;
	uint64_t next, lost;
	bool reset;
};

static void page_read(struct events *e, uint64_t since, uint32_t kinds, size_t max,
	struct page *ret)
{
	str_clear(&ret->items);
	ret->lost = 0;
	ret->next = events_read_json(e, since, kinds, max, &ret->items, &ret->lost);
}

// The newest ones: looks further and further back until the page is full.
static void page_newest(struct events *e, uint32_t kinds, size_t max, struct page *ret)
{
	bool reset;
	uint64_t head = events_head(e), back = max, all = head - events_resume(e, 0, &reset);
	page_read(e, head - MIN_OF(back, all), kinds, max, ret);
	while (back < all && back < EVENTS_RING) {
		struct page wider = {0};
		back *= 2;
		page_read(e, head - MIN_OF(back, all), kinds, max, &wider);
		if (wider.next < head) { // more than a page: the one before had the newest
			str_release(&wider.items);
			return;
		}
		str_release(&ret->items);
		*ret = wider;
		ret->lost = 0; // nobody asked for what was before
	}
}

static void count_lost(const struct req *r, uint64_t n)
{
	if (n > 0)
		metric_add(r->agent->metrics, MET_EVENTS_DROPPED, (double)n,
			(const char *const[]){NULL});
}

// --- as a stream ---

struct feed { // on the heap, see feed_end
	struct req *r;
	struct events *events;
	uint64_t cursor;
	uint32_t kinds;
	struct events_waiter waiter;
	struct loop_timer timer, rest;
	struct str out; // what is read at once, handed over
	int idle_s;
	bool full; // the client does not keep up: waits for drain
	bool ended;
};

static void feed_pump(void *arg);

static void feed_free(void *arg)
{
	struct feed *f = arg;
	str_release(&f->out);
	free(f);
}

// A wake-up may be in the loop's inbox already: the feed outlives its request until that is behind
// it, which what is posted last tells.
static void feed_end(struct req *r)
{
	struct feed *f = r->user;
	if (f == NULL)
		return;
	r->user = NULL;
	f->ended = true;
	events_unwait(f->events, &f->waiter);
	loop_timer_clear(r->loop, &f->timer);
	loop_timer_clear(r->loop, &f->rest);
	loop_post(r->loop, feed_free, f);
}

static void feed_drained(struct req *r)
{
	struct feed *f = r->user;
	if (f == NULL || !f->full)
		return;
	f->full = false;
	loop_timer_clear(r->loop, &f->rest);
	events_unwait(f->events, &f->waiter);
	feed_pump(f);
}

static bool feed_write(struct feed *f, struct str *out)
{
	f->idle_s = 0;
	f->full = req_stream_give(f->r, out) > REQ_STREAM_HIGH;
	return !f->full;
}

// Whose token has ended is shown nothing more; the next request hears why.
static bool feed_may(struct feed *f)
{
	struct req *r = f->r;
	if (f->ended || req_still_may(r) == ERR_OK)
		return !f->ended;
	feed_end(r);
	req_stream_end(r);
	return false;
}

static void feed_pump(void *arg)
{
	struct feed *f = arg;
	bool wrote = false;
	if (!feed_may(f))
		return;
	while (!f->ended && !f->full && f->cursor < events_head(f->events)) {
		uint64_t lost = 0;
		str_clear(&f->out);
		f->cursor = events_read(f->events, f->cursor, f->kinds, FEED_BATCH, &f->out, &lost);
		count_lost(f->r, lost);
		if (lost > 0)
			str_addf(&f->out,
				"event: lost\nid: %llu\ndata: {\"lost\":%llu,\"cursor\":%llu}\n\n",
				(unsigned long long)f->cursor, (unsigned long long)lost,
				(unsigned long long)f->cursor);
		wrote |= f->out.n > 0;
		if (f->out.n > 0)
			feed_write(f, &f->out);
	}
	if (f->ended || f->full)
		return;
	if (wrote)
		loop_timer_set(f->r->loop, &f->rest, REST_US, feed_pump, f);
	else
		events_wait(f->events, f->cursor, &f->waiter);
}

static void feed_tick(void *arg)
{
	struct feed *f = arg;
	struct req *r = f->r;
	if (atomic_load(&r->agent->draining)) {
		feed_end(r);
		req_stream_end(r);
		return;
	}
	if (!feed_may(f))
		return;
	loop_timer_set(r->loop, &f->timer, S_US, feed_tick, f);
	if (++f->idle_s < FEED_KEEPALIVE_S || f->full)
		return;
	struct str out = STR_INIT;
	// With where it stands: events of other kinds have gone by.
	str_addf(&out, ": keep-alive\nid: %llu\n\n", (unsigned long long)f->cursor);
	feed_write(f, &out);
	str_release(&out);
}

static void feed_begin(struct req *r, uint64_t since, uint32_t kinds, bool reset)
{
	struct feed *f = mem_zalloc(1, sizeof(*f));
	struct str out = STR_INIT;
	*f = (struct feed){.r = r, .events = r->agent->events, .cursor = since, .kinds = kinds};
	f->waiter = (struct events_waiter){.loop = r->loop, .fn = feed_pump, .arg = f};
	r->user = f;
	req_header_add(r, "Cache-Control", "no-store");
	req_header_add(r, "X-Accel-Buffering", "no");
	req_stream_begin(r, 200, "text/event-stream");
	req_on_gone(r, feed_end);
	req_on_end(r, feed_end);
	req_on_drain(r, feed_drained);
	str_addf(&out, ": events after %llu\nid: %llu\n", (unsigned long long)since,
		(unsigned long long)since);
	if (reset)
		str_addf(&out, "event: reset\ndata: {\"reset\":true,\"cursor\":%llu}\n",
			(unsigned long long)since);
	str_add_c(&out, '\n');
	feed_write(f, &out);
	str_release(&out);
	loop_timer_set(r->loop, &f->timer, S_US, feed_tick, f);
	feed_pump(f);
}

static bool wants_stream(const struct req *r)
{
	const char *accept = req_header(r, "Accept");
	if (req_query(r, "stream") != NULL)
		return req_query_bool(r, "stream");
	return accept != NULL && strstr(accept, "text/event-stream") != NULL;
}

// Where the reader stands: false when it does not say. A reader that comes back says it in a header,
// with the URL it began with.
static bool read_place(struct req *r, struct events *e, bool stream, int64_t *since,
	bool *ret_reset)
{
	const char *last = stream ? req_header(r, "Last-Event-ID") : NULL;
	if (last != NULL && !num_i64(slice_of(last), 0, INT64_MAX, since))
		*since = INT64_MAX; // nothing this agent said: of another life
	else if (last == NULL && req_query(r, "since") == NULL)
		return false;
	*since = (int64_t)events_resume(e, (uint64_t)*since, ret_reset);
	return true;
}

void h_events(struct req *r)
{
	struct err err = {0};
	int64_t since = req_query_int(r, "since"), limit = req_query_int(r, "limit");
	uint32_t kinds = 0;
	if (read_kinds(req_query(r, "kinds"), &kinds, &err) != ERR_OK) {
		req_fail(r, &err);
		return;
	}
	struct events *e = r->agent->events;
	bool stream = wants_stream(r), reset = false;
	bool from_now = !read_place(r, e, stream, &since, &reset);
	if (stream) {
		feed_begin(r, from_now ? events_head(e) : (uint64_t)since, kinds, reset);
		return;
	}
	struct page p = {.reset = reset};
	if (from_now)
		page_newest(e, kinds, (size_t)limit, &p);
	else
		page_read(e, (uint64_t)since, kinds, (size_t)limit, &p);

	struct str out = STR_INIT;
	struct jw w = jw_to(&out);
	jw_obj(&w, NULL);
	str_add(&out, "\"items\":[");
	str_add_slice(&out, str_slice(&p.items));
	str_add(&out, "],");
	jw_int(&w, "next", (int64_t)p.next);
	jw_int(&w, "lost", (int64_t)p.lost);
	jw_bool(&w, "reset", p.reset);
	jw_int(&w, "revision", (int64_t)r->snap->revision);
	jw_obj_end(&w);
	count_lost(r, p.lost);
	str_release(&p.items);
	req_reply_json(r, 200, &out);
}

// --- figures over time ---

struct span {
	bool coarse;
	size_t points;
};

static void write_series(struct jw *w, struct history *h, const char *feature, enum figure fig,
	const struct span *span)
{
	float v[HISTORY_COARSE_N];
	int64_t age_us = 0;
	const struct figure_row *row = figure_row(fig);
	size_t n = history_points(h, slice_of(feature), fig, span->coarse, clock_mono_us(), v,
		MIN_OF(span->points, ARRAY_LEN(v)), &age_us);
	jw_obj(w, NULL);
	jw_str(w, "name", row->name);
	jw_str(w, "feature", feature);
	jw_str(w, "unit", row->unit);
	jw_int(w, "step_s", span->coarse ? HISTORY_COARSE_S : HISTORY_FINE_S);
	jw_time(w, "end", clock_wall_ms() - age_us / 1000);
	jw_arr(w, "points");
	for (size_t i = 0; i < n; i++)
		jw_num(w, NULL, round((double)v[i] * 1000) / 1000);
	jw_arr_end(w);
	jw_obj_end(w);
}

void h_series(struct req *r)
{
	struct span span = {0};
	const char *features[HISTORY_FEATURES_MAX + 1] = {NULL}; // the first is the total
	int64_t ms = req_query_int(r, "window"), step_ms = HISTORY_FINE_S * 1000;
	span.coarse = ms > HISTORY_FINE_N * step_ms;
	if (span.coarse)
		step_ms = HISTORY_COARSE_S * 1000;
	span.points = (size_t)((ms + step_ms - 1) / step_ms);
	struct history *h = r->agent->history;
	size_t n = 1 + history_features(h, features + 1, HISTORY_FEATURES_MAX);
	struct str out = STR_INIT;
	struct jw w = jw_to(&out);
	jw_obj(&w, NULL);
	jw_arr(&w, "items");
	for (size_t i = 0; i < n; i++) {
		for (int fig = 0; fig < FIG_COUNT; fig++)
			write_series(&w, h, features[i], (enum figure)fig, &span);
	}
	jw_arr_end(&w);
	jw_int(&w, "total", (int64_t)(n * FIG_COUNT));
	jw_int(&w, "revision", (int64_t)r->snap->revision);
	jw_int(&w, "memory_bytes", (int64_t)history_memory(h));
	jw_int(&w, "memory_max_bytes", (int64_t)history_memory_max());
	jw_obj_end(&w);
	req_reply_json(r, 200, &out);
}
