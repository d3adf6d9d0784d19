/*
 * Inside the vault only: contents read from the medium, one after the other or
 * a single one.
 */
#ifndef REREAD_H
#define REREAD_H

#include "contents.h"
#include "readback.h"

/* What the medium says of one content; as readback_fn's rc. */
MUST_CHECK enum rc reread_one(struct vault_phone *p, const struct content *c);
/* The same of any file below the phone's folder. */
MUST_CHECK enum rc reread_file(struct vault_phone *p, const char *path,
    uint64_t size, const uint8_t digest[DIGEST_LEN]);

/* Is a regular file of that size there? Nothing is read. RC_NOTFOUND,
 * RC_CORRUPT: another size. */
MUST_CHECK enum rc reread_place(struct vault_phone *p, const struct content *c);

/* For readback_add(), and back. */
void reread_item(const struct vault_phone *p, const struct content *c,
    struct readback_item *out);
void reread_content(const struct vault_phone *p,
    const struct readback_item *item, struct content *out);

#endif
