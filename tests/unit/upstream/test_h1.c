// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include "agent/upstream/h1.h"

#define OK11 "HTTP/1.1 200 OK\r\n"
#define CHUNKED OK11 "Transfer-Encoding: chunked\r\n\r\n"

struct result {
	enum h1_step end;
	int status;
	bool keep_alive;
	struct str body;
	size_t rest;
};

static struct result feed(const char *text, size_t n, size_t piece)
{
	struct result r = {.end = H1_MORE};
	struct h1 h = {0};
	for (size_t at = 0; at < n && r.end != H1_DONE && r.end < H1_BAD; at += piece) {
		struct slice in = {text + at, MIN_OF(piece, n - at)}, data;
		while ((r.end = h1_next(&h, &in, &data)) == H1_HEAD || r.end == H1_DATA)
			str_add_slice(&r.body, data);
		r.rest = in.n;
	}
	if (r.end == H1_MORE)
		r.end = h1_eof(&h);
	r.status = h.status;
	r.keep_alive = h.keep_alive;
	h1_release(&h);
	return r;
}

struct row {
	const char *text;
	enum h1_step end;
	int status;
	const char *body;
	bool keep_alive;
};

static const struct row rows[] = {
	{OK11 "Content-Length: 5\r\n\r\nhello", H1_DONE, 200, "hello", true},
	{OK11 "content-length:5\r\nConnection: foo, Close\r\n\r\nhello", H1_DONE, 200, "hello",
		false},
	{"HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\nx", H1_DONE, 200, "x", false},
	{"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 1\r\n\r\nx", H1_DONE, 200,
		"x", true},
	{"HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", H1_DONE, 200, "", true},
	{"HTTP/1.1 200 \nContent-Length: 1\n\nx", H1_DONE, 200, "x", true},
	{OK11 "\r\nuntil the end", H1_DONE, 200, "until the end", false},
	{"HTTP/1.1 204 No Content\r\n\r\n", H1_DONE, 204, "", true},
	{"HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n", H1_DONE, 304, "", true},
	{CHUNKED "5\r\nhello\r\n1;ext=\"a b\"\r\n!\r\n0\r\n\r\n", H1_DONE, 200, "hello!", true},
	{CHUNKED "00A\r\n0123456789\r\n0\r\nX-Trailer: 1\r\n\r\n", H1_DONE, 200, "0123456789",
		true},
	{"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" OK11
	 "Content-Length: 2\r\n\r\nok",
		H1_DONE, 200, "ok", true},
	// cut short
	{OK11 "Content-Length: 5\r\n\r\nhell", H1_BAD, 200, "hell", true},
	{CHUNKED "5\r\nhell", H1_BAD, 200, "hell", true},
	{CHUNKED "5\r\nhello\r\n", H1_BAD, 200, "hello", true},
	{CHUNKED "5\r\nhello\r\n0\r\n", H1_BAD, 200, "hello", true},
	{OK11 "Content-Le", H1_BAD, 0, "", false},
	{"", H1_BAD, 0, "", false},
	// not HTTP, or not ours
	{"<html>hello</html>", H1_BAD, 0, "", false},
	{"hello\n", H1_BAD, 0, "", false},
	{"HTTP/2 200\r\n\r\n", H1_BAD, 0, "", false},
	{"HTTP/1.1 20x OK\r\n\r\n", H1_BAD, 20, "", true},
	{"HTTP/1.1 2000 OK\r\n\r\n", H1_BAD, 200, "", true},
	{"HTTP/1.1 600 X\r\n\r\n", H1_BAD, 600, "", true},
	{"HTTP/1.1 101 Switching\r\n\r\n", H1_BAD, 101, "", true},
	{"HTTP/1.1 100 C\r\nContent-Length: 3\r\n\r\nabc", H1_BAD, 100, "", true},
	// ambiguous framing
	{OK11 "Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello", H1_BAD, 200, "", true},
	{OK11 "Content-Length: 5, 5\r\n\r\nhello", H1_BAD, 200, "", true},
	{OK11 "Content-Length: +5\r\n\r\nhello", H1_BAD, 200, "", true},
	{OK11 "Content-Length: -5\r\n\r\nhello", H1_BAD, 200, "", true},
	{OK11 "Content-Length: 0x5\r\n\r\nhello", H1_BAD, 200, "", true},
	{OK11 "Content-Length:\r\n\r\n", H1_BAD, 200, "", true},
	{OK11 "Content-Length: 99999999999999999999\r\n\r\n", H1_BAD, 200, "", true},
	{OK11 "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", H1_BAD, 200, "", true},
	{OK11 "Transfer-Encoding: gzip, chunked\r\n\r\n", H1_BAD, 200, "", true},
	{OK11 "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", H1_BAD, 200, "",
		true},
	{"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", H1_BAD, 200, "", false},
	{OK11 "X: a\r\n folded\r\n\r\n", H1_BAD, 200, "", true},
	{OK11 "X : a\r\n\r\n", H1_BAD, 200, "", true},
	{OK11 ": a\r\n\r\n", H1_BAD, 200, "", true},
	{OK11 "no colon\r\n\r\n", H1_BAD, 200, "", true},
	{OK11 "X: a\rb\r\n\r\n", H1_BAD, 200, "", true},
	{CHUNKED "\r\nhello\r\n", H1_BAD, 200, "", true},
	{CHUNKED "5\nhello\r\n", H1_BAD, 200, "", true},
	{CHUNKED "-5\r\nhello\r\n", H1_BAD, 200, "", true},
	{CHUNKED "5\r\nhelloXX0\r\n\r\n", H1_BAD, 200, "hello", true},
	{CHUNKED "ffffffffffffffff\r\n", H1_BAD, 200, "", true},
	{CHUNKED "2 3\r\nhello\r\n", H1_BAD, 200, "", true},
	{CHUNKED "2 x\r\nok\r\n", H1_BAD, 200, "", true},
	{CHUNKED "2;a\x01\r\nok\r\n", H1_BAD, 200, "", true},
	{CHUNKED "2;a=\"\x7f\"\r\nok\r\n", H1_BAD, 200, "", true},
	{CHUNKED "2  \r\nok\r\n0\r\n\r\n", H1_DONE, 200, "ok", true}, // padded by old servers
	{CHUNKED "2 ;a=b\r\nok\r\n0;last\r\nX: \t1\r\n\r\n", H1_DONE, 200, "ok", true},
	{CHUNKED "0\r\nX: a\x01\r\n\r\n", H1_BAD, 200, "", true},
	{CHUNKED "0\r\nno colon\r\n\r\n", H1_BAD, 200, "", true},
	{CHUNKED "0\r\nnocolon\r\n\r\n", H1_BAD, 200, "", true},
	{CHUNKED "0\r\n: a\r\n\r\n", H1_BAD, 200, "", true},
	{CHUNKED "0\r\nX: a\r\n folded\r\n\r\n", H1_BAD, 200, "", true},
	{"HTTP/1.1 200 O\x01K\r\nContent-Length: 0\r\n\r\n", H1_BAD, 200, "", true},
};

static void test_table_cut_anywhere(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		size_t n = strlen(rows[i].text);
		for (size_t piece = 1; piece <= n + 1; piece = piece < 4 ? piece + 1 : piece * 3) {
			struct result r = feed(rows[i].text, n, piece);
			if (r.end != rows[i].end || strcmp(str_text(&r.body), rows[i].body) != 0 ||
				(r.end == H1_DONE &&
					(r.status != rows[i].status ||
						r.keep_alive != rows[i].keep_alive)))
				fail_msg("row %zu in pieces of %zu: end %d status %d body '%s'", i,
					piece, (int)r.end, r.status, str_text(&r.body));
			str_release(&r.body);
		}
	}
}

static void test_what_follows_is_left(void **state)
{
	(void)state;
	static const char two[] = OK11 "Content-Length: 2\r\n\r\nokHTTP/1.1 500";
	struct result r = feed(two, sizeof(two) - 1, sizeof(two));
	assert_int_equal(r.end, H1_DONE);
	assert_int_equal(r.rest, strlen("HTTP/1.1 500"));
	str_release(&r.body);
}

static enum h1_step end_of(const struct str *s)
{
	struct result r = feed(s->p, s->n, s->n);
	str_release(&r.body);
	return r.end;
}

static void test_limits(void **state)
{
	(void)state;
	struct str s = STR_INIT;
	str_add(&s, OK11 "X: ");
	while (s.n < H1_HEAD_MAX)
		str_add(&s, "aaaaaaaaaaaaaaaa");
	struct result r = feed(s.p, s.n, 4096);
	assert_int_equal(r.end, H1_TOO_LARGE);
	str_release(&r.body);

	str_clear(&s);
	str_add(&s, OK11);
	for (int i = 0; i <= H1_HEADERS_MAX; i++)
		str_addf(&s, "X-%d: 1\r\n", i);
	str_add(&s, "\r\n");
	assert_int_equal(end_of(&s), H1_TOO_LARGE);

	str_clear(&s);
	for (int i = 0; i <= H1_INTERIM_MAX; i++)
		str_add(&s, "HTTP/1.1 100 Continue\r\n\r\n");
	assert_int_equal(end_of(&s), H1_BAD);

	str_clear(&s);
	str_add(&s, CHUNKED "1;");
	for (int i = 0; i < H1_CHUNK_LINE_MAX; i++)
		str_add_c(&s, 'e');
	assert_int_equal(end_of(&s), H1_BAD);
	str_release(&s);
}

static void test_headers_by_name(void **state)
{
	(void)state;
	struct h1 h = {0};
	struct slice in = SLICE(OK11 "Retry-After:  30 \r\nA: b\r\nContent-Length: 0\r\n\r\n"),
		     data;
	assert_int_equal(h1_next(&h, &in, &data), H1_HEAD);
	assert_true(slice_eq_str(h1_header(&h, "retry-after"), "30"));
	assert_null(h1_header(&h, "Location").p);
	assert_int_equal(h1_next(&h, &in, &data), H1_DONE);
	h1_reset(&h);
	in = SLICE("HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n");
	assert_int_equal(h1_next(&h, &in, &data), H1_HEAD);
	assert_int_equal(h.status, 503);
	assert_null(h1_header(&h, "Retry-After").p);
	h1_release(&h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_table_cut_anywhere),
		cmocka_unit_test(test_what_follows_is_left),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_headers_by_name),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
