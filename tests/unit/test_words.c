/* The one language: every state has words, names are kept harmless, numbers
 * and dates read as Apple and people write them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "words.h"

#define NOW 1795477260 /* Monday 23 November 2026, 23:41 UTC */
#define DAY 86400

static struct status *one_phone(enum status_state state)
{
	static struct status st;
	struct status_phone *p = &st.phones[0];

	memset(&st, 0, sizeof(st));
	st.now_at = NOW;
	st.box_state = STATE_READY;
	st.n_phones = 1;
	snprintf(p->name, sizeof(p->name), "Ana's iPhone");
	snprintf(p->udid, sizeof(p->udid), "00008120-0010BD9489E70017");
	p->state = state;
	p->attached = true;
	p->battery_pct = -1;
	p->eta_s = -1;
	status_settle(&st);
	return &st;
}

static void every_state_has_its_words(void **state)
{
	(void)state;
	for (int i = 0; i < STATE_COUNT_; i++) {
		struct words w;

		words_phone(one_phone((enum status_state)i), 0, &w);
		assert_string_equal(
		    w.id, status_state_id((enum status_state)i));
		assert_string_not_equal(w.id, "unknown");
		assert_true(w.headline[0] != '\0');
		assert_null(strchr(w.headline, '{'));
		assert_null(strchr(w.sentence, '{'));
		assert_null(strstr(w.headline, "error occurred"));
		assert_int_equal(status_state_from_id(w.id), i);
	}
	assert_int_equal(status_state_from_id("nonsense"), STATE_COUNT_);
}

static void the_glance_reads_as_designed(void **state)
{
	struct status *st = one_phone(STATE_SAFE);
	struct words w;

	(void)state;
	st->phones[0].last_good_at = NOW;
	st->phones[0].last_new_files = 1204;
	st->phones[0].last_new_bytes = 2100000000;
	words_box(st, &w);
	assert_string_equal(w.headline, "Everything on Ana's iPhone is safe");
	assert_string_equal(w.sentence,
	    "Backed up today at 23:41 \u00b7 1,204 new files, 2.1 GB \u00b7 "
	    "checked.");
	assert_int_equal(w.led, LED_SAFE);

	st = one_phone(STATE_WANTS_PASSCODE);
	st->phones[0].last_good_at = NOW - DAY - 180;
	words_box(st, &w);
	assert_string_equal(w.headline, "Enter the passcode on Ana's iPhone");
	assert_non_null(
	    strstr(w.sentence, "Last safe backup: yesterday, 23:38."));
	assert_int_equal(w.led, LED_LOOK);

	st = one_phone(STATE_RECEIVING);
	st->phones[0].pct_x100 = 3850;
	st->phones[0].eta_s = 720;
	st->phones[0].last_good_at = NOW - DAY;
	words_box(st, &w);
	assert_string_equal(w.headline, "Backing up Ana's iPhone: 38 %");
	assert_string_equal(w.sentence,
	    "About 12 minutes left. Leave it plugged in. The backup of "
	    "yesterday 23:41 stays safe until this one is complete.");
}

static void a_hint_for_who_has_no_password(void **state)
{
	struct status *st = one_phone(STATE_SAFE);
	struct words w;

	(void)state;
	assert_false(words_hint(st, 0, &w)); /* no backup yet */
	st->phones[0].last_good_at = NOW;
	assert_true(words_hint(st, 0, &w));
	assert_string_equal(w.id, "not_encrypted");
	assert_non_null(strstr(w.sentence, "encrypted backups"));
	st->phones[0].will_encrypt = 1; /* the next one will be */
	assert_false(words_hint(st, 0, &w));
	st->phones[0].will_encrypt = -1;
	assert_true(words_hint(st, 0, &w));
	st->phones[0].encrypted = true;
	assert_false(words_hint(st, 0, &w));
	assert_false(words_hint(st, 1, &w));
}

static void a_password_that_stayed_says_why(void **state)
{
	struct status *st = one_phone(STATE_PASSWORD_UNCHANGED);
	struct words w;

	(void)state;
	st->phones[0].mb_code = 208;
	strcpy(st->phones[0].detail, "it is busy");
	words_phone(st, 0, &w);
	assert_string_equal(w.headline,
	    "The backup password of Ana's iPhone was not changed: it is busy");
	assert_string_equal(w.small, "MBErrorDomain 208: it is busy");
}

static void the_passcode_is_for_the_password(void **state)
{
	struct status *st = one_phone(STATE_WANTS_PASSCODE);
	struct words w;

	(void)state;
	words_phone(st, 0, &w);
	assert_non_null(strstr(w.sentence, "every backup"));
	st->phones[0].sets_password = true;
	words_phone(st, 0, &w);
	assert_non_null(strstr(w.sentence, "takes a backup password"));
}

static void overdue_tells_why_it_was_missed(void **state)
{
	struct status *st = one_phone(STATE_READY_OVERDUE);
	struct status_night *n = &st->nights[0];
	struct words w;

	(void)state;
	st->phones[0].overdue_days = 6;
	st->phones[0].attached = false;
	st->n_nights = 1;
	n->at = NOW - 6 * DAY;
	n->state = STATE_PASSCODE_MISSED;
	snprintf(n->udid, sizeof(n->udid), "%s", st->phones[0].udid);
	words_phone(st, 0, &w);
	assert_string_equal(
	    w.headline, "Ana's iPhone has not been backed up for 6 days");
	assert_string_equal(w.sentence,
	    "Plug it in tonight. It was last seen Tuesday 23:41; passcode was "
	    "not entered.");
	assert_int_equal(w.led, LED_OVERDUE);
}

static void a_loss_is_told_after_the_night(void **state)
{
	static const struct {
		const char *domain, *what;
	} rows[] = {
		{ "", "files" },
		{ "CameraRollDomain", "photos and videos" },
		{ "AppDomain-net.example.app",
		    "files of the app net.example.app" },
		{ "AppDomain", "files of AppDomain" },
		{ "AppDomain-", "files of AppDomain-" },
		{ "Odd\x1b[Domain", "files of Odd[Domain" },
	};
	struct status *st = one_phone(STATE_SAFE);
	struct status_phone *p = &st->phones[0];
	struct words w;
	char want[160];

	(void)state;
	status_tell_loss(p);
	assert_int_equal(p->state, STATE_SAFE);
	p->loss_pct = 38;
	p->loss_at = NOW - DAY;
	p->last_good_at = NOW;
	p->state = STATE_RECEIVING;
	status_tell_loss(p);
	assert_int_equal(p->state, STATE_RECEIVING);
	p->state = STATE_SAFE;
	status_tell_loss(p);
	assert_int_equal(p->state, STATE_SHRUNK);
	p->attached = false;
	status_settle(st);
	assert_int_equal(st->led, LED_OVERDUE);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		snprintf(p->loss_domain, sizeof(p->loss_domain), "%s",
		    rows[i].domain);
		words_box(st, &w);
		snprintf(want, sizeof(want),
		    "Ana's iPhone holds 38 %% fewer %s than before",
		    rows[i].what);
		assert_string_equal(w.headline, want);
		assert_string_equal(w.sentence,
		    "If you did not delete them: the backup of yesterday 23:41 "
		    "has them all and is kept until you say otherwise. Last "
		    "safe backup: today, 23:41.");
	}
	assert_int_equal(w.severity, WORDS_ACT);
}

static void codes_stand_in_small_print(void **state)
{
	struct status *st = one_phone(STATE_PHONE_FAILED);
	struct words w;

	(void)state;
	st->phones[0].mb_code = 104;
	snprintf(st->phones[0].detail, sizeof(st->phones[0].detail),
	    "Domain\x1b[31m \xff text");
	words_phone(st, 0, &w);
	assert_non_null(strstr(w.headline, "could not be read"));
	assert_non_null(strstr(w.sentence, "Restart the phone"));
	assert_string_equal(
	    w.small, "MBErrorDomain 104: Domain[31m \xef\xbf\xbd text");
	/* A code that nobody knows has words, too. */
	st->phones[0].mb_code = 4711;
	words_phone(st, 0, &w);
	assert_non_null(strstr(w.headline, "it gave no reason"));
	assert_non_null(strstr(w.small, "4711"));
}

static void a_name_can_not_rewrite_the_sentence(void **state)
{
	struct status *st = one_phone(STATE_SAFE);
	struct words w;

	(void)state;
	snprintf(st->phones[0].name, sizeof(st->phones[0].name),
	    "A\u202enob{pct}\n");
	words_phone(st, 0, &w);
	assert_string_equal(w.headline, "Everything on Anob{pct} is safe");
	/* Nothing but such things: called by its model, or plainly. */
	snprintf(st->phones[0].name, sizeof(st->phones[0].name), "\u202e");
	words_phone(st, 0, &w);
	assert_string_equal(w.headline, "Everything on the iPhone is safe");
	st->phones[0].state = STATE_UNPLUGGED;
	words_phone(st, 0, &w);
	assert_string_equal(
	    w.headline, "The iPhone was unplugged before the end");
}

static void long_text_is_cut_at_a_character(void **state)
{
	struct status *st = one_phone(STATE_RECEIVING);
	char out[32];
	struct words w;

	(void)state;
	for (size_t i = 0; i + 4 < sizeof(st->phones[0].name); i += 3)
		memcpy(st->phones[0].name + i, "\u6f22", 4);
	words_phone(st, 0, &w);
	assert_true(strlen(w.headline) < sizeof(w.headline));
	for (size_t cap = 4; cap < sizeof(out); cap++) {
		words_phone_name(&st->phones[0], out, cap);
		assert_int_equal(strlen(out) % 3, 0);
	}
}

static void bytes(void **state)
{
	static const struct {
		uint64_t n;
		const char *text;
	} cases[] = {
		{ 0, "0 bytes" },
		{ 999, "999 bytes" },
		{ 1000, "1 kB" },
		{ 640000000, "640 MB" },
		{ 2100000000, "2.1 GB" },
		{ 9960000000, "10 GB" },
		{ 38200000000, "38 GB" },
		{ 999949999, "1000 MB" },
		{ 999999999, "1.0 GB" },
		{ 1000000000000, "1.0 TB" },
		{ UINT64_MAX, "18447 PB" },
	};
	char out[40];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		words_bytes(cases[i].n, out, sizeof(out));
		assert_string_equal(out, cases[i].text);
	}
}

static void counts_and_durations(void **state)
{
	char out[64];

	(void)state;
	words_count(0, out, sizeof(out));
	assert_string_equal(out, "0");
	words_count(1204, out, sizeof(out));
	assert_string_equal(out, "1,204");
	words_count(UINT64_MAX, out, sizeof(out));
	assert_string_equal(out, "18,446,744,073,709,551,615");
	words_duration(1, out, sizeof(out));
	assert_string_equal(out, "1 second");
	words_duration(-5, out, sizeof(out));
	assert_string_equal(out, "0 seconds");
	words_duration(720, out, sizeof(out));
	assert_string_equal(out, "12 minutes");
	words_duration(3600, out, sizeof(out));
	assert_string_equal(out, "1 hour");
	words_duration(3600 + 120, out, sizeof(out));
	assert_string_equal(out, "1 hour 2 minutes");
}

static void dates(void **state)
{
	static const struct {
		int64_t ago;
		const char *text;
	} cases[] = {
		{ 0, "today 23:41" },
		{ 23 * 3600 + 41 * 60, "today 00:00" },
		{ 23 * 3600 + 42 * 60, "yesterday 23:59" },
		{ 6 * DAY, "Tuesday 23:41" },
		{ 7 * DAY, "16 November 2026" },
		{ -DAY, "24 November 2026" },
		{ NOW, "never" },
	};
	char out[48];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		words_when(NOW, NOW - cases[i].ago, out, sizeof(out));
		assert_string_equal(out, cases[i].text);
	}
	/* 29 March 2026: the day has 23 hours in Berlin, and still one
	 * midnight. */
	setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3", 1);
	tzset();
	words_when(1774819800, 1774819800 - 81900, out, sizeof(out));
	assert_string_equal(out, "yesterday 23:45");
	setenv("TZ", "UTC0", 1);
	tzset();
}

static void nights(void **state)
{
	struct status *st = one_phone(STATE_READY);
	struct status_night *n = &st->nights[0];
	char out[200];

	(void)state;
	st->n_nights = 1;
	n->state = STATE_SAFE;
	n->new_files = 1204;
	n->new_bytes = 2100000000;
	n->seconds = 720;
	words_night(st, 0, out, sizeof(out));
	assert_string_equal(
	    out, "backed up: 1,204 new files, 2.1 GB, 12 minutes");
	n->state = STATE_UNPLUGGED;
	n->pct_x100 = 3899;
	words_night(st, 0, out, sizeof(out));
	assert_string_equal(out, "unplugged at 38 %");
	n->state = STATE_PHONE_FAILED;
	n->mb_code = 0;
	snprintf(n->detail, sizeof(n->detail), "it gave no sign of life");
	words_night(st, 0, out, sizeof(out));
	assert_string_equal(out, "it gave no sign of life");
	words_night(st, 1, out, sizeof(out));
	assert_string_equal(out, "");
}

static void what_matters_most_is_told(void **state)
{
	struct status *st = one_phone(STATE_SAFE);

	(void)state;
	assert_int_equal(st->state, STATE_SAFE);
	assert_int_equal(st->phone, 0);
	/* A second phone wants its passcode. */
	st->n_phones = 2;
	st->phones[1].attached = true;
	st->phones[1].state = STATE_WANTS_PASSCODE;
	status_settle(st);
	assert_int_equal(st->phone, 1);
	assert_int_equal(st->led, LED_LOOK);
	/* Without a disk nothing can run. */
	st->box_state = STATE_NO_DISK;
	status_settle(st);
	assert_int_equal(st->phone, -1);
	assert_int_equal(st->led, LED_NO_DISK);
	/* A phone that is safe and elsewhere is no news. */
	st = one_phone(STATE_SAFE);
	st->phones[0].attached = false;
	status_settle(st);
	assert_int_equal(st->state, STATE_READY);
	assert_int_equal(st->led, LED_READY);
	/* What was missed shows as missed until it is overdue. */
	st = one_phone(STATE_PASSCODE_MISSED);
	assert_int_equal(st->led, LED_LOOK);
	st->phones[0].overdue_days = 4;
	status_settle(st);
	assert_int_equal(st->led, LED_OVERDUE);
}

static void the_one_phone_that_is_not_there_has_words(void **state)
{
	struct status *st = one_phone(STATE_SAFE);
	struct words w;
	char out[64];

	(void)state;
	words_phone(st, 7, &w);
	assert_string_equal(w.headline, "Ready");
	words_last_good(st, 7, out, sizeof(out));
	assert_string_equal(out, "No backup yet.");
	st->phone = 99;
	words_box(st, &w);
	assert_true(w.headline[0] != '\0');
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_state_has_its_words),
		cmocka_unit_test(the_glance_reads_as_designed),
		cmocka_unit_test(a_hint_for_who_has_no_password),
		cmocka_unit_test(a_password_that_stayed_says_why),
		cmocka_unit_test(the_passcode_is_for_the_password),
		cmocka_unit_test(overdue_tells_why_it_was_missed),
		cmocka_unit_test(a_loss_is_told_after_the_night),
		cmocka_unit_test(codes_stand_in_small_print),
		cmocka_unit_test(a_name_can_not_rewrite_the_sentence),
		cmocka_unit_test(long_text_is_cut_at_a_character),
		cmocka_unit_test(bytes),
		cmocka_unit_test(counts_and_durations),
		cmocka_unit_test(dates),
		cmocka_unit_test(nights),
		cmocka_unit_test(what_matters_most_is_told),
		cmocka_unit_test(the_one_phone_that_is_not_there_has_words),
	};

	setenv("TZ", "UTC0", 1);
	tzset();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
