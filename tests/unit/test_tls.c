/* TLS as a machine, and the box's certificate: against a client of libssl, in
 * memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>
#include <openssl/ssl.h>

#include "tls.h"
#include "tlscert.c" /* firmware is in no archive */

#define NOW 1795000000 /* 2026-11-18 */

static struct tlscert cert;
static struct tls_identity *identity;

static int make_identity(void **state)
{
	(void)state;
	return tls_init() || tlscert_load("", "nightstand", NOW, &cert) ||
	       tls_identity_new(
		   cert.key, cert.key_len, cert.cert, cert.cert_len, &identity);
}

static int drop_identity(void **state)
{
	(void)state;
	tls_identity_free(identity);
	return 0;
}

/* --- a client -------------------------------------------------------------------- */

struct pair {
	struct tls *server;
	SSL_CTX *ctx;
	SSL *client;
	BIO *to_client, *from_client;
	size_t step; /* bytes that pass at once */
	enum rc fed; /* what the server said last */
};

static void begin(struct pair *p, int max_version)
{
	memset(p, 0, sizeof(*p));
	p->step = 100000;
	assert_int_equal(tls_new(identity, &p->server), RC_OK);
	p->ctx = SSL_CTX_new(TLS_client_method());
	SSL_CTX_set_security_level(p->ctx, 0);
	SSL_CTX_set_min_proto_version(p->ctx, TLS1_VERSION);
	SSL_CTX_set_max_proto_version(p->ctx, max_version);
	p->client = SSL_new(p->ctx);
	p->to_client = BIO_new(BIO_s_mem());
	p->from_client = BIO_new(BIO_s_mem());
	BIO_set_mem_eof_return(p->to_client, -1);
	SSL_set_bio(p->client, p->to_client, p->from_client);
	SSL_set_connect_state(p->client);
}

static void finish(struct pair *p)
{
	tls_free(p->server);
	SSL_free(p->client);
	SSL_CTX_free(p->ctx);
}

/* Moves what waits, both ways. */
static void pump(struct pair *p)
{
	char buf[4096];
	const void *data;
	size_t n;
	int got;

	while (!p->fed && (got = BIO_read(p->from_client, buf,
			       (int)(p->step < 4096 ? p->step : 4096))) > 0)
		p->fed = tls_feed(p->server, buf, (size_t)got);
	while ((n = tls_peek(p->server, &data)) > 0) {
		if (n > p->step)
			n = p->step;
		BIO_write(p->to_client, data, (int)n);
		tls_sent(p->server, n);
	}
}

static bool shake(struct pair *p)
{
	for (int i = 0; i < 10 && !p->fed; i++) {
		SSL_do_handshake(p->client);
		pump(p);
	}
	return SSL_is_init_finished(p->client) && tls_is_up(p->server);
}

static const char request[] =
    "GET / HTTP/1.1\r\nHost: nightstand.local\r\n\r\n";

static void exchange(struct pair *p, size_t len)
{
	static char page[100000], got[100000];
	const void *waiting;
	size_t sent = 0, came = 0;

	assert_int_equal(
	    SSL_write(p->client, request, sizeof(request)), sizeof(request));
	pump(p);
	assert_int_equal(p->fed, RC_OK);
	assert_int_equal(
	    tls_read(p->server, got, sizeof(got)), sizeof(request));
	assert_memory_equal(got, request, sizeof(request));
	for (size_t i = 0; i < len; i++)
		page[i] = (char)(i * 7 + i / 256);
	while (came < len) {
		size_t n = tls_write(p->server, page + sent, len - sent);
		int r;

		sent += n;
		assert_true(
		    tls_peek(p->server, &waiting) < TLS_WAITING + 8192 + 256);
		if (n)
			continue; /* until it takes no more */
		pump(p);
		while ((r = SSL_read(p->client, got + came,
			    (int)(sizeof(got) - came))) > 0)
			came += (size_t)r;
	}
	assert_int_equal(came, len);
	assert_memory_equal(got, page, len);
}

/* --- what goes through -------------------------------------------------------------- */

static void a_page_goes_through(void **state)
{
	static const int versions[] = { TLS1_2_VERSION, TLS1_3_VERSION };
	struct pair p;

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		begin(&p, versions[i]);
		assert_true(shake(&p));
		assert_int_equal(SSL_version(p.client), versions[i]);
		exchange(&p, 1);
		exchange(&p, 90000);
		finish(&p);
	}
}

static void bytes_may_come_one_by_one(void **state)
{
	struct pair p;

	(void)state;
	begin(&p, TLS1_3_VERSION);
	p.step = 1;
	assert_true(shake(&p));
	exchange(&p, 5000);
	finish(&p);
}

static void who_says_goodbye_still_gets_the_answer(void **state)
{
	char buf[256];
	struct pair p;

	(void)state;
	begin(&p, TLS1_3_VERSION);
	assert_true(shake(&p));
	SSL_write(p.client, request, sizeof(request));
	SSL_shutdown(p.client);
	pump(&p);
	assert_int_equal(tls_read(p.server, buf, sizeof(buf)), sizeof(request));
	assert_int_equal(tls_read(p.server, buf, sizeof(buf)), 0);
	assert_int_equal(tls_write(p.server, "answer", 6), 6);
	tls_end(p.server);
	assert_int_equal(tls_write(p.server, "more", 4), 0);
	pump(&p);
	finish(&p);
}

/* --- what does not --------------------------------------------------------------------- */

static void what_is_no_tls_is_answered_with_an_alert(void **state)
{
	static const char plain[] = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";
	char noise[3000];
	const void *data;
	struct tls *t;

	(void)state;
	assert_int_equal(tls_new(identity, &t), RC_OK);
	assert_int_equal(tls_feed(t, plain, sizeof(plain) - 1), RC_PROTO);
	assert_int_equal(tls_feed(t, plain, sizeof(plain) - 1), RC_PROTO);
	assert_int_equal(tls_write(t, "x", 1), 0);
	tls_free(t);
	assert_int_equal(tls_new(identity, &t), RC_OK);
	/* a hello that is none, in a record that is one */
	memset(noise, 0, sizeof(noise));
	memcpy(noise, "\x16\x03\x01\x08\x00\x01\x00\x07\xfc", 9);
	assert_int_equal(tls_feed(t, noise, sizeof(noise)), RC_PROTO);
	assert_true(tls_peek(t, &data) > 0);
	assert_int_equal(((const char *)data)[0], 0x15);
	tls_free(t);
}

static void old_versions_are_refused(void **state)
{
	struct pair p;

	(void)state;
	begin(&p, TLS1_1_VERSION);
	assert_false(shake(&p));
	assert_int_equal(p.fed, RC_PROTO);
	finish(&p);
}

/* Any bit that changes on the way ends the connection; it gives no wrong
 * bytes. */
static void a_flipped_bit_ends_it(void **state)
{
	char buf[512], plain[64];
	struct pair p;
	int n;

	(void)state;
	for (int at = 0; at < 60; at++) {
		begin(&p, at % 2 ? TLS1_3_VERSION : TLS1_2_VERSION);
		assert_true(shake(&p));
		SSL_write(p.client, request, sizeof(request));
		n = BIO_read(p.from_client, buf, sizeof(buf));
		assert_true(n > at);
		buf[at] ^= 1;
		p.fed = tls_feed(p.server, buf, (size_t)n);
		/* a longer length waits for bytes that do not come */
		assert_true(p.fed == RC_PROTO || at == 3 || at == 4);
		assert_int_equal(tls_read(p.server, plain, sizeof(plain)), 0);
		finish(&p);
	}
}

static void nobody_may_shake_hands_again(void **state)
{
	struct pair p;

	(void)state;
	begin(&p, TLS1_2_VERSION);
	assert_true(shake(&p));
	SSL_renegotiate(p.client);
	SSL_do_handshake(p.client);
	pump(&p);
	SSL_do_handshake(p.client);
	assert_false(SSL_is_init_finished(p.client));
	finish(&p);
}

/* Each costs as much as ten records, and is answered to nobody who reads. */
static void new_keys_are_given_a_few_times_only(void **state)
{
	const void *data;
	struct pair p;
	int n = 0;

	(void)state;
	begin(&p, TLS1_3_VERSION);
	assert_true(shake(&p));
	for (; n < 4; n++) {
		SSL_key_update(p.client, SSL_KEY_UPDATE_REQUESTED);
		exchange(&p, 9000);
	}
	for (; n < 1000 && !p.fed; n++) {
		char buf[4096];
		int got;

		SSL_key_update(p.client, SSL_KEY_UPDATE_REQUESTED);
		SSL_do_handshake(p.client);
		while ((got = BIO_read(p.from_client, buf, sizeof(buf))) > 0)
			p.fed = tls_feed(p.server, buf, (size_t)got);
	}
	assert_int_equal(p.fed, RC_PROTO);
	assert_in_range(n, 10, 20);
	assert_true(tls_peek(p.server, &data) < 1000);
	finish(&p);
}

static void only_the_end_of_a_hello_costs_anything(void **state)
{
	char buf[4096];
	struct pair p;
	int n;

	(void)state;
	begin(&p, TLS1_3_VERSION);
	SSL_do_handshake(p.client);
	n = BIO_read(p.from_client, buf, sizeof(buf));
	assert_true(n > 100);
	assert_false(tls_completes_hello(p.server, buf, (size_t)n - 1));
	assert_true(tls_completes_hello(p.server, buf, (size_t)n));
	for (int i = 0; i < n; i++) {
		assert_int_equal(
		    tls_completes_hello(p.server, buf + i, 1), i == n - 1);
		assert_int_equal(tls_feed(p.server, buf + i, 1), RC_OK);
	}
	pump(&p);
	assert_true(shake(&p));
	finish(&p);
}

static void a_hello_has_an_end(void **state)
{
	static const char ssl2[] =
	    "\x80\x2e\x01\x03\x01\x00\x15\x00\x00\x00\x10";
	static const char huge[] = "\x16\x03\x01\x10\x00\x01\x01\xff\xff",
			  parts[] = "\x16\x03\x01\x00\x03\x01\x01\xff";
	static char part[4101];
	struct tls *t;
	size_t fed = 0;

	(void)state;
	assert_int_equal(tls_new(identity, &t), RC_OK);
	assert_int_equal(tls_feed(t, ssl2, 3), RC_PROTO);
	tls_free(t);
	/* libssl would make room for 128 KB */
	assert_int_equal(tls_new(identity, &t), RC_OK);
	assert_int_equal(tls_feed(t, huge, 8), RC_OK);
	assert_int_equal(tls_feed(t, huge + 8, 1), RC_PROTO);
	tls_free(t);
	/* in parts, so that its length comes late */
	assert_int_equal(tls_new(identity, &t), RC_OK);
	assert_int_equal(tls_feed(t, parts, 5), RC_PROTO);
	tls_free(t);
	/* an end that never comes */
	assert_int_equal(tls_new(identity, &t), RC_OK);
	memcpy(part, "\x16\x03\x01\x10\x00\x01\x00\x3f\xff\x03\x03", 11);
	while (tls_feed(t, part, sizeof(part)) == RC_OK) {
		memcpy(part, "\x16\x03\x01\x10\x00", 5);
		fed += sizeof(part);
	}
	assert_in_range(fed, 8000, 16384);
	tls_free(t);
}

/* Whoever asks for what costs eight times as much does not get it. */
static void dear_groups_are_refused(void **state)
{
	static char groups[][8] = { "P-384", "P-521", "X448" };
	static char both[] = "P-521:P-256";
	struct pair p;

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		begin(&p, TLS1_3_VERSION);
		assert_int_equal(SSL_set1_groups_list(p.client, groups[i]), 1);
		assert_false(shake(&p));
		finish(&p);
	}
	begin(&p, TLS1_3_VERSION);
	assert_int_equal(SSL_set1_groups_list(p.client, both), 1);
	assert_true(shake(&p));
	finish(&p);
}

static void a_key_must_be_of_its_certificate(void **state)
{
	struct tls_identity *id = NULL;
	struct tlscert other;

	(void)state;
	assert_int_equal(tlscert_load("", "nightstand", NOW, &other), RC_OK);
	assert_int_equal(tls_identity_new(other.key, other.key_len, cert.cert,
			     cert.cert_len, &id),
	    RC_CORRUPT);
	for (size_t len = 0; len < cert.cert_len; len += 9)
		assert_int_equal(tls_identity_new(cert.key, cert.key_len,
				     cert.cert, len, &id),
		    RC_CORRUPT);
	assert_int_equal(
	    tls_identity_new(cert.key, 5, cert.cert, cert.cert_len, &id),
	    RC_CORRUPT);
}

/* --- the certificate ---------------------------------------------------------------- */

static char dir[] = "/tmp/ns-tls-XXXXXX";

static int make_dir(void **state)
{
	(void)state;
	strcpy(dir, "/tmp/ns-tls-XXXXXX");
	return mkdtemp(dir) ? 0 : -1;
}

static int drop_dir(void **state)
{
	char cmd[64];

	(void)state;
	snprintf(cmd, sizeof(cmd), "rm -r '%s'", dir);
	return system(cmd);
}

static bool is_kept(const char *name, int64_t now_at)
{
	struct tlscert a, b;

	assert_int_equal(tlscert_load(dir, "nightstand", NOW, &a), RC_OK);
	assert_int_equal(tlscert_load(dir, name, now_at, &b), RC_OK);
	return a.cert_len == b.cert_len &&
	       memcmp(a.cert, b.cert, a.cert_len) == 0 &&
	       strcmp(a.fingerprint, b.fingerprint) == 0;
}

static void it_is_made_once(void **state)
{
	char path[64];
	struct stat st;
	struct tlscert c;

	(void)state;
	assert_true(is_kept("nightstand", NOW));
	assert_true(is_kept("nightstand", NOW + 700 * 86400LL));
	assert_true(is_kept("nightstand", 1000)); /* no clock yet */
	snprintf(path, sizeof(path), "%s/" TLSCERT_FILE, dir);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(tlscert_load(dir, "nightstand", NOW, &c), RC_OK);
	assert_int_equal(strlen(c.fingerprint), 95);
	assert_int_equal(c.ends_at, NOW - 86400 + TLSCERT_DAYS * 86400LL);
}

static void it_is_made_anew_in_time(void **state)
{
	(void)state;
	assert_false(is_kept("nightstand", NOW + 800 * 86400LL));
}

static void another_name_needs_another_one(void **state)
{
	(void)state;
	assert_false(is_kept("attic", NOW));
}

static void a_broken_file_is_replaced(void **state)
{
	struct tlscert a;
	char path[64], text[4096];
	size_t len;
	FILE *f;

	(void)state;
	snprintf(path, sizeof(path), "%s/" TLSCERT_FILE, dir);
	assert_int_equal(tlscert_load(dir, "nightstand", NOW, &a), RC_OK);
	f = fopen(path, "r");
	assert_non_null(f);
	len = fread(text, 1, sizeof(text), f);
	fclose(f);
	for (size_t cut = 0; cut + 5 < len; cut += 67) {
		f = fopen(path, "w");
		assert_int_equal(fwrite(text, 1, cut, f), cut);
		fclose(f);
		assert_int_equal(
		    tlscert_load(dir, "nightstand", NOW, &a), RC_OK);
		assert_true(is_kept("nightstand", NOW));
	}
}

/* A box whose clock was never set makes one that phones with a right clock
 * take. */
static void without_a_clock_it_begins_early(void **state)
{
	struct tlscert c;

	(void)state;
	assert_int_equal(tlscert_load(dir, "nightstand", 5, &c), RC_OK);
	assert_int_equal(c.ends_at, FIRST_AT + TLSCERT_DAYS * 86400LL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_page_goes_through),
		cmocka_unit_test(bytes_may_come_one_by_one),
		cmocka_unit_test(who_says_goodbye_still_gets_the_answer),
		cmocka_unit_test(what_is_no_tls_is_answered_with_an_alert),
		cmocka_unit_test(old_versions_are_refused),
		cmocka_unit_test(a_flipped_bit_ends_it),
		cmocka_unit_test(nobody_may_shake_hands_again),
		cmocka_unit_test(new_keys_are_given_a_few_times_only),
		cmocka_unit_test(only_the_end_of_a_hello_costs_anything),
		cmocka_unit_test(a_hello_has_an_end),
		cmocka_unit_test(dear_groups_are_refused),
		cmocka_unit_test(a_key_must_be_of_its_certificate),
		cmocka_unit_test_setup_teardown(
		    it_is_made_once, make_dir, drop_dir),
		cmocka_unit_test_setup_teardown(
		    it_is_made_anew_in_time, make_dir, drop_dir),
		cmocka_unit_test_setup_teardown(
		    another_name_needs_another_one, make_dir, drop_dir),
		cmocka_unit_test_setup_teardown(
		    a_broken_file_is_replaced, make_dir, drop_dir),
		cmocka_unit_test_setup_teardown(
		    without_a_clock_it_begins_early, make_dir, drop_dir),
	};

	return cmocka_run_group_tests(tests, make_identity, drop_identity);
}
