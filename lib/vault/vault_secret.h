/* The password of an encrypted backup. */
#ifndef VAULT_SECRET_H
#define VAULT_SECRET_H

#include "vault.h"

/*
 * Would this password open that snapshot? Blocks as keybag_try() does. Reads
 * one small file; fine beside a running backup.
 *
 * RC_OK it would · RC_REFUSED it would not · RC_UNSUPPORTED the snapshot is
 * not encrypted · RC_NOTFOUND there is no such snapshot, or it lacks
 * Manifest.plist · RC_CORRUPT, RC_LIMIT what it says of its keys makes no sense
 */
MUST_CHECK enum rc vault_try_password(
    struct vault_phone *p, int64_t snapshot, const char *password);

#endif
