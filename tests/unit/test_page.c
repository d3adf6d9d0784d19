/*
 * The page: escaping, the LED table in it, its policy, and what each state
 * shows.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <openssl/evp.h>
#include <openssl/sha.h>

#include "markup.h"
#include "page.h"
#include "words.h"

static char html[262144];

static const char *live(const struct status *st)
{
	struct markup m;

	markup_init(&m, html, sizeof(html));
	page_live(st, PAGE_ALL, "", &m);
	assert_false(m.cut);
	return html;
}

static void one_phone(struct status *st, const char *name)
{
	struct status_phone *p = &st->phones[0];

	memset(st, 0, sizeof(*st));
	st->now_at = 1700000000;
	st->box_state = STATE_READY;
	strcpy(st->box, "nightstand");
	st->n_phones = 1;
	snprintf(p->name, sizeof(p->name), "%s", name);
	strcpy(p->model, "iPhone 15");
	p->attached = true;
	p->battery_pct = 80;
	p->eta_s = -1;
	p->state = STATE_SAFE;
	p->last_good_at = st->now_at - 7200;
	p->versions = 3;
	status_settle(st);
}

/* --- escaping ------------------------------------------------------------- */

static const char *text(const char *in)
{
	static char out[8192];
	struct markup m;

	markup_init(&m, out, sizeof(out));
	markup_text(&m, in);
	assert_false(m.cut);
	return out;
}

static void text_is_escaped(void **state)
{
	(void)state;
	assert_string_equal(text("<a href=\"x\" b='y'>&amp;"),
	    "&lt;a href=&quot;x&quot; b=&#39;y&#39;&gt;&amp;amp;");
	assert_string_equal(text("Ana’s 📱"), "Ana’s 📱");
	assert_string_equal(text(""), "");
	/* control and direction characters go, broken UTF-8 is replaced */
	assert_string_equal(text("a\x01\x7f\nb"), "ab");
	assert_string_equal(text("a\xe2\x80\xae"
				 "b"),
	    "ab");
	assert_string_equal(text("a\xff"
				 "b"),
	    "a\xef\xbf\xbd"
	    "b");
}

static void what_does_not_fit_is_cut_and_said(void **state)
{
	char out[8];
	struct markup m;

	(void)state;
	markup_init(&m, out, sizeof(out));
	markup_raw(&m, "1234567");
	assert_false(m.cut);
	markup_raw(&m, "8");
	assert_true(m.cut);
	markup_raw(&m, "");
	assert_string_equal(out, "1234567");
}

static void hostile_names_stay_text(void **state)
{
	struct status st;

	(void)state;
	one_phone(&st, "\"><script>alert(1)</script><i x='");
	st.n_nights = 1;
	st.nights[0].state = STATE_SAFE;
	st.nights[0].at = st.now_at;
	strcpy(st.nights[0].phone, "<script>");
	strcpy(st.phones[0].detail, "<script>");
	strcpy(st.phones[0].ios, "<script>");
	st.disk.present = true;
	st.disk.total_bytes = 10;
	strcpy(st.disk.path, "<script>");
	for (unsigned s = 0; s < STATE_COUNT_; s++) {
		st.phones[0].state = s;
		st.box_state = s % 2 ? STATE_READY : s;
		status_settle(&st);
		assert_null(strstr(live(&st), "<script"));
		assert_null(strchr(html, '\n')); /* one line of an event */
	}
	assert_non_null(strstr(html, "&lt;script&gt;alert(1)"));
}

/* --- what it shows -------------------------------------------------------- */

/* Opened and closed elements balance, so that it can be put into a page. */
static void assert_balanced(const char *s)
{
	int depth = 0;

	for (; (s = strchr(s, '<')); s++) {
		const char *end = strchr(s, '>');

		assert_non_null(end);
		if (s[1] == '/')
			depth--;
		else if (end[-1] != '/' && strncmp(s, "<input", 6) != 0)
			depth++;
		assert_true(depth >= 0);
	}
	assert_int_equal(depth, 0);
}

static void every_state_shows_its_words(void **state)
{
	struct status st;
	struct words w;

	(void)state;
	for (unsigned s = 0; s < STATE_COUNT_; s++) {
		char want[80];

		one_phone(&st, "Ana");
		st.phones[0].state = s;
		st.state = s;
		st.phone = 0;
		words_box(&st, &w);
		live(&st);
		assert_balanced(html);
		snprintf(want, sizeof(want), "data-state=\"%s\"", w.id);
		assert_non_null(strstr(html, want));
		assert_non_null(strstr(html, "<h1>"));
		/* a bar only while something moves by itself */
		assert_int_equal(strstr(html, "role=\"progressbar\"") != NULL,
		    s == STATE_PREPARING || s == STATE_RECEIVING ||
			s == STATE_CHECKING);
	}
}

static const char *forms(const struct status *st)
{
	struct markup m;

	markup_init(&m, html, sizeof(html));
	page_password(st, "c5rf", &m);
	assert_false(m.cut);
	assert_balanced(html);
	return html;
}

static void the_password_has_a_form_for_each_case(void **state)
{
	struct status st;

	(void)state;
	one_phone(&st, "<b>Ana");
	assert_non_null(strstr(forms(&st), "Switch on encryption"));
	assert_non_null(strstr(html, "&lt;b&gt;Ana"));
	assert_non_null(strstr(html, "value=\"c5rf\""));
	assert_null(strstr(html, "Switch it off"));
	assert_null(strstr(html, "name=\"old\"")); /* it has none, for sure */
	st.phones[0].will_encrypt = -1;
	assert_non_null(strstr(forms(&st), "name=\"old\""));
	st.phones[0].will_encrypt = 1;
	assert_non_null(strstr(forms(&st), "Switch it off"));
	assert_null(strstr(html, "Switch on encryption"));
	st.phones[0].state = STATE_RECEIVING;
	assert_null(strstr(forms(&st), "<form"));
	st.phones[0].state = STATE_SAFE;
	st.phones[0].attached = false;
	assert_null(strstr(forms(&st), "<form"));
	st.n_phones = 0;
	assert_null(strstr(forms(&st), "<form"));
}

/* Only who has signed in sees the way to it. */
static void the_way_to_the_password_is_the_owners(void **state)
{
	struct status st;
	struct markup m;

	(void)state;
	one_phone(&st, "Ana");
	assert_null(strstr(live(&st), "/password"));
	markup_init(&m, html, sizeof(html));
	page_live(&st, PAGE_OWNER, "c5rf", &m);
	assert_non_null(strstr(html, "Health and passwords are not in this"));
	assert_non_null(strstr(html, "href=\"/password#"));
	/* what is typed must not stand in what a script changes */
	assert_null(strstr(html, "name=\"again\""));
}

static void age_and_room_are_at_hand(void **state)
{
	struct status st;

	(void)state;
	one_phone(&st, "Ana");
	st.disk.present = true;
	st.disk.total_bytes = 2000000000000;
	st.disk.free_bytes = 500000000000;
	live(&st);
	assert_non_null(strstr(html, "2 hours ago"));
	assert_non_null(strstr(html, "<rect width=\"75.00%\"/>"));
	assert_non_null(strstr(html, "80 %"));
	st.phones[0].last_good_at = st.now_at - 59;
	assert_non_null(strstr(live(&st), "just now"));
	st.phones[0].last_good_at = st.now_at - 60;
	assert_non_null(strstr(live(&st), "1 minute ago"));
	st.phones[0].last_good_at = st.now_at - 5 * 86400;
	assert_non_null(strstr(live(&st), "5 days ago"));
	st.phones[0].last_good_at = st.now_at + 999; /* a clock set back */
	assert_non_null(strstr(live(&st), "just now"));
	st.phones[0].last_good_at = 0;
	assert_non_null(strstr(live(&st), "None yet"));
}

static void sizes_are_drawn_over_time(void **state)
{
	struct status st;
	struct status_phone *p = &st.phones[0];

	(void)state;
	one_phone(&st, "Ana");
	p->n_sizes = 1;
	p->sizes[0] = (struct status_size){ st.now_at, 3000000000, 0 };
	assert_null(strstr(live(&st), "<figure")); /* one is no line */
	p->n_sizes = 3;
	p->sizes[1] = (struct status_size){ st.now_at - 86400, 1500000000, 0 };
	p->sizes[2] = (struct status_size){ st.now_at - 4 * 86400, 0, 0 };
	live(&st);
	assert_non_null(strstr(
	    html, "<polyline points=\" 0.0,64.0 240.0,34.0 320.0,4.0\"/>"));
	assert_non_null(strstr(html, "3 backups, up to 3.0 GB"));
	/* A clock that was set back draws no line that goes back. */
	p->sizes[1].at = st.now_at + 999999;
	p->sizes[0].at = p->sizes[2].at;
	live(&st);
	assert_null(strstr(html, "nan"));
	assert_null(strstr(html, "\"-"));
}

static void the_disk_says_what_goes_next(void **state)
{
	struct status st;

	(void)state;
	one_phone(&st, "Ana");
	st.disk.present = true;
	assert_non_null(strstr(live(&st), "nothing may go"));
	assert_non_null(strstr(html, "not yet; a part each night"));
	st.phones[0].next_gone_at = st.now_at - 90 * 86400;
	st.phones[0].next_gone_bytes = 2500000000;
	st.disk.read_at = st.now_at - 86400;
	live(&st);
	assert_non_null(strstr(html, "goes first, 2.5 GB"));
	assert_non_null(strstr(html, "all whole"));
	st.phones[0].damaged_older = 1;
	assert_non_null(strstr(live(&st), "1 file is damaged"));
}

static void the_machine_tells_heat_and_weak_power(void **state)
{
	struct status st;

	(void)state;
	one_phone(&st, "Ana");
	assert_null(strstr(live(&st), "Temperature"));
	assert_null(strstr(html, "Power supply"));
	st.health.has_temperature = true;
	st.health.temperature_c = 84;
	st.health.weak_power_times = 2;
	st.health.weak_power_at = st.now_at - 60;
	st.health.restarts = 1;
	live(&st);
	assert_non_null(strstr(html, "84 °C: too hot"));
	assert_non_null(strstr(html, "too weak 2 times"));
	assert_non_null(strstr(html, "Parts restarted"));
	st.health.supply_ma = 3000;
	st.health.usb_limit_ma = 600;
	live(&st);
	assert_non_null(strstr(html, "3.0 A, too weak 2 times"));
	assert_non_null(strstr(html, "share 600 mA"));
}

static void no_phone_and_many_nights_are_fine(void **state)
{
	struct status st;

	(void)state;
	one_phone(&st, "Ana");
	st.n_phones = 0;
	st.phone = -1;
	st.state = STATE_READY;
	assert_non_null(strstr(live(&st), "No phone has been here"));
	assert_balanced(html);

	one_phone(&st, "Ana");
	st.n_nights = LIMIT_NIGHTS;
	for (unsigned i = 0; i < LIMIT_NIGHTS; i++) {
		st.nights[i].state = i % 3 ? STATE_SAFE : STATE_NO_DISK;
		st.nights[i].at = st.now_at - (int64_t)i * 86400;
	}
	assert_non_null(strstr(live(&st), "25 earlier"));
	assert_non_null(strstr(html, "9 backed up")); /* of 14 */
	assert_balanced(html);
}

/* --- the frame ------------------------------------------------------------ */

static void the_light_blinks_as_in_the_table(void **state)
{
	struct page p;

	(void)state;
	assert_int_equal(page_init(&p), RC_OK);
	for (unsigned i = 0; i < LED_PATTERN_COUNT_; i++) {
		const struct led_grammar *g = led_grammar(i);
		char want[128];

		snprintf(want, sizeof(want), ".led-%s{--led:%u %u %u}", g->id,
		    g->rgb[0], g->rgb[1], g->rgb[2]);
		assert_non_null(strstr(p.buf, want));
		snprintf(want, sizeof(want), "animation:led-%s %lldms", g->id,
		    (long long)led_pattern_period_ms(i));
		assert_int_equal(strstr(p.buf, want) != NULL, g->n_steps > 1);
		snprintf(want, sizeof(want), "%s · %s", g->rhythm, g->colour);
		assert_non_null(strstr(p.buf, want));
	}
	/* 150 ms on, 150 off, 150 on, 1,050 off */
	assert_non_null(strstr(p.buf,
	    "@keyframes led-look{0.00%{opacity:1}10.00%{opacity:1}"
	    "10.01%{opacity:0}20.00%{opacity:0}"
	    "20.01%{opacity:1}30.00%{opacity:1}"
	    "30.01%{opacity:0}100.00%{opacity:0}}"));
	page_fini(&p);
}

static void assert_hash(const char *s, const char *open, const char *close,
    const char *headers, const char *rule)
{
	unsigned char hash[SHA256_DIGEST_LENGTH];
	char b64[64], want[128];
	const char *from = strstr(s, open), *to;

	assert_non_null(from);
	from += strlen(open);
	to = strstr(from, close);
	assert_non_null(to);
	assert_null(strstr(to, open)); /* there is just one */
	SHA256((const unsigned char *)from, (size_t)(to - from), hash);
	EVP_EncodeBlock((unsigned char *)b64, hash, sizeof(hash));
	snprintf(want, sizeof(want), "%s 'sha256-%s'", rule, b64);
	assert_non_null(strstr(headers, want));
}

static void the_policy_lets_run_what_is_in_the_page(void **state)
{
	static char all[262144];
	struct markup m;
	struct page p;
	struct status st;

	(void)state;
	assert_int_equal(page_init(&p), RC_OK);
	one_phone(&st, "Ana");
	markup_init(&m, all, sizeof(all));
	markup_bytes(&m, p.before, p.before_len);
	markup_raw(&m, live(&st));
	markup_bytes(&m, p.after, p.after_len);
	assert_hash(all, "<style>", "</style>", p.headers, "style-src");
	assert_hash(all, "<script>", "</script>", p.headers, "script-src");
	assert_null(strstr(all, "style=\"")); /* the policy forbids them */
	assert_null(strstr(all, "onclick"));
	assert_null(strstr(all, "//cdn"));
	assert_null(strstr(all, "https:"));
	assert_true(strlen(all) < 60000);
	page_fini(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text_is_escaped),
		cmocka_unit_test(what_does_not_fit_is_cut_and_said),
		cmocka_unit_test(hostile_names_stay_text),
		cmocka_unit_test(every_state_shows_its_words),
		cmocka_unit_test(the_password_has_a_form_for_each_case),
		cmocka_unit_test(the_way_to_the_password_is_the_owners),
		cmocka_unit_test(age_and_room_are_at_hand),
		cmocka_unit_test(sizes_are_drawn_over_time),
		cmocka_unit_test(the_disk_says_what_goes_next),
		cmocka_unit_test(the_machine_tells_heat_and_weak_power),
		cmocka_unit_test(no_phone_and_many_nights_are_fine),
		cmocka_unit_test(the_light_blinks_as_in_the_table),
		cmocka_unit_test(the_policy_lets_run_what_is_in_the_page),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
