// SPDX-License-Identifier: MIT
// An alert's documents: what is written is read again, former versions' too, and nothing else.
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "agent/monitor/alert.h"
#include "shared/mem.h"
#include "shared/str.h"

static struct alert fired(void)
{
	struct alert al = {.id = "al-1",
		.rule = "key-expiry",
		.object = "openai/gpt-4/prod",
		.object_id = "key_1",
		.metric = AM_KEY_EXPIRES_DAYS,
		.severity = SEVERITY_CRITICAL,
		.track = {.phase = PHASE_FIRING, .good_us = FIELD_NONE},
		.since_ms = 1000,
		.fired_ms = 2000,
		.resolved_ms = FIELD_NONE,
		.acked_ms = 3000,
		.value = 2.5,
		.threshold = 14,
		.acked_by = ident_uid(7),
		.acked_name = "ann",
		.note = "seen \"it\"",
		.labels = mem_strdup("{\"team\":\"a\"}")};
	return al;
}

static bool read_text(struct alert *al, const char *text)
{
	struct arena a = ARENA_INIT;
	const struct jx *doc = NULL;
	memset(al, 0, sizeof(*al));
	assert_int_equal(jx_parse(slice_of(text), (struct jscan_limits){0, JSCAN_DEPTH}, &a, &doc,
				 NULL),
		ERR_OK);
	bool ok = alert_read(al, doc);
	arena_release(&a);
	return ok;
}

static void what_is_written_is_read(void **state UNUSED)
{
	struct alert al = fired(), again;
	struct str s = STR_INIT, t = STR_INIT;
	struct jw w = jw_to(&s), x = jw_to(&t);
	alert_write(&w, &al);
	assert_non_null(strstr(str_text(&s), "\"state\":\"acked\""));
	assert_null(strstr(str_text(&s), "{object}")); // its places are filled
	assert_true(read_text(&again, str_text(&s)));
	alert_write(&x, &again);
	assert_string_equal(str_text(&t), str_text(&s));
	free(al.labels);
	free(again.labels);
	str_release(&s);
	str_release(&t);
}

static void a_former_versions_name_is_nobodys_identity(void **state UNUSED)
{
	struct alert al;
	assert_true(read_text(&al,
		"{\"id\":\"al-2\",\"rule\":\"r\",\"object\":\"o\",\"metric\":\"sealed\",\"severity\":"
		"\"warning\",\"since\":\"2026-01-01T00:00:00.000Z\",\"fired_at\":"
		"\"2026-01-01T00:00:01.000Z\",\"acked_by\":\"token:ann\"}"));
	assert_string_equal(al.acked_by.text, "unknown");
	assert_string_equal(al.acked_name, "ann");
	assert_true(al.resolved_ms == FIELD_NONE && al.labels == NULL);
}

static void what_never_fired_is_none(void **state UNUSED)
{
	static const char *const rows[] = {"{}",
		"{\"id\":\"al-3\",\"metric\":\"sealed\",\"severity\":\"warning\"}",
		"{\"id\":\"\",\"metric\":\"sealed\",\"severity\":\"warning\",\"fired_at\":"
		"\"2026-01-01T00:00:01.000Z\"}",
		"{\"id\":\"al-3\",\"metric\":\"none\",\"severity\":\"warning\",\"fired_at\":"
		"\"2026-01-01T00:00:01.000Z\"}",
		"{\"id\":\"al-3\",\"metric\":\"sealed\",\"severity\":7,\"fired_at\":"
		"\"2026-01-01T00:00:01.000Z\"}",
		"{\"id\":[],\"metric\":\"sealed\",\"severity\":\"warning\",\"fired_at\":1}"};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct alert al;
		assert_false(read_text(&al, rows[i]));
		free(al.labels);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_written_is_read),
		cmocka_unit_test(a_former_versions_name_is_nobodys_identity),
		cmocka_unit_test(what_never_fired_is_none),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
