// SPDX-License-Identifier: MIT
// Greeting, proof, sockets, and the two ends: the successor is ready and has the database for good, or
// it is taken back. One successor at a time.
#include "agent/handover/give.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>
#include "agent/handover/wire.h"
#include "shared/log.h"
#include "shared/mem.h"
#include "shared/text.h"

#define GREET_US INT64_C(2000000)
#define STILL_US INT64_C(500000)
#define STILL_LOOK_US INT64_C(2000)
#define READY_US INT64_C(2500000) // from the sockets to READY: 2 s, and what scheduling may take
#define END_LOOK_US INT64_C(20000)
#define GRACE_US INT64_C(1000000)
#define END_US INT64_C(5000000) // for one that cannot be ended by us

enum step {
	GIVES_NOTHING, // nobody is there
	GIVES_GREETING,
	GIVES_PROVING,
	GIVES_STILL, // once what was begun is written
	GIVES_CLOSING, // the database
	GIVES_WAITING, // the successor has it
	GIVES_COMMIT, // it may commit: nothing is taken back while it lives
	GIVES_ENDING, // it has failed, and is waited for
	GIVES_GONE
};

struct give {
	struct loop *loop;
	struct store *store;
	struct give_host host;
	struct secret key;
	int dir_fd;
	struct loop_watch door, peer; // peer.fd -1: nobody
	struct loop_timer timer;
	enum step step;
	pid_t pid;
	int64_t kill_at_us, end_by_us;
	unsigned char theirs[WIRE_NONCE], ours[WIRE_NONCE];
	struct wire_msg msg; // scratch
};

// ---- ends ----

static void hang_up(struct give *g)
{
	loop_watch_set(g->loop, &g->peer, g->peer.fd, 0, NULL, NULL);
	loop_timer_clear(g->loop, &g->timer);
	close(g->peer.fd);
	g->peer.fd = -1;
	g->step = GIVES_NOTHING;
}

static void refuse(struct give *g, const char *why)
{
	wire_send(g->peer.fd, WIRE_REFUSED, why, strlen(why), NULL, 0);
	hang_up(g);
}

static void take_back(struct give *g)
{
	hang_up(g);
	store_take_back(g->store);
	g->host.thaw(g->host.arg);
}

// It holds the database until its process has ended: never two writers.
static void end_look(void *arg)
{
	struct give *g = arg;
	int64_t now = loop_now_us(g->loop);
	bool may = now < g->kill_at_us || kill(g->pid, SIGKILL) == 0 || errno == ESRCH;
	if (!may && now > g->end_by_us)
		take_back(g); // the database's own lock still stands between the two
	else
		loop_timer_set(g->loop, &g->timer, END_LOOK_US, end_look, g);
}

// grace_us: it has said so itself, and ends.
static void fail(struct give *g, const char *why, int64_t grace_us)
{
	log_line(LOG_LVL_WARN, "handover_failed", "detail", why, NULL);
	if (g->step < GIVES_CLOSING) {
		bool frozen = g->step == GIVES_STILL;
		hang_up(g);
		if (frozen)
			g->host.thaw(g->host.arg);
		return;
	}
	bool closing = g->step == GIVES_CLOSING; // on_closed goes on
	g->step = GIVES_ENDING;
	g->kill_at_us = loop_now_us(g->loop) + grace_us;
	g->end_by_us = loop_now_us(g->loop) + END_US;
	if (closing)
		loop_timer_clear(g->loop, &g->timer);
	else
		end_look(g);
}

static void too_late(void *arg)
{
	fail(arg, "the successor was not ready in time", 0);
}

// The other process has closed its end, or has ended.
static void on_end(struct give *g)
{
	switch (g->step) {
	case GIVES_STILL:
		fail(g, "the successor has ended", 0);
		return;
	case GIVES_CLOSING:
		loop_watch_set(g->loop, &g->peer, g->peer.fd, 0, NULL, NULL);
		fail(g, "the successor has ended", 0);
		return;
	case GIVES_WAITING:
	case GIVES_COMMIT:
		log_line(LOG_LVL_WARN, "handover_failed", "detail", "the successor has ended",
			NULL);
		take_back(g);
		return;
	case GIVES_ENDING:
		take_back(g);
		return;
	case GIVES_GONE: // nothing more can be told to it
		loop_watch_set(g->loop, &g->peer, g->peer.fd, 0, NULL, NULL);
		return;
	default:
		hang_up(g);
	}
}

// ---- steps ----

static void on_closed(void *arg)
{
	struct give *g = arg;
	struct str lines = STR_INIT;
	int fds[WIRE_FDS_MAX];
	if (g->step == GIVES_ENDING) { // it was given up meanwhile, and never had it
		take_back(g);
		return;
	}
	size_t n = g->host.sockets(g->host.arg, &lines, fds);
	g->step = GIVES_WAITING;
	loop_timer_set(g->loop, &g->timer, READY_US, too_late, g);
	if (!wire_send(g->peer.fd, WIRE_GIVEN, lines.p, lines.n, fds, n))
		fail(g, "the successor does not take the sockets", 0);
	str_release(&lines);
}

static void on_hello(struct give *g)
{
	struct wire_hello hello;
	struct wire_challenge c;
	if (g->msg.n != sizeof(hello)) {
		refuse(g, "this is no hand-over of ours");
		return;
	}
	memcpy(&hello, g->msg.bytes, sizeof(hello));
	if (hello.protocol != WIRE_PROTOCOL) {
		refuse(g, _("the agent that runs speaks another protocol of hand-over: stop it"));
		return;
	}
	if (!hello.asks && !g->host.leaves(g->host.arg)) {
		refuse(g, "");
		return;
	}
	memcpy(g->theirs, hello.nonce, sizeof(g->theirs));
	if (getrandom(g->ours, sizeof(g->ours), 0) != (ssize_t)sizeof(g->ours)) {
		refuse(g, strerror(errno));
		return;
	}
	memcpy(c.nonce, g->ours, sizeof(c.nonce));
	wire_proof(&g->key, WIRE_BEFORE, g->theirs, g->ours, c.proof);
	g->step = GIVES_PROVING;
	if (!wire_send(g->peer.fd, WIRE_CHALLENGE, &c, sizeof(c), NULL, 0))
		hang_up(g);
}

// What was begun is written before the database is closed.
static void still_look(void *arg)
{
	struct give *g = arg;
	loop_timer_clear(g->loop, &g->timer);
	if (g->host.still(g->host.arg)) {
		g->step = GIVES_CLOSING;
		store_give(g->store, g->loop, on_closed, g);
	} else if (loop_now_us(g->loop) > g->end_by_us) {
		fail(g, "what was begun is not written in time", 0);
	} else {
		loop_timer_set(g->loop, &g->timer, STILL_LOOK_US, still_look, g);
	}
}

static void on_proof(struct give *g)
{
	unsigned char due[WIRE_PROOF];
	wire_proof(&g->key, WIRE_SUCCESSOR, g->theirs, g->ours, due);
	if (g->msg.n != sizeof(due) || !wire_same(due, (const unsigned char *)g->msg.bytes)) {
		log_line(LOG_LVL_WARN, "handover_refused", "detail",
			"a process could not show that it reads the root key", NULL);
		refuse(g, _("its root key is another one"));
		return;
	}
	char pid[16];
	snprintf(pid, sizeof(pid), "%ld", (long)g->pid);
	log_line(LOG_LVL_INFO, "handover", "successor", pid, NULL);
	g->step = GIVES_STILL;
	g->end_by_us = loop_now_us(g->loop) + STILL_US;
	g->host.freeze(g->host.arg);
	still_look(g);
}

static void on_ready(struct give *g)
{
	g->step = GIVES_COMMIT;
	if (!wire_send(g->peer.fd, WIRE_GO, NULL, 0, NULL, 0))
		fail(g, "the successor does not listen", 0);
}

static void on_done(struct give *g)
{
	g->step = GIVES_GONE;
	loop_timer_clear(g->loop, &g->timer);
	loop_watch_set(g->loop, &g->door, g->door.fd, 0, NULL,
		NULL); // its door is at the same place
	close(g->door.fd);
	g->door.fd = -1;
	log_line(LOG_LVL_INFO, "handover_done", NULL);
	store_forgo(g->store);
	g->host.gone(g->host.arg);
}

static void on_refused(struct give *g)
{
	char why[ERR_TEXT_MAX];
	struct str safe = STR_INIT;
	text_add_safe(&safe, (struct slice){g->msg.bytes, g->msg.n});
	snprintf(why, sizeof(why), "%s", str_text(&safe));
	str_release(&safe);
	fail(g, why, GRACE_US);
}

static void on_message(struct give *g)
{
	static const struct {
		enum step step;
		enum wire_kind kind;
		void (*fn)(struct give *g);
	} rows[] = {
		{GIVES_GREETING, WIRE_HELLO, on_hello},
		{GIVES_PROVING, WIRE_PROOF_OF, on_proof},
		{GIVES_WAITING, WIRE_READY, on_ready},
		{GIVES_WAITING, WIRE_REFUSED, on_refused},
		{GIVES_COMMIT, WIRE_REFUSED, on_refused},
		{GIVES_COMMIT, WIRE_DONE, on_done},
	};
	wire_close_fds(&g->msg);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (rows[i].step == g->step && rows[i].kind == g->msg.kind) {
			rows[i].fn(g);
			return;
		}
	if (g->step != GIVES_ENDING && g->step != GIVES_GONE)
		fail(g, "a message out of turn", 0);
}

static void on_peer(void *arg, uint32_t events)
{
	struct give *g = arg;
	(void)events;
	while (g->peer.fd >= 0) {
		enum wire_got got = wire_recv(g->peer.fd, &g->msg);
		if (got == WIRE_NOTHING)
			return;
		if (got == WIRE_END) {
			on_end(g);
			return;
		}
		on_message(g);
	}
}

// ---- the door ----

static void on_door(void *arg, uint32_t events)
{
	struct give *g = arg;
	pid_t pid;
	(void)events;
	int fd = accept4(g->door.fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd < 0)
		return;
	if (!wire_peer_is_ours(fd, &pid)) {
		log_line(LOG_LVL_WARN, "handover_refused", "detail", "a process of another user",
			NULL);
		close(fd);
		return;
	}
	if (g->step != GIVES_NOTHING) {
		const char *why = _("another process is taking over at this moment");
		wire_send(fd, WIRE_REFUSED, why, strlen(why), NULL, 0);
		close(fd);
		return;
	}
	g->pid = pid;
	g->step = GIVES_GREETING;
	loop_timer_set(g->loop, &g->timer, GREET_US, too_late, g);
	if (loop_watch_set(g->loop, &g->peer, fd, EPOLLIN | EPOLLRDHUP, on_peer, g) != ERR_OK) {
		loop_timer_clear(g->loop, &g->timer);
		g->step = GIVES_NOTHING;
		close(fd);
	}
}

struct give *give_start(struct loop *l, struct store *st, const char *state_dir,
	const char *root_key_file, const struct give_host *host)
{
	struct give *g = mem_zalloc(1, sizeof(*g));
	struct err err = {0};
	g->loop = l;
	g->store = st;
	g->host = *host;
	g->peer.fd = g->door.fd = -1;
	g->dir_fd = open(state_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (wire_key(root_key_file, &g->key, &err) == ERR_OK && g->dir_fd >= 0)
		g->door.fd = wire_listen(g->dir_fd);
	if (g->door.fd < 0 ||
		loop_watch_set(l, &g->door, g->door.fd, EPOLLIN, on_door, g) != ERR_OK) {
		log_line(LOG_LVL_WARN, "no_handover", "detail",
			err.code ? err.message : strerror(errno), NULL);
		give_free(g);
		return NULL;
	}
	return g;
}

bool give_request(struct give *g, const struct web_passed *p)
{
	char text[64 + TASK_ID_MAX];
	int n = snprintf(text, sizeof(text), "%s %d %s", service_row(p->service)->name,
		p->mounts_all, p->task);
	int fds[2] = {p->fd, wire_file(p->bytes)};
	bool sent = fds[1] >= 0 &&
		wire_send(g->peer.fd, WIRE_REQUEST, text, (size_t)n, fds, ARRAY_LEN(fds));
	if (fds[1] >= 0)
		close(fds[1]);
	return sent;
}

bool give_end(void *give, const struct task_end *end)
{
	struct give *g = give;
	struct str text = STR_INIT;
	int body = wire_file(end->body);
	str_addf(&text, "%s %zu %s %d %lld %.*s", end->id, end->part, end->end, end->status,
		(long long)end->ms, SLICE_FMT(end->retry_after));
	bool sent = body >= 0 && wire_send(g->peer.fd, WIRE_SUBMIT, text.p, text.n, &body, 1);
	if (body >= 0)
		close(body);
	str_release(&text);
	return sent;
}

bool give_usage(void *give, struct slice rows)
{
	struct give *g = give;
	return wire_send(g->peer.fd, WIRE_USAGE, rows.p, rows.n, NULL, 0);
}

void give_free(struct give *g)
{
	if (g == NULL)
		return;
	loop_timer_clear(g->loop, &g->timer);
	if (g->peer.fd >= 0)
		close(g->peer.fd);
	if (g->door.fd >= 0) {
		close(g->door.fd);
		wire_unlink(g->dir_fd);
	}
	if (g->dir_fd >= 0)
		close(g->dir_fd);
	secret_release(&g->key);
	free(g);
}
