/*
 * What the device-link engine needs of a place that holds a backup. The vault
 * provides one (its view = newest good snapshot + overlay); tests provide
 * others. Paths are relative, begin with the UDID and have passed
 * relpath_check_below(); they are lent for the call.
 *
 * All calls may block for a disk; none is called from two threads at once.
 */
#ifndef STORE_H
#define STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "rc.h"

enum store_kind {
	STORE_FILE = 1,
	STORE_DIR = 2
};

struct store_stat {
	enum store_kind kind;
	uint64_t size; /* bytes; 0 for a folder */
	int64_t mtime; /* Unix seconds */
};

struct store_file; /* a file that is being read or written; the store's own */

/* One entry of a folder; `name` is lent. Non-zero ends the listing, and
 * list() returns that code. */
typedef enum rc (*store_list_fn)(
    void *arg, const char *name, const struct store_stat *st);

struct store_ops {
	/* RC_NOTFOUND when there is no such thing. */
	enum rc (*stat)(void *ctx, const char *path, struct store_stat *out);

	/* Direct children in no particular order. RC_NOTFOUND, RC_NOTDIR. */
	enum rc (*list)(
	    void *ctx, const char *path, store_list_fn fn, void *arg);

	/* RC_EXISTS when it is there already. Parents are made. */
	enum rc (*make_dir)(void *ctx, const char *path);

	/* A file or a folder with all that is in it; replaces a file at `to`.
	 * RC_NOTFOUND when `from` is missing. */
	enum rc (*move)(void *ctx, const char *from, const char *to);

	/* A file or a folder with all that is in it. RC_NOTFOUND. */
	enum rc (*remove)(void *ctx, const char *path);

	/* A file; replaces a file at `to`. */
	enum rc (*copy)(void *ctx, const char *from, const char *to);

	/* Begins a new file that replaces what is at `path` once it is
	 * finished; until then `path` shows what it did before. */
	enum rc (*create)(void *ctx, const char *path, struct store_file **out);

	/* Appends; all or an error. After an error only discard() is left. */
	enum rc (*write)(struct store_file *f, const void *data, size_t len);

	/* Takes `f`, also when it fails: the file is now at its path. */
	enum rc (*finish)(struct store_file *f);

	/* Takes `f`: forgets it. NULL is fine. */
	void (*discard)(struct store_file *f);

	enum rc (*open)(void *ctx, const char *path, struct store_file **out,
	    uint64_t *size);

	/* Up to `cap` bytes; *len 0 at the end. */
	enum rc (*read)(
	    struct store_file *f, void *buf, size_t cap, size_t *len);
	void (*close)(struct store_file *f); /* of open(); NULL is fine */

	/* Bytes that a backup may still use (reserve taken off). */
	enum rc (*free_space)(void *ctx, uint64_t *out);

	/* To be called before the phone is told that a command is done: what it
	 * will not look at again must not come back, or go, by a power cut. */
	enum rc (*confirm)(void *ctx);

	/* Frees what the keep rules allow, up to `want`; *freed is what was
	 * really freed, 0 when nothing may go. */
	enum rc (*purge)(void *ctx, uint64_t want, uint64_t *freed);
};

struct store {
	const struct store_ops *ops;
	void *ctx;
};

#endif
