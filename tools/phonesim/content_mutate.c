/*
 * Tomorrow. Each kind of change picks files at random among those that a
 * backup in the present state holds, no file twice in one call (items.epoch).
 * All of it is one transaction.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "content_bytes.h"
#include "content_int.h"

struct mutation {
	struct content *c;
	struct content_rng rng;
	int64_t epoch, max_id, last_mtime;
	sqlite3_stmt *pick, *alter, *rename, *remove;
};

typedef int (*change_fn)(struct mutation *m, const struct content_item *it,
    const struct content_row *row);

static int run(struct content *c, sqlite3_stmt *s)
{
	int rc = sqlite3_step(s) == SQLITE_DONE ? 0 : -1;

	sqlite3_reset(s);
	sqlite3_clear_bindings(s);
	if (rc)
		content_complain(c->db, "mutate");
	return rc;
}

/* A file that was restored and now changes is made from numbers again. */
static void drop_stored(struct content *c, const struct content_item *it,
    const struct content_row *row)
{
	char path[640];

	if (!row->stored)
		return;
	content_stored_path(c, it->file_id, path);
	if (unlink(path) && errno != ENOENT)
		perror(path);
}

static int alter(struct mutation *m, const struct content_item *it,
    uint64_t size, uint32_t version)
{
	int64_t mtime =
	    it->mtime + 1 + (int64_t)content_rng_below(&m->rng, 86400);

	sqlite3_bind_int64(m->alter, 1, (int64_t)size);
	sqlite3_bind_int64(m->alter, 2, version);
	sqlite3_bind_int64(m->alter, 3, mtime);
	sqlite3_bind_int64(m->alter, 4, m->epoch);
	sqlite3_bind_int64(m->alter, 5, it->id);
	return run(m->c, m->alter);
}

static int grow(struct mutation *m, const struct content_item *it,
    const struct content_row *row)
{
	uint64_t by = 1 + content_rng_below(&m->rng, it->size / 4 + 1000);

	drop_stored(m->c, it, row);
	return alter(m, it, it->size + by, it->version);
}

static int change(struct mutation *m, const struct content_item *it,
    const struct content_row *row)
{
	drop_stored(m->c, it, row);
	return alter(m, it, it->size, it->version + 1);
}

static int remove_one(struct mutation *m, const struct content_item *it,
    const struct content_row *row)
{
	drop_stored(m->c, it, row);
	sqlite3_bind_int64(m->remove, 1, it->id);
	return run(m->c, m->remove);
}

/* The name goes on by a number; as on a real phone the mtime stays, and only
 * the fileID tells. A restored file moves with it. */
static int rename_one(struct mutation *m, const struct content_item *it,
    const struct content_row *row)
{
	char path[CONTENT_PATH_MAX + 32], hex[41], from[640], to[640];
	uint8_t id[CIPHER_SHA1];
	const char *slash = strrchr(it->path, '/');
	const char *dot = strrchr(slash ? slash : it->path, '.');

	snprintf(path, sizeof(path), "%.*srenamed %lld-%lld%s",
	    (int)(slash ? slash + 1 - it->path : 0), it->path,
	    (long long)m->epoch, (long long)it->id, dot ? dot : "");
	if (content_file_id(m->c, it->domain, path, id))
		return -1;
	cipher_hex(id, sizeof(id), hex);
	if (row->stored) {
		content_stored_path(m->c, it->file_id, from);
		content_stored_path(m->c, hex, to);
		to[strlen(to) - 41] = '\0';
		if (mkdir(to, 0755) && errno != EEXIST)
			perror(to);
		content_stored_path(m->c, hex, to);
		if (rename(from, to)) {
			perror(to);
			return -1;
		}
	}
	sqlite3_bind_blob(m->rename, 1, id, sizeof(id), SQLITE_STATIC);
	sqlite3_bind_text(m->rename, 2, path, -1, SQLITE_STATIC);
	sqlite3_bind_int(m->rename, 3, content_enc_only(it->domain, path));
	sqlite3_bind_int64(m->rename, 4, m->epoch);
	sqlite3_bind_int64(m->rename, 5, it->id);
	return run(m->c, m->rename);
}

/* The first file at or after a random id that was not touched yet; from the
 * start when there is none. 1 done, 0 none left, -1. */
static int change_one(struct mutation *m, change_fn fn)
{
	int64_t from =
	    (int64_t)content_rng_below(&m->rng, (uint64_t)m->max_id + 1);
	struct content_item it;
	struct content_row row;
	int rc = 0;

	for (int round = 0; round < 2 && !rc; round++, from = 0) {
		sqlite3_bind_int64(m->pick, 1, from);
		sqlite3_bind_int(m->pick, 2, m->c->encrypted);
		sqlite3_bind_int64(m->pick, 3, m->epoch);
		if (sqlite3_step(m->pick) == SQLITE_ROW) {
			content_row_of(m->pick, &it, &row);
			rc = fn(m, &it, &row) ? -1 : 1;
		}
		sqlite3_reset(m->pick);
	}
	return rc;
}

static int change_many(struct mutation *m, uint64_t n, change_fn fn)
{
	int rc = 1;

	while (n-- && rc > 0)
		rc = change_one(m, fn);
	return rc < 0 ? -1 : 0;
}

static int add(struct mutation *m, uint64_t n)
{
	while (n--) {
		m->last_mtime += 1 + (int64_t)content_rng_below(&m->rng, 600);
		if (content_fill_photo(
			m->c, content_rng_next(&m->rng), m->last_mtime))
			return -1;
	}
	return 0;
}

static int64_t one_number(sqlite3 *db, const char *sql)
{
	sqlite3_stmt *s;
	int64_t v = 0;

	if (content_prepare(db, sql, &s))
		return 0;
	if (sqlite3_step(s) == SQLITE_ROW)
		v = sqlite3_column_int64(s, 0);
	sqlite3_finalize(s);
	return v;
}

static int prepare(struct mutation *m)
{
	sqlite3 *db = m->c->db;

	m->epoch = content_fact(db, "epoch", 0) + 1;
	m->max_id = one_number(db, "SELECT max(id) FROM items WHERE kind=1");
	m->last_mtime = one_number(db, "SELECT max(mtime) FROM items");
	return content_set_fact(db, "epoch", m->epoch) ||
		       content_prepare(db,
			   "SELECT " CONTENT_COLUMNS CONTENT_FROM
			   "WHERE i.id>=? AND i.kind=1 AND i.enc_only<=?"
			   " AND i.epoch<>? ORDER BY i.id LIMIT 1",
			   &m->pick) ||
		       content_prepare(db,
			   "UPDATE items SET size=?,version=?,mtime=?3,ctime=?3,"
			   "epoch=?4,stored=0 WHERE id=?5",
			   &m->alter) ||
		       content_prepare(db,
			   "UPDATE OR IGNORE items SET file_id=?,path=?,enc_only=?,"
			   "epoch=? WHERE id=?",
			   &m->rename) ||
		       content_prepare(
			   db, "DELETE FROM items WHERE id=?", &m->remove)
		   ? -1
		   : 0;
}

int content_mutate(struct content *c, const struct content_mutation *what)
{
	struct mutation m = { .c = c };
	int rc = -1;

	m.rng.state = content_mix(what->seed, 0x70D0);
	pthread_mutex_lock(&c->lock);
	if (content_exec(c->db, "BEGIN IMMEDIATE"))
		goto unlock;
	if (!prepare(&m) && !change_many(&m, what->grow, grow) &&
	    !change_many(&m, what->change, change) &&
	    !change_many(&m, what->rename, rename_one) &&
	    !change_many(&m, what->remove, remove_one) && !add(&m, what->add))
		rc = 0;
	sqlite3_finalize(m.pick);
	sqlite3_finalize(m.alter);
	sqlite3_finalize(m.rename);
	sqlite3_finalize(m.remove);
	if (rc) /* a domain of the cache may be rolled back */
		c->last_domain = 0;
	if (content_exec(c->db, rc ? "ROLLBACK" : "COMMIT"))
		rc = -1;
unlock:
	pthread_mutex_unlock(&c->lock);
	return rc;
}
