// SPDX-License-Identifier: MIT
#include "tests/vendord/play.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

// One turn sends at most this much, so that a flood leaves the loop to others.
#define PLAY_TURN_MAX (4 << 20)
#define DRIP_TICK_MS 20

void play_release(struct play *play)
{
	buf_release(&play->out);
	free(play->steps);
	*play = (struct play){0};
}

void play_clear(struct play *play)
{
	play->out.len = 0;
	play->step_n = play->step = play->marked = play->from = play->sent = 0;
	play->done = play->drip_bps = 0;
	play->waited = false;
	play->end = END_KEEP;
}

void play_mark(struct play *play, int64_t times, int wait_ms, bool slow)
{
	if (play->step_n == play->step_cap) {
		play->step_cap = play->step_cap ? play->step_cap * 2 : 8;
		play->steps = realloc(play->steps, play->step_cap * sizeof *play->steps);
		if (!play->steps)
			abort();
	}
	play->steps[play->step_n++] = (struct play_step){.len = play->out.len - play->marked,
		.times = times,
		.wait_ms = wait_ms,
		.slow = slow};
	play->marked = play->out.len;
}

void play_cut(struct play *play, size_t first, size_t piece)
{
	size_t len = play->out.len, at = first;

	play->step_n = play->marked = 0;
	for (; at > 0 && at < len; at += piece) {
		play->out.len = at;
		play_mark(play, 1, play->marked ? 1 : 0, false);
	}
	play->out.len = len;
	play_mark(play, 1, play->marked ? 1 : 0, false);
}

// How much may go now, and how long to wait behind it.
static size_t share_of(const struct play *play, const struct play_step *step, int *ret_wait_ms)
{
	size_t left = step->len - play->sent;

	*ret_wait_ms = 0;
	if (!step->slow || play->drip_bps <= 0)
		return left;
	size_t most = (size_t)(play->drip_bps * DRIP_TICK_MS / 1000);
	if (most == 0)
		most = 1;
	*ret_wait_ms = (int)((int64_t)most * 1000 / play->drip_bps);
	return left < most ? left : most;
}

// One send is over: on to the next time or the next step.
static void play_advance(struct play *play, const struct play_step *step)
{
	play->sent = 0;
	play->waited = false;
	play->done++;
	if (step->times < 0 || play->done < step->times)
		return;
	play->done = 0;
	play->from += step->len;
	play->step++;
}

enum play_state play_run(struct play *play, int fd, int *ret_wait_ms, uint64_t *sent)
{
	size_t turn = 0;

	while (play->step < play->step_n) {
		const struct play_step *step = &play->steps[play->step];
		if (step->wait_ms > 0 && play->sent == 0 && !play->waited) {
			play->waited = true;
			*ret_wait_ms = step->wait_ms;
			return PLAY_WAIT;
		}
		size_t len = share_of(play, step, ret_wait_ms);
		const char *at = play->out.data + play->from + play->sent;
		ssize_t n = len == 0 ? 0 : send(fd, at, len, MSG_NOSIGNAL);
		if (n < 0)
			return errno == EAGAIN || errno == EINTR ? PLAY_BLOCKED : PLAY_GONE;
		play->sent += (size_t)n;
		*sent += (uint64_t)n;
		turn += (size_t)n;
		if (play->sent == step->len)
			play_advance(play, step);
		if (*ret_wait_ms > 0)
			return PLAY_WAIT;
		if (turn > PLAY_TURN_MAX)
			return PLAY_BLOCKED;
	}
	return PLAY_DONE;
}
