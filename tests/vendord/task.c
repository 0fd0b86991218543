// SPDX-License-Identifier: MIT
#include "tests/vendord/task.h"

#include <stdio.h>
#include <string.h>

#define POLLS_DEFAULT 2

static struct task ring[TASK_MAX];
static uint64_t made;

static void copy_span(char *to, size_t size, struct span from)
{
	if (from.len >= size)
		from.len = 0; // longer text might end inside an escape
	memcpy(to, from.len ? from.at : "", from.len);
	to[from.len] = '\0';
}

struct task *task_new(const struct call *call, struct span prompt, int64_t n)
{
	struct task *task = &ring[made++ % TASK_MAX];
	const struct fault *fault = &call->fault;

	*task = (struct task){.key = span_hash(call->key),
		.n = n,
		.fails = fault->task_fail >= 0,
		.partial = fault->task_partial >= 0,
		.polls_needed = fault->task_polls > 0 ? fault->task_polls : POLLS_DEFAULT};
	snprintf(task->id, sizeof task->id, "51300000-0000-4000-8000-%012llx",
		(unsigned long long)call->serial & 0xffffffffffffu);
	copy_span(task->prompt, sizeof task->prompt, prompt);
	copy_span(task->model, sizeof task->model, call_text(call, P_model));
	return task;
}

int64_t task_unfinished(const struct call *call)
{
	int64_t n = 0;

	for (size_t i = 0; i < TASK_MAX; i++)
		n += ring[i].id[0] && ring[i].key == span_hash(call->key) &&
			(ring[i].state == TASK_PENDING || ring[i].state == TASK_RUNNING);
	return n;
}

struct task *task_find(const struct call *call, struct span id)
{
	for (size_t i = 0; i < TASK_MAX; i++)
		if (ring[i].id[0] && span_is(id, ring[i].id))
			return ring[i].key == span_hash(call->key) ? &ring[i] : NULL;
	return NULL;
}

enum task_state task_poll(struct task *task)
{
	if (task->state != TASK_PENDING && task->state != TASK_RUNNING)
		return task->state;
	task->state = TASK_RUNNING;
	if (++task->polls >= task->polls_needed)
		task->state = task->fails ? TASK_FAILED : TASK_SUCCEEDED;
	return task->state;
}
