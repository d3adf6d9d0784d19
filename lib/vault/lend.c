#include "lend.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "damage.h"

#define LOG_MODULE "vault"
#include "log.h"

#define COPY_BUFFER (256u << 10)
/* Bytes 18 and 19 of a database: 2, 2 = WAL, as phones write it. */
#define FORMAT_AT 18

/* Info.plist is written by the host each night. */
#define WANTED           "path<>'' AND path<>'Info.plist'"
#define IS_A_PHONES_FILE "path GLOB '[0-9a-f][0-9a-f]/*'"

enum rc lend_decide(struct vault_phone *p, enum lend *out)
{
	int64_t any = 0, full = 0;
	enum rc rc = db_number(p->cat.db,
	    "SELECT EXISTS(SELECT 1 FROM damage WHERE " WANTED ")", &any);

	*out = LEND_ALL;
	if (rc || !any)
		return rc;
	rc = db_number(p->cat.db,
	    "SELECT EXISTS(SELECT 1 FROM damage WHERE " WANTED " AND asked<3"
	    " AND (asked>=1 OR NOT " IS_A_PHONES_FILE " OR (SELECT encrypted"
	    " FROM snapshot ORDER BY id DESC LIMIT 1)))",
	    &full);
	*out = full ? LEND_NO_STATUS : LEND_PRUNED_MANIFEST;
	return rc;
}

_Static_assert(
    DAMAGE_FULL_FROM == 1 && DAMAGE_FULL_TO == 3, "the SQL above has them");

static enum rc copy_all(const struct fileops *ops, int from, int to)
{
	char *buf = malloc(COPY_BUFFER);
	ssize_t got = 1;
	enum rc rc = buf ? RC_OK : RC_NOMEM;

	while (!rc && got > 0) {
		got = ops->read(ops->ctx, from, buf, COPY_BUFFER);
		rc = fileops_rc(got);
		if (!rc && got > 0)
			rc = fileops_write_all(ops, to, buf, (size_t)got);
	}
	free(buf);
	return rc;
}

static enum rc make_copy(struct vault_phone *p)
{
	const struct fileops *ops = p->ops;
	char path[LAYOUT_PATH];
	int from, to, rv;
	enum rc rc;

	layout_latest(path, p->udid, "Manifest.db");
	from = ops->open(ops->ctx, p->root, path, O_RDONLY);
	if (from < 0)
		return fileops_rc(from);
	to = ops->open(
	    ops->ctx, p->root, LEND_FILE, O_WRONLY | O_CREAT | O_TRUNC);
	rc = fileops_rc(to);
	if (!rc)
		rc = copy_all(ops, from, to);
	if (to >= 0) {
		rv = ops->close(ops->ctx, to);
		rc = rc ? rc : fileops_rc(rv);
	}
	ops->close(ops->ctx, from);
	return rc;
}

static enum rc drop_rows(struct vault_phone *p, struct db *lent)
{
	struct damage_row *rows = NULL;
	struct db_stmt *s = NULL;
	size_t n = 0;
	enum rc rc = damage_load(&p->cat, 100000, &rows, &n);

	if (!rc)
		rc = db_prepare(lent, "DELETE FROM Files WHERE fileID=?1", &s);
	for (size_t i = 0; !rc && i < n; i++) {
		const char *id = strrchr(rows[i].c.rel, '/');

		if (!id)
			continue;
		db_bind_text(s, 1, id + 1, strlen(id + 1));
		rc = db_run(s);
	}
	db_finish(s);
	free(rows);
	return rc;
}

/* A copy that a crash may leave torn: it is dropped then, so nothing of it is
 * journaled or synced. */
static enum rc prune_copy(struct vault_phone *p)
{
	struct db *db = NULL;
	enum rc rc = db_open(p->ops, p->root, LEND_FILE, DB_WRITE, &db);

	if (!rc)
		rc = db_exec(db, "PRAGMA journal_mode=OFF;"
				 "PRAGMA synchronous=OFF;");
	if (!rc)
		rc = db_begin(db);
	if (!rc)
		rc = drop_rows(p, db);
	if (!rc)
		rc = db_commit(db);
	db_close(db);
	return rc;
}

/* Opening a WAL database leaves -wal and -shm beside it: it is made a plain
 * one while we change it. */
static enum rc set_format(struct vault_phone *p, const char to[2], char was[2])
{
	const struct fileops *ops = p->ops;
	int fd = ops->open(ops->ctx, p->root, LEND_FILE, O_RDWR);
	enum rc rc = fileops_rc(fd);

	if (rc)
		return rc;
	if (ops->pread(ops->ctx, fd, was, 2, FORMAT_AT) != 2 ||
	    ops->pwrite(ops->ctx, fd, to, 2, FORMAT_AT) != 2)
		rc = RC_IO;
	ops->close(ops->ctx, fd);
	return rc;
}

static enum rc make_lent(struct vault_phone *p)
{
	static const char plain[2] = { 1, 1 };
	char was[2], now[2];
	enum rc rc = make_copy(p);

	if (!rc)
		rc = set_format(p, plain, was);
	if (!rc)
		rc = prune_copy(p);
	if (!rc)
		rc = set_format(p, was, now);
	return rc;
}

enum rc lend_manifest(struct vault_phone *p, int *fd, uint64_t *size)
{
	const struct fileops *ops = p->ops;
	struct stat st;
	enum rc rc = make_lent(p);

	if (!rc)
		rc = fileops_rc(ops->stat(ops->ctx, p->root, LEND_FILE, &st));
	if (!rc) {
		*fd = ops->open(ops->ctx, p->root, LEND_FILE, O_RDONLY);
		*size = (uint64_t)st.st_size;
		rc = fileops_rc(*fd);
	}
	ops->unlink(ops->ctx, p->root, LEND_FILE);
	if (rc)
		log_warn("Manifest.db can't be lent without its damaged "
			 "files: %s",
		    rc_words(rc));
	else
		log_note("the phone is asked for damaged files again");
	return rc;
}

enum rc vault_damage_sum(struct vault_phone *p, struct vault_damage_sum *out)
{
	int64_t newest = 0, older = 0;
	enum lend lend = LEND_ALL;
	enum rc rc = db_number(
	    p->cat.db, "SELECT count(*) FROM damage WHERE path<>''", &newest);

	if (!rc)
		rc = db_number(p->cat.db,
		    "SELECT count(*) FROM damage WHERE path=''", &older);
	if (!rc)
		rc = lend_decide(p, &lend);
	out->newest = (uint64_t)newest;
	out->older = (uint64_t)older;
	out->wants_full = lend == LEND_NO_STATUS;
	return rc;
}
