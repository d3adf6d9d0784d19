/* The log's tail in memory that a reset leaves as it is, or nearly so. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "recorder.c"

#define AREA (64 * 1024)

static uint64_t area[AREA / WORD];
static char text[RECORDER_TEXT];
static size_t len;

static int make_noise(void **state)
{
	(void)state;
	srand(5);
	for (size_t i = 0; i < AREA / WORD; i++)
		area[i] = (uint64_t)rand() << 33 ^ (uint64_t)rand();
	return 0;
}

static struct recorder opened(size_t bytes)
{
	struct recorder r;

	assert_int_equal(recorder_open(&r, area, bytes), RC_OK);
	return r;
}

static void holds(const char *want)
{
	struct recorder r = opened(AREA);

	assert_int_equal(recorder_read(&r, text, &len), RC_OK);
	assert_int_equal(len, strlen(want));
	assert_memory_equal(text, want, len);
}

static void noise_says_nothing(void **state)
{
	struct recorder r = opened(AREA), none = { .words = NULL };

	(void)state;
	assert_int_equal(recorder_read(&r, text, &len), RC_NOTFOUND);
	assert_int_equal(len, 0);
	assert_int_equal(recorder_read(&none, text, &len), RC_NOTFOUND);
	assert_int_equal(recorder_write(&none, "x", 1), RC_OK);
	recorder_clear(&none);
	/* Two heads and a word each. */
	for (size_t n = 0; n < 80; n++)
		assert_int_equal(recorder_open(&r, area, n), RC_LIMIT);
	assert_int_equal(recorder_open(&r, area, 80), RC_OK);
}

static void the_newest_text_is_read(void **state)
{
	char want[64];
	struct recorder r = opened(AREA);

	(void)state;
	assert_int_equal(recorder_write(&r, "", 0), RC_OK);
	holds("");
	for (int i = 0; i < 100; i++) {
		snprintf(want, sizeof(want), "line %d %.*s", i, i % 10,
		    "0123456789");
		assert_int_equal(recorder_write(&r, want, strlen(want)), RC_OK);
		holds(want);
		if (i % 7 == 0) /* a box that begins again goes on */
			r = opened(AREA);
	}
	recorder_clear(&r);
	assert_int_equal(recorder_read(&r, text, &len), RC_NOTFOUND);
}

/* Each word that a write changes may be the last one before a reset. */
static void a_reset_in_the_middle_of_a_write(void **state)
{
	static uint64_t before[AREA / WORD], after[AREA / WORD];
	const char *one = "the older text",
		   *two = "the newer one, a bit longer";
	struct recorder r = opened(AREA);
	size_t half = r.half, start;
	unsigned older = 0, newer = 0;

	(void)state;
	assert_int_equal(recorder_write(&r, one, strlen(one)), RC_OK);
	memcpy(before, area, AREA);
	assert_int_equal(recorder_write(&r, two, strlen(two)), RC_OK);
	memcpy(after, area, AREA);
	start = r.serial % 2 * half;
	/* in the order of recorder_write(): the mark goes, the text comes, then
	 * serial, length, check, and the mark */
	for (size_t done = 0; done <= 9; done++) {
		size_t texts = done < 1 ? 0 : done - 1 < 4 ? done - 1 : 4;

		memcpy(area, before, AREA);
		if (done > 0)
			area[start + MARK] = 0;
		memcpy(area + start + HEAD, after + start + HEAD, texts * WORD);
		if (done > 5)
			area[start + SERIAL] = after[start + SERIAL];
		if (done > 6)
			area[start + LENGTH] = after[start + LENGTH];
		if (done > 7)
			area[start + CHECK] = after[start + CHECK];
		if (done > 8)
			area[start + MARK] = after[start + MARK];
		assert_int_equal(recorder_read(&r, text, &len), RC_OK);
		if (len == strlen(one) && !memcmp(text, one, len))
			older++;
		else if (len == strlen(two) && !memcmp(text, two, len))
			newer++;
	}
	assert_int_equal(older, 9);
	assert_int_equal(newer, 1);
}

/* Memory that lost one bit: never another text than one that was written. */
static void a_bit_that_flipped(void **state)
{
	const char *one = "first words", *two = "second words";
	struct recorder r = opened(AREA);
	unsigned lost = 0;

	(void)state;
	assert_int_equal(recorder_write(&r, one, strlen(one)), RC_OK);
	assert_int_equal(recorder_write(&r, two, strlen(two)), RC_OK);
	for (size_t bit = 0; bit < (HEAD + 2) * 64 * 2; bit++) {
		size_t word = bit / 64 < HEAD + 2
				  ? bit / 64
				  : r.half + bit / 64 - (HEAD + 2);

		area[word] ^= (uint64_t)1 << bit % 64;
		assert_int_equal(recorder_read(&r, text, &len), RC_OK);
		if (len == strlen(one)) {
			assert_memory_equal(text, one, len);
			lost++;
		} else {
			assert_int_equal(len, strlen(two));
			assert_memory_equal(text, two, len);
		}
		area[word] ^= (uint64_t)1 << bit % 64;
	}
	/* All of its head and text; the last 4 bytes are none of it. */
	assert_int_equal(lost, (HEAD + 2) * 64 - 32);
}

static void a_text_that_is_too_long_loses_its_beginning(void **state)
{
	static char long_text[RECORDER_TEXT + 100];
	struct recorder r;

	(void)state;
	for (size_t i = 0; i < sizeof(long_text); i++)
		long_text[i] = (char)('a' + i % 26);
	for (size_t bytes = 128; bytes <= AREA; bytes *= 2) {
		size_t room = bytes / 2 - HEAD * WORD;

		if (room > RECORDER_TEXT)
			room = RECORDER_TEXT;
		r = opened(bytes);
		recorder_clear(&r);
		assert_int_equal(
		    recorder_write(&r, long_text, sizeof(long_text)), RC_OK);
		assert_int_equal(recorder_read(&r, text, &len), RC_OK);
		assert_int_equal(len, room);
		assert_memory_equal(
		    text, long_text + sizeof(long_text) - room, room);
	}
}

/* What says of itself that it is longer than its half. */
static void a_length_that_is_a_lie(void **state)
{
	static const uint64_t lies[] = { RECORDER_TEXT + 1, AREA, UINT32_MAX,
		UINT64_MAX, (uint64_t)INT64_MAX + 1 };
	struct recorder r = opened(AREA);

	(void)state;
	recorder_clear(&r);
	assert_int_equal(recorder_write(&r, "x", 1), RC_OK);
	for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
		area[r.half + LENGTH] = lies[i];
		assert_int_equal(recorder_read(&r, text, &len), RC_NOTFOUND);
	}
}

#define IN_NOISE(f) cmocka_unit_test_setup(f, make_noise)

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_NOISE(noise_says_nothing),
		IN_NOISE(the_newest_text_is_read),
		IN_NOISE(a_reset_in_the_middle_of_a_write),
		IN_NOISE(a_bit_that_flipped),
		IN_NOISE(a_text_that_is_too_long_loses_its_beginning),
		IN_NOISE(a_length_that_is_a_lie),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
