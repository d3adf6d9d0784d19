/*
 * Inside the vault only: is the view of a night a whole backup? See
 * vault_night_verify() in vault.h and protocols 6.6.
 */
#ifndef VERIFY_H
#define VERIFY_H

#include "night.h"

struct verify {
	bool has_base; /* in: files may come from the snapshot before */
	struct vault_night *n;
	vault_progress_fn progress;
	void *arg;
	struct vault_verdict *out;
	uint64_t files, bytes; /* to be read back */
	uint64_t wrong_ids;
};

/* All but the bytes, which an adoption hashes where they lie. */
MUST_CHECK enum rc verify_structure(
    struct vault_night *n, struct vault_verdict *out);
/*
 * All but the bytes: the property lists, and that each file of Manifest.db is
 * in the view. As vault_night_verify() otherwise; for a view whose rows were
 * just made from what lies on the disk.
 */
MUST_CHECK enum rc verify_view(struct verify *v);

/* The first finding stands in the verdict; RC_CORRUPT. */
enum rc verify_found(struct verify *v, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

#endif
