/*
 * The phone's storage.
 *
 * One SQLite file, content.db, holds a row for each item; the bytes of files
 * are computed from (phone seed, item seed, version) when somebody reads
 * them, so a phone of a million files costs a database of some 200 MB and no
 * memory. The exception are restored files: they stand below restored/, named
 * by their fileID, until they change.
 *
 * The rows' ids give the order in which a backup sees them. As on real phones
 * it is not sorted, and some children stand before their parents.
 *
 * A new phone is filled in content.db.new and renamed: a phone is whole or it
 * is not there. Afterwards the database is in WAL mode: one connection under
 * the lock writes and looks up, each iteration opens one of its own and sees
 * a snapshot. synchronous is OFF: a simulator that is killed loses nothing,
 * and nobody pulls its plug.
 */
#include "content.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "content_bytes.h"
#include "content_int.h"

static const char schema[] =
    "CREATE TABLE facts(name TEXT PRIMARY KEY, value) WITHOUT ROWID;"
    "CREATE TABLE domains(id INTEGER PRIMARY KEY, name TEXT UNIQUE);"
    "CREATE TABLE items(id INTEGER PRIMARY KEY, file_id BLOB UNIQUE,"
    " domain INTEGER, path TEXT, kind INTEGER, size INTEGER, mtime INTEGER,"
    " ctime INTEGER, birth INTEGER, mode INTEGER, uid INTEGER, gid INTEGER,"
    " inode INTEGER, pclass INTEGER, flags INTEGER, target TEXT,"
    " seed INTEGER, version INTEGER, enc_only INTEGER, stored INTEGER,"
    " epoch INTEGER NOT NULL DEFAULT 0);";

/* ---- SQLite, shortened ---- */

void content_complain(sqlite3 *db, const char *what)
{
	fprintf(stderr, "phonesim: content: %s: %s\n", what,
	    db ? sqlite3_errmsg(db) : "out of memory");
}

int content_exec(sqlite3 *db, const char *sql)
{
	if (sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK)
		return 0;
	content_complain(db, sql);
	return -1;
}

int content_prepare(sqlite3 *db, const char *sql, sqlite3_stmt **out)
{
	if (sqlite3_prepare_v3(
		db, sql, -1, SQLITE_PREPARE_PERSISTENT, out, NULL) == SQLITE_OK)
		return 0;
	content_complain(db, sql);
	return -1;
}

int64_t content_fact(sqlite3 *db, const char *name, int64_t def)
{
	sqlite3_stmt *s;

	if (content_prepare(db, "SELECT value FROM facts WHERE name=?", &s))
		return def;
	sqlite3_bind_text(s, 1, name, -1, SQLITE_STATIC);
	if (sqlite3_step(s) == SQLITE_ROW)
		def = sqlite3_column_int64(s, 0);
	sqlite3_finalize(s);
	return def;
}

static int set_fact(
    sqlite3 *db, const char *name, int64_t v, const void *d, size_t n)
{
	sqlite3_stmt *s;
	int rc;

	if (content_prepare(db, "REPLACE INTO facts VALUES(?,?)", &s))
		return -1;
	sqlite3_bind_text(s, 1, name, -1, SQLITE_STATIC);
	if (d)
		sqlite3_bind_blob(s, 2, d, (int)n, SQLITE_STATIC);
	else
		sqlite3_bind_int64(s, 2, v);
	rc = sqlite3_step(s) == SQLITE_DONE ? 0 : -1;
	if (rc)
		content_complain(db, name);
	sqlite3_finalize(s);
	return rc;
}

int content_set_fact(sqlite3 *db, const char *name, int64_t v)
{
	return set_fact(db, name, v, NULL, 0);
}

int content_set_fact_blob(
    sqlite3 *db, const char *name, const void *d, size_t n)
{
	return set_fact(db, name, 0, d, n);
}

size_t content_fact_blob(sqlite3 *db, const char *name, void *d, size_t cap)
{
	sqlite3_stmt *s;
	size_t n = 0;

	if (content_prepare(db, "SELECT value FROM facts WHERE name=?", &s))
		return 0;
	sqlite3_bind_text(s, 1, name, -1, SQLITE_STATIC);
	if (sqlite3_step(s) == SQLITE_ROW) {
		const void *p = sqlite3_column_blob(s, 0);

		n = (size_t)sqlite3_column_bytes(s, 0);
		if (p && n <= cap)
			memcpy(d, p, n);
		else
			n = 0;
	}
	sqlite3_finalize(s);
	return n;
}

/* ---- open and close ---- */

static sqlite3 *connect_db(const char *path, int flags)
{
	sqlite3 *db = NULL;

	if (sqlite3_open_v2(path, &db, flags | SQLITE_OPEN_NOMUTEX, NULL) !=
	    SQLITE_OK) {
		content_complain(db, path);
		sqlite3_close(db);
		return NULL;
	}
	sqlite3_busy_timeout(db, 10000);
	return db;
}

sqlite3 *content_snapshot(struct content *c)
{
	return connect_db(c->db_path, SQLITE_OPEN_READONLY);
}

static int prepare_all(struct content *c)
{
	return content_prepare(c->db,
		   "SELECT " CONTENT_COLUMNS CONTENT_FROM "WHERE i.id=?",
		   &c->by_id) ||
		       content_prepare(c->db,
			   "SELECT " CONTENT_COLUMNS CONTENT_FROM
			   "WHERE i.file_id=? AND i.enc_only<=?",
			   &c->by_file_id) ||
		       content_prepare(c->db,
			   "INSERT OR IGNORE INTO items(file_id,domain,path,kind,size,"
			   "mtime,ctime,birth,mode,uid,gid,inode,pclass,flags,target,"
			   "seed,version,enc_only,stored) VALUES"
			   "(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
			   &c->put)
		   ? -1
		   : 0;
}

static void disconnect(struct content *c)
{
	sqlite3_finalize(c->by_id);
	sqlite3_finalize(c->by_file_id);
	sqlite3_finalize(c->put);
	sqlite3_close(c->db);
	c->by_id = c->by_file_id = c->put = NULL;
	c->db = NULL;
	c->last_domain = 0;
}

/* Makes content.db as a whole, or leaves none. */
static int create(struct content *c, const struct content_plan *plan)
{
	char tmp[600];
	int rc = -1;

	snprintf(tmp, sizeof(tmp), "%s.new", c->db_path);
	if (unlink(tmp) && errno != ENOENT)
		return -1;
	c->seed = plan->seed;
	c->db = connect_db(tmp, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE);
	if (!c->db)
		return -1;
	if (content_exec(c->db,
		"PRAGMA journal_mode=OFF;PRAGMA synchronous=OFF;"
		"PRAGMA cache_size=-32768") ||
	    content_exec(c->db, schema) || prepare_all(c) ||
	    content_exec(c->db, "BEGIN"))
		goto out;
	if (content_set_fact(c->db, "seed", (int64_t)plan->seed) ||
	    content_keys_make(c, NULL) || content_fill(c, plan) ||
	    content_exec(c->db, "COMMIT"))
		goto out;
	rc = 0;
out:
	disconnect(c);
	if (!rc && rename(tmp, c->db_path)) {
		perror(c->db_path);
		rc = -1;
	}
	if (rc)
		unlink(tmp);
	return rc;
}

static int load(struct content *c)
{
	c->db = connect_db(c->db_path, SQLITE_OPEN_READWRITE);
	if (!c->db ||
	    content_exec(c->db,
		"PRAGMA journal_mode=WAL;PRAGMA synchronous=OFF;"
		"PRAGMA cache_size=-8192") ||
	    prepare_all(c))
		return -1;
	c->seed = (uint64_t)content_fact(c->db, "seed", 0);
	return content_keys_load(c);
}

struct content *content_open(const char *dir, const struct content_plan *plan)
{
	struct content *c = calloc(1, sizeof(*c));

	if (!c || strlen(dir) >= sizeof(c->dir))
		goto fail;
	pthread_mutex_init(&c->lock, NULL);
	strcpy(c->dir, dir);
	snprintf(c->db_path, sizeof(c->db_path), "%s/content.db", dir);
	c->sha1 = cipher_hash_new(CIPHER_SHA1);
	if (!c->sha1)
		goto fail;
	if (access(c->db_path, F_OK)) {
		if (!plan) {
			fprintf(
			    stderr, "phonesim: content: no %s\n", c->db_path);
			goto fail;
		}
		if (create(c, plan))
			goto fail;
	}
	if (load(c))
		goto fail;
	return c;
fail:
	content_close(c);
	return NULL;
}

void content_close(struct content *c)
{
	if (!c)
		return;
	disconnect(c);
	cipher_hash_free(c->sha1);
	pthread_mutex_destroy(&c->lock);
	free(c);
}

/* ---- items ---- */

void content_row_of(
    sqlite3_stmt *s, struct content_item *it, struct content_row *row)
{
	const void *id = sqlite3_column_blob(s, 1);

	memset(it, 0, sizeof(*it));
	it->id = sqlite3_column_int64(s, 0);
	if (id && sqlite3_column_bytes(s, 1) == CIPHER_SHA1)
		cipher_hex(id, CIPHER_SHA1, it->file_id);
	it->domain = (const char *)sqlite3_column_text(s, 2);
	it->path = (const char *)sqlite3_column_text(s, 3);
	it->kind = (enum content_kind)sqlite3_column_int(s, 4);
	it->size = (uint64_t)sqlite3_column_int64(s, 5);
	it->mtime = sqlite3_column_int64(s, 6);
	it->ctime = sqlite3_column_int64(s, 7);
	it->birth = sqlite3_column_int64(s, 8);
	it->mode = (uint32_t)sqlite3_column_int64(s, 9);
	it->uid = sqlite3_column_int(s, 10);
	it->gid = sqlite3_column_int(s, 11);
	it->inode = (uint64_t)sqlite3_column_int64(s, 12);
	it->pclass = sqlite3_column_int(s, 13);
	it->flags = sqlite3_column_int(s, 14);
	it->target = (const char *)sqlite3_column_text(s, 15);
	it->seed = (uint64_t)sqlite3_column_int64(s, 16);
	it->version = (uint32_t)sqlite3_column_int64(s, 17);
	row->enc_only = sqlite3_column_int(s, 18) != 0;
	row->stored = sqlite3_column_int(s, 19) != 0;
}

int content_each_row(struct content *c, content_row_fn fn, void *arg)
{
	sqlite3 *db = content_snapshot(c);
	sqlite3_stmt *s = NULL;
	struct content_item it;
	struct content_row row;
	int rc = -1, step = SQLITE_DONE;

	if (!db || content_prepare(db,
		       "SELECT " CONTENT_COLUMNS CONTENT_FROM
		       "WHERE i.enc_only<=? ORDER BY i.id",
		       &s))
		goto out;
	sqlite3_bind_int(s, 1, content_is_encrypted(c));
	rc = 0;
	while (!rc && (step = sqlite3_step(s)) == SQLITE_ROW) {
		content_row_of(s, &it, &row);
		rc = fn(arg, &it, &row);
	}
	if (!rc && step != SQLITE_DONE) {
		content_complain(db, "each");
		rc = -1;
	}
out:
	sqlite3_finalize(s);
	sqlite3_close(db);
	return rc;
}

struct each { /* the caller of content_each */
	int (*fn)(void *arg, const struct content_item *it);
	void *arg;
};

static int each_item(
    void *arg, const struct content_item *it, const struct content_row *row)
{
	const struct each *e = arg;

	(void)row;
	return e->fn(e->arg, it);
}

int content_each(struct content *c,
    int (*fn)(void *arg, const struct content_item *it), void *arg)
{
	struct each e = { .fn = fn, .arg = arg };

	return content_each_row(c, each_item, &e);
}

/* domain, path and target into one block, which starts with domain. */
static int keep_strings(struct content_item *it)
{
	size_t d = strlen(it->domain) + 1, p = strlen(it->path) + 1;
	size_t t = it->target ? strlen(it->target) + 1 : 0;
	char *s = malloc(d + p + t);

	if (!s)
		return -1;
	memcpy(s, it->domain, d);
	memcpy(s + d, it->path, p);
	if (t)
		memcpy(s + d + p, it->target, t);
	it->domain = s;
	it->path = s + d;
	it->target = t ? s + d + p : NULL;
	return 0;
}

int content_find(
    struct content *c, const char *file_id, struct content_item *out)
{
	uint8_t id[CIPHER_SHA1];
	struct content_row row;
	int rc = 0;

	memset(out, 0, sizeof(*out));
	if (strlen(file_id) != 2 * CIPHER_SHA1 ||
	    cipher_unhex(file_id, id, CIPHER_SHA1))
		return 0;
	pthread_mutex_lock(&c->lock);
	sqlite3_bind_blob(c->by_file_id, 1, id, CIPHER_SHA1, SQLITE_STATIC);
	sqlite3_bind_int(c->by_file_id, 2, c->encrypted);
	switch (sqlite3_step(c->by_file_id)) {
	case SQLITE_ROW:
		content_row_of(c->by_file_id, out, &row);
		rc = keep_strings(out) ? -1 : 1;
		break;
	case SQLITE_DONE:
		break;
	default:
		content_complain(c->db, "find");
		rc = -1;
	}
	sqlite3_reset(c->by_file_id);
	pthread_mutex_unlock(&c->lock);
	if (rc != 1)
		memset(out, 0, sizeof(*out));
	return rc;
}

void content_item_free(struct content_item *it)
{
	/* the one block of keep_strings; const for those who read */
	free((void *)(uintptr_t)it->domain);
	it->domain = it->path = it->target = NULL;
}

void content_totals(
    struct content *c, uint64_t *files, uint64_t *bytes, uint64_t *rows)
{
	sqlite3_stmt *s;

	*files = *bytes = *rows = 0;
	pthread_mutex_lock(&c->lock);
	if (!content_prepare(c->db,
		"SELECT sum(kind=1), sum(CASE kind WHEN 1 THEN size END),"
		" count(*) FROM items WHERE enc_only<=?",
		&s)) {
		sqlite3_bind_int(s, 1, c->encrypted);
		if (sqlite3_step(s) == SQLITE_ROW) {
			*files = (uint64_t)sqlite3_column_int64(s, 0);
			*bytes = (uint64_t)sqlite3_column_int64(s, 1);
			*rows = (uint64_t)sqlite3_column_int64(s, 2);
		}
		sqlite3_finalize(s);
	}
	pthread_mutex_unlock(&c->lock);
}

int content_file_id(struct content *c, const char *domain, const char *path,
    uint8_t out[CIPHER_SHA1])
{
	return cipher_hash_add(c->sha1, domain, strlen(domain)) ||
		       cipher_hash_add(c->sha1, "-", 1) ||
		       cipher_hash_add(c->sha1, path, strlen(path)) ||
		       cipher_hash_end(c->sha1, out)
		   ? -1
		   : 0;
}

/* Notes of Apple and of the agent's own domain list agree on these kinds; the
 * exact list of each iOS is not known. */
bool content_enc_only(const char *domain, const char *path)
{
	static const struct {
		const char *domain, *prefix;
	} rules[] = {
		{ "HealthDomain", "" },
		{ "HomeDomain", "Library/CallHistoryDB" },
		{ "HomeDomain", "Library/Safari/History.db" },
		{ "HomeKitDomain", "" },
		{ "SystemPreferencesDomain",
		    "SystemConfiguration/com.apple.wifi.known-networks.plist" },
	};

	for (size_t i = 0; i < sizeof(rules) / sizeof(*rules); i++)
		if (!strcmp(domain, rules[i].domain) &&
		    !strncmp(path, rules[i].prefix, strlen(rules[i].prefix)))
			return true;
	return false;
}

static int64_t domain_id(struct content *c, const char *name)
{
	sqlite3_stmt *s = NULL;
	int64_t id = 0;

	if (c->last_domain && !strcmp(name, c->last_domain_name))
		return c->last_domain;
	if (content_prepare(
		c->db, "INSERT OR IGNORE INTO domains(name) VALUES(?)", &s))
		return 0;
	sqlite3_bind_text(s, 1, name, -1, SQLITE_STATIC);
	sqlite3_step(s);
	sqlite3_finalize(s);
	if (content_prepare(c->db, "SELECT id FROM domains WHERE name=?", &s))
		return 0;
	sqlite3_bind_text(s, 1, name, -1, SQLITE_STATIC);
	if (sqlite3_step(s) == SQLITE_ROW)
		id = sqlite3_column_int64(s, 0);
	sqlite3_finalize(s);
	if (strlen(name) < sizeof(c->last_domain_name)) {
		strcpy(c->last_domain_name, name);
		c->last_domain = id;
	}
	return id;
}

static void bind_item(
    sqlite3_stmt *s, const struct content_item *it, int64_t domain)
{
	sqlite3_bind_int64(s, 2, domain);
	sqlite3_bind_text(s, 3, it->path, -1, SQLITE_STATIC);
	sqlite3_bind_int(s, 4, (int)it->kind);
	sqlite3_bind_int64(s, 5, (int64_t)it->size);
	sqlite3_bind_int64(s, 6, it->mtime);
	sqlite3_bind_int64(s, 7, it->ctime);
	sqlite3_bind_int64(s, 8, it->birth);
	sqlite3_bind_int64(s, 9, it->mode);
	sqlite3_bind_int(s, 10, it->uid);
	sqlite3_bind_int(s, 11, it->gid);
	sqlite3_bind_int64(s, 12, (int64_t)it->inode);
	sqlite3_bind_int(s, 13, it->pclass);
	sqlite3_bind_int(s, 14, it->flags);
	sqlite3_bind_text(s, 15, it->target, -1, SQLITE_STATIC);
	sqlite3_bind_int64(s, 16, (int64_t)it->seed);
	sqlite3_bind_int64(s, 17, it->version);
}

int content_put(struct content *c, const struct content_item *it, bool stored)
{
	uint8_t id[CIPHER_SHA1];
	int64_t domain = domain_id(c, it->domain);
	int rc;

	if (!domain || content_file_id(c, it->domain, it->path, id))
		return -1;
	sqlite3_bind_blob(c->put, 1, id, CIPHER_SHA1, SQLITE_STATIC);
	bind_item(c->put, it, domain);
	sqlite3_bind_int(c->put, 18, content_enc_only(it->domain, it->path));
	sqlite3_bind_int(c->put, 19, stored);
	rc = sqlite3_step(c->put) == SQLITE_DONE ? 0 : -1;
	sqlite3_reset(c->put);
	if (rc)
		content_complain(c->db, "put");
	return rc ? -1 : sqlite3_changes(c->db);
}
