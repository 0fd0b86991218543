// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include "shared/mem.h"
#include "shared/urlx.h"

static void takes_base_urls(void **state UNUSED)
{
	const struct {
		const char *text, *host, *path, *origin;
		int port;
	} rows[] = {
		{"https://api.openai.com/v1", "api.openai.com", "", "https://api.openai.com:443",
			443},
		{"HTTPS://API.OpenAI.com/v1/", "api.openai.com", "", "https://api.openai.com:443",
			443},
		{"http://h/compatible-mode/v1/", "h", "/compatible-mode", "http://h:80", 80},
		{"http://h/xv1", "h", "/xv1", "http://h:80", 80},
		{"http://localhost:11434", "localhost", "", "http://localhost:11434", 11434},
		{"http://localhost:11434///", "localhost", "", "http://localhost:11434", 11434},
		{"http://10.0.0.1:8080/a/b", "10.0.0.1", "/a/b", "http://10.0.0.1:8080", 8080},
		{"http://[::1]:80/", "::1", "", "http://[::1]:80", 80},
		{"http://[FD00::A]:1/", "fd00::a", "", "http://[fd00::a]:1", 1},
		{"http://h:65535/x%20y", "h", "/x%20y", "http://h:65535", 65535},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct arena a = ARENA_INIT;
		struct url u;

		assert_int_equal(urlx_parse(slice_of(rows[i].text), &a, &u, NULL), ERR_OK);
		assert_string_equal(u.host, rows[i].host);
		assert_string_equal(u.path, rows[i].path);
		assert_string_equal(u.origin, rows[i].origin);
		assert_int_equal(u.port, rows[i].port);
		assert_int_equal(u.tls, u.scheme[4] == 's');
		arena_release(&a);
	}
}

// Rows 84, 85 and 89 of the URL policy.
static void refuses_urls(void **state UNUSED)
{
	const struct slice rows[] = {SLICE(""), SLICE("file:///etc/passwd"), SLICE("gopher://h/"),
		SLICE("dict://h/"), SLICE("ftp://h/"), SLICE("//h"), SLICE("http:h"),
		SLICE("http:/h"), SLICE("h"), SLICE("h:80"), SLICE("http://"), SLICE("http:///p"),
		SLICE("http://:80/"), SLICE("http://h:0/"), SLICE("http://h:65536/"),
		SLICE("http://h:99999/"), SLICE("http://h:-1/"), SLICE("http://h:80a/"),
		SLICE("http://h /"), SLICE(" http://h/"), SLICE("http://h/\r\nX: y"),
		SLICE("http://h\0.evil/"), SLICE("http://h%00.evil/"), SLICE("http://h\t/"),
		SLICE("http://%31%32%37.0.0.1/"), SLICE("http://例え/"), SLICE("http://user:pw@h/"),
		SLICE("http://user@h/"), SLICE("http://@h/"), SLICE("http://:@h/"),
		SLICE("http://h/?q=1"), SLICE("http://h/?"), SLICE("http://h?q"),
		SLICE("http://h/#f"), SLICE("http://h#"), SLICE("http://127.0.0.1\\@evil/"),
		SLICE("http://127.0.0.1#@evil/"), SLICE("http://127.0.0.1\\.evil/"),
		SLICE("http://[fe80::1%25eth0]/"), SLICE("http://[::1/"), SLICE("http://::1/"),
		SLICE("http://[::1]x/"), SLICE("http://[127.0.0.1]/"), SLICE("http://h|x/"),
		SLICE("http:///u@h/"), SLICE("javascript://h/"), SLICE("httpx://h/"),
		SLICE("https+unix://h/")};
	char long_url[URLX_MAX + 2];
	struct arena a = ARENA_INIT;
	struct url u;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char *exact = mem_dup(rows[i].p, rows[i].n);
		struct err err = {0};

		assert_int_equal(urlx_parse((struct slice){exact, rows[i].n}, &a, &u, &err),
			ERR_UPSTREAM_URL_FORBIDDEN);
		assert_true(err.message[0]);
		free(exact);
	}
	memset(long_url, 'a', sizeof(long_url));
	memcpy(long_url, "http://", 7);
	assert_int_equal(urlx_parse((struct slice){long_url, sizeof(long_url)}, &a, &u, NULL),
		ERR_UPSTREAM_URL_FORBIDDEN);
	arena_release(&a);
}

static enum addr_class class_of(const char *text)
{
	struct sockaddr_in v4 = {.sin_family = AF_INET};
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
	bool name;

	if (inet_pton(AF_INET, text, &v4.sin_addr) == 1) {
		assert_int_equal(urlx_host_class(text, &name), urlx_addr_class((void *)&v4));
		return urlx_addr_class((void *)&v4);
	}
	assert_int_equal(inet_pton(AF_INET6, text, &v6.sin6_addr), 1);
	assert_int_equal(urlx_host_class(text, &name), urlx_addr_class((void *)&v6));
	return urlx_addr_class((void *)&v6);
}

// Rows 86 and 87: the class of the address that is dialled.
static void judges_addresses(void **state UNUSED)
{
	const struct {
		const char *text;
		enum addr_class want;
	} rows[] = {
		{"127.0.0.1", ADDR_LOOPBACK},
		{"127.255.255.254", ADDR_LOOPBACK},
		{"::1", ADDR_LOOPBACK},
		{"::ffff:127.0.0.1", ADDR_LOOPBACK},
		{"64:ff9b::7f00:1", ADDR_LOOPBACK},
		{"2002:7f00:1::", ADDR_LOOPBACK},
		{"10.1.2.3", ADDR_PRIVATE},
		{"172.16.0.1", ADDR_PRIVATE},
		{"172.31.255.255", ADDR_PRIVATE},
		{"172.32.0.1", ADDR_PUBLIC},
		{"192.168.1.1", ADDR_PRIVATE},
		{"100.64.0.1", ADDR_PRIVATE},
		{"100.128.0.1", ADDR_PUBLIC},
		{"fd12:3456::1", ADDR_PRIVATE},
		{"fec0::1", ADDR_PRIVATE},
		{"::ffff:10.0.0.1", ADDR_PRIVATE},
		{"8.8.8.8", ADDR_PUBLIC},
		{"2606:4700::1111", ADDR_PUBLIC},
		{"2002:808:808::1", ADDR_PUBLIC},
		{"64:ff9b::808:808", ADDR_PUBLIC},
		{"0.0.0.0", ADDR_FORBIDDEN},
		{"0.1.2.3", ADDR_FORBIDDEN},
		{"::", ADDR_FORBIDDEN},
		{"169.254.169.254", ADDR_FORBIDDEN},
		{"::ffff:169.254.169.254", ADDR_FORBIDDEN},
		{"64:ff9b::a9fe:a9fe", ADDR_FORBIDDEN},
		{"2002:a9fe:a9fe::", ADDR_FORBIDDEN},
		{"fe80::1", ADDR_FORBIDDEN},
		{"ff02::1", ADDR_FORBIDDEN},
		{"224.0.0.1", ADDR_FORBIDDEN},
		{"240.0.0.1", ADDR_FORBIDDEN},
		{"255.255.255.255", ADDR_FORBIDDEN},
		{"192.0.0.192", ADDR_FORBIDDEN},
		{"100.100.100.200", ADDR_FORBIDDEN},
		{"168.63.129.16", ADDR_FORBIDDEN},
		{"fd00:ec2::254", ADDR_FORBIDDEN},
		{"fd20:ce::254", ADDR_FORBIDDEN},
		{"::127.0.0.1", ADDR_FORBIDDEN},
		{"::ffff:0:127.0.0.1", ADDR_FORBIDDEN},
		{"2001:0:7f00:1::", ADDR_FORBIDDEN},
		{"64:ff9b:1::7f00:1", ADDR_FORBIDDEN},
	};
	struct sockaddr sa = {.sa_family = AF_UNIX};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		assert_int_equal(class_of(rows[i].text), rows[i].want);
	assert_int_equal(urlx_addr_class(&sa), ADDR_FORBIDDEN);
}

// What libcurl makes of the ways to write an address is what is judged.
static void judges_hosts_as_dialled(void **state UNUSED)
{
	const struct {
		const char *host;
		enum addr_class want;
		bool name;
	} rows[] = {{"2130706433", ADDR_LOOPBACK, false}, {"0x7f000001", ADDR_LOOPBACK, false},
		{"0177.0.0.1", ADDR_LOOPBACK, false}, {"127.1", ADDR_LOOPBACK, false},
		{"[::ffff:7f00:1]", ADDR_LOOPBACK, false},
		{"[64:ff9b::7f00:1]", ADDR_LOOPBACK, false}, {"0", ADDR_FORBIDDEN, false},
		{"0xa9fea9fe", ADDR_FORBIDDEN, false}, {"localhost", ADDR_LOOPBACK, false},
		{"LocalHost", ADDR_LOOPBACK, false}, {"localhost.", ADDR_LOOPBACK, false},
		{"x.localhost", ADDR_LOOPBACK, false},
		{"metadata.google.internal", ADDR_FORBIDDEN, false},
		{"METADATA.google.internal.", ADDR_FORBIDDEN, false},
		{"metadata", ADDR_FORBIDDEN, false}, {"api.openai.com", ADDR_PUBLIC, true},
		{"127.0.0.1.nip.io", ADDR_PUBLIC, true}, {"notlocalhost", ADDR_PUBLIC, true}};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct arena a = ARENA_INIT;
		struct url u;
		bool name = !rows[i].name;

		assert_int_equal(urlx_parse(slice_of(arena_printf(&a, "http://%s/", rows[i].host)),
					 &a, &u, NULL),
			ERR_OK);
		assert_int_equal(urlx_host_class(u.host, &name), rows[i].want);
		assert_int_equal(name, rows[i].name);
		arena_release(&a);
	}
	assert_int_equal(urlx_host_class("fe80::1%eth0", &(bool){false}), ADDR_FORBIDDEN);
}

// Hosts of one's own: what by convention never leaves a site is private.
static void judges_sites(void **state UNUSED)
{
	const struct {
		const char *host;
		enum addr_class want;
	} rows[] = {
		{"gpu7", ADDR_PRIVATE},
		{"gpu7.lan", ADDR_PRIVATE},
		{"llm.team.svc", ADDR_PRIVATE},
		{"a.internal", ADDR_PRIVATE},
		{"localhost", ADDR_LOOPBACK},
		{"a.localhost", ADDR_LOOPBACK},
		{"lan.example.com", ADDR_PUBLIC},
		{"example.com", ADDR_PUBLIC},
		{"10.0.0.7", ADDR_PRIVATE},
		{"8.8.8.8", ADDR_PUBLIC},
		{"169.254.169.254", ADDR_FORBIDDEN},
		{"::1", ADDR_LOOPBACK},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		assert_int_equal(urlx_site_class(rows[i].host), rows[i].want);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(takes_base_urls),
		cmocka_unit_test(refuses_urls),
		cmocka_unit_test(judges_addresses),
		cmocka_unit_test(judges_hosts_as_dialled),
		cmocka_unit_test(judges_sites),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
