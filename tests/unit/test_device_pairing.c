/* Pair records, the TLS stream that uses them, and the notification proxy
 * over a stream. The phone is an OpenSSL server in a thread, behind a
 * socketpair. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fake_phone.h"
#include "log.h"
#include "np.h"
#include "pairing.h"
#include "tls_stream.h"

static EVP_PKEY *phone_key;
static struct pl *record;

static char *public_pem(size_t *len)
{
	BIO *bio = BIO_new(BIO_s_mem());
	unsigned char *der = NULL;
	int n = i2d_PublicKey(phone_key, &der);
	char *p, *copy;
	long got;

	assert_true(n > 0);
	assert_true(PEM_write_bio(bio, "RSA PUBLIC KEY", "", der, n) > 0);
	got = BIO_get_mem_data(bio, &p);
	copy = malloc((size_t)got);
	assert_non_null(copy);
	memcpy(copy, p, (size_t)got);
	*len = (size_t)got;
	OPENSSL_free(der);
	BIO_free(bio);
	return copy;
}

static int make_once(void **state)
{
	char *pem;
	size_t len;

	(void)state;
	log_set_level(LOG_LEVEL_ERROR);
	signal(SIGPIPE, SIG_IGN);
	phone_key = EVP_RSA_gen(2048);
	assert_non_null(phone_key);
	pem = public_pem(&len);
	assert_int_equal(pairing_make((const uint8_t *)pem, len,
			     "aa:bb:cc:dd:ee:ff", "BUID", &record),
	    RC_OK);
	free(pem);
	return 0;
}

static int free_once(void **state)
{
	(void)state;
	pl_free(record);
	EVP_PKEY_free(phone_key);
	return 0;
}

static X509 *cert_of(const char *key)
{
	const uint8_t *p;
	size_t n;
	BIO *bio;
	X509 *cert;

	assert_int_equal(pl_data(pl_get(record, key), &p, &n), RC_OK);
	bio = BIO_new_mem_buf(p, (int)n);
	cert = PEM_read_bio_X509(bio, NULL, NULL, NULL);
	BIO_free(bio);
	assert_non_null(cert);
	return cert;
}

static void check_cert(const char *key, bool ca, bool ski)
{
	X509 *cert = cert_of(key);
	X509 *root = cert_of("RootCertificate");
	EVP_PKEY *signer = X509_get_pubkey(root);
	struct tm tm;

	assert_int_equal(X509_get_version(cert), 2);
	assert_int_equal(ASN1_INTEGER_get(X509_get0_serialNumber(cert)), 0);
	assert_int_equal(X509_NAME_entry_count(X509_get_subject_name(cert)), 0);
	assert_int_equal(X509_NAME_entry_count(X509_get_issuer_name(cert)), 0);
	assert_int_equal(X509_verify(cert, signer), 1);
	assert_int_equal(
	    X509_get_signature_nid(cert), NID_sha256WithRSAEncryption);
	assert_int_equal(X509_check_ca(cert) == 1, ca);
	assert_int_equal(
	    X509_get_ext_by_NID(cert, NID_subject_key_identifier, -1) >= 0,
	    ski);
	/* Dates that do not depend on this machine's clock. */
	assert_int_equal(ASN1_TIME_to_tm(X509_get0_notBefore(cert), &tm), 1);
	assert_int_equal(tm.tm_year, 120);
	assert_int_equal(ASN1_TIME_to_tm(X509_get0_notAfter(cert), &tm), 1);
	assert_int_equal(tm.tm_year, 140);
	EVP_PKEY_free(signer);
	X509_free(root);
	X509_free(cert);
}

static void certificates_have_the_known_profile(void **state)
{
	X509 *device;

	(void)state;
	check_cert("RootCertificate", true, false);
	check_cert("HostCertificate", false, false);
	check_cert("DeviceCertificate", false, true);
	device = cert_of("DeviceCertificate");
	assert_int_equal(X509_check_private_key(device, phone_key), 1);
	X509_free(device);
}

static void a_record_is_whole_or_refused(void **state)
{
	static const char *const keys[] = { "HostID", "SystemBUID",
		"RootCertificate", "RootPrivateKey", "HostCertificate",
		"HostPrivateKey", "DeviceCertificate" };

	(void)state;
	assert_int_equal(pairing_check(record), RC_OK);
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		struct pl *part = pl_copy(record);

		pl_remove(part, keys[i]);
		assert_int_equal(pairing_check(part), RC_CORRUPT);
		pl_set(part, keys[i], pl_new_data("junk", 4));
		if (i != 6) /* only its presence matters to us */
			assert_int_equal(pairing_check(part), RC_CORRUPT);
		pl_free(part);
	}
	{
		struct pl *mixed = pl_copy(record);

		pl_set(mixed, "RootPrivateKey",
		    pl_copy(pl_get(record, "HostPrivateKey")));
		assert_int_equal(pairing_check(mixed), RC_CORRUPT);
		pl_free(mixed);
	}
	assert_int_equal(pairing_check(NULL), RC_CORRUPT);
}

static void no_private_key_leaves_the_box(void **state)
{
	struct pl *part = pairing_public(record);

	(void)state;
	assert_int_equal(pl_count(part), 5);
	assert_non_null(pl_get(part, "HostID"));
	assert_non_null(pl_get(part, "DeviceCertificate"));
	assert_null(pl_get(part, "RootPrivateKey"));
	assert_null(pl_get(part, "HostPrivateKey"));
	assert_null(pl_get(part, "EscrowBag"));
	pl_free(part);
}

static void a_key_that_is_none(void **state)
{
	struct pl *out = NULL;

	(void)state;
	assert_int_equal(
	    pairing_make((const uint8_t *)"junk", 4, "", "B", &out), RC_PROTO);
	assert_null(out);
	assert_int_equal(pairing_make(NULL, 0, "", "B", &out), RC_PROTO);
}

/* ---- the stream ---- */

struct server {
	int fd;
	pthread_t thread;
	bool slow; /* four bytes, a pause, the rest */
	X509 *cert;
	SSL_CTX *ctx;
	bool handshake_good, client_had_cert;
	char got[64];
};

static int accept_all(int ok, X509_STORE_CTX *ctx)
{
	(void)ok;
	(void)ctx;
	return 1;
}

static void *serve(void *arg)
{
	struct server *s = arg;
	uint8_t data[50000];
	SSL *ssl = SSL_new(s->ctx);
	X509 *peer;

	SSL_set_fd(ssl, s->fd);
	s->handshake_good = SSL_accept(ssl) == 1;
	if (s->handshake_good) {
		peer = SSL_get1_peer_certificate(ssl);
		s->client_had_cert = peer != NULL;
		X509_free(peer);
		memset(data, 'x', sizeof(data));
		SSL_read(ssl, s->got, sizeof(s->got) - 1);
		SSL_write(ssl, data, 4);
		if (s->slow)
			usleep(60000);
		SSL_write(ssl, data, sizeof(data) - 4);
	}
	/* As Apple's services do: no close_notify. */
	SSL_free(ssl);
	shutdown(s->fd, SHUT_RDWR);
	return NULL;
}

static void release_fd(void *arg)
{
	int *fd = arg;

	close(*fd);
	*fd = -1;
}

static void server_start(struct server *s, int *client_fd)
{
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	s->fd = fds[0];
	*client_fd = fds[1];
	s->ctx = SSL_CTX_new(TLS_server_method());
	s->cert = cert_of("DeviceCertificate");
	assert_int_equal(SSL_CTX_use_certificate(s->ctx, s->cert), 1);
	assert_int_equal(SSL_CTX_use_PrivateKey(s->ctx, phone_key), 1);
	SSL_CTX_set_verify(s->ctx,
	    SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, accept_all);
	assert_int_equal(pthread_create(&s->thread, NULL, serve, s), 0);
}

static void server_end(struct server *s)
{
	pthread_join(s->thread, NULL);
	close(s->fd);
	X509_free(s->cert);
	SSL_CTX_free(s->ctx);
}

static struct tls_stream_opts opts_for(int *fd)
{
	struct tls_stream_opts o = {
		.fd = *fd, .tls = true, .release = release_fd, .release_arg = fd
	};

	assert_int_equal(
	    pl_data(pl_get(record, "RootCertificate"), &o.cert, &o.cert_len),
	    RC_OK);
	assert_int_equal(
	    pl_data(pl_get(record, "RootPrivateKey"), &o.key, &o.key_len),
	    RC_OK);
	return o;
}

static void check_stream(bool slow)
{
	struct server s = { .slow = slow };
	struct tls_stream_opts o;
	struct stream st;
	uint8_t buf[16384];
	size_t total = 0, n;
	int fd, timeouts = 0;
	enum rc rc;

	server_start(&s, &fd);
	o = opts_for(&fd);
	assert_int_equal(tls_stream_open(&o, &st), RC_OK);
	assert_int_equal(st.ops->read(st.ctx, buf, 16, 10, &n), RC_TIMEOUT);
	assert_int_equal(st.ops->write(st.ctx, "hello", 5), RC_OK);
	while (
	    (rc = st.ops->read(st.ctx, buf, sizeof(buf), 20, &n)) != RC_GONE) {
		if (rc == RC_TIMEOUT) {
			timeouts++;
			continue;
		}
		assert_int_equal(rc, RC_OK);
		assert_true(n > 0 && n <= sizeof(buf));
		total += n;
	}
	/* Not a byte is lost around a time-out. */
	assert_int_equal(total, 50000);
	assert_true(!slow || timeouts > 0);
	st.ops->close(st.ctx);
	assert_int_equal(fd, -1);
	server_end(&s);
	assert_true(s.handshake_good);
	assert_true(s.client_had_cert);
	assert_string_equal(s.got, "hello");
}

static void tls_gives_every_byte(void **state)
{
	(void)state;
	check_stream(false);
	check_stream(true);
}

static void an_identity_that_can_not_be_used(void **state)
{
	int fds[2];
	struct tls_stream_opts o;
	struct stream st;

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	o = opts_for(&fds[1]);
	o.key = (const uint8_t *)"junk";
	o.key_len = 4;
	assert_int_equal(tls_stream_open(&o, &st), RC_CORRUPT);
	assert_int_equal(fds[1], -1); /* released all the same */
	close(fds[0]);
}

static void a_server_that_hangs_up(void **state)
{
	int fds[2];
	struct tls_stream_opts o;
	struct stream st;

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	close(fds[0]);
	o = opts_for(&fds[1]);
	assert_int_equal(tls_stream_open(&o, &st), RC_GONE);
	assert_int_equal(fds[1], -1);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	assert_int_equal(write(fds[0], "HTTP/1.1 400 no\r\n", 17), 17);
	o = opts_for(&fds[1]);
	assert_int_equal(tls_stream_open(&o, &st), RC_REFUSED);
	close(fds[0]);
}

static void in_clear_where_the_phone_says_so(void **state)
{
	int fds[2];
	struct tls_stream_opts o;
	struct stream st;
	char buf[8];
	size_t n;

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	o = opts_for(&fds[1]);
	o.tls = false;
	assert_int_equal(tls_stream_open(&o, &st), RC_OK);
	assert_int_equal(st.ops->write(st.ctx, "abc", 3), RC_OK);
	assert_int_equal(read(fds[0], buf, 8), 3);
	assert_int_equal(st.ops->read(st.ctx, buf, 8, 5, &n), RC_TIMEOUT);
	assert_int_equal(write(fds[0], "de", 2), 2);
	assert_int_equal(st.ops->read(st.ctx, buf, 8, 5, &n), RC_OK);
	assert_int_equal(n, 2);
	close(fds[0]);
	assert_int_equal(st.ops->read(st.ctx, buf, 8, 5, &n), RC_GONE);
	assert_int_equal(st.ops->write(st.ctx, "x", 1), RC_GONE);
	st.ops->close(st.ctx);
}

/* ---- notification proxy ---- */

static void relay(struct fake_stream *f, const char *command, const char *name)
{
	struct pl *dict = pl_new_dict();
	uint8_t *bytes;
	size_t len;

	pl_set(dict, "Command", pl_new_str(command));
	if (name)
		pl_set(dict, "Name", pl_new_str(name));
	assert_int_equal(pl_to_xml(dict, &bytes, &len), RC_OK);
	fake_u32(&f->in, (uint32_t)len);
	fake_add(&f->in, bytes, len);
	pl_bytes_free(bytes);
	pl_free(dict);
}

static void note(void *arg, const char *name)
{
	char *all = arg;

	strcat(all, name);
	strcat(all, ";");
}

static void notifications_come_whole_and_in_order(void **state)
{
	struct fake_stream f = { .hang = true, .piece = 3 };
	char all[100] = "";
	struct np *np;
	struct pl *msg;

	(void)state;
	assert_int_equal(np_new(fake_stream_of(&f), &np), RC_OK);
	assert_int_equal(np_observe(np, "a.b"), RC_OK);
	msg = fake_written(&f, 0);
	assert_true(pl_is_str(pl_get(msg, "Command"), "ObserveNotification"));
	assert_true(pl_is_str(pl_get(msg, "Name"), "a.b"));
	pl_free(msg);
	assert_int_equal(np_poll(np, note, all), RC_OK);
	relay(&f, "RelayNotification", "one");
	relay(&f, "Other", "no");
	relay(&f, "RelayNotification", "two");
	f.in.len -= 10; /* the last one is not all here yet */
	assert_int_equal(np_poll(np, note, all), RC_OK);
	assert_string_equal(all, "one;");
	f.in.len += 10;
	assert_int_equal(np_poll(np, note, all), RC_OK);
	assert_string_equal(all, "one;two;");
	relay(&f, "ProxyDeath", NULL);
	assert_int_equal(np_poll(np, note, all), RC_GONE);
	np_free(np);
	assert_int_equal(f.closed, 1);
	fake_stream_free(&f);
}

static void notifications_that_are_garbage(void **state)
{
	struct fake_stream f = { .hang = true };
	char all[100] = "";
	struct np *np;

	(void)state;
	assert_int_equal(np_new(fake_stream_of(&f), &np), RC_OK);
	fake_u32(&f.in, 0x7fffffff);
	assert_int_equal(np_poll(np, note, all), RC_LIMIT);
	np_free(np);
	fake_stream_free(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(certificates_have_the_known_profile),
		cmocka_unit_test(a_record_is_whole_or_refused),
		cmocka_unit_test(no_private_key_leaves_the_box),
		cmocka_unit_test(a_key_that_is_none),
		cmocka_unit_test(tls_gives_every_byte),
		cmocka_unit_test(an_identity_that_can_not_be_used),
		cmocka_unit_test(a_server_that_hangs_up),
		cmocka_unit_test(in_clear_where_the_phone_says_so),
		cmocka_unit_test(notifications_come_whole_and_in_order),
		cmocka_unit_test(notifications_that_are_garbage),
	};

	return cmocka_run_group_tests(tests, make_once, free_once);
}
