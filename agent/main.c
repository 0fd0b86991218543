// SPDX-License-Identifier: MIT
// From the command line to a running agent and back: options that print and end, signals, reload,
// the service manager's watchdog, an orderly stop.
#include <errno.h>
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>
#include "agent/protocol/wish.h"
#include "agent/core/descriptors.h"
#include "agent/notify.h"
#include "agent/platform.h"
#include "agent/succession.h"
#include "agent/state_dir.h"
#include "agent/core/loop.h"
#include "shared/clock.h"
#include "shared/jx.h"
#include "shared/out.h"
#include "shared/secret.h"
#include "shared/text.h"
#include "shared/version.h"

#define EXIT_USAGE 2
#define EXIT_INTERNAL 70
#define EXIT_SETTINGS 78
#define EXIT_PIPE 141 // 128 + SIGPIPE

struct daemon {
	int argc;
	char **argv;
	struct settings settings;
	int64_t drain_s, successor_wait_ms; // reloadable
	struct platform *platform;
	struct loop_watch signals;
	struct loop_timer watchdog;
	int64_t watchdog_us;
};

static void complain(const struct err *err)
{
	fprintf(stderr, "yijiand: %s\n", err->message);
	if (err->hint[0])
		fprintf(stderr, "  %s\n", err->hint);
}

// ---- options that print and end ----

// What a start would refuse, as far as that can be known without one.
static int check(const struct settings *s, struct str *out)
{
	struct str notes = STR_INIT;
	struct err err = {0}, sealed = {0};
	int status = 0;
	if (!secret_setup() || state_dir_judge(s, &sealed, &err) != ERR_OK ||
		platform_check(s, &notes, &err) != ERR_OK) {
		complain(&err);
		status = EXIT_SETTINGS;
	} else {
		if (sealed.code) {
			fprintf(stderr, "yijiand: %s\n", _("the keys would stay sealed:"));
			complain(&sealed);
		}
		str_addf(out, "%s\n", _("the settings are valid"));
		uid_t user = state_dir_user(s);
		if (user != geteuid())
			str_addf(out,
				_("for the user with uid %lu, whose the state directory is: started by "
				  "root, the agent refuses it\n"),
				(unsigned long)user);
		str_add_slice(out, str_slice(&notes));
		str_addf(out, "%s\n",
			_("only a start tells whether the database opens, and whether "
			  "memory, threads and descriptors suffice"));
	}
	str_release(&notes);
	return status;
}

// Nobody who reads only the status shall take a part for the whole.
static int print(const struct str *out)
{
	size_t n = 0;
	int why = out_write(STDOUT_FILENO, str_slice(out), &n, NULL);
	if (!why)
		why = out_close(STDOUT_FILENO);
	if (why == EPIPE)
		return EXIT_PIPE; // who read us has gone
	if (why)
		fprintf(stderr, _("yijiand: cannot write to standard output after %zu bytes: %s\n"),
			n, strerror(why));
	return why ? EXIT_INTERNAL : 0;
}

static void print_man(struct str *out)
{
	struct str wishes = STR_INIT;
	wish_man(&wishes);
	settings_man(out, str_text(&wishes));
	str_release(&wishes);
}

static int act(const char *action, const struct settings *s)
{
	struct str out = STR_INIT;
	int status = 0;
	if (!strcmp(action, "help"))
		settings_help(&out);
	else if (!strcmp(action, "version"))
		str_addf(&out, "yijiand %s\n", YJ_VERSION);
	else if (!strcmp(action, "env-example"))
		settings_env_example(&out);
	else if (!strcmp(action, "man"))
		print_man(&out);
	else if (!strcmp(action, "print-config"))
		settings_print(s, &out);
	else
		status = check(s, &out);
	int printed = status == 0 ? print(&out) : 0;
	str_release(&out);
	return status ? status : printed;
}

// Texts about the program do not need valid settings.
static bool is_text(const char *action)
{
	return action != NULL && strcmp(action, "check-config") != 0 &&
		strcmp(action, "print-config") != 0;
}

// ---- the process ----

static void harden(void)
{
	struct rlimit core = {0, 0};
	umask(077);
	setrlimit(RLIMIT_CORE, &core);
	prctl(PR_SET_DUMPABLE, 0);
	descriptors_open();
}

static int signals_open(void)
{
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGURG); // of all signals one that ends nobody who does not expect it
	sigprocmask(SIG_BLOCK, &set, NULL); // before the first thread, which inherits it
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

// Valid settings take over what may change while running; invalid ones change nothing.
static void reload(struct daemon *d)
{
	struct err err = {0};
	char state[64];
	snprintf(state, sizeof(state), "RELOADING=1\nMONOTONIC_USEC=%lld",
		(long long)clock_mono_us());
	notify_send(state);
	struct settings fresh;
	const char *action;
	if (settings_load(&fresh, d->argc, d->argv, &action, &err) == ERR_OK &&
		platform_reload(d->platform, &fresh, &err) == ERR_OK) {
		log_set_level(fresh.log_level);
		d->drain_s = fresh.drain_s;
		d->successor_wait_ms = fresh.successor_wait_ms;
		log_line(LOG_LVL_INFO, "reloaded", NULL);
	} else {
		log_line(LOG_LVL_ERROR, "reload_failed", "detail", err.message, "hint",
			err.hint[0] ? err.hint : NULL, NULL);
	}
	settings_release(&fresh);
	notify_send("READY=1");
}

// A manager that restarts us begins the next one as soon as our main process has ended: another one
// takes its place, and ends, and we go on until that next one serves.
static void leave(struct daemon *d)
{
	if (d->successor_wait_ms == 0 || !notify_leave())
		notify_send("STOPPING=1");
	platform_leave(d->platform, d->successor_wait_ms, d->drain_s);
}

static void on_signal(void *arg, uint32_t events)
{
	struct daemon *d = arg;
	(void)events;
	struct signalfd_siginfo info;
	while (read(d->signals.fd, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
		if (info.ssi_signo == SIGHUP) {
			reload(d);
			continue;
		}
		if (info.ssi_signo == SIGURG) {
			platform_await(d->platform);
			continue;
		}
		log_line(LOG_LVL_INFO, "stopping", "signal", strsignal((int)info.ssi_signo), NULL);
		leave(d);
	}
}

// Fed while every loop does what it is asked: one that is stuck starves it.
static void on_watchdog(void *arg)
{
	struct daemon *d = arg;
	if (platform_lives(d->platform))
		notify_send("WATCHDOG=1");
	else
		log_line(LOG_LVL_ERROR, "watchdog", "detail",
			"a loop does not answer: the service manager is not told that all is well",
			NULL);
	loop_timer_set(platform_control(d->platform), &d->watchdog, d->watchdog_us, on_watchdog, d);
}

static int serve(struct daemon *d)
{
	struct err err = {0};
	int status = EXIT_INTERNAL;
	int fd = signals_open();
	jx_setup();
	if (!secret_setup() || fd < 0) {
		fprintf(stderr, "yijiand: %s\n", _("cannot start: no memory for secrets"));
		return EXIT_INTERNAL;
	}
	log_start(); // without its thread each line is written at once
	struct listen_pool pool = {0};
	status = EXIT_SETTINGS;
	if (listen_inherit(&d->settings, &pool, &err) != ERR_OK ||
		platform_start(&d->settings, &pool, &d->platform, &status, &err) != ERR_OK) {
		log_line(LOG_LVL_ERROR, "start_failed", "detail", err.message, "hint",
			err.hint[0] ? err.hint : NULL, NULL);
		return status;
	}
	struct loop *control = platform_control(d->platform);
	loop_watch_set(control, &d->signals, fd, EPOLLIN, on_signal, d);
	d->watchdog_us = notify_watchdog_us();
	if (d->watchdog_us)
		on_watchdog(d);
	log_line(LOG_LVL_INFO, "started", "version", YJ_VERSION, "state_dir", d->settings.state_dir,
		"simulated", d->settings.simulated ? "true" : NULL, NULL);
	notify_send("READY=1");
	platform_run(d->platform);
	loop_watch_set(control, &d->signals, fd, 0, NULL, NULL);
	platform_free(d->platform);
	close(fd);
	log_line(LOG_LVL_INFO, "stopped", NULL);
	return 0;
}

int main(int argc, char **argv)
{
	struct daemon d = {.argc = argc, .argv = argv};
	struct err err = {0};
	out_guard();
	sigaction(SIGPIPE, &(struct sigaction){.sa_handler = SIG_IGN}, NULL);
	setlocale(LC_ALL, "");
	setlocale(LC_NUMERIC, "C");
	const char *action;
	enum err_code code = settings_load(&d.settings, argc, argv, &action, &err);
	int status;
	if (code && !(is_text(action) && code != ERR_USAGE)) {
		complain(&err);
		status = code == ERR_USAGE ? EXIT_USAGE : EXIT_SETTINGS;
	} else if (action != NULL) {
		status = act(action, &d.settings);
	} else {
		harden();
		log_open(STDERR_FILENO, d.settings.log_level);
		d.drain_s = d.settings.drain_s;
		d.successor_wait_ms = d.settings.successor_wait_ms;
		status = serve(&d);
		log_stop();
	}
	settings_release(&d.settings);
	return status;
}
