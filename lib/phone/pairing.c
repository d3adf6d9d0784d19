#include "pairing.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define NOT_BEFORE "20200101000000Z"
#define NOT_AFTER  "20400101000000Z"
#define KEY_BITS   2048

/* Accepts PKCS#1 ("RSA PUBLIC KEY", what phones send) and "PUBLIC KEY". */
static EVP_PKEY *parse_device_key(const uint8_t *pem, size_t len)
{
	BIO *bio = len <= 65536 ? BIO_new_mem_buf(pem, (int)len) : NULL;
	char *name = NULL;
	char *header = NULL;
	unsigned char *der = NULL;
	long der_len = 0;
	EVP_PKEY *key = NULL;

	if (bio && PEM_read_bio(bio, &name, &header, &der, &der_len) == 1) {
		const unsigned char *p = der;

		if (strcmp(name, "RSA PUBLIC KEY") == 0)
			key = d2i_PublicKey(EVP_PKEY_RSA, NULL, &p, der_len);
		else if (strcmp(name, "PUBLIC KEY") == 0)
			key = d2i_PUBKEY(NULL, &p, der_len);
	}
	OPENSSL_free(name);
	OPENSSL_free(header);
	OPENSSL_free(der);
	BIO_free(bio);
	return key;
}

static bool add_extension(X509 *cert, X509 *issuer, int nid, const char *value)
{
	X509V3_CTX ctx;
	X509_EXTENSION *ext;
	bool good;

	X509V3_set_ctx_nodb(&ctx);
	X509V3_set_ctx(&ctx, issuer, cert, NULL, NULL, 0);
	ext = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
	good = ext && X509_add_ext(cert, ext, -1);
	X509_EXTENSION_free(ext);
	return good;
}

enum cert_role {
	CERT_ROOT,
	CERT_HOST,
	CERT_DEVICE
};

static bool fill_cert(X509 *cert, X509 *issuer, enum cert_role role)
{
	bool good =
	    X509_set_version(cert, X509_VERSION_3) &&
	    ASN1_INTEGER_set(X509_get_serialNumber(cert), 0) &&
	    ASN1_TIME_set_string(X509_getm_notBefore(cert), NOT_BEFORE) &&
	    ASN1_TIME_set_string(X509_getm_notAfter(cert), NOT_AFTER);

	if (role == CERT_ROOT)
		return good && add_extension(cert, issuer,
				   NID_basic_constraints, "critical,CA:TRUE");
	good = good && add_extension(cert, issuer, NID_basic_constraints,
			   "critical,CA:FALSE");
	good = good && add_extension(cert, issuer, NID_key_usage,
			   "critical,digitalSignature,keyEncipherment");
	if (role == CERT_DEVICE)
		good = good && add_extension(cert, issuer,
				   NID_subject_key_identifier, "hash");
	return good;
}

/* issuer NULL: signs itself. */
static X509 *make_cert(
    EVP_PKEY *key, EVP_PKEY *signer, X509 *issuer, enum cert_role role)
{
	X509 *cert = X509_new();

	if (cert && X509_set_pubkey(cert, key) &&
	    fill_cert(cert, issuer ? issuer : cert, role) &&
	    X509_sign(cert, signer, EVP_sha256()) > 0)
		return cert;
	X509_free(cert);
	return NULL;
}

/* Takes what is in the bio as data of `key`. */
static bool set_pem(struct pl *record, const char *key, BIO *bio, int written)
{
	char *p = NULL;
	long n = bio ? BIO_get_mem_data(bio, &p) : 0;

	if (written == 1 && n > 0)
		pl_set(record, key, pl_new_data(p, (size_t)n));
	BIO_free(bio);
	return written == 1 && n > 0;
}

static bool set_cert(struct pl *record, const char *key, X509 *cert)
{
	BIO *bio = BIO_new(BIO_s_mem());

	return set_pem(
	    record, key, bio, bio && cert ? PEM_write_bio_X509(bio, cert) : 0);
}

static bool set_key(struct pl *record, const char *name, EVP_PKEY *key)
{
	BIO *bio = BIO_new(BIO_s_mem());

	return set_pem(record, name, bio,
	    bio && key ? PEM_write_bio_PKCS8PrivateKey(
			     bio, key, NULL, NULL, 0, NULL, NULL)
		       : 0);
}

static bool set_host_id(struct pl *record)
{
	uint8_t b[16];
	char text[40];

	if (RAND_bytes(b, sizeof(b)) != 1)
		return false;
	b[6] = (uint8_t)((b[6] & 0x0f) | 0x40);
	b[8] = (uint8_t)((b[8] & 0x3f) | 0x80);
	snprintf(text, sizeof(text),
	    "%02X%02X%02X%02X-%02X%02X-%02X%02X-%02X%02X-"
	    "%02X%02X%02X%02X%02X%02X",
	    b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10],
	    b[11], b[12], b[13], b[14], b[15]);
	pl_set(record, "HostID", pl_new_str(text));
	return true;
}

static bool fill_record(struct pl *record, EVP_PKEY *device_key)
{
	EVP_PKEY *root_key = EVP_RSA_gen(KEY_BITS);
	EVP_PKEY *host_key = EVP_RSA_gen(KEY_BITS);
	X509 *root = NULL;
	X509 *host = NULL;
	X509 *device = NULL;
	bool good = false;

	if (root_key && host_key)
		root = make_cert(root_key, root_key, NULL, CERT_ROOT);
	if (root) {
		host = make_cert(host_key, root_key, root, CERT_HOST);
		device = make_cert(device_key, root_key, root, CERT_DEVICE);
	}
	good = set_cert(record, "RootCertificate", root) &&
	       set_cert(record, "HostCertificate", host) &&
	       set_cert(record, "DeviceCertificate", device) &&
	       set_key(record, "RootPrivateKey", root_key) &&
	       set_key(record, "HostPrivateKey", host_key) &&
	       set_host_id(record);
	X509_free(device);
	X509_free(host);
	X509_free(root);
	EVP_PKEY_free(host_key);
	EVP_PKEY_free(root_key);
	return good;
}

enum rc pairing_make(const uint8_t *device_key, size_t len, const char *wifi,
    const char *system_buid, struct pl **out)
{
	EVP_PKEY *key = parse_device_key(device_key, len);
	struct pl *record;

	*out = NULL;
	if (!key)
		return RC_PROTO;
	record = pl_new_dict();
	if (!fill_record(record, key)) {
		EVP_PKEY_free(key);
		pl_free(record);
		return RC_BUG;
	}
	EVP_PKEY_free(key);
	pl_set(record, "SystemBUID", pl_new_str(system_buid));
	if (wifi[0])
		pl_set(record, "WiFiMACAddress", pl_new_str(wifi));
	*out = record;
	return RC_OK;
}

struct pl *pairing_public(const struct pl *record)
{
	static const char *const keys[] = { "DeviceCertificate",
		"HostCertificate", "HostID", "RootCertificate", "SystemBUID" };
	struct pl *out = pl_new_dict();

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		const struct pl *v = pl_get(record, keys[i]);

		if (v)
			pl_set(out, keys[i], pl_copy(v));
	}
	return out;
}

static BIO *data_bio(const struct pl *node)
{
	const uint8_t *p;
	size_t n;

	if (pl_data(node, &p, &n) || n == 0 || n > 65536)
		return NULL;
	return BIO_new_mem_buf(p, (int)n);
}

static bool fits(
    const struct pl *record, const char *cert_name, const char *key_name)
{
	BIO *cert_bio = data_bio(pl_get(record, cert_name));
	BIO *key_bio = data_bio(pl_get(record, key_name));
	X509 *cert = NULL;
	EVP_PKEY *key = NULL;
	bool good;

	if (cert_bio)
		cert = PEM_read_bio_X509(cert_bio, NULL, NULL, NULL);
	if (key_bio)
		key = PEM_read_bio_PrivateKey(key_bio, NULL, NULL, NULL);
	good = cert && key && X509_check_private_key(cert, key) == 1;
	EVP_PKEY_free(key);
	X509_free(cert);
	BIO_free(key_bio);
	BIO_free(cert_bio);
	return good;
}

enum rc pairing_check(const struct pl *record)
{
	const char *text;
	const uint8_t *p;
	size_t n;

	if (pl_str(pl_get(record, "HostID"), &text) || !text[0] ||
	    pl_str(pl_get(record, "SystemBUID"), &text) || !text[0] ||
	    pl_data(pl_get(record, "DeviceCertificate"), &p, &n) || n == 0)
		return RC_CORRUPT;
	if (!fits(record, "RootCertificate", "RootPrivateKey") ||
	    !fits(record, "HostCertificate", "HostPrivateKey"))
		return RC_CORRUPT;
	return RC_OK;
}
