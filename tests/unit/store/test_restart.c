// SPDX-License-Identifier: MIT
// What is there after a restart: every document with its revision, times and author, what callers
// spent, what is known dead; and that the chain of the audit log holds every word of it.
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <cmocka.h>
#include "shared/clock.h"
#include "agent/store/alert.h"
#include "agent/store/audit.h"
#include "agent/store/caller.h"
#include "agent/store/feature.h"
#include "agent/store/history.h"
#include "agent/store/instance.h"
#include "agent/store/key.h"
#include "agent/store/outage.h"
#include "agent/store/override.h"
#include "agent/store/policy.h"
#include "agent/store/price.h"
#include "agent/store/private.h"
#include "agent/store/probe.h"
#include "agent/store/spend.h"
#include "shared/credential.h"
#include "tests/unit/store/scratch.h"

#define OK(call)                                                                                   \
	do {                                                                                       \
		enum err_code code_ = (call);                                                      \
		if (code_ != ERR_OK)                                                               \
			return code_;                                                              \
	} while (0)

// ---- one of everything, written and changed ----

static enum err_code put_feature(struct store_tx *tx, struct err *err)
{
	const struct feature_obj *obj;
	struct feature f = snapshot_feature(store_tx_snapshot(tx), SLICE("chat"))->doc;
	const char *aliases[] = {"talk"};
	f.name = "answers";
	f.aliases = (struct strv){aliases, 1};
	OK(store_feature_put(tx, &f, true, FIELD_NONE, &obj, err));
	f.display_name = "Answers";
	return store_feature_put(tx, &f, false, obj->o.revision, &obj, err);
}

static enum err_code put_key(struct store_tx *tx, struct err *err)
{
	struct vendor_key k;
	const struct key_obj *obj;
	field_defaults(&key_fields, &k);
	k.vendor = "openai";
	k.service = "gpt-4";
	k.key_name = "Main";
	secret_set(&k.api_key, "sk-unit-test-secret", 19);
	enum err_code code = store_key_put(tx, &k, true, FIELD_NONE, &obj, err);
	secret_release(&k.api_key);
	OK(code);
	struct vendor_key changed = obj->doc; // its secret stays
	changed.note = "second floor";
	changed.region = "eu";
	return store_key_put(tx, &changed, false, obj->o.revision, &obj, err);
}

static enum err_code put_instance(struct store_tx *tx, struct err *err)
{
	const struct instance_obj *obj;
	struct instance in;
	bool created;
	field_defaults(&instance_fields, &in);
	in.service = "sd";
	in.id = "gpu7";
	in.url = "http://127.0.0.1:7860";
	in.engine = "sdwebui";
	in.ttl_s = 30;
	OK(store_instance_put(tx, &in, FIELD_NONE, &created, &obj, err));
	in.draining = true;
	return store_instance_put(tx, &in, obj->o.revision, &created, &obj, err);
}

static enum err_code put_callers(struct store_tx *tx, struct err *err)
{
	char secret[CREDENTIAL_LEN + 1];
	const struct client_obj *c;
	const struct token_obj *t;
	struct client_doc client;
	struct token token;
	field_defaults(&client_fields, &client);
	client.name = "app";
	client.limits.rpm = 60;
	OK(store_client_create(tx, &client, secret, &c, err));
	client.note = "changed";
	struct ident id = c->id;
	OK(store_client_put(tx, &id, &client, FIELD_NONE, &c, err));
	field_defaults(&token_fields, &token);
	token.name = "ci";
	OK(store_token_create(tx, &token, secret, &t, err));
	token.name = "old";
	OK(store_token_create(tx, &token, secret, &t, err));
	id = t->id;
	secret_wipe(secret, sizeof(secret));
	return store_token_revoke(tx, &id, err);
}

static enum err_code put_rest(struct store_tx *tx, struct err *err)
{
	const struct rule_obj *rule;
	struct alert_rule r = snapshot_rule(store_tx_snapshot(tx), SLICE("key-invalid")) != NULL
		? snapshot_rule(store_tx_snapshot(tx), SLICE("key-invalid"))->doc
		: alert_rules_builtin(&(size_t){0})[0];
	struct price p;
	int64_t revision;
	bool changed;
	r.name = "my-rule";
	r.threshold = 7;
	OK(store_rule_put(tx, &r, true, FIELD_NONE, &rule, err));
	r.enabled = false;
	OK(store_rule_put(tx, &r, false, rule->o.revision, &rule, err));
	field_defaults(&price_fields, &p);
	p.vendor = "openai";
	p.model = "gpt-unit";
	p.id = "openai/gpt-unit";
	p.currency = "USD";
	p.input_pico = 2500000;
	p.output_pico = 10000000;
	OK(store_price_begin(tx, &revision, err));
	OK(store_price_put(tx, &p, revision, err));
	OK(store_price_end(tx, revision, "gpt-unit", "one", err));
	return store_policy_put(tx, true, FIELD_NONE, &changed, err);
}

static enum err_code fill(struct store_tx *tx, void *arg UNUSED, struct err *err)
{
	OK(put_feature(tx, err));
	OK(put_key(tx, err));
	OK(put_instance(tx, err));
	OK(put_callers(tx, err));
	return put_rest(tx, err);
}

// Everything once more, at a later time than it was made.
static enum err_code change_all(struct store_tx *tx, void *arg UNUSED, struct err *err)
{
	const struct snapshot *s = store_tx_snapshot(tx);
	struct pmap_it it = {0};
	const struct feature_obj *f = snapshot_feature(s, SLICE("answers"));
	const struct key_obj *k = snapshot_key_ref(s, SLICE("openai/gpt-4/main"));
	const struct instance_obj *in = snapshot_instance(s, SLICE("sd"), SLICE("gpu7"));
	const struct rule_obj *r = snapshot_rule(s, SLICE("my-rule"));
	void *client, *price = NULL;
	int64_t revision;
	bool created;
	assert_true(pmap_next(s->clients, &it, NULL, &client));
	it = (struct pmap_it){0};
	while (pmap_next(s->prices, &it, NULL, &price))
		if (strcmp(((struct price_obj *)price)->doc.model, "gpt-unit") == 0)
			break;
	struct feature feature = f->doc;
	feature.description = "later";
	OK(store_feature_put(tx, &feature, false, FIELD_NONE, &f, err));
	struct vendor_key key = k->doc;
	key.note = "later";
	OK(store_key_put(tx, &key, false, FIELD_NONE, &k, err));
	struct instance instance = in->doc;
	instance.display_name = "later";
	OK(store_instance_put(tx, &instance, FIELD_NONE, &created, &in, err));
	const struct client_obj *c = client;
	struct client_doc doc = c->doc;
	struct ident id = c->id;
	doc.note = "later";
	OK(store_client_put(tx, &id, &doc, FIELD_NONE, &c, err));
	struct alert_rule rule = r->doc;
	rule.description = "later";
	OK(store_rule_put(tx, &rule, false, FIELD_NONE, &r, err));
	struct price p = ((struct price_obj *)price)->doc;
	p.source = "later";
	OK(store_price_begin(tx, &revision, err));
	OK(store_price_put(tx, &p, revision, err));
	return store_price_end(tx, revision, "gpt-unit", "one", err);
}

static void fill_all(struct scratch *s)
{
	assert_int_equal(scratch_run(s, fill, NULL), ERR_OK);
	int64_t made = clock_wall_ms();
	while (clock_wall_ms() == made)
		;
	assert_int_equal(scratch_run(s, change_all, NULL), ERR_OK);
	int revoked = 0;
	struct pmap_it it = {0};
	void *obj;
	while (pmap_next(snapshots_now(s->snaps)->tokens, &it, NULL, &obj))
		revoked += ((struct token_obj *)obj)->revoked_at > 0;
	assert_int_equal(revoked, 1);
}

static void add_map(struct str *out, struct pmap map)
{
	struct pmap_it it = {0};
	struct slice name;
	void *obj;
	while (pmap_next(map, &it, &name, &obj)) {
		const struct object *o = obj;
		str_add_slice(out, name);
		str_addf(out, " %lld ", (long long)o->revision);
		if (o->revision > 0) { // somebody wrote it, at some time
			char *doc = mem_strndup(o->json.p, o->json.n);
			assert_null(strstr(doc, "\"created_at\":null"));
			assert_null(strstr(doc, "\"updated_at\":null"));
			assert_null(strstr(doc, "\"updated_by\":null"));
			assert_null(strstr(doc, "\"revision\":null"));
			free(doc);
		}
		str_add_slice(out, o->json);
		str_add_c(out, '\n');
	}
}

static char *all_of(const struct snapshot *s)
{
	struct str out = STR_INIT;
	struct pmap_it it = {0};
	void *obj;
	const struct pmap maps[] = {s->features, s->aliases, s->keys, s->key_refs, s->instances,
		s->tokens, s->clients, s->client_names, s->alert_rules, s->prices};
	for (size_t i = 0; i < ARRAY_LEN(maps); i++)
		add_map(&out, maps[i]);
	while (pmap_next(s->tokens, &it, NULL, &obj)) {
		const struct token_obj *t = obj;
		str_addf(&out, "%s revoked %lld hash %d\n", t->id.text, (long long)t->revoked_at,
			t->hash[0]);
	}
	str_addf(&out, "revision %llu policy %d %lld\n", (unsigned long long)s->revision,
		s->clients_required, (long long)s->policy_revision);
	return str_take(&out, NULL);
}

static void every_document_is_as_it_was(void **state)
{
	struct scratch *s = *state;
	struct store_stats stats;
	struct secret got = {0};
	struct err err = {0};
	char path[96];
	fill_all(s);
	char *before = all_of(snapshots_now(s->snaps));
	for (int i = 0; i < 2; i++) {
		scratch_close(s);
		assert_int_equal(scratch_open(s), ERR_OK);
		char *after = all_of(snapshots_now(s->snaps));
		assert_string_equal(after, before);
		free(after);
		store_stats(s->store, &stats);
		assert_false(stats.changes_missing); // nothing that was acknowledged is gone
		assert_string_equal(stats.reason, "");
	}
	scratch_path(s, "snapshot.lost.json", path);
	assert_int_not_equal(access(path, F_OK), 0);
	const struct key_obj *k = snapshot_key_ref(snapshots_now(s->snaps),
		SLICE("openai/gpt-4/main"));
	assert_int_equal(store_key_open(s->store, k, &got, &err), ERR_OK);
	assert_memory_equal(got.p, "sk-unit-test-secret", 19);
	secret_release(&got);
	free(before);
}

// Without the database what was saved beside it serves, as it was.
static void the_saved_copy_says_the_same(void **state)
{
	struct scratch *s = *state;
	char path[96];
	fill_all(s);
	char *before = all_of(snapshots_now(s->snaps));
	scratch_close(s);
	scratch_path(s, "yijian.db", path);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(scratch_open(s), ERR_OK);
	assert_int_equal(snapshots_now(s->snaps)->store_state, STORE_READONLY);
	struct store_stats stats;
	store_stats(s->store, &stats);
	assert_null(strstr(stats.reason, "left out")); // what was taken is not said to be lost
	char *after = all_of(snapshots_now(s->snaps));
	assert_string_equal(after, before);
	free(after);
	free(before);
}

// The saved copy with one word for another, and as much of it held as before.
static void alter_saved(struct scratch *s, const char *word, const char *other)
{
	char path[96], hex[2 * SEAL_MAC + 1];
	unsigned char mac[SEAL_MAC];
	scratch_path(s, "snapshot.json", path);
	FILE *f = fopen(path, "rb");
	assert_non_null(f);
	char *text = mem_zalloc(1, 1 << 20);
	text[fread(text, 1, (1 << 20) - 1, f)] = '\0';
	fclose(f);
	char *at = strstr(text, word);
	assert_true(at != NULL && strlen(word) == strlen(other));
	memcpy(at, other, strlen(other));
	char *body = strchr(text, '\n') + 1;
	seal_row_mac(store_seal(s->store), slice_of(body), mac);
	for (size_t i = 0; i < SEAL_MAC; i++)
		snprintf(hex + 2 * i, 3, "%02x", mac[i]);
	memcpy(text, hex, 2 * SEAL_MAC);
	f = fopen(path, "wb");
	assert_int_equal(fwrite(text, 1, strlen(text), f), strlen(text));
	assert_int_equal(fclose(f), 0);
	free(text);
}

// What is in the saved copy and is no document of this version is left out, and said.
static void the_saved_copy_says_what_it_leaves_out(void **state)
{
	struct scratch *s = *state;
	struct store_stats stats;
	char path[96];
	fill_all(s);
	store_stop(s->store); // it is written, and the seal is there still
	alter_saved(s, "\"endpoint\":\"embeddings\"", "\"endpoint\":\"telepathic\"");
	scratch_close(s);
	scratch_path(s, "yijian.db", path);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(scratch_open(s), ERR_OK);
	store_stats(s->store, &stats);
	assert_non_null(strstr(stats.reason, "1 stored rows failed their check and are left out"));
	assert_null(snapshot_feature(snapshots_now(s->snaps), SLICE("embeddings")));
	assert_non_null(snapshot_feature(snapshots_now(s->snaps), SLICE("answers")));
}

// What is no whole copy, or not the one that was written, is served in nothing's place.
static void a_damaged_copy_is_not_served(void **state)
{
	struct scratch *s = *state;
	char path[96];
	fill_all(s);
	scratch_close(s);
	scratch_path(s, "yijian.db", path);
	assert_int_equal(unlink(path), 0);
	scratch_path(s, "snapshot.json", path);
	struct stat st;
	assert_int_equal(stat(path, &st), 0);
	for (off_t cut = 1; cut < st.st_size; cut += st.st_size / 3) {
		assert_int_equal(truncate(path, st.st_size - cut), 0);
		assert_int_equal(scratch_open(s), ERR_STORAGE_CORRUPT);
		scratch_close(s);
	}
	scratch_open(s);
}

// Of another program or a newer version: nothing is served in its place.
static void a_database_of_another_version_is_no_start(void **state)
{
	static const struct {
		const char *sql, *back;
	} rows[] = {{"UPDATE migration SET checksum='x'||checksum WHERE id=1",
			    "UPDATE migration SET checksum=substr(checksum,2) WHERE id=1"},
		{"INSERT INTO migration SELECT max(id)+1,'later','x',1 FROM migration",
			"DELETE FROM migration WHERE id=(SELECT max(id) FROM migration)"},
		{"INSERT INTO migration SELECT max(id)+2,'later','x',1 FROM migration",
			"DELETE FROM migration WHERE id=(SELECT max(id) FROM migration)"}};
	struct scratch *s = *state;
	fill_all(s);
	char *before = all_of(snapshots_now(s->snaps));
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		scratch_close(s);
		scratch_sql(s, rows[i].sql);
		assert_int_equal(scratch_open(s), ERR_STORAGE_FAILED);
		scratch_close(s);
		scratch_sql(s, rows[i].back);
		assert_int_equal(scratch_open(s), ERR_OK);
		assert_int_equal(snapshots_now(s->snaps)->store_state, STORE_OK);
		char *after = all_of(snapshots_now(s->snaps));
		assert_string_equal(after, before);
		free(after);
	}
	free(before);
}

// ---- what is kept beside the documents ----

static const struct key_obj *the_key(struct scratch *s)
{
	return snapshot_key_ref(snapshots_now(s->snaps), SLICE("openai/gpt-4/main"));
}

static enum err_code save_spending(struct store_tx *tx, void *arg UNUSED, struct err *err)
{
	return store_spend_save(tx, err);
}

// Of one of each kind that spends.
static struct live *spender(struct scratch *s, enum live_kind kind)
{
	const struct snapshot *snap = snapshots_now(s->snaps);
	struct pmap_it it = {0};
	void *obj = NULL;
	switch (kind) {
	case LIVE_CLIENT:
		assert_true(pmap_next(snap->clients, &it, NULL, &obj));
		return ((struct client_obj *)obj)->live;
	case LIVE_TOKEN:
		do
			assert_true(pmap_next(snap->tokens, &it, NULL, &obj));
		while (((struct token_obj *)obj)->revoked_at != 0);
		return ((struct token_obj *)obj)->live;
	case LIVE_FEATURE:
		assert_true(pmap_next(snap->features, &it, NULL, &obj));
		return ((struct feature_obj *)obj)->live;
	default:
		return the_key(s)->live;
	}
}

static void spending_goes_on(void **state)
{
	struct scratch *s = *state;
	static const enum live_kind kinds[] = {LIVE_KEY, LIVE_CLIENT, LIVE_TOKEN, LIVE_FEATURE};
	fill_all(s);
	for (int i = 0; i < 2; i++) {
		for (int k = 0; k < (int)ARRAY_LEN(kinds); k++) {
			struct live *l = spender(s, kinds[k]);
			l->spend.pico = 500 + 10 * k + i;
			l->spend.unpriced = 3 + i;
			l->spend.window = 678;
			l->last_used_wall_ms = 1795608000000 + i;
			l->spend.dirty = i == 0;
		}
		assert_int_equal(scratch_run(s, save_spending, NULL), ERR_OK);
		for (size_t k = 0; k < ARRAY_LEN(kinds); k++)
			assert_int_equal(spender(s, kinds[k])->spend.dirty, 0);
		scratch_close(s);
		assert_int_equal(scratch_open(s), ERR_OK);
		for (int k = 0; k < (int)ARRAY_LEN(kinds); k++) {
			const struct live *l = spender(s, kinds[k]);
			// the second time it was not said to have changed
			assert_int_equal(l->spend.pico, 500 + 10 * k);
			assert_true(l->spend.unpriced == 3 && l->spend.window == 678);
			assert_true(l->last_used_wall_ms == 1795608000000);
		}
	}
}

struct dead {
	const struct key_obj *key;
	const struct instance_obj *instance;
	struct outage of_key, of_instance;
	int seen;
};

static enum err_code put_outages(struct store_tx *tx, void *arg, struct err *err)
{
	struct dead *d = arg;
	OK(store_outage_put(tx, LIVE_KEY, d->key->doc.id, &d->of_key, err));
	return store_outage_put(tx, LIVE_INSTANCE, "sd/gpu7", &d->of_instance, err);
}

static void see_outage(void *arg, enum live_kind kind, const char *id, const struct outage *o)
{
	struct dead *d = arg;
	const struct outage *want = kind == LIVE_KEY ? &d->of_key : &d->of_instance;
	assert_string_equal(id, kind == LIVE_KEY ? d->key->doc.id : "sd/gpu7");
	assert_true(o->mark == want->mark && o->fault == want->fault &&
		o->since_ms == want->since_ms);
	assert_true(o->cool_until_ms == want->cool_until_ms && o->cool_status == want->cool_status);
	assert_true(o->beat_ms == want->beat_ms);
	d->seen++;
}

static enum err_code walk_outages(struct store_tx *tx, void *arg, struct err *err)
{
	return store_outage_walk(tx, see_outage, arg, err);
}

static struct dead dead_of(struct scratch *s)
{
	const struct snapshot *snap = snapshots_now(s->snaps);
	return (struct dead){
		.key = the_key(s), .instance = snapshot_instance(snap, SLICE("sd"), SLICE("gpu7"))};
}

static void what_is_known_dead_stays_so(void **state)
{
	struct scratch *s = *state;
	int64_t now = clock_wall_ms();
	fill_all(s);
	struct dead d = dead_of(s);
	d.of_key = (struct outage){.mark = store_outage_mark_key(d.key),
		.fault = LIVE_KEY_INVALID,
		.since_ms = now - 5,
		.cool_until_ms = now + 60000,
		.cool_status = 429};
	d.of_instance = (struct outage){
		.mark = store_outage_mark_instance(d.instance), .beat_ms = now - 40000};
	assert_int_equal(scratch_run(s, put_outages, &d), ERR_OK);
	assert_int_equal(scratch_run(s, walk_outages, &d), ERR_OK);
	assert_int_equal(d.seen, 2);
	scratch_close(s);
	assert_int_equal(scratch_open(s), ERR_OK);
	d = dead_of(s);
	assert_true(d.key->live->fault == LIVE_KEY_INVALID);
	assert_true(d.key->live->fault_since_wall_ms == now - 5);
	assert_true(d.key->live->cooldown_status == 429);
	assert_true(d.key->live->cooldown_until_us > clock_mono_us());
	assert_true(d.key->live->cooldown_until_us <= clock_mono_us() + 60000000);
	assert_true(d.instance->live->health == HEALTH_CRITICAL);
	assert_true(d.instance->live->health_since_wall_ms == now - 40000 + 30000);
	assert_true(d.instance->live->last_beat_us < clock_mono_us() - 30000000);
	// What was seen of another secret or address says nothing of this one.
	d.of_key = (struct outage){
		.mark = store_outage_mark_key(d.key) + 1, .fault = LIVE_KEY_INVALID};
	d.of_instance = (struct outage){
		.mark = store_outage_mark_instance(d.instance) + 1, .beat_ms = now - 40000};
	assert_int_equal(scratch_run(s, put_outages, &d), ERR_OK);
	scratch_close(s);
	assert_int_equal(scratch_open(s), ERR_OK);
	d = dead_of(s);
	assert_true(d.key->live->fault == LIVE_OK && d.key->live->cooldown_until_us == 0);
	assert_true(d.instance->live->health != HEALTH_CRITICAL);
	d.of_key = d.of_instance = (struct outage){0}; // all is well: the rows go
	assert_int_equal(scratch_run(s, put_outages, &d), ERR_OK);
	d.seen = 0;
	assert_int_equal(scratch_run(s, walk_outages, &d), ERR_OK);
	assert_int_equal(d.seen, 0);
}

static enum err_code put_probe(struct store_tx *tx, void *arg, struct err *err)
{
	const struct probe_spent spent = {
		.priced = 4, .unpriced = 2, .pico = 900, .currency = "USD"};
	return store_probe_put(tx, arg, 20000, &spent, err);
}

static enum err_code drain(struct store_tx *tx, void *arg, struct err *err)
{
	const struct live_override o = {
		.drained = true, .weight = 7, .until_wall_ms = clock_wall_ms() + 600000};
	return store_override_put(tx, LIVE_KEY, arg, &o, err);
}

static void looks_and_overrides_stay(void **state)
{
	struct scratch *s = *state;
	char id[64];
	fill_all(s);
	snprintf(id, sizeof(id), "%s", the_key(s)->doc.id);
	assert_int_equal(scratch_run(s, put_probe, id), ERR_OK);
	assert_int_equal(scratch_run(s, drain, id), ERR_OK);
	scratch_close(s);
	assert_int_equal(scratch_open(s), ERR_OK);
	struct probe_spent spent = probe_purse_spent(the_key(s)->live, 20000);
	assert_true(spent.priced == 4 && spent.unpriced == 2 && spent.pico == 900);
	assert_string_equal(spent.currency, "USD");
	struct live *l = the_key(s)->live;
	assert_true(l->drained == 1 && l->weight_override == 7);
	assert_true(l->override_until_us > clock_mono_us());
	assert_true(l->override_until_us <= clock_mono_us() + 600000000);
}

// Such a row is held by no check: one of no kind is passed over, and an id is only an id.
static void overrides_are_read_by_their_kind(void **state)
{
	struct scratch *s = *state;
	char sql[200];
	scratch_close(s);
	snprintf(sql, sizeof(sql), "INSERT INTO live_override VALUES(%d,'42',1,7,0)", LIVE_TARGET);
	scratch_sql(s, sql);
	scratch_sql(s, "INSERT INTO live_override VALUES(99,'x',1,7,0)");
	scratch_sql(s, "INSERT INTO live_override VALUES(-1,'x',1,7,0)");
	assert_int_equal(scratch_open(s), ERR_OK);
	struct live *l = live_take(s->live, LIVE_TARGET, SLICE("42"));
	assert_true(l->drained == 1 && l->weight_override == 7);
	live_drop(s->live, l);
}

static enum err_code count_overrides(struct store_tx *tx, void *arg, struct err *err)
{
	return db_number(tx->db, "SELECT count(*) FROM live_override", NULL, 0, arg, err);
}

// However many rows are past their time, they go now and not a few an hour.
static void a_backlog_goes_at_once(void **state)
{
	struct scratch *s = *state;
	int64_t left = -1;
	scratch_close(s);
	for (int i = 0; i < 250; i++) {
		char sql[100];
		snprintf(sql, sizeof(sql), "INSERT INTO live_override VALUES(%d,'%d',1,7,1)",
			LIVE_TARGET, i);
		scratch_sql(s, sql);
	}
	assert_int_equal(scratch_open(s), ERR_OK);
	for (int i = 0; i < 10000 && left != 0; i++)
		assert_int_equal(scratch_run(s, count_overrides, &left), ERR_OK);
	assert_int_equal(left, 0);
}

struct chunk {
	int64_t at_ms, kept_s;
	const char *points;
};

static enum err_code add_chunk(struct store_tx *tx, void *arg, struct err *err)
{
	const struct chunk *c = arg;
	return store_history_add(tx, 60, c->at_ms, slice_of(c->points), c->kept_s, err);
}

static void see_chunk(void *arg, int64_t at_ms, struct slice chunk)
{
	str_addf(arg, "%lld=%.*s;", (long long)at_ms, SLICE_FMT(chunk));
}

// A chunk for every time, the last word about it; what is older than is kept goes, and what a clock
// that was ahead had left.
static void figures_are_kept_so_long(void **state)
{
	static const struct chunk chunks[] = {{100000, 100, "a"}, {50000, 100, "b"},
		{100000, 100, "c"}, {200000, 100, "d"}, {150000, 100, "e"}, {149000, 1, "f"}};
	static const char *const want[] = {"100000=a;", "50000=b;100000=a;", "50000=b;100000=c;",
		"100000=c;200000=d;", "100000=c;150000=e;200000=d;", "149000=f;150000=e;"};
	struct scratch *s = *state;
	for (size_t i = 0; i < ARRAY_LEN(chunks); i++) {
		struct str out = STR_INIT;
		assert_int_equal(scratch_run(s, add_chunk, (void *)(uintptr_t)&chunks[i]), ERR_OK);
		scratch_close(s);
		assert_int_equal(scratch_open(s), ERR_OK);
		store_history_read(s->store, 60, see_chunk, &out);
		assert_string_equal(str_text(&out), want[i]);
		str_clear(&out);
		store_history_read(s->store, 3600, see_chunk, &out);
		assert_string_equal(str_text(&out), "");
		str_release(&out);
	}
}

// The store looks after itself between jobs: what is past its time, and the log.
static void it_looks_after_itself(void **state)
{
	struct scratch *s = *state;
	struct store_stats stats = {0};
	for (int i = 0; i < 10000 && (stats.purge_wall_ms == 0 || stats.checkpoint_wall_ms == 0);
		i++) {
		assert_int_equal(scratch_run(s, save_spending, NULL), ERR_OK);
		store_stats(s->store, &stats);
	}
	assert_true(stats.purge_wall_ms > 0 && stats.checkpoint_wall_ms > 0);
	assert_false(stats.purge_overdue || stats.checkpoint_overdue);
	assert_string_equal(stats.reason, "");
	assert_int_equal(stats.state, STORE_OK);
}

struct priced {
	char id[128];
	bool found;
};

static enum err_code drop_price(struct store_tx *tx, void *arg, struct err *err)
{
	struct priced *p = arg;
	int64_t revision;
	OK(store_price_begin(tx, &revision, err));
	OK(store_price_delete(tx, slice_of(p->id), &p->found, err));
	return store_price_end(tx, revision, p->id, "gone", err);
}

static void a_price_goes_once(void **state)
{
	struct scratch *s = *state;
	struct priced p = {.found = false};
	struct pmap_it it = {0};
	struct slice id;
	void *obj;
	assert_int_equal(scratch_run(s, fill, NULL), ERR_OK);
	size_t n = snapshots_now(s->snaps)->prices.n;
	while (pmap_next(snapshots_now(s->snaps)->prices, &it, &id, &obj))
		if (strcmp(((struct price_obj *)obj)->doc.model, "gpt-unit") == 0)
			snprintf(p.id, sizeof(p.id), "%.*s", SLICE_FMT(id));
	assert_int_equal(scratch_run(s, drop_price, &p), ERR_OK);
	assert_true(p.found);
	assert_int_equal(scratch_run(s, drop_price, &p), ERR_OK);
	assert_false(p.found);
	assert_int_equal(snapshots_now(s->snaps)->prices.n, n - 1);
	scratch_close(s);
	assert_int_equal(scratch_open(s), ERR_OK);
	assert_int_equal(snapshots_now(s->snaps)->prices.n, n - 1);
}

// Prices that come with the agent were changed by nobody.
static void what_comes_along_has_no_revision(void **state)
{
	struct scratch *s = *state;
	for (int i = 0; i < 2; i++) {
		struct pmap_it it = {0};
		void *obj;
		while (pmap_next(snapshots_now(s->snaps)->prices, &it, NULL, &obj))
			assert_int_equal(((struct object *)obj)->revision, 0);
		scratch_close(s);
		assert_int_equal(scratch_open(s), ERR_OK);
	}
}

static enum err_code nothing(struct store_tx *tx UNUSED, void *arg UNUSED, struct err *err UNUSED)
{
	return ERR_OK;
}

static void a_job_begins_without_a_word(void **state)
{
	struct scratch *s = *state;
	struct scratch_job j = scratch_job(s, nothing, NULL);
	err_set(&j.job.err, ERR_INTERNAL, "of the time before");
	j.job.wrote = true;
	assert_int_equal(scratch_wait(s, &j), ERR_OK);
	assert_int_equal(j.job.err.code, ERR_OK);
	assert_string_equal(j.job.err.message, "");
	assert_false(j.job.wrote); // and it wrote nothing
	j = scratch_job(s, fill, NULL);
	assert_int_equal(scratch_wait(s, &j), ERR_OK);
	assert_true(j.job.wrote);
	struct store_stats before, after;
	store_stats(s->store, &before);
	assert_int_equal(scratch_run(s, change_all, NULL), ERR_OK);
	store_stats(s->store, &after);
	assert_true(after.commits > before.commits && after.writes > before.writes);
	assert_true(after.commit_seconds_sum > before.commit_seconds_sum);
	assert_true(after.failures == 0);
}

// ---- the chain ----

static enum err_code verify(struct store_tx *tx, void *arg, struct err *err)
{
	return store_audit_verify(tx, arg, err);
}

static void every_word_of_an_audit_row_is_held(void **state)
{
	static const struct {
		const char *there, *back;
	} rows[] = {
		{"UPDATE audit SET at=at+1 WHERE seq=3", "UPDATE audit SET at=at-1 WHERE seq=3"},
		{"UPDATE audit SET actor=actor||'x' WHERE seq=3",
			"UPDATE audit SET actor=rtrim(actor,'x') WHERE seq=3"},
		{"UPDATE audit SET action=action||'x' WHERE seq=3",
			"UPDATE audit SET action=rtrim(action,'x') WHERE seq=3"},
		{"UPDATE audit SET object=object||'x' WHERE seq=3",
			"UPDATE audit SET object=rtrim(object,'x') WHERE seq=3"},
		{"UPDATE audit SET result=result||'x' WHERE seq=3",
			"UPDATE audit SET result=rtrim(result,'x') WHERE seq=3"},
		{"UPDATE audit SET request_id=request_id||'x' WHERE seq=3",
			"UPDATE audit SET request_id=rtrim(request_id,'x') WHERE seq=3"},
		{"UPDATE audit SET actor_name=actor_name||'x' WHERE seq=3",
			"UPDATE audit SET actor_name=rtrim(actor_name,'x') WHERE seq=3"},
		{"UPDATE audit SET object_id=object_id||'x' WHERE seq=3",
			"UPDATE audit SET object_id=rtrim(object_id,'x') WHERE seq=3"},
		// A word moved from one column to the next is another row, too.
		{"UPDATE audit SET action=action||substr(object,1,1), object=substr(object,2) WHERE seq=3",
			"UPDATE audit SET object=substr(action,-1)||object,"
			" action=substr(action,1,length(action)-1) WHERE seq=3"},
	};
	struct scratch *s = *state;
	int64_t bad = -1;
	fill_all(s);
	assert_int_equal(scratch_run(s, verify, &bad), ERR_OK);
	assert_true(bad == 0);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		scratch_close(s);
		scratch_sql(s, rows[i].there);
		assert_int_equal(scratch_open(s), ERR_OK);
		assert_int_equal(scratch_run(s, verify, &bad), ERR_OK);
		if (bad != 3)
			fail_msg("%s: %lld", rows[i].there, (long long)bad);
		scratch_close(s);
		scratch_sql(s, rows[i].back);
		assert_int_equal(scratch_open(s), ERR_OK);
		assert_int_equal(scratch_run(s, verify, &bad), ERR_OK);
		assert_true(bad == 0);
	}
	scratch_close(s);
	scratch_sql(s, "DELETE FROM audit WHERE seq=4"); // one is missing
	assert_int_equal(scratch_open(s), ERR_OK);
	assert_int_equal(scratch_run(s, verify, &bad), ERR_OK);
	assert_true(bad == 4);
}

// After a stop that was none, rows that are missing say that database and log are not of one moment.
static void missing_rows_after_a_crash_are_no_start(void **state)
{
	struct scratch *s = *state;
	char path[96];
	assert_int_equal(scratch_run(s, fill, NULL), ERR_OK);
	scratch_close(s);
	scratch_path(s, "yijian.db-clean", path);
	unlink(path);
	assert_int_equal(scratch_open(s), ERR_OK);
	assert_int_equal(snapshots_now(s->snaps)->store_state, STORE_OK); // nothing is missing
	scratch_close(s);
	scratch_sql(s, "DELETE FROM audit WHERE seq=3");
	assert_int_equal(scratch_open(s), ERR_OK);
	assert_int_equal(snapshots_now(s->snaps)->store_state,
		STORE_OK); // not looked at after a stop
	scratch_close(s);
	unlink(path);
	assert_int_equal(scratch_open(s), ERR_OK);
	assert_int_equal(snapshots_now(s->snaps)->store_state, STORE_READONLY);
	assert_true(snapshots_now(s->snaps)->keys.n == 1); // served from what was saved beside it
}

// ---- the file beside the database ----

static enum err_code require_keys(struct store_tx *tx, void *arg, struct err *err)
{
	bool changed;
	return store_policy_put(tx, *(bool *)arg, FIELD_NONE, &changed, err);
}

static void copy_file(const struct scratch *s, const char *from, const char *to)
{
	char path[96], bytes[4096];
	scratch_path(s, from, path);
	FILE *in = fopen(path, "rb");
	scratch_path(s, to, path);
	FILE *out = fopen(path, "wb");
	assert_true(in != NULL && out != NULL);
	for (size_t n; (n = fread(bytes, 1, sizeof(bytes), in)) > 0;)
		assert_int_equal(fwrite(bytes, 1, n, out), n);
	fclose(in);
	fclose(out);
}

// An older database is put back: a gateway that asked for keys goes on asking, one that did not does
// not begin to.
static void an_older_database_opens_nothing(void **state)
{
	struct scratch *s = *state;
	char path[96];
	for (int last = 0; last < 2; last++) {
		bool yes = true, no = false;
		scratch_close(s);
		copy_file(s, "yijian.db", "aside");
		assert_int_equal(scratch_open(s), ERR_OK);
		assert_int_equal(scratch_run(s, require_keys, &yes), ERR_OK);
		if (last == 0)
			assert_int_equal(scratch_run(s, require_keys, &no), ERR_OK);
		scratch_close(s);
		copy_file(s, "aside", "yijian.db");
		scratch_path(s, "yijian.db-wal", path);
		unlink(path);
		assert_int_equal(scratch_open(s), ERR_OK);
		assert_true(snapshots_now(s->snaps)->clients_required == (last == 1));
		struct store_stats stats;
		store_stats(s->store, &stats);
		assert_true(stats.changes_missing); // and it is said that some are
		scratch_path(s, "snapshot.lost.json", path);
		unlink(path);
	}
	scratch_path(s, "aside", path);
	unlink(path);
}

static void what_cannot_be_saved_is_said(void **state)
{
	struct scratch *s = *state;
	struct store_stats stats;
	static const char *const taken[] = {"snapshot.json.new", "snapshot.json"};
	char path[96];
	for (size_t i = 0; i < ARRAY_LEN(taken); i++) {
		bool required = i == 0;
		scratch_path(s, taken[i], path);
		unlink(path);
		assert_int_equal(mkdir(path, 0700), 0); // a file cannot stand there
		assert_int_equal(scratch_run(s, require_keys, &required), ERR_OK);
		store_stats(s->store, &stats);
		assert_string_not_equal(stats.reason, "");
		assert_int_not_equal(stats.state, STORE_OK);
		assert_int_equal(rmdir(path), 0);
		scratch_path(s, taken[0], path);
		assert_int_not_equal(access(path, F_OK), 0); // nothing half-written is left
		scratch_close(s);
		assert_int_equal(scratch_open(s), ERR_OK);
		store_stats(s->store, &stats);
		assert_true(snapshots_now(s->snaps)->clients_required == required); // it had it
		assert_string_equal(stats.reason, "");
		assert_int_equal(stats.state, STORE_OK);
	}
}

// No room: it is said, and no longer once something was written.
static void trouble_is_over_with_the_first_write(void **state)
{
	struct scratch *s = *state;
	struct store_stats stats;
	struct rlimit had, none;
	bool yes = true;
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &had), 0);
	none = (struct rlimit){.rlim_cur = 512, .rlim_max = had.rlim_max};
	void (*signalled)(int) = signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &none), 0);
	enum err_code code = scratch_run(s, require_keys, &yes);
	store_stats(s->store, &stats);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &had), 0);
	signal(SIGXFSZ, signalled);
	assert_true(code == ERR_STORAGE_FULL || code == ERR_STORAGE_FAILED);
	assert_int_not_equal(stats.state, STORE_OK);
	assert_string_not_equal(stats.reason, "");
	assert_false(snapshots_now(s->snaps)->clients_required);
	// What the store did for itself meanwhile may have failed as well, and is tried again a little later.
	for (int64_t end = clock_mono_us() + 20000000;
		stats.state != STORE_OK && clock_mono_us() < end;) {
		yes = !yes;
		assert_int_equal(scratch_run(s, require_keys, &yes), ERR_OK);
		store_stats(s->store, &stats);
	}
	assert_int_equal(stats.state, STORE_OK);
	assert_string_equal(stats.reason, "");
	assert_int_equal(snapshots_now(s->snaps)->store_state, STORE_OK);
}

#define ON_A_STORE(fn) cmocka_unit_test_setup_teardown(fn, scratch_begin, scratch_end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		ON_A_STORE(every_document_is_as_it_was),
		ON_A_STORE(the_saved_copy_says_the_same),
		ON_A_STORE(the_saved_copy_says_what_it_leaves_out),
		ON_A_STORE(a_damaged_copy_is_not_served),
		ON_A_STORE(a_database_of_another_version_is_no_start),
		ON_A_STORE(spending_goes_on),
		ON_A_STORE(what_is_known_dead_stays_so),
		ON_A_STORE(looks_and_overrides_stay),
		ON_A_STORE(overrides_are_read_by_their_kind),
		ON_A_STORE(a_backlog_goes_at_once),
		ON_A_STORE(figures_are_kept_so_long),
		ON_A_STORE(it_looks_after_itself),
		ON_A_STORE(a_price_goes_once),
		ON_A_STORE(what_comes_along_has_no_revision),
		ON_A_STORE(a_job_begins_without_a_word),
		ON_A_STORE(every_word_of_an_audit_row_is_held),
		ON_A_STORE(missing_rows_after_a_crash_are_no_start),
		ON_A_STORE(an_older_database_opens_nothing),
		ON_A_STORE(what_cannot_be_saved_is_said),
		ON_A_STORE(trouble_is_over_with_the_first_write),
	};
	if (!secret_setup())
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
