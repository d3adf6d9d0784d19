/*
 * What comes to the port of HTTPS: the first byte chooses whether a real
 * client shakes hands first (1: TLS 1.2, 2: TLS 1.3, and 4: has sent a
 * request, 8: asks for new keys for ever), the second in what pieces the rest, which is what the peer sends
 * then, arrives.
 */
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

#include <openssl/ssl.h>

#include "tls.h"
#include "tlscert.c" /* firmware is in no archive */

static struct tls_identity *identity;
static SSL_CTX *client_ctx;

static void must(bool so)
{
	if (!so)
		abort();
}

static void start(void)
{
	struct tlscert cert;

	if (identity)
		return;
	log_set_level(LOG_LEVEL_ERROR);
	must(!tls_init() && !tlscert_load("", "box", 0, &cert) &&
	     !tls_identity_new(
		 cert.key, cert.key_len, cert.cert, cert.cert_len, &identity));
	client_ctx = SSL_CTX_new(TLS_client_method());
	must(client_ctx != NULL);
}

/* What the server wants to send; a client that hears it, or nobody. */
static void drain(struct tls *t, BIO *to)
{
	const void *data;
	size_t n;

	while ((n = tls_peek(t, &data)) > 0) {
		if (to)
			BIO_write(to, data, (int)n);
		tls_sent(t, n);
	}
}

/* It gets a few, and then the end. */
static void ask_for_keys(struct tls *t, SSL *client, BIO *from)
{
	const void *data;
	char buf[4096];
	enum rc rc = RC_OK;
	int n;

	for (int i = 0; i < 100 && !rc; i++) {
		must(SSL_key_update(client, SSL_KEY_UPDATE_REQUESTED) == 1);
		SSL_do_handshake(client);
		while ((n = BIO_read(from, buf, sizeof(buf))) > 0)
			rc = tls_feed(t, buf, (size_t)n);
	}
	must(rc == RC_PROTO && tls_peek(t, &data) < 1000);
}

static void shake(struct tls *t, int version, bool ask, bool keys)
{
	SSL *client = SSL_new(client_ctx);
	BIO *to = BIO_new(BIO_s_mem()), *from = BIO_new(BIO_s_mem());
	char buf[4096];
	int n;

	must(client && to && from);
	BIO_set_mem_eof_return(to, -1);
	SSL_set_bio(client, to, from);
	SSL_set_connect_state(client);
	SSL_set_max_proto_version(client, version);
	for (int i = 0; i < 6; i++) {
		if (SSL_do_handshake(client) == 1 && ask) {
			must(SSL_write(client, "GET / HTTP/1.1\r\n", 16) == 16);
			ask = false;
		}
		while ((n = BIO_read(from, buf, sizeof(buf))) > 0)
			must(tls_feed(t, buf, (size_t)n) == RC_OK);
		drain(t, to);
	}
	must(tls_is_up(t));
	if (keys && version == TLS1_3_VERSION)
		ask_for_keys(t, client, from);
	SSL_free(client);
}

/* Whatever came: calls that a server makes then are safe, and what waits to be
 * sent stays within its bound. */
static void use(struct tls *t)
{
	static const char page[20000];
	const void *data;
	char buf[300];

	while (tls_read(t, buf, sizeof(buf)) > 0) {
		/* nobody wants it */
	}
	while (tls_write(t, page, sizeof(page)) > 0) {
		/* as much as it takes */
	}
	must(tls_peek(t, &data) < TLS_WAITING + 10000);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct tls *t;
	size_t piece;
	bool over = false;

	if (len < 2)
		return 0;
	start();
	must(tls_new(identity, &t) == RC_OK);
	if (data[0] & 3)
		shake(t, data[0] & 1 ? TLS1_2_VERSION : TLS1_3_VERSION,
		    data[0] & 4, data[0] & 8);
	piece = data[1] ? data[1] * 8 : 1;
	data += 2;
	len -= 2;
	for (size_t n; len && !over; data += n, len -= n) {
		n = len < piece ? len : piece;
		tls_completes_hello(t, data, n);
		over = tls_feed(t, data, n) == RC_PROTO;
		use(t);
		drain(t, NULL);
	}
	/* One that broke takes and gives nothing more. */
	if (over)
		must(tls_feed(t, "x", 1) == RC_PROTO &&
		     tls_write(t, "x", 1) == 0);
	tls_end(t);
	drain(t, NULL);
	tls_free(t);
	return 0;
}
