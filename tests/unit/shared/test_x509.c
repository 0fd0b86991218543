// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "shared/mem.h"
#include "shared/x509.h"

// Made by openssl: of a P-256 key until a UTCTime, of an Ed25519 key until a GeneralizedTime. The
// pins are those of `openssl x509 -pubkey -noout | openssl pkey -pubin -outform der | openssl dgst
// -sha256 -binary | base64`.
static const struct {
	const char *pem, *pin;
	int64_t from_ms, until_ms;
} rows[] = {
	{"-----BEGIN CERTIFICATE-----\n"
	 "MIIBajCCARCgAwIBAgIBATAKBggqhkjOPQQDAjAUMRIwEAYDVQQDDAlsb2NhbGhv\n"
	 "c3QwHhcNMjYxMjAxMTA1NjI5WhcNMjYxMjMxMTA1NjI5WjAUMRIwEAYDVQQDDAls\n"
	 "b2NhbGhvc3QwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAATv3nOUy2OYiq64Ubso\n"
	 "U8angqhRMvxOprHRLLCs5gTgTYIDXbA/m/mefgxRK7SAu9OV1GSW1E9oaIUYgr7i\n"
	 "A+eSo1MwUTAdBgNVHQ4EFgQURiZFBhSinpjVrVgjxeFjlAv6cCowHwYDVR0jBBgw\n"
	 "FoAURiZFBhSinpjVrVgjxeFjlAv6cCowDwYDVR0TAQH/BAUwAwEB/zAKBggqhkjO\n"
	 "PQQDAgNIADBFAiEA0hap7yb+TwzHZUoMQNfyvxyPQShSofVvrXlsw/QUiBgCIBjG\n"
	 "fy5R8Pey2aTs21XZGL/JghqBKAXwyzIusvEMe/IL\n"
	 "-----END CERTIFICATE-----\n",
		"sha256///bcynZ+vUO+OnKxqUBQSVP7+UphPGpfu8JVKnHJsUwQ=", INT64_C(1796122589000),
		INT64_C(1798714589000)},
	{"-----BEGIN CERTIFICATE-----\n"
	 "MIIBKzCB3qADAgECAgEBMAUGAytlcDAUMRIwEAYDVQQDDAlsb2NhbGhvc3QwIBcN\n"
	 "MjYxMjAxMTA1NjI5WhgPMjA4MTA5MDMxMDU2MjlaMBQxEjAQBgNVBAMMCWxvY2Fs\n"
	 "aG9zdDAqMAUGAytlcAMhACKg8URMolNrdJGLWcTY2zhYKKZsyGiPknFT4EJloVtb\n"
	 "o1MwUTAdBgNVHQ4EFgQU/h7nFyZ6CEYDkbKNSWIMsoG3KhkwHwYDVR0jBBgwFoAU\n"
	 "/h7nFyZ6CEYDkbKNSWIMsoG3KhkwDwYDVR0TAQH/BAUwAwEB/zAFBgMrZXADQQBI\n"
	 "KAP6VObAY2PLrAF9c5RZ0nxiKP5PFPXWsWmpLLrlxuyZ2fKP+/LglzUD7t89Ujrq\n"
	 "3HA85QnbnvbZvExT2KYD\n"
	 "-----END CERTIFICATE-----\n",
		"sha256//S4NYpAap3TTPtpeZE3KsjnTHOPyCToBJ8BcY94JwZO0=", INT64_C(1796122589000),
		INT64_C(3524122589000)},
};

static void reads_key_and_time(void **state UNUSED)
{
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct x509 seen;
		assert_true(x509_read(slice_of(rows[i].pem), &seen));
		assert_string_equal(seen.pin, rows[i].pin);
		assert_true(seen.from_ms == rows[i].from_ms && seen.until_ms == rows[i].until_ms);
		assert_true(x509_is_pin(seen.pin));
	}
}

// Every byte of a certificate wrong, and every cut: it is read or not, and nothing is read beyond it.
static void survives_what_is_none(void **state UNUSED)
{
	struct x509 seen;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		size_t n = strlen(rows[i].pem);
		for (size_t cut = 0; cut < n - 26; cut++) {
			char *part = mem_dup(rows[i].pem, cut + 1); // of its own size, for ASan
			assert_false(x509_read((struct slice){part, cut}, &seen));
			free(part);
		}
		for (size_t at = 0; at < n; at++)
			for (const char *other = "AB/+9z="; *other; other++) {
				char *bad = mem_strdup(rows[i].pem);
				bad[at] = *other;
				if (x509_read((struct slice){bad, n}, &seen))
					assert_true(x509_is_pin(seen.pin));
				free(bad);
			}
	}
	assert_false(x509_read((struct slice){NULL, 0}, &seen));
	assert_false(x509_read(slice_of("-----BEGIN CERTIFICATE-----\n-----END "), &seen));
	assert_false(x509_read(slice_of("-----BEGIN CERTIFICATE-----\nMIP/////\n-----END "),
		&seen));
}

static void tells_pins(void **state UNUSED)
{
	const char *const bad[] = {"", "sha256//", "sha256//AAAA",
		"sha256/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
		"SHA256//AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
		"sha256//AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
		"sha256//AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAB=",
		"sha256//AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA==",
		"sha256//AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA-A=",
		"sha256//AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA= "};
	assert_true(x509_is_pin("sha256//AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="));
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_false(x509_is_pin(bad[i]));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_key_and_time),
		cmocka_unit_test(survives_what_is_none),
		cmocka_unit_test(tells_pins),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
