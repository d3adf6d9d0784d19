/*
 * A Manifest.plist and Manifest.db that a host handed over: hostile until
 * proven. SQLite opens the file immutable (no -wal, no -shm appear beside
 * it), read-only and defensive, with a bound on every value; the schema has
 * to have a plain table Files; each row is checked before it is shown.
 */
#include <errno.h>
#include <fcntl.h>
#include <plist/plist.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "manifest_int.h"

#define PLIST_MAX (32 * 1024 * 1024)

#define ERR_UNREADABLE 205 /* MBErrorDomain */
#define ERR_PASSWORD   207

struct manifest {
	sqlite3 *db;
	sqlite3_stmt *find;
	struct keybag bag; /* open when encrypted */
	bool encrypted;
	uint8_t db_key[KEYBAG_CLASSED];
	char target[CONTENT_PATH_MAX];
};

/* ---- Manifest.plist ---- */

static plist_t load_plist(const char *path)
{
	FILE *f = fopen(path, "re");
	char *buf = NULL;
	plist_t d = NULL;
	long n;

	if (!f)
		return NULL;
	if (fseek(f, 0, SEEK_END) || (n = ftell(f)) < 8 || n > PLIST_MAX ||
	    fseek(f, 0, SEEK_SET))
		goto out;
	buf = malloc((size_t)n);
	if (!buf || fread(buf, 1, (size_t)n, f) != (size_t)n)
		goto out;
	if (!memcmp(buf, "bplist00", 8))
		plist_from_bin(buf, (uint32_t)n, &d);
	else
		plist_from_xml(buf, (uint32_t)n, &d);
	if (d && plist_get_node_type(d) != PLIST_DICT) {
		plist_free(d);
		d = NULL;
	}
out:
	free(buf);
	fclose(f);
	return d;
}

/* Bytes of a data value up to cap, 0 when it is not there or too long. */
static size_t get_data(plist_t d, const char *key, uint8_t *out, size_t cap)
{
	plist_t v = plist_dict_get_item(d, key);
	char *p = NULL;
	uint64_t n = 0;

	if (!v || plist_get_node_type(v) != PLIST_DATA)
		return 0;
	plist_get_data_val(v, &p, &n);
	if (!p || n > cap)
		n = 0;
	else
		memcpy(out, p, n);
	free(p);
	return n;
}

static int get_flag(plist_t d, const char *key, bool *out)
{
	plist_t v = plist_dict_get_item(d, key);
	uint8_t b = 0;

	if (!v || plist_get_node_type(v) != PLIST_BOOLEAN)
		return -1;
	plist_get_bool_val(v, &b);
	*out = b != 0;
	return 0;
}

/* For an incremental run: only a manifest of the present key bag will do. */
static int use_own_bag(
    struct content *c, struct manifest *m, const uint8_t *tlv, size_t n)
{
	uint8_t own[KEYBAG_BYTES];
	bool encrypted;
	size_t have;

	pthread_mutex_lock(&c->lock);
	encrypted = c->encrypted;
	m->bag = c->bag;
	pthread_mutex_unlock(&c->lock);
	have = keybag_write(&m->bag, own, sizeof(own));
	if (m->encrypted != encrypted || n != have || memcmp(tlv, own, n) != 0)
		return ERR_PASSWORD;
	return 0;
}

static int open_plist(struct content *c, struct manifest *m, const char *path,
    const char *password)
{
	plist_t d = load_plist(path);
	uint8_t tlv[KEYBAG_BYTES];
	int rc = ERR_UNREADABLE;
	size_t n;

	if (!d || get_flag(d, "IsEncrypted", &m->encrypted))
		goto out;
	n = get_data(d, "BackupKeyBag", tlv, sizeof(tlv));
	if (m->encrypted && (!n || get_data(d, "ManifestKey", m->db_key,
				       KEYBAG_CLASSED) != KEYBAG_CLASSED))
		goto out;
	rc = 0;
	if (!password)
		rc = use_own_bag(c, m, tlv, n);
	else if (m->encrypted && keybag_read(&m->bag, tlv, n))
		rc = ERR_UNREADABLE;
	else if (m->encrypted &&
		 (!*password || keybag_unlock(&m->bag, password)))
		rc = ERR_PASSWORD;
out:
	plist_free(d);
	return rc;
}

/* ---- Manifest.db ---- */

static int make_uri(const char *path, char *out, size_t cap)
{
	size_t n = 5;

	if (cap < 32)
		return -1;
	memcpy(out, "file:", 5);
	for (; *path; path++) {
		unsigned char ch = (unsigned char)*path;

		if (n + 24 > cap)
			return -1;
		if (ch == '%' || ch == '?' || ch == '#')
			n += (size_t)snprintf(out + n, 4, "%%%02X", ch);
		else
			out[n++] = (char)ch;
	}
	memcpy(out + n, "?immutable=1", 13);
	return 0;
}

static bool is_plain_table(sqlite3 *db)
{
	sqlite3_stmt *s;
	bool ok = false;

	if (sqlite3_prepare_v2(db,
		"SELECT 1 FROM sqlite_master WHERE name='Files' AND "
		"type='table' AND sql LIKE 'CREATE TABLE %'",
		-1, &s, NULL) != SQLITE_OK)
		return false;
	ok = sqlite3_step(s) == SQLITE_ROW;
	sqlite3_finalize(s);
	return ok;
}

static int open_sqlite(struct manifest *m, const char *path)
{
	char uri[3200];

	if (make_uri(path, uri, sizeof(uri)) ||
	    sqlite3_open_v2(uri, &m->db,
		SQLITE_OPEN_READONLY | SQLITE_OPEN_URI | SQLITE_OPEN_NOMUTEX,
		NULL) != SQLITE_OK)
		return -1;
	sqlite3_db_config(m->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	sqlite3_db_config(m->db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
	sqlite3_limit(m->db, SQLITE_LIMIT_LENGTH, MANIFEST_BLOB_MAX);
	sqlite3_exec(m->db,
	    "PRAGMA cell_size_check=ON;PRAGMA mmap_size=0;"
	    "PRAGMA cache_size=-8192",
	    NULL, NULL, NULL);
	if (!is_plain_table(m->db))
		return -1;
	return sqlite3_prepare_v2(m->db,
		   "SELECT fileID,domain,relativePath,flags,file FROM Files "
		   "WHERE fileID=?",
		   -1, &m->find, NULL) == SQLITE_OK
		   ? 0
		   : -1;
}

/* Decrypts to a file that is gone as soon as it is open. */
static int open_sealed(struct content *c, struct manifest *m, const char *path)
{
	uint8_t key[CIPHER_KEY];
	char tmp[560];
	int fd, rc;

	if (keybag_unwrap(&m->bag, m->db_key, key))
		return ERR_PASSWORD;
	snprintf(tmp, sizeof(tmp), "%s/manifest-XXXXXX", c->dir);
	fd = mkostemp(tmp, O_CLOEXEC);
	if (fd < 0)
		return ERR_UNREADABLE;
	close(fd);
	rc = manifest_crypt_file(path, tmp, key, 0) || open_sqlite(m, tmp)
		 ? ERR_UNREADABLE
		 : 0;
	unlink(tmp);
	return rc;
}

int manifest_open(struct content *c, const char *plist_path,
    const char *db_path, const char *password, struct manifest **out)
{
	struct manifest *m = calloc(1, sizeof(*m));
	int rc;

	*out = NULL;
	if (!m)
		return ERR_UNREADABLE;
	rc = open_plist(c, m, plist_path, password);
	if (!rc && m->encrypted)
		rc = open_sealed(c, m, db_path);
	else if (!rc && open_sqlite(m, db_path))
		rc = ERR_UNREADABLE;
	if (rc)
		manifest_close(m);
	else
		*out = m;
	return rc;
}

void manifest_close(struct manifest *m)
{
	if (!m)
		return;
	sqlite3_finalize(m->find);
	sqlite3_close(m->db);
	free(m);
}

/* ---- rows ---- */

/* A text column without NUL, of at most max bytes; else NULL. */
static const char *text(sqlite3_stmt *s, int col, size_t max)
{
	const char *t;
	size_t n;

	if (sqlite3_column_type(s, col) != SQLITE_TEXT)
		return NULL;
	t = (const char *)sqlite3_column_text(s, col);
	n = (size_t)sqlite3_column_bytes(s, col);
	return t && n <= max && strlen(t) == n ? t : NULL;
}

static int take_blob(
    struct manifest *m, const struct mbfile *b, struct manifest_row *row)
{
	row->size = b->size;
	row->mtime = b->mtime;
	row->ctime = b->ctime;
	row->birth = b->birth;
	row->mode = b->mode;
	row->uid = (int32_t)b->uid;
	row->gid = (int32_t)b->gid;
	row->inode = b->inode;
	row->pclass = b->pclass;
	row->mb_flags = b->flags;
	row->target = b->target;
	row->has_key = m->encrypted && b->key;
	return row->has_key ? keybag_unwrap(&m->bag, b->key, row->key) : 0;
}

static int take_row(
    struct manifest *m, sqlite3_stmt *s, struct manifest_row *row)
{
	const char *id = text(s, 0, 40);
	uint8_t sha1[CIPHER_SHA1];
	struct mbfile b;

	memset(row, 0, sizeof(*row));
	row->domain = text(s, 1, 255);
	row->path = text(s, 2, CONTENT_PATH_MAX - 1);
	row->flags = sqlite3_column_int(s, 3);
	if (!id || strlen(id) != 40 || cipher_unhex(id, sha1, CIPHER_SHA1) ||
	    !row->domain || !row->path ||
	    (row->flags != CONTENT_FILE && row->flags != CONTENT_DIR &&
		row->flags != CONTENT_LINK) ||
	    sqlite3_column_type(s, 4) != SQLITE_BLOB)
		return -1;
	memcpy(row->file_id, id, 41);
	if (mbfile_read(sqlite3_column_blob(s, 4),
		(size_t)sqlite3_column_bytes(s, 4), &b, m->target,
		sizeof(m->target)))
		return -1;
	return take_blob(m, &b, row);
}

int manifest_find(
    struct manifest *m, const char *file_id, struct manifest_row *out)
{
	int rc = -1;

	sqlite3_reset(m->find);
	sqlite3_bind_text(m->find, 1, file_id, -1, SQLITE_TRANSIENT);
	switch (sqlite3_step(m->find)) {
	case SQLITE_ROW:
		if (!take_row(m, m->find, out))
			rc = 1;
		break;
	case SQLITE_DONE:
		rc = 0;
		break;
	default:
		content_complain(m->db, "Manifest.db of the host");
	}
	return rc;
}

int manifest_each(struct manifest *m,
    int (*fn)(void *arg, const struct manifest_row *row), void *arg)
{
	sqlite3_stmt *s = NULL;
	struct manifest_row row;
	int rc = -1, step = SQLITE_DONE;

	if (sqlite3_prepare_v2(m->db,
		"SELECT fileID,domain,relativePath,flags,file FROM Files "
		"NOT INDEXED",
		-1, &s, NULL) != SQLITE_OK)
		goto out;
	rc = 0;
	while (!rc && (step = sqlite3_step(s)) == SQLITE_ROW) {
		rc = take_row(m, s, &row);
		if (!rc)
			rc = fn(arg, &row);
	}
	if (!rc && step != SQLITE_DONE) {
		content_complain(m->db, "Manifest.db of the host");
		rc = -1;
	}
out:
	sqlite3_finalize(s);
	return rc;
}
