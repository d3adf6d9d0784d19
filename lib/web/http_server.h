/*
 * The HTTP server on lwIP's altcp: gives each TCP connection an http_conn and
 * moves the bytes, through TLS where that is asked for. Connections are few and
 * their memory is fixed; who is slow or idle makes room for who is not.
 */
#ifndef HTTP_SERVER_H
#define HTTP_SERVER_H

#include <stdint.h>

#include "http_conn.h"
#include "rc.h"
#include "tls.h"

#define HTTP_SERVER_CONNS   72 /* 64, and HTTP_PLACES_SPARE */
#define HTTP_SERVER_STREAMS 24 /* without this bound, streams starve pages */

struct http_server;

/* Listens on all addresses. `site` is lent until close. One at a time. */
MUST_CHECK enum rc http_server_open(
    const struct http_site *site, uint16_t port, struct http_server **out);
/* On `port`, too, over TLS; the identity is lent until close. Called again: for
 * connections from then on. RC_NOMEM, RC_BUSY. */
MUST_CHECK enum rc http_server_add_tls(
    struct http_server *s, uint16_t port, const struct tls_identity *id);
void http_server_close(struct http_server *s);

/* No address takes all places (http_places.h). Not for libslirp, where all
 * come from one. */
void http_server_limit_addresses(struct http_server *s);

/* Deadlines, events, and the end of connections that are done. Call it after
 * every batch of frames. */
void http_server_tick(struct http_server *s, int64_t now_ms);

/* How long the loop may sleep, at most `ms`. */
int http_server_sleep(const struct http_server *s, int64_t now_ms, int ms);

/* Live event streams: somebody looks at the page. */
unsigned http_server_streams(const struct http_server *s);

#endif
