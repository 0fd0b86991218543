// SPDX-License-Identifier: MIT
// The address policy of instances. Parsing and classes are tested at urlx; here: who may what.
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>
#include "agent/api/address.h"
#include "agent/core/settings.h"

static const struct {
	const char *url;
	bool loopback, private; // allowed by the settings
	enum role role;
	enum err_code want;
} cases[] = {
	{"http://127.0.0.1:7860", true, true, ROLE_OPERATOR, ERR_OK},
	{"http://localhost:7860", true, true, ROLE_SERVICE, ERR_OK},
	{"http://127.0.0.1:7860", false, true, ROLE_ADMIN, ERR_UPSTREAM_URL_FORBIDDEN},
	{"http://localhost:7860", false, true, ROLE_ADMIN, ERR_UPSTREAM_URL_FORBIDDEN},
	{"http://10.0.3.7:7860", true, true, ROLE_SERVICE, ERR_OK},
	{"http://10.0.3.7:7860", true, false, ROLE_ADMIN, ERR_UPSTREAM_URL_FORBIDDEN},
	{"http://[fd00::7]:7860", true, true, ROLE_OPERATOR, ERR_OK},
	{"http://gpu7:7860", true, true, ROLE_SERVICE, ERR_OK},
	{"http://gpu7.lan:7860", true, true, ROLE_SERVICE, ERR_OK},
	{"http://vllm.models.svc:8000/v1", true, true, ROLE_SERVICE, ERR_OK},
	{"http://8.8.8.8", true, true, ROLE_SERVICE, ERR_ROLE_FORBIDDEN},
	{"http://8.8.8.8", true, true, ROLE_OPERATOR, ERR_ROLE_FORBIDDEN},
	{"http://8.8.8.8", true, true, ROLE_ADMIN, ERR_OK},
	{"https://models.example.com", true, true, ROLE_OPERATOR, ERR_ROLE_FORBIDDEN},
	{"https://models.example.com", true, true, ROLE_ADMIN, ERR_OK},
	{"http://169.254.169.254", true, true, ROLE_ADMIN, ERR_UPSTREAM_URL_FORBIDDEN},
	{"http://127.0.0.1:8002", true, true, ROLE_ADMIN, ERR_UPSTREAM_LOOP},
	{"http://localhost:8002", true, true, ROLE_ADMIN, ERR_UPSTREAM_LOOP},
	{"http://10.0.3.7:8002", true, true, ROLE_ADMIN, ERR_OK},
	{"file:///etc/passwd", true, true, ROLE_ADMIN, ERR_UPSTREAM_URL_FORBIDDEN},
};

static void who_may_register_what(void **state UNUSED)
{
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct settings settings = {.allow_loopback_upstreams = cases[i].loopback,
			.allow_private_upstreams = cases[i].private};
		struct agent a = {.settings = &settings, .ports = {8000, 8001, 8002, 8003, 8004}};
		struct arena arena = ARENA_INIT;
		struct err err = {0};
		enum err_code got = address_of_instance(&a, cases[i].role, slice_of(cases[i].url),
			&arena, &err);
		if (got != cases[i].want)
			fail_msg("%s: %s", cases[i].url, got ? err_row(got)->code : "ok");
		if (got != ERR_OK)
			assert_string_equal(err.field, "url");
		arena_release(&arena);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_may_register_what),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
