/*
 * A connected socket as a `struct stream`, in clear or inside TLS with the
 * phone as the server (protocols.md 4.5). The phone's certificate is never
 * judged (it is one that we made ourselves); ours is from the pair record.
 *
 * Why not the library's own TLS: see README.md, "The bulk stream".
 */
#ifndef TLS_STREAM_H
#define TLS_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "rc.h"
#include "stream.h"

struct tls_stream_opts {
	int fd; /* connected; becomes non-blocking */
	bool tls;
	const uint8_t *cert; /* PEM; lent for the call */
	size_t cert_len;
	const uint8_t *key; /* PEM, PKCS#8 or PKCS#1 */
	size_t key_len;
	/* Closes the socket; called once, also when opening fails. */
	void (*release)(void *arg);
	void *release_arg;
};

/*
 * Does the handshake, at most 15 s.
 *
 * RC_CORRUPT the certificate or key can't be used
 * RC_REFUSED the phone did not like the handshake · RC_GONE · RC_TIMEOUT
 *
 * Whoever uses it ignores SIGPIPE: OpenSSL writes with write().
 */
MUST_CHECK enum rc tls_stream_open(
    const struct tls_stream_opts *opts, struct stream *out);

#endif
