// SPDX-License-Identifier: MIT
// The agent's parts as the sources that put it together see them; nobody else does.
#ifndef YJ_AGENT_PARTS_H
#define YJ_AGENT_PARTS_H

#include <pthread.h>
#include "agent/core/agent.h"
#include "agent/core/clock_watch.h"
#include "agent/core/loop.h"
#include "agent/handover/give.h"
#include "agent/handover/take.h"
#include "agent/web/listen.h"

#define TRAFFIC_MAX 16

struct lane { // a loop with its server; [0] is the control loop
	struct platform *platform;
	struct loop *loop;
	struct snapshots *snaps;
	int reader; // of snaps
	struct upstream_pool *upstream;
	struct web *web;
	pthread_t thread;
	bool running;
	_Atomic bool answered; // what it was asked last, see platform_lives
};

struct platform {
	struct agent agent;
	struct history_keep *keep;
	struct lane lanes[TRAFFIC_MAX + 1];
	size_t lanes_n;
	struct listening listening[SVC_COUNT];
	struct unix_listening unix_socket;
	struct listen_pool pool; // sockets that listen already
	struct taken taken; // from an agent before, until it has given its word
	struct serving *before; // that agent, until it has ended; NULL none
	struct give *give; // to the next one
	bool leaves; // it is being stopped, and waits for a successor,
	int64_t leave_us; // so long for each
	bool gone; // that one serves: files and names are its
	int64_t drain_s; // of this end
	int state_fd; // the hold on the state directory; -1: none
	struct loop_timer drain, usage;
	int64_t drain_until_us;
	bool passed; // who had a connection left
	bool cut; // who outlasted the drain was told
	struct clock_watch clock_watch;
	bool store_started, probes_started;
	bool asked; // its lanes, whether they live
};

#endif
