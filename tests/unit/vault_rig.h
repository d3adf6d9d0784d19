/*
 * For the vault's tests: a small phone whose files are known, a night of it
 * through the store as a phone drives one, and comparisons of what the vault
 * then holds with what the phone held.
 */
#ifndef VAULT_RIG_H
#define VAULT_RIG_H

#include <dirent.h>
#include <plist/plist.h>
#include <setjmp.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "fileops.h"
#include "log.h"
#include "sha1.h"
#include "store.h"
#include "vault.h"

#define RIG_UDID   "00008030-001122334455667A"
#define RIG_FILES  24
#define RIG_UNUSED __attribute__((unused))

struct rig_file {
	char id[41];
	char path[32];
	unsigned version; /* 0: not there */
	size_t size;
};

/* What the phone holds one night. */
struct rig_world {
	struct rig_file f[RIG_FILES];
	char *db; /* its Manifest.db */
	size_t db_len;
	bool encrypted;
};

static RIG_UNUSED void rig_hex(const uint8_t *raw, size_t n, char *out)
{
	for (size_t i = 0; i < n; i++)
		snprintf(out + 2 * i, 3, "%02x", raw[i]);
}

/* --- content ------------------------------------------------------------- */

static RIG_UNUSED void rig_fill(const struct rig_file *f, char *buf)
{
	uint64_t x = 88172645463325252ull + f->version * 7919u;

	for (const char *p = f->id; *p; p++)
		x = x * 31 + (unsigned char)*p;
	for (size_t i = 0; i < f->size; i++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		buf[i] = (char)x;
	}
}

static RIG_UNUSED plist_t rig_uid(uint64_t n)
{
	return plist_new_uid(n);
}

/* An MBFile as a phone archives it. */
static RIG_UNUSED char *rig_mbfile(const struct rig_file *f, uint32_t *len)
{
	plist_t root = plist_new_dict(), objs = plist_new_array();
	plist_t file = plist_new_dict(), cls = plist_new_dict();
	plist_t top = plist_new_dict(), names = plist_new_array();
	char *bin = NULL;

	plist_dict_set_item(file, "Size", plist_new_uint(f->size));
	plist_dict_set_item(file, "Mode", plist_new_uint(0100644));
	plist_dict_set_item(file, "UserID", plist_new_uint(501));
	plist_dict_set_item(file, "GroupID", plist_new_uint((uint64_t)-2));
	plist_dict_set_item(file, "LastModified", plist_new_uint(1600000000));
	plist_dict_set_item(file, "ProtectionClass", plist_new_uint(3));
	plist_dict_set_item(file, "RelativePath", rig_uid(2));
	plist_dict_set_item(file, "$class", rig_uid(3));
	plist_array_append_item(names, plist_new_string("MBFile"));
	plist_array_append_item(names, plist_new_string("NSObject"));
	plist_dict_set_item(cls, "$classes", names);
	plist_dict_set_item(cls, "$classname", plist_new_string("MBFile"));
	plist_array_append_item(objs, plist_new_string("$null"));
	plist_array_append_item(objs, file);
	plist_array_append_item(objs, plist_new_string(f->path));
	plist_array_append_item(objs, cls);
	plist_dict_set_item(top, "root", rig_uid(1));
	plist_dict_set_item(root, "$version", plist_new_uint(100000));
	plist_dict_set_item(root, "$objects", objs);
	plist_dict_set_item(
	    root, "$archiver", plist_new_string("NSKeyedArchiver"));
	plist_dict_set_item(root, "$top", top);
	plist_to_bin(root, &bin, len);
	plist_free(root);
	return bin;
}

static RIG_UNUSED char *rig_slurp(const char *path, size_t *len)
{
	FILE *f = fopen(path, "rb");
	struct stat st;
	char *buf;

	if (!f)
		return NULL;
	assert_int_equal(fstat(fileno(f), &st), 0);
	*len = (size_t)st.st_size;
	buf = malloc(*len + 1);
	assert_int_equal(fread(buf, 1, *len, f), *len);
	fclose(f);
	return buf;
}

static RIG_UNUSED void rig_db_row(sqlite3 *h, const struct rig_file *f)
{
	sqlite3_stmt *s;
	uint32_t len;
	char *blob = rig_mbfile(f, &len);

	assert_int_equal(sqlite3_prepare_v2(h,
			     "INSERT INTO Files VALUES(?1,'HomeDomain',?2,1,"
			     "?3)",
			     -1, &s, NULL),
	    SQLITE_OK);
	sqlite3_bind_text(s, 1, f->id, -1, SQLITE_STATIC);
	sqlite3_bind_text(s, 2, f->path, -1, SQLITE_STATIC);
	sqlite3_bind_blob(s, 3, blob, (int)len, SQLITE_STATIC);
	assert_int_equal(sqlite3_step(s), SQLITE_DONE);
	sqlite3_finalize(s);
	free(blob);
}

/* Manifest.db of this world, as bytes. */
static RIG_UNUSED void rig_make_db(struct rig_world *w)
{
	char path[] = "/tmp/rig-db-XXXXXX";
	int fd = mkstemp(path);
	sqlite3 *h;

	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(sqlite3_open(path, &h), SQLITE_OK);
	assert_int_equal(
	    sqlite3_exec(h,
		"PRAGMA synchronous=OFF; BEGIN;"
		"CREATE TABLE Files(fileID TEXT PRIMARY KEY, domain TEXT,"
		" relativePath TEXT, flags INTEGER, file BLOB);"
		"CREATE TABLE Properties(key TEXT PRIMARY KEY, value BLOB);",
		NULL, NULL, NULL),
	    SQLITE_OK);
	for (int i = 0; i < RIG_FILES; i++)
		if (w->f[i].version)
			rig_db_row(h, &w->f[i]);
	assert_int_equal(
	    sqlite3_exec(h, "COMMIT", NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(h);
	free(w->db);
	w->db = rig_slurp(path, &w->db_len);
	unlink(path);
}

/* --- worlds --------------------------------------------------------------- */

static RIG_UNUSED void rig_first_world(struct rig_world *w, unsigned files)
{
	memset(w, 0, sizeof(*w));
	for (unsigned i = 0; i < RIG_FILES; i++) {
		struct rig_file *f = &w->f[i];
		char text[64];
		uint8_t sha[20];

		snprintf(f->path, sizeof(f->path), "Library/file%02u", i);
		snprintf(text, sizeof(text), "HomeDomain-%s", f->path);
		assert_int_equal(sha1_of(text, strlen(text), sha), RC_OK);
		rig_hex(sha, 20, f->id);
		f->version = i < files ? 1 : 0;
		f->size = i % 5 == 4 ? 0 : 10 + i * 100;
	}
	rig_make_db(w);
}

/* Some files change, one goes, one comes. */
static RIG_UNUSED void rig_next_world(
    struct rig_world *w, const struct rig_world *old, unsigned seed)
{
	*w = *old;
	w->db = NULL;
	for (unsigned i = 0; i < RIG_FILES; i++) {
		unsigned dice = (i * 7 + seed * 13) % 11;

		if (w->f[i].version && dice == 0)
			w->f[i].version = 0;
		else if (w->f[i].version && dice < 4)
			w->f[i].version++;
		else if (!w->f[i].version && dice == 5)
			w->f[i].version = 100 + seed;
	}
	rig_make_db(w);
}

static RIG_UNUSED void rig_free_world(struct rig_world *w)
{
	free(w->db);
	w->db = NULL;
}

/* --- a disk ---------------------------------------------------------------- */

struct rig {
	char dir[64];
	const struct fileops *ops;
	struct vault *v;
	struct vault_phone *p;
	struct vault_night *n;
	const struct store *s;
	bool resumed;
};

/* In memory where there is such a place: tests should not wait for syncs. */
static RIG_UNUSED void rig_new(struct rig *r)
{
	memset(r, 0, sizeof(*r));
	snprintf(r->dir, sizeof(r->dir), "%s/rig-XXXXXX",
	    access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
	assert_non_null(mkdtemp(r->dir));
}

static RIG_UNUSED enum rc rig_open(struct rig *r)
{
	enum rc rc = vault_open(r->ops, r->dir, true, &r->v);

	if (!rc)
		rc = vault_phone_open(r->v, RIG_UDID, false, &r->p);
	return rc;
}

static RIG_UNUSED void rig_close(struct rig *r)
{
	vault_phone_close(r->p);
	vault_close(r->v);
	r->p = NULL;
	r->v = NULL;
	r->n = NULL;
}

static RIG_UNUSED void rig_remove(const char *path)
{
	char sub[4096];
	DIR *d = opendir(path);
	struct dirent *e;

	if (!d)
		return;
	while ((e = readdir(d)) != NULL) {
		if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
			continue;
		snprintf(sub, sizeof(sub), "%s/%s", path, e->d_name);
		if (unlink(sub) < 0)
			rig_remove(sub);
	}
	closedir(d);
	rmdir(path);
}

static RIG_UNUSED void rig_free(struct rig *r)
{
	rig_close(r);
	rig_remove(r->dir);
}

static RIG_UNUSED enum rc rig_begin(struct rig *r, bool fresh)
{
	enum rc rc = vault_night_begin(r->p, fresh, &r->n, &r->resumed);

	if (!rc)
		r->s = vault_night_store(r->n);
	return rc;
}

/* --- the phone's side of a night ------------------------------------------- */

static RIG_UNUSED enum rc rig_put(
    struct rig *r, const char *rel, const void *data, size_t len)
{
	const struct store_ops *ops = r->s->ops;
	struct store_file *f;
	char path[256];
	enum rc rc;

	snprintf(path, sizeof(path), RIG_UDID "/%s", rel);
	rc = ops->create(r->s->ctx, path, &f);
	if (rc)
		return rc;
	if (len > 0)
		rc = ops->write(f, data, len / 2);
	if (!rc && len > 0)
		rc = ops->write(f, (const char *)data + len / 2, len - len / 2);
	if (rc) {
		ops->discard(f);
		return rc;
	}
	return ops->finish(f);
}

/* The engine does it before each answer. */
static RIG_UNUSED enum rc rig_confirm(struct rig *r)
{
	return r->s->ops->confirm(r->s->ctx);
}

static RIG_UNUSED enum rc rig_status(struct rig *r, const char *state)
{
	char text[512];
	enum rc rc;

	snprintf(text, sizeof(text),
	    "<?xml version=\"1.0\" encoding=\"UTF-8\"?><plist version=\"1.0\">"
	    "<dict><key>Version</key><string>3.3</string>"
	    "<key>SnapshotState</key><string>%s</string></dict></plist>",
	    state);
	rc = rig_put(r, "Status.plist", text, strlen(text));
	return rc ? rc : rig_confirm(r);
}

static RIG_UNUSED enum rc rig_manifest(struct rig *r, const struct rig_world *w)
{
	char text[1024];

	snprintf(text, sizeof(text),
	    "<?xml version=\"1.0\" encoding=\"UTF-8\"?><plist version=\"1.0\">"
	    "<dict><key>IsEncrypted</key><%s/>%s<key>Lockdown</key><dict>"
	    "<key>UniqueDeviceID</key><string>" RIG_UDID "</string></dict>"
	    "</dict></plist>",
	    w->encrypted ? "true" : "false",
	    w->encrypted ? "<key>ManifestKey</key><data>AAAA</data>" : "");
	return rig_put(r, "Snapshot/Manifest.plist", text, strlen(text));
}

static RIG_UNUSED enum rc rig_dir(struct rig *r, const char *rel)
{
	char path[256];
	enum rc rc;

	snprintf(path, sizeof(path), RIG_UDID "%s%s", rel[0] ? "/" : "", rel);
	rc = r->s->ops->make_dir(r->s->ctx, path);
	return rc == RC_EXISTS ? RC_OK : rc;
}

static RIG_UNUSED enum rc rig_move(
    struct rig *r, const char *from, const char *to)
{
	char a[256], b[256];

	snprintf(a, sizeof(a), RIG_UDID "/%s", from);
	snprintf(b, sizeof(b), RIG_UDID "/%s", to);
	return r->s->ops->move(r->s->ctx, a, b);
}

static RIG_UNUSED enum rc rig_rm(struct rig *r, const char *rel)
{
	char path[256];

	snprintf(path, sizeof(path), RIG_UDID "/%s", rel);
	return r->s->ops->remove(r->s->ctx, path);
}

static RIG_UNUSED bool rig_same(
    const struct rig_file *a, const struct rig_file *b)
{
	return a->version == b->version;
}

static RIG_UNUSED enum rc rig_upload(
    struct rig *r, const struct rig_world *old, const struct rig_world *w)
{
	char rel[64], buf[4096];
	enum rc rc = RC_OK;

	for (int i = 0; !rc && i < RIG_FILES; i++) {
		const struct rig_file *f = &w->f[i];

		if (!f->version || (old && rig_same(f, &old->f[i])))
			continue;
		rig_fill(f, buf);
		snprintf(rel, sizeof(rel), "Snapshot/%.2s/%s", f->id, f->id);
		rc = rig_put(r, rel, buf, f->size);
	}
	return rc;
}

static RIG_UNUSED enum rc rig_place(
    struct rig *r, const struct rig_world *old, const struct rig_world *w)
{
	char from[80], to[64];
	enum rc rc = RC_OK;

	for (int i = 0; !rc && i < RIG_FILES; i++) {
		const struct rig_file *f = &w->f[i];

		snprintf(to, sizeof(to), "%.2s/%s", f->id, f->id);
		snprintf(from, sizeof(from), "Snapshot/%s", to);
		if (f->version && !(old && rig_same(f, &old->f[i])))
			rc = rig_move(r, from, to);
		else if (!f->version && old && old->f[i].version)
			rc = rig_rm(r, to);
	}
	if (!rc)
		rc = rig_move(r, "Snapshot/Manifest.plist", "Manifest.plist");
	if (!rc)
		rc = rig_move(r, "Snapshot/Manifest.db", "Manifest.db");
	return rc;
}

/* The first half of the phone's script: all is sent, nothing is moved. */
static RIG_UNUSED enum rc rig_send(
    struct rig *r, const struct rig_world *old, const struct rig_world *w)
{
	enum rc rc = rig_dir(r, "");

	if (!rc)
		rc = rig_dir(r, "Snapshot");
	for (int i = 0; !rc && i < RIG_FILES; i++) {
		char two[16];

		snprintf(two, sizeof(two), "Snapshot/%.2s", w->f[i].id);

		rc = rig_dir(r, two + strlen("Snapshot/"));
		if (!rc)
			rc = rig_dir(r, two);
	}
	if (!rc)
		rc = rig_status(r, "uploading");
	if (!rc)
		rc = rig_upload(r, old, w);
	if (!rc)
		rc = rig_manifest(r, w);
	if (!rc)
		rc = rig_put(r, "Snapshot/Manifest.db", w->db, w->db_len);
	if (!rc)
		rc = rig_confirm(r);
	return rc;
}

static RIG_UNUSED enum rc rig_move_all(
    struct rig *r, const struct rig_world *old, const struct rig_world *w)
{
	enum rc rc = rig_status(r, "moving");

	if (!rc)
		rc = rig_place(r, old, w);
	return rc ? rc : rig_confirm(r);
}

static RIG_UNUSED enum rc rig_end_all(struct rig *r)
{
	enum rc rc = rig_status(r, "removing");

	if (!rc)
		rc = rig_rm(r, "Snapshot");
	if (!rc)
		rc = rig_confirm(r);
	return rc ? rc : rig_status(r, "finished");
}

static RIG_UNUSED enum rc rig_settle(
    struct rig *r, const struct rig_world *old, const struct rig_world *w)
{
	enum rc rc = rig_move_all(r, old, w);

	return rc ? rc : rig_end_all(r);
}

static RIG_UNUSED enum rc rig_commit(struct rig *r, struct vault_snapshot *snap)
{
	static const struct vault_facts facts = { .device_name = "Rig",
		.model = "iPhone12,1",
		.ios = "17.0",
		.started_at = 1700000000,
		.phone_seconds = 5 };
	struct vault_verdict verdict;
	struct vault_night *n = r->n;
	enum rc rc = vault_night_verify(n, NULL, NULL, &verdict);

	if (rc)
		return rc;
	r->n = NULL;
	return vault_night_commit(n, &facts, snap);
}

/* A whole night, the vault being open. On failure the night is ended, kept. */
static RIG_UNUSED enum rc rig_night(struct rig *r, const struct rig_world *old,
    const struct rig_world *w, struct vault_snapshot *snap)
{
	enum rc rc = rig_begin(r, true);

	if (!rc)
		rc = rig_send(r, old, w);
	if (!rc)
		rc = rig_settle(r, old, w);
	if (!rc)
		rc = rig_commit(r, snap);
	if (rc && r->n) {
		vault_night_end(r->n, true);
		r->n = NULL;
	}
	return rc;
}

/* --- comparing --------------------------------------------------------------- */

struct rig_seen {
	const struct rig_world *w;
	unsigned files, wrong;
	bool manifest;
};

static RIG_UNUSED bool rig_bytes_are(const char *file, const struct rig_file *f)
{
	char want[4096];
	size_t len = 0;
	char *got = rig_slurp(file, &len);
	bool same;

	rig_fill(f, want);
	same = got && len == f->size && memcmp(got, want, len) == 0;
	free(got);
	return same;
}

static RIG_UNUSED enum rc rig_see(void *arg, const struct vault_entry *e)
{
	struct rig_seen *s = arg;
	const char *id = strrchr(e->path, '/');
	size_t len = 0;
	char *db;

	if (e->kind != STORE_FILE || !id)
		return RC_OK;
	if (strcmp(id, "/Manifest.db") == 0) {
		db = rig_slurp(e->file, &len);
		s->manifest =
		    db && len == s->w->db_len && memcmp(db, s->w->db, len) == 0;
		free(db);
		return RC_OK;
	}
	for (int i = 0; i < RIG_FILES; i++) {
		if (strcmp(id + 1, s->w->f[i].id) != 0)
			continue;
		s->files++;
		if (!s->w->f[i].version || !rig_bytes_are(e->file, &s->w->f[i]))
			s->wrong++;
	}
	return RC_OK;
}

static RIG_UNUSED unsigned rig_count(const struct rig_world *w)
{
	unsigned n = 0;

	for (int i = 0; i < RIG_FILES; i++)
		n += w->f[i].version != 0;
	return n;
}

/* Snapshot `id` is byte for byte world `w`, and its hashes say so, too. */
static RIG_UNUSED bool rig_holds(
    struct rig *r, int64_t id, const struct rig_world *w)
{
	struct rig_seen seen = { .w = w };
	struct vault_check check;

	if (vault_each_entry(r->p, id, rig_see, &seen) ||
	    vault_check_snapshot(r->p, id, &check))
		return false;
	return seen.wrong == 0 && seen.manifest && seen.files == rig_count(w);
}

#endif
