// SPDX-License-Identifier: MIT
// What the database refuses is refused: no row less than is told, in none of the tables that a change
// writes, and what is published is what is stored.
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>
#include "agent/store/alert.h"
#include "agent/store/caller.h"
#include "agent/store/feature.h"
#include "agent/store/instance.h"
#include "agent/store/key.h"
#include "agent/store/override.h"
#include "agent/store/policy.h"
#include "agent/store/price.h"
#include "agent/store/private.h"
#include "shared/credential.h"
#include "tests/unit/store/scratch.h"

#define OK(call)                                                                                   \
	do {                                                                                       \
		enum err_code code_ = (call);                                                      \
		if (code_ != ERR_OK)                                                               \
			return code_;                                                              \
	} while (0)

// ---- each noun: put with `text` in it, and taken away ----

struct change {
	const char *text;
	bool put;
};

static enum err_code feature(struct store_tx *tx, const struct change *c, struct err *err)
{
	const struct feature_obj *obj;
	struct feature f = snapshot_feature(store_tx_snapshot(tx), SLICE("chat"))->doc;
	if (!c->put)
		return store_feature_delete(tx, SLICE("answers"), FIELD_NONE, err);
	f.name = "answers";
	f.aliases = (struct strv){NULL, 0};
	f.display_name = c->text;
	bool known = snapshot_feature(store_tx_snapshot(tx), SLICE("answers")) != NULL;
	return store_feature_put(tx, &f, !known, FIELD_NONE, &obj, err);
}

static enum err_code key(struct store_tx *tx, const struct change *c, struct err *err)
{
	const struct key_obj *obj = snapshot_key_ref(store_tx_snapshot(tx),
		SLICE("openai/gpt-4/main"));
	struct vendor_key k;
	if (!c->put)
		return store_key_delete(tx, slice_of(obj != NULL ? obj->doc.id : ""), FIELD_NONE,
			err);
	field_defaults(&key_fields, &k);
	if (obj != NULL)
		k = obj->doc;
	k.vendor = "openai";
	k.service = "gpt-4";
	k.key_name = "Main";
	k.note = c->text;
	k.api_key = (struct secret){0};
	char secret[48];
	int n = snprintf(secret, sizeof(secret), "sk-unit-test-%s", c->text);
	secret_set(&k.api_key, secret, (size_t)n);
	enum err_code code = store_key_put(tx, &k, obj == NULL, FIELD_NONE, &obj, err);
	secret_release(&k.api_key);
	return code;
}

static enum err_code instance(struct store_tx *tx, const struct change *c, struct err *err)
{
	const struct instance_obj *obj;
	struct instance in;
	bool created;
	if (!c->put)
		return store_instance_delete(tx, SLICE("sd"), SLICE("gpu7"), err);
	field_defaults(&instance_fields, &in);
	in.service = "sd";
	in.id = "gpu7";
	in.url = "http://127.0.0.1:7860";
	in.engine = "sdwebui";
	in.display_name = c->text;
	return store_instance_put(tx, &in, FIELD_NONE, &created, &obj, err);
}

static enum err_code rule(struct store_tx *tx, const struct change *c, struct err *err)
{
	size_t n;
	const struct rule_obj *obj;
	struct alert_rule r = alert_rules_builtin(&n)[0];
	if (!c->put)
		return store_rule_delete(tx, SLICE("mine"), FIELD_NONE, err);
	r.name = "mine";
	r.description = c->text;
	bool known = snapshot_rule(store_tx_snapshot(tx), SLICE("mine")) != NULL;
	return store_rule_put(tx, &r, !known, FIELD_NONE, &obj, err);
}

static enum err_code client(struct store_tx *tx, const struct change *c, struct err *err)
{
	char secret[CREDENTIAL_LEN + 1];
	const struct client_obj *obj = NULL;
	struct pmap_it it = {0};
	struct client_doc doc;
	void *old = NULL;
	if (pmap_next(store_tx_snapshot(tx)->clients, &it, NULL, &old))
		obj = old;
	field_defaults(&client_fields, &doc);
	doc.name = "app";
	doc.note = c->text;
	if (obj == NULL)
		return c->put ? store_client_create(tx, &doc, secret, &obj, err) : ERR_NOT_FOUND;
	struct ident id = obj->id;
	return c->put ? store_client_put(tx, &id, &doc, FIELD_NONE, &obj, err)
		      : store_client_delete(tx, &id, FIELD_NONE, err);
}

static enum err_code token(struct store_tx *tx, const struct change *c, struct err *err)
{
	char secret[CREDENTIAL_LEN + 1];
	const struct token_obj *obj;
	struct token doc;
	void *t;
	field_defaults(&token_fields, &doc);
	doc.name = c->text;
	if (c->put)
		return store_token_create(tx, &doc, secret, &obj, err);
	for (struct pmap_it it = {0}; pmap_next(store_tx_snapshot(tx)->tokens, &it, NULL, &t);) {
		obj = t;
		struct ident id = obj->id;
		if (obj->revoked_at == 0)
			OK(store_token_revoke(tx, &id, err));
	}
	return ERR_OK;
}

static enum err_code price(struct store_tx *tx, const struct change *c, struct err *err)
{
	struct price p;
	int64_t revision;
	bool found;
	field_defaults(&price_fields, &p);
	p.vendor = "openai";
	p.model = "gpt-unit";
	p.id = "openai/gpt-unit";
	p.currency = "USD";
	p.input_pico = 2500000;
	p.source = c->text;
	OK(store_price_begin(tx, &revision, err));
	OK(c->put ? store_price_put(tx, &p, revision, err)
		  : store_price_delete(tx, slice_of(p.id), &found, err));
	return store_price_end(tx, revision, "gpt-unit", "one", err);
}

static enum err_code policy(struct store_tx *tx, const struct change *c, struct err *err)
{
	bool changed;
	return store_policy_put(tx, c->put, FIELD_NONE, &changed, err);
}

static enum err_code (*const nouns[])(struct store_tx *tx, const struct change *c,
	struct err *err) = {feature, key, instance, rule, client, token, price, policy};

// ---- a table that takes no more ----

struct job {
	struct change change;
	size_t noun;
	const char *sql; // NULL: a change of the noun
};

static enum err_code run_job(struct store_tx *tx, void *arg, struct err *err)
{
	const struct job *j = arg;
	return j->sql != NULL ? db_exec(tx->db, j->sql, err) : nouns[j->noun](tx, &j->change, err);
}

static char *all_of(const struct scratch *s)
{
	const struct snapshot *now = snapshots_now(s->snaps);
	const struct pmap maps[] = {now->features, now->keys, now->instances, now->tokens,
		now->clients, now->alert_rules, now->prices};
	struct str out = STR_INIT;
	for (size_t i = 0; i < ARRAY_LEN(maps); i++) {
		struct pmap_it it = {0};
		void *obj;
		while (pmap_next(maps[i], &it, NULL, &obj)) {
			str_add_slice(&out, ((const struct object *)obj)->json);
			str_add_c(&out, '\n');
		}
	}
	str_addf(&out, "policy %d %lld\n", now->clients_required, (long long)now->policy_revision);
	return str_take(&out, NULL);
}

static enum err_code run_one(struct scratch *s, struct job j)
{
	return scratch_run(s, run_job, &j);
}

// Makes, changes and ends each noun; returns how many of it were refused.
static int change_all(struct scratch *s)
{
	static const struct change changes[] = {{"one", true}, {"two", true}, {"two", false}};
	int refused = 0;
	for (size_t i = 0; i < ARRAY_LEN(nouns); i++)
		for (size_t k = 0; k < ARRAY_LEN(changes); k++)
			refused += run_one(s, (struct job){changes[k], i, NULL}) != ERR_OK;
	return refused;
}

static void what_is_published_is_stored(void **state)
{
	static const struct {
		const char *table, *verb;
	} rows[] = {{"feature", "INSERT"}, {"feature", "UPDATE"}, {"feature", "DELETE"},
		{"feature_revision", "INSERT"}, {"vendor_key", "INSERT"}, {"vendor_key", "UPDATE"},
		{"instance", "INSERT"}, {"instance", "UPDATE"}, {"instance", "DELETE"},
		{"alert_rule", "INSERT"}, {"alert_rule", "UPDATE"}, {"alert_rule", "DELETE"},
		{"caller", "INSERT"}, {"caller", "UPDATE"}, {"caller", "DELETE"},
		{"price", "INSERT"}, {"price", "UPDATE"}, {"price", "DELETE"}, {"audit", "INSERT"},
		{"change", "INSERT"}, {"meta", "INSERT"}};
	struct scratch *s = *state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct str sql = STR_INIT;
		str_addf(&sql,
			"CREATE TRIGGER no_more BEFORE %s ON %s BEGIN SELECT RAISE(ABORT, 'no'); END",
			rows[i].verb, rows[i].table);
		assert_int_equal(run_one(s, (struct job){.sql = str_text(&sql)}), ERR_OK);
		int refused = change_all(s);
		if (refused == 0)
			fail_msg("%s %s: nothing was refused", rows[i].verb, rows[i].table);
		assert_int_equal(run_one(s, (struct job){.sql = "DROP TRIGGER no_more"}), ERR_OK);
		char *told = all_of(s);
		scratch_close(s);
		assert_int_equal(scratch_open(s), ERR_OK);
		char *stored = all_of(s);
		if (strcmp(told, stored) != 0)
			fail_msg("%s %s: told\n%s\nstored\n%s", rows[i].verb, rows[i].table, told,
				stored);
		free(told);
		free(stored);
		str_release(&sql);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(what_is_published_is_stored, scratch_begin,
			scratch_end)};
	if (!secret_setup())
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
