// SPDX-License-Identifier: MIT
// Work that a vendor finishes later. Progress is counted in polls, not in time.
#pragma once
#include "tests/vendord/call.h"

#define TASK_MAX 4096 // older ones are forgotten
#define TASK_PROMPT_MAX 400
#define TASK_MODEL_MAX 80

enum task_state { TASK_PENDING, TASK_RUNNING, TASK_SUCCEEDED, TASK_FAILED, TASK_CANCELED };

struct task {
	char id[37];
	uint64_t key;	      // hash of the key that submitted it
	char prompt[TASK_PROMPT_MAX], model[TASK_MODEL_MAX]; // raw JSON text
	int64_t n, polls, polls_needed;
	bool fails, partial, messages;
	enum task_state state;
};

// A new task; its fate comes from the call's fault. Valid until TASK_MAX more were made.
struct task *task_new(const struct call *call, struct span prompt, int64_t n);
// Unfinished tasks of the call's key.
int64_t task_unfinished(const struct call *call);
// NULL when it is unknown or was submitted with another key.
struct task *task_find(const struct call *call, struct span id);
// One poll: moves it on and returns its state.
enum task_state task_poll(struct task *task);
