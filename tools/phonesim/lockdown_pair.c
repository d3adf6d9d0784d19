/* Trust: Pair, Unpair and the dialog (protocols.md 4.4). */
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <string.h>

#include "lockdown.h"
#include "pl.h"

static const char *const record_certs[] = { "DeviceCertificate",
	"HostCertificate", "RootCertificate" };

static X509 *pair_cert(plist_t record, const char *key)
{
	size_t n = 0;
	const char *pem = pl_data(record, key, &n);
	BIO *bio = pem && n < 65536 ? BIO_new_mem_buf(pem, (int)n) : NULL;
	X509 *cert = bio ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL;

	BIO_free(bio);
	return cert;
}

/* All certificates are there, and the device's is for the device's key. */
static bool pair_record_ok(struct phone *ph, plist_t record)
{
	bool ok = true;

	for (int i = 0; i < 3 && ok; i++) {
		X509 *cert = pair_cert(record, record_certs[i]);
		EVP_PKEY *key = cert && i == 0 ? X509_get0_pubkey(cert) : NULL;

		ok = cert &&
		     (i > 0 || (key && EVP_PKEY_eq(key, ph->p->key) == 1));
		X509_free(cert);
	}
	return ok;
}

/* (L) What the screen says now; opens the dialog when nothing was asked. */
static const char *pair_dialog(struct phone *ph, bool *opened)
{
	struct phone_private *p = ph->p;

	if (phone_is_protected(ph))
		return "PasswordProtected";
	if (p->trust_plan == TRUST_ALWAYS)
		return NULL;
	if (p->trust_plan == TRUST_NEVER)
		return "UserDeniedPairing";
	switch (p->trust) {
	case TRUST_NONE:
		*opened = true;
		p->trust =
		    p->trust_next == TRUST_NONE ? TRUST_OPEN : p->trust_next;
		p->trust_next = TRUST_NONE;
		return "PairingDialogResponsePending";
	case TRUST_OPEN:
		return "PairingDialogResponsePending";
	case TRUST_DENIED:
		return "UserDeniedPairing";
	case TRUST_ACCEPTED:
		p->trust = TRUST_NONE;
		return NULL;
	}
	return "UserDeniedPairing";
}

static const char *pair_ask(struct phone *ph, bool is_known)
{
	bool opened = false;
	const char *error;

	pthread_mutex_lock(&ph->lock);
	if (is_known)
		error = phone_is_protected(ph) ? "PasswordProtected" : NULL;
	else
		error = pair_dialog(ph, &opened);
	pthread_mutex_unlock(&ph->lock);
	if (opened)
		phone_event(ph, "trust dialog shown");
	return error;
}

static const char *pair_keep(
    struct phone *ph, const char *host_id, plist_t asked, plist_t reply)
{
	plist_t record = plist_new_dict();
	unsigned char escrow[ESCROW_LEN] = { 0 };
	const char *buid = pl_str(asked, "SystemBUID");
	int rc;

	for (int i = 0; i < 3; i++)
		pl_set(record, record_certs[i],
		    plist_copy(plist_dict_get_item(asked, record_certs[i])));
	RAND_bytes(escrow, sizeof(escrow));
	pl_set_data(record, "EscrowBag", escrow, sizeof(escrow));
	pl_set_str(record, "HostID", host_id);
	pl_set_str(record, "SystemBUID", buid ? buid : "");
	rc = phone_host_save(ph, host_id, record);
	plist_free(record);
	if (rc)
		return "SavePairRecordFailed";
	pl_set_data(reply, "EscrowBag", escrow, sizeof(escrow));
	phone_event(ph, "paired host=%s", host_id);
	return NULL;
}

/* The record of a request and its HostID, or the error. */
static const char *pair_asked(
    plist_t req, plist_t *record, const char **host_id)
{
	*record = pl_sub(req, "PairRecord");
	if (!*record)
		return "MissingPairRecord";
	*host_id = pl_str(*record, "HostID");
	if (!*host_id)
		return "MissingHostID";
	return phone_host_id_ok(*host_id) ? NULL : "InvalidPairRecord";
}

const char *lockdown_pair(struct lockdown *ld, plist_t req, plist_t reply)
{
	const char *host_id, *error;
	plist_t asked, known;

	error = pair_asked(req, &asked, &host_id);
	if (!error && !pair_record_ok(ld->ph, asked))
		error = "InvalidPairRecord";
	if (error)
		return error;
	known = phone_host_load(ld->ph, host_id);
	error = pair_ask(ld->ph, known != NULL);
	plist_free(known);
	return error ? error : pair_keep(ld->ph, host_id, asked, reply);
}

const char *lockdown_validate_pair(
    struct lockdown *ld, plist_t req, plist_t reply)
{
	const char *host_id, *error;
	plist_t asked, known;

	(void)reply;
	error = pair_asked(req, &asked, &host_id);
	if (error)
		return error;
	known = phone_host_load(ld->ph, host_id);
	plist_free(known);
	return known ? NULL : "InvalidHostID";
}

const char *lockdown_unpair(struct lockdown *ld, plist_t req, plist_t reply)
{
	const char *host_id, *error;
	plist_t asked;

	(void)reply;
	error = pair_asked(req, &asked, &host_id);
	if (error)
		return error;
	if (phone_host_forget(ld->ph, host_id))
		return "InvalidHostID";
	phone_event(ld->ph, "unpaired host=%s", host_id);
	return NULL;
}

const char *lockdown_reset_pairing(
    struct lockdown *ld, plist_t req, plist_t reply)
{
	(void)req, (void)reply;
	if (!ld->in_session)
		return "SessionInactive";
	phone_host_forget(ld->ph, NULL);
	phone_event(ld->ph, "pairings reset");
	return NULL;
}
