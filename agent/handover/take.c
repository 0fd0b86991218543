// SPDX-License-Identifier: MIT
// Asks for sockets and database, and takes what comes.
#include "agent/handover/take.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>
#include "agent/handover/wire.h"
#include "shared/clock.h"
#include "shared/log.h"
#include "shared/mem.h"
#include "shared/num.h"
#include "shared/text.h"

#define ANSWER_MS 5000 // its database may take a while to close
#define ENDING_TRIES 150 // of one that is ending and does not answer any more …
#define ENDING_LOOK_MS 20 // … at this distance
#define REQUEST_MAX ((size_t)256 * 1024 * 1024) // pictures are long

// ---- asking ----

static enum wire_got await(int fd, struct wire_msg *m)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};
	int n;
	do
		n = poll(&p, 1, ANSWER_MS);
	while (n < 0 && errno == EINTR);
	return n > 0 ? wire_recv(fd, m) : WIRE_END;
}

// A line for each descriptor: "state", "socket", "listen SERVICE"; and "away ID PART".
static bool take_line(struct taken *t, struct slice line, int *fd)
{
	struct slice word = slice_cut(&line, ' ');
	const char *why;
	if (slice_eq_str(word, "state"))
		t->state_fd = *fd;
	else if (slice_eq_str(word, "socket"))
		t->unix_fd = *fd;
	else if (!slice_eq_str(word, "listen") || !listen_pool_add(&t->pool, line, *fd, &why))
		return false;
	*fd = -1;
	return true;
}

static bool take_sockets(struct taken *t, struct wire_msg *m)
{
	struct slice rest = {m->bytes, m->n};
	size_t i = 0;
	while (rest.n > 0) {
		struct slice line = slice_cut(&rest, '\n'), away = line;
		if (slice_eq_str(slice_cut(&away, ' '), "away"))
			str_addf(&t->away, "%.*s\n", SLICE_FMT(away));
		else if (i < m->fds && !take_line(t, line, &m->fd[i++]))
			log_line(LOG_LVL_WARN, "handover_unknown", "detail",
				"a descriptor that this version does not know", NULL);
	}
	wire_close_fds(m);
	return t->state_fd >= 0;
}

// ERR_OK with t->fd -1: it does not offer it.
static enum err_code converse(struct taken *t, const struct settings *s, const struct secret *key,
	struct wire_msg *m, struct err *err)
{
	struct wire_hello hello = {.protocol = WIRE_PROTOCOL, .asks = s->take_over};
	struct wire_challenge c;
	unsigned char proof[WIRE_PROOF];
	if (getrandom(hello.nonce, sizeof(hello.nonce), 0) != (ssize_t)sizeof(hello.nonce) ||
		!wire_send(t->fd, WIRE_HELLO, &hello, sizeof(hello), NULL, 0))
		return err_set(err, ERR_INTERNAL, "%s", strerror(errno));
	enum wire_got got = await(t->fd, m);
	if (got == WIRE_GOT && m->kind == WIRE_CHALLENGE && m->n == sizeof(c)) {
		memcpy(&c, m->bytes, sizeof(c));
		wire_proof(key, WIRE_BEFORE, hello.nonce, c.nonce, proof);
		if (!wire_same(proof, c.proof))
			return err_set(err, ERR_SEALED,
				_("the agent that runs has another root key"));
		wire_proof(key, WIRE_SUCCESSOR, hello.nonce, c.nonce, proof);
		if (wire_send(t->fd, WIRE_PROOF_OF, proof, sizeof(proof), NULL, 0))
			got = await(t->fd, m);
	}
	if (got != WIRE_GOT)
		return err_set(err, ERR_UNREACHABLE, _("the agent that runs does not answer"));
	if (m->kind == WIRE_GIVEN && take_sockets(t, m)) {
		t->since_us = clock_mono_us();
		return ERR_OK;
	}
	wire_close_fds(m);
	struct str why = STR_INIT;
	text_add_safe(&why, (struct slice){m->bytes, m->n});
	enum err_code code = m->kind == WIRE_REFUSED && m->n == 0
		? ERR_OK
		: err_set(err, ERR_CONFIG_INVALID, _("the agent that runs refuses: %s"),
			  str_text(&why));
	str_release(&why);
	close(t->fd);
	t->fd = -1;
	return code;
}

static enum err_code ask(const struct settings *s, int dir_fd, struct taken *ret, struct err *err)
{
	pid_t pid;
	struct secret key = {0};
	ret->fd = wire_connect(dir_fd);
	if (ret->fd < 0)
		return ERR_OK;
	enum err_code code = wire_peer_is_ours(ret->fd, &pid)
		? wire_key(s->root_key_file, &key, err)
		: err_set(err, ERR_CONFIG_INVALID,
			  _("the agent that runs is another user's, who could replace what is given"));
	struct wire_msg *m = mem_alloc(sizeof(*m));
	if (!code)
		code = converse(ret, s, &key, m, err);
	free(m);
	secret_release(&key);
	if (code)
		take_end(ret, NULL);
	return code;
}

enum err_code take_over(const struct settings *s, struct taken *ret, struct err *err)
{
	*ret = (struct taken){.fd = -1, .state_fd = -1, .unix_fd = -1};
	int dir_fd = open(s->state_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir_fd < 0)
		return ERR_OK; // a first start
	enum err_code code = ERR_OK;
	for (int i = 0; i < ENDING_TRIES; i++) {
		*err = (struct err){0};
		if (flock(dir_fd, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK) {
			code = ERR_OK; // nobody has it, any more
			break;
		}
		code = ask(s, dir_fd, ret, err);
		if (code != ERR_UNREACHABLE)
			break;
		poll(NULL, 0, ENDING_LOOK_MS);
	}
	close(dir_fd); // the lock is taken anew where it is kept
	return code == ERR_OK || s->take_over ? code : ERR_OK;
}

// ---- ready ----

enum err_code take_ready(struct taken *t, struct store *st, struct err *err)
{
	struct wire_msg *m = mem_alloc(sizeof(*m));
	enum err_code code = ERR_OK;
	if (clock_mono_us() - t->since_us > TAKE_READY_US)
		code = err_set(err, ERR_INTERNAL,
			_("not ready within 2 s: the agent before goes on"));
	else if (!wire_send(t->fd, WIRE_READY, NULL, 0, NULL, 0) || await(t->fd, m) != WIRE_GOT ||
		m->kind != WIRE_GO)
		code = err_set(err, ERR_INTERNAL,
			_("the agent before did not give its word, and goes on"));
	free(m);
	if (!code)
		code = store_settle(st, true, err);
	if (!code)
		wire_send(t->fd, WIRE_DONE, NULL, 0, NULL, 0); // it has ended otherwise
	return code;
}

void take_end(struct taken *t, const char *why)
{
	if (t->fd < 0)
		return;
	if (why != NULL)
		wire_send(t->fd, WIRE_REFUSED, why, strlen(why), NULL, 0);
	listen_pool_close(&t->pool);
	str_release(&t->away);
	if (t->state_fd >= 0)
		close(t->state_fd);
	if (t->unix_fd >= 0)
		close(t->unix_fd);
	close(t->fd);
	t->fd = t->state_fd = t->unix_fd = -1;
}

// ---- what is passed on ----

struct serving {
	struct loop *loop;
	struct loop_watch watch;
	struct take_host host;
	struct wire_msg msg;
};

static void take_request(struct serving *v)
{
	struct wire_msg *m = &v->msg;
	struct slice rest = {m->bytes, m->n}, name = slice_cut(&rest, ' ');
	bool mounts_all = slice_eq_str(slice_cut(&rest, ' '), "1");
	struct web_passed p = {.mounts_all = mounts_all, .task = rest.p != NULL ? rest.p : ""};
	struct str bytes = STR_INIT;
	int svc = SVC_COUNT - 1;
	while (svc >= 0 && !slice_eq_str(name, service_row((enum service_id)svc)->name))
		svc--;
	if (m->fds == 2 && svc >= 0 && wire_file_read(m->fd[1], REQUEST_MAX, &bytes)) {
		p.service = (enum service_id)svc;
		p.fd = m->fd[0];
		p.bytes = str_slice(&bytes);
		fcntl(p.fd, F_SETFL, O_NONBLOCK);
		if (v->host.request(v->host.arg, &p))
			m->fd[0] = -1;
	}
	str_wipe(&bytes);
}

static void take_end_of(struct serving *v)
{
	struct wire_msg *m = &v->msg;
	struct slice rest = {m->bytes, m->n};
	char id[TASK_ID_MAX], name[32];
	int64_t part = 0, status = 0, ms = 0;
	struct str body = STR_INIT;
	struct slice word = slice_cut(&rest, ' ');
	snprintf(id, sizeof(id), "%.*s", SLICE_FMT(word));
	bool fits = num_i64(slice_cut(&rest, ' '), 0, TASK_PARTS_MAX, &part);
	word = slice_cut(&rest, ' ');
	snprintf(name, sizeof(name), "%.*s", SLICE_FMT(word));
	fits = fits && num_i64(slice_cut(&rest, ' '), 0, INT32_MAX, &status) &&
		num_i64(slice_cut(&rest, ' '), 0, INT64_MAX, &ms) && m->fds == 1 &&
		wire_file_read(m->fd[0], REQUEST_MAX, &body);
	if (fits)
		v->host.end(v->host.arg,
			&(struct task_end){.id = id,
				.part = (size_t)part,
				.end = name,
				.status = (int)status,
				.ms = ms,
				.retry_after = rest,
				.body = str_slice(&body)});
	else
		log_line(LOG_LVL_WARN, "handover_unknown", "detail", m->bytes, NULL);
	str_release(&body);
}

static void on_passed(void *arg, uint32_t events)
{
	struct serving *v = arg;
	(void)events;
	for (;;) {
		enum wire_got got = wire_recv(v->watch.fd, &v->msg);
		if (got == WIRE_NOTHING)
			return;
		if (got == WIRE_END)
			break;
		if (v->msg.kind == WIRE_REQUEST)
			take_request(v);
		else if (v->msg.kind == WIRE_USAGE)
			v->host.usage(v->host.arg, (struct slice){v->msg.bytes, v->msg.n});
		else if (v->msg.kind == WIRE_SUBMIT)
			take_end_of(v);
		wire_close_fds(&v->msg);
	}
	log_line(LOG_LVL_INFO, "handover_over", "detail", "the agent before has ended", NULL);
	const struct take_host host = v->host;
	take_serve_end(v);
	host.over(host.arg);
}

struct serving *take_serve(struct taken *t, struct loop *l, const struct take_host *host)
{
	struct serving *v = mem_zalloc(1, sizeof(*v));
	v->loop = l;
	v->host = *host;
	fcntl(t->fd, F_SETFL, O_NONBLOCK);
	if (loop_watch_set(l, &v->watch, t->fd, EPOLLIN | EPOLLRDHUP, on_passed, v) != ERR_OK) {
		close(t->fd);
		free(v);
		v = NULL;
	}
	t->fd = -1;
	return v;
}

void take_serve_end(struct serving *v)
{
	if (v == NULL)
		return;
	loop_watch_set(v->loop, &v->watch, v->watch.fd, 0, NULL, NULL);
	close(v->watch.fd);
	free(v);
}
