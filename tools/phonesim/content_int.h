/*
 * What the content*.c and manifest*.c files share; nobody else includes it.
 */
#ifndef CONTENT_INT_H
#define CONTENT_INT_H

#include <pthread.h>
#include <sqlite3.h>

#include "cipher.h"
#include "content.h"
#include "keybag.h"

#define CONTENT_PATH_MAX 4096 /* domain, and path, of an item */

struct content {
	pthread_mutex_t lock;
	char dir[512], db_path[544];
	uint64_t seed;
	sqlite3 *db; /* (L) */
	sqlite3_stmt *by_id; /* (L) */
	sqlite3_stmt *by_file_id; /* (L) */
	sqlite3_stmt *put; /* (L) insert or ignore */
	struct cipher_hash *sha1; /* (L) */
	struct keybag bag; /* (L) open, with or without a password */
	bool encrypted; /* (L) */
	int64_t last_domain; /* (L) cache of content_put */
	char last_domain_name[256];
};

/* An item's row, as the select of CONTENT_COLUMNS gives it. */
#define CONTENT_COLUMNS                                                        \
	"i.id,i.file_id,d.name,i.path,i.kind,i.size,i.mtime,i.ctime,i.birth,"  \
	"i.mode,i.uid,i.gid,i.inode,i.pclass,i.flags,i.target,i.seed,"         \
	"i.version,i.enc_only,i.stored"
#define CONTENT_FROM " FROM items AS i JOIN domains AS d ON d.id = i.domain "

struct content_row { /* what content_item does not say */
	bool enc_only, stored;
};

/* The strings are lent until the statement moves on. */
void content_row_of(
    sqlite3_stmt *s, struct content_item *it, struct content_row *row);

/* content_each with all of the row. */
typedef int (*content_row_fn)(
    void *arg, const struct content_item *it, const struct content_row *row);
int content_each_row(struct content *c, content_row_fn fn, void *arg);

int content_exec(sqlite3 *db, const char *sql); /* 0 or -1, said on stderr */
int content_prepare(sqlite3 *db, const char *sql, sqlite3_stmt **out);
void content_complain(sqlite3 *db, const char *what);

/* A connection that sees one moment, for an iteration. */
sqlite3 *content_snapshot(struct content *c);

/* Facts: numbers and blobs that belong to the phone. `def` when missing. */
int64_t content_fact(sqlite3 *db, const char *name, int64_t def);
int content_set_fact(sqlite3 *db, const char *name, int64_t v);
/* Bytes copied, 0 when missing or larger than cap. */
size_t content_fact_blob(sqlite3 *db, const char *name, void *d, size_t cap);
int content_set_fact_blob(
    sqlite3 *db, const char *name, const void *d, size_t n);

/* Puts an item in (id, file_id are made here). 1 put, 0 there already, -1.
 * With the lock held. */
int content_put(struct content *c, const struct content_item *it, bool stored);
/* SHA-1(domain-path); with the lock held. */
int content_file_id(struct content *c, const char *domain, const char *path,
    uint8_t out[CIPHER_SHA1]);
/* Only in encrypted backups? */
bool content_enc_only(const char *domain, const char *path);

/* Fills a new phone; `db` is the main connection inside a transaction. */
int content_fill(struct content *c, const struct content_plan *plan);
/* One more photo, for mutate. 0 or -1; with the lock held. */
int content_fill_photo(struct content *c, uint64_t seed, int64_t mtime);

/* Keys. All with the lock held, or on a copy of the bag. */
int content_keys_load(struct content *c);
int content_keys_make(struct content *c, const char *pw);
/* 32 bytes that belong to this phone, a label and two numbers. */
int content_secret(struct content *c, const char *label, uint64_t a, uint64_t b,
    uint8_t out[CIPHER_KEY]);
/* The key class that guards an item's file key. */
uint32_t content_key_class(const struct content_item *it);

/* A reader for an item that is known already. `key` NULL: plain. */
struct content_reader *content_reader_new(struct content *c,
    const struct content_item *it, const struct content_row *row,
    const uint8_t *key);
void content_stored_path(struct content *c, const char *file_id, char out[640]);

#endif
