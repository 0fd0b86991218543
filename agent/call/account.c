// SPDX-License-Identifier: MIT
// What the caller, the counters, the decision ring and the event stream are told.
#include "agent/call/account.h"

#include <string.h>
#include "agent/call/admit.h"
#include "agent/call/call.h"
#include "agent/core/events.h"
#include "agent/protocol/table.h"
#include "shared/jw.h"
#include "shared/num.h"
#include "shared/utf8.h"

#define RETRY_TOLD_S 60 // longest wait callers are told of what heals by itself

// ---- the caller ----

void gw_headers(struct gw_call *c)
{
	struct req *r = c->r;
	gw_limit_headers(c);
	if (UNLIKELY(c->id[0] == '\0'))
		return; // refused before a decision was made
	req_header_add(r, "X-Yijian-Decision", c->id);
	if (c->tries.cand != NULL) // a stream's attempt is still under way
		req_header_add(r, "X-Yijian-Target", c->tries.cand->name);
	else if (c->tries.n > 0)
		req_header_add(r, "X-Yijian-Target", c->tries.v[c->tries.n - 1].target);
	if (c->reason != NULL)
		req_header_add(r, "X-Yijian-Reason", c->reason);
	if (UNLIKELY(c->tries.dropped != NULL))
		req_header_add(r, "X-Yijian-Dropped", c->tries.dropped);
	req_header_number(r, SLICE("X-Yijian-Attempts"),
		(int64_t)c->tries.n + (c->tries.cand != NULL));
}

// The upstream said it of the request.
static bool is_refusal(const struct gw_call *c, const struct err *e)
{
	return c->tries.n > 0 && c->tries.error.code == e->code &&
		(c->tries.error.final || e->code == ERR_UPSTREAM_REJECTED);
}

int gw_error_status(const struct gw_call *c, const struct err *e)
{
	const struct dialect_row *d = dialect_row(c->in.dialect);
	int status = is_refusal(c, e) ? c->tries.error.status : err_row(e->code)->status;
	return d->status != NULL ? d->status(status) : status;
}

// What the upstream said of the request goes back with the upstream's status, type and code, in
// the caller's shape whatever the upstream's was.
void gw_error_json(const struct gw_call *c, const struct err *e, struct str *out)
{
	static const struct adapter_error none;
	const struct adapter_error *u = is_refusal(c, e) ? &c->tries.error : &none;
	const struct err_row *row = err_row(e->code);
	const char *param = u->param[0] != '\0' ? u->param : u == &none ? e->field : "";
	bool own = e->code != ERR_UPSTREAM_REJECTED; // a code that says more than the upstream's
	const struct dialect_error told = {.status = gw_error_status(c, e),
		.type = u->type[0] != '\0' && !own ? u->type : row->type,
		.code = own || u->wire_code[0] == '\0' ? row->code : u->wire_code,
		.param = param[0] != '\0' ? param : NULL,
		.message = e->message,
		.request_id = c->r->id};
	dialect_row(c->in.dialect)->error(&told, out);
}

void gw_tell_retry(struct gw_call *c, int64_t s)
{
	c->retry_after_s = MIN_OF(MAX_OF(s, 1), RETRY_TOLD_S);
}

void gw_fail(struct gw_call *c, const struct err *e)
{
	bool refusal = is_refusal(c, e);
	int status = gw_error_status(c, e);
	if (c->retry_after_s > 0)
		req_header_number(c->r, SLICE("Retry-After"), c->retry_after_s);
	gw_headers(c);
	gw_record_failure(c);
	// No refusal of ours once an upstream was asked; keys that do not open are a failure of ours.
	if (c->tries.n > 0 || c->task_id != NULL || e->code == ERR_SEALED)
		c->refused = REFUSED_NOT;
	else if (c->refused == REFUSED_NOT)
		c->refused = refusal_of(e->code);
	gw_account(c, status, e->code);
	if (!refusal) {
		req_fail(c->r, e);
		return;
	}
	struct str out = STR_INIT;
	gw_error_json(c, e, &out);
	req_reply_json(c->r, status, &out);
}

// ---- decisions: every one that failed or fell back is kept ----

void gw_record_failure(struct gw_call *c)
{
	struct gw_loop *gl = c->gl;
	if (c->kept || c->first == NULL)
		return;
	c->kept = true;
	decisions_record(gl->agent->decisions, c->id, c->r->snap, c->route, &c->first_ask, c->first,
		"live", c->wall_ms, c->decide_us, true);
	for (size_t i = 0; i < c->tries.n; i++)
		decisions_attempt(gl->agent->decisions, c->id, c->tries.v[i].target,
			c->tries.v[i].status, c->tries.v[i].code, c->tries.v[i].ms,
			c->tries.v[i].dropped);
	c->tries.decision = c->id;
}

// ---- events ----

// Names of members are literals: their lengths are known when this is compiled.
#define KEY(name) SLICE(",\"" name "\":")

// Inlined, so that the length of a key is known when this is compiled.
#define EACH static inline __attribute__((always_inline))

// A text between quotes that JSON writes as it is.
EACH void add_plain(struct str *s, struct slice key, const char *text, size_t n)
{
	str_reserve(s, key.n + n + 2);
	char *at = mempcpy(s->p + s->n, key.p, key.n);
	*at = '"';
	memcpy(mempcpy(at + 1, text, n), "\"", 2);
	s->n += key.n + n + 2;
}

EACH void add_text(struct str *s, struct slice key, const char *value)
{
	size_t n = strlen(value);
	if (LIKELY(utf8_plain_run(value, value + n) == value + n)) {
		add_plain(s, key, value, n);
		return;
	}
	str_add_slice(s, key);
	str_add_json(s, (struct slice){value, n});
}

// A text of ours: an id, or a word of a table.
EACH void add_word(struct str *s, struct slice key, const char *word)
{
	add_plain(s, key, word, strlen(word));
}

EACH void add_int(struct str *s, struct slice key, int64_t value)
{
	char buf[NUM_I64_TEXT] FILLED_LATER;
	const char *text = num_text(value, buf);
	size_t n = (size_t)(buf + sizeof(buf) - 1 - text);
	str_reserve(s, key.n + n);
	memcpy(mempcpy(s->p + s->n, key.p, key.n), text, n + 1);
	s->n += key.n + n;
}

// Milliseconds with the microseconds behind the point.
static void add_ms(struct str *s, struct slice key, int64_t us)
{
	us = MAX_OF(us, 0);
	const char rest[] = {'.', (char)('0' + us / 100 % 10), (char)('0' + us / 10 % 10),
		(char)('0' + us % 10)};
	add_int(s, key, us / 1000);
	str_add_n(s, rest, sizeof(rest));
}

static void add_attempts(struct str *s, const struct gw_told *t)
{
	str_add_slice(s, SLICE(",\"attempts\":["));
	for (size_t i = 0; i < t->tries_n && s->n < EVENT_JSON_MAX - 400; i++) {
		const struct attempt *try = &t->tries[i];
		if (i > 0)
			str_add_c(s, ',');
		add_text(s, SLICE("{\"target\":"), try->target);
		add_int(s, KEY("status"), try->status);
		add_int(s, KEY("ms"), try->ms);
		add_word(s, KEY("end"), try->end);
		str_add_c(s, '}');
	}
	str_add_c(s, ']');
}

// An unknown cost is no number.
static void add_money(struct str *s, const struct money *m)
{
	if (m->source == COST_UNKNOWN) {
		str_add_slice(s,
			SLICE(",\"cost\":{\"pico\":null,\"currency\":null,"
			      "\"source\":\"unknown\"}"));
		return;
	}
	add_int(s, SLICE(",\"cost\":{\"pico\":"), m->pico);
	add_text(s, KEY("currency"), m->currency);
	add_word(s, KEY("source"), cost_source_name(m->source));
	str_add_c(s, '}');
}

void gw_tell(struct agent *a, struct str *s, const struct gw_told *t)
{
	str_clear(s);
	add_word(s, SLICE("{\"id\":"), t->id);
	if (UNLIKELY(t->task != NULL))
		add_text(s, KEY("task"), t->task);
	add_text(s, KEY("client"), t->client->text);
	if (t->client_name != NULL && t->client_name[0] != '\0')
		add_text(s, KEY("client_name"), t->client_name);
	add_text(s, KEY("feature"), t->feature);
	add_word(s, KEY("endpoint"), t->endpoint);
	if (t->model != NULL)
		add_text(s, KEY("model"), t->model);
	str_add(s, t->stream ? ",\"stream\":true" : ",\"stream\":false");
	if (t->target != NULL)
		add_text(s, KEY("target"), t->target);
	add_int(s, KEY("status"), t->status);
	if (t->code != ERR_OK)
		add_word(s, KEY("code"), err_row(t->code)->code);
	if (t->ttfb_us > 0)
		add_ms(s, KEY("ttfb_ms"), t->ttfb_us);
	add_ms(s, KEY("total_ms"), t->total_us);
	if (t->tokens_in >= 0)
		add_int(s, KEY("tokens_in"), t->tokens_in);
	if (t->tokens_out >= 0)
		add_int(s, KEY("tokens_out"), t->tokens_out);
	add_word(s, KEY("tokens_source"), cost_source_name(t->tokens_source));
	if (UNLIKELY(t->absurd))
		str_add_slice(s, SLICE(",\"usage_absurd\":true"));
	add_money(s, &t->cost);
	add_int(s, KEY("bytes_in"), (int64_t)t->bytes_in);
	add_int(s, KEY("bytes_out"), (int64_t)t->bytes_out);
	if (t->decision != NULL)
		add_word(s, KEY("decision"), t->decision);
	if (UNLIKELY(t->limited_by != NULL))
		add_text(s, KEY("limited_by"), t->limited_by);
	if (t->reason != NULL)
		add_text(s, KEY("reason"), t->reason);
	add_attempts(s, t);
	str_add_c(s, '}');
	events_add(a->events, EVENT_TRAFFIC, str_slice(s));
}

static void tell(struct gw_call *c, int64_t total_us)
{
	bool absurd = usage_is_absurd(&c->usage);
	bool guessed = absurd ||
		c->usage_source == COST_UNKNOWN; // then the ledger's estimate is all there is
	bool decided = c->first != NULL || (c->task_id != NULL && c->id[0] != '\0');
	struct gw_told t = {.id = c->r->id,
		.task = c->task_id,
		.client = c->tries.ask.client,
		.client_name = c->tries.ask.client_name,
		.feature = c->feature->doc.name,
		.endpoint = c->r->ep->name,
		.model = c->in.model[0] != '\0' ? c->in.model : NULL,
		.target = c->tries.n > 0 ? c->tries.v[c->tries.n - 1].target : NULL,
		.decision = decided ? c->id : NULL,
		.limited_by = c->limited_by,
		.reason = c->reason,
		.tries = c->tries.v,
		.tries_n = c->tries.n,
		.status = c->status,
		.code = c->code,
		.stream = c->in.stream,
		.ttfb_us = c->ttfb_us,
		.total_us = total_us,
		.tokens_in = guessed ? c->tries.bill.spent.in : c->usage.in,
		.tokens_out = guessed ? c->tries.bill.spent.out : c->usage.out,
		.absurd = absurd,
		.tokens_source = guessed ? c->tries.bill.spent.source : c->usage_source,
		.cost = c->tries.bill.cost,
		.bytes_in = c->in.body.n,
		.bytes_out = c->bytes_out};
	gw_tell(c->gl->agent, &c->gl->event, &t);
}

void gw_candidate_event(const struct tries *t, const struct ending *e)
{
	static const char *const states[] = {
		[OUT_OK] = "recovered",
		[OUT_FAILED] = "breaker_open",
		[OUT_RATE_LIMITED] = "cooling",
		[OUT_BUSY] = "busy",
		[OUT_AUTH] = "invalid",
		[OUT_BILLING] = "no_quota",
		[OUT_REGION] = "region_denied",
		[OUT_MODEL_GONE] = "model_gone",
		[OUT_CLIENT] = "half_open",
	};
	const struct candidate *cand = t->cand;
	const struct key_obj *key = e->out == OUT_AUTH ? candidate_secret(cand) : cand->key;
	struct str *s = &t->gl->event;
	str_clear(s);
	str_add_slice(s, SLICE("{\"target\":"));
	str_add_json(s, slice_of(cand->name));
	if (key != NULL)
		add_text(s, KEY("key"), key->doc.id);
	add_text(s, KEY("feature"), t->feature->doc.name);
	add_text(s, KEY("state"), states[e->out]);
	add_int(s, KEY("status"), e->status);
	str_add_c(s, '}');
	events_add(t->gl->agent->events, key != NULL ? EVENT_KEY : EVENT_HEALTH, str_slice(s));
}

// ---- counters ----

// A stream that was not told to its end has sent about a token an event.
void gw_settle_usage(struct gw_call *c)
{
	if (c->send.stream)
		c->usage = c->chunks.usage;
	if (c->usage.in >= 0 || c->usage.out >= 0 || c->usage.images >= 0) {
		c->usage_source = COST_REPORTED;
	} else if (c->events > 0 && c->call->offer != OFFER_RESPONSES &&
		!usage_is_absurd(&c->usage)) {
		c->usage.out = c->events;
		c->usage_source = COST_COUNTED;
	}
}

bool gw_is_failure(int status, enum err_code code)
{
	return status >= 500 || status == 429 || code == ERR_STREAM_INTERRUPTED;
}

void gw_account(struct gw_call *c, int status, enum err_code code)
{
	int64_t total_us = loop_now_us(c->gl->loop) - c->r->start_us;
	if (c->over)
		return;
	c->over = true;
	c->status = status;
	c->code = code;
	gw_settle(c, code);
	metric_cell_add(c->cells->by_class[status / 100 >= 5 ? 5 : status / 100 >= 4 ? 4 : 2], 1);
	metric_cell_observe(c->cells->duration, (double)total_us / 1e6);
	if (c->ttfb_us > 0)
		metric_cell_observe(c->cells->ttfb, (double)c->ttfb_us / 1e6);
	if (c->usage.in > 0)
		metric_cell_add(c->cells->tokens_in, (double)c->usage.in);
	if (c->usage.out > 0)
		metric_cell_add(c->cells->tokens_out, (double)c->usage.out);
	struct history_request q = {.error = gw_is_failure(status, code),
		.broken = code == ERR_STREAM_INTERRUPTED,
		.fell_back = c->tries.n > 1,
		.latency_us = total_us,
		.tokens = MAX_OF(c->usage.in, 0) + MAX_OF(c->usage.out, 0)};
	c->r->told = true;
	if (UNLIKELY(c->refused != REFUSED_NOT)) { // told in groups, and without a latency
		req_refused(c->r,
			&(struct refused){.why = c->refused,
				.code = c->code,
				.status = c->status,
				.feature = c->feature->doc.name,
				.limited_by = c->limited_by,
				.decision = c->first != NULL ? c->id : NULL,
				.total_us = total_us});
		return;
	}
	if (LIKELY(!c->goes_on))
		history_count(c->gl->agent->history, slice_of(c->feature->doc.name), &q);
	tell(c, total_us);
}
