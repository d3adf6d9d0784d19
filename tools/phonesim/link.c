/*
 * A stream of the phone; see link.h. All bytes that leave pass link_put(),
 * which is where a cut counts and a silence waits; TLS reaches it through a
 * BIO of our own.
 */
#include "link.h"

#include <errno.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "mono.h"
#include "phone_private.h"
#include "tls.h"
#define LOG_MODULE "phonesim"
#include "log.h"

#define LINK_RECORD 16384 /* the most that one TLS record holds */
#define LINK_OUT    (128 << 10)

struct link {
	struct phone *phone;
	int fd;
	atomic_bool is_dead;
	SSL *ssl; /* NULL: in clear */
	char *out; /* records on their way, so that few calls send many */
	size_t out_n;
};

static BIO_METHOD *link_bio_method;
static pthread_once_t link_bio_once = PTHREAD_ONCE_INIT;

/* --- the raw stream -------------------------------------------------------
 */

static int link_wait_silence(struct link *l)
{
	struct phone *ph = l->phone;
	int64_t until;

	while ((until = atomic_load(&ph->p->silent_until)) > mono_ms())
		if (phone_sleep(ph, (int)(until - mono_ms())))
			return -1;
	return 0;
}

/* How much of n may leave; sets *cut when the plug is pulled behind it. */
static size_t link_allowance(struct link *l, size_t n, bool *cut)
{
	atomic_int_least64_t *left = &l->phone->p->cut_after;
	int64_t have = atomic_load(left), rest;

	do {
		if (have < 0)
			return n;
		rest = have > (int64_t)n ? have - (int64_t)n : 0;
	} while (!atomic_compare_exchange_weak(left, &have, rest));
	*cut = rest == 0;
	return have < (int64_t)n ? (size_t)have : n;
}

static int link_send_all(int fd, const char *p, size_t n)
{
	while (n > 0) {
		ssize_t k = send(fd, p, n, MSG_NOSIGNAL);

		if (k < 0 && errno == EINTR)
			continue;
		if (k <= 0)
			return -1;
		p += k;
		n -= (size_t)k;
	}
	return 0;
}

static int link_put(struct link *l, const void *p, size_t n)
{
	bool cut = false;
	size_t may;
	int rc;

	if (atomic_load(&l->is_dead))
		return -1;
	if (atomic_load(&l->phone->p->silent_until) != 0 &&
	    link_wait_silence(l))
		return -1;
	may = link_allowance(l, n, &cut);
	rc = link_send_all(l->fd, p, may);
	if (cut) {
		phone_event(l->phone, "cut");
		phone_unplug(l->phone);
		return -1;
	}
	return rc;
}

/* One read of the socket: bytes, 0 at the end, -1. */
static ssize_t link_get(struct link *l, void *p, size_t n)
{
	ssize_t k;

	do
		k = recv(l->fd, p, n, 0);
	while (k < 0 && errno == EINTR);
	return k;
}

/* --- the BIO under TLS ----------------------------------------------------
 */

static int link_flush(struct link *l)
{
	size_t n = l->out_n;

	l->out_n = 0;
	return n > 0 ? link_put(l, l->out, n) : 0;
}

static int link_bio_write(BIO *b, const char *p, int n)
{
	struct link *l = BIO_get_data(b);
	size_t len = n > 0 ? (size_t)n : 0;

	if (len > LINK_OUT - l->out_n && link_flush(l))
		return -1;
	if (len > LINK_OUT)
		return link_put(l, p, len) ? -1 : n;
	memcpy(l->out + l->out_n, p, len);
	l->out_n += len;
	return n;
}

static int link_bio_read(BIO *b, char *p, int n)
{
	struct link *l = BIO_get_data(b);

	if (n <= 0)
		return 0;
	return (int)link_get(l, p, (size_t)n);
}

static long link_bio_ctrl(BIO *b, int cmd, long num, void *ptr)
{
	(void)num, (void)ptr;
	if (cmd == BIO_CTRL_FLUSH)
		return link_flush(BIO_get_data(b)) ? -1 : 1;
	return cmd == BIO_CTRL_PUSH || cmd == BIO_CTRL_POP;
}

static void link_bio_init(void)
{
	link_bio_method =
	    BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "link");
	if (!link_bio_method)
		return;
	BIO_meth_set_write(link_bio_method, link_bio_write);
	BIO_meth_set_read(link_bio_method, link_bio_read);
	BIO_meth_set_ctrl(link_bio_method, link_bio_ctrl);
}

/* --- life ------------------------------------------------------------------
 */

struct link *link_new(struct phone *phone, int fd)
{
	struct link *l = calloc(1, sizeof(*l));
	int room = 4 << 20;

	if (!l) {
		close(fd);
		return NULL;
	}
	l->phone = phone;
	l->fd = fd;
	atomic_init(&l->is_dead, false);
	/* As much as the system gives; less only costs turns of the loop. */
	setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &room, sizeof(room));
	if (phone_link_add(phone, l)) {
		close(fd);
		free(l);
		return NULL;
	}
	return l;
}

void link_free(struct link *l)
{
	if (!l)
		return;
	phone_link_remove(l->phone, l);
	SSL_free(l->ssl); /* no alert: services just close (CHECKS 35) */
	close(l->fd);
	free(l->out);
	free(l);
}

void link_kill(struct link *l)
{
	atomic_store(&l->is_dead, true);
	shutdown(l->fd, SHUT_RDWR);
}

/* --- reading ---------------------------------------------------------------
 */

int link_read(struct link *l, void *buf, size_t n)
{
	char *p = buf;

	while (n > 0) {
		ssize_t k;

		if (l->ssl) {
			ERR_clear_error();
			k = SSL_read(l->ssl, p, n > 1 << 30 ? 1 << 30 : (int)n);
		} else {
			k = link_get(l, p, n);
		}
		if (k <= 0 || atomic_load(&l->is_dead))
			return -1;
		p += k;
		n -= (size_t)k;
	}
	return 0;
}

int link_wait(struct link *l, int other_fd, int ms)
{
	struct pollfd p[2] = {
		{ .fd = l->fd, .events = POLLIN },
		{ .fd = other_fd, .events = POLLIN },
	};
	int k, got = 0;

	if (l->ssl && SSL_has_pending(l->ssl))
		return LINK_READABLE;
	do
		k = poll(p, 2, ms);
	while (k < 0 && errno == EINTR);
	if (k < 0)
		return -1;
	if (p[0].revents)
		got |= LINK_READABLE;
	if (p[1].revents)
		got |= LINK_OTHER;
	return got;
}

int link_read_timeout(struct link *l, void *buf, size_t n, int ms)
{
	int got = link_wait(l, -1, ms);

	if (got < 0)
		return -1;
	return got == 0 ? 1 : link_read(l, buf, n);
}

/* --- writing ---------------------------------------------------------------
 */

int link_write(struct link *l, const void *buf, size_t n)
{
	const char *p = buf;

	if (!l->ssl)
		return link_put(l, buf, n);
	while (n > 0) {
		int part = n > 1 << 30 ? 1 << 30 : (int)n, k;

		ERR_clear_error();
		k = SSL_write(l->ssl, p, part);
		if (k <= 0 || atomic_load(&l->is_dead))
			return -1;
		p += k;
		n -= (size_t)k;
	}
	return link_flush(l);
}

int link_write2(
    struct link *l, const void *a, size_t na, const void *b, size_t nb)
{
	char first[LINK_RECORD];
	size_t take;

	if (na >= sizeof(first)) {
		if (link_write(l, a, na))
			return -1;
		return nb ? link_write(l, b, nb) : 0;
	}
	take = sizeof(first) - na;
	if (take > nb)
		take = nb;
	memcpy(first, a, na);
	if (take > 0)
		memcpy(first + na, b, take);
	if (na + take > 0 && link_write(l, first, na + take))
		return -1;
	if (nb == take)
		return 0;
	return link_write(l, (const char *)b + take, nb - take);
}

/* --- TLS -------------------------------------------------------------------
 */

static int link_ssl_new(struct link *l, const char *host_id)
{
	SSL_CTX *ctx = tls_context(l->phone, host_id);
	BIO *bio = NULL;

	if (!ctx)
		return -1;
	pthread_once(&link_bio_once, link_bio_init);
	if (!l->out)
		l->out = malloc(LINK_OUT);
	l->ssl = SSL_new(ctx);
	SSL_CTX_free(ctx);
	if (l->ssl && l->out && link_bio_method)
		bio = BIO_new(link_bio_method);
	if (!bio) {
		SSL_free(l->ssl);
		l->ssl = NULL;
		return -1;
	}
	BIO_set_data(bio, l);
	BIO_set_init(bio, 1);
	SSL_set_bio(l->ssl, bio, bio);
	return 0;
}

int link_start_tls(struct link *l, const char *host_id)
{
	int delay = (int)phone_knob(l->phone, "tls_delay_ms", 25);

	if (l->ssl || link_ssl_new(l, host_id))
		return -1;
	/* A phone thinks between ClientHello and its answer (CHECKS 36). */
	if (link_wait(l, -1, -1) < 0 || phone_sleep(l->phone, delay))
		return -1;
	ERR_clear_error();
	if (SSL_accept(l->ssl) == 1)
		return 0;
	phone_event(l->phone, "tls failed host=%s: %s", host_id, tls_error());
	return -1;
}

int link_stop_tls(struct link *l)
{
	int rc;

	if (!l->ssl)
		return -1;
	ERR_clear_error();
	rc = SSL_shutdown(l->ssl); /* ours */
	if (rc == 0 && !link_flush(l))
		rc = SSL_shutdown(l->ssl); /* theirs */
	SSL_free(l->ssl);
	l->ssl = NULL;
	ERR_clear_error();
	return rc == 1 ? 0 : -1;
}
