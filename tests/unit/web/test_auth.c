// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <arpa/inet.h>
#include <cmocka.h>
#include "agent/state/caller.h"
#include "agent/state/build.h"
#include "agent/web/auth.h"
#include "shared/credential.h"

static struct auth_call call_to(enum endpoint_id id, enum peer_kind kind)
{
	return (struct auth_call){.ep = endpoint_row(id),
		.kind = kind,
		.peer_trust = true,
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

// Not who is there says whether a key is needed: a fact of its own does.
static void test_keys_are_asked_for_by_the_fact_alone(void **state)
{
	(void)state;
	static const enum peer_kind kinds[] = {PEER_LOOPBACK, PEER_UNIX, PEER_TRUSTED};
	struct live_table *live = live_new();
	struct snapshot *snap = snapshot_new(live); // of no client
	struct principal p;
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		struct auth_call c = call_to(EP_CHAT, kinds[i]);
		c.snap = snap;
		snap->clients_required = false;
		assert_true(auth_judge(&c, &p));
		assert_int_equal(p.why, ERR_OK);
		assert_true(ident_eq(&p.id, &ident_local));
		snap->clients_required = true;
		assert_int_equal(verdict(&c), ERR_INVALID_API_KEY);
		c.authorization = SLICE("Bearer sk-any");
		assert_int_equal(verdict(&c), ERR_INVALID_API_KEY);
	}
	struct auth_call c = call_to(EP_CHAT, PEER_LOOPBACK);
	c.snap = snap;
	snap->clients_required = false;
	c.gateway_public = true; // beyond loopback it is no matter of policy
	assert_int_equal(verdict(&c), ERR_INVALID_API_KEY);
	snapshot_free(snap);
	live_free(live);
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
	assert_int_equal(p.role, ROLE_OPERATOR);
	c = call_to(EP_CLIENT_POLICY_PUT, PEER_TRUSTED);
	c.host = SLICE("key-manager:8080");
	assert_int_equal(verdict(&c), ERR_ROLE_FORBIDDEN);
	c = call_to(EP_KEY_CREATE, PEER_TRUSTED);
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
	assert_string_equal(p.id.text, "uid:1000");
	assert_string_equal(principal_shown(&p), "");
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
		assert_int_equal(peer_nets_parse(slice_of(bad[i]), &nets, NULL),
			ERR_CONFIG_INVALID);
}

// ---- what a wrong credential costs ----

// The linker puts these before the real ones, for what agent/web/auth.c calls.
void __real_seal_token_hash(const struct seal *s, struct slice token, unsigned char ret[SEAL_MAC]);
void __wrap_seal_token_hash(const struct seal *s, struct slice token, unsigned char ret[SEAL_MAC]);
bool __real_seal_same(const unsigned char a[SEAL_MAC], const unsigned char b[SEAL_MAC]);
bool __wrap_seal_same(const unsigned char a[SEAL_MAC], const unsigned char b[SEAL_MAC]);
static int hashed, compared;

void __wrap_seal_token_hash(const struct seal *s, struct slice token, unsigned char ret[SEAL_MAC])
{
	hashed++;
	__real_seal_token_hash(s, token, ret);
}

bool __wrap_seal_same(const unsigned char a[SEAL_MAC], const unsigned char b[SEAL_MAC])
{
	compared++;
	return __real_seal_same(a, b);
}

// A token whose id and secret are made of one letter each.
static void text_of(enum credential_kind kind, unsigned char id, unsigned char secret,
	char header[CREDENTIAL_LEN + sizeof("Bearer ")])
{
	unsigned char bytes[CREDENTIAL_RANDOM];
	memset(bytes, secret, sizeof(bytes));
	memset(bytes, id, 10);
	memcpy(header, "Bearer ", 7);
	assert_true(credential_make(kind, bytes, header + 7));
}

static enum err_code cost_of(struct auth_call *c, enum credential_kind kind, unsigned char id,
	unsigned char secret, int *ret_hashed, int *ret_compared)
{
	char header[CREDENTIAL_LEN + sizeof("Bearer ")];
	text_of(kind, id, secret, header);
	c->authorization = slice_of(header);
	hashed = compared = 0;
	enum err_code why = verdict(c);
	*ret_hashed = hashed;
	*ret_compared = compared;
	return why;
}

static struct snapshot *snapshot_of_one(struct live_table *live, const struct seal *seal)
{
	struct snapshot *snap = snapshot_new(live);
	struct token_obj *t = object_new(sizeof(*t));
	struct client_obj *k = object_new(sizeof(*k));
	char header[CREDENTIAL_LEN + sizeof("Bearer ")];
	text_of(CREDENTIAL_TOKEN, 1, 1, header);
	t->doc = (struct token){.id = arena_strndup(&t->o.arena, header + 7, CREDENTIAL_ID),
		.name = "",
		.role = TOKEN_ADMIN,
		.not_before = FIELD_NONE,
		.expires_at = FIELD_NONE};
	t->live = live_take(live, LIVE_TOKEN, slice_of(t->doc.id));
	seal_token_hash(seal, slice_of(header + 7), t->hash);
	snapshot_put_token(snap, t);
	text_of(CREDENTIAL_CLIENT, 1, 1, header);
	k->doc.id = arena_strndup(&k->o.arena, header + 7, CREDENTIAL_ID);
	k->doc.name = "";
	k->doc.enabled = true;
	k->doc.expires_at = FIELD_NONE;
	k->live = live_take(live, LIVE_CLIENT, slice_of(k->doc.id));
	seal_token_hash(seal, slice_of(header + 7), k->hash);
	snapshot_put_client(snap, k);
	return snap;
}

// Who guesses learns from the work neither whether an id is somebody's nor how near it was.
static void test_every_wrong_one_costs_a_hash_and_a_comparison(void **state)
{
	(void)state;
	struct secret root = {0};
	struct str wrapped = STR_INIT;
	struct err err = {0};
	struct seal *seal;
	assert_true(secret_setup());
	secret_set(&root, "01234567890123456789012345678901", 32);
	assert_int_equal(seal_new(&root, &seal, &wrapped, &err), ERR_OK);
	struct live_table *live = live_new();
	struct snapshot *snap = snapshot_of_one(live, seal);
	static const struct {
		enum endpoint_id to;
		enum credential_kind kind;
		enum err_code refused;
	} sides[] = {{EP_KEY_LIST, CREDENTIAL_TOKEN, ERR_TOKEN_INVALID},
		{EP_CHAT, CREDENTIAL_CLIENT, ERR_INVALID_API_KEY}};
	for (size_t i = 0; i < ARRAY_LEN(sides); i++) {
		struct auth_call c = call_to(sides[i].to, PEER_LOOPBACK);
		int h, same;
		c.snap = snap;
		c.seal = seal;
		c.memo = seal_memo_new();
		for (int again = 0; again < 2; again++) { // a wrong one is not remembered
			for (unsigned char id = 1; id <= 2; id++) { // 2: nobody's
				assert_int_equal(cost_of(&c, sides[i].kind, id, 2, &h, &same),
					sides[i].refused);
				assert_int_equal(h, 1);
				assert_int_equal(same, 1);
			}
		}
		assert_int_equal(cost_of(&c, sides[i].kind, 1, 1, &h, &same), ERR_OK);
		assert_int_equal(h, 1);
		assert_int_equal(cost_of(&c, sides[i].kind, 1, 1, &h, &same), ERR_OK);
		assert_int_equal(h, 0); // remembered
		assert_int_equal(same, 1);
		assert_int_equal(cost_of(&c, sides[i].kind, 1, 2, &h, &same), sides[i].refused);
		assert_int_equal(h, 1);
		seal_memo_free(c.memo);
	}
	snapshot_free(snap);
	live_free(live);
	seal_free(seal);
	str_release(&wrapped);
	secret_release(&root);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_open_pages),
		cmocka_unit_test(test_client_local),
		cmocka_unit_test(test_keys_are_asked_for_by_the_fact_alone),
		cmocka_unit_test(test_platform),
		cmocka_unit_test(test_trusted_peers),
		cmocka_unit_test(test_roles),
		cmocka_unit_test(test_networks),
		cmocka_unit_test(test_every_wrong_one_costs_a_hash_and_a_comparison),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
