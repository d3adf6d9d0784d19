/*
 * Files of the running night, in incoming/. A file is hashed while it
 * is written; it counts only once a row of the catalogue names it, so what a
 * power cut leaves without a row is swept on the next open.
 *
 * Nothing is synced file by file: staging_sync() makes all that was written
 * durable at once, before the transaction that names it (V1, V5).
 */
#ifndef STAGING_H
#define STAGING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "digest.h"
#include "fileops.h"
#include "layout.h"
#include "quickhash.h"
#include "rc.h"

struct db;
struct spool;

struct staging {
	const struct fileops *ops;
	int root; /* the phone's folder, lent */
	uint32_t next;
	uint32_t dir_made; /* 1 + the last numbered folder that is there */
	bool named_made[256]; /* incoming/00 … incoming/ff are there */
	uint64_t bytes_dirty; /* written since the last sync */
	uint64_t files_dirty;
	struct digest *spare; /* hash contexts that nobody uses now */
	struct quickhash *spare_quick;
	struct spool *spool; /* made for the first large file, or NULL */
	bool no_spool;
	struct layout_place
	    *doomed; /* unlinked once no durable row names them */
	size_t n_doomed, cap_doomed;
};

struct staging_file {
	struct staging *st;
	int fd;
	struct layout_place place;
	uint64_t size;
	bool spooled; /* a large file: through st->spool */
	struct digest *hash;
	struct quickhash *quick;
	uint8_t digest[DIGEST_LEN]; /* valid after staging_close() */
	uint64_t quick_hash; /* likewise; for reading back */
};

void staging_init(struct staging *st, const struct fileops *ops, int root);
void staging_free(struct staging *st);

/* `rel` is the path that the file is to come to, or will be moved from. */
MUST_CHECK enum rc staging_create(
    struct staging *st, const char *rel, struct staging_file *f);
MUST_CHECK enum rc staging_write(
    struct staging_file *f, const void *data, size_t len);
/* The content is complete: f->place, size and digest may go into a row. */
MUST_CHECK enum rc staging_close(struct staging_file *f);
/* Forgets a file that no row names, open or closed. */
void staging_discard(struct staging_file *f);

/* No row will name it any more once the transaction is durable. */
MUST_CHECK enum rc staging_doom(
    struct staging *st, const struct layout_place *place);
/* After the transaction: unlinks the doomed. Failure only costs space. */
void staging_reap(struct staging *st);

/* A failed write of the night before is no failure of this one. */
void staging_new_night(struct staging *st);

/* All that was closed is in its files, and can be read; not yet durable. */
MUST_CHECK enum rc staging_settle(struct staging *st);
MUST_CHECK enum rc staging_sync(struct staging *st);

/*
 * Compares incoming/ with the catalogue's staged table: files without a row
 * are unlinked. Sets st->next. *lost: rows whose file is missing. Names that
 * are not ours are left alone (V7).
 */
MUST_CHECK enum rc staging_sweep(
    struct staging *st, struct db *db, uint64_t *lost);

#endif
