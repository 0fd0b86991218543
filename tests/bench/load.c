// SPDX-License-Identifier: MIT
// The bench's load generator: one thread, N keep-alive connections, a fixed count of requests,
// as fast as they are answered or at a constant rate. With a rate, latency counts from the moment
// a request was due, so a stalled server cannot hide its stall. Prints one JSON line.
// A 503 with Retry-After is an answer shed, told apart from errors and timed apart. Eight '#' in the
// body become the request's number.
//   load HOST:PORT PATH [-c CONNECTIONS] [-n REQUESTS] [-r PER_SECOND] [-t SECONDS] [-d BODY_FILE]
//        [-H HEADER]... [-k] [-w] [-x] [-s]
// -t starts no request after so many seconds, however many of -n are left. -k keeps the connections
// open after the result is printed, until its input ends. -w waits for a second after a 503 before
// the connection asks again, as Retry-After: 1 wants; without it shed callers are back at once.
// -s speaks TLS, to whoever answers.
// -x hangs up when an answer begins, as callers do who have changed their minds.
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
	LOAD_HEAD_MAX = 16 << 10,
	LOAD_READ = 64 << 10,
	LOAD_REQUEST_MAX = 256 << 10,
	LOAD_CONNECTIONS_MAX = 20000,
	LOAD_STALL_MS = 15000,
	LOAD_NUMBER = 8, // digits of a request's number
	LOAD_REST_NS = 1000000000, // of a connection that was shed
};

enum body_kind { BODY_NONE, BODY_LENGTH, BODY_CHUNKED, BODY_CLOSE };
enum chunk_state { CHUNK_SIZE, CHUNK_EXTENSION, CHUNK_DATA, CHUNK_DATA_END, CHUNK_TRAILER };

struct conn {
	int fd;
	SSL *tls; // NULL: plain
	bool busy, in_body, close_after;
	size_t sent;
	uint64_t due_ns;
	char head[LOAD_HEAD_MAX];
	size_t head_len;
	int status;
	enum body_kind kind;
	enum chunk_state chunk;
	uint64_t left;
	bool line_empty;
	unsigned match; // how much of "\ndata:" has been seen
	uint64_t number; // of the request, where the body shows it
	bool shed;
	struct conn *next; // resting after it was shed
	uint64_t rest_ns; // until then
};

struct load {
	int epoll;
	struct sockaddr_in addr;
	char *request;
	size_t request_len;
	struct conn *conns;
	size_t count, turn; // whose turn it is, when paced
	size_t number_at; // where the body shows the request's number; 0 nowhere
	uint64_t total, started, done, errors, bytes, events, shed;
	double rate, seconds;
	bool polite; // rests after a 503
	struct conn *resting, **resting_end; // in order of their ends
	uint64_t begin_ns, last_ns;
	uint32_t *latency_us, *shed_us; // of those that were served, and of those shed
	bool hang_up;
	SSL_CTX *tls; // NULL: plain
};

static uint64_t now_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void die(const char *what)
{
	fprintf(stderr, "load: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void conn_greet(struct load *l, struct conn *c)
{
	c->tls = SSL_new(l->tls);
	if (!c->tls || SSL_set_fd(c->tls, c->fd) != 1 || SSL_connect(c->tls) != 1)
		die("TLS");
}

static void conn_close(struct conn *c)
{
	SSL_free(c->tls);
	c->tls = NULL;
	close(c->fd);
}

// As send and recv say it.
static ssize_t tls_says(const SSL *tls, int rc)
{
	int why = SSL_get_error(tls, rc);
	errno = why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE ? EAGAIN : EPROTO;
	return why == SSL_ERROR_ZERO_RETURN ? 0 : -1;
}

static ssize_t conn_write(struct conn *c, const char *p, size_t n)
{
	if (!c->tls)
		return send(c->fd, p, n, MSG_NOSIGNAL);
	int rc = SSL_write(c->tls, p, (int)n);
	return rc > 0 ? rc : tls_says(c->tls, rc);
}

static ssize_t conn_read(struct conn *c, char *buf, size_t n)
{
	if (!c->tls)
		return recv(c->fd, buf, n, 0);
	int rc = SSL_read(c->tls, buf, (int)n);
	return rc > 0 ? rc : tls_says(c->tls, rc);
}

static void conn_open(struct load *l, struct conn *c)
{
	int one = 1;
	c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (c->fd < 0 || connect(c->fd, (struct sockaddr *)&l->addr, sizeof(l->addr)) != 0)
		die("connect");
	setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (l->tls)
		conn_greet(l, c);
	fcntl(c->fd, F_SETFL, O_NONBLOCK);
	struct epoll_event ev = {.events = EPOLLIN | EPOLLRDHUP, .data.ptr = c};
	if (epoll_ctl(l->epoll, EPOLL_CTL_ADD, c->fd, &ev) != 0)
		die("epoll_ctl");
}

// All connections send one text; the number is put in before each piece.
static void number_put(struct load *l, uint64_t number)
{
	for (size_t i = LOAD_NUMBER; l->number_at && i-- > 0; number /= 10)
		l->request[l->number_at + i] = (char)('0' + number % 10);
}

static void conn_send(struct load *l, struct conn *c)
{
	number_put(l, c->number);
	while (c->sent < l->request_len) {
		ssize_t n = conn_write(c, l->request + c->sent, l->request_len - c->sent);
		if (n < 0 && errno == EAGAIN) {
			struct epoll_event ev = {.events = EPOLLIN | EPOLLOUT, .data.ptr = c};
			epoll_ctl(l->epoll, EPOLL_CTL_MOD, c->fd, &ev);
			return;
		}
		if (n <= 0)
			return; // the reading side sees the end of the connection
		c->sent += (size_t)n;
	}
}

static void conn_start(struct load *l, struct conn *c, uint64_t due_ns)
{
	c->busy = true;
	c->in_body = c->close_after = false;
	c->head_len = c->sent = 0;
	c->due_ns = due_ns;
	c->match = 1; // a body begins as if after a line end
	c->number = l->started++;
	conn_send(l, c);
}

// Counts the answer and, without a rate, starts the next request on the same connection.
static void conn_done(struct load *l, struct conn *c, bool ok)
{
	uint64_t now = now_ns(), took_us = (now - c->due_ns) / 1000;
	uint32_t us = took_us > UINT32_MAX ? UINT32_MAX : (uint32_t)took_us;
	if (ok && c->shed)
		l->shed_us[l->shed++] = us;
	else
		l->latency_us[l->done - l->shed] = us;
	l->done++;
	if (!ok || (!c->shed && c->status / 100 != 2))
		l->errors++;
	c->busy = false;
	if (!ok || c->close_after) {
		conn_close(c);
		conn_open(l, c);
	}
	if (l->seconds > 0 && (double)(now - l->begin_ns) > l->seconds * 1e9)
		l->total = l->started; // time is up
	if (l->polite && ok && c->shed) {
		c->rest_ns = now + LOAD_REST_NS;
		c->next = NULL;
		*l->resting_end = c;
		l->resting_end = &c->next;
	} else if (l->rate <= 0 && l->started < l->total) {
		conn_start(l, c, now);
	}
}

static const char *head_find(const struct conn *c, const char *name)
{
	size_t len = strlen(name);
	for (const char *line = c->head; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (strncasecmp(line, name, len) == 0)
			return line + len + strspn(line + len, " ");
	}
	return NULL;
}

static void head_parse(struct conn *c)
{
	c->status = 0;
	if (c->head_len > 12)
		c->status = (int)strtol(c->head + 9, NULL, 10);
	const char *length = head_find(c, "content-length:");
	const char *coding = head_find(c, "transfer-encoding:");
	const char *connection = head_find(c, "connection:");
	c->close_after = connection && strncasecmp(connection, "close", 5) == 0;
	c->shed = c->status == 503 && head_find(c, "retry-after:");
	c->left = 0;
	if (coding && strncasecmp(coding, "chunked", 7) == 0) {
		c->kind = BODY_CHUNKED;
		c->chunk = CHUNK_SIZE;
	} else if (length) {
		c->left = strtoull(length, NULL, 10);
		c->kind = c->left ? BODY_LENGTH : BODY_NONE;
	} else {
		c->kind = BODY_CLOSE;
	}
	c->in_body = true;
}

static void events_count(struct load *l, struct conn *c, const char *p, size_t n)
{
	static const char mark[] = "\ndata:";
	for (size_t i = 0; i < n; i++) {
		c->match = p[i] == mark[c->match] ? c->match + 1 : p[i] == '\n';
		if (c->match == sizeof(mark) - 1) {
			l->events++;
			c->match = 0;
		}
	}
	l->bytes += n;
}

static int hex_digit(char ch)
{
	if (ch >= '0' && ch <= '9')
		return ch - '0';
	ch = (char)(ch | 32);
	return ch >= 'a' && ch <= 'f' ? ch - 'a' + 10 : -1;
}

// One framing byte of a chunked body; true when the body is complete.
static bool chunk_byte(struct conn *c, char ch)
{
	switch (c->chunk) {
	case CHUNK_SIZE:
		if (hex_digit(ch) >= 0)
			c->left = c->left * 16 + (uint64_t)hex_digit(ch);
		else if (ch != '\n')
			c->chunk = ch == '\r' ? CHUNK_SIZE : CHUNK_EXTENSION;
		else
			c->chunk = c->left ? CHUNK_DATA : CHUNK_TRAILER;
		c->line_empty = true;
		return false;
	case CHUNK_EXTENSION:
		if (ch == '\n')
			c->chunk = c->left ? CHUNK_DATA : CHUNK_TRAILER;
		return false;
	case CHUNK_DATA_END:
		if (ch == '\n')
			c->chunk = CHUNK_SIZE;
		return false;
	case CHUNK_TRAILER:
		if (ch == '\n' && c->line_empty)
			return true;
		c->line_empty = ch == '\n' || (ch == '\r' && c->line_empty);
		return false;
	default:
		return false;
	}
}

// True when the body ends within these bytes.
static bool body_take(struct load *l, struct conn *c, const char *p, size_t n)
{
	if (c->kind == BODY_NONE)
		return true;
	while (n) {
		bool data = c->kind != BODY_CHUNKED || c->chunk == CHUNK_DATA;
		if (!data) {
			if (chunk_byte(c, *p))
				return true;
			p++, n--;
			continue;
		}
		size_t take = c->kind == BODY_CLOSE || n < c->left ? n : (size_t)c->left;
		events_count(l, c, p, take);
		p += take, n -= take;
		if (c->kind == BODY_CLOSE)
			continue;
		c->left -= take;
		if (c->left == 0 && c->kind == BODY_LENGTH)
			return true;
		if (c->left == 0)
			c->chunk = CHUNK_DATA_END;
	}
	return false;
}

static void conn_take(struct load *l, struct conn *c, const char *p, size_t n)
{
	if (c->in_body) {
		if (body_take(l, c, p, n))
			conn_done(l, c, true);
		return;
	}
	size_t room = sizeof(c->head) - 1 - c->head_len;
	size_t had = c->head_len;
	size_t copy = n < room ? n : room;
	memcpy(c->head + had, p, copy);
	c->head_len += copy;
	c->head[c->head_len] = '\0';
	char *end = strstr(c->head, "\r\n\r\n");
	if (!end) {
		if (copy < n)
			conn_done(l, c, false);
		return;
	}
	size_t body_at = (size_t)(end + 4 - c->head) - had;
	end[2] = '\0';
	head_parse(c);
	if (l->hang_up) {
		c->close_after = true;
		conn_done(l, c, true);
		return;
	}
	if (c->kind == BODY_NONE || (body_at < n && body_take(l, c, p + body_at, n - body_at)))
		conn_done(l, c, true);
}

static void conn_ready(struct load *l, struct conn *c, uint32_t events)
{
	static char buf[LOAD_READ];
	if (events & EPOLLOUT) {
		struct epoll_event ev = {.events = EPOLLIN | EPOLLRDHUP, .data.ptr = c};
		epoll_ctl(l->epoll, EPOLL_CTL_MOD, c->fd, &ev);
		conn_send(l, c);
	}
	if (!(events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)))
		return;
	ssize_t n;
	while ((n = conn_read(c, buf, sizeof(buf))) > 0) {
		if (c->busy)
			conn_take(l, c, buf, (size_t)n);
		if (!c->tls || SSL_pending(c->tls) == 0)
			return;
	}
	if (n < 0 && errno == EAGAIN)
		return;
	if (c->busy) {
		c->close_after = true;
		conn_done(l, c, c->in_body && c->kind == BODY_CLOSE);
	} else {
		conn_close(c);
		conn_open(l, c);
	}
}

// Starts what is due; returns the nanoseconds until the next one.
static long pace(struct load *l)
{
	uint64_t now = now_ns();
	while (l->started < l->total) {
		uint64_t due = l->begin_ns + (uint64_t)((double)l->started * 1e9 / l->rate);
		if (due > now)
			return (long)(due - now);
		struct conn *idle = NULL;
		for (size_t i = 0; i < l->count && !idle; i++, l->turn = (l->turn + 1) % l->count)
			idle = l->conns[l->turn].busy ? NULL : &l->conns[l->turn];
		if (!idle)
			break;
		conn_start(l, idle, due);
	}
	return 1000000;
}

// Those that have rested ask again.
static void wake(struct load *l)
{
	uint64_t now = now_ns();
	while (l->resting && l->resting->rest_ns <= now) {
		struct conn *c = l->resting;
		l->resting = c->next;
		if (!l->resting)
			l->resting_end = &l->resting;
		if (l->started < l->total)
			conn_start(l, c, now);
	}
}

static void load_run(struct load *l)
{
	struct epoll_event events[256];
	l->begin_ns = l->last_ns = now_ns();
	for (size_t i = 0; i < l->count && l->rate <= 0 && l->started < l->total; i++)
		conn_start(l, &l->conns[i], now_ns());
	while (l->done < l->total) {
		struct timespec wait = {.tv_nsec = l->rate > 0 ? pace(l)
				: l->resting		       ? 5000000
							       : 100000000};
		int n = epoll_pwait2(l->epoll, events, 256, &wait, NULL);
		for (int i = 0; i < n; i++)
			conn_ready(l, events[i].data.ptr, events[i].events);
		wake(l);
		if (n > 0)
			l->last_ns = now_ns();
		else if (now_ns() - l->last_ns > LOAD_STALL_MS * 1000000ull)
			break;
	}
}

static int by_value(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
	return (x > y) - (x < y);
}

static uint32_t percentile(const uint32_t *sorted, uint64_t n, unsigned percent)
{
	return n ? sorted[n * percent / 100] : 0;
}

static void load_print(struct load *l)
{
	double wall_s = (double)(now_ns() - l->begin_ns) / 1e9;
	uint64_t served = l->done - l->shed;
	qsort(l->latency_us, served, sizeof(*l->latency_us), by_value);
	qsort(l->shed_us, l->shed, sizeof(*l->shed_us), by_value);
	printf("{\"requests\":%llu,\"errors\":%llu,\"missing\":%llu,\"events\":%llu,\"bytes\":%llu,"
	       "\"wall_s\":%.4f,\"p50_us\":%u,\"p99_us\":%u,\"shed\":%llu,\"shed_p99_us\":%u}\n",
		(unsigned long long)l->done, (unsigned long long)l->errors,
		(unsigned long long)(l->total - l->done), (unsigned long long)l->events,
		(unsigned long long)l->bytes, wall_s, percentile(l->latency_us, served, 50),
		percentile(l->latency_us, served, 99), (unsigned long long)l->shed,
		percentile(l->shed_us, l->shed, 99));
}

static size_t body_read(const char *path, char *ret_body, size_t max)
{
	FILE *f = fopen(path, "r");
	if (!f)
		die(path);
	size_t n = fread(ret_body, 1, max, f);
	fclose(f);
	return n;
}

static void address_parse(struct load *l, const char *text)
{
	char host[64];
	const char *colon = strrchr(text, ':');
	if (!colon || (size_t)(colon - text) >= sizeof(host))
		die(text);
	memcpy(host, text, (size_t)(colon - text));
	host[colon - text] = '\0';
	l->addr.sin_family = AF_INET;
	l->addr.sin_port = htons((uint16_t)strtoul(colon + 1, NULL, 10));
	if (inet_pton(AF_INET, host, &l->addr.sin_addr) != 1)
		die(text);
}

int main(int argc, char **argv)
{
	static char body[LOAD_REQUEST_MAX], headers[4096];
	struct load l = {.total = 1000, .count = 32};
	size_t body_len = 0, headers_len = 0;
	bool post = false, keep = false;
	for (int opt; (opt = getopt(argc, argv, "c:n:r:t:d:H:kwxs")) != -1;) {
		if (opt == 'c')
			l.count = strtoul(optarg, NULL, 10);
		else if (opt == 'n')
			l.total = strtoull(optarg, NULL, 10);
		else if (opt == 'x')
			l.hang_up = true;
		else if (opt == 'r')
			l.rate = strtod(optarg, NULL);
		else if (opt == 'w')
			l.polite = true;
		else if (opt == 's')
			l.tls = SSL_CTX_new(TLS_client_method());
		else if (opt == 'k')
			keep = true;
		else if (opt == 't')
			l.seconds = strtod(optarg, NULL);
		else if (opt == 'd')
			body_len = body_read(optarg, body, sizeof(body)), post = true;
		else if (opt == 'H' && headers_len + strlen(optarg) + 3 < sizeof(headers))
			headers_len += (size_t)snprintf(headers + headers_len,
				sizeof(headers) - headers_len, "%s\r\n", optarg);
		else
			return 2;
	}
	if (argc - optind != 2 || l.count == 0 || l.count > LOAD_CONNECTIONS_MAX)
		return 2;
	prctl(PR_SET_TIMERSLACK, 1);
	address_parse(&l, argv[optind]);
	l.request = malloc(sizeof(body) + sizeof(headers) + 1024 + 1);
	l.conns = calloc(l.count, sizeof(*l.conns));
	l.latency_us = calloc(l.total, sizeof(*l.latency_us));
	l.shed_us = calloc(l.total, sizeof(*l.shed_us));
	if (!l.request || !l.conns || !l.latency_us || !l.shed_us)
		die("memory");
	int head = snprintf(l.request, sizeof(headers) + 1024,
		"%s %s HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\n"
		"Content-Length: %zu\r\n%s\r\n",
		post ? "POST" : "GET", argv[optind + 1], argv[optind], body_len, headers);
	memcpy(l.request + head, body, body_len);
	l.request_len = (size_t)head + body_len;
	l.request[l.request_len] = '\0';
	char *number = strstr(l.request + head, "########");
	l.number_at = number ? (size_t)(number - l.request) : 0;
	l.resting_end = &l.resting;
	l.epoll = epoll_create1(EPOLL_CLOEXEC);
	for (size_t i = 0; i < l.count; i++)
		conn_open(&l, &l.conns[i]);
	load_run(&l);
	load_print(&l);
	fflush(stdout);
	while (keep && read(STDIN_FILENO, body, sizeof(body)) > 0)
		continue;
	return l.errors || l.done < l.total ? 1 : 0;
}
