// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <stdio.h>
#include <unistd.h>
#include "shared/conf.h"
#include "shared/str.h"

static void reads_lines_as_systemd_does(void **state UNUSED)
{
	const struct {
		const char *line, *key, *value; // key NULL: nothing there; value NULL: an error
	} rows[] = {{"", NULL, ""}, {"  \t", NULL, ""}, {"# A=b", NULL, ""}, {"; A=b", NULL, ""},
		{"A=b", "A", "b"}, {" A_1 = b c ", "A_1", "b c"}, {"A=", "A", ""},
		{"A=b#c", "A", "b#c"}, {"A=\"b # c\"", "A", "b # c"},
		{"A='b \"c\" \\n'", "A", "b \"c\" \\n"},
		{"A=\"x\\\"y\\\\z\\$\\`\\n\"", "A", "x\"y\\z$`\\n"}, {"A=x\\ y\\\\", "A", "x y\\"},
		{"A=b=c", "A", "b=c"}, {"A=$HOME", "A", "$HOME"}, {"A=it's", "A", "it's"},
		{"no pair", "", NULL}, {"=b", "", NULL}, {"1A=b", "", NULL}, {"A-B=c", "", NULL},
		{"export A=b", "", NULL}, {"A=\"b", "", NULL}, {"A='b", "", NULL},
		{"A=\"b\"c", "", NULL}, {"A=b\\", "", NULL}, {"A=\"b\\", "", NULL}};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char line[128];
		const char *key = NULL, *value = NULL;
		struct err err = {0};
		enum err_code code;

		snprintf(line, sizeof(line), "%s", rows[i].line);
		code = conf_line(line, &key, &value, &err);
		assert_int_equal(code, rows[i].value ? ERR_OK : ERR_CONFIG_INVALID);
		if (!rows[i].value)
			continue;
		if (!rows[i].key) {
			assert_null(key);
			continue;
		}
		assert_string_equal(key, rows[i].key);
		assert_string_equal(value, rows[i].value);
	}
}

static enum err_code gather(void *arg, const char *key, const char *value, int line,
	struct err *err)
{
	if (strcmp(key, "REFUSED") == 0)
		return err_field(err, ERR_CONFIG_INVALID, key, "not that one");
	str_addf(arg, "%d:%s=%s;", line, key, value);
	return ERR_OK;
}

static enum err_code read_text(struct slice text, struct str *out, struct err *err, char path[64])
{
	enum err_code code;
	FILE *f;

	snprintf(path, 64, "/tmp/yijian-conf-XXXXXX");
	f = fdopen(mkstemp(path), "w");
	assert_non_null(f);
	fwrite(text.p, 1, text.n, f);
	fclose(f);
	memset(err, 0, sizeof(*err));
	str_clear(out);
	code = conf_read(path, gather, out, err);
	unlink(path);
	return code;
}

static void reads_files(void **state UNUSED)
{
	struct str out = STR_INIT, big = STR_INIT;
	struct err err;
	char path[64], place[96];

	assert_int_equal(read_text(SLICE("# head\nA=1\r\n\nB='2'\nC=3"), &out, &err, path), ERR_OK);
	assert_string_equal(str_text(&out), "2:A=1;4:B=2;5:C=3;");
	assert_int_equal(read_text(SLICE("A=1\nB\nC=3\n"), &out, &err, path), ERR_CONFIG_INVALID);
	snprintf(place, sizeof(place), "%s:2: ", path);
	assert_non_null(strstr(err.message, place));
	assert_string_equal(str_text(&out), "1:A=1;");
	assert_int_equal(read_text(SLICE("\nREFUSED=1\n"), &out, &err, path), ERR_CONFIG_INVALID);
	assert_string_equal(err.field, "REFUSED");
	snprintf(place, sizeof(place), "%s:2: not that one", path);
	assert_string_equal(err.message, place);
	assert_int_equal(read_text(SLICE("A=1\0B=2\n"), &out, &err, path), ERR_CONFIG_INVALID);
	for (int i = 0; i < CONF_LINE_MAX; i++)
		str_add_c(&big, 'A');
	assert_int_equal(read_text(str_slice(&big), &out, &err, path), ERR_CONFIG_INVALID);
	str_clear(&big);
	while (big.n < CONF_FILE_MAX)
		str_add(&big, "# a comment that goes on and on\n");
	str_add(&big, "A=1\n");
	assert_int_equal(read_text(str_slice(&big), &out, &err, path), ERR_CONFIG_INVALID);
	assert_int_equal(conf_read("/nonexistent/yijian.conf", gather, &out, &err),
		ERR_CONFIG_INVALID);
	assert_non_null(strstr(err.message, "/nonexistent/yijian.conf"));
	assert_int_equal(conf_read("/", gather, &out, &err), ERR_CONFIG_INVALID); // a directory
	str_release(&out);
	str_release(&big);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_lines_as_systemd_does),
		cmocka_unit_test(reads_files),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
