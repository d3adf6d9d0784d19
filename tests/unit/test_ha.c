/* What Home Assistant is told: topics, values, and descriptions that fit them.
 * A real broker stands in tests/e2e/test_mqtt.py. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cjson/cJSON.h>
#include <cmocka.h>

#include "ha.h"

static const struct ha_names names = { .topic = "nightstand",
	.discovery = "homeassistant",
	.id = "nightstand-0a0b0c",
	.url = "http://nightstand.local/" };

static char topic_text[256], text[8192];

static void two_phones(struct status *st)
{
	memset(st, 0, sizeof(*st));
	st->now_at = 1700000000;
	st->box_state = STATE_READY;
	strcpy(st->box, "nightstand");
	strcpy(st->version, "0.1.0");
	st->disk.free_bytes = 1500000000000;
	st->n_phones = 2;
	for (unsigned i = 0; i < 2; i++) {
		st->phones[i].state = STATE_SAFE;
		st->phones[i].battery_pct = -1;
		st->phones[i].eta_s = -1;
	}
	strcpy(st->phones[0].udid, "00008120-0010BD9489E70017");
	strcpy(st->phones[0].name, "Ana's \"best\" {{ 1/0 }}");
	st->phones[0].last_good_at = 1699990000;
	strcpy(st->phones[1].udid, "0123456789abcdef0123456789abcdef01234567");
	strcpy(st->phones[1].name, "Ben");
	st->phones[1].overdue_days = 4;
	st->phones[1].battery_pct = 80;
	status_settle(st);
}

static cJSON *state_of(const struct status *st)
{
	struct markup m;
	cJSON *o;

	markup_init(&m, text, sizeof(text));
	ha_put_state(st, &m);
	assert_false(m.cut);
	o = cJSON_Parse(text);
	assert_non_null(o);
	return o;
}

static const char *string_at(const cJSON *o, const char *key)
{
	const char *s = cJSON_GetStringValue(cJSON_GetObjectItem(o, key));

	return s ? s : "(none)";
}

static void topics_are_of_this_box(void **state)
{
	struct markup m;

	(void)state;
	markup_init(&m, text, sizeof(text));
	ha_put_state_topic(&names, &m);
	assert_string_equal(text, "nightstand/nightstand-0a0b0c/state");
	markup_init(&m, text, sizeof(text));
	ha_put_available_topic(&names, &m);
	assert_string_equal(text, "nightstand/nightstand-0a0b0c/available");
}

static void values_are_in_one_message(void **state)
{
	struct status st;
	cJSON *o, *ana, *ben;

	(void)state;
	two_phones(&st);
	o = state_of(&st);
	assert_string_equal(string_at(o, "overdue"), "ON");
	assert_string_equal(string_at(o, "problem"), "OFF");
	assert_true(cJSON_GetObjectItem(o, "disk_free")->valuedouble == 1500);
	ana = cJSON_GetObjectItem(
	    cJSON_GetObjectItem(o, "phones"), "71007e9849db");
	ben = cJSON_GetObjectItem(
	    cJSON_GetObjectItem(o, "phones"), "76543210fedc");
	assert_non_null(ana);
	assert_non_null(ben);
	assert_string_equal(
	    string_at(ana, "last_good"), "2023-11-14T19:26:40+00:00");
	assert_string_equal(string_at(ana, "overdue"), "OFF");
	assert_true(cJSON_IsNull(cJSON_GetObjectItem(ana, "battery")));
	assert_true(cJSON_IsNull(cJSON_GetObjectItem(ben, "last_good")));
	assert_string_equal(string_at(ben, "overdue"), "ON");
	assert_int_equal(cJSON_GetObjectItem(ben, "battery")->valueint, 80);
	cJSON_Delete(o);
}

/* A phone's name is text in a description, never a part of a template. */
static void names_do_not_reach_templates(void **state)
{
	struct markup topic, payload;
	struct status st;
	unsigned n = 0;
	cJSON *o;

	(void)state;
	two_phones(&st);
	for (;; n++) {
		markup_init(&topic, topic_text, sizeof(topic_text));
		markup_init(&payload, text, sizeof(text));
		if (!ha_put_entity(&names, &st, n, &topic, &payload))
			break;
		assert_false(topic.cut || payload.cut);
		assert_int_equal(strspn(topic_text, "abcdefghijklmnopqrstuvwxyz"
						    "0123456789_-/"),
		    strlen(topic_text));
		o = cJSON_Parse(text);
		assert_non_null(o);
		assert_null(strstr(string_at(o, "value_template"), "1/0"));
		assert_string_equal(string_at(o, "state_topic"),
		    "nightstand/nightstand-0a0b0c/state");
		cJSON_Delete(o);
	}
	assert_int_equal(n, 4 + 2 * 5);
}

static void a_phone_that_nobody_knows_has_no_entity(void **state)
{
	struct markup topic, payload, m;
	struct status st;
	unsigned n = 0;

	(void)state;
	two_phones(&st);
	st.phones[2] = (struct status_phone){ .nameless = true,
		.state = STATE_USB_RESTRICTED };
	st.n_phones = 3;
	for (;; n++) {
		markup_init(&topic, topic_text, sizeof(topic_text));
		markup_init(&payload, text, sizeof(text));
		if (!ha_put_entity(&names, &st, n, &topic, &payload))
			break;
	}
	assert_int_equal(n, 4 + 2 * 5);
	markup_init(&m, text, sizeof(text));
	ha_put_state(&st, &m);
	assert_null(strstr(text, "\"\":"));
}

static void without_discovery_nothing_is_described(void **state)
{
	struct ha_names quiet = names;
	struct markup topic, payload;
	struct status st;

	(void)state;
	two_phones(&st);
	quiet.discovery[0] = '\0';
	markup_init(&topic, topic_text, sizeof(topic_text));
	markup_init(&payload, text, sizeof(text));
	assert_false(ha_put_entity(&quiet, &st, 0, &topic, &payload));
}

/* It has to fit what mqtt_link.c gives it. */
static void the_fullest_status_fits(void **state)
{
	static struct status st;

	(void)state;
	two_phones(&st);
	st.n_phones = LIMIT_PHONES;
	for (unsigned i = 0; i < LIMIT_PHONES; i++) {
		struct status_phone *p = &st.phones[i];

		*p = st.phones[0];
		p->udid[24] = (char)('a' + i);
		memset(p->name, '"', sizeof(p->name) - 1);
		p->name[sizeof(p->name) - 1] = '\0';
		p->state = STATE_PHONE_FAILED;
	}
	cJSON_Delete(state_of(&st));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(topics_are_of_this_box),
		cmocka_unit_test(values_are_in_one_message),
		cmocka_unit_test(names_do_not_reach_templates),
		cmocka_unit_test(a_phone_that_nobody_knows_has_no_entity),
		cmocka_unit_test(without_discovery_nothing_is_described),
		cmocka_unit_test(the_fullest_status_fits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
