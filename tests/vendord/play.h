// SPDX-License-Identifier: MIT
// What a connection sends, byte for byte: steps of bytes with waits between them, and one end.
#pragma once
#include "tests/vendord/buf.h"

enum play_end { END_KEEP, END_CLOSE, END_RESET, END_HANG };
enum play_state { PLAY_DONE, PLAY_BLOCKED, PLAY_WAIT, PLAY_GONE };

struct play_step {
	size_t len;    // bytes of `out`
	int64_t times; // -1: for ever
	int wait_ms;   // before each time
	bool slow;	   // at drip_bps
};

struct play {
	struct buf out;
	struct play_step *steps;
	size_t step_n, step_cap;
	size_t marked;    // bytes of `out` that belong to steps
	size_t step, from; // being sent, and where its bytes start
	size_t sent;    // of this time
	int64_t done;    // times this step was sent
	bool waited;    // the wait before this time is over
	int64_t drip_bps;  // 0: as fast as it goes
	enum play_end end;
};

void play_release(struct play *play);
// Ready for the next answer; keeps its memory.
void play_clear(struct play *play);
// Makes what was added to `out` since the last mark one step.
void play_mark(struct play *play, int64_t times, int wait_ms, bool slow);
// What was composed, in writes of `first` bytes, then of `piece` each, with a moment between them.
void play_cut(struct play *play, size_t first, size_t piece);
// Sends until done, blocked, gone, or *ret_wait_ms must pass. *sent grows by the bytes sent.
enum play_state play_run(struct play *play, int fd, int *ret_wait_ms, uint64_t *sent);
