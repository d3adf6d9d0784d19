/*
 * Inside the vault only: the parts of an adoption (vault_adopt.h).
 *
 * The order, and what makes it safe:
 * 1. The overlay gets a row for each file of the folder, the table `adopt` the
 *    folder's place (row "") and each name that will be renamed. All is checked
 *    and hashed in place.
 * 2. A checkpoint makes these rows durable. Only then is the first name
 *    renamed, from the folder to latest/<UDID>.
 * 3. syncfs, then journal_write(): the commit point. It empties `adopt` in the
 *    same transaction. Its replay finds each file in its place.
 *
 * Rows in `adopt` therefore mean "not committed": adopt_undo() renames back
 * what it finds in latest/, in any subset, as often as it takes.
 */
#ifndef ADOPT_H
#define ADOPT_H

#include "night.h"
#include "vault_adopt.h"

#define ADOPT_FROM (LAYOUT_PATH - 96) /* leaves room for "ab/<file id>" */

struct adopt {
	struct vault_phone *p;
	struct vault_night *n; /* NULL once its rows are durable */
	const struct vault_adopt_opts *opts;
	struct vault_adopt_report *out;
	char folder[4096]; /* absolute */
	char from[ADOPT_FROM]; /* the same, seen from the phone's folder */
	uint32_t next; /* number of the next file's row */
	uint64_t files_done, bytes_done;
};

/* The first reason stands in the report; returns `rc`. */
enum rc adopt_because(struct adopt *a, enum rc rc, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* "<folder>/<rel>", as seen from the phone's folder. */
void adopt_path(const struct adopt *a, const char *rel, char out[LAYOUT_PATH]);

/* Between two pieces of work: progress, and RC_CANCELLED when wanted. */
MUST_CHECK enum rc adopt_step(struct adopt *a);

/* Step 1: the rows of all files, and of the names to be renamed. */
MUST_CHECK enum rc adopt_scan(struct adopt *a);

struct adopt_file {
	char path[48]; /* below the UDID */
	int64_t num; /* of its row */
	uint64_t size;
	int64_t mtime;
};
/* May change rows; non-zero ends the walk. */
typedef enum rc (*adopt_file_fn)(void *arg, const struct adopt_file *f);

/* In path order: each file of the overlay. */
MUST_CHECK enum rc adopt_each_row(struct adopt *a, adopt_file_fn fn, void *arg);

/* For a copy, whose files make an overlay of their own: the list of files
 * moves to the table `adopt`; and each of them (num is 0). */
MUST_CHECK enum rc adopt_keep_names(struct adopt *a);
MUST_CHECK enum rc adopt_each_name(
    struct adopt *a, adopt_file_fn fn, void *arg);

/* Tells the kernel what will be read next; the rows are a page of those. */
void adopt_read_ahead(
    struct adopt *a, const struct adopt_file *files, unsigned n);

/* Reads each file where it lies, and notes its hash. */
MUST_CHECK enum rc adopt_hash(struct adopt *a);

/* Streams all names that were kept into the night's store. */
MUST_CHECK enum rc adopt_copy(struct adopt *a);

/* Step 2 and its reverse. */
MUST_CHECK enum rc adopt_move(struct adopt *a);
/* For vault_phone_open(), and after a failure. Content when there is nothing
 * to take back. RC_EXISTS: something came to the place of what has to go
 * back; it waits. */
MUST_CHECK enum rc adopt_undo(struct vault_phone *p);

#endif
