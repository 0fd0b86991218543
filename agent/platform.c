// SPDX-License-Identifier: MIT
// Builds the parts in the order they need each other, connects them, runs a thread per loop, and
// takes everything down in reverse.
#include "agent/platform.h"

#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include "agent/store/db.h"
#include "agent/record/decisions.h"
#include "agent/api/callers.h"
#include "agent/web/cors.h"
#include "agent/web/denials.h"
#include "agent/web/keyless.h"
#include "agent/web/refusals.h"
#include "agent/web/server.h"
#include "agent/monitor/alerts.h"
#include "agent/call/loop.h"
#include "agent/handlers.h"
#include "agent/parts.h"
#include "agent/succession.h"
#include "agent/record/history.h"
#include "agent/monitor/departed.h"
#include "agent/record/keep.h"
#include "agent/monitor/keyhealth.h"
#include "agent/record/ledger.h"
#include "agent/web/listen.h"
#include "agent/monitor/outages.h"
#include "agent/web/overload.h"
#include "agent/web/peer.h"
#include "agent/web/tls.h"
#include "agent/api/services.h"
#include "agent/state_dir.h"
#include "agent/tasks/away.h"
#include "agent/tasks/tasks.h"
#include "agent/core/events.h"
#include "shared/clock.h"
#include "shared/jw.h"
#include "shared/mem.h"
#include "shared/text.h"

#define TRAFFIC_AUTO_MAX 8
_Static_assert(TRAFFIC_MAX + 1 <= SNAPSHOT_READERS_MAX, "every lane reads snapshots");
#define THREAD_STACK (256 * 1024)
#define EXIT_INTERNAL 70
#define EXIT_HELD 75
#define EXIT_SETTINGS 78

// ---- parts ----

// One loop carries tens of thousands of requests a second, and each further one that wakes for little
// costs the machine a switch: the other processors are for the store and the engines.
static int traffic_loops(const struct settings *s)
{
	if (s->traffic_loops)
		return (int)s->traffic_loops;
	cpu_set_t set;
	int n = sched_getaffinity(0, sizeof(set), &set) == 0 ? CPU_COUNT(&set) : 1;
	return MIN_OF(MAX_OF((n + 1) / 2, 1), TRAFFIC_AUTO_MAX);
}

static enum err_code bind_all(struct platform *p, struct err *err)
{
	const struct settings *s = p->agent.settings;
	for (int i = 0; i < SVC_COUNT; i++) {
		struct listening *l = &p->listening[i];
		enum err_code code = listen_open(s->listen[i], s->listen_n[i], (enum service_id)i,
			&p->pool, l, err);
		if (code)
			return code;
		p->agent.ports[i] = l->port;
		p->agent.only_ipv6[i] = !l->has_ipv4;
		for (size_t k = 0; k < l->missing_n; k++)
			log_line(LOG_LVL_WARN, "address_missing", "service",
				service_row((enum service_id)i)->name, "address", l->missing[k],
				"detail", "this host does not have it: left out", NULL);
	}
	return ERR_OK;
}

// Somebody else's live socket is an error; a path where none can be made is not: the ports serve.
static enum err_code bind_unix(struct platform *p, bool *ret_held, struct err *err)
{
	const char *path = p->agent.settings->socket_path;
	*ret_held = false;
	if (!strcmp(path, "none"))
		return ERR_OK;
	if (p->taken.unix_fd >= 0 &&
		listen_unix_again(path, p->taken.unix_fd, &p->unix_socket) == ERR_OK) {
		p->taken.unix_fd = -1;
		return ERR_OK;
	}
	enum err_code code = listen_unix(path, p->agent.settings->state_dir, &p->unix_socket,
		ret_held, err);
	if (!code || *ret_held)
		return code;
	log_line(LOG_LVL_WARN, "no_socket", "detail", err->message, NULL);
	return ERR_OK;
}

static void lane_offline(void *arg)
{
	struct lane *lane = arg;
	snapshots_offline(lane->snaps, lane->reader);
}

static void lane_online(void *arg)
{
	struct lane *lane = arg;
	snapshots_online(lane->snaps, lane->reader);
}

static enum err_code lane_new(struct platform *p, const char *name, struct err *err)
{
	struct lane *lane = &p->lanes[p->lanes_n++];
	lane->platform = p;
	lane->snaps = p->agent.snaps;
	lane->reader = snapshots_join(lane->snaps);
	lane->loop = loop_new(name, &(struct loop_hooks){lane_offline, lane_online, lane});
	if (lane->loop == NULL)
		return err_set(err, ERR_INTERNAL, _("cannot make an event loop: %s"),
			strerror(errno));
	lane->upstream = upstream_pool_new(lane->loop, p->agent.settings);
	if (lane->upstream == NULL)
		return err_set(err, ERR_INTERNAL, _("cannot set up upstream connections"));
	upstream_own_ports(lane->upstream, p->agent.ports);
	loop_set_upstream(lane->loop, lane->upstream);
	lane->web = web_new(&p->agent, lane->loop, handlers_all(), err);
	return lane->web != NULL ? ERR_OK : err->code;
}

static enum err_code lanes_new(struct platform *p, struct err *err)
{
	int n = traffic_loops(p->agent.settings);
	enum err_code code = lane_new(p, "control", err);
	for (int i = 0; i < n && !code; i++)
		code = lane_new(p, "traffic", err);
	p->agent.control = p->lanes[0].loop;
	return code;
}

static enum err_code serve_all(struct platform *p, struct err *err)
{
	size_t max = (size_t)p->agent.settings->connections_max;
	size_t traffic = p->lanes_n - 1, per_loop = (max + traffic - 1) / traffic;
	enum err_code code = ERR_OK;
	for (int svc = 0; svc < SVC_COUNT && !code; svc++) {
		const struct listening *l = &p->listening[svc];
		bool gateway = svc == SVC_API_GATEWAY;
		for (size_t a = 0; a < l->n && !code; a++)
			for (size_t i = gateway ? 1 : 0; i < (gateway ? p->lanes_n : 1) && !code;
				i++)
				code = web_serve(p->lanes[i].web, (enum service_id)svc, l->fd[a],
					gateway ? per_loop : max);
	}
	if (!code && p->unix_socket.fd >= 0)
		code = web_serve(p->lanes[1].web, SVC_API_GATEWAY, p->unix_socket.fd, per_loop);
	return code ? err_set(err, code, _("cannot serve a listening socket")) : ERR_OK;
}

// ---- threads ----

static void *lane_run(void *arg)
{
	struct lane *lane = arg;
	char name[16]; // as "top -H" shows it
	snprintf(name, sizeof(name), "traffic-%d", (int)(lane - lane->platform->lanes));
	pthread_setname_np(pthread_self(), name);
	loop_run(lane->loop);
	return NULL;
}

static enum err_code threads_start(struct platform *p, struct err *err)
{
	pthread_attr_t attr;
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, THREAD_STACK);
	enum err_code code = ERR_OK;
	for (size_t i = 1; i < p->lanes_n && !code; i++) {
		int rc = pthread_create(&p->lanes[i].thread, &attr, lane_run, &p->lanes[i]);
		p->lanes[i].running = rc == 0;
		if (rc)
			code = err_set(err, ERR_INTERNAL, _("cannot start a thread: %s"),
				strerror(rc));
	}
	pthread_attr_destroy(&attr);
	return code;
}

// ---- what is told to the outside ----

static void ports_path(const struct platform *p, char *buf, size_t size, const char *suffix)
{
	snprintf(buf, size, "%s/ports.json%s", p->agent.settings->state_dir, suffix);
}

static void ports_write(const struct platform *p)
{
	struct str out = STR_INIT;
	struct jw w = jw_to(&out);
	jw_obj(&w, NULL);
	for (int i = 0; i < SVC_COUNT; i++) {
		const struct listening *l = &p->listening[i];
		jw_arr(&w, service_row((enum service_id)i)->name);
		for (size_t a = 0; a < l->named; a++)
			jw_str(&w, NULL, l->text[a]);
		jw_arr_end(&w);
	}
	jw_obj_end(&w);
	str_add_c(&out, '\n');
	char path[4096];
	ports_path(p, path, sizeof(path), "");
	char fresh[4096];
	ports_path(p, fresh, sizeof(fresh), ".new");
	FILE *f = fopen(fresh, "we");
	bool ok = f != NULL && fwrite(out.p, 1, out.n, f) == out.n;
	if (f != NULL)
		ok = fclose(f) == 0 && ok;
	if (!ok || rename(fresh, path) < 0) {
		log_line(LOG_LVL_WARN, "ports_not_written", "detail", strerror(errno), NULL);
		unlink(fresh);
		unlink(path); // those of an earlier start would lead nowhere
	}
	str_release(&out);
}

// ---- the certificate ----

static void tls_log(struct platform *p)
{
	struct tls_seen seen;
	char at[CLOCK_TEXT_MAX];
	if (p->agent.tls == NULL)
		return;
	tls_port_look(p->agent.tls, clock_wall_ms(), &seen);
	log_line(seen.good ? LOG_LVL_INFO : LOG_LVL_WARN, "tls_certificate", "subject",
		seen.subject, "expires_at", clock_rfc3339(seen.expires_wall_ms, at), "pin",
		seen.pin, "detail", seen.good ? NULL : seen.why, NULL);
}

static void tls_event(struct platform *p, const struct err *err)
{
	struct tls_seen seen;
	struct str out = STR_INIT;
	struct jw w = jw_to(&out);
	tls_port_look(p->agent.tls, clock_wall_ms(), &seen);
	jw_obj(&w, NULL);
	jw_str(&w, "action", err->code ? "certificate.refuse" : "certificate.reload");
	jw_str(&w, "object", seen.subject);
	jw_str(&w, "actor", "system");
	jw_time(&w, "expires_at", seen.expires_wall_ms);
	if (err->code)
		jw_str(&w, "why", err->message);
	jw_obj_end(&w);
	events_add(p->agent.events, EVENT_CONFIG, str_slice(&out));
	str_release(&out);
}

enum err_code platform_reload(struct platform *p, const struct settings *fresh, struct err *err)
{
	struct tls_port *port = p->agent.tls;
	if ((port != NULL) != settings_tls(fresh)) {
		err_field(err, ERR_CONFIG_INVALID, "YIJIAN_TLS_CERT",
			_("YIJIAN_TLS_CERT: whether the gateway's port speaks TLS changes with a "
			  "restart alone"));
		if (port != NULL)
			tls_event(p, err);
		return err->code;
	}
	if (port == NULL)
		return ERR_OK;
	if (tls_port_reload(port, fresh, err) == ERR_OK)
		tls_log(p);
	tls_event(p, err);
	return err->code;
}

// ---- start ----

// No latency: an answer that cost nothing would make the platform look fast.
static void count_refused(struct agent *a, struct slice feature)
{
	history_count(a->history, feature,
		&(struct history_request){.error = true, .latency_us = -1});
}

static void parts_new(struct agent *a)
{
	a->started_wall_ms = clock_wall_ms();
	a->started_us = clock_mono_us();
	a->snaps = snapshots_new();
	a->live = live_new();
	a->events = events_new();
	// Microseconds since 1970: no life has more events than microseconds.
	events_begin(a->events, (uint64_t)MAX_OF(a->started_wall_ms, 0) * 1000);
	a->metrics = metrics_new();
	a->decisions = decisions_new();
	a->history = history_new(a->started_us);
	a->roles = peer_roles_new();
	a->denials = denials_new();
	a->refusals = refusals_new(a, count_refused);
	a->keyless = keyless_new();
	a->load = load_new(a->settings);
	a->callers = callers_new(a);
	a->alerts = alerts_new(a);
	a->keyhealth = keyhealth_new(a);
	a->gateway = gateway_new(a);
	a->tasks = tasks_new(a);
	a->ledger = ledger_new(a->metrics);
	a->departed = departed_new(a);
	a->outages = outages_new(a);
}

// Why it serves no changes, or its keys do not open, for the one who reads the log.
static void log_store(struct store *st)
{
	struct store_stats stats;
	store_stats(st, &stats);
	if (stats.state != STORE_OK)
		log_line(LOG_LVL_WARN, "store_degraded", "detail", stats.reason, NULL);
	if (stats.sealed[0])
		log_line(LOG_LVL_ERROR, "sealed", "detail", stats.sealed, NULL);
}

// What the parts read of the settings beyond their rows.
static enum err_code judge(const struct settings *s, struct err *err)
{
	struct peer_nets nets;
	enum err_code code = peer_nets_parse(slice_of(s->trusted_peers), &nets, err);
	for (size_t i = 0; i < nets.n && !code; i++)
		if (nets.v[i].bits == 0)
			code = err_field(err, ERR_CONFIG_INVALID, "YIJIAN_TRUSTED_PEERS",
				_("YIJIAN_TRUSTED_PEERS: a network of /0 would trust everybody"));
	return code ? code : cors_parse(slice_of(s->cors_origins), err);
}

static enum err_code assemble(struct platform *p, int *ret_exit, struct err *err)
{
	struct agent *a = &p->agent;
	*ret_exit = EXIT_SETTINGS;
	enum err_code code = judge(a->settings, err);
	if (!code)
		code = tls_port_new(a->settings, &a->tls, err);
	if (!code)
		code = take_over(a->settings, &p->taken, err);
	if (code == ERR_UNREACHABLE || code == ERR_SEALED)
		*ret_exit = EXIT_HELD;
	listen_pool_join(&p->pool, &p->taken.pool);
	if (!code)
		code = bind_all(p, err);
	listen_pool_close(&p->pool);
	if (!code)
		code = state_dir_make(a->settings->state_dir, err);
	if (code)
		return code;
	bool held = true;
	bool successor = p->taken.fd >= 0;
	if (successor) {
		p->state_fd = p->taken.state_fd;
		p->taken.state_fd = -1;
	} else {
		code = state_dir_hold(a->settings->state_dir, &p->state_fd, err);
	}
	if (!code)
		code = store_open(a->settings, a->snaps, a->live, successor, &a->store, &held, err);
	if (!code)
		code = bind_unix(p, &held, err);
	*ret_exit = held ? EXIT_HELD : code == ERR_SEALED ? EXIT_SETTINGS : EXIT_INTERNAL;
	if (code)
		return code;
	log_store(a->store);
	if (db_version_doubtful())
		log_line(LOG_LVL_WARN, "sqlite_wal_reset", "detail",
			"this SQLite can lose commits of concurrent connections; "
			"the agent keeps exactly one",
			NULL);
	code = lanes_new(p, err);
	if (!code)
		code = serve_all(p, err);
	if (code)
		return code;
	ledger_start(a->ledger, a->store, a->control);
	history_restore_of(a->history, departed_age_ms, (void *)(uintptr_t)snapshots_now(a->snaps));
	p->keep = history_keep_new(a->history, a->store, clock_wall_ms());
	departed_start(a->departed, a->control);
	if (successor)
		code = take_ready(&p->taken, a->store, err);
	if (code)
		return code;
	store_start(a->store);
	p->store_started = true;
	a->probes = services_probes_new(a);
	probes_start(a->probes);
	p->probes_started = true;
	history_start(a->history, a->control);
	history_keep_start(p->keep, a->control);
	denials_start(a->denials, a->store, a->control);
	refusals_start(a->refusals, a->control);
	callers_start(a->callers);
	load_start(a->load, a->control);
	clock_watch_start(&p->clock_watch, a->control);
	tasks_expect(a->tasks, str_slice(&p->taken.away));
	str_release(&p->taken.away);
	tasks_start(a->tasks);
	alerts_start(a->alerts, a->control);
	keyhealth_start(a->keyhealth, a->control);
	outages_start(a->outages, a->control);
	return threads_start(p, err);
}

// ---- a start that is only tried ----

// Whether ports.json, which an agent writes into its state directory, has the address.
static bool is_in_ports(const struct settings *s, const struct listen_addr *a)
{
	char path[4096];
	snprintf(path, sizeof(path), "%s/ports.json", s->state_dir);
	char address[96];
	snprintf(address, sizeof(address),
		strchr(a->host, ':') != NULL ? "\"[%s]:%d\"" : "\"%s:%d\"", a->host, a->port);
	FILE *f = fopen(path, "re");
	char text[4096];
	size_t n = f != NULL ? fread(text, 1, sizeof(text) - 1, f) : 0;
	if (f != NULL)
		fclose(f);
	text[n] = '\0';
	return strstr(text, address) != NULL;
}

// An address that the agent of this state directory serves at this moment, perhaps out of a socket that
// systemd holds for it: it will have left it.
static bool is_our_own(const struct settings *s, enum service_id svc)
{
	char holder[80];
	for (size_t i = 0; i < s->listen_n[svc]; i++) {
		const struct listen_addr *a = &s->listen[svc][i];
		if (!is_in_ports(s, a))
			continue;
		listen_holder(a->port, holder, sizeof(holder));
		if (!strncmp(holder, "yijiand (", 9) || !strncmp(holder, "systemd (", 9))
			return true;
	}
	return false;
}

// The pair as a start reads it. One that has expired serves, as the rest of the agent does, and is told.
static enum err_code tls_judge(const struct settings *s, struct str *notes, struct err *err)
{
	struct tls_port *port;
	struct tls_seen seen;
	enum err_code code = tls_port_new(s, &port, err);
	if (code || port == NULL)
		return code;
	tls_port_look(port, clock_wall_ms(), &seen);
	if (!seen.good)
		str_addf(notes, _("%s: callers will refuse it\n"), seen.why);
	tls_port_free(port);
	return ERR_OK;
}

enum err_code platform_check(const struct settings *s, struct str *notes, struct err *err)
{
	struct listening held[SVC_COUNT] = {
		0}; // together, so that two of ours do not want the same
	enum err_code code = judge(s, err);
	if (!code)
		code = tls_judge(s, notes, err);
	for (int i = 0; i < SVC_COUNT && !code; i++) {
		enum service_id svc = (enum service_id)i;
		code = listen_open(s->listen[i], s->listen_n[i], svc, NULL, &held[i], err);
		if (code && is_our_own(s, svc)) {
			str_addf(notes,
				_("%s: its address is served by the agent of this state "
				  "directory, and not judged\n"),
				service_row(svc)->name);
			code = ERR_OK;
		}
	}
	for (int i = 0; i < SVC_COUNT; i++)
		listen_close(&held[i]);
	struct sockaddr_un un;
	if (!code && strlen(s->socket_path) >= sizeof(un.sun_path))
		str_addf(notes, _("%s is too long for a unix socket: the agent would go without\n"),
			s->socket_path);
	return code;
}

static void log_public(const struct platform *p, enum service_id svc, bool tokens)
{
	bool tls = svc == SVC_API_GATEWAY && p->agent.tls != NULL;
	log_line(tls && tokens ? LOG_LVL_INFO : LOG_LVL_WARN, "public_bind", "service",
		service_row(svc)->name, "tls", tls ? "true" : "false", "detail",
		tokens ? "reachable beyond this host; callers need a token (yijian token create)"
		       : "reachable beyond this host; nobody has a token yet: yijian token create",
		NULL);
}

enum err_code platform_start(const struct settings *s, struct listen_pool *pool,
	struct platform **ret, int *ret_exit, struct err *err)
{
	struct platform *p = mem_zalloc(1, sizeof(*p));
	mallopt(M_ARENA_MAX, traffic_loops(s) + 1);
	p->unix_socket.fd = p->state_fd = p->taken.fd = -1;
	listen_pool_join(&p->pool, pool);
	p->agent.settings = s;
	parts_new(&p->agent);
	enum err_code code = assemble(p, ret_exit, err);
	if (code) {
		struct taken taken = p->taken;
		platform_free(p); // its database is closed before anybody hears of it
		take_end(&taken, err->message);
		return code;
	}
	ports_write(p);
	tls_log(p);
	succession_start(p);
	for (int i = 0; i < SVC_COUNT; i++)
		for (size_t a = 0; a < p->listening[i].named; a++)
			log_line(LOG_LVL_INFO, "listening", "service",
				service_row((enum service_id)i)->name, "address",
				p->listening[i].text[a], NULL);
	bool tokens = snapshots_now(p->agent.snaps)->tokens.n > 0;
	for (int i = 0; i < SVC_COUNT; i++)
		if (settings_public(s, (enum service_id)i))
			log_public(p, (enum service_id)i, tokens);
	*ret = p;
	return ERR_OK;
}

static void answer(void *arg)
{
	struct lane *lane = arg;
	lane->answered = true;
}

bool platform_lives(struct platform *p)
{
	bool all = true;
	for (size_t i = 0; i < p->lanes_n; i++) {
		all &= !p->asked || p->lanes[i].answered;
		p->lanes[i].answered = false;
		loop_post(p->lanes[i].loop, answer, &p->lanes[i]);
	}
	p->asked = true;
	return all;
}

struct loop *platform_control(struct platform *p)
{
	return p->agent.control;
}

void platform_run(struct platform *p)
{
	loop_run(p->agent.control);
}

// ---- stop ----

static void lanes_free(struct platform *p)
{
	for (size_t i = 1; i < p->lanes_n; i++) {
		if (!p->lanes[i].running)
			continue;
		loop_stop(p->lanes[i].loop);
		pthread_join(p->lanes[i].thread, NULL);
	}
	departed_stop(p->agent.departed);
	if (p->probes_started) {
		alerts_stop(p->agent.alerts);
		keyhealth_stop(p->agent.keyhealth);
		outages_stop(p->agent.outages);
		history_stop(p->agent.history, p->agent.control);
		denials_stop(p->agent.denials);
		refusals_stop(p->agent.refusals);
		callers_stop(p->agent.callers);
		load_stop(p->agent.load);
		clock_watch_stop(&p->clock_watch);
		tasks_stop(p->agent.tasks);
		probes_stop(p->agent.probes);
	}
	if (p->store_started) {
		ledger_stop(p->agent.ledger);
		history_keep_stop(p->keep);
		store_stop(p->agent.store);
	}
	peer_roles_settle(p->agent.roles);
	for (size_t i = 0; i < p->lanes_n; i++) {
		web_free(p->lanes[i].web);
		if (p->lanes[i].upstream != NULL)
			upstream_pool_free(p->lanes[i].upstream);
	}
	if (p->agent.probes != NULL)
		probes_free(p->agent.probes);
	succession_end(p);
	for (size_t i = 0; i < p->lanes_n; i++)
		loop_free(p->lanes[i].loop);
}

void platform_free(struct platform *p)
{
	struct agent *a = &p->agent;
	char path[4096];
	bool ours = !p->gone && p->taken.fd < 0; // names and files
	if (p->probes_started && ours) {
		ports_path(p, path, sizeof(path), "");
		unlink(path);
	}
	lanes_free(p);
	if (ours)
		listen_unix_close(a->settings->socket_path, &p->unix_socket);
	else if (p->unix_socket.fd >= 0)
		close(p->unix_socket.fd);
	for (int i = 0; i < SVC_COUNT; i++)
		listen_close(&p->listening[i]);
	tasks_free(a->tasks);
	gateway_free(a->gateway);
	ledger_free(a->ledger);
	peer_roles_free(a->roles);
	if (a->store != NULL)
		store_free(a->store);
	snapshots_free(a->snaps);
	alerts_free(a->alerts);
	history_keep_free(p->keep);
	keyhealth_free(a->keyhealth);
	history_free(a->history);
	departed_free(a->departed);
	outages_free(a->outages);
	denials_free(a->denials);
	refusals_free(a->refusals);
	keyless_free(a->keyless);
	callers_free(a->callers);
	load_free(a->load);
	decisions_free(a->decisions);
	events_free(a->events);
	metrics_free(a->metrics);
	live_free(a->live);
	tls_port_free(a->tls);
	if (p->state_fd >= 0)
		close(p->state_fd); // last: nothing is written any more
	free(p);
}
