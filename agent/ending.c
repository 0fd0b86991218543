// SPDX-License-Identifier: MIT
// The drain: who came in time is answered, who outlasts it is told, and then the loop stops.
#include "agent/ending.h"

#include "agent/parts.h"
#include "agent/tasks/tasks.h"
#include "agent/web/pass.h"
#include "agent/web/server.h"

#define DRAIN_LOOK_US 20000
#define CUT_US 500000

static void quiesce(void *arg)
{
	web_quiesce(arg);
}

static void cut(void *arg)
{
	web_cut(arg);
}

static void pass_idle(void *arg)
{
	web_pass_idle(arg);
}

static void drain_look(void *arg)
{
	struct platform *p = arg;
	size_t open = 0;
	for (size_t i = 0; i < p->lanes_n; i++)
		open += web_open_requests(p->lanes[i].web);
	size_t submits = tasks_submitting(p->agent.tasks);
	open += submits; // cut off, nobody could tell their outcome
	if (open && loop_now_us(p->agent.control) < p->drain_until_us) {
		loop_timer_set(p->agent.control, &p->drain, DRAIN_LOOK_US, drain_look, p);
		return;
	}
	if (open && !p->cut) { // the time it takes to say so
		p->cut = true;
		p->drain_until_us = loop_now_us(p->agent.control) + CUT_US;
		for (size_t i = 0; i < p->lanes_n; i++)
			loop_post(p->lanes[i].loop, cut, p->lanes[i].web);
		loop_timer_set(p->agent.control, &p->drain, DRAIN_LOOK_US, drain_look, p);
		return;
	}
	// The successor waits for the ends of submits, which have limits of their own; and who kept its
	// connection meanwhile keeps it.
	bool idle = p->gone && submits == 0 && !p->passed;
	for (size_t i = 0; idle && i < p->lanes_n; i++)
		loop_post(p->lanes[i].loop, pass_idle, p->lanes[i].web);
	p->passed |= idle;
	if (idle || (p->gone && submits > 0))
		loop_timer_set(p->agent.control, &p->drain, DRAIN_LOOK_US, drain_look, p);
	else
		loop_stop(p->agent.control);
}

void platform_drain(struct platform *p, int64_t drain_s)
{
	if (p->agent.draining) {
		loop_stop(p->agent.control);
		return;
	}
	p->agent.draining = true;
	p->drain_until_us = loop_now_us(p->agent.control) + drain_s * 1000000;
	for (size_t i = 0; i < p->lanes_n; i++)
		loop_post(p->lanes[i].loop, quiesce, p->lanes[i].web);
	loop_timer_set(p->agent.control, &p->drain, DRAIN_LOOK_US, drain_look, p);
}
