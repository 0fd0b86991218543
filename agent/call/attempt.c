// SPDX-License-Identifier: MIT
// What an attempt takes of its candidate and gives back: limits, both breakers, calls in flight;
// everybody who learns how it ended; and what its caller is told. One place for requests that are
// waited for and for image tasks, so that both treat a candidate alike.
#include "agent/call/attempt.h"

#include <string.h>
#include "agent/call/account.h"
#include "agent/call/book.h"
#include "agent/call/call.h"
#include "agent/call/cells.h"
#include "agent/call/secret.h"
#include "shared/text.h"

#define RETRY_MAX_S 60 // of a feature that is gone
#define RETRY_UNTOLD_S 5 // nobody can say when a candidate is back

// ---- its beginning ----

static void leave(struct live *l)
{
	atomic_fetch_sub_explicit(&l->inflight, 1, memory_order_relaxed);
}

void tries_decided(struct tries *t, const struct route *route, const struct decision *d)
{
	struct gw_loop *gl = t->gl;
	metric_cell_add(d->chosen >= 0 ? t->cells->chosen : t->cells->none, 1);
	for (size_t i = 0; i < d->n; i++) {
		enum skip s = d->v[i].skip;
		if (LIKELY(s == SKIP_NONE))
			continue;
		if (gl->skips[s] == NULL) {
			const char *const labels[] = {skip_name(s), NULL};
			gl->skips[s] = metric_cell(gl->agent->metrics, MET_SKIPS, labels);
		}
		metric_cell_add(gl->skips[s], 1);
	}
	if (d->chosen >= 0 && route->feature->doc.strategy == STRAT_ROUND_ROBIN)
		decide_turn(route);
}

bool attempt_take(struct tries *t, const struct candidate *cand, bool forced)
{
	int64_t now = loop_now_us(t->gl->loop), wall = loop_wall_ms(t->gl->loop);
	struct limit_hit hit;
	t->ask.no_least_bad |= forced;
	if (cand->key == NULL)
		atomic_fetch_add_explicit(&cand->live->inflight, 1, memory_order_relaxed);
	else if (!limits_take(&cand->key->limits, cand->live, t->ask.tokens, now, wall, &hit))
		return false;
	if (!forced && !attempt_may(cand, now)) {
		if (cand->key == NULL)
			leave(cand->live);
		else
			limits_undo(&cand->key->limits, cand->live, t->ask.tokens);
		return false;
	}
	t->cand = cand;
	t->unreachable = t->unsent = false;
	t->by = 0;
	t->begun_us = now;
	if (cand->pair != NULL && !t->lasting)
		atomic_fetch_add_explicit(&cand->pair->inflight, 1, memory_order_relaxed);
	atomic_store_explicit(&cand->live->last_used_wall_ms, wall, memory_order_relaxed);
	return true;
}

// ---- how it ended ----

struct ending attempt_failed(struct tries *t, enum up_end end, int status)
{
	// That this agent is full says nothing of the candidate.
	t->unsent = end == UP_NO_ROOM;
	t->unreachable = end == UP_CONNECT || end == UP_FORBIDDEN || end == UP_TIMEOUT_CONNECT ||
		end == UP_RESET || end == UP_DEAD;
	return (struct ending){.out = t->unsent ? OUT_CLIENT : OUT_FAILED,
		.status = status,
		.code = up_end_code(end),
		.end = end == UP_OK ? "bad_response" : up_end_name(end)};
}

// An instance has no account, and no key but its credential; without one it heals like any other
// failure.
static enum outcome outcome_at(const struct candidate *c, enum outcome out)
{
	if (c->key != NULL || out < OUT_AUTH || out > OUT_REGION)
		return out;
	return out == OUT_AUTH && c->credential != NULL ? OUT_AUTH : OUT_FAILED;
}

void attempt_read_error(struct tries *t, bool assumed, int status, struct slice body)
{
	const struct candidate *c = t->cand;
	const struct instance *in = c->key == NULL ? &c->instance->doc : NULL;
	struct slice secret = t->secret != NULL ? secret_bytes(&t->secret->key)
						: (struct slice){NULL, 0};
	struct adapter_error *e = &t->error;
	adapter_error_read_as(in != NULL ? (enum error_shape)in->quirks.error_shape : ERRORS_ANY,
		in != NULL ? in->engine : c->key->doc.vendor, status, body, secret, e);
	t->keyless = e->outcome == OUT_AUTH && in != NULL && c->grant == GRANT_NONE;
	e->outcome = outcome_at(c, e->outcome);
	if (assumed && status == 404) // it does not, which says nothing of what it has
		e->outcome = OUT_CLIENT;
	// A name that came from the caller may be wrong for this caller alone.
	if (e->outcome == OUT_MODEL_GONE && c->target->upstream_model == NULL) {
		e->outcome = OUT_CLIENT;
		if (!assumed && (in == NULL || in->models.n == 0))
			e->code = ERR_MODEL_NOT_FOUND;
	}
}

struct ending attempt_refused(struct tries *t, bool assumed, int status, struct slice retry_after,
	struct slice body)
{
	if (status != 0 && status < 400) // a redirect is never followed
		return attempt_failed(t, UP_OK, status);
	attempt_read_error(t, assumed, status, body);
	struct ending e = {.out = t->error.outcome,
		.status = status,
		.code = t->error.code,
		.end = status != 0 ? arena_printf(t->arena, "http_%d", status) : "error",
		.final = t->error.final};
	int64_t wall = loop_wall_ms(t->gl->loop), s = 0;
	if (e.out == OUT_BUSY)
		s = adapter_busy_s(retry_after, wall);
	if (e.out == OUT_RATE_LIMITED) {
		int64_t cap_s = t->feature != NULL ? t->feature->doc.retry.honour_retry_after_max_s
						   : RETRY_MAX_S;
		e.cooldown_us = adapter_retry_after_us(retry_after, wall, cap_s);
		s = adapter_retry_after_s(retry_after, wall, cap_s);
	}
	if (s > 0 && (t->retry_s == 0 || s < t->retry_s))
		t->retry_s = s;
	return e;
}

// ---- its end ----

// What the attempt used of its key's tokens: as reported, nothing when it failed or was refused, or
// -1 unknown.
static int64_t tokens_used(const struct adapter_usage *u, const struct ending *e)
{
	if (UNLIKELY(usage_is_absurd(u)))
		return -1;
	if (u->in >= 0 || u->out >= 0)
		return MAX_OF(u->in, 0) + MAX_OF(u->out, 0);
	return e->out == OUT_OK || (e->out == OUT_CLIENT && e->status < 400) ? -1 : 0;
}

// What attempt_take took, but for what was used.
static void give_back(struct tries *t, const struct ending *e, const struct booking *b)
{
	const struct candidate *c = t->cand;
	if (c->key == NULL)
		leave(c->live);
	else if (UNLIKELY(t->unsent))
		limits_undo(&c->key->limits, c->live, t->ask.tokens);
	else
		limits_release(&c->key->limits, c->live, t->ask.tokens,
			b != NULL && b->told != NULL ? tokens_used(b->told, e) : -1);
	if (c->pair != NULL)
		leave(c->pair);
}

void attempt_secret_drop(struct tries *t)
{
	if (t->secret != NULL)
		gw_secret_drop(t->gl, t->secret);
	t->secret = NULL;
}

static void note(struct tries *t, const struct ending *e, int64_t us)
{
	const char *name = t->cand->name;
	if (t->n < GW_ATTEMPTS_MAX)
		t->v[t->n++] = (struct attempt){
			.target = t->lasting ? arena_strdup(t->arena, name) : name,
			.end = e->end,
			.status = e->status,
			.code = e->code,
			.ms = us / 1000,
			.dropped = t->dropped};
	if (UNLIKELY(t->decision != NULL))
		decisions_attempt(t->gl->agent->decisions, t->decision, name, e->status, e->code,
			us / 1000, t->dropped);
}

void attempt_end(struct tries *t, const struct ending *e, const struct booking *b)
{
	if (t->cand == NULL)
		return;
	int64_t now = loop_now_us(t->gl->loop), us = now - t->begun_us;
	const struct attempt_end told = {.out = e->out,
		.unreachable = t->unreachable,
		.by = t->by,
		.status = e->status != 0 ? e->status : -(int)e->code,
		.now_us = now,
		.wall_ms = loop_wall_ms(t->gl->loop),
		.us = us,
		.cooldown_us = e->cooldown_us};
	// Of a feature that is gone no policy is known: what the vendor said of the key still counts.
	const struct breaker_policy p = t->feature != NULL ? attempt_policy(&t->feature->doc)
							   : (struct breaker_policy){0};
	if (!t->lasting)
		give_back(t, e, b);
	if (attempt_tell(t->cand, &p, &told) && t->feature != NULL)
		gw_candidate_event(t, e);
	if (b != NULL)
		attempt_book(t, b, e);
	gw_count_attempt(t->gl, t->cells, t->cand, e->out);
	note(t, e, us);
	if (t->lasting)
		return;
	attempt_secret_drop(t);
	t->cand = NULL;
}

void tries_unfit(struct tries *t, int i, const struct err *err)
{
	decide_unfit(&t->ask, i);
	if (t->unfit == NULL) {
		struct err *first = arena_alloc(t->arena, sizeof(*first));
		*first = *err;
		t->unfit = first;
	}
	if (t->ask.unfit_why == NULL)
		t->ask.unfit_why = arena_zalloc(t->arena, DECIDE_MAX, sizeof(char *));
	const char *why = err->field[0] != '\0' ? err->field : err->message,
		   *before = t->ask.unfit_why[i];
	if (before == NULL || strcmp(before, why) != 0) // a task may find it so again and again
		t->ask.unfit_why[i] = arena_strdup(t->arena, why);
}

bool tries_enough(const struct tries *t, const struct feature *f)
{
	return t->n > 0 && (int64_t)t->n >= MIN_OF(f->retry.max_attempts, GW_ATTEMPTS_MAX);
}

void attempts_copy(struct arena *a, const struct attempt *v, size_t n, struct attempt *ret)
{
	for (size_t i = 0; i < n; i++) {
		ret[i] = v[i];
		ret[i].target = arena_strdup(a, v[i].target);
		ret[i].end = arena_strdup(a, v[i].end);
		if (v[i].dropped != NULL)
			ret[i].dropped = arena_strdup(a, v[i].dropped);
	}
}

// ---- what is told ----

// Soonest end of a cooldown or of an open breaker.
static int64_t soonest_s(const struct decision *d, int64_t now_us)
{
	int64_t at = decide_retry_at_us(d);
	for (size_t i = 0; i < d->n; i++) {
		if (d->v[i].skip == SKIP_BREAKER_OPEN &&
			(at == FIELD_NONE || d->v[i].view.until_us < at))
			at = d->v[i].view.until_us;
	}
	return at == FIELD_NONE ? RETRY_UNTOLD_S : MAX_OF((at - now_us + 999999) / 1000000, 1);
}

// All that could be tried says the same of this request, and nothing of a failure.
static enum refusal refusal_by(const struct decision *d)
{
	static const uint8_t by_skip[SKIP_COUNT] = {[SKIP_RATE_LIMITED_RPM] = REFUSED_RPM,
		[SKIP_RATE_LIMITED_TPM] = REFUSED_TPM,
		[SKIP_CONCURRENCY_FULL] = REFUSED_CONCURRENCY,
		[SKIP_BUDGET_EXHAUSTED] = REFUSED_BUDGET,
		[SKIP_POLICY_DENIED] = REFUSED_POLICY};
	enum refusal why = REFUSED_NOT;
	if (d->feature_skip == SKIP_FEATURE_OFF)
		return REFUSED_FEATURE_OFF;
	for (size_t i = 0; i < d->n; i++) {
		enum skip s = d->v[i].skip;
		if (skip_is(s, SKIPS_WISH))
			continue;
		if (by_skip[s] == REFUSED_NOT)
			return REFUSED_NOT;
		if (why == REFUSED_NOT ||
			why == REFUSED_POLICY) // what a limit keeps back may be allowed
			why = (enum refusal)by_skip[s];
	}
	return why;
}

// Of everything that could be tried, all has spent its money.
static bool all_spent(const struct decision *d)
{
	size_t spent = 0;
	for (size_t i = 0; i < d->n; i++) {
		enum skip s = d->v[i].skip;
		spent += s == SKIP_BUDGET_EXHAUSTED;
		if (s != SKIP_BUDGET_EXHAUSTED && !skip_is(s, SKIPS_WISH))
			return false;
	}
	return spent > 0;
}

// Which candidates could be asked at all is the operator's; what they cannot do is the request's.
static bool all_lack(const struct decision *d)
{
	size_t lacking = 0;
	for (size_t i = 0; i < d->n; i++) {
		lacking += skip_is(d->v[i].skip, SKIPS_FIT);
		if (!skip_is(d->v[i].skip, SKIPS_FIT | SKIPS_WISH | SKIPS_PLAN))
			return false;
	}
	return lacking > 0;
}

// Which models there are to choose from.
static void tell_models(const struct candidate *c, struct err *err)
{
	const struct live_models *m = live_models(c->live);
	struct str names = STR_INIT;
	for (size_t i = 0; m != NULL && i < m->n && names.n < 160; i++)
		str_addf(&names, "%s%s", i > 0 ? ", " : "", m->v[i].name);
	for (size_t i = 0; i < c->instance->doc.models.n && names.n < 160; i++)
		str_addf(&names, "%s%s", i > 0 ? ", " : "", c->instance->doc.models.v[i]);
	err_field(err, ERR_MODEL_NOT_FOUND, "model",
		_("%s serves %s: say which it is to be asked for, in its target's upstream_model or its"
		  " instance's models"),
		c->name, str_text(&names));
	str_release(&names);
}

// The member, or the endpoint, that the first of them lacks.
static void tell_lack(const struct tries *t, const struct route *route, const struct decision *d,
	struct err *err)
{
	static const char *const members[NEED_COUNT] = {[NEED_TOOLS] = "tools",
		[NEED_STREAM] = "stream",
		[NEED_N] = "n",
		[NEED_FORMAT] = "response_format",
		[NEED_TOKENS] = "input"};
	if (t->unfit != NULL) {
		*err = *t->unfit;
		return;
	}
	size_t i = 0;
	while (i + 1 < d->n && !skip_is(d->v[i].skip, SKIPS_FIT))
		i++;
	unsigned lacks = route->v[i].lacks & t->ask.needs;
	if (d->v[i].skip == SKIP_SIZE_UNSUPPORTED)
		err_field(err, ERR_FIELD_RANGE, "size",
			_("no target of this feature makes pictures of this size"));
	else if (d->v[i].skip == SKIP_MODEL_UNKNOWN)
		tell_models(&route->v[i], err);
	else if ((lacks & 1u << NEED_TOKENS) != 0)
		err_field(err, ERR_FIELD_RANGE, "input",
			_("no target of this feature reads token numbers as OpenAI does: send texts (in"
			  " LangChain: check_embedding_ctx_length=False)"));
	else if (lacks != 0)
		err_field(err, ERR_FIELD_RANGE, members[__builtin_ctz(lacks)],
			_("no target of this feature can do this"));
	else
		err_field(err, ERR_FIELD_RANGE, "model",
			_("no target of this feature serves this endpoint"));
}

void untried_why(const struct tries *t, const struct route *route, const struct decision *d,
	struct tries_told *ret)
{
	*ret = (struct tries_told){.refused = refusal_by(d)};
	if (all_lack(d)) {
		ret->refused = REFUSED_REQUEST_INVALID;
		tell_lack(t, route, d, &ret->err);
		return;
	}
	ret->retry_s = soonest_s(d, loop_now_us(t->gl->loop));
	if (d->feature_skip == SKIP_FEATURE_OFF) {
		err_set(&ret->err, ERR_NO_HEALTHY_TARGET, _("this feature is switched off"));
	} else if (all_spent(d)) {
		ret->limited_by = "key:budget";
		err_set(&ret->err, ERR_BUDGET_EXCEEDED, "%s",
			_("the budgets of all usable vendor keys are used up (key:budget)"));
	} else {
		err_set(&ret->err, decide_refusal(route, d), NULL);
	}
}

// The code all attempts share, when it says something of its own to the caller.
static enum err_code common_code(const struct tries *t)
{
	enum err_code code = t->n > 0 ? t->v[0].code : ERR_OK;
	for (size_t i = 1; i < t->n; i++) {
		enum err_code other = t->v[i].code;
		bool no_room = (other == ERR_UPSTREAM_BUSY || other == ERR_UPSTREAM_RATE_LIMITED) &&
			(code == ERR_UPSTREAM_BUSY || code == ERR_UPSTREAM_RATE_LIMITED);
		if (other != code && !no_room)
			return ERR_ALL_UPSTREAMS_FAILED;
		if (other != code) // some limited, some busy: the shorter wait
			code = ERR_UPSTREAM_BUSY;
	}
	switch (code) {
	case ERR_UPSTREAM_RATE_LIMITED:
	case ERR_UPSTREAM_BUSY:
	case ERR_UPSTREAM_AUTH_FAILED:
	case ERR_UPSTREAM_BILLING:
	case ERR_UPSTREAM_TIMEOUT:
	case ERR_UPSTREAM_BAD_RESPONSE:
	case ERR_UPSTREAM_TOO_LARGE:
	case ERR_UPSTREAM_REJECTED:
	case ERR_CONTEXT_LENGTH:
	case ERR_MODEL_NOT_FOUND:
	case ERR_OVERLOADED:
	case ERR_SEALED:
	case ERR_SECRET_CORRUPT:
		return code;
	default:
		return ERR_ALL_UPSTREAMS_FAILED;
	}
}

// What only the last of them knows beside the code they share.
static void tell_last(const struct tries *t, enum err_code code, struct err *err)
{
	const char *target = t->v[t->n - 1].target;
	if (code == ERR_MODEL_NOT_FOUND) {
		err_field(err, code, "model",
			_("%s has no model of this name: say which it is to be asked for, in its"
			  " target's upstream_model or its instance's models"),
			target);
	} else if (code == ERR_UPSTREAM_AUTH_FAILED && t->keyless) {
		err_set(err, code,
			_("%s asks for a credential and is registered without one: say --auth bearer"
			  " --auth-key ENGINE/local/NAME"),
			target);
	} else {
		bool said = code == ERR_UPSTREAM_REJECTED || code == ERR_CONTEXT_LENGTH;
		err_set(err, code, said && t->error.message[0] != '\0' ? "%s" : NULL,
			t->error.message);
	}
}

void tries_why(const struct tries *t, struct tries_told *ret)
{
	enum err_code code = common_code(t);
	*ret = (struct tries_told){0};
	if (code != ERR_ALL_UPSTREAMS_FAILED) {
		tell_last(t, code, &ret->err);
	} else {
		struct str text = STR_INIT;
		str_addf(&text, "%s:", _("every attempted upstream failed"));
		for (size_t i = 0; i < t->n; i++)
			str_addf(&text, "%s %s %s", i > 0 ? "," : "", t->v[i].target, t->v[i].end);
		err_set(&ret->err, code, "%s", str_text(&text));
		str_release(&text);
	}
	if (code == ERR_UPSTREAM_RATE_LIMITED || code == ERR_UPSTREAM_BUSY)
		ret->retry_s = MAX_OF(t->retry_s, 1);
	if (code == ERR_OVERLOADED)
		ret->retry_s = 1;
}
