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

static int set_up(void **state)
{
	(void)state;
	memset(p, 0, sizeof(p));
	return 0;
}

static void a_free_place_is_taken(void **state)
{
	(void)state;
	assert_int_equal(http_places_pick(p, N, true), 0);
	fill(5, (struct http_place){ .idle = true });
	assert_int_equal(http_places_pick(p, N, true), 5);
}

static void idle_ones_go_before_stalled_ones(void **state)
{
	(void)state;
	fill(60, (struct http_place){ .moved_ms = 1 });
	fill(2, (struct http_place){ .stalled = true, .moved_ms = 0 });
	assert_int_equal(http_places_pick(p, N, true), 62);
	fill(2, (struct http_place){ .idle = true, .moved_ms = 500 });
	assert_int_equal(http_places_pick(p, N, true), 62);
	p[63].moved_ms = 400; /* silent for longer */
	assert_int_equal(http_places_pick(p, N, true), 63);
	p[62].idle = p[63].idle = false;
	assert_int_equal(http_places_pick(p, N, true), 60);
	p[60].stalled = p[61].stalled = false;
	assert_int_equal(http_places_pick(p, N, true), -1);
}

static void an_address_gets_sixteen(void **state)
{
	(void)state;
	fill(4, (struct http_place){ .idle = true, .moved_ms = 0 });
	fill(15,
	    (struct http_place){ .same = true, .idle = true, .moved_ms = 50 });
	assert_int_equal(http_places_pick(p, N, true), 19);
	fill(1, (struct http_place){ .same = true, .moved_ms = 0 });
	/* its own oldest idle one, neither another's nor a busy one */
	assert_int_equal(http_places_pick(p, N, true), 4);
	for (int i = 4; i < 19; i++)
		p[i].idle = false;
	p[9].stalled = true;
	assert_int_equal(http_places_pick(p, N, true), 9);
	p[9].stalled = false;
	assert_int_equal(http_places_pick(p, N, true), -1);
	/* all come from one address: no limit */
	assert_int_equal(http_places_pick(p, N, false), 20);
}

static void the_last_places_are_for_newcomers(void **state)
{
	(void)state;
	fill(N - HTTP_PLACES_SPARE - 2, (struct http_place){ .idle = true });
	fill(1, (struct http_place){ .same = true, .moved_ms = 900 });
	assert_int_equal(http_places_pick(p, N, true), 55);
	fill(1,
	    (struct http_place){ .same = true, .idle = true, .moved_ms = 900 });
	assert_int_equal(http_places_pick(p, N, true), 55); /* its own */
	p[55].same = false; /* it has one, and gets a second */
	assert_int_equal(http_places_pick(p, N, true), 56);
	p[54].same = false; /* a newcomer */
	assert_int_equal(http_places_pick(p, N, true), 56);
	fill(HTTP_PLACES_SPARE, (struct http_place){ .moved_ms = 0 });
	assert_int_equal(http_places_pick(p, N, true), 0);
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
		cmocka_unit_test(handshakes_are_so_many_a_second),
		cmocka_unit_test(an_address_does_not_take_all_turns),
		cmocka_unit_test(many_addresses_share_the_turns),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
