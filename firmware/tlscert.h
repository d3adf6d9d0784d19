/*
 * The key and the certificate of the page over HTTPS. Made once by the box,
 * kept in tls.pem of the state folder (0600), made anew before the certificate
 * ends. It is signed by nobody but itself, so a browser asks once; its
 * fingerprint is what `nightstand status` and the page show.
 */
#ifndef TLSCERT_H
#define TLSCERT_H

#include <stdint.h>

#include "rc.h"

#define TLSCERT_FILE     "tls.pem"
#define TLSCERT_KEY_MAX  256
#define TLSCERT_CERT_MAX 1024

/* iOS refuses a server's certificate that is valid for longer than 825 days
 * (Apple, HT210176). */
#define TLSCERT_DAYS 820

struct tlscert {
	uint8_t key[TLSCERT_KEY_MAX], cert[TLSCERT_CERT_MAX]; /* DER */
	uint16_t key_len, cert_len;
	char fingerprint[96]; /* SHA-256 of the certificate, "AB:CD:…" */
	int64_t ends_at; /* Unix seconds */
};

/*
 * What the file holds, or new ones that are written there: when there is none,
 * when it makes no sense, and when the certificate ends within two months of
 * now_at, has not begun, or is for another name. Without a state folder ("")
 * new ones. A file that can't be written is logged only. RC_NOMEM, RC_IO: no
 * randomness.
 *
 * now_at: of a clock that may never have been set: then the certificate begins
 * at the earliest moment that makes sense.
 */
MUST_CHECK enum rc tlscert_load(const char *state_dir, const char *name,
    int64_t now_at, struct tlscert *out);

/* It still serves at that moment, as tlscert_load() sees it. Pure. */
int tlscert_is_fresh(const struct tlscert *c, int64_t now_at);

#endif
