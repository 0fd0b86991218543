// SPDX-License-Identifier: MIT
// What servers say they serve, in their own forms, and what hostile ones say.
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>
#include <string.h>
#include "agent/monitor/models.h"
#include "shared/str.h"

static const struct {
	const char *body;
	const char *names; // by blanks
	int64_t window; // of the first
	bool props;
} lists[] = {
	{"{\"object\":\"list\",\"data\":[{\"id\":\"q/w\",\"object\":\"model\",\"owned_by\":\"vllm\","
	 "\"root\":\"q/w\",\"parent\":null,\"max_model_len\":32768}]}",
		"q/w", 32768, false},
	{"{\"object\":\"list\",\"data\":[{\"id\":\"m.gguf\",\"owned_by\":\"llamacpp\",\"meta\":"
	 "{\"n_ctx_train\":131072,\"n_vocab\":1}}],\"models\":[{\"name\":\"x\"}]}",
		"m.gguf", 0, true},
	{"{\"data\":[{\"id\":\"m.gguf\",\"owned_by\":\"llamacpp\",\"meta\":{\"n_ctx\":4096}}]}",
		"m.gguf", 4096, false},
	{"{\"models\":[{\"name\":\"a:latest\",\"model\":\"a:latest\"},{\"name\":\"b:7b\"}]}",
		"a:latest b:7b", 0, false},
	{"{\"model_id\":\"BAAI/bge\",\"max_input_length\":512}", "BAAI/bge", 512, false},
	{"{\"data\":[]}", "", 0, false},
	{"{\"models\":[{\"name\":7},{\"name\":\"\"},{\"name\":\"a\\nb\"},[],1,null,"
	 "{\"name\":\"good\",\"context_length\":-5}]}",
		"good", 0, false},
	{"{\"data\":[{\"id\":\"m\",\"max_model_len\":9999999999}]}", "m", 0, false},
	{"{\"data\":{\"id\":\"m\"}}", NULL, 0, false},
	{"[{\"id\":\"m\"}]", NULL, 0, false},
	{"<html>", NULL, 0, false},
	{"", NULL, 0, false},
	{"{\"data\":[{\"id\":\"m\"}", NULL, 0, false},
};

static void forms_of_lists(void **state UNUSED)
{
	for (size_t i = 0; i < ARRAY_LEN(lists); i++) {
		bool props = true;
		struct live_models *m = models_read(slice_of(lists[i].body), &props);
		struct str names = STR_INIT;
		for (size_t k = 0; m != NULL && k < m->n; k++)
			str_addf(&names, "%s%s", k > 0 ? " " : "", m->v[k].name);
		if ((m == NULL) != (lists[i].names == NULL) || props != lists[i].props ||
			(m != NULL && strcmp(str_text(&names), lists[i].names) != 0) ||
			(m != NULL && m->n > 0 && m->v[0].window != lists[i].window))
			fail_msg("%s: %s", lists[i].body, str_text(&names));
		str_release(&names);
		free(m);
	}
}

static void many_and_long_ones_are_bounded(void **state UNUSED)
{
	struct str body = STR_INIT;
	str_add(&body, "{\"data\":[");
	for (int i = 0; i < 1000; i++)
		str_addf(&body, "%s{\"id\":\"m%d\"}", i > 0 ? "," : "", i);
	str_add(&body, "]}");
	bool props;
	struct live_models *m = models_read(str_slice(&body), &props);
	assert_true(m->n == LIVE_MODELS_MAX && m->more);
	free(m);
	str_clear(&body);
	str_add(&body, "{\"data\":[{\"id\":\"");
	for (int i = 0; i < 5000; i++)
		str_add(&body, "x");
	str_add(&body, "\"},{\"id\":\"y\"}]}");
	m = models_read(str_slice(&body), &props);
	assert_true(m->n == 1 && !m->more);
	assert_string_equal(m->v[0].name, "y");
	free(m);
	str_release(&body);
}

static void windows_of_llama_cpp(void **state UNUSED)
{
	assert_int_equal(
		models_window(SLICE(
			"{\"default_generation_settings\":{\"n_ctx\":8192},\"total_slots\":1}")),
		8192);
	assert_int_equal(models_window(SLICE("{\"n_ctx\":512}")), 512);
	assert_int_equal(models_window(SLICE("{\"n_ctx\":\"512\"}")), 0);
	assert_int_equal(models_window(SLICE("no")), 0);
}

static struct live_models *list_of(const char *name, uint64_t life)
{
	struct live_models *m = calloc(1, sizeof(*m) + sizeof(m->v[0]));
	m->n = 1;
	m->life = life;
	strcpy(m->v[0].name, name);
	return m;
}

// A list is read for a turn of another loop: what was replaced stays for longer than one lasts.
static void lists_of_a_record(void **state UNUSED)
{
	struct live_table *t = live_new();
	struct live *l = live_take(t, LIVE_INSTANCE, SLICE("s/i"));
	uint64_t life = live_next(t, 0, LIVE_NEW_OBJECT);
	live_follow(l, life, LIVE_NEW_OBJECT);
	assert_null(live_models(l));
	live_models_set(l, list_of("a:latest", life), 1000000);
	const struct live_models *a = live_models(l);
	live_models_set(l, list_of("a:latest", life), 2000000);
	assert_ptr_equal(live_models(l), a); // the same
	assert_non_null(live_models_find(a, "a"));
	assert_non_null(live_models_find(a, "a:latest"));
	assert_null(live_models_find(a, "a:late"));
	assert_null(live_models_find(a, ""));
	assert_null(live_models_find(NULL, "a"));
	live_models_set(l, list_of("b", life), 3000000);
	assert_string_equal(live_models(l)->v[0].name, "b");
	live_models_set(l, list_of("c", life), 4000000); // too soon: a may still be read
	assert_string_equal(live_models(l)->v[0].name, "b");
	assert_string_equal(a->v[0].name, "a:latest");
	live_models_set(l, list_of("c", life), 4000000 + 60000000);
	assert_string_equal(live_models(l)->v[0].name, "c");
	live_follow(l, live_next(t, life, LIVE_NEW_ADDRESS), LIVE_NEW_ADDRESS);
	assert_null(live_models(l)); // of the address before
	live_drop(t, l);
	live_free(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(forms_of_lists),
		cmocka_unit_test(many_and_long_ones_are_bounded),
		cmocka_unit_test(windows_of_llama_cpp),
		cmocka_unit_test(lists_of_a_record),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
