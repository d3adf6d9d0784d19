#include "agent_journal.h"

#include <dirent.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum agent_journal_sql {
	SQL_BEGIN,
	SQL_COMMIT,
	SQL_FIND,
	SQL_PUT,
	SQL_CHANGE,
	SQL_STATE,
	SQL_DROP,
	SQL_ROWS,
	SQL_PREFIX,
	SQL_TOTALS,
	SQL_SEEN_CLEAR,
	SQL_SEEN_ADD,
	SQL_SEEN,
	SQL_LEFT,
	SQL_COUNT_
};

static const char *const agent_journal_text[SQL_COUNT_] = {
	[SQL_BEGIN] = "BEGIN",
	[SQL_COMMIT] = "COMMIT",
	[SQL_FIND] = "SELECT seq, id, size, mtime, state FROM file "
		     "WHERE id = ?1",
	[SQL_PUT] = "INSERT INTO file(id, size, mtime, state) "
		    "VALUES(?2, ?3, ?4, ?5)",
	[SQL_CHANGE] = "UPDATE file SET size = ?3, mtime = ?4, state = ?5 "
		       "WHERE seq = ?1",
	[SQL_STATE] = "UPDATE file SET state = ?2 WHERE seq = ?1",
	[SQL_DROP] = "DELETE FROM file WHERE seq = ?1",
	[SQL_ROWS] = "SELECT seq, id, size, mtime, state FROM file "
		     "WHERE seq > ?1 AND (?2 < 0 OR state = ?2) "
		     "ORDER BY seq LIMIT ?3",
	[SQL_PREFIX] = "SELECT id FROM file WHERE id >= ?1 AND id < ?1 || 'g'",
	[SQL_TOTALS] = "SELECT count(*), coalesce(sum(size), 0) FROM file "
		       "WHERE ?1 < 0 OR state = ?1",
	[SQL_SEEN_CLEAR] = "DELETE FROM seen",
	[SQL_SEEN_ADD] = "INSERT INTO seen(id, place) VALUES(?1, ?2) "
			 "ON CONFLICT(id) DO UPDATE SET place = place | ?2",
	[SQL_SEEN] = "SELECT 1 FROM seen WHERE id = ?1 AND place & ?2 != 0",
	[SQL_LEFT] = "SELECT id FROM seen WHERE id > ?1 AND place & 1 != 0 "
		     "AND NOT EXISTS (SELECT 1 FROM file "
		     "WHERE file.id = seen.id) ORDER BY id LIMIT ?2",
};

static const char agent_journal_schema[] =
    /* One process, which may be killed but does not lose power. */
    "PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL;"
    "PRAGMA synchronous = OFF; PRAGMA cache_size = -8000;"
    "CREATE TABLE IF NOT EXISTS file(seq INTEGER PRIMARY KEY,"
    " id TEXT NOT NULL UNIQUE, size INTEGER, mtime INTEGER, state INTEGER);"
    "CREATE TABLE IF NOT EXISTS seen(id TEXT PRIMARY KEY, place INTEGER)"
    " WITHOUT ROWID;";

struct agent_journal {
	sqlite3 *db;
	sqlite3_stmt *stmt[SQL_COUNT_];
};

void agent_journal_remove(const char *dir)
{
	DIR *d = opendir(dir);
	struct dirent *e;

	if (!d)
		return;
	while ((e = readdir(d)) != NULL)
		(void)unlinkat(dirfd(d), e->d_name, 0);
	closedir(d);
	(void)rmdir(dir);
}

int agent_journal_set_keys(struct agent_journal *j, int64_t generation)
{
	char sql[64];

	snprintf(sql, sizeof(sql), "PRAGMA user_version=%d", (int)generation);
	return sqlite3_exec(j->db, sql, NULL, NULL, NULL) == SQLITE_OK ? 0 : -1;
}

int64_t agent_journal_keys(struct agent_journal *j)
{
	sqlite3_stmt *s = NULL;
	int64_t n = -1;

	if (sqlite3_prepare_v2(j->db, "PRAGMA user_version", -1, &s, NULL) ==
		SQLITE_OK &&
	    sqlite3_step(s) == SQLITE_ROW)
		n = sqlite3_column_int64(s, 0);
	sqlite3_finalize(s);
	return n;
}

struct agent_journal *agent_journal_open(const char *dir, bool create)
{
	struct agent_journal *j;
	char path[1100];

	if (create) {
		agent_journal_remove(dir);
		if (mkdir(dir, 0700) != 0)
			return NULL;
	}
	snprintf(path, sizeof(path), "%s/journal.db", dir);
	if (!create && access(path, F_OK) != 0)
		return NULL;
	j = calloc(1, sizeof(*j));
	if (!j)
		return NULL;
	if (sqlite3_open(path, &j->db) != SQLITE_OK)
		goto fail;
	if (sqlite3_exec(j->db, agent_journal_schema, NULL, NULL, NULL) !=
	    SQLITE_OK)
		goto fail;
	for (int i = 0; i < SQL_COUNT_; i++)
		if (sqlite3_prepare_v2(j->db, agent_journal_text[i], -1,
			&j->stmt[i], NULL) != SQLITE_OK)
			goto fail;
	return j;
fail:
	fprintf(stderr, "phonesim: %s: %s\n", path, sqlite3_errmsg(j->db));
	agent_journal_close(j);
	return NULL;
}

void agent_journal_close(struct agent_journal *j)
{
	if (!j)
		return;
	for (int i = 0; i < SQL_COUNT_; i++)
		sqlite3_finalize(j->stmt[i]);
	sqlite3_close(j->db);
	free(j);
}

/* Runs a statement that gives no rows. */
static int agent_journal_do(struct agent_journal *j, enum agent_journal_sql i)
{
	int rc = sqlite3_step(j->stmt[i]);

	sqlite3_reset(j->stmt[i]);
	if (rc == SQLITE_DONE || rc == SQLITE_ROW)
		return 0;
	fprintf(stderr, "phonesim: journal: %s\n", sqlite3_errmsg(j->db));
	return -1;
}

static void agent_journal_id(
    struct agent_journal *j, enum agent_journal_sql i, int n, const char *id)
{
	sqlite3_bind_text(j->stmt[i], n, id, -1, SQLITE_TRANSIENT);
}

static void agent_journal_int(
    struct agent_journal *j, enum agent_journal_sql i, int n, int64_t v)
{
	sqlite3_bind_int64(j->stmt[i], n, v);
}

int agent_journal_begin(struct agent_journal *j)
{
	return agent_journal_do(j, SQL_BEGIN);
}

int agent_journal_commit(struct agent_journal *j)
{
	return agent_journal_do(j, SQL_COMMIT);
}

static void agent_journal_column(sqlite3_stmt *st, struct agent_file *out)
{
	const unsigned char *id = sqlite3_column_text(st, 1);

	out->seq = sqlite3_column_int64(st, 0);
	snprintf(out->id, sizeof(out->id), "%s", id ? (const char *)id : "");
	out->size = (uint64_t)sqlite3_column_int64(st, 2);
	out->mtime = sqlite3_column_int64(st, 3);
	out->state = (enum agent_file_state)sqlite3_column_int(st, 4);
}

int agent_journal_find(
    struct agent_journal *j, const char *id, struct agent_file *out)
{
	sqlite3_stmt *st = j->stmt[SQL_FIND];
	int rc;

	sqlite3_bind_text(st, 1, id, -1, SQLITE_STATIC);
	rc = sqlite3_step(st);
	if (rc == SQLITE_ROW)
		agent_journal_column(st, out);
	sqlite3_reset(st);
	return rc == SQLITE_ROW ? 1 : rc == SQLITE_DONE ? 0 : -1;
}

int agent_journal_put(struct agent_journal *j, const struct agent_file *f)
{
	enum agent_journal_sql sql = f->seq == 0 ? SQL_PUT : SQL_CHANGE;

	if (f->seq == 0)
		agent_journal_id(j, sql, 2, f->id);
	else
		agent_journal_int(j, sql, 1, f->seq);
	agent_journal_int(j, sql, 3, (int64_t)f->size);
	agent_journal_int(j, sql, 4, f->mtime);
	agent_journal_int(j, sql, 5, f->state);
	return agent_journal_do(j, sql);
}

int agent_journal_set_state(
    struct agent_journal *j, int64_t seq, enum agent_file_state state)
{
	agent_journal_int(j, SQL_STATE, 1, seq);
	agent_journal_int(j, SQL_STATE, 2, state);
	return agent_journal_do(j, SQL_STATE);
}

int agent_journal_drop(struct agent_journal *j, int64_t seq)
{
	agent_journal_int(j, SQL_DROP, 1, seq);
	return agent_journal_do(j, SQL_DROP);
}

long agent_journal_rows(struct agent_journal *j, int state, int64_t after,
    struct agent_file *out, size_t cap)
{
	sqlite3_stmt *st = j->stmt[SQL_ROWS];
	long n = 0;
	int rc;

	sqlite3_bind_int64(st, 1, after);
	sqlite3_bind_int(st, 2, state);
	sqlite3_bind_int64(st, 3, (int64_t)cap);
	while ((rc = sqlite3_step(st)) == SQLITE_ROW && (size_t)n < cap)
		agent_journal_column(st, &out[n++]);
	sqlite3_reset(st);
	return rc == SQLITE_DONE || rc == SQLITE_ROW ? n : -1;
}

int agent_journal_prefix(struct agent_journal *j, const char *xx,
    int (*fn)(void *arg, const char *id), void *arg)
{
	sqlite3_stmt *st = j->stmt[SQL_PREFIX];
	int rc, r = 0;

	sqlite3_bind_text(st, 1, xx, -1, SQLITE_TRANSIENT);
	while (r == 0 && (rc = sqlite3_step(st)) == SQLITE_ROW)
		r = fn(arg, (const char *)sqlite3_column_text(st, 0));
	sqlite3_reset(st);
	if (r != 0)
		return r;
	return rc == SQLITE_DONE ? 0 : -1;
}

int agent_journal_totals(
    struct agent_journal *j, int state, uint64_t *files, uint64_t *bytes)
{
	sqlite3_stmt *st = j->stmt[SQL_TOTALS];
	int rc;

	sqlite3_bind_int(st, 1, state);
	rc = sqlite3_step(st);
	if (rc == SQLITE_ROW) {
		*files = (uint64_t)sqlite3_column_int64(st, 0);
		*bytes = (uint64_t)sqlite3_column_int64(st, 1);
	}
	sqlite3_reset(st);
	return rc == SQLITE_ROW ? 0 : -1;
}

int agent_journal_seen_clear(struct agent_journal *j)
{
	return agent_journal_do(j, SQL_SEEN_CLEAR);
}

int agent_journal_seen_add(
    struct agent_journal *j, const char *id, enum agent_place place)
{
	agent_journal_id(j, SQL_SEEN_ADD, 1, id);
	agent_journal_int(j, SQL_SEEN_ADD, 2, place);
	return agent_journal_do(j, SQL_SEEN_ADD);
}

int agent_journal_seen(
    struct agent_journal *j, const char *id, enum agent_place place)
{
	sqlite3_stmt *st = j->stmt[SQL_SEEN];
	int rc;

	sqlite3_bind_text(st, 1, id, -1, SQLITE_STATIC);
	sqlite3_bind_int(st, 2, place);
	rc = sqlite3_step(st);
	sqlite3_reset(st);
	return rc == SQLITE_ROW ? 1 : rc == SQLITE_DONE ? 0 : -1;
}

long agent_journal_leftovers(
    struct agent_journal *j, const char *after, char (*ids)[41], size_t cap)
{
	sqlite3_stmt *st = j->stmt[SQL_LEFT];
	long n = 0;
	int rc;

	sqlite3_bind_text(st, 1, after, -1, SQLITE_TRANSIENT);
	sqlite3_bind_int64(st, 2, (int64_t)cap);
	while ((rc = sqlite3_step(st)) == SQLITE_ROW && (size_t)n < cap)
		snprintf(ids[n++], 41, "%s",
		    (const char *)sqlite3_column_text(st, 0));
	sqlite3_reset(st);
	return rc == SQLITE_DONE || rc == SQLITE_ROW ? n : -1;
}
