// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>
#include "agent/store/seal.h"

static const struct seal_aad row = {"uuid", "vendor_key", "key_a", "api_key", 3, "openai", "dalle",
	"https://api.openai.com:443"};

struct ring {
	struct secret root;
	struct seal *seal;
	struct str wrapped;
};

static int ring_open(void **state)
{
	static struct ring r;
	unsigned char key[32] = {1, 2, 3};
	struct err err = {0};
	memset(&r, 0, sizeof(r));
	secret_set(&r.root, key, sizeof(key));
	*state = &r;
	return (int)seal_new(&r.root, &r.seal, &r.wrapped, &err);
}

static int ring_close(void **state)
{
	struct ring *r = *state;
	seal_free(r->seal);
	str_release(&r->wrapped);
	secret_release(&r->root);
	return 0;
}

static void envelope_of(const struct ring *r, struct str *out)
{
	struct secret plain = {0};
	struct err err = {0};
	secret_set(&plain, "sk-secret-text", 14);
	assert_int_equal(seal_row(r->seal, &row, &plain, out, &err), ERR_OK);
	secret_release(&plain);
}

static enum err_code open_with(const struct ring *r, const struct seal_aad *aad, struct slice env)
{
	struct secret got = {0};
	struct err err = {0};
	enum err_code code = seal_open_row(r->seal, aad, env, &got, &err);
	if (code == ERR_OK) {
		assert_int_equal(got.n, 14);
		assert_memory_equal(got.p, "sk-secret-text", 14);
	} else {
		assert_null(got.p);
	}
	secret_release(&got);
	return code;
}

static void a_row_opens_only_as_itself(void **state)
{
	struct ring *r = *state;
	struct str env = STR_INIT;
	envelope_of(r, &env);
	assert_int_equal(open_with(r, &row, str_slice(&env)), ERR_OK);
	struct seal_aad other[8] = {row, row, row, row, row, row, row, row};
	other[0].db_uuid = "uuid2";
	other[1].table = "client";
	other[2].row = "key_b";
	other[3].column = "note";
	other[4].version = 2;
	other[5].vendor = "aliyun";
	other[6].service = "gpt-4";
	other[7].origin = "https://evil.example:443";
	for (int i = 0; i < 8; i++)
		assert_int_equal(open_with(r, &other[i], str_slice(&env)), ERR_SECRET_CORRUPT);
	struct secret got = {0};
	struct err err = {0};
	assert_int_equal(seal_open_row(NULL, &row, str_slice(&env), &got, &err), ERR_SEALED);
	assert_null(got.p); // without the ring nothing opens
	for (int shift = 2; shift < 64; shift++) { // every bit of a version counts
		struct seal_aad later = row;
		later.version = row.version ^ UINT64_C(1) << shift;
		assert_int_equal(open_with(r, &later, str_slice(&env)), ERR_SECRET_CORRUPT);
	}
	// Parts do not run into each other.
	struct seal_aad moved = row;
	moved.vendor = "open";
	moved.service = "aidalle";
	assert_int_equal(open_with(r, &moved, str_slice(&env)), ERR_SECRET_CORRUPT);
	str_release(&env);
}

static void the_longest_secret_there_and_back(void **state)
{
	struct ring *r = *state;
	char text[SECRET_MAX];
	memset(text, 'k', sizeof(text));
	for (size_t n = SECRET_MAX - 1; n <= SECRET_MAX; n++) {
		struct secret plain = {0}, got = {0};
		struct str env = STR_INIT;
		struct err err = {0};
		secret_set(&plain, text, n);
		assert_int_equal(seal_row(r->seal, &row, &plain, &env, &err), ERR_OK);
		assert_int_equal(seal_open_row(r->seal, &row, str_slice(&env), &got, &err), ERR_OK);
		assert_true(secret_equal(&plain, &got));
		secret_release(&plain);
		secret_release(&got);
		str_release(&env);
	}
}

static void every_flipped_bit_and_cut_is_seen(void **state)
{
	struct ring *r = *state;
	struct str env = STR_INIT;
	envelope_of(r, &env);
	for (size_t i = 0; i < env.n * 8; i++) {
		env.p[i / 8] = (char)(env.p[i / 8] ^ 1 << i % 8);
		assert_int_equal(open_with(r, &row, str_slice(&env)), ERR_SECRET_CORRUPT);
		env.p[i / 8] = (char)(env.p[i / 8] ^ 1 << i % 8);
	}
	for (size_t n = 0; n < env.n; n++)
		assert_int_equal(open_with(r, &row, (struct slice){env.p, n}), ERR_SECRET_CORRUPT);
	assert_int_equal(open_with(r, &row, str_slice(&env)), ERR_OK);
	str_release(&env);
}

static void two_envelopes_of_one_secret_differ(void **state)
{
	struct ring *r = *state;
	struct str a = STR_INIT, b = STR_INIT;
	envelope_of(r, &a);
	envelope_of(r, &b);
	assert_int_equal(a.n, b.n);
	assert_memory_not_equal(a.p, b.p, a.n);
	str_release(&a);
	str_release(&b);
}

static void fingerprints_are_keyed(void **state)
{
	struct ring *r = *state;
	struct seal *other = NULL;
	struct str wrapped = STR_INIT;
	struct secret a = {0}, b = {0};
	struct err err = {0};
	char fp[4][SEAL_FP_HEX + 1];
	secret_set(&a, "sk-one-secret", 13);
	secret_set(&b, "sk-two-secret", 13);
	assert_int_equal(seal_new(&r->root, &other, &wrapped, &err), ERR_OK);
	seal_fingerprint(r->seal, &a, fp[0]);
	seal_fingerprint(r->seal, &a, fp[1]);
	seal_fingerprint(r->seal, &b, fp[2]);
	seal_fingerprint(other, &a, fp[3]);
	assert_string_equal(fp[0], fp[1]);
	assert_string_not_equal(fp[0], fp[2]);
	assert_string_not_equal(fp[0], fp[3]);
	seal_free(other);
	str_release(&wrapped);
	secret_release(&a);
	secret_release(&b);
}

static void the_ring_opens_with_its_root_alone(void **state)
{
	struct ring *r = *state;
	struct seal *again = NULL;
	struct secret wrong = {0};
	unsigned char key[32] = {9}, a[SEAL_MAC], b[SEAL_MAC];
	struct err err = {0};
	secret_set(&wrong, key, sizeof(key));
	assert_int_equal(seal_open_ring(&r->root, str_slice(&r->wrapped), &again, &err), ERR_OK);
	seal_row_mac(r->seal, SLICE("row"), a);
	seal_row_mac(again, SLICE("row"), b);
	assert_memory_equal(a, b, SEAL_MAC);
	seal_token_hash(r->seal, SLICE("row"), b);
	assert_memory_not_equal(a, b, SEAL_MAC); // one subkey per purpose
	seal_free(again);
	again = NULL;
	assert_int_equal(seal_open_ring(&wrong, str_slice(&r->wrapped), &again, &err), ERR_SEALED);
	assert_int_equal(seal_open_ring(&r->root, SLICE("short"), &again, &err), ERR_SEALED);
	assert_null(again);
	secret_release(&wrong);
}

static void the_root_file_is_private_or_refused(void **state UNUSED)
{
	char dir[] = "/tmp/yijian-seal-XXXXXX", path[64], link[64];
	struct secret a = {0}, b = {0};
	struct err err = {0};
	struct stat st;
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/root.key", dir);
	snprintf(link, sizeof(link), "%s/link.key", dir);
	assert_int_equal(seal_root_load(path, false, &a, &err), ERR_SEALED);
	assert_non_null(strstr(err.message, "is not there"));
	assert_int_equal(seal_root_load(path, true, &a, &err), ERR_OK);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(seal_root_load(path, true, &b, &err), ERR_OK); // never replaced
	assert_true(secret_equal(&a, &b));
	secret_release(&b);
	assert_int_equal(symlink(path, link), 0);
	assert_int_equal(seal_root_load(link, false, &b, &err), ERR_SEALED);
	assert_non_null(strstr(err.message, "is a symbolic link"));
	assert_int_equal(chmod(path, 0640), 0);
	assert_int_equal(seal_root_load(path, false, &b, &err), ERR_SEALED);
	assert_int_equal(chmod(path, 0600), 0);
	assert_int_equal(truncate(path, 20), 0);
	assert_int_equal(seal_root_load(path, false, &b, &err), ERR_SEALED);
	assert_null(b.p);
	unlink(link);
	unlink(path);
	rmdir(dir);
	secret_release(&a);
}

// Where credentials lie on a tmpfs, systemd grants them by a list, whose mask shows as the group's bits.
static void a_root_key_may_be_a_credential(void **state UNUSED)
{
	char dir[] = "/tmp/yijian-seal-XXXXXX", path[64];
	struct secret key = {0};
	struct err err = {0};
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/root.key", dir);
	assert_int_equal(seal_root_load(path, true, &key, &err), ERR_OK);
	secret_release(&key);
	assert_int_equal(chmod(path, 0440), 0);
	assert_int_equal(setenv("CREDENTIALS_DIRECTORY", "/tmp", 1), 0);
	assert_int_equal(seal_root_load(path, false, &key, &err), ERR_SEALED); // not one of them
	assert_int_equal(setenv("CREDENTIALS_DIRECTORY", dir, 1), 0);
	assert_int_equal(seal_root_load(path, false, &key, &err), ERR_OK);
	secret_release(&key);
	assert_int_equal(chmod(path, 0460), 0);
	assert_int_equal(seal_root_load(path, false, &key, &err), ERR_SEALED);
	assert_int_equal(chmod(path, 0444), 0);
	assert_int_equal(seal_root_load(path, false, &key, &err), ERR_SEALED);
	assert_int_equal(unsetenv("CREDENTIALS_DIRECTORY"), 0);
	unlink(path);
	rmdir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_row_opens_only_as_itself),
		cmocka_unit_test(the_longest_secret_there_and_back),
		cmocka_unit_test(every_flipped_bit_and_cut_is_seen),
		cmocka_unit_test(two_envelopes_of_one_secret_differ),
		cmocka_unit_test(fingerprints_are_keyed),
		cmocka_unit_test(the_ring_opens_with_its_root_alone),
		cmocka_unit_test(the_root_file_is_private_or_refused),
		cmocka_unit_test(a_root_key_may_be_a_credential),
	};
	if (!secret_setup())
		return 1;
	return cmocka_run_group_tests(tests, ring_open, ring_close);
}
