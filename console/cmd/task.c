// SPDX-License-Identifier: MIT
// task: the image tasks of the gateway, seen and stopped by operators.
#include "console/cmd/task.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "console/cmd/show.h"
#include "shared/clock.h"
#include "shared/num.h"
#include "shared/text.h"

#define WAIT_LOOK_MS 500

enum err_code cmd_task_list(struct cmd *c)
{
	struct client_call call = {.ep = EP_TASK_LIST};
	struct str q = STR_INIT;
	cmd_query(&q, "limit", cmd_opt(c, COPT_LIMIT));
	cmd_query(&q, "feature", cmd_opt(c, COPT_FEATURE));
	cmd_query(&q, "state", cmd_opt(c, COPT_STATE));
	call.query = str_text(&q);
	enum err_code code = cmd_call_list(c, &call);
	str_release(&q);
	return code;
}

enum err_code cmd_task_get(struct cmd *c)
{
	struct client_call call = {.ep = EP_TASK_GET, .param = {c->arg[0]}};
	return cmd_call_show(c, &call);
}

static enum err_code cancel_one(struct cmd *c, const char *id)
{
	struct client_call call = {.ep = EP_TASK_CANCEL, .param = {id}};
	struct client_answer a;
	enum err_code code = cmd_call(c, &call, &a);
	return code
		? code
		: cmd_done(c, id, "canceled", arena_printf(&c->arena, _("task %s canceled"), id));
}

enum err_code cmd_task_cancel(struct cmd *c)
{
	return cmd_each(c, 0, cancel_one);
}

static bool goes_on(const char *state)
{
	return strcmp(state, "queued") == 0 || strcmp(state, "submitting") == 0 ||
		strcmp(state, "running") == 0;
}

enum err_code cmd_task_wait(struct cmd *c)
{
	struct client_call call = {.ep = EP_TASK_GET, .param = {c->arg[0]}};
	const char *within = cmd_opt(c, COPT_WITHIN);
	char told[24] = "";
	int64_t within_ms = 0, began_us = clock_mono_us();
	if (within != NULL && (!num_duration_ms(slice_of(within), &within_ms) || within_ms < 1))
		return err_set(&c->err, ERR_USAGE, _("--within is not a duration such as 5m"));
	struct client_answer a;
	enum err_code code;
	for (;;) {

		code = cmd_call(c, &call, &a);
		if (code)
			return code;
		const char *state = jx_str(jx_get(a.doc, "state"), "");
		if (!goes_on(state))
			break;
		if (strcmp(state, told) != 0)
			cmd_notef(c, "%s", state);
		snprintf(told, sizeof(told), "%s", state);
		if (*c->io->interrupted)
			return err_set(&c->err, ERR_REFUSED, _("interrupted; the task goes on"));
		if (within != NULL && clock_mono_us() - began_us >= within_ms * 1000)
			return err_set(&c->err, ERR_TIMED_OUT,
				_("it is still %s; the task goes on"), state);
		poll(NULL, 0, WAIT_LOOK_MS);
	}
	code = cmd_show(c, &a);
	if (!code && strcmp(jx_str(jx_get(a.doc, "state"), ""), "succeeded") != 0)
		code = err_set(&c->err, ERR_VENDOR_FAILED, _("the task has no pictures: %s"),
			jx_str(jx_get(a.doc, "state"), "?"));
	return code;
}
