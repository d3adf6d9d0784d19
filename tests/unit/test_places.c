/*
 * Who gets a place at the server and who has to go for it; whose handshake is
 * next.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "http_places.h"
#include "tls_turns.h"

#define N 64

static struct http_place p[N];

/* `n` more of one kind, each a bit younger than the one before. */
static void fill(int n, struct http_place like)
{
	for (int i = 0; i < N && n > 0; i++) {
		if (p[i].taken)
			continue;
		p[i] = like;
		p[i].taken = true;
		p[i].moved_ms = like.moved_ms + i;
		n--;
	}
	assert_int_equal(n, 0);
}

static int pick(bool by_address)
{
	return http_places_pick(
	    p, N, &(struct http_asker){ by_address, 0, 10000 });
}

static int set_up(void **state)
{
	(void)state;
	memset(p, 0, sizeof(p));
	return 0;
}

static void a_free_place_is_taken(void **state)
{
	(void)state;
	assert_int_equal(pick(true), 0);
	fill(5, (struct http_place){ .idle = true });
	assert_int_equal(pick(true), 5);
}

static void idle_ones_go_before_stalled_ones(void **state)
{
	(void)state;
	fill(60, (struct http_place){ .moved_ms = 1 });
	fill(2, (struct http_place){ .stalled = true, .moved_ms = 0 });
	assert_int_equal(pick(true), 62);
	fill(2, (struct http_place){ .idle = true, .moved_ms = 500 });
	assert_int_equal(pick(true), 62);
	p[63].moved_ms = 400; /* silent for longer */
	assert_int_equal(pick(true), 63);
	p[62].idle = p[63].idle = false;
	assert_int_equal(pick(true), 60);
	p[60].stalled = p[61].stalled = false;
	assert_int_equal(pick(true), -1);
}

static void an_address_gets_sixteen(void **state)
{
	(void)state;
	fill(4, (struct http_place){ .idle = true, .moved_ms = 0 });
	fill(15,
	    (struct http_place){ .same = true, .idle = true, .moved_ms = 50 });
	assert_int_equal(pick(true), 19);
	fill(1, (struct http_place){ .same = true, .moved_ms = 0 });
	/* its own oldest idle one, neither another's nor a busy one */
	assert_int_equal(pick(true), 4);
	for (int i = 4; i < 19; i++)
		p[i].idle = false;
	p[9].stalled = true;
	assert_int_equal(pick(true), 9);
	p[9].stalled = false;
	assert_int_equal(pick(true), -1);
	/* all come from one address: no limit */
	assert_int_equal(pick(false), 20);
}

static void the_last_places_are_for_newcomers(void **state)
{
	(void)state;
	fill(N - HTTP_PLACES_SPARE - 2, (struct http_place){ .idle = true });
	fill(1, (struct http_place){ .same = true, .moved_ms = 900 });
	assert_int_equal(pick(true), 55);
	fill(1,
	    (struct http_place){ .same = true, .idle = true, .moved_ms = 900 });
	assert_int_equal(pick(true), 55); /* its own */
	p[55].same = false; /* it has one, and gets a second */
	assert_int_equal(pick(true), 56);
	p[54].same = false; /* a newcomer */
	assert_int_equal(pick(true), 56);
	fill(HTTP_PLACES_SPARE, (struct http_place){ .moved_ms = 0 });
	assert_int_equal(pick(true), 0);
}

static int pick_for(int debt_ms)
{
	return http_places_pick(
	    p, N, &(struct http_asker){ true, debt_ms, 10000 });
}

/* All places are of a crowd that has just come. */
static void who_comes_often_goes_first(void **state)
{
	(void)state;
	fill(30, (struct http_place){
		     .idle = true, .debt_ms = 2000, .moved_ms = 9900 });
	fill(30, (struct http_place){
		     .waits = true, .debt_ms = 3000, .moved_ms = 9500 });
	fill(4, (struct http_place){ .idle = true, .moved_ms = 9890 });
	assert_int_equal(pick_for(0), 30);
	p[20].debt_ms = 4000;
	assert_int_equal(pick_for(0), 20);
	/* who is idle for longer asks for nothing */
	p[40].waits = false;
	p[40].idle = true;
	p[40].moved_ms = 10000 - HTTP_PLACES_NEW;
	assert_int_equal(pick_for(50000), 40);
}

static void the_crowd_pushes_out_nobody_else(void **state)
{
	(void)state;
	fill(N, (struct http_place){
		    .waits = true, .debt_ms = 1000, .moved_ms = 9900 });
	for (int i = 0; i < N; i++)
		p[i].address = 1000 + (uint64_t)i;
	assert_int_equal(pick_for(999), 0);
	assert_int_equal(pick_for(1000), -1); /* they came first */
	p[9].waits = false; /* and has not said what it wants */
	p[9].idle = true;
	assert_int_equal(pick_for(1000), 9);
	assert_int_equal(pick_for(1100), -1);
	p[7].same = true; /* but itself */
	p[7].debt_ms = 1050;
	assert_int_equal(pick_for(1100), 7);
}

/* Of those who come as seldom, who has the most. */
static void who_has_two_makes_room_for_who_has_none(void **state)
{
	(void)state;
	fill(N, (struct http_place){ .waits = true, .moved_ms = 9900 });
	for (int i = 0; i < N; i++)
		p[i].address = 1000 + (uint64_t)i;
	assert_int_equal(pick_for(0), -1);
	p[30].address = p[50].address;
	assert_int_equal(pick_for(0), 30);
	p[5].same = true; /* it would have two, too */
	assert_int_equal(pick_for(0), -1);
	assert_int_equal(pick_for(100), -1);
}

static void connections_are_counted_by_address(void **state)
{
	static struct http_askers a;
	int worst = 0;

	(void)state;
	memset(&a, 0, sizeof(a));
	for (int i = 0; i < HTTP_ASKERS_FREE / HTTP_ASKERS_MS; i++)
		assert_int_equal(http_askers_add(&a, 7, 50000), 0);
	assert_int_equal(http_askers_add(&a, 7, 50000), HTTP_ASKERS_MS);
	assert_int_equal(http_askers_add(&a, 8, 50000), 0);
	/* time pays it back */
	assert_int_equal(http_askers_add(&a, 7, 50050), 150);
	assert_int_equal(http_askers_add(&a, 7, 60000), 0);
	for (int64_t now = 60000; now < 90000; now++) {
		int debt = http_askers_add(&a, 7, now);

		assert_in_range(debt, worst, HTTP_ASKERS_WORST);
		worst = debt;
	}
	assert_int_equal(worst, HTTP_ASKERS_WORST);
	/* strangers do not make it forgotten */
	for (uint64_t who = 100; who < 1100; who++)
		assert_int_equal(http_askers_add(&a, who, 90000), 0);
	assert_int_equal(http_askers_add(&a, 7, 90000), HTTP_ASKERS_WORST);
}

/* Turns that an address gets while it asks each millisecond. */
static int turns(struct tls_turns *t, uint64_t who, bool by_address,
    int64_t from, int64_t to)
{
	int n = 0;

	for (int64_t now = from; now < to; now++)
		n += tls_turns_take(t, who, by_address, now);
	return n;
}

static void handshakes_are_so_many_a_second(void **state)
{
	static struct tls_turns t;

	(void)state;
	memset(&t, 0, sizeof(t));
	/* at once, then one each 20 ms */
	assert_int_equal(turns(&t, 1, false, 100000, 100001), 1);
	assert_int_equal(turns(&t, 1, false, 100001, 110001),
	    TLS_TURNS_ONCE - 1 + 10000 / TLS_TURNS_MS);
	/* a silence fills up again, to no more than that */
	assert_in_range(turns(&t, 1, false, 900000, 900040), TLS_TURNS_ONCE,
	    TLS_TURNS_ONCE + 2);
}

static void an_address_does_not_take_all_turns(void **state)
{
	static struct tls_turns t;
	int own, other = 0;

	(void)state;
	memset(&t, 0, sizeof(t));
	own = turns(&t, 1, true, 100000, 110000);
	assert_in_range(
	    own, 100 + TLS_TURNS_OWN_ONCE - 2, 100 + TLS_TURNS_OWN_ONCE + 1);
	/* beside a greedy one the other has six at once, at any time */
	for (int64_t now = 110000; now < 110100; now++) {
		tls_turns_take(&t, 1, true, now);
		if (now % 10 == 5 && other < 6)
			other += tls_turns_take(&t, 2, true, now);
	}
	assert_int_equal(other, 6);
}

/* Many addresses, as one that makes them up has: the sum is still bounded, and
 * who comes back is not a stranger. */
static void many_addresses_share_the_turns(void **state)
{
	static struct tls_turns t;
	int n = 0;

	(void)state;
	memset(&t, 0, sizeof(t));
	for (int64_t now = 100000; now < 110000; now++)
		n += tls_turns_take(&t, 1 + (uint64_t)now % 1000, true, now);
	assert_in_range(n, TLS_TURNS_ONCE + 10000 / TLS_TURNS_MS - 2,
	    TLS_TURNS_ONCE + 10000 / TLS_TURNS_MS + 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(a_free_place_is_taken, set_up),
		cmocka_unit_test_setup(
		    idle_ones_go_before_stalled_ones, set_up),
		cmocka_unit_test_setup(an_address_gets_sixteen, set_up),
		cmocka_unit_test_setup(
		    the_last_places_are_for_newcomers, set_up),
		cmocka_unit_test_setup(who_comes_often_goes_first, set_up),
		cmocka_unit_test_setup(
		    the_crowd_pushes_out_nobody_else, set_up),
		cmocka_unit_test_setup(
		    who_has_two_makes_room_for_who_has_none, set_up),
		cmocka_unit_test(connections_are_counted_by_address),
		cmocka_unit_test(handshakes_are_so_many_a_second),
		cmocka_unit_test(an_address_does_not_take_all_turns),
		cmocka_unit_test(many_addresses_share_the_turns),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
