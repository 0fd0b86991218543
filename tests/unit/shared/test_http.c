// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/un.h>
#include <unistd.h>
#include "shared/http.h"
#include "shared/mem.h"
#include "shared/str.h"

#define OK_HEAD                                                                                    \
	"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nX-Request-Id: req_1\r\nETag: \"7\"\r\n"
#define HANG NULL // keeps the connection open and says nothing

// A server that answers each request, on any connection, with the next text of its script.
struct server {
	const char *const *script;
	size_t n, at, connections;
	int fd, stop[2];
	bool keep; // serves more than one request on a connection
	char url[64];
	struct str seen; // every request
	pthread_t thread;
};

// Reads one request with its body; false when the client closed.
static bool take_request(struct server *s, int fd)
{
	struct str text = STR_INIT;
	const char *head, *length;
	char buf[4096];
	size_t want = 0;

	for (;;) {
		ssize_t n;

		head = strstr(str_text(&text), "\r\n\r\n");
		length = strcasestr(str_text(&text), "content-length:");
		if (head)
			want = (size_t)(head - text.p) + 4 +
				(length ? strtoul(length + 15, NULL, 10) : 0);
		if (head && text.n >= want)
			break;
		n = read(fd, buf, sizeof(buf));
		if (n <= 0) {
			str_release(&text);
			return false;
		}
		str_add_n(&text, buf, (size_t)n);
	}
	str_add_slice(&s->seen, str_slice(&text));
	str_release(&text);
	return true;
}

static void *serve(void *arg)
{
	struct server *s = arg;

	while (s->at < s->n) {
		int fd = accept(s->fd, NULL, NULL);
		char byte;

		if (fd < 0)
			break;
		s->connections++;
		while (s->at < s->n && take_request(s, fd)) {
			const char *text = s->script[s->at++];

			if (text == HANG) {
				if (read(s->stop[0], &byte, 1) < 0)
					break;
			} else {
				size_t n = strlen(text), sent = 0;

				while (sent < n) {
					ssize_t w = send(fd, text + sent, n - sent, MSG_NOSIGNAL);

					if (w <= 0)
						break;
					sent += (size_t)w;
				}
			}
			if (!s->keep)
				break;
		}
		close(fd);
	}
	return NULL;
}

static void start(struct server *s, const char *const *script, size_t n, bool keep)
{
	struct sockaddr_in addr = {
		.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(addr);

	*s = (struct server){.script = script, .n = n, .keep = keep};
	s->fd = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(bind(s->fd, (void *)&addr, sizeof(addr)), 0);
	assert_int_equal(listen(s->fd, 8), 0);
	assert_int_equal(getsockname(s->fd, (void *)&addr, &len), 0);
	assert_int_equal(pipe(s->stop), 0);
	snprintf(s->url, sizeof(s->url), "http://127.0.0.1:%d/path", ntohs(addr.sin_port));
	assert_int_equal(pthread_create(&s->thread, NULL, serve, s), 0);
}

static void stop(struct server *s)
{
	assert_int_equal(write(s->stop[1], "x", 1), 1);
	shutdown(s->fd, SHUT_RDWR);
	pthread_join(s->thread, NULL);
	close(s->fd);
	close(s->stop[0]);
	close(s->stop[1]);
	str_release(&s->seen);
}

// What came of a call.
struct outcome {
	int ends, status;
	enum err_code code;
	struct str body, data, type, etag, id, message;
	struct http_call *cancel; // cancelled from within on_data or on_done
	bool stop_stream;
};

static void on_done(void *arg, enum err_code code, const struct http_response *res,
	const struct err *err)
{
	struct outcome *o = arg;

	o->ends++;
	o->code = code;
	o->status = res->status;
	str_add_slice(&o->body, res->body);
	str_add(&o->type, res->content_type);
	str_add(&o->etag, res->etag);
	str_add(&o->id, res->request_id);
	str_add(&o->message, err->message);
	if (o->cancel)
		http_cancel(o->cancel);
}

static bool on_data(void *arg, struct slice bytes)
{
	struct outcome *o = arg;

	str_add_slice(&o->data, bytes);
	if (o->cancel)
		http_cancel(o->cancel);
	return !o->stop_stream;
}

static void release(struct outcome *o)
{
	str_release(&o->body);
	str_release(&o->data);
	str_release(&o->type);
	str_release(&o->etag);
	str_release(&o->id);
	str_release(&o->message);
	*o = (struct outcome){0};
}

static void finish(struct http *h)
{
	while (http_running(h))
		http_wait(h, 1000, NULL, 0);
}

static struct http_request get(const struct server *s, struct outcome *o)
{
	return (struct http_request){
		.method = "GET", .url = s->url, .timeout_ms = 10000, .on_done = on_done, .arg = o};
}

static void calls_and_keeps_connections(void **state UNUSED)
{
	static const char *const script[] = {OK_HEAD "Content-Length: 7\r\n\r\n{\"a\":1}",
		"HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\n{}",
		"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n"};
	struct http *h = http_new();
	struct server s;
	struct outcome o = {0};
	struct http_request r;

	start(&s, script, ARRAY_LEN(script), true);
	r = get(&s, &o);
	http_start(h, &r);
	finish(h);
	assert_int_equal(o.ends, 1);
	assert_int_equal(o.code, ERR_OK);
	assert_int_equal(o.status, 200);
	assert_string_equal(str_text(&o.body), "{\"a\":1}");
	assert_string_equal(str_text(&o.type), "application/json");
	assert_string_equal(str_text(&o.etag), "\"7\"");
	assert_string_equal(str_text(&o.id), "req_1");
	for (int status = 404; status >= 302; status -= 102) {
		release(&o);
		http_start(h, &r);
		finish(h);
		assert_int_equal(o.code, ERR_OK);
		assert_int_equal(o.status, status); // not followed
	}
	release(&o);
	http_free(h);
	stop(&s);
	assert_int_equal(s.connections, 1);
}

static void sends_what_it_is_given(void **state UNUSED)
{
	static const char *const script[] = {OK_HEAD "Content-Length: 0\r\n\r\n",
		OK_HEAD "Content-Length: 0\r\n\r\n", OK_HEAD "Content-Length: 0\r\n\r\n"};
	struct http *h = http_new();
	struct secret token = {0};
	struct server s;
	struct outcome o = {0};
	struct http_request r;
	size_t mark;

	start(&s, script, ARRAY_LEN(script), true);
	secret_set(&token, "yj_a_x", 6);
	r = get(&s, &o);
	r.method = "PATCH";
	r.token = &token;
	r.body = SLICE("{\"a\":\0001}");
	r.has_body = true;
	r.headers[0] = "Content-Type: application/json";
	r.headers[1] = "If-Match: \"7\"\r\nX-Smuggled: 1";
	r.headers[2] = "X-Last: 2";
	http_start(h, &r);
	finish(h);
	assert_int_equal(o.code, ERR_OK);
	assert_non_null(strstr(str_text(&s.seen), "PATCH /path HTTP/1.1\r\n"));
	assert_non_null(strstr(str_text(&s.seen), "\r\nAuthorization: Bearer yj_a_x\r\n"));
	assert_non_null(strstr(str_text(&s.seen), "\r\nUser-Agent: yijian/"));
	assert_non_null(strstr(str_text(&s.seen), "\r\nContent-Type: application/json\r\n"));
	assert_non_null(strstr(str_text(&s.seen), "\r\nX-Last: 2\r\n"));
	assert_null(strstr(str_text(&s.seen), "Smuggled"));
	assert_null(strstr(str_text(&s.seen), "Expect:"));
	assert_int_equal(memcmp(s.seen.p + s.seen.n - 8, "{\"a\":\0001}", 8), 0);
	mark = s.seen.n;
	r = get(&s, &o);
	r.method = "POST"; // without a body
	http_start(h, &r);
	finish(h);
	assert_non_null(strcasestr(s.seen.p + mark, "content-length: 0"));
	assert_null(strcasestr(s.seen.p + mark, "content-type"));
	r.method = "DELETE";
	http_start(h, &r);
	finish(h);
	assert_non_null(memmem(s.seen.p, s.seen.n, "DELETE /path", 12));
	release(&o);
	secret_release(&token);
	http_free(h);
	stop(&s);
}

static void streams(void **state UNUSED)
{
	static const char *const script[] = {
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n",
		"HTTP/1.1 403 Forbidden\r\nContent-Length: 5\r\n\r\nwords", OK_HEAD "\r\nendless"};
	struct http *h = http_new();
	struct server s;
	struct outcome o = {0};
	struct http_request r;

	start(&s, script, ARRAY_LEN(script), false);
	r = get(&s, &o);
	r.on_data = on_data;
	http_start(h, &r);
	finish(h);
	assert_string_equal(str_text(&o.data), "abcde");
	assert_int_equal(o.body.n, 0);
	release(&o);
	http_start(h, &r);
	finish(h);
	assert_int_equal(o.status, 403);
	assert_int_equal(o.data.n, 0);
	assert_string_equal(str_text(&o.body), "words");
	release(&o);
	o.stop_stream = true;
	http_start(h, &r);
	finish(h);
	assert_int_equal(o.ends, 1);
	assert_int_equal(o.code, ERR_OK);
	release(&o);
	http_free(h);
	stop(&s);
}

static void names_failures(void **state UNUSED)
{
	char *huge = mem_alloc(HTTP_BODY_MAX + 200);
	const char *script[] = {"SSH-2.0-OpenSSH_9.2\r\n", HANG, huge,
		"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\ncut"};
	const struct {
		enum err_code code;
		int64_t timeout_ms;
	} want[] = {{ERR_NOT_AN_AGENT, 10000}, {ERR_TIMED_OUT, 50}, {ERR_NOT_AN_AGENT, 10000},
		{ERR_UNREACHABLE, 10000}};
	struct http *h = http_new();
	struct server s;
	struct outcome o = {0};
	struct http_request r;
	int n = snprintf(huge, 200, "HTTP/1.1 200 OK\r\n\r\n");

	memset(huge + n, 'x', HTTP_BODY_MAX + 100);
	huge[n + HTTP_BODY_MAX + 100] = '\0';
	start(&s, script, ARRAY_LEN(script), false);
	for (size_t i = 0; i < ARRAY_LEN(want); i++) {
		r = get(&s, &o);
		r.timeout_ms = want[i].timeout_ms;
		http_start(h, &r);
		finish(h);
		assert_int_equal(o.ends, 1);
		assert_int_equal(o.code, want[i].code);
		assert_true(o.message.n > 0);
		release(&o);
		if (script[i] == HANG)
			assert_int_equal(write(s.stop[1], "x", 1), 1);
	}
	stop(&s);
	r = get(&s, &o); // nobody listens there now
	http_start(h, &r);
	finish(h);
	assert_int_equal(o.code, ERR_UNREACHABLE);
	assert_int_equal(o.status, 0);
	release(&o);
	r.url = "file:///etc/passwd";
	http_start(h, &r);
	finish(h);
	assert_int_equal(o.code, ERR_NOT_AN_AGENT);
	assert_int_equal(o.body.n, 0);
	release(&o);
	http_free(h);
	free(huge);
}

static void cancels_anywhere(void **state UNUSED)
{
	static const char *const script[] = {
		OK_HEAD "Content-Length: 2\r\n\r\nok", OK_HEAD "\r\nsome", HANG, HANG};
	struct http *h = http_new();
	struct server s;
	struct outcome o = {0};
	struct http_request r;

	start(&s, script, ARRAY_LEN(script), false);
	r = get(&s, &o);
	o.cancel = http_start(h, &r); // itself, from on_done
	finish(h);
	assert_int_equal(o.ends, 1);
	release(&o);
	r.on_data = on_data;
	o.cancel = http_start(h, &r); // itself, from on_data: no end is told
	finish(h);
	assert_int_equal(o.ends, 0);
	assert_string_equal(str_text(&o.data), "some");
	release(&o);
	http_cancel(http_start(h, &r)); // before it began
	assert_int_equal(http_running(h), 0);
	http_start(h, &r);
	http_wait(h, 0, NULL, 0);
	http_free(h); // while it runs
	assert_int_equal(o.ends, 0);
	stop(&s);
	http_free(NULL);
}

static void wakes_for_other_descriptors(void **state UNUSED)
{
	struct http *h = http_new();
	int fds[2];

	assert_int_equal(pipe(fds), 0);
	assert_false(http_wait(h, 0, fds, 1));
	assert_int_equal(write(fds[1], "k", 1), 1);
	assert_true(http_wait(h, 10000, fds, 1));
	close(fds[0]);
	close(fds[1]);
	http_free(h);
}

static void calls_over_a_unix_socket(void **state UNUSED)
{
	static const char *const script[] = {OK_HEAD "Content-Length: 2\r\n\r\nok"};
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	char dir[] = "/tmp/yijian-http-XXXXXX";
	struct http *h = http_new();
	struct server s = {.script = script, .n = 1};
	struct outcome o = {0};
	struct http_request r;

	assert_non_null(mkdtemp(dir));
	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s/s", dir);
	s.fd = socket(AF_UNIX, SOCK_STREAM, 0);
	assert_int_equal(bind(s.fd, (void *)&addr, sizeof(addr)), 0);
	assert_int_equal(listen(s.fd, 1), 0);
	assert_int_equal(pipe(s.stop), 0);
	snprintf(s.url, sizeof(s.url), "http://localhost/x");
	assert_int_equal(pthread_create(&s.thread, NULL, serve, &s), 0);
	setenv("http_proxy", "http://127.0.0.1:1", 1);
	r = get(&s, &o);
	r.unix_socket = addr.sun_path;
	http_start(h, &r);
	finish(h);
	unsetenv("http_proxy");
	assert_int_equal(o.status, 200);
	release(&o);
	http_free(h);
	stop(&s);
	unlink(addr.sun_path);
	rmdir(dir);
}

static int setup(void **state UNUSED)
{
	return secret_setup() ? 0 : -1;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(calls_and_keeps_connections),
		cmocka_unit_test(sends_what_it_is_given),
		cmocka_unit_test(streams),
		cmocka_unit_test(names_failures),
		cmocka_unit_test(cancels_anywhere),
		cmocka_unit_test(wakes_for_other_descriptors),
		cmocka_unit_test(calls_over_a_unix_socket),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
