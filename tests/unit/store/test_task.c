// SPDX-License-Identifier: MIT
// Image tasks as they are kept: the document there and back, what is no document, how parts add up,
// and the rows: whose they are, which of them is the same, what is sealed and when it ends.
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>
#include "agent/store/task_rows.h"
#include "shared/clock.h"
#include "tests/unit/store/scratch.h"

static struct task task_of(const char *id, const char *idem)
{
	struct task t = {.state = TASK_QUEUED,
		.feature = "text_to_image",
		.client = {"yj_c_abcdefghij"},
		.offer = OFFER_IMAGES,
		.protocol = PROTO_OPENAI_IMAGES,
		.n = 2,
		.width = FIELD_NONE,
		.height = FIELD_NONE,
		.parts_n = 1,
		.created_ms = 1795608000000};
	snprintf(t.id, sizeof(t.id), "%s", id);
	snprintf(t.idem, sizeof(t.idem), "%s", idem);
	memset(t.hash, 7, sizeof(t.hash));
	t.part[0] = (struct task_part){.state = TASK_QUEUED, .n = 2};
	return t;
}

static struct task full(void)
{
	struct task t = task_of("task_1", "");
	t.state = TASK_FAILED;
	snprintf(t.client_name, sizeof(t.client_name), "app");
	t.offer = OFFER_IMAGE_EDITS;
	snprintf(t.target, sizeof(t.target), "aliyun/wanx#main");
	snprintf(t.target_name, sizeof(t.target_name), "aliyun/wanx");
	snprintf(t.key, sizeof(t.key), "key_1");
	snprintf(t.instance, sizeof(t.instance), "sd/gpu7");
	snprintf(t.model, sizeof(t.model), "wan2.6-t2i");
	t.protocol = PROTO_DASHSCOPE_T2I_MESSAGES;
	t.format = IMAGE_B64;
	t.local_only = true;
	snprintf(t.quality, sizeof(t.quality), "high");
	t.n = 4;
	t.width = 1024;
	t.height = 768;
	t.parts_n = 2;
	t.part[0] = (struct task_part){.state = TASK_SUCCEEDED, .n = 3, .id = "up-1"};
	t.part[1] = (struct task_part){.state = TASK_FAILED, .first = 3, .n = 1};
	t.made = 3;
	t.failed = 1;
	snprintf(t.decision, sizeof(t.decision), "dec_1");
	t.attempts = 5;
	t.submitted_ms = t.created_ms + 1;
	t.finished_ms = t.created_ms + 2;
	t.until_ms = t.created_ms + 3;
	t.code = ERR_CONTENT_POLICY;
	t.status = 451;
	snprintf(t.message, sizeof(t.message), "no");
	snprintf(t.wire_type, sizeof(t.wire_type), "policy");
	snprintf(t.wire_code, sizeof(t.wire_code), "DataInspectionFailed");
	snprintf(t.note, sizeof(t.note), "sent without a seed");
	return t;
}

static const char *text_of(const struct task *t)
{
	static struct str out;
	str_clear(&out);
	struct jw w = jw_to(&out);
	task_write(&w, t);
	return str_text(&out);
}

static void a_document_there_and_back(void **state UNUSED)
{
	struct task t = full(), got;
	assert_true(task_read(slice_of(text_of(&t)), &got));
	memset(t.hash, 0, sizeof(t.hash)); // stands beside the document
	assert_string_equal(got.id, "task_1");
	assert_true(got.state == TASK_FAILED && got.offer == OFFER_IMAGE_EDITS);
	assert_string_equal(got.feature, t.feature);
	assert_string_equal(got.client.text, t.client.text);
	assert_string_equal(got.client_name, "app");
	assert_string_equal(got.target, t.target);
	assert_string_equal(got.target_name, t.target_name);
	assert_string_equal(got.key, t.key);
	assert_string_equal(got.instance, t.instance);
	assert_string_equal(got.model, t.model);
	assert_true(got.protocol == t.protocol && got.format == IMAGE_B64);
	assert_true(got.n == 4 && got.width == 1024 && got.height == 768);
	assert_true(got.local_only);
	assert_string_equal(got.quality, "high");
	assert_true(got.parts_n == 2 && got.part[0].state == TASK_SUCCEEDED && got.part[0].n == 3);
	assert_true(got.part[1].state == TASK_FAILED && got.part[1].first == 3 &&
		got.part[1].n == 1);
	assert_string_equal(got.part[0].id, "up-1");
	assert_string_equal(got.part[1].id, "");
	assert_true(got.made == 3 && got.failed == 1 && got.attempts == 5);
	assert_string_equal(got.decision, "dec_1");
	assert_true(got.created_ms == t.created_ms && got.submitted_ms == t.submitted_ms);
	assert_true(got.finished_ms == t.finished_ms && got.until_ms == t.until_ms);
	assert_true(got.code == ERR_CONTENT_POLICY && got.status == 451);
	assert_string_equal(got.message, "no");
	assert_string_equal(got.wire_type, "policy");
	assert_string_equal(got.wire_code, "DataInspectionFailed");
	assert_string_equal(got.note, t.note);
}

// What is not known yet is null: nobody takes a zero for a time, or "" for a key.
static void what_is_not_said_is_null(void **state UNUSED)
{
	struct task t = task_of("task_1", ""), got;
	assert_string_equal(text_of(&t),
		"{\"id\":\"task_1\",\"state\":\"queued\","
		"\"feature\":\"text_to_image\",\"client\":\"yj_c_abcdefghij\",\"client_name\":null,"
		"\"endpoint\":\"images.generations\",\"target\":null,\"target_name\":null,\"key\":null,"
		"\"instance\":null,\"model\":null,\"protocol\":\"openai.images\","
		"\"format\":\"as_it_comes\",\"local_only\":false,\"n\":2,\"size\":null,"
		"\"quality\":null,\"made\":0,\"failed\":0,"
		"\"parts\":[{\"state\":\"queued\",\"first\":0,\"n\":2,\"upstream_id\":null}],"
		"\"decision\":null,\"attempts\":0,\"created_at\":\"2026-11-25T12:00:00.000Z\","
		"\"submitted_at\":null,\"finished_at\":null,\"result_until\":null,\"note\":null,"
		"\"error\":null}");
	assert_true(task_read(slice_of(text_of(&t)), &got));
	assert_true(got.width == FIELD_NONE && got.height == FIELD_NONE && got.submitted_ms == 0);
	assert_true(got.code == ERR_OK && got.status == 0 && got.until_ms == 0);
	assert_true(task_read(SLICE("{\"id\":\"task_2\",\"state\":\"failed\",\"parts\":[],"
				    "\"error\":{\"code\":\"content_policy_violation\"}}"),
		&got));
	assert_int_equal(got.status, err_row(ERR_CONTENT_POLICY)->status); // as a rule
	assert_int_equal(got.n, 1);
	assert_false(got.local_only); // a former version's
}

static const char *told(const struct task *t, const char *result)
{
	static struct str out;
	str_clear(&out);
	struct jw w = jw_to(&out);
	image_task_write(&w, t, slice_of(result));
	return str_text(&out);
}

// Times in seconds, each member only once it is so, and an error only of what failed.
static void as_its_caller_reads_it(void **state UNUSED)
{
	struct task t = task_of("task_1", "");
	char want[600];
	assert_string_equal(told(&t, ""),
		"{\"id\":\"task_1\",\"task_id\":\"task_1\",\"object\":\"image.task\","
		"\"status\":\"queued\",\"model\":\"text_to_image\",\"n\":2,"
		"\"created_at\":1795608000,\"poll_url\":\"/v1/images/tasks/task_1\"}");
	t.state = TASK_SUCCEEDED;
	t.finished_ms = t.created_ms + 5999;
	t.until_ms = t.created_ms + 90000;
	assert_non_null(strstr(told(&t, "{\"data\":[]}"),
		"\"created_at\":1795608000,\"finished_at\":1795608005,\"expires_at\":1795608090,"
		"\"poll_url\":\"/v1/images/tasks/task_1\",\"result\":{\"data\":[]}}"));
	t.state = TASK_EXPIRED;
	snprintf(want, sizeof(want),
		"\"error\":{\"message\":\"the pictures of this task are no longer kept\","
		"\"type\":\"%s\",\"code\":\"%s\"}}",
		err_row(ERR_GONE)->type, err_row(ERR_GONE)->code);
	assert_non_null(strstr(told(&t, ""), want));
	t.state = TASK_FAILED;
	t.code = ERR_CONTENT_POLICY;
	snprintf(t.message, sizeof(t.message), "no");
	snprintf(want, sizeof(want),
		"\"error\":{\"message\":\"no\",\"type\":\"%s\",\"code\":\"%s\"}}",
		err_row(t.code)->type, err_row(t.code)->code);
	assert_non_null(strstr(told(&t, ""), want));
	t.message[0] = '\0'; // the row's own words
	assert_non_null(strstr(told(&t, ""), err_row(t.code)->message));
}

static bool reads(const char *parts, const char *more)
{
	char doc[400];
	struct task t;
	snprintf(doc, sizeof(doc), "{\"state\":\"queued\",\"parts\":%s%s}", parts, more);
	return task_read(slice_of(doc), &t);
}

static void what_is_no_task_is_refused(void **state UNUSED)
{
	struct task t;
	static const char id[] = ",\"id\":\"task_1\",\"n\":1";
	assert_true(reads("[]", id));
	assert_true(reads("[{\"state\":\"queued\",\"first\":0,\"n\":16}]", id));
	assert_true(reads("[{\"state\":\"queued\",\"first\":15,\"n\":1}]", id));
	assert_false(reads("[{\"state\":\"queued\",\"first\":15,\"n\":2}]", id));
	assert_false(reads("[{\"state\":\"queued\",\"first\":0,\"n\":17}]", id));
	assert_false(reads("[{\"state\":\"queued\",\"first\":0,\"n\":0}]", id));
	assert_false(reads("[{\"state\":\"queued\",\"first\":-1,\"n\":1}]", id));
	assert_false(reads("[{\"state\":\"resting\",\"first\":0,\"n\":1}]", id));
	assert_false(reads("{}", id));
	assert_false(reads("[]", ",\"n\":1")); // whose?
	assert_false(reads("[]", ",\"id\":\"task_1\",\"n\":0"));
	assert_true(reads("[]", ",\"id\":\"task_1\",\"n\":16"));
	assert_false(reads("[]", ",\"id\":\"task_1\",\"n\":17"));
	assert_false(task_read(SLICE("{\"id\":\"task_1\",\"state\":\"resting\",\"parts\":[]}"),
		&t));
	assert_false(task_read(SLICE("{"), &t));
	assert_false(task_read(SLICE(""), &t));
}

static void parts_add_up(void **state UNUSED)
{
	static const struct {
		enum task_state part[3], sum;
	} rows[] = {
		{{TASK_FAILED, TASK_SUCCEEDED, TASK_UNKNOWN},
			TASK_SUCCEEDED}, // some pictures are some
		{{TASK_FAILED, TASK_UNKNOWN, TASK_CANCELED}, TASK_UNKNOWN}, // perhaps paid for
		{{TASK_EXPIRED, TASK_FAILED, TASK_CANCELED}, TASK_EXPIRED},
		{{TASK_FAILED, TASK_CANCELED, TASK_FAILED}, TASK_CANCELED},
		{{TASK_FAILED, TASK_FAILED, TASK_FAILED}, TASK_FAILED},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct task t = {.parts_n = 3};
		for (size_t k = 0; k < 3; k++)
			t.part[k].state = rows[i].part[k];
		assert_int_equal(task_sum(&t), rows[i].sum);
		assert_int_equal(task_part_in(&t, rows[i].part[0]), 0);
		assert_int_equal(task_part_in(&t, TASK_RUNNING), -1);
	}
	struct task two = {.parts_n = 2, .part = {{.state = TASK_FAILED}, {.state = TASK_RUNNING}}};
	assert_int_equal(task_part_in(&two, TASK_RUNNING), 1);
}

static void every_state_has_its_name(void **state UNUSED)
{
	for (int s = 0; s < TASK_STATES; s++) {
		assert_int_equal(task_state_named(slice_of(task_state_names[s])), s);
		assert_true(task_is_over((enum task_state)s) == (s >= TASK_SUCCEEDED));
	}
	assert_int_equal(task_state_named(SLICE("")), TASK_STATES);
	assert_int_equal(task_state_named(SLICE("run")), TASK_STATES);
}

static void ids_are_of_their_own(void **state UNUSED)
{
	char a[TASK_ID_MAX], b[TASK_ID_MAX];
	task_id_make(a);
	task_id_make(b);
	assert_int_equal(strlen(a), 37);
	assert_memory_equal(a, "task_", 5);
	assert_int_equal(strspn(a + 5, "0123456789abcdef"), 32);
	assert_string_not_equal(a, b);
}

static void success_ends_with_its_pictures(void **state UNUSED)
{
	struct task t = {.state = TASK_SUCCEEDED, .until_ms = 100};
	task_age(&t, 99);
	assert_int_equal(t.state, TASK_SUCCEEDED);
	task_age(&t, 100);
	assert_int_equal(t.state, TASK_EXPIRED);
	t = (struct task){.state = TASK_SUCCEEDED};
	task_age(&t, 100); // no end was said
	assert_int_equal(t.state, TASK_SUCCEEDED);
	t = (struct task){.state = TASK_FAILED, .until_ms = 1};
	task_age(&t, 100);
	assert_int_equal(t.state, TASK_FAILED);
}

// ---- rows ----

struct rows {
	struct task t, got;
	struct slice request, result;
	bool found, keep, more;
	struct slice id, state, feature;
	const struct ident *client;
	struct store_place at, next;
	int limit;
	size_t n, total;
	struct str out;
	char seen[200];
};

static enum err_code create(struct store_tx *tx, void *arg, struct err *err)
{
	struct rows *r = arg;
	return store_task_create(tx, &r->t, r->request, &r->found, &r->got, err);
}

static enum err_code update(struct store_tx *tx, void *arg, struct err *err)
{
	struct rows *r = arg;
	return store_task_update(tx, &r->t, r->keep, r->request, r->result, err);
}

static enum err_code get(struct store_tx *tx, void *arg, struct err *err)
{
	struct rows *r = arg;
	str_clear(&r->out);
	return store_task_get(tx, r->id, r->client, &r->got, &r->out, err);
}

static enum err_code list(struct store_tx *tx, void *arg, struct err *err)
{
	struct rows *r = arg;
	str_clear(&r->out);
	return store_task_list(tx, r->state, r->feature, &r->at, r->limit, &r->out, &r->total,
		&r->next, err);
}

static void saw(void *arg, const struct task *t, struct slice request)
{
	struct rows *r = arg;
	size_t n = strlen(r->seen);
	snprintf(r->seen + n, sizeof(r->seen) - n, "%s=%.*s %s %d;", t->id, SLICE_FMT(request),
		t->idem, t->hash[TASK_HASH - 1]);
}

static enum err_code unfinished(struct store_tx *tx, void *arg, struct err *err)
{
	struct rows *r = arg;
	r->seen[0] = '\0';
	return store_task_open(tx, saw, r, err);
}

static void saw_part(void *arg, size_t part, struct slice result)
{
	struct rows *r = arg;
	size_t n = strlen(r->seen);
	snprintf(r->seen + n, sizeof(r->seen) - n, "%zu=%.*s;", part, SLICE_FMT(result));
}

static enum err_code parts(struct store_tx *tx, void *arg, struct err *err)
{
	struct rows *r = arg;
	r->seen[0] = '\0';
	return store_task_parts(tx, r->t.id, saw_part, r, err);
}

static enum err_code put_part(struct store_tx *tx, void *arg, struct err *err)
{
	struct rows *r = arg;
	return store_task_part_put(tx, r->t.id, r->n, r->result, err);
}

static enum err_code sweep(struct store_tx *tx, void *arg, struct err *err)
{
	struct rows *r = arg;
	return store_task_sweep(tx, &r->more, err);
}

static void one_key_is_one_task(void **state)
{
	struct scratch *s = *state;
	struct rows r = {.t = task_of("task_1", "k"), .request = SLICE("a cat")};
	assert_int_equal(scratch_run(s, create, &r), ERR_OK);
	assert_false(r.found);
	r.t = task_of("task_2", "k"); // the same question again
	assert_int_equal(scratch_run(s, create, &r), ERR_OK);
	assert_true(r.found);
	assert_string_equal(r.got.id, "task_1");
	r.t.hash[31]++; // another question under the same key
	assert_int_equal(scratch_run(s, create, &r), ERR_IDEMPOTENCY_MISMATCH);
	r.t = task_of("task_3", "k");
	snprintf(r.t.client.text, sizeof(r.t.client.text), "yj_c_zzzzzzzzzz"); // another's key
	assert_int_equal(scratch_run(s, create, &r), ERR_OK);
	assert_false(r.found);
	for (int i = 4; i < 6; i++) { // without a key nothing is the same
		char id[16];
		snprintf(id, sizeof(id), "task_%d", i);
		r.t = task_of(id, "");
		assert_int_equal(scratch_run(s, create, &r), ERR_OK);
		assert_false(r.found);
	}
}

// What came to nothing before anybody accepted it gives its key up; what may have been paid for never.
static void a_key_is_given_up_by_what_came_to_nothing(void **state)
{
	static const struct {
		enum task_state whole, part;
		const char *upstream;
		bool binds;
	} rows[] = {
		{TASK_FAILED, TASK_FAILED, "", false},
		{TASK_CANCELED, TASK_CANCELED, "", false},
		{TASK_FAILED, TASK_FAILED, "up-1", true},
		{TASK_CANCELED, TASK_SUCCEEDED, "", true},
		{TASK_UNKNOWN, TASK_UNKNOWN, "", true},
		{TASK_SUCCEEDED, TASK_SUCCEEDED, "", true},
	};
	struct scratch *s = *state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char key[8], id[16];
		snprintf(key, sizeof(key), "k%zu", i);
		snprintf(id, sizeof(id), "task_a%zu", i);
		struct rows r = {.t = task_of(id, key)};
		assert_int_equal(scratch_run(s, create, &r), ERR_OK);
		r.t.state = rows[i].whole;
		r.t.part[0].state = rows[i].part;
		snprintf(r.t.part[0].id, sizeof(r.t.part[0].id), "%s", rows[i].upstream);
		r.t.finished_ms = 1;
		assert_int_equal(scratch_run(s, update, &r), ERR_OK);
		snprintf(id, sizeof(id), "task_b%zu", i);
		r.t = task_of(id, key);
		assert_int_equal(scratch_run(s, create, &r), ERR_OK);
		assert_int_equal(r.found, rows[i].binds);
	}
}

static void a_task_is_its_callers(void **state)
{
	struct scratch *s = *state;
	struct rows r = {.t = task_of("task_1", ""), .id = SLICE("task_1")};
	struct ident other = {"yj_c_zzzzzzzzzz"};
	assert_int_equal(scratch_run(s, create, &r), ERR_OK);
	assert_int_equal(scratch_run(s, get, &r), ERR_OK);
	assert_int_equal(r.got.hash[31], 7);
	r.client = &r.t.client;
	assert_int_equal(scratch_run(s, get, &r), ERR_OK);
	r.client = &other;
	assert_int_equal(scratch_run(s, get, &r), ERR_NOT_FOUND);
	r.client = NULL;
	r.id = SLICE("task_2");
	assert_int_equal(scratch_run(s, get, &r), ERR_NOT_FOUND);
	r.t = task_of("task_2", "");
	assert_int_equal(scratch_run(s, update, &r), ERR_STORAGE_CORRUPT); // never written
	str_release(&r.out);
}

static void pictures_are_kept_until_they_end(void **state)
{
	struct scratch *s = *state;
	int64_t now = clock_wall_ms();
	struct rows r = {
		.t = task_of("task_1", ""), .id = SLICE("task_1"), .result = SLICE("[picture]")};
	assert_int_equal(scratch_run(s, create, &r), ERR_OK);
	r.t.state = TASK_SUCCEEDED;
	r.t.finished_ms = now;
	r.t.until_ms = now + TASK_RESULT_MS / 2;
	assert_int_equal(scratch_run(s, update, &r), ERR_OK);
	assert_int_equal(scratch_run(s, get, &r), ERR_OK);
	assert_string_equal(str_text(&r.out), "[picture]");
	assert_int_equal(r.got.state, TASK_SUCCEEDED);
	assert_int_equal(scratch_run(s, sweep, &r), ERR_OK);
	assert_false(r.more); // nothing has ended
	r.t.until_ms = now - 1;
	assert_int_equal(scratch_run(s, update, &r), ERR_OK);
	assert_int_equal(scratch_run(s, get, &r), ERR_OK);
	assert_int_equal(r.got.state, TASK_EXPIRED);
	assert_int_equal(r.out.n, 0);
	assert_int_equal(scratch_run(s, sweep, &r), ERR_OK);
	assert_true(r.more);
	assert_int_equal(scratch_run(s, sweep, &r), ERR_OK);
	assert_false(r.more);
	str_release(&r.out);
}

static void a_finished_task_goes_after_its_time(void **state)
{
	struct scratch *s = *state;
	int64_t now = clock_wall_ms();
	struct rows r = {.t = task_of("task_1", ""), .id = SLICE("task_1")};
	assert_int_equal(scratch_run(s, create, &r), ERR_OK);
	r.t.state = TASK_FAILED;
	r.t.finished_ms = now - TASK_KEPT_MS / 2;
	assert_int_equal(scratch_run(s, update, &r), ERR_OK);
	assert_int_equal(scratch_run(s, sweep, &r), ERR_OK);
	assert_int_equal(scratch_run(s, get, &r), ERR_OK);
	r.t.finished_ms = now - TASK_KEPT_MS - 1000;
	assert_int_equal(scratch_run(s, update, &r), ERR_OK);
	assert_int_equal(scratch_run(s, sweep, &r), ERR_OK);
	assert_true(r.more);
	assert_int_equal(scratch_run(s, get, &r), ERR_NOT_FOUND);
	str_release(&r.out);
}

// The newest first, a page at a time; a filter counts what it takes.
static void lists_have_pages(void **state)
{
	struct scratch *s = *state;
	struct rows r = {.limit = 2};
	for (int i = 0; i < 5; i++) {
		char id[16];
		snprintf(id, sizeof(id), "task_%d", i);
		r.t = task_of(id, "");
		r.t.state = i == 3 ? TASK_RUNNING : TASK_QUEUED;
		snprintf(r.t.feature, sizeof(r.t.feature), "%s",
			i == 1 ? "posters" : "text_to_image");
		assert_int_equal(scratch_run(s, create, &r), ERR_OK);
	}
	static const char *const pages[][3] = {
		{"task_4", "task_3", NULL}, {"task_2", "task_1", NULL}, {"task_0", NULL, NULL}};
	for (size_t p = 0; p < 3; p++) {
		assert_int_equal(scratch_run(s, list, &r), ERR_OK);
		assert_int_equal(r.total, 5);
		for (int i = 0; i < 5; i++) {
			char id[24];
			snprintf(id, sizeof(id), "\"task_%d\"", i);
			bool want = false;
			for (size_t k = 0; pages[p][k] != NULL; k++)
				want = want || strncmp(pages[p][k], id + 1, 6) == 0;
			assert_true((strstr(str_text(&r.out), id) != NULL) == want);
		}
		assert_true((r.next.seq > 0) == (p < 2));
		r.at = r.next;
	}
	r.at = (struct store_place){0};
	r.limit = 10;
	r.state = SLICE("queued");
	assert_int_equal(scratch_run(s, list, &r), ERR_OK);
	assert_int_equal(r.total, 4);
	assert_null(strstr(str_text(&r.out), "task_3"));
	r.feature = SLICE("posters");
	assert_int_equal(scratch_run(s, list, &r), ERR_OK);
	assert_int_equal(r.total, 1);
	r.at = (struct store_place){.seq = 3, .mark = 1}; // a place of another life of the list
	assert_int_equal(scratch_run(s, list, &r), ERR_CURSOR_INVALID);
	str_release(&r.out);
}

// After a restart: what waits has its request, what was submitted has not.
static void what_is_unfinished_is_found_again(void **state)
{
	struct scratch *s = *state;
	struct rows r = {.t = task_of("task_1", "k"), .request = SLICE("a cat")};
	assert_int_equal(scratch_run(s, create, &r), ERR_OK);
	r.t = task_of("task_2", "");
	r.request = SLICE("a dog");
	assert_int_equal(scratch_run(s, create, &r), ERR_OK);
	assert_int_equal(scratch_run(s, unfinished, &r), ERR_OK);
	assert_string_equal(r.seen, "task_1=a cat k 7;task_2=a dog  7;");
	r.request = SLICE("");
	r.keep = true; // waits still
	assert_int_equal(scratch_run(s, update, &r), ERR_OK);
	assert_int_equal(scratch_run(s, unfinished, &r), ERR_OK);
	assert_string_equal(r.seen, "task_1=a cat k 7;task_2=a dog  7;");
	r.request = SLICE("a dog at night");
	assert_int_equal(scratch_run(s, update, &r), ERR_OK);
	assert_int_equal(scratch_run(s, unfinished, &r), ERR_OK);
	assert_string_equal(r.seen, "task_1=a cat k 7;task_2=a dog at night  7;");
	r.keep = false; // submitted: it is never submitted again
	r.t.state = TASK_SUBMITTING;
	assert_int_equal(scratch_run(s, update, &r), ERR_OK);
	assert_int_equal(scratch_run(s, unfinished, &r), ERR_OK);
	assert_string_equal(r.seen, "task_1=a cat k 7;task_2=  7;");
	r.t.finished_ms = 1;
	assert_int_equal(scratch_run(s, update, &r), ERR_OK);
	assert_int_equal(scratch_run(s, unfinished, &r), ERR_OK);
	assert_string_equal(r.seen, "task_1=a cat k 7;");
}

static void parts_are_kept_until_all_is_done(void **state)
{
	struct scratch *s = *state;
	struct rows r = {.t = task_of("task_1", "")};
	assert_int_equal(scratch_run(s, create, &r), ERR_OK);
	r.n = 1;
	r.result = SLICE("second");
	assert_int_equal(scratch_run(s, put_part, &r), ERR_OK);
	r.n = 0;
	r.result = SLICE("first");
	assert_int_equal(scratch_run(s, put_part, &r), ERR_OK);
	r.result = SLICE("first again"); // the last word counts
	assert_int_equal(scratch_run(s, put_part, &r), ERR_OK);
	assert_int_equal(scratch_run(s, parts, &r), ERR_OK);
	assert_string_equal(r.seen, "0=first again;1=second;");
	r.result = SLICE("");
	assert_int_equal(scratch_run(s, update, &r), ERR_OK);
	assert_int_equal(scratch_run(s, parts, &r), ERR_OK);
	assert_string_equal(r.seen, "0=first again;1=second;");
	r.t.finished_ms = 1;
	assert_int_equal(scratch_run(s, update, &r), ERR_OK);
	assert_int_equal(scratch_run(s, parts, &r), ERR_OK);
	assert_string_equal(r.seen, "");
}

#define ON_A_STORE(fn) cmocka_unit_test_setup_teardown(fn, scratch_begin, scratch_end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_document_there_and_back),
		cmocka_unit_test(what_is_not_said_is_null),
		cmocka_unit_test(as_its_caller_reads_it),
		cmocka_unit_test(what_is_no_task_is_refused),
		cmocka_unit_test(parts_add_up),
		cmocka_unit_test(every_state_has_its_name),
		cmocka_unit_test(ids_are_of_their_own),
		cmocka_unit_test(success_ends_with_its_pictures),
		ON_A_STORE(one_key_is_one_task),
		ON_A_STORE(a_key_is_given_up_by_what_came_to_nothing),
		ON_A_STORE(a_task_is_its_callers),
		ON_A_STORE(pictures_are_kept_until_they_end),
		ON_A_STORE(a_finished_task_goes_after_its_time),
		ON_A_STORE(lists_have_pages),
		ON_A_STORE(what_is_unfinished_is_found_again),
		ON_A_STORE(parts_are_kept_until_all_is_done),
	};
	if (!secret_setup())
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
