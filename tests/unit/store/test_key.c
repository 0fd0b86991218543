// SPDX-License-Identifier: MIT
// Vendors' keys in the store: what is a key and what is refused, names and slugs, secrets that are
// never shown, rotation, and the end of one.
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>
#include "tests/unit/store/scratch.h"
#include "agent/store/key.h"
#include "shared/clock.h"

#define SECRET "sk-unit-test-secret"

struct put {
	struct vendor_key doc;
	const char *secret; // NULL: none is given
	bool create;
	int64_t if_match;
	char id[64], slug[80], fingerprint[80], field[ERR_FIELD_MAX];
	int64_t revision, rotated_at;
};

static struct put new_key(const char *name)
{
	struct put p = {.secret = SECRET, .create = true, .if_match = FIELD_NONE};
	field_defaults(&key_fields, &p.doc);
	p.doc.vendor = "openai";
	p.doc.service = "gpt-4";
	p.doc.key_name = name;
	return p;
}

static enum err_code put_in_tx(struct store_tx *tx, void *arg, struct err *err)
{
	struct put *p = arg;
	const struct key_obj *obj;
	if (p->secret != NULL)
		secret_set(&p->doc.api_key, p->secret, strlen(p->secret));
	enum err_code code = store_key_put(tx, &p->doc, p->create, p->if_match, &obj, err);
	secret_release(&p->doc.api_key);
	snprintf(p->field, sizeof(p->field), "%s", code == ERR_OK ? "" : err->field);
	if (code != ERR_OK)
		return code;
	snprintf(p->id, sizeof(p->id), "%s", obj->doc.id);
	snprintf(p->slug, sizeof(p->slug), "%s", obj->doc.slug);
	snprintf(p->fingerprint, sizeof(p->fingerprint), "%s", obj->doc.fingerprint);
	p->revision = obj->o.revision;
	p->rotated_at = obj->doc.rotated_at;
	return ERR_OK;
}

static enum err_code put(struct scratch *s, struct put *p)
{
	return scratch_run(s, put_in_tx, p);
}

// What was put, to be changed: without its secret.
static struct put again(struct put *p)
{
	struct put next = *p;
	next.doc.id = p->id;
	next.create = false;
	next.secret = NULL;
	next.if_match = FIELD_NONE;
	return next;
}

static void what_is_no_key_is_refused(void **state)
{
	struct scratch *s = *state;
	struct put p = new_key("a");
	p.secret = NULL;
	assert_int_equal(put(s, &p), ERR_FIELD_REQUIRED);
	assert_string_equal(p.field, "api_key");
	p = new_key("a");
	p.doc.service = NULL;
	assert_int_equal(put(s, &p), ERR_FIELD_REQUIRED);
	assert_string_equal(p.field, "service");
	p = new_key("a");
	p.doc.vendor = "nobody";
	assert_int_equal(put(s, &p), ERR_VENDOR_UNKNOWN);
	assert_string_equal(p.field, "vendor");
	p = new_key("a");
	p.doc.service = "nothing";
	assert_int_equal(put(s, &p), ERR_VENDOR_UNKNOWN);
	assert_string_equal(p.field, "service");
	const char *more[] = {"dalle", "nothing"};
	p = new_key("a");
	p.doc.services = (struct strv){more, 2};
	assert_int_equal(put(s, &p), ERR_VENDOR_UNKNOWN);
	assert_string_equal(p.field, "services");
	p.doc.services.n = 1;
	assert_int_equal(put(s, &p), ERR_OK);
	p = new_key("  ");
	assert_int_equal(put(s, &p), ERR_FIELD_RANGE);
	p = new_key("b");
	p.create = false;
	p.doc.id = "key_none";
	assert_int_equal(put(s, &p), ERR_NOT_FOUND);
	assert_int_equal(snapshots_now(s->snaps)->keys.n, 1);
}

static void names_are_one_whatever_their_case(void **state)
{
	struct scratch *s = *state;
	struct put a = new_key("Prod 1"), b = new_key("prod 1"), c = new_key("Prod-1"),
		   d = new_key("!");
	assert_int_equal(put(s, &a), ERR_OK);
	assert_string_equal(a.slug, "prod-1");
	assert_int_equal(put(s, &b), ERR_CONFLICT_EXISTS);
	b.doc.service = "dalle"; // another service's
	assert_int_equal(put(s, &b), ERR_OK);
	assert_string_equal(b.slug, "prod-1");
	assert_int_equal(put(s, &c), ERR_OK); // another name of the same letters
	assert_string_equal(c.slug, "prod-1-2");
	assert_int_equal(put(s, &d), ERR_OK);
	assert_string_equal(d.slug, d.id); // nothing of its name can stand in a reference
	struct put e = new_key("a name that has more letters than a reference takes"),
		   f = new_key("a name that has more letters than a reference takes too");
	assert_int_equal(put(s, &e), ERR_OK);
	assert_string_equal(e.slug, "a-name-that-has-more-letters-than-a-reference-ta");
	assert_int_equal(put(s, &f), ERR_OK);
	assert_string_equal(f.slug, "a-name-that-has-more-letters-than-a-reference-ta-2");
	struct put renamed = again(&c);
	renamed.doc.key_name = "PROD 1";
	assert_int_equal(put(s, &renamed), ERR_CONFLICT_EXISTS);
	renamed.doc.key_name = "__Ω Spare.. ";
	assert_int_equal(put(s, &renamed), ERR_OK);
	assert_string_equal(renamed.slug, "__-spare..");
	renamed = again(&a);
	renamed.doc.key_name = "PROD 1"; // its own name
	assert_int_equal(put(s, &renamed), ERR_OK);
	assert_string_equal(renamed.slug, "prod-1");
	const struct snapshot *snap = snapshots_now(s->snaps);
	assert_string_equal(snapshot_key_ref(snap, SLICE("openai/gpt-4/prod-1"))->doc.id, a.id);
	assert_string_equal(snapshot_key_ref(snap, SLICE("openai/dalle/prod-1"))->doc.id, b.id);
	assert_null(snapshot_key_ref(snap, SLICE("openai/gpt-4/prod-1-2")));
}

static void a_secret_in_another_field_is_refused(void **state)
{
	struct scratch *s = *state;
	struct put p = new_key("a");
	p.doc.note = "it is " SECRET " indeed";
	assert_int_equal(put(s, &p), ERR_FIELD_FORBIDDEN);
	assert_string_equal(p.field, "note");
	p.doc.note = "fine";
	assert_int_equal(put(s, &p), ERR_OK);
	struct put changed = again(&p);
	changed.doc.key_name = SECRET; // the one that is stored
	assert_int_equal(put(s, &changed), ERR_FIELD_FORBIDDEN);
	assert_string_equal(changed.field, "key_name");
	p = new_key("hunter2 of gpt");
	p.secret = "hunter2"; // no vendor has so short ones
	assert_int_equal(put(s, &p), ERR_FIELD_RANGE);
	assert_string_equal(p.field, "api_key");
	p.doc.vendor = "vllm";
	p.doc.service = LOCAL_SERVICE;
	p.doc.base_url = "http://10.0.0.7:8000";
	assert_int_equal(put(s, &p), ERR_OK); // so short that it stands in many words
	p = new_key("12345678 of gpt");
	p.secret = "12345678";
	assert_int_equal(put(s, &p), ERR_FIELD_FORBIDDEN);
}

static void a_key_stays_what_it_is(void **state)
{
	struct scratch *s = *state;
	struct put p = new_key("a");
	assert_int_equal(put(s, &p), ERR_OK);
	struct put changed = again(&p);
	changed.doc.vendor = "aliyun";
	changed.doc.service = "wanx";
	assert_int_equal(put(s, &changed), ERR_FIELD_FORBIDDEN);
	changed = again(&p);
	changed.doc.service = "dalle";
	assert_int_equal(put(s, &changed), ERR_FIELD_FORBIDDEN);
	const char *only[] = {"gpt-4"};
	changed = again(&p);
	changed.doc.service = NULL;
	changed.doc.services = (struct strv){only, 1};
	assert_int_equal(put(s, &changed), ERR_FIELD_FORBIDDEN);
	struct put several = new_key("b");
	several.secret = "sk-the-secret-of-several";
	several.doc.service = NULL;
	several.doc.services = (struct strv){only, 1};
	assert_int_equal(put(s, &several), ERR_OK);
	struct put one = again(&several);
	one.doc.service = "gpt-4";
	one.doc.services = (struct strv){NULL, 0};
	assert_int_equal(put(s, &one), ERR_FIELD_FORBIDDEN);
	one = again(&several);
	one.doc.note = "of several still";
	assert_int_equal(put(s, &one), ERR_OK);
	changed = again(&p);
	changed.if_match = p.revision + 1;
	assert_int_equal(put(s, &changed), ERR_PRECONDITION_FAILED);
	changed.if_match = p.revision;
	changed.doc.note = "new";
	assert_int_equal(put(s, &changed), ERR_OK);
	assert_true(changed.revision > p.revision && changed.rotated_at == p.rotated_at);
	assert_string_equal(changed.fingerprint, p.fingerprint);
	struct put same = again(&changed);
	same.doc.note = "new";
	assert_int_equal(put(s, &same), ERR_OK);
	assert_true(same.revision == changed.revision); // the same again changes nothing
	same = again(&changed);
	same.doc.note = "new";
	same.secret = SECRET;
	assert_int_equal(put(s, &same), ERR_OK);
	assert_true(same.revision == changed.revision);
	same.secret = "sk-another-secret-of-it";
	assert_int_equal(put(s, &same), ERR_OK);
	assert_true(same.revision > changed.revision);
	assert_string_not_equal(same.fingerprint, p.fingerprint);
	const struct snapshot *snap = snapshots_now(s->snaps);
	assert_null(store_key_known_as(snap, p.fingerprint));
	assert_string_equal(store_key_known_as(snap, same.fingerprint)->doc.id, p.id);
	struct secret got = {0};
	struct err err = {0};
	assert_int_equal(store_key_open(s->store, snapshot_key(snap, slice_of(p.id)), &got, &err),
		ERR_OK);
	assert_memory_equal(got.p, "sk-another-secret-of-it", got.n);
	secret_release(&got);
}

// A stored secret that is sealed for another address is as old as it was.
static void a_moved_secret_is_as_old_as_it_was(void **state)
{
	struct scratch *s = *state;
	struct put p = new_key("a");
	assert_int_equal(put(s, &p), ERR_OK);
	while (clock_wall_ms() == p.rotated_at)
		;
	struct put moved = again(&p);
	moved.doc.base_url = "https://elsewhere.example";
	assert_int_equal(put(s, &moved), ERR_OK);
	assert_true(moved.revision > p.revision && moved.rotated_at == p.rotated_at);
	assert_string_equal(moved.fingerprint, p.fingerprint);
	struct secret got = {0};
	struct err err = {0};
	assert_int_equal(store_key_open(s->store,
				 snapshot_key(snapshots_now(s->snaps), slice_of(p.id)), &got, &err),
		ERR_OK); // it is bound to where it may go now
	assert_memory_equal(got.p, SECRET, strlen(SECRET));
	secret_release(&got);
	struct put rotated = again(&moved);
	rotated.secret = "sk-another-secret-of-it";
	assert_int_equal(put(s, &rotated), ERR_OK);
	assert_true(rotated.rotated_at > p.rotated_at);
}

struct gone {
	const char *id;
	int64_t if_match;
};

static enum err_code delete_in_tx(struct store_tx *tx, void *arg, struct err *err)
{
	struct gone *g = arg;
	return store_key_delete(tx, slice_of(g->id), g->if_match, err);
}

static void a_deleted_key_is_gone(void **state)
{
	struct scratch *s = *state;
	struct put p = new_key("a"), q = new_key("A");
	assert_int_equal(put(s, &p), ERR_OK);
	struct gone g = {p.id, p.revision + 1};
	assert_int_equal(scratch_run(s, delete_in_tx, &g), ERR_PRECONDITION_FAILED);
	g.if_match = p.revision;
	assert_int_equal(scratch_run(s, delete_in_tx, &g), ERR_OK);
	assert_int_equal(scratch_run(s, delete_in_tx, &g), ERR_NOT_FOUND);
	assert_null(snapshot_key(snapshots_now(s->snaps), slice_of(p.id)));
	assert_int_equal(put(s, &q), ERR_OK); // its name is free
	assert_string_equal(q.slug, "a");
	assert_string_not_equal(q.id, p.id);
	scratch_close(s);
	assert_int_equal(scratch_open(s), ERR_OK);
	assert_int_equal(snapshots_now(s->snaps)->keys.n, 1);
}

#define ON_A_STORE(fn) cmocka_unit_test_setup_teardown(fn, scratch_begin, scratch_end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		ON_A_STORE(what_is_no_key_is_refused),
		ON_A_STORE(names_are_one_whatever_their_case),
		ON_A_STORE(a_secret_in_another_field_is_refused),
		ON_A_STORE(a_key_stays_what_it_is),
		ON_A_STORE(a_moved_secret_is_as_old_as_it_was),
		ON_A_STORE(a_deleted_key_is_gone),
	};
	if (!secret_setup())
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
