// SPDX-License-Identifier: MIT
// The stream of events as an alarm clock: what it says is not read, only that it said something.
#include "console/cmd/wake.h"

#include <poll.h>
#include <string.h>

#include "shared/clock.h"
#include "shared/text.h"

struct sleeper {
	struct cmd *c;
	const struct wake *w;
	int64_t looked_ms;
	bool dirty, done;
	bool connected; // by this stream something came
	enum err_code code; // of a look
};

static int64_t now_ms(void)
{
	return clock_mono_us() / 1000;
}

// Errors of a call that another call may not have.
static bool is_away(enum err_code code)
{
	return code == ERR_UNREACHABLE || code == ERR_TIMED_OUT || code == ERR_NOT_AN_AGENT ||
		code == ERR_OVERLOADED || code == ERR_DRAINING || code == ERR_INTERNAL;
}

static void look(struct sleeper *s)
{
	s->dirty = false;
	s->looked_ms = now_ms();
	s->code = s->w->look(s->w->arg, &s->done);
}

static bool on_bytes(void *arg, struct slice bytes)
{
	struct sleeper *s = arg;
	(void)bytes;
	s->dirty = s->connected = true;
	return true;
}

static bool is_over(const struct sleeper *s)
{
	return s->done || s->code || *s->c->io->interrupted ||
		(s->w->until_ms > 0 && now_ms() >= s->w->until_ms);
}

static bool on_wait(void *arg, int64_t waited_ms)
{
	struct sleeper *s = arg;
	int64_t since = now_ms() - s->looked_ms;
	(void)waited_ms;
	if (s->w->tick != NULL)
		s->w->tick(s->w->arg);
	if ((s->dirty && since >= s->w->gap_ms) || since >= WAKE_QUIET_MS)
		look(s);
	return !is_over(s);
}

// One stream, until it ends or there is nothing more to wait for.
static enum err_code listen(struct sleeper *s)
{
	struct client_call call = {.ep = EP_EVENTS,
		.on_data = on_bytes,
		.arg = s,
		.timeout_ms = -1,
		.on_wait = on_wait,
		.wait_arg = s};
	struct str q = STR_INIT;
	struct client_answer a;
	cmd_query(&q, "stream", "true");
	cmd_query(&q, "kinds", s->w->kinds);
	call.query = str_text(&q);
	s->dirty = true; // what happened between the look and the stream
	s->connected = false;
	enum err_code code = cmd_call(s->c, &call, &a);
	str_release(&q);
	return code;
}

static void rest(struct sleeper *s, int64_t ms)
{
	int64_t end = now_ms() + ms;
	while (now_ms() < end && !is_over(s)) {
		poll(NULL, 0, (int)MIN_OF(end - now_ms(), 100));
		if (s->w->tick != NULL)
			s->w->tick(s->w->arg);
	}
}

enum err_code wake_run(struct cmd *c, const struct wake *w)
{
	struct sleeper s = {.c = c, .w = w};
	int64_t again_ms = WAKE_AGAIN_MIN_MS;
	look(&s);
	if (s.code) // away from the start is its error
		return s.code;
	while (!is_over(&s)) {
		enum err_code code = listen(&s);
		if (code && !is_away(code))
			return code;
		if (s.code && !is_away(s.code))
			return s.code;
		bool lost = code || s.code;
		s.code = ERR_OK;
		if (is_over(&s))
			break;
		again_ms = s.connected ? WAKE_AGAIN_MIN_MS : again_ms;
		cmd_notef(c, _("the agent is away (%s): called again in %.1f s"),
			lost ? c->err.message : _("it ended the stream"), (double)again_ms / 1000);
		rest(&s, again_ms);
		again_ms = MIN_OF(again_ms * 2, WAKE_AGAIN_MAX_MS);
	}
	if (s.done)
		return ERR_OK;
	if (*c->io->interrupted)
		return err_set(&c->err, ERR_REFUSED, "%s", _("interrupted"));
	return err_set(&c->err, ERR_TIMED_OUT, NULL);
}
