// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "shared/opt.h"
#include "shared/str.h"

static const struct opt_row rows[] = {
	{1, "output", 'o', "FORMAT", "form of the answer"},
	{2, "quiet", 'q', NULL, "say less"},
	{3, "all", 'a', NULL, "all of them"},
	{4, "limit", 0, "N", "at most so many"},
	{5, "dry-run", 0, "[=server]", "only say so"},
};

// What the options say, as text: "output=json quiet key …".
static enum err_code read_all(const char *const *words, struct str *out, struct err *err)
{
	struct opt o;
	struct opt_next next;
	bool end;
	int argc = 0;
	enum err_code code;

	while (words[argc])
		argc++;
	opt_init(&o, rows, ARRAY_LEN(rows), argc, (char **)(uintptr_t)words);
	memset(err, 0, sizeof(*err));
	str_clear(out);
	while ((code = opt_next(&o, &next, &end, err)) == ERR_OK && !end) {
		if (next.row && next.row->value)
			str_addf(out, "%s=%s ", next.row->name,
				next.value != NULL ? next.value : "");
		else
			str_addf(out, "%s ", next.row ? next.row->name : next.value);
	}
	return code;
}

static void reads_command_lines(void **state UNUSED)
{
	const struct {
		const char *words[8];
		const char *want; // NULL: wrong usage
		const char *hint;
	} cases[] = {
		{{NULL}, "", NULL},
		{{"key", "--output", "json", "list", "-q"}, "key output=json list quiet ", NULL},
		{{"--output=json", "--output="}, "output=json output= ", NULL},
		{{"-ojson", "-o", "yaml", "-o=csv"}, "output=json output=yaml output=csv ", NULL},
		{{"-qa", "-qao", "wide", "-qowide"},
			"quiet all quiet all output=wide quiet output=wide ", NULL},
		{{"-", "--", "-q", "--", "--nope"}, "- -q -- --nope ", NULL},
		{{"--output", "--quiet"}, "output=--quiet ", NULL},
		{{"--limit", "-5"}, "limit=-5 ", NULL},
		{{""}, " ", NULL},
		{{"--dry-run", "x"}, "dry-run= x ", NULL},
		{{"--dry-run=server", "x"}, "dry-run=server x ", NULL},
		{{"--dry-run=client"}, NULL, ""},
		{{"--dry-run=serve"}, NULL, ""},
		{{"--dry-run="}, NULL, ""},
		{{"--outptu", "x"}, NULL, "--output"},
		{{"--qiet"}, NULL, "--quiet"},
		{{"--output"}, NULL, ""},
		{{"-qo"}, NULL, ""},
		{{"--quiet=yes"}, NULL, ""},
		{{"--="}, NULL, "--help"},
		{{"-z"}, NULL, "--help"},
		{{"-\x1b"}, NULL, "--help"},
		{{"-é"}, NULL, "--help"},
		{{"--\x1b[2Jlong-unknown-option-with-much-more-text-than-a-message-holds"}, NULL,
			"--help"},
	};
	struct str out = STR_INIT;
	struct err err;

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		enum err_code code = read_all(cases[i].words, &out, &err);

		assert_int_equal(code, cases[i].want ? ERR_OK : ERR_USAGE);
		if (cases[i].want) {
			assert_string_equal(str_text(&out), cases[i].want);
			continue;
		}
		assert_non_null(strstr(err.hint, cases[i].hint));
		assert_null(strchr(err.message, '\x1b'));
	}
	str_release(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_command_lines),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
