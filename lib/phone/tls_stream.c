#define LOG_MODULE "tls"
#include "tls_stream.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "log.h"
#include "mono.h"

#define HANDSHAKE_MS 15000
#define WRITE_MS     60000
#define READ_AHEAD   131072 /* ciphertext taken from the socket at once */

struct tls_stream {
	int fd;
	SSL *ssl; /* NULL: in clear */
	SSL_CTX *ctx;
	void (*release)(void *arg);
	void *release_arg;
};

/* RC_OK ready, RC_TIMEOUT, RC_GONE. */
static enum rc wait_fd(int fd, short events, int timeout_ms)
{
	struct pollfd p = { .fd = fd, .events = events };
	int n;

	do {
		n = poll(&p, 1, timeout_ms);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return RC_GONE;
	return n == 0 ? RC_TIMEOUT : RC_OK;
}

static enum rc read_clear(
    struct tls_stream *t, uint8_t *buf, size_t cap, int timeout_ms, size_t *len)
{
	for (;;) {
		ssize_t n = recv(t->fd, buf, cap, MSG_DONTWAIT);
		enum rc rc;

		if (n > 0) {
			*len = (size_t)n;
			return RC_OK;
		}
		if (n == 0)
			return RC_GONE;
		if (errno == EINTR)
			continue;
		if (errno != EAGAIN && errno != EWOULDBLOCK)
			return RC_GONE;
		rc = wait_fd(t->fd, POLLIN, timeout_ms);
		if (rc)
			return rc;
	}
}

/* One record a call is all that SSL_read() gives: take as many as are there,
 * so that the caller's work is done in few large pieces. */
static enum rc read_tls(
    struct tls_stream *t, uint8_t *buf, size_t cap, int timeout_ms, size_t *len)
{
	size_t got = 0;

	ERR_clear_error();
	for (;;) {
		size_t n = 0;
		enum rc rc;
		int err;

		if (SSL_read_ex(t->ssl, buf + got, cap - got, &n)) {
			got += n;
			if (got < cap)
				continue;
			break;
		}
		err = SSL_get_error(t->ssl, 0);
		if (got > 0)
			break; /* an error shows again at the next call */
		if (err == SSL_ERROR_WANT_READ)
			rc = wait_fd(t->fd, POLLIN, timeout_ms);
		else if (err == SSL_ERROR_WANT_WRITE)
			rc = wait_fd(t->fd, POLLOUT, timeout_ms);
		else
			rc = RC_GONE;
		if (rc)
			return rc;
	}
	*len = got;
	return RC_OK;
}

static enum rc stream_read(
    void *ctx, void *buf, size_t cap, int timeout_ms, size_t *len)
{
	struct tls_stream *t = ctx;

	*len = 0;
	if (cap == 0)
		return RC_BUG;
	if (t->ssl)
		return read_tls(t, buf, cap, timeout_ms, len);
	return read_clear(t, buf, cap, timeout_ms, len);
}

static enum rc write_clear(struct tls_stream *t, const uint8_t *p, size_t len)
{
	while (len > 0) {
		ssize_t n = send(t->fd, p, len, MSG_DONTWAIT | MSG_NOSIGNAL);
		enum rc rc;

		if (n > 0) {
			p += n;
			len -= (size_t)n;
			continue;
		}
		if (n < 0 && errno == EINTR)
			continue;
		if (n == 0 || (errno != EAGAIN && errno != EWOULDBLOCK))
			return RC_GONE;
		rc = wait_fd(t->fd, POLLOUT, WRITE_MS);
		if (rc)
			return rc;
	}
	return RC_OK;
}

static enum rc write_tls(struct tls_stream *t, const uint8_t *p, size_t len)
{
	size_t done;

	if (len == 0)
		return RC_OK;
	ERR_clear_error();
	while (!SSL_write_ex(t->ssl, p, len, &done)) {
		int err = SSL_get_error(t->ssl, 0);
		enum rc rc = RC_GONE;

		if (err == SSL_ERROR_WANT_READ)
			rc = wait_fd(t->fd, POLLIN, WRITE_MS);
		else if (err == SSL_ERROR_WANT_WRITE)
			rc = wait_fd(t->fd, POLLOUT, WRITE_MS);
		if (rc)
			return rc;
	}
	return RC_OK;
}

static enum rc stream_write(void *ctx, const void *buf, size_t len)
{
	struct tls_stream *t = ctx;

	return t->ssl ? write_tls(t, buf, len) : write_clear(t, buf, len);
}

/* Apple's services end without a close_notify on either side. */
static void stream_close(void *ctx)
{
	struct tls_stream *t = ctx;

	SSL_free(t->ssl);
	SSL_CTX_free(t->ctx);
	t->release(t->release_arg);
	free(t);
}

static const struct stream_ops ops = { stream_read, stream_write,
	stream_close };

static BIO *pem_bio(const uint8_t *p, size_t len)
{
	return len > 0 && len <= INT_MAX ? BIO_new_mem_buf(p, (int)len) : NULL;
}

static enum rc use_identity(SSL_CTX *ctx, const struct tls_stream_opts *o)
{
	BIO *cert_bio = pem_bio(o->cert, o->cert_len);
	BIO *key_bio = pem_bio(o->key, o->key_len);
	X509 *cert = NULL;
	EVP_PKEY *key = NULL;
	enum rc rc = RC_CORRUPT;

	if (cert_bio)
		cert = PEM_read_bio_X509(cert_bio, NULL, NULL, NULL);
	if (key_bio)
		key = PEM_read_bio_PrivateKey(key_bio, NULL, NULL, NULL);
	if (cert && key && SSL_CTX_use_certificate(ctx, cert) == 1 &&
	    SSL_CTX_use_PrivateKey(ctx, key) == 1 &&
	    SSL_CTX_check_private_key(ctx) == 1)
		rc = RC_OK;
	EVP_PKEY_free(key);
	X509_free(cert);
	BIO_free(key_bio);
	BIO_free(cert_bio);
	return rc;
}

static enum rc make_context(
    struct tls_stream *t, const struct tls_stream_opts *o)
{
	t->ctx = SSL_CTX_new(TLS_client_method());
	if (!t->ctx)
		return RC_NOMEM;
	/* Pair records of Apple's own and of older hosts are SHA-1-signed,
	 * and old phones have 1024-bit keys and TLS 1.0. */
	SSL_CTX_set_security_level(t->ctx, 0);
	if (!SSL_CTX_set_min_proto_version(t->ctx, TLS1_VERSION) ||
	    !SSL_CTX_set_cipher_list(t->ctx, "ALL:!aNULL:!eNULL:@SECLEVEL=0"))
		return RC_BUG;
	SSL_CTX_set_options(t->ctx,
	    SSL_OP_IGNORE_UNEXPECTED_EOF | SSL_OP_LEGACY_SERVER_CONNECT);
	SSL_CTX_set_verify(t->ctx, SSL_VERIFY_NONE, NULL);
	SSL_CTX_set_read_ahead(t->ctx, 1);
	SSL_CTX_set_default_read_buffer_len(t->ctx, READ_AHEAD);
	SSL_CTX_set_session_cache_mode(t->ctx, SSL_SESS_CACHE_OFF);
	return use_identity(t->ctx, o);
}

static enum rc handshake(struct tls_stream *t)
{
	int64_t deadline = mono_ms() + HANDSHAKE_MS;

	t->ssl = SSL_new(t->ctx);
	if (!t->ssl || !SSL_set_fd(t->ssl, t->fd))
		return RC_NOMEM;
	for (;;) {
		int64_t left = deadline - mono_ms();
		enum rc rc;
		int err, n;

		ERR_clear_error();
		n = SSL_connect(t->ssl);
		if (n == 1)
			break;
		err = SSL_get_error(t->ssl, n);
		if (err != SSL_ERROR_WANT_READ && err != SSL_ERROR_WANT_WRITE) {
			log_warn("handshake failed: %s",
			    ERR_reason_error_string(ERR_peek_error())
				? ERR_reason_error_string(ERR_peek_error())
				: "connection ended");
			return err == SSL_ERROR_SSL ? RC_REFUSED : RC_GONE;
		}
		if (left <= 0)
			return RC_TIMEOUT;
		rc = wait_fd(t->fd,
		    err == SSL_ERROR_WANT_READ ? POLLIN : POLLOUT, (int)left);
		if (rc)
			return rc;
	}
	log_debug("%s %s", SSL_get_version(t->ssl), SSL_get_cipher(t->ssl));
	return RC_OK;
}

enum rc tls_stream_open(const struct tls_stream_opts *opts, struct stream *out)
{
	struct tls_stream *t = calloc(1, sizeof(*t));
	enum rc rc = RC_OK;
	int flags;

	if (!t) {
		opts->release(opts->release_arg);
		return RC_NOMEM;
	}
	t->fd = opts->fd;
	t->release = opts->release;
	t->release_arg = opts->release_arg;
	flags = fcntl(t->fd, F_GETFL);
	if (flags < 0 || fcntl(t->fd, F_SETFL, flags | O_NONBLOCK) < 0)
		rc = RC_GONE;
	if (!rc && opts->tls)
		rc = make_context(t, opts);
	if (!rc && opts->tls)
		rc = handshake(t);
	if (rc) {
		stream_close(t);
		return rc;
	}
	out->ops = &ops;
	out->ctx = t;
	return RC_OK;
}
