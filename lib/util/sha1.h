/* SHA-1, by which a phone names the files of its backup. */
#ifndef SHA1_H
#define SHA1_H

#include <stddef.h>
#include <stdint.h>

#include "rc.h"

#define SHA1_LEN 20

/* RC_BUG: libcrypto could not. */
MUST_CHECK enum rc sha1_of(const void *data, size_t len, uint8_t out[SHA1_LEN]);

#endif
