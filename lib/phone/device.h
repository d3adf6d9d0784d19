/*
 * The door to libimobiledevice and libusbmuxd: find a phone, talk to its
 * lockdownd, start services (facts: protocols.md 3.3, 4). All calls block, at
 * most some 30 s each (the library's own bound).
 *
 * What lockdownd answers, as codes, wherever not said otherwise:
 *   RC_LOCKED     PasswordProtected, EscrowLocked: unlock the phone
 *   RC_UNTRUSTED  PairingDialogResponsePending: the dialog waits
 *   RC_REFUSED    UserDeniedPairing
 *   RC_NOTFOUND   MissingValue and the like: no such thing
 *   RC_CONFIG     InvalidHostID: the phone does not know our record
 *   RC_CORRUPT    TLS failed: record and phone don't fit (or a bad moment)
 *   RC_UNSUPPORTED InvalidService, prohibited
 *   RC_GONE, RC_TIMEOUT the link
 *   RC_PROTO      any other answer
 */
#ifndef DEVICE_H
#define DEVICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "pl.h"
#include "rc.h"
#include "stream.h"

struct device;
struct device_lockdown; /* one connection to lockdownd; one thread */

/* udid NULL: the first one on USB. RC_NOTFOUND: none (or no usbmuxd). */
MUST_CHECK enum rc device_open(const char *udid, struct device **out);
void device_free(struct device *dev); /* NULL is fine */
const char *device_udid(const struct device *dev);
/* Does usbmuxd still list it? Any thread. */
bool device_is_there(const struct device *dev);

/* The mux's store of pair records. RC_NOTFOUND none; RC_CORRUPT no property
 * list. Gives. */
MUST_CHECK enum rc device_record_load(
    const struct device *dev, struct pl **out);
MUST_CHECK enum rc device_record_save(
    const struct device *dev, const struct pl *record);
/* The host's SystemBUID. */
MUST_CHECK enum rc device_buid(char *buf, size_t cap);

MUST_CHECK enum rc device_lockdown_open(
    struct device *dev, struct device_lockdown **out);
void device_lockdown_close(struct device_lockdown *l); /* NULL is fine */

/* QueryType: is somebody there? */
MUST_CHECK enum rc device_lockdown_ping(struct device_lockdown *l);

/* As open, and then StartSession and TLS with the record that the mux holds.
 * Only when it holds one: without, the library would pair by itself. */
MUST_CHECK enum rc device_lockdown_open_trusted(
    struct device *dev, struct device_lockdown **out);

/* domain and key may be NULL. Gives. */
MUST_CHECK enum rc device_lockdown_value(struct device_lockdown *l,
    const char *domain, const char *key, struct pl **out);

/* One Pair request with this public record. RC_OK: *escrow is the bag's node
 * (gives), or NULL when the phone sent none. */
MUST_CHECK enum rc device_lockdown_pair(struct device_lockdown *l,
    const struct pl *public_record, struct pl **escrow);

/*
 * Starts a service and connects a stream of our own to it: in clear or, where
 * the phone says so, in TLS with the record's root certificate (what Apple's
 * hosts present to services). Every service is started with the escrow bag
 * when the record has one: so it also starts while the phone is locked, but
 * was unlocked once since it booted.
 */
MUST_CHECK enum rc device_lockdown_stream(struct device_lockdown *l,
    const char *service, const struct pl *record, struct stream *out);

/* ---- device_afc.c: com.apple.afc ---- */

struct device_afc;
MUST_CHECK enum rc device_afc_open(
    struct device_lockdown *l, struct device_afc **out);
/* One try to lock /com.apple.itunes.lock_sync. RC_BUSY: another host syncs,
 * try again (other hosts: 50 times, every 200 ms). */
MUST_CHECK enum rc device_afc_lock(struct device_afc *afc);
/* A whole file of at most max bytes. Gives (free()). RC_LIMIT. */
MUST_CHECK enum rc device_afc_read(struct device_afc *afc, const char *path,
    size_t max, uint8_t **out, size_t *len);
void device_afc_close(struct device_afc *afc); /* unlocks; NULL is fine */

/* ---- device_apps.c: installation_proxy, springboardservices ---- */

/* Calls fn for each app that a person installed: a dict with
 * CFBundleIdentifier, ApplicationSINF, iTunesMetadata (all optional). */
MUST_CHECK enum rc device_apps_each(
    struct device_lockdown *l, pl_item_fn fn, void *arg);

struct device_icons;
MUST_CHECK enum rc device_icons_open(
    struct device_lockdown *l, struct device_icons **out);
/* PNG. Gives (free()). */
MUST_CHECK enum rc device_icons_get(
    struct device_icons *icons, const char *bundle, uint8_t **out, size_t *len);
void device_icons_close(struct device_icons *icons); /* NULL is fine */

#endif
