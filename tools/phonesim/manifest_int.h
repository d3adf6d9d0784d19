/* What manifest_write.c and manifest_read.c share. */
#ifndef MANIFEST_INT_H
#define MANIFEST_INT_H

#include "content_int.h"
#include "mbfile.h"

#define MANIFEST_BLOB_MAX (64 * 1024) /* the largest seen has 1,850 bytes */

/* The file attributes of a photo as a binary plist, made from its name and
 * seed; bytes written. */
size_t manifest_photo_attributes(
    const struct content_item *it, uint8_t *buf, size_t cap);

/* A whole file through AES-256-CBC. 0 or -1. */
int manifest_crypt_file(const char *from, const char *to,
    const uint8_t key[CIPHER_KEY], int encrypt);

#endif
