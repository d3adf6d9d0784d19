/*
 * What the phone holds: an SQLite table of items in the phone's folder, file
 * bytes made on the fly from (seed, version) or, after a restore, read from
 * stored files. Nothing proportional to the phone's size is in memory.
 *
 * Thread-safe: each call takes the content's own lock; iterators hold a read
 * snapshot (SQLite WAL) and no lock, so a callback may call back, and a
 * `mutate` beside a backup is like a person who uses the phone meanwhile.
 *
 * Some items (health, call history, known networks …) are only in encrypted
 * backups (protocols.md 5.10, 6.4). content_each, content_find, content_totals
 * and manifest_write_db speak of what a backup in the phone's present state
 * holds: without a password they skip those items. content_write_hashes
 * lists all and marks them.
 */
#ifndef CONTENT_H
#define CONTENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct content;
struct content_reader;

enum content_kind {
	CONTENT_FILE = 1,
	CONTENT_DIR = 2,
	CONTENT_LINK = 4
};

struct content_item {
	int64_t id;
	char file_id[41]; /* SHA-1(domain-relativePath), hex */
	const char *domain, *path; /* lent until the next step */
	enum content_kind kind;
	uint64_t size; /* plain bytes */
	int64_t mtime, ctime, birth;
	uint32_t mode; /* with S_IFMT bits */
	int32_t uid, gid; /* -2 occurs */
	uint64_t inode;
	int pclass; /* protection class 0..4 */
	int flags; /* MBFile Flags: 0, rarely 128 */
	const char *target; /* links; else NULL */
	uint64_t seed;
	uint32_t version;
};

struct content_plan { /* what `create` fills a new phone with */
	uint64_t seed;
	uint64_t files; /* regular files of a plain backup; those that are
	                       * only in encrypted ones come besides (1 in 40) */
	uint64_t bytes; /* in total, about; 0: sizes as on real phones */
	uint64_t fixed_size; /* > 0: every file has this size */
	uint64_t big_file; /* > 0: one file of this size besides */
	uint64_t rows; /* > 0: pad Manifest.db to this many rows (dirs) */
};

/* Opens dir/content.db, or makes it from `plan` (may be NULL when it exists).
 * NULL with a message on stderr on failure. */
struct content *content_open(const char *dir, const struct content_plan *plan);
void content_close(struct content *c);

/* Every item in the order of rows that a real Manifest.db has (not sorted,
 * children may stand before parents). 0 goes on; anything else ends and is
 * returned. */
int content_each(struct content *c,
    int (*fn)(void *arg, const struct content_item *it), void *arg);
/* 1 found, 0 not, -1 error. Strings stay valid until content_item_free(). */
int content_find(
    struct content *c, const char *file_id, struct content_item *out);
void content_item_free(struct content_item *it);
void content_totals(
    struct content *c, uint64_t *files, uint64_t *bytes, uint64_t *rows);

/* The plain bytes of a file. NULL: no such item. */
struct content_reader *content_read_open(struct content *c, int64_t id);
/* The bytes of the backup's file: plain, or AES-256-CBC with PKCS#7 when
 * encryption is on (size: content_stored_size). */
struct content_reader *content_backup_open(struct content *c, int64_t id);
/* Fills up to cap bytes (all of them, but at the end); 0 at the end, -1 on
 * error. */
long content_reader_read(struct content_reader *r, void *buf, size_t cap);
void content_reader_close(struct content_reader *r);
uint64_t content_stored_size(struct content *c, const struct content_item *it);

/* Tomorrow: grows, changes, deletes, renames, adds; counts per kind. mtimes
 * move by whole seconds. */
struct content_mutation {
	uint64_t seed;
	uint64_t grow, change, remove, rename, add;
};
int content_mutate(struct content *c, const struct content_mutation *m);

/*
 * One line per item, in the order of file_id, for tests to compare:
 *   sha256 size mtime mode e file_id domain-path
 * sha256 of the plain bytes (- for folders and links), mode in octal with the
 * kind's bits, e is "e" for an item that is only in encrypted backups, else
 * "-". Control bytes in domain-path are written as %XX.
 */
int content_write_hashes(struct content *c, const char *out_path);

/* ---- encryption: password, key bag, Manifest.db ---- */

bool content_is_encrypted(struct content *c); /* WillEncrypt */
/* Grows with each change of the password, and of whether there is one. */
int64_t content_key_generation(struct content *c);
/* old/new NULL or "" = none. 0, or 207 when old is wrong, -1 when it could not
 * be stored. Takes seconds with the rounds of real phones. */
int content_change_password(
    struct content *c, const char *old_pw, const char *new_pw);
/* PBKDF2 rounds of the key bags to come, 0 = as real phones (10,000,000 and
 * 10,000). Kept in the database. */
int content_set_rounds(struct content *c, uint32_t dpic, uint32_t iter);

/* Writes the backup's Manifest.plist / Manifest.db as the phone sends them
 * (encrypted when encryption is on) for the content as it is now. `uuid` of the
 * backup set and lockdown values come from the arguments. 0 or -1. */
struct manifest_facts {
	const char *udid, *device_name, *product_type, *ios, *build, *serial;
	bool passcode_set;
};
int manifest_write_plist(
    struct content *c, const struct manifest_facts *f, const char *out_path);
int manifest_write_db(struct content *c, const char *out_path);

/*
 * Reads a Manifest.plist + Manifest.db that a host sent back.
 *   incremental  password is NULL: the manifest must be as encrypted as the
 *                phone is, and the key bag must be the phone's own, else 207
 *   restore      password is not NULL, "" when the host gave none: the key
 *                bag in Manifest.plist is unlocked with it; a plain backup
 *                needs none
 * *out is an open handle, or the return value is the MBErrorDomain code:
 * 205 not readable, 207 password or key bag does not fit. The handle belongs
 * to one thread; the files may be removed once it is open.
 */
struct manifest;
struct manifest_row {
	char file_id[41];
	const char *domain, *path, *target; /* lent until the next call */
	int flags; /* 1 file, 2 folder, 4 link */
	uint64_t size;
	int64_t mtime, ctime, birth;
	uint32_t mode;
	int32_t uid, gid;
	uint64_t inode;
	int pclass, mb_flags;
	bool has_key;
	uint8_t key[32]; /* unwrapped file key when has_key */
};
int manifest_open(struct content *c, const char *plist_path,
    const char *db_path, const char *password, struct manifest **out);
void manifest_close(struct manifest *m);
int manifest_find(struct manifest *m, const char *file_id,
    struct manifest_row *out); /* 1, 0, -1 */
/* 0 at the end, -1 on a row that can't be read, or what fn returned. */
int manifest_each(struct manifest *m,
    int (*fn)(void *arg, const struct manifest_row *row), void *arg);

/*
 * Restore: forget everything (but not the password); then put items back one
 * by one. The bytes of a restored file are written through a writer, which
 * decrypts when row has a key, and end in a stored file. A row whose file_id
 * is not the SHA-1 of its domain and path is refused (NULL, -1).
 */
int content_wipe(struct content *c);
struct content_writer;
struct content_writer *content_restore_file(
    struct content *c, const struct manifest_row *row);
int content_writer_write(struct content_writer *w, const void *d, size_t n);
/* 0, -1 size or padding wrong; the writer is gone in any case. */
int content_writer_finish(struct content_writer *w);
void content_writer_discard(struct content_writer *w);
int content_restore_other(struct content *c, const struct manifest_row *row);

#endif
