/* The change of the backup password on a scripted device link. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "dlink.h"
#include "fake_phone.h"
#include "log.h"

#define U FAKE_UDID

struct rig {
	struct fake_stream s;
	struct dlink *d;
	struct dlink_result res;
};

static struct rig *rig_new(void)
{
	struct rig *r = calloc(1, sizeof(*r));

	assert_non_null(r);
	log_set_level(LOG_LEVEL_ERROR);
	return r;
}

static void rig_free(struct rig *r)
{
	dlink_free(r->d);
	assert_int_equal(r->s.closed, 1);
	fake_stream_free(&r->s);
	free(r);
}

static struct pl *command(const char *name)
{
	struct pl *msg = pl_new_array();

	pl_add(msg, pl_new_str(name));
	return msg;
}

static void say_response(struct rig *r, int code, const char *text)
{
	struct pl *msg = command("DLMessageProcessMessage");
	struct pl *dict = pl_new_dict();

	pl_set(dict, "MessageName", pl_new_str("Response"));
	pl_set(dict, "ErrorCode", pl_new_int(code));
	if (text)
		pl_set(dict, "ErrorDescription", pl_new_str(text));
	pl_add(msg, dict);
	fake_message(&r->s.in, msg);
}

static enum rc serve_password(
    struct rig *r, const char *old_word, const char *new_word)
{
	static const struct dlink_waits waits = { 1000, 1000, 1000 };

	assert_int_equal(
	    dlink_new(fake_stream_of(&r->s), NULL, U, &waits, NULL, &r->d),
	    RC_OK);
	assert_int_equal(dlink_ask_password(r->d, old_word, new_word), RC_OK);
	return dlink_serve(r->d, &r->res);
}

static void a_password_goes_with_the_words_that_there_are(void **state)
{
	static const struct {
		const char *old_word, *new_word;
	} cases[] = { { "", "n\u00f6" }, { "alt", "neu" }, { "alt", "" },
		{ NULL, "neu" } };

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct rig *r = rig_new();
		const char *old_word = cases[i].old_word;
		const struct pl *dict;
		struct pl *msg;

		say_response(r, 0, NULL);
		assert_int_equal(
		    serve_password(r, old_word, cases[i].new_word), RC_OK);
		assert_true(r->res.has_response);
		msg = fake_written(&r->s, 0);
		dict = pl_at(msg, 1);
		assert_true(
		    pl_is_str(pl_get(dict, "MessageName"), "ChangePassword"));
		assert_true(pl_is_str(pl_get(dict, "TargetIdentifier"), U));
		if (old_word && old_word[0])
			assert_true(
			    pl_is_str(pl_get(dict, "OldPassword"), old_word));
		else
			assert_null(pl_get(dict, "OldPassword"));
		if (cases[i].new_word[0])
			assert_true(pl_is_str(
			    pl_get(dict, "NewPassword"), cases[i].new_word));
		else
			assert_null(pl_get(dict, "NewPassword"));
		pl_free(msg);
		rig_free(r);
	}
}

/* A phone that is no phone may give our own words back. */
static void a_password_is_never_taken_from_the_answer(void **state)
{
	struct rig *r = rig_new();

	(void)state;
	say_response(r, 207, "wrong: geheim");
	assert_int_equal(serve_password(r, "geheim", "neu"), RC_OK);
	assert_int_equal(r->res.mb_code, 207);
	assert_string_equal(r->res.text, "");
	rig_free(r);
	r = rig_new();
	fake_message(&r->s.in, command("DLMessageDisconnect"));
	assert_int_equal(serve_password(r, "geheim", "neu"), RC_GONE);
	assert_string_equal(r->res.text, "");
	assert_false(r->res.has_response);
	rig_free(r);
}

static void without_a_store_commands_are_refused(void **state)
{
	static const char *const names[] = { "DLMessageGetFreeDiskSpace",
		"DLMessageCreateDirectory", "DLMessageRemoveItems" };

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		struct rig *r = rig_new();
		int64_t code = 0;
		struct pl *msg;

		fake_message(&r->s.in, command(names[i]));
		say_response(r, 0, NULL);
		assert_int_equal(serve_password(r, "", "neu"), RC_OK);
		msg = fake_written(&r->s, 1);
		assert_true(
		    pl_is_str(pl_at(msg, 0), "DLMessageStatusResponse"));
		assert_int_equal(pl_int(pl_at(msg, 1), &code), RC_OK);
		assert_int_equal(code, -2);
		pl_free(msg);
		rig_free(r);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_password_goes_with_the_words_that_there_are),
		cmocka_unit_test(a_password_is_never_taken_from_the_answer),
		cmocka_unit_test(without_a_store_commands_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
