// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include "agent/web/query.h"
#include "shared/credential.h"

static struct arena arena = ARENA_INIT;
static struct err err;
static struct query_value *values;

static enum err_code ask(enum endpoint_id id, const char *query)
{
	memset(&err, 0, sizeof(err));
	arena_release(&arena);
	arena = (struct arena)ARENA_INIT;
	return query_read(endpoint_row(id), slice_of(query), &arena, &values, &err);
}

static const struct query_value *value(enum endpoint_id id, const char *name)
{
	const struct param *p = endpoint_row(id)->params;
	size_t i = 0;
	while (strcmp(p[i].name, name) != 0)
		i++;
	return &values[i];
}

// Every row of the table: a name that is in none of its rows, and each of its rows written badly.
static void test_every_strict_row_refuses_what_it_does_not_know(void **state)
{
	size_t n;
	const struct endpoint *rows = endpoints_all(&n);
	(void)state;
	for (size_t i = 0; i < n; i++) {
		bool strict = strncmp(rows[i].path, "/v1/", 4) != 0;
		assert_int_equal(ask(rows[i].id, "nosuch=1"), strict ? ERR_FIELD_UNKNOWN : ERR_OK);
		if (!strict)
			continue;
		assert_string_equal(err.field, "nosuch");
		assert_true(err.hint[0] != '\0');
		assert_int_equal(ask(rows[i].id, "=1"), ERR_FIELD_UNKNOWN);
		assert_int_equal(ask(rows[i].id, "%zz=1"), ERR_BAD_PATH);
		assert_int_equal(ask(rows[i].id, "&&"), ERR_OK);
		assert_int_equal(ask(rows[i].id, ""), ERR_OK);
	}
}

static void test_every_parameter_refuses_what_cannot_be_read(void **state)
{
	static const struct {
		const char *text;
		enum err_code why;
	} bad[] = {{"", ERR_PARAM_INVALID}, {"=", ERR_PARAM_INVALID}, {"=%zz", ERR_BAD_PATH},
		{"=%", ERR_BAD_PATH}, {"=a%00b", ERR_BAD_PATH}, {"=%ff", ERR_BAD_PATH},
		{"=%c0%af", ERR_BAD_PATH}, {"=%0d%0a", ERR_BAD_PATH}, {"=%ed%a0%80", ERR_BAD_PATH}};
	size_t n;
	const struct endpoint *rows = endpoints_all(&n);
	(void)state;
	for (size_t i = 0; i < n; i++) {
		for (const struct param *p = rows[i].params; p && p->name; p++) {
			char query[4096];
			for (size_t k = 0; k < ARRAY_LEN(bad); k++) {
				snprintf(query, sizeof(query), "%s%s", p->name, bad[k].text);
				assert_int_equal(ask(rows[i].id, query), bad[k].why);
				assert_string_equal(err.field, p->name);
			}
			const char *good = p->type == FT_INT ? p->unit ? "60000ms" : "1"
				: p->choices		     ? p->choices[0]
							     : "1";
			snprintf(query, sizeof(query), "%s=%s", p->name, good);
			assert_int_equal(ask(rows[i].id, query), ERR_OK);
			assert_string_equal(value(rows[i].id, p->name)->text, good);
			snprintf(query, sizeof(query), "%s=%s&%s=%s", p->name, good, p->name, good);
			assert_int_equal(ask(rows[i].id, query), ERR_PARAM_INVALID);
			assert_string_equal(err.field, p->name);
			if (p->type == FT_STR)
				continue;
			snprintf(query, sizeof(query), "%s=maybe", p->name);
			assert_int_equal(ask(rows[i].id, query), ERR_PARAM_INVALID);
			snprintf(query, sizeof(query), "%s=+%s", p->name, good);
			assert_int_equal(ask(rows[i].id, query),
				p->type == FT_STRV ? ERR_OK : ERR_PARAM_INVALID);
		}
	}
}

static void test_numbers_times_and_lists(void **state)
{
	(void)state;
	assert_int_equal(ask(EP_AUDIT_LIST, NULL), ERR_OK);
	assert_int_equal(value(EP_AUDIT_LIST, "limit")->num, 100);
	assert_null(value(EP_AUDIT_LIST, "limit")->text);
	assert_int_equal(ask(EP_AUDIT_LIST, "l%69mit=%37"), ERR_OK);
	assert_int_equal(value(EP_AUDIT_LIST, "limit")->num, 7);
	static const char *const wide[] = {"limit=0", "limit=-1", "limit=1001", "limit=1000000000",
		"limit=99999999999999999999999999", "limit=-9223372036854775809"};
	for (size_t i = 0; i < ARRAY_LEN(wide); i++)
		assert_int_equal(ask(EP_AUDIT_LIST, wide[i]), ERR_FIELD_RANGE);
	static const char *const words[] = {"limit=1e3", "limit=0x10", "limit=1.0", "limit=-",
		"limit=1,2", "limit=%201", "limit=1%20", "limit=--1", "limit=\xd9\xa1"};
	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		assert_int_equal(ask(EP_AUDIT_LIST, words[i]), ERR_PARAM_INVALID);
	assert_int_equal(ask(EP_WATCH, "wait=1m"), ERR_OK);
	assert_int_equal(value(EP_WATCH, "wait")->num, 60000);
	assert_int_equal(ask(EP_WATCH, "wait=2h"), ERR_FIELD_RANGE);
	assert_int_equal(ask(EP_WATCH, "wait=soon"), ERR_PARAM_INVALID);
	assert_int_equal(ask(EP_USAGE, "by=key,feature"), ERR_OK);
	assert_int_equal(value(EP_USAGE, "by")->num, 1 << 0 | 1 << 3);
	assert_int_equal(ask(EP_USAGE, "by=key,"), ERR_PARAM_INVALID);
	assert_int_equal(ask(EP_PRICE_IMPORT, "dry_run=false&format=portkey"), ERR_OK);
	assert_int_equal(value(EP_PRICE_IMPORT, "dry_run")->num, 0);
	assert_int_equal(value(EP_PRICE_IMPORT, "format")->num, 2);
}

// A name may be a secret that was put at the wrong place: it is not said again.
static void test_only_plain_names_are_repeated(void **state)
{
	(void)state;
	assert_int_equal(ask(EP_KEY_LIST, "sk-proj-0123456789abcdef=1"), ERR_FIELD_UNKNOWN);
	assert_string_equal(err.field, "");
	assert_null(strstr(err.message, "proj"));
	assert_int_equal(ask(EP_KEY_LIST, "venddor=1"), ERR_FIELD_UNKNOWN);
	assert_string_equal(err.field, "venddor");
	assert_non_null(strstr(err.hint, "vendor"));
}

static bool found(enum endpoint_id id, const char *query)
{
	return query_has_credential(endpoint_row(id), slice_of(query));
}

static void test_credentials_in_any_writing(void **state)
{
	static const char *const yes[] = {"a=b&token=x", "API_KEY", "%74oken=x", "to%6ben=x",
		"%54%4f%4b%45%4e=x", "token%5B%5D=x", "token[]=x", "access-token=x", "Access_Token",
		"a=1;token=x", "apikey=", "x-api-key=1", "Authorization=Bearer%20x", "password=x",
		"token%00=x", "tok%zzen=1&token=2", "client_secret=1"};
	static const char *const no[] = {"beta=true", "api-version=2024-01-01", "tokens=1",
		"%2574oken=x", "max_tokens=1", "keys=1", "q=token", "%=1", "tok%65", "&&;;"};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(yes); i++) {
		assert_true(found(EP_CHAT, yes[i]));
		assert_true(found(EP_KEY_LIST, yes[i]));
		assert_true(query_has_credential(NULL, slice_of(yes[i])));
	}
	for (size_t i = 0; i < ARRAY_LEN(no); i++)
		assert_false(found(EP_CHAT, no[i]));
	assert_true(found(EP_CHAT, "key=AIza"));
	assert_false(found(EP_ROUTE_PATCH, "key=openai/gpt-4/one"));
	assert_false(found(EP_USAGE, "key=key_1&client=yj_c_0123456789"));
	assert_false(query_has_credential(NULL, (struct slice){NULL, 0}));
}

static void test_our_credentials_as_a_value(void **state)
{
	unsigned char random[CREDENTIAL_RANDOM];
	char text[CREDENTIAL_LEN + 1], query[256];
	(void)state;
	memset(random, 7, sizeof(random));
	assert_true(credential_make(CREDENTIAL_CLIENT, random, text));
	snprintf(query, sizeof(query), "x=1&client=%s", text);
	assert_true(found(EP_USAGE, query));
	snprintf(query, sizeof(query), "x=%%%02x%s", (unsigned)text[0], text + 1);
	assert_true(found(EP_CHAT, query));
	snprintf(query, sizeof(query), "%s", text);
	assert_true(found(EP_CHAT, query));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_strict_row_refuses_what_it_does_not_know),
		cmocka_unit_test(test_every_parameter_refuses_what_cannot_be_read),
		cmocka_unit_test(test_numbers_times_and_lists),
		cmocka_unit_test(test_only_plain_names_are_repeated),
		cmocka_unit_test(test_credentials_in_any_writing),
		cmocka_unit_test(test_our_credentials_as_a_value),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
