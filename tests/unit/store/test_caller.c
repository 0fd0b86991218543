// SPDX-License-Identifier: MIT
// Who calls: a client or a token is known by the secret it got, which was shown once, and by a name
// of its own.
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>
#include "agent/state/caller.h"
#include "agent/store/caller.h"
#include "agent/store/seal.h"
#include "shared/credential.h"
#include "tests/unit/store/scratch.h"

struct made {
	bool client; // or a token
	const char *name;
	char secret[CREDENTIAL_LEN + 1];
	struct ident id;
};

static enum err_code make(struct store_tx *tx, void *arg, struct err *err)
{
	struct made *m = arg;
	const struct client_obj *c = NULL;
	const struct token_obj *t = NULL;
	struct client_doc client;
	struct token token;
	field_defaults(&client_fields, &client);
	field_defaults(&token_fields, &token);
	client.name = token.name = m->name;
	enum err_code code = m->client ? store_client_create(tx, &client, m->secret, &c, err)
				       : store_token_create(tx, &token, m->secret, &t, err);
	if (code == ERR_OK)
		m->id = m->client ? c->id : t->id;
	return code;
}

static const unsigned char *hash_of(struct scratch *s, const struct made *m)
{
	const struct snapshot *now = snapshots_now(s->snaps);
	return m->client ? snapshot_client(now, &m->id)->hash : snapshot_token(now, &m->id)->hash;
}

static void each_is_known_by_its_secret(void **state)
{
	struct scratch *s = *state;
	struct made made[] = {{true, "app"}, {true, "app 2"}, {false, "ci"}, {false, "ci 2"}};
	for (size_t i = 0; i < ARRAY_LEN(made); i++)
		assert_int_equal(scratch_run(s, make, &made[i]), ERR_OK);
	for (int again = 0; again < 2; again++) {
		for (size_t i = 0; i < ARRAY_LEN(made); i++) {
			unsigned char want[SEAL_MAC];
			seal_token_hash(store_seal(s->store), slice_of(made[i].secret), want);
			assert_memory_equal(hash_of(s, &made[i]), want, CALLER_HASH);
		}
		scratch_close(s);
		assert_int_equal(scratch_open(s), ERR_OK);
	}
}

static void each_has_a_name_of_its_own(void **state)
{
	static const struct {
		const char *name;
		bool client, token; // taken as
	} rows[] = {{"", false, false}, {" ", false, false}, {"one", true, true},
		{"one", false, false}, {"two", true, true}};
	struct scratch *s = *state;
	size_t n = 0;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct made client = {true, rows[i].name}, token = {false, rows[i].name};
		assert_int_equal(scratch_run(s, make, &client) == ERR_OK, rows[i].client);
		assert_int_equal(scratch_run(s, make, &token) == ERR_OK, rows[i].token);
		n += rows[i].client;
		assert_int_equal(snapshots_now(s->snaps)->clients.n, n);
		assert_int_equal(snapshots_now(s->snaps)->tokens.n, n);
	}
}

#define ON_A_STORE(fn) cmocka_unit_test_setup_teardown(fn, scratch_begin, scratch_end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		ON_A_STORE(each_is_known_by_its_secret),
		ON_A_STORE(each_has_a_name_of_its_own),
	};
	if (!secret_setup())
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
