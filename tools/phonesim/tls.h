/*
 * The phone's side of TLS (protocols.md 4.5, CHECKS 27 to 36): TLS 1.2,
 * ECDHE-RSA-AES256-GCM-SHA384, the pair record's DeviceCertificate alone, a
 * client certificate wanted that is the record's HostCertificate or
 * RootCertificate, no tickets, no extended master secret.
 */
#ifndef TLS_H
#define TLS_H

#include <openssl/err.h>
#include <openssl/ssl.h>

struct phone;

/* Why it failed last, in OpenSSL's words; clears the queue. */
const char *tls_error(void);

/* A context for the host's record; NULL when there is none or it can't be
 * used. Freed with SSL_CTX_free. */
SSL_CTX *tls_context(struct phone *ph, const char *host_id);

#endif
