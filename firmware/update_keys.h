/* The public keys whose updates this program takes: board/arm64/update-keys.txt
 * and, in an image, its builder's own. A PC's build has none. */
#ifndef UPDATE_KEYS_H
#define UPDATE_KEYS_H

#include "update_file.h"

const struct update_keys *update_keys(void);
/* Seconds since 1970 of the commit that it was built from; 0 not known. */
uint64_t update_build(void);

#endif
