/* What is a backup password, and what became of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "password.h"

static bool fits(const char *word)
{
	char full[PASSWORD_CAP];

	strncpy(full, word, sizeof(full));
	return password_is_fit(full);
}

static void what_can_be_typed_fits(void **state)
{
	char full[PASSWORD_CAP + 1];

	(void)state;
	assert_true(fits(""));
	assert_true(fits(" a b "));
	assert_true(fits("Gr\u00f6\u00dfe \U0001f511 %&+="));
	assert_false(fits("a\nb"));
	assert_false(fits("a\tb"));
	assert_false(fits("\x7f"));
	assert_false(fits("\xff"));
	assert_false(fits("\xc3")); /* cut */
	memset(full, 'x', sizeof(full));
	assert_false(password_is_fit(full)); /* no end */
	full[PASSWORD_CAP - 1] = '\0';
	assert_true(password_is_fit(full));
}

static void a_change_has_one_word_at_least(void **state)
{
	struct password_change c;

	(void)state;
	memset(&c, 0, sizeof(c));
	assert_false(password_change_is_fit(&c));
	strcpy(c.new_word, "a");
	assert_true(password_change_is_fit(&c));
	strcpy(c.old_word, "\x01");
	assert_false(password_change_is_fit(&c));
	strcpy(c.old_word, "b");
	c.new_word[0] = '\0';
	assert_true(password_change_is_fit(&c));
}

static void wiping_leaves_nothing(void **state)
{
	struct password_change c, none;

	(void)state;
	memset(&c, 'x', sizeof(c));
	memset(&none, 0, sizeof(none));
	password_wipe(&c);
	assert_memory_equal(&c, &none, sizeof(c));
}

static void all_that_was_done_has_words(void **state)
{
	(void)state;
	assert_string_equal(password_did_words(PASSWORD_NOTHING), "");
	for (int d = PASSWORD_ON; d < PASSWORD_DID_COUNT_; d++) {
		const char *words = password_did_words((enum password_did)d);

		assert_true(words[0] != '\0');
		for (int k = PASSWORD_NOTHING; k < d; k++)
			assert_string_not_equal(
			    words, password_did_words((enum password_did)k));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_can_be_typed_fits),
		cmocka_unit_test(a_change_has_one_word_at_least),
		cmocka_unit_test(wiping_leaves_nothing),
		cmocka_unit_test(all_that_was_done_has_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
