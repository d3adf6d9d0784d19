/*
 * Info.plist: the one file of a backup that the host writes (protocols.md
 * 6.5). Viewers and Finder's restore read it; the phone does not. Every value
 * that comes from the phone is optional, and all of them together are bounded.
 * No I/O here.
 */
#ifndef INFOPLIST_H
#define INFOPLIST_H

#include <stddef.h>
#include <stdint.h>

#include "pl.h"
#include "rc.h"

/* Icons and receipts: 11 MB was the largest file seen in the field; a box has
 * 64 MiB for everything, and XML needs several times the data. */
#define INFOPLIST_DATA_MAX (6u << 20)
#define INFOPLIST_APPS_MAX 2000u

struct infoplist;

/* values: lockdownd's global domain, or NULL; lent for the call. */
MUST_CHECK enum rc infoplist_new(const char *udid, const struct pl *values,
    int64_t now_at, struct infoplist **out);
void infoplist_free(struct infoplist *ip); /* NULL is fine */

/* com.apple.iTunes as a whole, and MinITunesVersion; NULL: none. */
void infoplist_itunes(struct infoplist *ip, const struct pl *settings,
    const struct pl *min_version);

/* One app as installation_proxy tells it; png may be NULL. RC_LIMIT: no room
 * for more (what fits is kept). RC_PROTO: no bundle id. */
MUST_CHECK enum rc infoplist_app(struct infoplist *ip, const struct pl *app,
    const uint8_t *png, size_t png_len);

/* A file of /iTunes_Control/iTunes, or the iBooks one. RC_LIMIT. */
MUST_CHECK enum rc infoplist_file(
    struct infoplist *ip, const char *name, const uint8_t *data, size_t len);
MUST_CHECK enum rc infoplist_books(
    struct infoplist *ip, const uint8_t *data, size_t len);

/* Gives bytes for pl_bytes_free(). */
MUST_CHECK enum rc infoplist_xml(
    const struct infoplist *ip, uint8_t **out, size_t *len);

#endif
