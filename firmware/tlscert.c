#include "tlscert.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "log.h"
#include "wall.h"

#define LOG_MODULE "tls"
#define DAY_S      86400
#define RENEW_S    (60 * DAY_S) /* before its end */
#define EARLY_S    DAY_S /* clocks of a house differ */
#define FIRST_AT   1767225600 /* 2026-01-01: no clock of ours is right before */

/* --- between OpenSSL's objects and ours ------------------------------------------- */

static bool to_der(struct tlscert *out, EVP_PKEY *key, X509 *cert)
{
	int key_len = i2d_PrivateKey(key, NULL),
	    cert_len = i2d_X509(cert, NULL);
	unsigned char *k = out->key, *c = out->cert;

	if (key_len <= 0 || key_len > TLSCERT_KEY_MAX || cert_len <= 0 ||
	    cert_len > TLSCERT_CERT_MAX)
		return false;
	out->key_len = (uint16_t)i2d_PrivateKey(key, &k);
	out->cert_len = (uint16_t)i2d_X509(cert, &c);
	return true;
}

static bool add_fingerprint(struct tlscert *out, X509 *cert)
{
	unsigned char sum[32];
	unsigned len = 0;

	if (X509_digest(cert, EVP_sha256(), sum, &len) != 1 ||
	    len != sizeof(sum))
		return false;
	for (unsigned i = 0; i < len; i++)
		snprintf(out->fingerprint + 3 * i, 4, "%02X%s", sum[i],
		    i + 1 < len ? ":" : "");
	return true;
}

static bool add_end(struct tlscert *out, X509 *cert)
{
	struct tm tm;

	if (ASN1_TIME_to_tm(X509_get0_notAfter(cert), &tm) != 1)
		return false;
	out->ends_at = timegm(&tm);
	return true;
}

static enum rc take(struct tlscert *out, EVP_PKEY *key, X509 *cert)
{
	memset(out, 0, sizeof(*out));
	if (X509_check_private_key(cert, key) == 1 && to_der(out, key, cert) &&
	    add_fingerprint(out, cert) && add_end(out, cert))
		return RC_OK;
	return RC_CORRUPT;
}

/* --- making ---------------------------------------------------------------------------- */

static EVP_PKEY *make_key(void)
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_id(EVP_PKEY_EC, NULL);
	EVP_PKEY *key = NULL;

	if (ctx && EVP_PKEY_keygen_init(ctx) == 1 &&
	    EVP_PKEY_CTX_set_ec_paramgen_curve_nid(ctx, NID_X9_62_prime256v1) ==
		1)
		EVP_PKEY_keygen(ctx, &key);
	EVP_PKEY_CTX_free(ctx);
	return key;
}

static bool add_extension(X509 *cert, int nid, const char *value)
{
	X509_EXTENSION *ext = X509V3_EXT_conf_nid(NULL, NULL, nid, value);
	bool ok = ext && X509_add_ext(cert, ext, -1) == 1;

	X509_EXTENSION_free(ext);
	return ok;
}

/* A second box of that name in the house is NAME-2.local (mDNS). */
static void names_of(const char *name, char *out, size_t cap)
{
	snprintf(out, cap,
	    "DNS:%s.local,DNS:%s-2.local,DNS:%s-3.local,DNS:localhost,"
	    "IP:127.0.0.1",
	    name, name, name);
}

static bool set_name(X509 *cert, const char *name)
{
	X509_NAME *n = X509_get_subject_name(cert);
	unsigned char text[80];
	int len;

	len = snprintf((char *)text, sizeof(text), "%.56s.local", name);
	return X509_NAME_add_entry_by_txt(
		   n, "CN", MBSTRING_ASC, text, len, -1, 0) == 1 &&
	       X509_set_issuer_name(cert, n) == 1;
}

static bool set_serial(X509 *cert)
{
	BIGNUM *n = BN_new();
	bool ok = n && BN_rand(n, 127, BN_RAND_TOP_ONE, BN_RAND_BOTTOM_ANY) &&
		  BN_to_ASN1_INTEGER(n, X509_get_serialNumber(cert));

	BN_free(n);
	return ok;
}

static bool fill(X509 *cert, EVP_PKEY *key, const char *name, int64_t now_at)
{
	time_t from = (time_t)(now_at - EARLY_S);
	char names[300];

	if (from < FIRST_AT)
		from = FIRST_AT;
	names_of(name, names, sizeof(names));
	return X509_set_version(cert, 2) == 1 && set_serial(cert) &&
	       X509_time_adj_ex(X509_getm_notBefore(cert), 0, 0, &from) &&
	       X509_time_adj_ex(
		   X509_getm_notAfter(cert), TLSCERT_DAYS, 0, &from) &&
	       X509_set_pubkey(cert, key) == 1 && set_name(cert, name) &&
	       add_extension(
		   cert, NID_basic_constraints, "critical,CA:FALSE") &&
	       add_extension(
		   cert, NID_key_usage, "critical,digitalSignature") &&
	       add_extension(cert, NID_ext_key_usage, "serverAuth") &&
	       add_extension(cert, NID_subject_alt_name, names) &&
	       X509_sign(cert, key, EVP_sha256()) > 0;
}

static enum rc make(
    const char *name, int64_t now_at, EVP_PKEY **key, X509 **cert)
{
	*cert = X509_new();
	if (!*key)
		*key = make_key();
	if (*key && *cert && fill(*cert, *key, name, now_at))
		return RC_OK;
	ERR_clear_error();
	return RC_NOMEM;
}

/* --- the file --------------------------------------------------------------------------- */

static void read_file(const char *dir, EVP_PKEY **key, X509 **cert)
{
	char path[600];
	FILE *f;

	snprintf(path, sizeof(path), "%s/" TLSCERT_FILE, dir);
	f = fopen(path, "re");
	if (!f)
		return;
	*key = PEM_read_PrivateKey(f, NULL, NULL, NULL);
	*cert = PEM_read_X509(f, NULL, NULL, NULL);
	fclose(f);
	ERR_clear_error();
}

static enum rc write_pem(int dir, EVP_PKEY *key, X509 *cert)
{
	int fd = openat(dir, TLSCERT_FILE ".new",
	    O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	FILE *f = fd >= 0 ? fdopen(fd, "w") : NULL;
	bool ok;

	if (!f) {
		if (fd >= 0)
			close(fd);
		return rc_from_errno(errno);
	}
	ok = PEM_write_PrivateKey(f, key, NULL, NULL, 0, NULL, NULL) == 1 &&
	     PEM_write_X509(f, cert) == 1 && fflush(f) == 0 && fsync(fd) == 0;
	if (fclose(f) != 0 || !ok)
		return RC_IO;
	if (renameat(dir, TLSCERT_FILE ".new", dir, TLSCERT_FILE) != 0)
		return rc_from_errno(errno);
	return fsync(dir) == 0 ? RC_OK : rc_from_errno(errno);
}

static void store(const char *state_dir, EVP_PKEY *key, X509 *cert)
{
	int dir = open(state_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	enum rc rc = dir < 0 ? rc_from_errno(errno) : write_pem(dir, key, cert);

	if (dir >= 0)
		close(dir);
	if (rc)
		log_warn("the new certificate can't be kept: %s", rc_words(rc));
}

/* --- all of it --------------------------------------------------------------------------- */

int tlscert_is_fresh(const struct tlscert *c, int64_t now_at)
{
	int64_t begins_at = c->ends_at - (int64_t)TLSCERT_DAYS * DAY_S;

	if (!wall_is_set(now_at))
		return 1; /* nothing is known against it */
	return now_at >= begins_at && now_at < c->ends_at - RENEW_S;
}

static bool is_for(X509 *cert, const char *name)
{
	char host[80];

	snprintf(host, sizeof(host), "%s.local", name);
	return X509_check_host(cert, host, 0, 0, NULL) == 1;
}

enum rc tlscert_load(const char *state_dir, const char *name, int64_t now_at,
    struct tlscert *out)
{
	EVP_PKEY *key = NULL;
	X509 *cert = NULL;
	enum rc rc = RC_OK;

	if (state_dir[0])
		read_file(state_dir, &key, &cert);
	if (!key || !cert || take(out, key, cert) || !is_for(cert, name) ||
	    !tlscert_is_fresh(out, now_at)) {
		X509_free(cert);
		EVP_PKEY_free(key);
		key = NULL;
		rc = make(name, now_at, &key, &cert);
		if (!rc && state_dir[0])
			store(state_dir, key, cert);
		if (!rc)
			rc = take(out, key, cert);
		if (!rc)
			log_note("the page has a new certificate sha256=%s",
			    out->fingerprint);
	}
	X509_free(cert);
	EVP_PKEY_free(key);
	return rc;
}
