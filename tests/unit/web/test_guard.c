// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "agent/web/guard.h"

struct pair {
	const char *name, *value;
};

// Up to four headers beside Host.
static enum err_code judged(const char *version, struct pair a, struct pair b)
{
	struct guard g = {0};
	guard_header(&g, SLICE("Host"), SLICE("localhost"));
	if (a.name)
		guard_header(&g, slice_of(a.name), slice_of(a.value));
	if (b.name)
		guard_header(&g, slice_of(b.name), slice_of(b.value));
	return guard_headers(&g, slice_of(version));
}

static enum err_code one(const char *name, const char *value)
{
	return judged("HTTP/1.1", (struct pair){name, value}, (struct pair){NULL, NULL});
}

static void test_good_heads(void **state)
{
	(void)state;
	assert_int_equal(one("Accept", "*/*"), ERR_OK);
	assert_int_equal(one("X-Tab", "a\tb"), ERR_OK);
	assert_int_equal(one("X-Utf8", "\xc3\xa4"), ERR_OK);
	assert_int_equal(one("Content-Length", "0"), ERR_OK);
	assert_int_equal(one("transfer-encoding", "Chunked"), ERR_OK);
	struct guard old = {0};
	assert_int_equal(guard_headers(&old, SLICE("HTTP/1.0")), ERR_OK);
}

static void test_ambiguous_heads(void **state)
{
	static const struct pair bad[] = {{"Host", "localhost"}, {"Content-Length", "+5"},
		{"Content-Length", ""}, {"Content-Length", "5,5"}, {"Transfer-Encoding", "gzip"},
		{"Transfer-Encoding", "chunked, chunked"}, {"Transfer-Encoding ", "chunked"},
		{"X Y", "1"}, {"", "1"}, {"X", "a\rb"}, {"X", "\x1b"}, {"X", "\x7f"}};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_equal(one(bad[i].name, bad[i].value), ERR_BAD_FRAMING);
	struct pair length = {"Content-Length", "4"}, coding = {"Transfer-Encoding", "chunked"};
	assert_int_equal(judged("HTTP/1.1", length, length), ERR_BAD_FRAMING);
	assert_int_equal(judged("HTTP/1.1", length, coding), ERR_BAD_FRAMING);
	assert_int_equal(judged("HTTP/1.0", coding, (struct pair){NULL, NULL}), ERR_BAD_FRAMING);
	assert_int_equal(judged("HTTP/1.2", length, (struct pair){NULL, NULL}), ERR_BAD_FRAMING);
	struct guard hostless = {0};
	assert_int_equal(guard_headers(&hostless, SLICE("HTTP/1.1")), ERR_BAD_FRAMING);
}

static void test_too_many(void **state)
{
	struct guard g = {0};
	(void)state;
	for (int i = 0; i <= GUARD_HEADERS_MAX; i++)
		guard_header(&g, SLICE("X"), SLICE("1"));
	assert_int_equal(guard_headers(&g, SLICE("HTTP/1.1")), ERR_HEADERS_TOO_LARGE);
}

static void test_body_length(void **state)
{
	struct guard none = {0}, chunked = {0}, said = {0}, huge = {0};
	(void)state;
	guard_header(&chunked, SLICE("Transfer-Encoding"), SLICE("chunked"));
	guard_header(&said, SLICE("Content-Length"), SLICE("42"));
	guard_header(&huge, SLICE("Content-Length"), SLICE("99999999999999999999"));
	assert_int_equal(guard_body_length(&none), 0);
	assert_int_equal(guard_body_length(&chunked), -1);
	assert_int_equal(guard_body_length(&said), 42);
	assert_int_equal(guard_body_length(&huge), INT64_MAX);
}

static bool void_by(const char *name)
{
	struct guard g = {0};
	guard_header(&g, slice_of(name), SLICE("1"));
	assert_int_equal(g.code, ERR_OK);
	return g.forwarded;
}

// One name at least for each row of the list, as those who send it write it.
static void test_forwarding(void **state)
{
	static const char *const names[] = {"Forwarded", "X-Forwarded", "X-Forwarded-For",
		"x-forwarded-host", "X-Original-Forwarded-For", "Z-Forwarded-For",
		"X_FORWARDED_PROTO", "forwarded-for", "x-acme-forwarded-by", "X-ForwardedFor",
		"Via", "VIA", "X-Via", "X-BlueCoat-Via", "X-Real-Ip", "X_Real_IP", "True-Client-IP",
		"X-Client-IP", "Client-IP", "X-Cluster-Client-IP", "CF-Connecting-IP",
		"CF-Connecting-IPv6", "CF-Ray", "Fastly-Client-IP", "Fastly-SSL", "Fly-Client-IP",
		"Fly-Region", "X-ProxyUser-Ip", "X-Proxy-Id", "WL-Proxy-Client-IP", "WL-Proxy-SSL",
		"Proxy-Client-IP", "X-Azure-ClientIP", "X-Azure-SocketIP", "X-Azure-Ref",
		"X-Appengine-User-IP", "X-Appengine-Country", "X-Envoy-External-Address",
		"x-envoy-peer-metadata", "X-Originating-IP", "X-Remote-IP", "X-RemoteIP",
		"X-RealIP", "X-Remote-Addr", "Remote-Addr", "REMOTE_ADDR", "X-Forward-For",
		"Ali-CDN-Real-IP", "CDN-Loop", "Cdn-Src-Ip", "X-Amz-Cf-Id", "X-Amzn-Trace-Id",
		"X-ARR-LOG-ID", "X-Iinfo", "X-Nginx-Proxy", "X-Varnish", "X-Vercel-Id",
		"Front-End-Https", "X-Original-URL", "X-Rewrite-URL", "X-Url-Scheme", "Remote-User",
		"X-Remote-User", "X-Auth-Request-Email", "Incap-Client-IP", "X-Sucuri-ClientIP",
		"X-SSL-Client-Cert", "X_SSL_Client_Verify", "SSL-Client-Cert",
		"X-Authenticated-Userid", "X-authentik-username", "X-Consumer-Id",
		"X-Goog-Authenticated-User-Email", "X-Goog-IAP-JWT-Assertion", "X-Host", "X-Scheme",
		"X-Kong-Request-Id", "X-Real-Port", "X-MS-CLIENT-PRINCIPAL-NAME",
		"X-Pomerium-Jwt-Assertion", "X-Request-Start", "X-Served-By", "X-Traefik-Router",
		"X-WebAuth-User", "Max-Forwards", "Remote-Groups", "Surrogate-Capability",
		"Tailscale-User-Login"};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (!void_by(names[i]))
			fail_msg("%s does not void the peer rule", names[i]);
}

// What curl, browsers and the official SDKs send by themselves.
static void test_plain_callers(void **state)
{
	static const char *const names[] = {"X-Forward", "X-Goog-Api-Key", "X-Request-Id",
		"User-Agent", "Accept", "Accept-Encoding", "Accept-Language", "Content-Type",
		"Cache-Control", "Pragma", "Cookie", "Referer", "DNT", "If-None-Match",
		"Idempotency-Key", "Priority", "Range", "TE", "Upgrade", "Prefer",
		"OpenAI-Organization", "OpenAI-Project", "OpenAI-Beta", "anthropic-version",
		"anthropic-beta", "anthropic-dangerous-direct-browser-access", "X-Stainless-Lang",
		"X-Stainless-Package-Version", "X-Stainless-OS", "X-Stainless-Arch",
		"X-Stainless-Async", "X-Stainless-Runtime", "X-Stainless-Runtime-Version",
		"X-Stainless-Retry-Count", "x-stainless-read-timeout", "X-Stainless-Timeout",
		"x-stainless-helper-method", "x-ms-client-request-id", "api-key",
		"x-goog-api-client", "X-DashScope-SSE", "X-DashScope-Async", "traceparent",
		"tracestate", "baggage", "X-Request-Id", "X-Yijian-Data", "X-Yijian-Session",
		"Last-Event-ID", "Sec-Fetch-Mode", "Sec-CH-UA", "Upgrade-Insecure-Requests",
		"Keep-Alive", "Proxy-Connection", "X-Test"};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (void_by(names[i]))
			fail_msg("%s is no proxy's", names[i]);
}

static void test_targets(void **state)
{
	struct slice path, query;
	(void)state;
	assert_int_equal(guard_target(SLICE("/a?b=c?d"), &path, &query), ERR_OK);
	assert_true(slice_eq_str(path, "/a") && slice_eq_str(query, "b=c?d"));
	assert_int_equal(guard_target(SLICE("/a"), &path, &query), ERR_OK);
	assert_null(query.p);
	assert_int_equal(guard_target(SLICE("http://x/"), &path, &query), ERR_BAD_FRAMING);
	assert_int_equal(guard_target(SLICE("*"), &path, &query), ERR_BAD_FRAMING);
	assert_int_equal(guard_target(SLICE(""), &path, &query), ERR_BAD_FRAMING);
	assert_int_equal(guard_target(SLICE("/a b"), &path, &query), ERR_BAD_PATH);
	assert_int_equal(guard_target(SLICE("/a#b"), &path, &query), ERR_BAD_PATH);
	assert_int_equal(guard_target(SLICE("/\xc3\xa4"), &path, &query), ERR_BAD_PATH);
}

static void test_paths(void **state)
{
	static const char *const good[] = {
		"/", "/a/b", "/a/", "/a.b", "/...", "/%41", "/a%20b", "/%e6%98%93", "/.a"};
	static const char *const bad[] = {"//", "/a//b", "/..", "/a/../b", "/.", "/%2e",
		"/%2e%2E/a", "/.%2e", "/a%2fb//", "/a%2fb/%2e", "/a%5cb", "/a%00", "/%", "/%4",
		"/%zz", "/%ff", "/%c0%af", "/%0a", "/%7f"};
	bool slash;
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		assert_int_equal(guard_path(slice_of(good[i]), &slash), ERR_OK);
		assert_false(slash);
	}
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_equal(guard_path(slice_of(bad[i]), &slash), ERR_BAD_PATH);
	assert_int_equal(guard_path(SLICE("/v1/models/a%2Fb"), &slash), ERR_OK);
	assert_true(slash);
}

static void test_unescape(void **state)
{
	struct arena a = ARENA_INIT;
	struct slice out;
	(void)state;
	assert_true(guard_unescape(SLICE("a%20b+c"), false, &a, &out));
	assert_string_equal(out.p, "a b+c");
	assert_true(guard_unescape(SLICE("a+b%2B"), true, &a, &out));
	assert_string_equal(out.p, "a b+");
	assert_true(guard_unescape(SLICE("%e6%98%93"), false, &a, &out));
	assert_false(guard_unescape(SLICE("%00"), false, &a, &out));
	assert_false(guard_unescape(SLICE("%0a"), false, &a, &out));
	assert_false(guard_unescape(SLICE("%f"), false, &a, &out));
	assert_false(guard_unescape(SLICE("%ff"), false, &a, &out));
	arena_release(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good_heads),
		cmocka_unit_test(test_ambiguous_heads),
		cmocka_unit_test(test_too_many),
		cmocka_unit_test(test_body_length),
		cmocka_unit_test(test_forwarding),
		cmocka_unit_test(test_plain_callers),
		cmocka_unit_test(test_targets),
		cmocka_unit_test(test_paths),
		cmocka_unit_test(test_unescape),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
