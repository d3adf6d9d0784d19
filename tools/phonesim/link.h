/*
 * One connection to the simulated phone as a byte stream, in clear or, once
 * link_start_tls() was called, inside TLS. Blocking, with the stream's faults
 * (cut after n bytes) applied here. Used by one thread, except link_kill().
 *
 * The stream comes from a front: the usbmuxd socket hands over the client's
 * own socket; a raw USB front would hand over one end of a socketpair.
 */
#ifndef LINK_H
#define LINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct phone;
struct link;

/* Takes `fd`. The link registers itself with the phone, so that an unplug
 * kills it. NULL (fd closed) when the phone is gone already. */
struct link *link_new(struct phone *phone, int fd);
void link_free(struct link *l);

/* 0, or -1 when the other side is gone, the phone was unplugged or TLS broke.
 * Reads exactly n bytes. */
int link_read(struct link *l, void *buf, size_t n);
/* As link_read, but 1 when nothing at all arrived within ms. */
int link_read_timeout(struct link *l, void *buf, size_t n, int ms);
/* Waits until something may be read here, or from other_fd (-1: none), at most
 * ms (-1: no end). A sum of the two, 0 after ms, -1 on failure. */
#define LINK_READABLE 1
#define LINK_OTHER    2
int link_wait(struct link *l, int other_fd, int ms);

/* Writes exactly n bytes; each call is at least one TLS record. Small
 * neighbours may be joined with link_write2. */
int link_write(struct link *l, const void *buf, size_t n);
/* Header and body in as few records as possible. */
int link_write2(
    struct link *l, const void *a, size_t na, const void *b, size_t nb);

/* Becomes a TLS server with the pair record of host_id; see tls.c.
 * 0 or -1. */
int link_start_tls(struct link *l, const char *host_id);
/* close_notify both ways, then clear text again. */
int link_stop_tls(struct link *l);

/* Ends the stream at once, from any thread. */
void link_kill(struct link *l);

#endif
