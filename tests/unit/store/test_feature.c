// SPDX-License-Identifier: MIT
// Features in the store: names and aliases in one space, targets, and the revisions that can be gone
// back to.
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>
#include "tests/unit/store/scratch.h"
#include "agent/store/feature.h"

struct put {
	struct feature doc;
	bool create;
	int64_t if_match, revision;
	struct slice name; // of the others
	struct str out;
	size_t n;
	char field[ERR_FIELD_MAX];
};

static struct target two[2];
static const char *aliases[2];

static struct put new_feature(struct scratch *s, const char *name)
{
	struct put p = {.create = true, .if_match = FIELD_NONE, .name = slice_of(name)};
	p.doc = snapshot_feature(snapshots_now(s->snaps), SLICE("chat"))->doc;
	p.doc.name = name;
	p.doc.aliases = (struct strv){aliases, 0};
	memcpy(two, p.doc.targets.v, sizeof(two)); // the two that come with the agent
	p.doc.targets = (struct objv){two, 2};
	return p;
}

static enum err_code put_in_tx(struct store_tx *tx, void *arg, struct err *err)
{
	struct put *p = arg;
	const struct feature_obj *obj;
	enum err_code code = store_feature_put(tx, &p->doc, p->create, p->if_match, &obj, err);
	snprintf(p->field, sizeof(p->field), "%s", code == ERR_OK ? "" : err->field);
	if (code == ERR_OK)
		p->revision = obj->o.revision;
	return code;
}

static enum err_code put(struct scratch *s, struct put *p)
{
	return scratch_run(s, put_in_tx, p);
}

static enum err_code delete_in_tx(struct store_tx *tx, void *arg, struct err *err)
{
	struct put *p = arg;
	return store_feature_delete(tx, p->name, p->if_match, err);
}

static enum err_code rollback_in_tx(struct store_tx *tx, void *arg, struct err *err)
{
	struct put *p = arg;
	const struct feature_obj *obj;
	enum err_code code = store_feature_rollback(tx, p->name, p->revision, &obj, err);
	snprintf(p->field, sizeof(p->field), "%s", code == ERR_OK ? "" : err->field);
	if (code == ERR_OK)
		p->revision = obj->o.revision;
	return code;
}

static enum err_code list_in_tx(struct store_tx *tx, void *arg, struct err *err)
{
	struct put *p = arg;
	str_clear(&p->out);
	return store_feature_revisions(tx, p->name, &p->out, &p->n, err);
}

static void names_and_aliases_are_one_space(void **state)
{
	struct scratch *s = *state;
	struct put a = new_feature(s, "a"), b = new_feature(s, "b");
	aliases[0] = "x";
	a.doc.aliases.n = 1;
	assert_int_equal(put(s, &a), ERR_OK);
	assert_int_equal(put(s, &a), ERR_CONFLICT_EXISTS); // it is there
	assert_string_equal(a.field, "name");
	b.doc.aliases.n = 1;
	assert_int_equal(put(s, &b), ERR_CONFLICT_EXISTS);
	assert_string_equal(b.field, "aliases");
	aliases[0] = "a";
	assert_int_equal(put(s, &b), ERR_CONFLICT_EXISTS); // another's name
	b = new_feature(s, "x");
	assert_int_equal(put(s, &b), ERR_CONFLICT_EXISTS); // another's alias
	assert_string_equal(b.field, "name");
	b = new_feature(s, "b");
	aliases[0] = "b"; // its own name
	aliases[1] = "y";
	b.doc.aliases.n = 2;
	assert_int_equal(put(s, &b), ERR_OK);
	const struct snapshot *snap = snapshots_now(s->snaps);
	assert_string_equal(snapshot_model(snap, SLICE("x"))->doc.name, "a");
	assert_string_equal(snapshot_model(snap, SLICE("y"))->doc.name, "b");
	a.create = false;
	a.doc.aliases.n = 0; // it gives its alias up
	assert_int_equal(put(s, &a), ERR_OK);
	aliases[0] = "x";
	b = new_feature(s, "c");
	b.doc.aliases.n = 1;
	assert_int_equal(put(s, &b), ERR_OK);
}

static void targets_are_checked(void **state)
{
	static const char *sizes[] = {"512x512", "wide"};
	struct scratch *s = *state;
	struct put p = new_feature(s, "a");
	two[1].vendor = NULL;
	assert_int_equal(put(s, &p), ERR_FIELD_REQUIRED);
	assert_string_equal(p.field, "targets[1].vendor");
	two[1].vendor = "nobody";
	assert_int_equal(put(s, &p), ERR_VENDOR_UNKNOWN);
	two[1].vendor = "vllm"; // an engine: its keys open instances
	two[1].service = LOCAL_SERVICE;
	assert_int_equal(put(s, &p), ERR_VENDOR_UNKNOWN);
	p = new_feature(s, "a");
	two[0].sizes = (struct strv){sizes, 2};
	assert_int_equal(put(s, &p), ERR_FIELD_RANGE);
	assert_string_equal(p.field, "targets[0].sizes[1]");
	two[0].sizes.n = 1;
	two[0].id = two[1].id = "t";
	assert_int_equal(put(s, &p), ERR_CONFLICT_EXISTS);
	assert_string_equal(p.field, "targets[1].id");
	two[1].id = "u";
	assert_int_equal(put(s, &p), ERR_OK);
}

static void revisions_can_be_gone_back_to(void **state)
{
	struct scratch *s = *state;
	struct put p = new_feature(s, "a");
	char member[64];
	p.doc.description = "first";
	assert_int_equal(put(s, &p), ERR_OK);
	int64_t first = p.revision;
	p.create = false;
	assert_int_equal(put(s, &p), ERR_OK);
	assert_true(p.revision == first); // the same again
	p.doc.description = "second";
	p.if_match = first + 1;
	assert_int_equal(put(s, &p), ERR_PRECONDITION_FAILED);
	p.if_match = first;
	assert_int_equal(put(s, &p), ERR_OK);
	int64_t second = p.revision;
	assert_true(second > first);
	assert_int_equal(scratch_run(s, list_in_tx, &p), ERR_OK);
	assert_int_equal(p.n, 2);
	snprintf(member, sizeof(member), "{\"revision\":%lld,\"at\":\"2", (long long)second);
	assert_ptr_equal(strstr(str_text(&p.out), member), str_text(&p.out)); // the newest first
	snprintf(member, sizeof(member), ",{\"revision\":%lld,\"at\":\"2", (long long)first);
	assert_non_null(strstr(str_text(&p.out), member));
	assert_non_null(strstr(str_text(&p.out),
		"\",\"actor\":\"uid:0\",\"actor_name\":\"Ada\",\"name\":\"a\",\"document\":{\"name\":\"a\","));
	assert_non_null(strstr(str_text(&p.out), "\"description\":\"second\""));
	assert_non_null(strstr(str_text(&p.out), "\"description\":\"first\""));
	p.revision = first;
	assert_int_equal(scratch_run(s, rollback_in_tx, &p), ERR_OK);
	assert_true(p.revision > second); // going back is a change, too
	assert_string_equal(snapshot_feature(snapshots_now(s->snaps), SLICE("a"))->doc.description,
		"first");
	p.revision = second + 100;
	assert_int_equal(scratch_run(s, rollback_in_tx, &p), ERR_NOT_FOUND);
	assert_string_equal(p.field, "revision");
	scratch_close(s); // what is damaged must not damage the answer
	scratch_sql(s,
		"UPDATE feature_revision SET doc='{\"x\":' WHERE name='a' AND doc LIKE '%second%'");
	assert_int_equal(scratch_open(s), ERR_OK);
	assert_int_equal(scratch_run(s, list_in_tx, &p), ERR_OK);
	assert_non_null(strstr(str_text(&p.out), "\"name\":\"a\",\"document\":null}"));
	p.name = SLICE("none");
	assert_int_equal(scratch_run(s, list_in_tx, &p), ERR_NOT_FOUND);
	str_release(&p.out);
}

// Times that were once the defaults, and were chosen since, come back as they were.
static void old_defaults_that_were_chosen_come_back(void **state)
{
	struct scratch *s = *state;
	struct put p = new_feature(s, "a");
	p.doc.timeouts.connect_ms = 3000;
	p.doc.timeouts.first_byte_ms = 60000;
	p.doc.timeouts.total_ms = 300000;
	p.doc.timeouts.idle_ms = 60000;
	p.doc.timeouts.stream_total_ms = 3600000;
	assert_int_equal(put(s, &p), ERR_OK);
	int64_t first = p.revision;
	p.create = false;
	p.doc.timeouts.first_byte_ms = 1000;
	assert_int_equal(put(s, &p), ERR_OK);
	p.revision = first;
	assert_int_equal(scratch_run(s, rollback_in_tx, &p), ERR_OK);
	const struct feature_obj *f = snapshot_feature(snapshots_now(s->snaps), SLICE("a"));
	assert_int_equal(f->doc.timeouts.first_byte_ms, 60000);
	assert_int_equal(f->doc.timeouts.total_ms, 300000);
}

// What a change made of another is what undoing it would bring back: the members that differ.
static void a_change_keeps_what_was_before(void **state)
{
	struct scratch *s = *state;
	struct put p = new_feature(s, "a");
	char before[512];
	assert_int_equal(put(s, &p), ERR_OK);
	p.create = false;
	p.doc.display_name = "Another name";
	p.doc.defaults = "{\"n\":1}"; // a member that was not there
	assert_int_equal(put(s, &p), ERR_OK);
	scratch_close(s);
	scratch_text(s, "SELECT before FROM change WHERE name='a' AND action='create'", before,
		sizeof(before));
	assert_string_equal(before, "");
	scratch_text(s, "SELECT before FROM change WHERE name='a' AND action='update'", before,
		sizeof(before));
	assert_non_null(strstr(before, "\"display_name\":"));
	assert_null(strstr(before, "Another name"));
	assert_non_null(strstr(before, "\"defaults\":null"));
	assert_null(strstr(before, "\"targets\":")); // which follow, and are the same
	assert_null(strstr(before, "\"endpoint\":"));
	scratch_text(s, "SELECT group_concat(summary,', ') FROM change WHERE name='a'", before,
		sizeof(before));
	assert_string_equal(before, "feature created, feature changed");
	assert_int_equal(scratch_open(s), ERR_OK);
}

static void a_deleted_feature_is_gone(void **state)
{
	struct scratch *s = *state;
	struct put p = new_feature(s, "a");
	aliases[0] = "x";
	p.doc.aliases.n = 1;
	assert_int_equal(put(s, &p), ERR_OK);
	p.if_match = p.revision + 1;
	assert_int_equal(scratch_run(s, delete_in_tx, &p), ERR_PRECONDITION_FAILED);
	p.if_match = p.revision;
	assert_int_equal(scratch_run(s, delete_in_tx, &p), ERR_OK);
	assert_int_equal(scratch_run(s, delete_in_tx, &p), ERR_NOT_FOUND);
	assert_null(snapshot_model(snapshots_now(s->snaps), SLICE("x")));
	scratch_close(s);
	assert_int_equal(scratch_open(s), ERR_OK);
	assert_null(snapshot_feature(snapshots_now(s->snaps), SLICE("a")));
	assert_non_null(snapshot_feature(snapshots_now(s->snaps), SLICE("chat")));
}

#define ON_A_STORE(fn) cmocka_unit_test_setup_teardown(fn, scratch_begin, scratch_end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		ON_A_STORE(names_and_aliases_are_one_space),
		ON_A_STORE(targets_are_checked),
		ON_A_STORE(revisions_can_be_gone_back_to),
		ON_A_STORE(old_defaults_that_were_chosen_come_back),
		ON_A_STORE(a_change_keeps_what_was_before),
		ON_A_STORE(a_deleted_feature_is_gone),
	};
	if (!secret_setup())
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
