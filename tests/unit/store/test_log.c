// SPDX-License-Identifier: MIT
// What is written down of changes: what each was, what stood before, in pages that lead on; and the
// answers that repeated requests get again.
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>
#include "tests/unit/store/scratch.h"
#include "agent/store/alert.h"
#include "agent/store/caller.h"
#include "agent/store/feature.h"
#include "agent/store/idem.h"
#include "agent/store/instance.h"
#include "agent/store/page.h"
#include "agent/store/policy.h"
#include "shared/str.h"

#define OK(call)                                                                                   \
	do {                                                                                       \
		enum err_code code_ = (call);                                                      \
		if (code_ != ERR_OK)                                                               \
			return code_;                                                              \
	} while (0)

// ---- each noun, made, changed and ended ----

static enum err_code features(struct store_tx *tx, void *arg UNUSED, struct err *err)
{
	const struct feature_obj *obj;
	struct feature f = snapshot_feature(store_tx_snapshot(tx), SLICE("chat"))->doc;
	f.name = "answers";
	f.aliases = (struct strv){NULL, 0};
	OK(store_feature_put(tx, &f, true, FIELD_NONE, &obj, err));
	OK(store_feature_put(tx, &f, false, FIELD_NONE, &obj, err)); // says what is there
	f.display_name = "Answers";
	OK(store_feature_put(tx, &f, false, FIELD_NONE, &obj, err));
	return store_feature_delete(tx, SLICE("answers"), FIELD_NONE, err);
}

static enum err_code rules(struct store_tx *tx, void *arg UNUSED, struct err *err)
{
	size_t n;
	const struct rule_obj *obj;
	struct alert_rule r = alert_rules_builtin(&n)[0];
	const char *builtin = r.name;
	r.threshold++;
	OK(store_rule_put(tx, &r, false, FIELD_NONE, &obj, err));
	OK(store_rule_delete(tx, slice_of(builtin), FIELD_NONE, err));
	r.name = "mine";
	OK(store_rule_put(tx, &r, true, FIELD_NONE, &obj, err));
	r.enabled = !r.enabled;
	OK(store_rule_put(tx, &r, false, FIELD_NONE, &obj, err));
	OK(store_rule_put(tx, &r, false, FIELD_NONE, &obj, err));
	return store_rule_delete(tx, SLICE("mine"), FIELD_NONE, err);
}

static enum err_code instances(struct store_tx *tx, void *arg UNUSED, struct err *err)
{
	const struct instance_obj *obj;
	struct instance in;
	bool created;
	field_defaults(&instance_fields, &in);
	in.service = "sd";
	in.id = "gpu7";
	in.url = "http://127.0.0.1:7860";
	in.engine = "sdwebui";
	OK(store_instance_put(tx, &in, FIELD_NONE, &created, &obj, err));
	assert_true(created);
	OK(store_instance_put(tx, &in, FIELD_NONE, &created, &obj, err));
	assert_false(created);
	in.draining = true;
	OK(store_instance_put(tx, &in, FIELD_NONE, &created, &obj, err));
	OK(store_instance_delete(tx, SLICE("sd"), SLICE("gpu7"), err));
	OK(store_instance_put(tx, &in, FIELD_NONE, &created, &obj, err));
	OK(store_instance_reap(tx, SLICE("sd"), SLICE("gpu7"), err));
	return store_instance_reap(tx, SLICE("sd"), SLICE("gpu7"), err); // gone: nothing to tell
}

static enum err_code clients(struct store_tx *tx, void *arg UNUSED, struct err *err)
{
	char secret[CREDENTIAL_LEN + 1];
	const struct client_obj *c;
	struct client_doc doc;
	bool changed;
	field_defaults(&client_fields, &doc);
	doc.name = "app";
	OK(store_client_create(tx, &doc, secret, &c, err));
	secret_wipe(secret, sizeof(secret));
	struct ident id = c->id;
	OK(store_client_put(tx, &id, &doc, FIELD_NONE, &c, err));
	doc.note = "second floor";
	OK(store_client_put(tx, &id, &doc, FIELD_NONE, &c, err));
	OK(store_client_delete(tx, &id, FIELD_NONE, err));
	OK(store_policy_put(tx, true, FIELD_NONE, &changed, err)); // it is so since the first
	assert_false(changed);
	return store_policy_put(tx, false, FIELD_NONE, &changed, err);
}

struct listed {
	struct store_place at, next;
	int limit;
	size_t total;
	struct str out;
};

static enum err_code changes(struct store_tx *tx, void *arg, struct err *err)
{
	struct listed *l = arg;
	str_clear(&l->out);
	return store_change_list(tx, &l->at, l->limit, &l->out, &l->total, &l->next, err);
}

static enum err_code audit(struct store_tx *tx, void *arg, struct err *err)
{
	struct listed *l = arg;
	str_clear(&l->out);
	return store_audit_list(tx, &l->at, l->limit, &l->out, &l->total, &l->next, err);
}

// The members that stand next to each other in a row's JSON, of all rows from the newest on.
static void holds_in_order(struct scratch *s, scratch_fn list, const char *const *rows, size_t n)
{
	struct listed l = {.limit = 1000};
	assert_int_equal(scratch_run(s, list, &l), ERR_OK);
	const char *from = str_text(&l.out);
	for (size_t i = n; i-- > 0;) {
		const char *at = strstr(from, rows[i]);
		if (at == NULL)
			fail_msg("%s is not in %s", rows[i], from);
		from = at + 1;
	}
	str_release(&l.out);
}

static size_t count(struct scratch *s, scratch_fn list)
{
	struct listed l = {.limit = 1};
	assert_int_equal(scratch_run(s, list, &l), ERR_OK);
	str_release(&l.out);
	return l.total;
}

#define ROW(action, kind, name, summary)                                                           \
	"\"action\":\"" action "\",\"kind\":\"" kind "\",\"name\":\"" name                         \
	"\",\"summary\":\"" summary "\""

static void each_change_says_what_it_was(void **state)
{
	static const struct {
		scratch_fn fill;
		const char *rows[5];
	} nouns[] = {
		{features,
			{ROW("create", "Feature", "answers", "feature created"),
				ROW("update", "Feature", "answers", "feature changed"),
				ROW("delete", "Feature", "answers", "feature deleted")}},
		{rules,
			{"\"summary\":\"alert rule changed\"",
				"\"summary\":\"alert rule set back\"",
				ROW("create", "AlertRule", "mine", "alert rule created"),
				ROW("update", "AlertRule", "mine", "alert rule changed"),
				ROW("delete", "AlertRule", "mine", "alert rule deleted")}},
		{instances,
			{"\"action\":\"register\",\"kind\":\"Instance\",\"name\":\"sd/gpu7\"",
				"\"action\":\"drain\",\"kind\":\"Instance\",\"name\":\"sd/gpu7\"",
				"\"action\":\"deregister\",\"kind\":\"Instance\",\"name\":\"sd/gpu7\"",
				"\"action\":\"register\",\"kind\":\"Instance\",\"name\":\"sd/gpu7\"",
				"\"action\":\"reap\",\"kind\":\"Instance\",\"name\":\"sd/gpu7\""}},
		{clients,
			{"\"action\":\"create\",\"kind\":\"Client\",\"name\":\"app\"",
				"\"action\":\"update\",\"kind\":\"Client\",\"name\":\"app\"",
				"\"action\":\"delete\",\"kind\":\"Client\",\"name\":\"app\"",
				ROW("update", "ClientPolicy", "clients", "not required")}},
	};
	struct scratch *s = *state;
	for (size_t i = 0; i < ARRAY_LEN(nouns); i++) {
		size_t before = count(s, changes), told = count(s, audit), n = 0;
		while (n < ARRAY_LEN(nouns[i].rows) && nouns[i].rows[n] != NULL)
			n++;
		assert_int_equal(scratch_run(s, nouns[i].fill, NULL), ERR_OK);
		assert_int_equal(count(s, changes) - before, n); // what changes nothing is none
		assert_true(count(s, audit) - told >= n);
		holds_in_order(s, changes, nouns[i].rows, n);
	}
	static const char *const by[] = {"\"actor\":\"uid:0\""};
	holds_in_order(s, changes, by, 1);
	holds_in_order(s, audit, by, 1);
}

// ---- pages ----

static void pages_lead_on_and_end(void **state)
{
	static const scratch_fn lists[] = {changes, audit};
	struct scratch *s = *state;
	for (int i = 0; i < 2; i++)
		assert_int_equal(scratch_run(s, i == 0 ? features : rules, NULL), ERR_OK);
	for (size_t i = 0; i < ARRAY_LEN(lists); i++) {
		struct str whole = STR_INIT, parts = STR_INIT;
		struct listed l = {.limit = 1000};
		assert_int_equal(scratch_run(s, lists[i], &l), ERR_OK);
		assert_true(l.total > 4 && l.next.seq == 0);
		str_add_slice(&whole, str_slice(&l.out));
		size_t pages = 0;
		for (l.limit = 2; pages == 0 || l.next.seq != 0; pages++) {
			l.at = l.next;
			assert_int_equal(scratch_run(s, lists[i], &l), ERR_OK);
			if (pages > 0)
				str_add_c(&parts, ',');
			str_add_slice(&parts, str_slice(&l.out));
		}
		assert_int_equal(pages, (l.total + 1) / 2);
		assert_string_equal(str_text(&parts), str_text(&whole));
		str_release(&whole);
		str_release(&parts);
		str_release(&l.out);
	}
}

// A cursor of another list, of another life, or of a row that is gone leads nowhere.
static void a_cursor_that_fits_nothing_is_refused(void **state)
{
	struct scratch *s = *state;
	struct listed l = {.limit = 1};
	assert_int_equal(scratch_run(s, features, NULL), ERR_OK);
	assert_int_equal(scratch_run(s, changes, &l), ERR_OK);
	assert_true(l.next.seq > 0);
	l.at = l.next;
	assert_int_equal(scratch_run(s, changes, &l), ERR_OK);
	l.at.mark++;
	assert_int_equal(scratch_run(s, changes, &l), ERR_CURSOR_INVALID);
	l.at = (struct store_place){.seq = 1000000, .mark = 7};
	assert_int_equal(scratch_run(s, changes, &l), ERR_CURSOR_INVALID);
	struct listed a = {.limit = 1};
	assert_int_equal(scratch_run(s, audit, &a), ERR_OK);
	l.at = a.next;
	assert_int_equal(scratch_run(s, changes, &l), ERR_CURSOR_INVALID);
	str_release(&l.out);
	str_release(&a.out);
}

// ---- what stood before ----

static int take_text(void *arg, int n, char **columns, char **names UNUSED)
{
	struct str *out = arg;
	assert_int_equal(n, 1);
	str_addf(out, "%s;", columns[0] != NULL ? columns[0] : "-");
	return 0;
}

// Of the rows of the closed store, each followed by a semicolon.
static void read_rows(const struct scratch *s, const char *sql, struct str *out)
{
	char path[96];
	sqlite3 *db;
	scratch_path(s, "yijian.db", path);
	str_clear(out);
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, sql, take_text, out, NULL), SQLITE_OK);
	sqlite3_close(db);
}

// Only the members that differ, those that were not there as null, wherever they stand.
static void what_stood_before_is_what_differs(void **state)
{
	struct scratch *s = *state;
	struct str out = STR_INIT;
	assert_int_equal(scratch_run(s, clients, NULL), ERR_OK);
	assert_int_equal(scratch_run(s, instances, NULL), ERR_OK);
	assert_int_equal(scratch_run(s, features, NULL), ERR_OK);
	scratch_close(s);
	read_rows(s,
		"SELECT before FROM change WHERE kind='Client' AND action<>'delete' ORDER BY revision",
		&out);
	assert_string_equal(str_text(&out), "-;{\"note\":null};");
	read_rows(s, "SELECT before FROM change WHERE kind='ClientPolicy' ORDER BY revision", &out);
	assert_string_equal(str_text(&out), "{\"required\":true};");
	read_rows(s, "SELECT before FROM change WHERE kind='Instance' AND action='drain'", &out);
	assert_string_equal(str_text(&out), "{\"draining\":false};");
	read_rows(s,
		"SELECT before FROM change WHERE kind='Feature' AND action='update' AND name='answers'",
		&out);
	assert_non_null(strstr(str_text(&out), "\"display_name\":"));
	assert_null(strstr(str_text(&out), "\"targets\":"));
	read_rows(s,
		"SELECT before LIKE '%\"targets\":%' AND before LIKE '%\"display_name\":\"Answers\"%' FROM"
		" change WHERE kind='Feature' AND action='delete' AND name='answers'",
		&out);
	assert_string_equal(str_text(&out), "1;"); // whole: it can be made again
	str_release(&out);
	assert_int_equal(scratch_open(s), ERR_OK);
}

// ---- repeated requests ----

struct again {
	const char *endpoint, *key;
	unsigned char hash[32];
	bool found;
	int status;
	struct str body;
};

static enum err_code find(struct store_tx *tx, void *arg, struct err *err)
{
	struct again *a = arg;
	str_clear(&a->body);
	return store_idem_find(tx, a->endpoint, slice_of(a->key), a->hash, &a->found, &a->status,
		&a->body, err);
}

static enum err_code save(struct store_tx *tx, void *arg, struct err *err)
{
	struct again *a = arg;
	return store_idem_save(tx, a->endpoint, slice_of(a->key), a->hash, 201,
		SLICE("{\"id\":\"1\"}"), err);
}

static void a_repeated_request_gets_the_answer_of_then(void **state)
{
	struct scratch *s = *state;
	struct again a = {.endpoint = "POST /a", .key = "k", .hash = {1}};
	assert_int_equal(scratch_run(s, find, &a), ERR_OK);
	assert_false(a.found);
	assert_int_equal(scratch_run(s, save, &a), ERR_OK);
	assert_int_equal(scratch_run(s, find, &a), ERR_OK);
	assert_true(a.found && a.status == 201);
	assert_string_equal(str_text(&a.body), "{\"id\":\"1\"}");
	a.endpoint = "POST /b";
	assert_int_equal(scratch_run(s, find, &a), ERR_OK);
	assert_false(a.found);
	a.endpoint = "POST /a";
	a.key = "l";
	assert_int_equal(scratch_run(s, find, &a), ERR_OK);
	assert_false(a.found);
	a.key = "k";
	a.hash[31] = 1; // another body under the same key
	assert_int_equal(scratch_run(s, find, &a), ERR_IDEMPOTENCY_MISMATCH);
	str_release(&a.body);
}

// What nobody of us can have written is not handed out.
static void a_row_that_is_no_answer_is_not_given(void **state)
{
	static const char *const rows[] = {"UPDATE idempotency SET status=500",
		"UPDATE idempotency SET status=201, body='<html>'",
		"UPDATE idempotency SET status=300, body='{}'",
		"UPDATE idempotency SET status=199"};
	struct scratch *s = *state;
	struct again a = {.endpoint = "POST /a", .key = "k"};
	assert_int_equal(scratch_run(s, save, &a), ERR_OK);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		scratch_close(s);
		scratch_sql(s, rows[i]);
		assert_int_equal(scratch_open(s), ERR_OK);
		assert_int_equal(scratch_run(s, find, &a), ERR_STORAGE_CORRUPT);
	}
	scratch_close(s);
	scratch_sql(s, "UPDATE idempotency SET status=299, body=''");
	assert_int_equal(scratch_open(s), ERR_OK);
	assert_int_equal(scratch_run(s, find, &a), ERR_OK);
	assert_true(a.found && a.status == 299 && a.body.n == 0);
	str_release(&a.body);
}

#define ON_A_STORE(fn) cmocka_unit_test_setup_teardown(fn, scratch_begin, scratch_end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		ON_A_STORE(each_change_says_what_it_was),
		ON_A_STORE(pages_lead_on_and_end),
		ON_A_STORE(a_cursor_that_fits_nothing_is_refused),
		ON_A_STORE(what_stood_before_is_what_differs),
		ON_A_STORE(a_repeated_request_gets_the_answer_of_then),
		ON_A_STORE(a_row_that_is_no_answer_is_not_given),
	};
	if (!secret_setup())
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
