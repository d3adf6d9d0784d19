/*
 * TLS for the page's connections, as a machine without I/O: what the peer sent
 * goes in, what is to be sent comes out. By libssl, which is in the program
 * for the phone's stream anyway; included from tls.c only.
 *
 * TLS 1.2 and 1.3, no renegotiation, no client certificates. A connection holds
 * what waits to be sent (at most one record beyond TLS_WAITING) and, within
 * libssl, one record that has not come whole: some 20 to 60 KB, and 200 for who
 * sends the worst second hello.
 */
#ifndef TLS_H
#define TLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "rc.h"

#define TLS_WAITING 16384 /* bytes to be sent, above which none are added */

struct tls_identity; /* a key and its certificate, for all connections */
struct tls;

/* Reads what libssl wants of files and randomness: before a jail. */
MUST_CHECK enum rc tls_init(void);

/* Both in DER; copied. RC_CORRUPT: no such things, or not of each other. */
MUST_CHECK enum rc tls_identity_new(const uint8_t *key, size_t key_len,
    const uint8_t *cert, size_t cert_len, struct tls_identity **out);
void tls_identity_free(struct tls_identity *id); /* NULL is fine */

/* The server's end of one connection. RC_NOMEM. */
MUST_CHECK enum rc tls_new(const struct tls_identity *id, struct tls **out);
void tls_free(struct tls *t); /* NULL is fine */

/* With these bytes the first record is whole: what comes of feeding them costs
 * more than many pages. Before, nothing does. */
bool tls_completes_hello(const struct tls *t, const void *data, size_t len);

/* Takes bytes of the peer. RC_PROTO: nothing more will come of it; an alert may
 * wait to be sent. RC_GONE: the peer has ended it in order. */
MUST_CHECK enum rc tls_feed(struct tls *t, const void *data, size_t len);

/* Takes plain bytes out; 0: there are none now. What stays there waits. */
size_t tls_read(struct tls *t, char *buf, size_t cap);

/* The handshake is over: plain bytes may be written. */
bool tls_is_up(const struct tls *t);

/* Encrypts some of them, copied; 0: what waits has to go out first. */
size_t tls_write(struct tls *t, const void *data, size_t len);

/* Bytes to be sent, lent until the next call; 0: none. And that so many of
 * them are on their way. */
size_t tls_peek(const struct tls *t, const void **data);
void tls_sent(struct tls *t, size_t len);

/* Says goodbye: one more record waits to be sent. */
void tls_end(struct tls *t);

#endif
