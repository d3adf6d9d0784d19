/*
 * Who gets a place at the server, and who has to go for it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "http_places.h"

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(a_free_place_is_taken, set_up),
		cmocka_unit_test_setup(
		    idle_ones_go_before_stalled_ones, set_up),
		cmocka_unit_test_setup(an_address_gets_sixteen, set_up),
		cmocka_unit_test_setup(
		    the_last_places_are_for_newcomers, set_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
