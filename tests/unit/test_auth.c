// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <arpa/inet.h>
#include <cmocka.h>
#include "agent/auth.h"

static struct auth_call call_to(enum endpoint_id id, enum peer_kind kind)
{
	return (struct auth_call){.ep = endpoint_row(id), .kind = kind, .peer_trust = true,
		.host = SLICE("localhost:8002")};
}

static enum err_code verdict(const struct auth_call *c)
{
	struct principal p;
	assert_true(auth_judge(c, &p));
	return p.why;
}

static void test_open_pages(void **state)
{
	(void)state;
	struct auth_call c = call_to(EP_HEALTHZ, PEER_LOOPBACK);
	assert_int_equal(verdict(&c), ERR_OK);
	c.host = SLICE("evil.example");
	assert_int_equal(verdict(&c), ERR_BAD_HOST);
	c.kind = PEER_REMOTE; // a scraper on the network uses our LAN name
	assert_int_equal(verdict(&c), ERR_OK);
	c.origin = SLICE("https://other.example");
	assert_int_equal(verdict(&c), ERR_BAD_ORIGIN);
}

static void test_client_local(void **state)
{
	(void)state;
	struct auth_call c = call_to(EP_CHAT, PEER_LOOPBACK);
	c.authorization = SLICE("Bearer sk-any");
	assert_int_equal(verdict(&c), ERR_OK);
	c.host = SLICE("rebound.example");
	assert_int_equal(verdict(&c), ERR_BAD_HOST);
	c = call_to(EP_CHAT, PEER_REMOTE);
	assert_int_equal(verdict(&c), ERR_INVALID_API_KEY);
	c = call_to(EP_CHAT, PEER_LOOPBACK);
	c.forwarded = true;
	assert_int_equal(verdict(&c), ERR_INVALID_API_KEY);
}

static void test_platform(void **state)
{
	(void)state;
	struct principal p;
	struct auth_call c = call_to(EP_KEY_LIST, PEER_LOOPBACK);
	assert_false(auth_judge(&c, &p)); // the uid decides
	c.kind = PEER_REMOTE;
	assert_int_equal(verdict(&c), ERR_AUTH_REQUIRED);
	c = call_to(EP_KEY_LIST, PEER_LOOPBACK);
	c.authorization = SLICE("");
	assert_int_equal(verdict(&c), ERR_TOKEN_INVALID);
	c = call_to(EP_KEY_LIST, PEER_LOOPBACK);
	c.peer_trust = false;
	assert_int_equal(verdict(&c), ERR_AUTH_REQUIRED);
	c = call_to(EP_KEY_LIST, PEER_LOOPBACK);
	c.fetch_site = SLICE("cross-site");
	assert_int_equal(verdict(&c), ERR_BAD_ORIGIN);
	c = call_to(EP_KEY_LIST, PEER_UNIX);
	c.host = SLICE("anything");
	assert_false(auth_judge(&c, &p));
}

static void test_trusted_peers(void **state)
{
	(void)state;
	struct principal p;
	struct auth_call c = call_to(EP_KEY_CREATE, PEER_TRUSTED);
	c.host = SLICE("key-manager:8080");
	assert_true(auth_judge(&c, &p));
	assert_int_equal(p.why, ERR_OK);
	assert_int_equal(p.role, ROLE_ADMIN);
	c.host = SLICE("172.17.0.2:8000");
	assert_int_equal(verdict(&c), ERR_BAD_HOST);
	c.local_ip = SLICE("172.17.0.2");
	assert_int_equal(verdict(&c), ERR_OK);
}

static void test_roles(void **state)
{
	(void)state;
	struct principal p;
	struct auth_call read = call_to(EP_KEY_LIST, PEER_LOOPBACK);
	struct auth_call write = call_to(EP_KEY_CREATE, PEER_LOOPBACK);
	auth_by_uid(&read, true, 1000, ROLE_VIEWER, &p);
	assert_int_equal(p.why, ERR_OK);
	assert_string_equal(p.name, "uid:1000");
	auth_by_uid(&write, true, 1000, ROLE_VIEWER, &p);
	assert_int_equal(p.why, ERR_ROLE_FORBIDDEN);
	assert_int_equal(p.role, ROLE_NONE);
	auth_by_uid(&write, true, 1000, ROLE_OPERATOR, &p);
	assert_int_equal(p.why, ERR_OK);
	auth_by_uid(&read, true, 1000, ROLE_NONE, &p);
	assert_int_equal(p.why, ERR_PEER_NOT_ALLOWED);
	auth_by_uid(&read, false, 0, ROLE_ADMIN, &p);
	assert_int_equal(p.why, ERR_PEER_NOT_ALLOWED);
	struct auth_call service = call_to(EP_INSTANCE_HEARTBEAT, PEER_LOOPBACK);
	auth_by_uid(&service, true, 1, ROLE_SERVICE, &p);
	assert_int_equal(p.why, ERR_OK);
	auth_by_uid(&read, true, 1, ROLE_SERVICE, &p);
	assert_int_equal(p.why, ERR_ROLE_FORBIDDEN);
}

static enum peer_kind kind_of(const char *text, const char *trusted)
{
	struct sockaddr_in v4 = {.sin_family = AF_INET};
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
	struct peer_nets nets;
	assert_int_equal(peer_nets_parse(slice_of(trusted), &nets, NULL), ERR_OK);
	if (inet_pton(AF_INET, text, &v4.sin_addr) == 1)
		return peer_kind_of((struct sockaddr *)&v4, &nets);
	assert_int_equal(inet_pton(AF_INET6, text, &v6.sin6_addr), 1);
	return peer_kind_of((struct sockaddr *)&v6, &nets);
}

static void test_networks(void **state)
{
	(void)state;
	assert_int_equal(kind_of("127.9.9.9", ""), PEER_LOOPBACK);
	assert_int_equal(kind_of("::1", ""), PEER_LOOPBACK);
	assert_int_equal(kind_of("::ffff:127.0.0.1", ""), PEER_LOOPBACK);
	assert_int_equal(kind_of("172.17.3.4", ""), PEER_REMOTE);
	assert_int_equal(kind_of("172.17.3.4", "10.0.0.0/8, 172.17.0.0/16"), PEER_TRUSTED);
	assert_int_equal(kind_of("::ffff:172.17.3.4", "172.17.0.0/16"), PEER_TRUSTED);
	assert_int_equal(kind_of("172.18.3.4", "172.17.0.0/16"), PEER_REMOTE);
	assert_int_equal(kind_of("10.0.0.129", "10.0.0.128/25"), PEER_TRUSTED);
	assert_int_equal(kind_of("10.0.0.127", "10.0.0.128/25"), PEER_REMOTE);
	assert_int_equal(kind_of("fd00::5", "fd00::/8"), PEER_TRUSTED);
	assert_int_equal(kind_of("1.2.3.4", "1.2.3.4"), PEER_TRUSTED);
	static const char *const bad[] = {"1.2.3", "1.2.3.4/33", "::/129", "x", "1.2.3.4/-1", "/8"};
	struct peer_nets nets;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_equal(peer_nets_parse(slice_of(bad[i]), &nets, NULL), ERR_CONFIG_INVALID);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_open_pages), cmocka_unit_test(test_client_local),
		cmocka_unit_test(test_platform), cmocka_unit_test(test_trusted_peers),
		cmocka_unit_test(test_roles), cmocka_unit_test(test_networks),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
