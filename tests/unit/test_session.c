/* From how the link ended to why the session ended. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "verdict.h"

static enum session_end end_of(enum rc rc, const struct dlink_result *res)
{
	struct session_result out;

	memset(&out, 0, sizeof(out));
	verdict_of(rc, res, &out);
	assert_int_equal(out.rc, verdict_rc(out.end));
	return out.end;
}

static enum session_end end_of_code(int code, bool finished)
{
	struct dlink_result res = {
		.has_response = true, .mb_code = code, .finished = finished
	};

	return end_of(RC_OK, &res);
}

static void each_code_of_the_phone(void **state)
{
	(void)state;
	assert_int_equal(end_of_code(0, true), SESSION_END_DONE);
	assert_int_equal(end_of_code(0, false), SESSION_END_BROKEN_BACKUP);
	assert_int_equal(end_of_code(1, false), SESSION_END_PHONE_OTHER);
	assert_int_equal(end_of_code(3, false), SESSION_END_RESTART_PHONE);
	assert_int_equal(end_of_code(102, false), SESSION_END_PHONE_FULL);
	assert_int_equal(end_of_code(103, false), SESSION_END_BROKEN_BACKUP);
	assert_int_equal(end_of_code(104, false), SESSION_END_PHONE_FILES);
	assert_int_equal(end_of_code(105, false), SESSION_END_HOST_FULL);
	assert_int_equal(end_of_code(106, false), SESSION_END_HOST_FULL);
	assert_int_equal(end_of_code(202, false), SESSION_END_CANCELLED);
	assert_int_equal(end_of_code(203, false), SESSION_END_BROKEN_BACKUP);
	assert_int_equal(end_of_code(205, true), SESSION_END_BROKEN_BACKUP);
	assert_int_equal(end_of_code(207, false), SESSION_END_PASSWORD);
	assert_int_equal(end_of_code(208, false), SESSION_END_PASSCODE);
	assert_int_equal(end_of_code(211, false), SESSION_END_FIND_MY);
	assert_int_equal(end_of_code(212, false), SESSION_END_SETUP);
	assert_int_equal(end_of_code(-7, false), SESSION_END_PHONE_OTHER);
}

static void our_disk_is_named_before_the_phones_code(void **state)
{
	struct dlink_result res = { .has_response = true, .mb_code = 104 };

	(void)state;
	res.host_fault = RC_NOSPC;
	res.missing_bytes = 5;
	assert_int_equal(end_of(RC_OK, &res), SESSION_END_HOST_FULL);
	res.host_fault = RC_IO;
	assert_int_equal(end_of(RC_OK, &res), SESSION_END_HOST_DISK);
	/* Even when the phone noticed nothing. */
	res.mb_code = 0;
	res.finished = true;
	assert_int_equal(end_of(RC_OK, &res), SESSION_END_HOST_DISK);
	res.has_response = false;
	assert_int_equal(end_of(RC_GONE, &res), SESSION_END_HOST_DISK);
}

static void a_link_that_ends_without_a_word(void **state)
{
	struct dlink_result res = { 0 };

	(void)state;
	assert_int_equal(end_of(RC_GONE, &res), SESSION_END_UNPLUGGED);
	assert_int_equal(end_of(RC_TIMEOUT, &res), SESSION_END_SILENT);
	assert_int_equal(end_of(RC_CANCELLED, &res), SESSION_END_CANCELLED);
	assert_int_equal(end_of(RC_PROTO, &res), SESSION_END_PROTOCOL);
	assert_int_equal(end_of(RC_LIMIT, &res), SESSION_END_PROTOCOL);
	assert_int_equal(end_of(RC_NOMEM, &res), SESSION_END_INTERNAL);
	res.finished = true;
	assert_int_equal(end_of(RC_GONE, &res), SESSION_END_NO_LAST_WORD);
	assert_int_equal(end_of(RC_TIMEOUT, &res), SESSION_END_NO_LAST_WORD);
	assert_int_equal(end_of(RC_PROTO, &res), SESSION_END_PROTOCOL);
}

static void numbers_come_through(void **state)
{
	struct dlink_result res = { .has_response = true,
		.mb_code = 105,
		.missing_bytes = 123456,
		.files = 7,
		.bytes = 8,
		.incomplete = 9,
		.was_full = true,
		.waited_ms = 11 };
	struct session_result out;

	(void)state;
	memset(&out, 0, sizeof(out));
	strcpy(res.text, "Insufficient free disk space");
	strcpy(res.status_state, "uploading");
	verdict_of(RC_OK, &res, &out);
	assert_int_equal(out.missing_bytes, 123456);
	assert_int_equal(out.files, 7);
	assert_int_equal(out.bytes, 8);
	assert_int_equal(out.incomplete, 9);
	assert_true(out.was_full);
	assert_int_equal(out.phone_ms, 11);
	assert_int_equal(out.mb_code, 105);
	assert_int_equal(out.rc, RC_NOSPC);
	assert_string_equal(out.text, "Insufficient free disk space");
	assert_string_equal(out.status_state, "uploading");
}

static struct session_result of_password(
    enum rc rc, const struct dlink_result *res)
{
	struct session_result out;

	memset(&out, 0, sizeof(out));
	verdict_of_password(rc, res, &out);
	assert_int_equal(out.rc, verdict_rc(out.end));
	return out;
}

static void a_change_of_the_password_is_judged_by_its_response(void **state)
{
	struct dlink_result res = { .has_response = true };
	struct session_result out = of_password(RC_OK, &res);

	(void)state;
	assert_int_equal(out.end, SESSION_END_DONE);
	assert_false(out.unsure);
	res.mb_code = 207;
	out = of_password(RC_OK, &res);
	assert_int_equal(out.end, SESSION_END_PASSWORD);
	assert_int_equal(out.mb_code, 207);
	assert_false(out.unsure);
	res.mb_code = 208;
	assert_int_equal(of_password(RC_OK, &res).end, SESSION_END_PASSCODE);
	/* Without one nobody knows. */
	res = (struct dlink_result){ .has_response = false };
	out = of_password(RC_GONE, &res);
	assert_int_equal(out.end, SESSION_END_UNPLUGGED);
	assert_true(out.unsure);
	out = of_password(RC_TIMEOUT, &res);
	assert_int_equal(out.end, SESSION_END_SILENT);
	assert_true(out.unsure);
	assert_true(of_password(RC_CANCELLED, &res).unsure);
}

static void ids_are_all_there_and_differ(void **state)
{
	(void)state;
	for (int i = 0; i < SESSION_END_COUNT_; i++) {
		const char *id = session_end_id((enum session_end)i);

		assert_non_null(id);
		for (int k = 0; k < i; k++)
			assert_string_not_equal(
			    id, session_end_id((enum session_end)k));
	}
	assert_string_equal(session_end_id(SESSION_END_PASSCODE), "passcode");
	assert_string_equal(session_end_id(SESSION_END_COUNT_), "internal");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_code_of_the_phone),
		cmocka_unit_test(our_disk_is_named_before_the_phones_code),
		cmocka_unit_test(a_link_that_ends_without_a_word),
		cmocka_unit_test(numbers_come_through),
		cmocka_unit_test(
		    a_change_of_the_password_is_judged_by_its_response),
		cmocka_unit_test(ids_are_all_there_and_differ),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
