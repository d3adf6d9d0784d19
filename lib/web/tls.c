#include "tls.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <stdlib.h>
#include <string.h>

#define RECORD                                                                 \
	8192 /* plain bytes of one: small ones reach a slow peer sooner */

/* A hello of today is 2 KB. libssl would take one of 128. */
#define HELLO_MOST 16384
/* What a peer may ask TLS itself for, once it is up: new keys, mostly. No
 * browser does; each costs as much as ten records and an answer. */
#define EXTRAS_MOST 16

#define RECORD_HEAD      5
#define RECORD_HANDSHAKE 22
#define MESSAGE_HEAD     4 /* type, and three bytes of length */

struct tls_identity {
	SSL_CTX *ctx;
};

struct tls {
	SSL *ssl;
	BIO *in, *out; /* ssl's own */
	size_t fed; /* bytes, until it is up */
	uint8_t head[RECORD_HEAD + MESSAGE_HEAD]; /* the first of them */
	bool up; /* once; libssl's own word falls back for new keys */
	unsigned extras;
	bool over; /* it broke, or we have said goodbye */
	bool ended; /* the peer has said goodbye, and may still listen */
};

/* --- the identity --------------------------------------------------------- */

/* A browser may ask for HTTP/2 as well; without an answer some take it. */
static int choose_protocol(SSL *ssl, const unsigned char **out,
    unsigned char *out_len, const unsigned char *in, unsigned in_len, void *arg)
{
	static const unsigned char ours[] = "\x08http/1.1";
	unsigned char *chosen;

	(void)ssl;
	(void)arg;
	if (SSL_select_next_proto(&chosen, out_len, ours, sizeof(ours) - 1, in,
		in_len) != OPENSSL_NPN_NEGOTIATED)
		return SSL_TLSEXT_ERR_NOACK;
	*out = chosen;
	return SSL_TLSEXT_ERR_OK;
}

/* Groups that every browser has. libssl's own list has some that cost eight
 * times as much, for whoever asks; of those it knows, 3.5 has the hybrid. */
static bool set_algorithms(SSL_CTX *ctx)
{
	/* not const: libssl's macro casts that away */
	static char hybrid[] = "X25519MLKEM768:X25519:P-256";
	static char classic[] = "X25519:P-256";
	bool ok = SSL_CTX_set1_groups_list(ctx, hybrid) == 1 ||
		  SSL_CTX_set1_groups_list(ctx, classic) == 1;

	ERR_clear_error();
	return ok && SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) == 1 &&
	       SSL_CTX_set_cipher_list(ctx,
		   "ECDHE-ECDSA-AES128-GCM-SHA256:"
		   "ECDHE-ECDSA-CHACHA20-POLY1305:"
		   "ECDHE-ECDSA-AES256-GCM-SHA384") == 1;
}

/* Hears of each message of TLS itself. */
static void count_extras(int written, int version, int type, const void *data,
    size_t len, SSL *ssl, void *arg)
{
	struct tls *t = SSL_get_app_data(ssl);

	(void)version;
	(void)data;
	(void)len;
	(void)arg;
	if (t && t->up && type == (written ? SSL3_RT_ALERT : SSL3_RT_HANDSHAKE))
		t->extras++;
}

static SSL_CTX *new_ctx(void)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());

	if (!ctx)
		return NULL;
	SSL_CTX_set_msg_callback(ctx, count_extras);
	SSL_CTX_set_options(ctx,
	    SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
		SSL_OP_CLEANSE_PLAINTEXT | SSL_OP_CIPHER_SERVER_PREFERENCE);
	SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS |
				  SSL_MODE_ENABLE_PARTIAL_WRITE |
				  SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	/* Tickets keep the state at the peer; a cache would grow here. */
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_num_tickets(ctx, 1);
	SSL_CTX_set_alpn_select_cb(ctx, choose_protocol, NULL);
	if (set_algorithms(ctx))
		return ctx;
	SSL_CTX_free(ctx);
	return NULL;
}

enum rc tls_init(void)
{
	unsigned char byte;
	SSL_CTX *ctx = new_ctx();
	SSL *ssl = ctx ? SSL_new(ctx) : NULL;
	enum rc rc = ssl && RAND_bytes(&byte, 1) == 1 ? RC_OK : RC_NOMEM;

	SSL_free(ssl);
	SSL_CTX_free(ctx);
	return rc;
}

enum rc tls_identity_new(const uint8_t *key, size_t key_len,
    const uint8_t *cert, size_t cert_len, struct tls_identity **out)
{
	struct tls_identity *id = calloc(1, sizeof(*id));
	bool ok;

	if (!id)
		return RC_NOMEM;
	id->ctx = new_ctx();
	if (!id->ctx) {
		free(id);
		return RC_NOMEM;
	}
	ok = key_len <= INT16_MAX && cert_len <= INT16_MAX &&
	     SSL_CTX_use_certificate_ASN1(id->ctx, (int)cert_len, cert) == 1 &&
	     SSL_CTX_use_PrivateKey_ASN1(
		 EVP_PKEY_EC, id->ctx, key, (long)key_len) == 1 &&
	     SSL_CTX_check_private_key(id->ctx) == 1;
	ERR_clear_error();
	if (!ok) {
		tls_identity_free(id);
		return RC_CORRUPT;
	}
	*out = id;
	return RC_OK;
}

void tls_identity_free(struct tls_identity *id)
{
	if (!id)
		return;
	SSL_CTX_free(id->ctx); /* connections hold on to it */
	free(id);
}

/* --- one connection ------------------------------------------------------- */

enum rc tls_new(const struct tls_identity *id, struct tls **out)
{
	struct tls *t = calloc(1, sizeof(*t));

	if (!t)
		return RC_NOMEM;
	t->ssl = SSL_new(id->ctx);
	t->in = BIO_new(BIO_s_mem());
	t->out = BIO_new(BIO_s_mem());
	if (!t->ssl || !t->in || !t->out) {
		BIO_free(t->in);
		BIO_free(t->out);
		SSL_free(t->ssl);
		free(t);
		return RC_NOMEM;
	}
	/* An empty one is no end of the stream. */
	BIO_set_mem_eof_return(t->in, -1);
	SSL_set_bio(t->ssl, t->in, t->out);
	SSL_set_accept_state(t->ssl);
	SSL_set_app_data(t->ssl, t);
	*out = t;
	return RC_OK;
}

void tls_free(struct tls *t)
{
	if (!t)
		return;
	SSL_free(t->ssl);
	free(t);
}

/* What a call of libssl means for the connection. */
static enum rc judge(struct tls *t, int ret)
{
	int why = ret > 0 ? SSL_ERROR_NONE : SSL_get_error(t->ssl, ret);

	ERR_clear_error();
	if (t->extras > EXTRAS_MOST) {
		t->over = true;
		return RC_PROTO;
	}
	if (why == SSL_ERROR_NONE || why == SSL_ERROR_WANT_READ ||
	    why == SSL_ERROR_WANT_WRITE)
		return RC_OK;
	if (why == SSL_ERROR_ZERO_RETURN) {
		t->ended = true;
		return RC_GONE;
	}
	t->over = true;
	return RC_PROTO;
}

/* The first bytes of all, as far as they are known with these. */
static size_t first_bytes(
    const struct tls *t, const uint8_t *data, size_t len, uint8_t *head)
{
	size_t n = t->fed < sizeof(t->head) ? t->fed : sizeof(t->head);

	memcpy(head, t->head, n);
	while (n < sizeof(t->head) && len--)
		head[n++] = *data++;
	return n;
}

static size_t record_len(const uint8_t *head)
{
	return (size_t)head[3] << 8 | head[4];
}

bool tls_completes_hello(const struct tls *t, const void *data, size_t len)
{
	uint8_t head[sizeof(t->head)];

	return first_bytes(t, data, len, head) >= RECORD_HEAD &&
	       t->fed + len >= RECORD_HEAD + record_len(head);
}

/* False: that is no hello, or one without end, for which libssl would make
 * room at once. One in the form of SSL 2, which it would take, is none. */
static bool take_hello(struct tls *t, const uint8_t *data, size_t len)
{
	const uint8_t *h = t->head;
	size_t n = first_bytes(t, data, len, t->head);

	t->fed += len;
	if (t->fed > HELLO_MOST || (n && h[0] != RECORD_HANDSHAKE) ||
	    (n >= RECORD_HEAD && record_len(h) < MESSAGE_HEAD))
		return false;
	return n < sizeof(t->head) ||
	       ((size_t)h[6] << 16 | (size_t)h[7] << 8 | h[8]) <= HELLO_MOST;
}

enum rc tls_feed(struct tls *t, const void *data, size_t len)
{
	size_t written;
	char none;

	if (t->over)
		return RC_PROTO;
	if ((!tls_is_up(t) && !take_hello(t, data, len)) ||
	    BIO_write_ex(t->in, data, len, &written) != 1 || written != len) {
		t->over = true;
		return RC_PROTO;
	}
	if (!tls_is_up(t)) {
		enum rc rc = judge(t, SSL_do_handshake(t->ssl));

		t->up = !rc && SSL_is_init_finished(t->ssl);
		if (!t->up)
			return rc;
	}
	/* A look: records that carry no plain bytes are worked off. */
	return judge(t, SSL_peek(t->ssl, &none, 1));
}

size_t tls_read(struct tls *t, char *buf, size_t cap)
{
	size_t n = 0;
	int ret;

	if (t->over || !tls_is_up(t))
		return 0;
	ret = SSL_read_ex(t->ssl, buf, cap, &n);
	if (ret != 1)
		n = 0;
	(void)judge(t, ret);
	return n;
}

bool tls_is_up(const struct tls *t)
{
	return t->up;
}

size_t tls_write(struct tls *t, const void *data, size_t len)
{
	const void *waiting;
	size_t n = 0;
	int ret;

	if (t->over || !tls_is_up(t) || tls_peek(t, &waiting) >= TLS_WAITING)
		return 0;
	ret = SSL_write_ex(t->ssl, data, len < RECORD ? len : RECORD, &n);
	if (ret != 1)
		n = 0;
	(void)judge(t, ret);
	return n;
}

size_t tls_peek(const struct tls *t, const void **data)
{
	char *all;
	long len = BIO_get_mem_data(t->out, &all);

	*data = all;
	return len > 0 ? (size_t)len : 0;
}

void tls_sent(struct tls *t, size_t len)
{
	char gone[2048];

	while (len) {
		int n = BIO_read(t->out, gone,
		    (int)(len < sizeof(gone) ? len : sizeof(gone)));

		if (n <= 0)
			return;
		len -= (size_t)n;
	}
}

void tls_end(struct tls *t)
{
	if (!t->over && tls_is_up(t))
		(void)SSL_shutdown(t->ssl);
	ERR_clear_error();
	t->over = true;
}
