// SPDX-License-Identifier: MIT
// Health checks of registered instances, on the control loop. Without ttl_s an instance lives by
// its probes: `rise` good ones in a row make it passing, `fall` bad ones critical. With ttl_s it
// lives by its heartbeats. A good probe is followed, now and then, by a look at what it serves and,
// where the engine has a gauge for it, at its metrics for the length of its queue. An instance that asks for a credential is shown it, and a
// look where anybody is let in is followed by one where nobody else is: a refusal is a warning, and puts
// the key out. Of a probe itself the body is never read; redirects are not followed.
#ifndef YJ_AGENT_MONITOR_PROBE_H
#define YJ_AGENT_MONITOR_PROBE_H

#include "agent/state/publish.h"
#include "agent/upstream/upstream.h"

#define PROBE_INSTANCES_MAX 4096 // beyond it instances are not probed and stay unknown
#define PROBE_INFLIGHT_MAX 64
#define PROBE_DOUBTFUL_MAX 32 // of them, for instances that did not answer so far
#define PROBE_INTERVAL_S 10 // when the instance says none
#define PROBE_TIMEOUT_MS 2000
#define PROBE_FALL 3
#define PROBE_RISE 2
#define PROBE_JITTER 5 // each wait is shortened by up to a fifth

// What the floors above do about what is seen; called on the control loop.
struct probe_hooks {
	// Opens a key for the length of an exchange.
	enum err_code (*open)(void *arg, const struct key_obj *key, struct secret *ret,
		struct err *err);
	void (*changed)(void *arg, const struct instance_obj *in, enum health before,
		enum health now, const char *why);
	void (*probed)(void *arg, bool ok);
	void (*left)(void *arg, const char *service, const char *id);
	void *arg;
};

struct probes;

struct probes *probes_new(struct loop *control, struct snapshots *snaps,
	const struct probe_hooks *hooks);
// Looks at the snapshot's instances from now on. Control loop.
void probes_start(struct probes *p);
void probes_stop(struct probes *p); // aborts what is out
void probes_free(struct probes *p);
// Looks at the snapshot soon: an instance was registered or changed. Any loop.
void probes_wake(struct probes *p);
// A heartbeat came: touches the live record alone. Any loop; the change of health is told when the
// control loop looks next.
void probe_beat(struct live *l, int64_t now_us);

struct probe_result {
	bool ok;
	int status; // 0: no answer
	enum err_code code; // ERR_OK, or why not
	int64_t us;
	char detail[120];
};
// Probes now, whatever the schedule, and counts the result; done runs once, on the loop `l` that
// asks. res->code is ERR_NOT_FOUND when there is no such instance (any more), ERR_OVERLOADED when
// PROBE_INFLIGHT_MAX are out.
void probe_now(struct probes *p, struct loop *l, struct slice service, struct slice id,
	void (*done)(void *arg, const struct probe_result *res), void *arg);

#endif
