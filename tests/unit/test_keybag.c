/* The key bag: the vectors of the protocol page, and bags that are none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <openssl/evp.h>

#include "keybag.h"

#define WORD "correct horse"

/* What that word comes to with the salts and rounds below (protocols.md,
 * appendix A). */
static const uint8_t key[32] = { 0xe3, 0xba, 0x99, 0x7e, 0xe4, 0x90, 0xd0, 0xbc,
	0x8e, 0xbd, 0x98, 0x93, 0xa6, 0xda, 0x69, 0x0c, 0x8d, 0xd4, 0x07, 0xb6,
	0x5b, 0x90, 0x13, 0x0f, 0xea, 0xd5, 0xc2, 0x96, 0xd9, 0x2a, 0x63,
	0x8e };

static uint8_t bag[512];
static size_t len;

static void put(const char *tag, const void *value, size_t n)
{
	memcpy(bag + len, tag, 4);
	bag[len + 4] = bag[len + 5] = 0;
	bag[len + 6] = (uint8_t)(n >> 8);
	bag[len + 7] = (uint8_t)n;
	memmove(bag + len + 8, value, n); /* it may be a part of the bag */
	len += 8 + n;
}

static void put_number(const char *tag, uint32_t n)
{
	uint8_t b[4] = { (uint8_t)(n >> 24), (uint8_t)(n >> 16),
		(uint8_t)(n >> 8), (uint8_t)n };

	put(tag, b, 4);
}

static void put_salt(const char *tag, uint8_t from)
{
	uint8_t salt[20];

	for (uint8_t i = 0; i < sizeof(salt); i++)
		salt[i] = (uint8_t)(from + i);
	put(tag, salt, sizeof(salt));
}

static void wrap(uint8_t out[40])
{
	EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
	static const uint8_t class_key[32] = "thirty-two bytes of a class key";
	int n = 0;

	assert_non_null(c);
	EVP_CIPHER_CTX_set_flags(c, EVP_CIPHER_CTX_FLAG_WRAP_ALLOW);
	assert_int_equal(
	    EVP_EncryptInit_ex(c, EVP_aes_256_wrap(), NULL, key, NULL), 1);
	assert_int_equal(EVP_EncryptUpdate(c, out, &n, class_key, 32), 1);
	assert_int_equal(n, 40);
	EVP_CIPHER_CTX_free(c);
}

static void put_header(uint32_t rounds)
{
	len = 0;
	put_number("VERS", 5);
	put_number("TYPE", 1);
	put("UUID", "0123456789abcdef", 16);
	put_number("WRAP", 1);
	put_salt("SALT", 0x20);
	put_number("ITER", 10);
	put_salt("DPSL", 0);
	put_number("DPIC", rounds);
}

static void put_class(uint32_t wrapped_by, const uint8_t wrapped[40])
{
	put("UUID", "fedcba9876543210", 16);
	put_number("CLAS", 3);
	put_number("WRAP", wrapped_by);
	put_number("KTYP", 0);
	put("WPKY", wrapped, 40);
}

static void a_real_bag(uint32_t rounds)
{
	static const uint8_t other[40] = { 7 };
	uint8_t wrapped[40];

	wrap(wrapped);
	put_header(rounds);
	put_class(1, other); /* the device's own: not under the password */
	put_class(3, wrapped);
}

static void the_word_and_no_other(void **state)
{
	struct keybag b;

	(void)state;
	a_real_bag(1000);
	assert_int_equal(keybag_read(bag, len, &b), RC_OK);
	assert_int_equal(keybag_try(&b, WORD), RC_OK);
	assert_int_equal(keybag_try(&b, "correct horsf"), RC_REFUSED);
	assert_int_equal(keybag_try(&b, ""), RC_REFUSED);
	b.wrapped[11] ^= 1;
	assert_int_equal(keybag_try(&b, WORD), RC_REFUSED);
}

static void cut_anywhere_it_is_none(void **state)
{
	struct keybag b;

	(void)state;
	a_real_bag(1000);
	for (size_t n = 0; n < len; n++)
		assert_int_equal(keybag_read(bag, n, &b), RC_CORRUPT);
}

static void more_work_than_any_phones(void **state)
{
	struct keybag b;

	(void)state;
	a_real_bag(KEYBAG_ITERS_MAX + 1);
	assert_int_equal(keybag_read(bag, len, &b), RC_LIMIT);
	a_real_bag(0xffffffffu);
	assert_int_equal(keybag_read(bag, len, &b), RC_LIMIT);
	a_real_bag(0); /* a salt without rounds */
	assert_int_equal(keybag_read(bag, len, &b), RC_CORRUPT);
}

static void one_without_a_password(void **state)
{
	static const uint8_t wrapped[40] = { 1 };
	struct keybag b;

	(void)state;
	put_header(1000);
	put_class(1, wrapped);
	assert_int_equal(keybag_read(bag, len, &b), RC_CORRUPT);
	put("UUID", "fedcba9876543210", 16);
	put_number("WRAP", 3);
	put("WPKY", wrapped, 39); /* no wrapped key */
	assert_int_equal(keybag_read(bag, len, &b), RC_CORRUPT);
}

static void lengths_that_lie(void **state)
{
	struct keybag b;

	(void)state;
	a_real_bag(1000);
	memset(bag + 4, 0xff, 4); /* VERS */
	assert_int_equal(keybag_read(bag, len, &b), RC_CORRUPT);
	len = 0;
	put("UUID", "0123456789abcdef", 16);
	put("SALT", bag, KEYBAG_SALT_MAX + 1);
	assert_int_equal(keybag_read(bag, len, &b), RC_CORRUPT);
	len = 0;
	put("ITER", "\0\0\1", 3);
	assert_int_equal(keybag_read(bag, len, &b), RC_CORRUPT);
	assert_int_equal(keybag_read(bag, KEYBAG_MAX + 1, &b), RC_CORRUPT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_word_and_no_other),
		cmocka_unit_test(cut_anywhere_it_is_none),
		cmocka_unit_test(more_work_than_any_phones),
		cmocka_unit_test(one_without_a_password),
		cmocka_unit_test(lengths_that_lie),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
