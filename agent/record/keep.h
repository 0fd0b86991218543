// SPDX-License-Identifier: MIT
// The agent's figures across restarts. Each minute the steps that closed are appended to the
// database as one small chunk (24 bytes a step and feature), so that what is written does not grow
// with what is kept, as a file written anew each minute would; a crash loses a minute at most. At
// the start the chunks are read back to their places by wall time: the time away is a gap. Where
// the clock was set back, the newest chunk is taken to have just ended.
#ifndef YJ_AGENT_RECORD_KEEP_H
#define YJ_AGENT_RECORD_KEEP_H

#include "agent/record/history.h"
#include "agent/store/store.h"

struct history_keep;

// Restores, before store_start and before the history's first sample.
struct history_keep *history_keep_new(struct history *h, struct store *st, int64_t now_wall_ms);
void history_keep_start(struct history_keep *k, struct loop *l);
void history_keep_now(struct history_keep *k); // once more
// Hands what is left to the store; no loop runs any more, store_stop comes next.
void history_keep_stop(struct history_keep *k);
void history_keep_free(struct history_keep *k);

#endif
