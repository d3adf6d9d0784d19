/*
 * An encrypted disk (LUKS), opened with its password by cryptsetup(8): one at a
 * time. The password goes through a pipe, never into an argument or a file.
 */
#ifndef LUKS_H
#define LUKS_H

#include <stdbool.h>
#include <stddef.h>

#include "rc.h"

#define LUKS_TYPE "crypto_LUKS" /* as libblkid calls it */
#define LUKS_OPEN "/dev/mapper/nightstand" /* what is in it, once it is open */

/*
 * Blocks for the seconds that its maker wanted a try to take.
 *
 * RC_REFUSED  that is not its password
 * RC_NOMEM    its key needs more memory than there is
 * RC_BUSY     one is open
 * RC_NOTFOUND there is no cryptsetup
 * RC_IO       damaged, or it answers with errors
 */
MUST_CHECK enum rc luks_open(const char *path, const char *word);

/* Away with it, also when its disk is gone. Nothing is mounted there. */
void luks_close(void);

/* Is one open? `on` is the name of the device below it: "sda1". */
bool luks_is_open(char *on, size_t cap);

#endif
