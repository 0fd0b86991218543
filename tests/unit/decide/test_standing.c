// SPDX-License-Identifier: MIT
// The state of a key or an instance is the first thing an operator has to know of it, and the figures
// agree with it.
#include "agent/decide/standing.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#define NOW INT64_C(5000000000)
#define WALL INT64_C(1700000000000)

static struct live live;
static struct key_obj key;
static struct instance_obj instance;

static int fresh(void **state)
{
	(void)state;
	live = (struct live){.last_ok_wall_ms = WALL};
	key = (struct key_obj){.live = &live, .doc = {.enabled = true, .expires_at = FIELD_NONE}};
	instance = (struct instance_obj){
		.live = &live, .doc = {.enabled = true, .ttl_s = FIELD_NONE}};
	return 0;
}

static const char *key_word(bool sealed)
{
	return key_standing_row(key_standing(&key, sealed, NOW, WALL))->name;
}

static enum key_use key_use_of(void)
{
	return key_standing_row(key_standing(&key, false, NOW, WALL))->use;
}

// Each thing that comes on top is more urgent than all before it.
static void test_a_key_shows_what_is_most_urgent(void **state)
{
	(void)state;
	live.last_ok_wall_ms = 0;
	assert_string_equal(key_word(false), "unknown");
	assert_int_equal(key_use_of(), KEY_USABLE);
	live.last_ok_wall_ms = WALL - 1;
	assert_string_equal(key_word(false), "ok");
	live.breaker = BREAKER_OPEN;
	live.breaker_until_us = NOW + 1;
	assert_string_equal(key_word(false), "open");
	assert_int_equal(key_standing_until_us(&key, KEY_IS_OPEN), NOW + 1);
	live.cooldown_until_us = NOW + 2;
	assert_string_equal(key_word(false), "cooling");
	assert_int_equal(key_standing_until_us(&key, KEY_IS_COOLING), NOW + 2);
	assert_int_equal(key_use_of(), KEY_COOLS);
	live.fault = LIVE_REGION_DENIED;
	assert_string_equal(key_word(false), "region_denied");
	live.fault = LIVE_KEY_NO_QUOTA;
	assert_string_equal(key_word(false), "no_quota");
	live.fault = LIVE_KEY_INVALID;
	assert_string_equal(key_word(false), "invalid");
	assert_int_equal(key_use_of(), KEY_FAULTY);
	assert_int_equal(key_standing_until_us(&key, KEY_IS_INVALID), 0);
	key.doc.expires_at = WALL;
	assert_string_equal(key_word(false), "expired");
	key.doc.enabled = false;
	assert_string_equal(key_word(false), "disabled");
	assert_int_equal(key_use_of(), KEY_OFF);
	assert_string_equal(key_word(true), "sealed");
}

static void test_what_is_over_does_not_hold(void **state)
{
	(void)state;
	live.breaker = BREAKER_OPEN;
	live.breaker_until_us = NOW;
	live.cooldown_until_us = NOW;
	key.doc.expires_at = WALL + 1;
	assert_string_equal(key_word(false), "ok");
	assert_int_equal(key_faults(&key, false, WALL), 0);
}

// An alert asks for one thing whatever else holds.
static void test_everything_that_holds_is_told(void **state)
{
	(void)state;
	live.cooldown_until_us = NOW + 1;
	live.fault = LIVE_KEY_INVALID;
	assert_int_equal(key_standings(&key, true, NOW, WALL),
		1u << KEY_IS_SEALED | 1u << KEY_IS_INVALID | 1u << KEY_IS_COOLING |
			1u << KEY_IS_OK);
	assert_int_equal(key_faults(&key, true, WALL), 1u << KEY_IS_SEALED | 1u << KEY_IS_INVALID);
	unsigned all = 1u << KEY_IS_SEALED | 1u << KEY_IS_INVALID | 1u << KEY_IS_COOLING |
		1u << KEY_IS_OK;
	live.breaker = BREAKER_OPEN;
	live.breaker_until_us = NOW + 1;
	assert_int_equal(key_standings(&key, true, NOW, WALL), all |= 1u << KEY_IS_OPEN);
	live.drained = 1;
	live.override_until_us = NOW + 1;
	assert_int_equal(key_standings(&key, true, NOW, WALL), all |= 1u << KEY_IS_DRAINED);
	key.doc.enabled = false;
	assert_int_equal(key_standings(&key, true, NOW, WALL), all |= 1u << KEY_IS_DISABLED);
	key.doc.expires_at = WALL;
	assert_int_equal(key_standings(&key, true, NOW, WALL), all |= 1u << KEY_IS_EXPIRED);
}

// A drained key is off by its operator's wish, until that is over.
static void test_a_drained_key_is_off(void **state)
{
	(void)state;
	live.drained = 1;
	live.override_until_us = NOW + 1;
	assert_string_equal(key_word(false), "drained");
	assert_int_equal(key_use_of(), KEY_OFF);
	live.override_until_us = NOW;
	assert_string_equal(key_word(false), "ok");
}

static const struct instance_standing_row *seen(void)
{
	return instance_standing_row(instance_standing(&instance, NOW));
}

static void test_an_instance_shows_what_is_most_urgent(void **state)
{
	static const struct {
		int health;
		const char *word;
		enum instance_use use;
	} healths[] = {{HEALTH_UNKNOWN, "UNKNOWN", INSTANCE_UNSEEN},
		{HEALTH_PASSING, "OK", INSTANCE_UP}, {HEALTH_WARNING, "WARN", INSTANCE_UP},
		{HEALTH_CRITICAL, "DOWN", INSTANCE_OUT}};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(healths); i++) {
		live.health = healths[i].health;
		assert_string_equal(seen()->name, healths[i].word);
		assert_int_equal(seen()->use, healths[i].use);
	}
	instance.doc.ttl_s = 30;
	live.last_beat_us = NOW - 30 * 1000000;
	assert_string_equal(seen()->name, "DOWN");
	live.last_beat_us--;
	assert_string_equal(seen()->name, "EXPIRED");
	live.drained = 1;
	live.override_until_us = NOW + 1;
	assert_string_equal(seen()->name, "DRAIN");
	live.override_until_us = NOW;
	assert_string_equal(seen()->name, "EXPIRED");
	instance.doc.draining = true;
	assert_string_equal(seen()->name, "DRAIN");
	instance.doc.enabled = false;
	assert_string_equal(seen()->name, "DISABLED");
	assert_int_equal(seen()->use, INSTANCE_IDLE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_a_key_shows_what_is_most_urgent, fresh),
		cmocka_unit_test_setup(test_what_is_over_does_not_hold, fresh),
		cmocka_unit_test_setup(test_everything_that_holds_is_told, fresh),
		cmocka_unit_test_setup(test_a_drained_key_is_off, fresh),
		cmocka_unit_test_setup(test_an_instance_shows_what_is_most_urgent, fresh),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
