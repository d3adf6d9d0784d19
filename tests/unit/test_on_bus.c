/* Phones on USB that don't talk: which state each is in, and that it hides no
 * other. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "box_bus.c" /* firmware is in no archive */
#include "on_bus.c"
#include "phone_fsm.c"
#include "words.h"

#define UDID "00008120-0010BD9489E70017"

static struct box b;
static struct status st;

static int fresh(void **state)
{
	(void)state;
	memset(&b, 0, sizeof(b));
	memset(&st, 0, sizeof(st));
	log_set_level(LOG_LEVEL_ERROR);
	return 0;
}

static struct msg_on_bus seen(
    uint32_t place, enum usb_why why, const char *udid)
{
	struct msg_on_bus m = { .place = place,
		.why = (uint8_t)why,
		.product = 0x12a8,
		.release = 0x1504,
		.mbit = 480,
		.asks_ma = 500,
		.gives_ma = 100,
		.weak_hub = 1,
		.port = "1-1.4" };

	snprintf(m.udid, sizeof(m.udid), "%s", udid);
	return m;
}

static void tell(uint32_t place, enum usb_why why, const char *udid)
{
	struct msg_on_bus m = seen(place, why, udid);

	box_bus_told(&b, &m);
}

/* What the status has beside the phones that are known. */
static unsigned strangers(void)
{
	st.n_phones = b.n_phones;
	box_bus_strangers(&b, &st);
	return st.n_phones - b.n_phones;
}

static void add_known(enum status_state state)
{
	struct box_phone *p = &b.phones[b.n_phones];

	snprintf(p->udid, sizeof(p->udid), "%s", UDID);
	snprintf(p->shown.udid, sizeof(p->shown.udid), "%s", UDID);
	p->state = PHONE_GONE;
	p->shown.state = state;
	st.phones[b.n_phones++] = p->shown;
}

static void each_reason_is_a_state_of_its_own(void **state)
{
	bool seen_states[STATE_COUNT_] = { false };

	(void)state;
	for (int why = USB_WHY_TALKS + 1; why < USB_WHY_COUNT_; why++) {
		enum status_state s = on_bus_state((enum usb_why)why, 0);

		assert_int_not_equal(s, STATE_SEEN);
		assert_false(seen_states[s]);
		seen_states[s] = true;
	}
	assert_int_equal(on_bus_state(USB_WHY_TALKS, 0), STATE_SEEN);
	assert_int_equal(on_bus_state(USB_WHY_GONE, 0), STATE_SEEN);
}

static void a_long_silence_is_more_than_a_lock(void **state)
{
	(void)state;
	assert_int_equal(on_bus_state(USB_WHY_SILENT, ON_BUS_NO_ANSWER_MS - 1),
	    STATE_USB_RESTRICTED);
	assert_int_equal(
	    on_bus_state(USB_WHY_SILENT, ON_BUS_NO_ANSWER_MS), STATE_NO_ANSWER);
	tell(7, USB_WHY_SILENT, "");
	assert_int_equal(strangers(), 1);
	assert_int_equal(st.phones[0].state, STATE_USB_RESTRICTED);
	b.on_bus[0].since_ms -= ON_BUS_NO_ANSWER_MS;
	assert_int_equal(strangers(), 1);
	assert_int_equal(st.phones[0].state, STATE_NO_ANSWER);
}

static void one_without_a_name_is_shown_until_it_is_pulled(void **state)
{
	struct words w;
	char port[200];

	(void)state;
	tell(7, USB_WHY_NO_MUX, "");
	tell(8, USB_WHY_DFU, "");
	assert_int_equal(strangers(), 2);
	assert_true(st.phones[0].nameless);
	assert_string_equal(st.phones[0].udid, "");
	assert_string_equal(st.phones[0].model, "iPhone 15");
	assert_int_equal(status_named_phones(&st), 0);
	words_phone(&st, 0, &w);
	assert_string_equal(w.headline, "iPhone 15 only charges");
	assert_true(words_port(&st.phones[0], port, sizeof(port)));
	assert_string_equal(port,
	    "480 Mbit/s, it asks for up to 500 mA, the port gives 100 mA: its "
	    "hub has no supply of its own");
	/* It answers after all: whoever it is, ATTACHED says. */
	tell(7, USB_WHY_TALKS, UDID);
	assert_int_equal(strangers(), 1);
	tell(8, USB_WHY_GONE, "");
	assert_int_equal(strangers(), 0);
	tell(9, USB_WHY_GONE, ""); /* never told of */
	assert_int_equal(strangers(), 0);
}

static void the_board_may_give_less_than_the_port(void **state)
{
	struct msg_on_bus m = seen(7, USB_WHY_SILENT, "");

	(void)state;
	m.gives_ma = 900;
	m.weak_hub = 0;
	box_bus_told(&b, &m);
	strangers();
	assert_int_equal(st.phones[0].port.gives_ma, 900);
	b.health.usb_limit_ma = 600;
	strangers();
	assert_int_equal(st.phones[0].port.gives_ma, 600);
	tell(7, USB_WHY_SILENT, ""); /* 100 behind its hub */
	strangers();
	assert_int_equal(st.phones[0].port.gives_ma, 100);
}

static void a_model_that_nobody_knows_is_an_iphone(void **state)
{
	struct msg_on_bus m = seen(7, USB_WHY_SILENT, "");
	struct words w;

	(void)state;
	m.release = 0x9999;
	box_bus_told(&b, &m);
	assert_int_equal(strangers(), 1);
	words_phone(&st, 0, &w);
	assert_string_equal(
	    w.headline, "Unlock the iPhone once, then it may talk");
}

static void a_known_one_is_shown_as_itself(void **state)
{
	struct status_phone out;

	(void)state;
	add_known(STATE_SAFE);
	tell(7, USB_WHY_SILENT, UDID);
	assert_int_equal(strangers(), 0);
	out = b.phones[0].shown;
	box_bus_fill(&b, &b.phones[0], &out);
	assert_int_equal(out.state, STATE_USB_RESTRICTED);
	assert_int_equal(out.port.mbit, 480);
	assert_int_equal(box_bus_state(&b, UDID), STATE_USB_RESTRICTED);
	/* While its session ends, that is told. */
	b.phones[0].state = PHONE_LEAVING;
	out = b.phones[0].shown;
	box_bus_fill(&b, &b.phones[0], &out);
	assert_int_equal(out.state, STATE_SAFE);
	b.phones[0].state = PHONE_GONE;
	tell(7, USB_WHY_TALKS, UDID);
	out = b.phones[0].shown;
	box_bus_fill(&b, &b.phones[0], &out);
	assert_int_equal(out.state, STATE_SAFE);
	assert_int_equal(out.port.asks_ma, 500);
	box_bus_lost(&b);
	out = b.phones[0].shown;
	box_bus_fill(&b, &b.phones[0], &out);
	assert_int_equal(out.port.mbit, 0);
}

static void it_hides_no_phone_that_works(void **state)
{
	static const enum status_state works[] = { STATE_SEEN,
		STATE_WANTS_TRUST, STATE_WANTS_UNLOCK, STATE_WANTS_PASSCODE,
		STATE_PREPARING, STATE_RECEIVING, STATE_CHECKING };

	(void)state;
	for (int why = USB_WHY_TALKS + 1; why < USB_WHY_COUNT_; why++)
		for (size_t i = 0; i < sizeof(works) / sizeof(works[0]); i++) {
			fresh(NULL);
			add_known(works[i]);
			st.phones[0].attached = true;
			st.box_state = STATE_READY;
			tell(7, (enum usb_why)why, "");
			assert_int_equal(strangers(), 1);
			status_settle(&st);
			assert_int_equal(st.state, works[i]);
			st.phones[0].state = STATE_SAFE;
			status_settle(&st);
			assert_int_equal(st.phone, 1);
		}
}

static void more_than_there_is_room_for_harm_nobody(void **state)
{
	(void)state;
	log_set_level(LOG_LEVEL_ERROR);
	for (uint32_t i = 1; i <= BOX_ON_BUS + 3; i++)
		tell(i, USB_WHY_DFU, "");
	assert_int_equal(strangers(), LIMIT_PHONES);
	add_known(STATE_SAFE);
	assert_int_equal(strangers(), LIMIT_PHONES - 1);
	assert_string_equal(st.phones[0].udid, UDID);
	for (uint32_t i = 1; i <= BOX_ON_BUS + 3; i++)
		tell(i, USB_WHY_GONE, "");
	assert_int_equal(strangers(), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(
		    each_reason_is_a_state_of_its_own, fresh),
		cmocka_unit_test_setup(
		    a_long_silence_is_more_than_a_lock, fresh),
		cmocka_unit_test_setup(
		    one_without_a_name_is_shown_until_it_is_pulled, fresh),
		cmocka_unit_test_setup(
		    the_board_may_give_less_than_the_port, fresh),
		cmocka_unit_test_setup(
		    a_model_that_nobody_knows_is_an_iphone, fresh),
		cmocka_unit_test_setup(a_known_one_is_shown_as_itself, fresh),
		cmocka_unit_test_setup(it_hides_no_phone_that_works, fresh),
		cmocka_unit_test_setup(
		    more_than_there_is_room_for_harm_nobody, fresh),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
