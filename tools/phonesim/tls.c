/* The TLS profile of real phones; see tls.h. */
#include "tls.h"

#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdlib.h>
#include <string.h>

#include "phone_private.h"
#include "pl.h"
#define LOG_MODULE "phonesim"
#include "log.h"

/* What the client's certificate is compared with; owned by the context. */
struct tls_peers {
	X509 *host, *root;
};

static int tls_peers_index = -1;
static pthread_once_t tls_once = PTHREAD_ONCE_INIT;

static void tls_peers_free(
    void *parent, void *ptr, CRYPTO_EX_DATA *ad, int idx, long argl, void *argp)
{
	struct tls_peers *p = ptr;

	(void)parent, (void)ad, (void)idx, (void)argl, (void)argp;
	if (!p)
		return;
	X509_free(p->host);
	X509_free(p->root);
	free(p);
}

static void tls_init(void)
{
	tls_peers_index =
	    SSL_CTX_get_ex_new_index(0, NULL, NULL, NULL, tls_peers_free);
}

static X509 *tls_cert(plist_t record, const char *key)
{
	size_t n = 0;
	const char *pem = pl_data(record, key, &n);
	BIO *bio = pem ? BIO_new_mem_buf(pem, (int)n) : NULL;
	X509 *cert = bio ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL;

	BIO_free(bio);
	return cert;
}

/* Phones accept the two certificates of the record and nothing else. */
static int tls_verify(X509_STORE_CTX *store, void *arg)
{
	X509 *cert = X509_STORE_CTX_get0_cert(store);
	struct tls_peers *p = arg;

	if (cert && ((p->host && X509_cmp(cert, p->host) == 0) ||
			(p->root && X509_cmp(cert, p->root) == 0)))
		return 1;
	X509_STORE_CTX_set_error(store, X509_V_ERR_CERT_UNTRUSTED);
	return 0;
}

/* Before iOS 10 there was TLS 1.0 only (protocols.md 4.9). */
static int tls_profile(SSL_CTX *ctx, bool is_old)
{
	/* Not const: OpenSSL's macros cast that away. */
	static unsigned char types[] = { 1, 64 }; /* RSA, ECDSA */
	static char groups[] = "P-521:P-384:P-256";
	static char own[] = "RSA+SHA256:RSA+SHA1:RSA+SHA384:RSA+SHA512";
	static char theirs[] =
	    "RSA+SHA256:RSA+SHA1:RSA+SHA384:RSA+SHA512:"
	    "ECDSA+SHA256:ECDSA+SHA1:ECDSA+SHA384:ECDSA+SHA512";
	int version = is_old ? TLS1_VERSION : TLS1_2_VERSION;

	SSL_CTX_set_security_level(ctx, 0); /* hosts sign with SHA-1 */
	SSL_CTX_set_options(
	    ctx, SSL_OP_NO_TICKET | SSL_OP_NO_EXTENDED_MASTER_SECRET |
		     SSL_OP_NO_RENEGOTIATION | SSL_OP_IGNORE_UNEXPECTED_EOF);
	/* A session id of 32 bytes is given out, but never honoured. */
	SSL_CTX_set_session_cache_mode(
	    ctx, SSL_SESS_CACHE_SERVER | SSL_SESS_CACHE_NO_INTERNAL);
	if (!SSL_CTX_set_session_id_context(
		ctx, (const unsigned char *)"phone", 5) ||
	    !SSL_CTX_set_min_proto_version(ctx, version) ||
	    !SSL_CTX_set_max_proto_version(ctx, version) ||
	    !SSL_CTX_set_cipher_list(
		ctx, is_old ? "AES256-SHA:AES128-SHA:@SECLEVEL=0"
			    : "ECDHE-RSA-AES256-GCM-SHA384:@SECLEVEL=0") ||
	    !SSL_CTX_set1_groups_list(ctx, groups) ||
	    !SSL_CTX_set1_client_certificate_types(ctx, types, sizeof(types)))
		return -1;
	if (!is_old && (!SSL_CTX_set1_sigalgs_list(ctx, own) ||
			   !SSL_CTX_set1_client_sigalgs_list(ctx, theirs)))
		return -1;
	return 0;
}

/* The list of extensions in a ClientHello; NULL when there is none. */
static unsigned char *tls_extensions(unsigned char *p, size_t n, size_t *len)
{
	size_t at = 4 + 2 + 32; /* header, version, random */

	if (n < at + 1 || p[0] != 1)
		return NULL;
	at += 1 + p[at]; /* session id */
	if (n < at + 2)
		return NULL;
	at += 2 + ((size_t)p[at] << 8 | p[at + 1]); /* ciphers */
	if (n < at + 1)
		return NULL;
	at += 1 + p[at]; /* compressions */
	if (n < at + 2)
		return NULL;
	*len = (size_t)p[at] << 8 | p[at + 1];
	return *len <= n - at - 2 ? p + at + 2 : NULL;
}

/*
 * Phones answer with renegotiation_info and nothing else (CHECKS 32); OpenSSL
 * would answer ec_point_formats, too, and has no switch for it. Its message
 * callback sees the ClientHello after it was hashed and before it is read:
 * the extension gets a type that nobody knows.
 */
static void tls_hide_point_formats(int is_write, int version, int type,
    const void *buf, size_t n, SSL *ssl, void *arg)
{
	unsigned char *p;
	size_t len = 0;

	(void)version, (void)ssl, (void)arg;
	if (is_write || type != SSL3_RT_HANDSHAKE)
		return;
	memcpy(&p, &buf, sizeof(p));
	p = tls_extensions(p, n, &len);
	while (p && len >= 4) {
		size_t body = (size_t)p[2] << 8 | p[3];

		if (p[0] == 0 && p[1] == 11)
			p[0] = p[1] = 0x7a;
		if (body > len - 4)
			return;
		p += 4 + body;
		len -= 4 + body;
	}
}

static int tls_identity(SSL_CTX *ctx, struct phone *ph, plist_t record)
{
	X509 *device = tls_cert(record, "DeviceCertificate");
	struct tls_peers *p = calloc(1, sizeof(*p));
	int rc = -1;

	if (!device || !p || !SSL_CTX_set_ex_data(ctx, tls_peers_index, p)) {
		free(p);
		goto out;
	}
	SSL_CTX_set_msg_callback(ctx, tls_hide_point_formats);
	p->host = tls_cert(record, "HostCertificate");
	p->root = tls_cert(record, "RootCertificate");
	SSL_CTX_set_verify(
	    ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
	SSL_CTX_set_cert_verify_callback(ctx, tls_verify, p);
	if (SSL_CTX_use_certificate(ctx, device) == 1 &&
	    SSL_CTX_use_PrivateKey(ctx, ph->p->key) == 1)
		rc = 0;
out:
	X509_free(device);
	return rc;
}

const char *tls_error(void)
{
	const char *why = ERR_reason_error_string(ERR_peek_last_error());

	ERR_clear_error();
	return why ? why : "the other side went away";
}

SSL_CTX *tls_context(struct phone *ph, const char *host_id)
{
	plist_t record = phone_host_load(ph, host_id);
	SSL_CTX *ctx = NULL;
	int rc = -1;

	pthread_once(&tls_once, tls_init);
	if (!record)
		return NULL;
	ctx = SSL_CTX_new(TLS_server_method());
	if (ctx)
		rc = tls_profile(ctx, ph->id.ios_major < 10);
	if (!rc)
		rc = tls_identity(ctx, ph, record);
	plist_free(record);
	if (rc) {
		log_warn("no TLS for host=%s: %s", host_id, tls_error());
		SSL_CTX_free(ctx);
		return NULL;
	}
	return ctx;
}
