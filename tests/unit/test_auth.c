/* The PIN, sessions, and what wrong tries cost. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "auth.h"

static struct auth a;
static char token[AUTH_TOKEN + 1];
static int wait_s;

static void set_pin(const char *pin)
{
	static const uint8_t salt[AUTH_SALT] = "a grain of salt";
	uint8_t hash[AUTH_HASH];

	auth_hash_pin(salt, pin, hash);
	auth_set_pin(&a, salt, hash);
}

static int set_up(void **state)
{
	(void)state;
	if (!auth_init(&a))
		return -1;
	set_pin("123456");
	return 0;
}

static enum auth_result try(const char *client, const char *pin, int64_t ms)
{
	return auth_login(&a, client, pin, ms, token, &wait_s);
}

static void the_pin_opens_a_session(void **state)
{
	char other[AUTH_TOKEN + 1];

	(void)state;
	assert_int_equal(try("10.0.0.1", "123456", 1000), AUTH_OK);
	assert_int_equal(strlen(token), AUTH_TOKEN);
	assert_true(auth_is_session(&a, token, 2000));
	memcpy(other, token, sizeof(other));
	other[0] = other[0] == '0' ? '1' : '0';
	assert_false(auth_is_session(&a, other, 2000));
	assert_false(auth_is_session(&a, "", 2000));
	assert_false(auth_is_session(&a, "123456", 2000));
	auth_logout(&a, token);
	assert_false(auth_is_session(&a, token, 2000));
}

static void nobody_gets_in_without_a_pin(void **state)
{
	(void)state;
	assert_true(auth_init(&a));
	assert_int_equal(try("10.0.0.1", "", 0), AUTH_NO_PIN);
	assert_int_equal(try("10.0.0.1", "123456", 0), AUTH_NO_PIN);
	assert_false(auth_is_session(&a, "", 0));
}

static void a_session_ends_when_it_is_not_used(void **state)
{
	(void)state;
	assert_int_equal(try("10.0.0.1", "123456", 0), AUTH_OK);
	assert_true(auth_is_session(&a, token, AUTH_IDLE_MS));
	assert_true(auth_is_session(&a, token, 2 * AUTH_IDLE_MS));
	assert_false(auth_is_session(&a, token, 3 * AUTH_IDLE_MS + 1));
}

static void another_pin_ends_all_sessions(void **state)
{
	(void)state;
	assert_int_equal(try("10.0.0.1", "123456", 0), AUTH_OK);
	set_pin("123456"); /* the same one again */
	assert_true(auth_is_session(&a, token, 1));
	set_pin("654321");
	assert_false(auth_is_session(&a, token, 1));
	assert_int_equal(try("10.0.0.1", "123456", 1), AUTH_WRONG);
	assert_int_equal(try("10.0.0.1", "654321", 1), AUTH_OK);
}

static void the_oldest_session_makes_room(void **state)
{
	char first[AUTH_TOKEN + 1];

	(void)state;
	assert_int_equal(try("10.0.0.1", "123456", 0), AUTH_OK);
	memcpy(first, token, sizeof(first));
	for (int i = 0; i < AUTH_SESSIONS; i++)
		assert_int_equal(try("10.0.0.1", "123456", 1 + i), AUTH_OK);
	assert_false(auth_is_session(&a, first, 100));
	assert_true(auth_is_session(&a, token, 100));
}

static void wrong_tries_are_slowed(void **state)
{
	int64_t now = 0;
	unsigned tried = 0;

	(void)state;
	assert_int_equal(try("10.0.0.1", "1", now), AUTH_WRONG);
	assert_int_equal(wait_s, 0);
	assert_int_equal(try("10.0.0.1", "2", now), AUTH_WRONG);
	assert_int_equal(try("10.0.0.1", "3", now), AUTH_WRONG);
	assert_int_equal(wait_s, 1);
	/* Not even the right one, before its time. */
	assert_int_equal(try("10.0.0.1", "123456", now + 999), AUTH_WAIT);
	assert_int_equal(try("10.0.0.1", "4", now + 1000), AUTH_WRONG);
	assert_int_equal(wait_s, 2);
	/* Another client is not held up. */
	assert_int_equal(try("10.0.0.2", "123456", now + 1000), AUTH_OK);
	/* A day of trying without rest. */
	for (now = 2000; now < 24LL * 3600 * 1000; now += 500)
		tried += try("10.0.0.1", "5", now) == AUTH_WRONG;
	assert_in_range(tried, 10, 40);
	/* The right one ends it. */
	now += 3600 * 1000;
	assert_int_equal(try("10.0.0.1", "123456", now), AUTH_OK);
	assert_int_equal(try("10.0.0.1", "1", now), AUTH_WRONG);
	assert_int_equal(wait_s, 0);
}

/* From a new address each time, for a day. */
static void many_addresses_are_slowed_together(void **state)
{
	unsigned tried = 0, n = 0;
	char name[32];

	(void)state;
	for (int64_t now = 0; now < 24LL * 3600 * 1000; now += 1000) {
		snprintf(name, sizeof(name), "10.%u.%u.%u", n >> 16 & 255,
		    n >> 8 & 255, n & 255);
		n++;
		tried += try(name, "1", now) == AUTH_WRONG;
	}
	/* 30 at once and one each half a minute: 120 an hour. A million PINs
	 * then take a year. */
	assert_in_range(tried, 1000, 24 * 160);
}

static void forms_carry_a_token(void **state)
{
	(void)state;
	assert_int_equal(strlen(auth_csrf(&a)), AUTH_TOKEN);
	assert_true(auth_csrf_fits(&a, auth_csrf(&a)));
	assert_false(auth_csrf_fits(&a, ""));
	assert_false(auth_csrf_fits(&a, "0"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(the_pin_opens_a_session, set_up),
		cmocka_unit_test_setup(nobody_gets_in_without_a_pin, set_up),
		cmocka_unit_test_setup(
		    a_session_ends_when_it_is_not_used, set_up),
		cmocka_unit_test_setup(another_pin_ends_all_sessions, set_up),
		cmocka_unit_test_setup(the_oldest_session_makes_room, set_up),
		cmocka_unit_test_setup(wrong_tries_are_slowed, set_up),
		cmocka_unit_test_setup(
		    many_addresses_are_slowed_together, set_up),
		cmocka_unit_test_setup(forms_carry_a_token, set_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
