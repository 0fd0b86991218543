// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>
#include "shared/multipart.h"

#define TYPE "multipart/form-data; boundary=B"
#define FIELD(n, v) "--B\r\nContent-Disposition: form-data; name=\"" n "\"\r\n\r\n" v "\r\n"
#define END "--B--\r\n"

static struct multipart m;

static enum err_code take(const char *type, const char *body)
{
	struct err err = {0};
	return multipart_read(slice_of(type), slice_of(body), &m, &err);
}

static void test_parts(void **state)
{
	(void)state;
	static const char body[] = FIELD("model",
		"whisper-1") "--B\r\ncontent-disposition: form-data; name=\"file\"; filename=\"a \\\"b\\\".mp3\"\r\n"
			     "Content-Type: audio/mpeg\r\n\r\n\r\n--b\r\n--\r\n--A\r\n" FIELD(
				     "empty", "") FIELD("image[]", "1") FIELD("image[]", "2") END;
	assert_int_equal(take(TYPE, body), ERR_OK);
	assert_int_equal(m.n, 5);
	assert_true(slice_eq_str(m.v[0].value, "whisper-1"));
	assert_null(m.v[0].filename.p);
	assert_true(slice_eq_str(m.v[1].filename, "a \\\"b\\\".mp3"));
	assert_true(slice_eq_str(m.v[1].content_type, "audio/mpeg"));
	assert_true(slice_eq_str(m.v[1].value, "\r\n--b\r\n--\r\n--A"));
	assert_int_equal(m.v[2].value.n, 0);
	assert_true(slice_eq_str(multipart_find(&m, "image")->value, "1"));
	assert_null(multipart_find(&m, "imag"));
	// The parts put together are the form.
	struct str out = STR_INIT;
	for (size_t i = 0; i < m.n; i++)
		str_add_slice(&out, m.v[i].whole);
	str_add(&out, END);
	assert_string_equal(str_text(&out), body);
	str_release(&out);
}

static const struct {
	const char *type, *body;
} bad[] = {
	{"application/json", "{}"},
	{"multipart/form-data", FIELD("a", "b") END},
	{"multipart/form-data; boundary=", FIELD("a", "b") END},
	{"multipart/form-data; boundary=B; boundary=C", FIELD("a", "b") END},
	{"multipart/form-data; boundary=\"B", FIELD("a", "b") END},
	{TYPE, ""},
	{TYPE, "preamble\r\n" FIELD("a", "b") END},
	{TYPE, FIELD("a", "b")},
	{TYPE, FIELD("a", "b") END "more"},
	{TYPE, FIELD("a", "x\r\n--Boundary") END},
	{TYPE, "--B\r\n\r\nv\r\n" END},
	{TYPE, "--B\r\nContent-Disposition: form-data\r\n\r\nv\r\n" END},
	{TYPE, "--B\r\nContent-Disposition: form-data; name=\"\"\r\n\r\nv\r\n" END},
	{TYPE, "--B\r\nContent-Disposition: form-data; name=\"a\\\"b\"\r\n\r\nv\r\n" END},
	{TYPE, "--B\r\nContent-Disposition: attachment; name=\"a\"\r\n\r\nv\r\n" END},
	{TYPE, "--B\r\nContent-Disposition: form-data; name=\"a\"; name=\"b\"\r\n\r\nv\r\n" END},
	{TYPE,
		"--B\r\nContent-Disposition: form-data; name=\"a\"\r\n"
		"Content-Disposition: form-data; name=\"b\"\r\n\r\nv\r\n" END},
	{TYPE,
		"--B\r\nContent-Disposition: form-data; name=\"a\"\r\n"
		"Content-Transfer-Encoding: base64\r\n\r\nv\r\n" END},
	{TYPE, "--B\r\nNo colon\r\n\r\nv\r\n" END},
};

static void test_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		if (take(bad[i].type, bad[i].body) != ERR_MULTIPART_INVALID)
			fail_msg("row %zu was not refused", i);
	}
}

static void test_limits(void **state)
{
	(void)state;
	struct str s = STR_INIT;
	for (int i = 0; i < MULTIPART_PARTS_MAX; i++)
		str_add(&s, FIELD("a", "b"));
	size_t most = s.n;
	str_add(&s, END);
	assert_int_equal(take(TYPE, str_text(&s)), ERR_OK);
	s.n = most;
	str_add(&s, FIELD("a", "b") END);
	assert_int_equal(take(TYPE, str_text(&s)), ERR_BODY_TOO_LARGE);
	str_clear(&s);
	str_add(&s, "--B\r\nX-Long: ");
	for (size_t i = 0; i < MULTIPART_HEAD_MAX; i++)
		str_add_c(&s, 'x');
	str_add(&s, "\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\nv\r\n" END);
	assert_int_equal(take(TYPE, str_text(&s)), ERR_MULTIPART_INVALID);
	str_release(&s);
}

static void test_added_field(void **state)
{
	(void)state;
	struct str s = STR_INIT;
	assert_int_equal(take("multipart/form-data; charset=utf-8; boundary=\"B\"",
				 FIELD("a", "b") END),
		ERR_OK);
	multipart_add_field(&m, SLICE("model"), SLICE("whisper-1"), &s);
	assert_string_equal(str_text(&s), FIELD("model", "whisper-1"));
	str_release(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parts),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_added_field),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
