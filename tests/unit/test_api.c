/*
 * The JSON of the API: its names and their order are what other programs
 * rely on, so the whole of it stands here.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>
#include <cmocka.h>

#include "api.h"

static char json[262144];

/* Without words of the clock: those depend on the owner's zone. */
static void fill(struct status *st)
{
	struct status_phone *p = &st->phones[0];

	memset(st, 0, sizeof(*st));
	st->serial = 7;
	st->now_at = 1700000000;
	st->clock = STATUS_CLOCK_PHONE;
	st->clock_at = 1699990060;
	st->started_at = 1699990000;
	strcpy(st->box, "nightstand");
	strcpy(st->version, "0.1.0");
	st->box_state = STATE_READY;
	st->n_phones = 1;
	strcpy(p->udid, "00008120-000A1B2C3D4E5F60");
	strcpy(p->name, "Ana \"A\" <b>");
	strcpy(p->product_type, "iPhone15,4");
	strcpy(p->model, "iPhone 15");
	strcpy(p->ios, "18.1");
	p->state = STATE_WANTS_TRUST;
	p->state_at = 1699999990;
	p->attached = true;
	p->battery_pct = -1;
	p->eta_s = -1;
	st->disk = (struct status_disk){ .present = true,
		.path = "/mnt",
		.fs = "ext4",
		.total_bytes = 2000000000000,
		.free_bytes = 1500000000000,
		.read_at = 1699000000,
		.smart = { .told = true,
		    .temperature_c = 38,
		    .hours = 12034,
		    .pending = STATUS_SMART_UNKNOWN } };
	st->health.has_temperature = true;
	st->health.temperature_c = 51;
	st->health.usb_limit_ma = 600;
	st->health.restarts = 2;
	st->wifi.state = STATUS_WIFI_WEAK;
	strcpy(st->wifi.name, "Ana's \"home\"");
	st->wifi.signal_dbm = -80;
	st->health.last_reset = STATUS_RESET_WATCHDOG;
	p->n_sizes = 1;
	p->sizes[0] = (struct status_size){ 1698000000, 900, 100 };
	p->next_gone_at = 1697000000;
	p->next_gone_bytes = 123;
	p->port =
	    (struct status_port){ .mbit = 480, .asks_ma = 500, .name = "1-1" };
	status_settle(st);
}

static const char golden[] =
    "{\"serial\":7,\"now\":1700000000,"
    "\"clock\":{\"source\":\"phone\",\"known\":true,"
    "\"since\":1699990060},"
    "\"box\":{\"name\":\"nightstand\",\"version\":\"0.1.0\","
    "\"started_at\":1699990000,\"state\":\"ready\",\"detail\":\"\","
    "\"temperature_c\":51,\"weak_power_at\":null,"
    "\"weak_power_times\":0,\"supply_ma\":null,\"usb_limit_ma\":600,"
    "\"restarts\":2,\"last_reset\":\"watchdog\","
    "\"wifi\":{\"state\":\"weak\","
    "\"name\":\"Ana's \\\"home\\\"\",\"signal_dbm\":-80},"
    "\"certificate_sha256\":null,\"update\":null},"
    "\"state\":\"wants_trust\","
    "\"headline\":\"Tap \\\"Trust\\\" on Ana \\\"A\\\" <b>\","
    "\"sentence\":\"Unlock it, tap Trust, enter its passcode. This is needed "
    "once. No backup yet.\","
    "\"small\":\"\",\"severity\":\"act\","
    "\"led\":{\"id\":\"look\","
    "\"says\":\"look at your phone (trust, unlock, passcode)\","
    "\"rhythm\":\"double blink\",\"colour\":\"white\",\"rgb\":[255,255,255],"
    "\"steps\":[{\"ms\":150,\"from\":255,\"to\":255},"
    "{\"ms\":150,\"from\":0,\"to\":0},"
    "{\"ms\":150,\"from\":255,\"to\":255},"
    "{\"ms\":1050,\"from\":0,\"to\":0}]},"
    "\"phone\":\"00008120-000A1B2C3D4E5F60\","
    "\"disk\":{\"present\":true,\"path\":\"/mnt\",\"fs\":\"ext4\","
    "\"total_bytes\":2000000000000,\"free_bytes\":1500000000000,"
    "\"offer\":null,\"read_at\":1699000000,"
    "\"smart\":{\"failing\":false,\"temperature_c\":38,\"hours\":12034,"
    "\"reallocated\":0,\"pending\":null}},"
    "\"phones\":[{\"udid\":\"00008120-000A1B2C3D4E5F60\","
    "\"name\":\"Ana \\\"A\\\" <b>\",\"model\":\"iPhone 15\","
    "\"product_type\":\"iPhone15,4\",\"ios\":\"18.1\","
    "\"state\":\"wants_trust\","
    "\"headline\":\"Tap \\\"Trust\\\" on Ana \\\"A\\\" <b>\","
    "\"sentence\":\"Unlock it, tap Trust, enter its passcode. This is needed "
    "once.\","
    "\"small\":\"\",\"severity\":\"act\","
    "\"led\":{\"id\":\"look\","
    "\"says\":\"look at your phone (trust, unlock, passcode)\","
    "\"rhythm\":\"double blink\",\"colour\":\"white\",\"rgb\":[255,255,255],"
    "\"steps\":[{\"ms\":150,\"from\":255,\"to\":255},"
    "{\"ms\":150,\"from\":0,\"to\":0},"
    "{\"ms\":150,\"from\":255,\"to\":255},"
    "{\"ms\":1050,\"from\":0,\"to\":0}]},"
    "\"state_at\":1699999990,\"attached\":true,\"encrypted\":false,"
    "\"will_encrypt\":false,\"hint\":null,"
    "\"battery_pct\":null,"
    "\"port\":{\"name\":\"1-1\",\"mbit_per_s\":480,\"asks_ma\":500,"
    "\"gives_ma\":null,\"weak_hub\":false,"
    "\"text\":\"480 Mbit/s, it asks for up to 500 mA\"},"
    "\"progress\":{\"pct\":0,\"bytes_done\":0,\"bytes_per_s\":0,"
    "\"files_done\":0,\"seconds_left\":null},"
    "\"missing_bytes\":0,\"mb_code\":0,\"detail\":\"\","
    "\"last_good_text\":\"No backup yet.\",\"last_good\":null,"
    "\"versions\":0,"
    "\"sizes\":[{\"at\":1698000000,\"bytes\":900,\"new_bytes\":100}],"
    "\"goes_next\":{\"at\":1697000000,\"frees\":123},"
    "\"overdue_days\":0,\"damage\":{\"some\":[],"
    "\"newest\":0,\"older\":0,\"wants_full\":false}}],"
    "\"nights\":[]}";

static void json_is_as_promised(void **state)
{
	struct status st;
	size_t len;

	(void)state;
	fill(&st);
	assert_int_equal(api_status(&st, json, sizeof(json), &len), RC_OK);
	assert_string_equal(json, golden);
	assert_int_equal(len, strlen(golden));
}

static void a_night_is_told(void **state)
{
	struct status st;
	size_t len;
	cJSON *o, *night;

	(void)state;
	fill(&st);
	st.n_nights = 1;
	st.nights[0] = (struct status_night){ .at = 1699990000,
		.udid = "00008120-000A1B2C3D4E5F60",
		.phone = "Ana",
		.state = STATE_UNPLUGGED,
		.pct_x100 = 4150,
		.seconds = 61 };
	assert_int_equal(api_status(&st, json, sizeof(json), &len), RC_OK);
	o = cJSON_Parse(json);
	assert_non_null(o);
	night = cJSON_GetArrayItem(cJSON_GetObjectItem(o, "nights"), 0);
	assert_string_equal(
	    cJSON_GetObjectItem(night, "state")->valuestring, "unplugged");
	assert_string_equal(cJSON_GetObjectItem(night, "text")->valuestring,
	    "unplugged at 41 %");
	assert_float_equal(
	    cJSON_GetObjectItem(night, "pct")->valuedouble, 41.5, 0.001);
	cJSON_Delete(o);
}

/* As long and as hostile as the structs allow; still JSON, still UTF-8. */
static void the_fullest_status_fits(void **state)
{
	static struct status st;
	size_t len;
	cJSON *o;

	(void)state;
	memset(&st, 0x01, sizeof(st)); /* all text is control characters */
	memset(st.phones, '"', sizeof(st.phones));
	memset(st.nights, '\\', sizeof(st.nights));
	st.n_phones = LIMIT_PHONES;
	st.n_nights = LIMIT_NIGHTS;
	st.phone = 0;
	st.state = st.box_state = STATE_READY;
	st.now_at = 1700000000;
	st.led = LED_READY;
	st.disk.present = st.health.has_temperature = false;
	st.certificate[95] = '\0';
	st.disk.offer[47] = '\0';
	st.disk.path[255] = st.disk.fs[15] = '\0';
	st.box[63] = st.version[31] = st.detail[255] = '\0';
	for (unsigned i = 0; i < LIMIT_PHONES; i++) {
		struct status_phone *p = &st.phones[i];

		p->attached = p->encrypted = p->wants_full = false;
		p->nameless = p->port.weak_hub = false;
		p->port.name[sizeof(p->port.name) - 1] = '\0';
		p->loss_domain[sizeof(p->loss_domain) - 1] = '\0';
		p->state = STATE_PHONE_FAILED;
		p->n_sizes = LIMIT_SIZES;
		p->last_good_at = p->state_at = 1700000000;
		p->udid[47] = p->name[127] = p->product_type[31] = '\0';
		p->model[47] = p->ios[31] = p->detail[255] = '\0';
	}
	for (unsigned i = 0; i < LIMIT_NIGHTS; i++) {
		struct status_night *n = &st.nights[i];

		n->state = STATE_PHONE_FAILED;
		n->at = 1700000000;
		n->udid[47] = n->phone[127] = n->detail[127] = '\0';
	}
	assert_int_equal(api_status(&st, json, sizeof(json), &len), RC_OK);
	assert_null(strchr(json, '\n')); /* one line: it is an event, too */
	o = cJSON_Parse(json);
	assert_non_null(o);
	cJSON_Delete(o);
}

static void a_small_buffer_is_an_error(void **state)
{
	struct status st;
	size_t len;

	(void)state;
	fill(&st);
	for (size_t cap = 0; cap < sizeof(golden); cap += 97)
		assert_int_equal(api_status(&st, json, cap, &len), RC_LIMIT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(json_is_as_promised),
		cmocka_unit_test(a_night_is_told),
		cmocka_unit_test(the_fullest_status_fits),
		cmocka_unit_test(a_small_buffer_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
