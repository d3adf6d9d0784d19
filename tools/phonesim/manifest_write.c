/*
 * Manifest.db and Manifest.plist as the phone sends them.
 *
 * The database has the schema, page size, auto_vacuum, user_version and the
 * WAL marks in the header of a recorded iOS 14.3 phone. Rows go in by one
 * prepared statement inside one transaction without a journal, indexes come
 * after the rows: a million rows take seconds and a fixed amount of memory.
 *
 * Guesses, where no record says more:
 * - Digest is the SHA-1 of the file as it stands in the backup (encrypted, if
 *   it is); it is on all files of the system's own domains and on none of the
 *   apps', photos and media, as recorded.
 * - A plain backup has no EncryptionKey; its key bag is sealed with a key
 *   that nobody knows.
 * - An empty file of an encrypted backup has one block of padding.
 * - The Manifest key belongs to class 3.
 */
#include <errno.h>
#include <plist/plist.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "manifest_int.h"

#define PIECE          (256 * 1024)
#define MANIFEST_CLASS 3
#define APPLE_EPOCH    978307200 /* 2001-01-01, the plists' zero */

/* ---- Manifest.db ---- */

struct writing {
	struct content *c;
	struct keybag bag;
	bool encrypted;
	sqlite3 *db;
	sqlite3_stmt *put;
	struct cipher_hash *sha1;
	uint8_t *piece;
	uint8_t blob[16384];
};

static bool has_digest(const struct content_item *it)
{
	static const char *const domains[] = { "HomeDomain", "RootDomain",
		"WirelessDomain", "HealthDomain", "SystemPreferencesDomain",
		"DatabaseDomain", "HomeKitDomain", "InstallDomain",
		"ManagedPreferencesDomain", "KeyboardDomain",
		"KeychainDomain" };

	if (it->kind != CONTENT_FILE)
		return false;
	for (size_t i = 0; i < sizeof(domains) / sizeof(*domains); i++)
		if (!strcmp(it->domain, domains[i]))
			return true;
	return false;
}

/* A restored file that was changed meanwhile is gone: then no digest. */
static const uint8_t *make_digest(struct writing *w,
    const struct content_item *it, const struct content_row *row,
    const uint8_t *key, uint8_t *out)
{
	struct content_reader *r = content_reader_new(w->c, it, row, key);
	long n;

	if (!r)
		return NULL;
	while ((n = content_reader_read(r, w->piece, PIECE)) > 0)
		if (cipher_hash_add(w->sha1, w->piece, (size_t)n)) {
			n = -1;
			break;
		}
	content_reader_close(r);
	return cipher_hash_end(w->sha1, out) || n < 0 ? NULL : out;
}

/* The file's key, and as it stands in the row. */
static int make_key(struct writing *w, const struct content_item *it,
    uint8_t key[CIPHER_KEY], uint8_t *wrapped)
{
	if (content_secret(w->c, "file key", it->seed, it->version, key))
		return -1;
	return keybag_wrap(&w->bag, content_key_class(it), key, wrapped);
}

static int insert(
    struct writing *w, const struct content_item *it, size_t blob_len)
{
	sqlite3_stmt *s = w->put;
	int rc;

	sqlite3_bind_text(s, 1, it->file_id, 40, SQLITE_STATIC);
	sqlite3_bind_text(s, 2, it->domain, -1, SQLITE_STATIC);
	sqlite3_bind_text(s, 3, it->path, -1, SQLITE_STATIC);
	sqlite3_bind_int(s, 4, (int)it->kind);
	sqlite3_bind_blob(s, 5, w->blob, (int)blob_len, SQLITE_STATIC);
	rc = sqlite3_step(s) == SQLITE_DONE ? 0 : -1;
	sqlite3_reset(s);
	if (rc)
		content_complain(w->db, "Manifest.db");
	return rc;
}

static void describe(const struct content_item *it, struct mbfile *m)
{
	memset(m, 0, sizeof(*m));
	m->path = it->path;
	m->target = it->target;
	m->size = it->size;
	m->inode = it->inode;
	m->mtime = it->mtime;
	m->ctime = it->ctime;
	m->birth = it->birth;
	m->uid = it->uid;
	m->gid = it->gid;
	m->mode = it->mode;
	m->pclass = it->pclass;
	m->flags = it->flags;
}

static int write_row(
    void *arg, const struct content_item *it, const struct content_row *row)
{
	struct writing *w = arg;
	uint8_t key[CIPHER_KEY], wrapped[MBFILE_KEY];
	uint8_t digest[MBFILE_DIGEST], xattrs[2048];
	struct mbfile m;
	size_t n;

	describe(it, &m);
	if (w->encrypted && it->kind == CONTENT_FILE) {
		m.pclass = (int)content_key_class(it);
		if (make_key(w, it, key, wrapped))
			return -1;
		m.key = wrapped;
	}
	if (has_digest(it))
		m.digest = make_digest(w, it, row, m.key ? key : NULL, digest);
	n = manifest_photo_attributes(it, xattrs, sizeof(xattrs));
	if (n) {
		m.xattrs = xattrs;
		m.xattrs_len = n;
	}
	n = mbfile_write(&m, w->blob, sizeof(w->blob));
	return n ? insert(w, it, n) : -1;
}

static int write_tables(struct writing *w)
{
	if (content_exec(w->db,
		"PRAGMA page_size=4096;PRAGMA auto_vacuum=INCREMENTAL;"
		"PRAGMA locking_mode=EXCLUSIVE;PRAGMA journal_mode=OFF;"
		"PRAGMA synchronous=OFF;PRAGMA cache_size=-32768;"
		"PRAGMA temp_store=FILE;PRAGMA user_version=2;BEGIN;"
		"CREATE TABLE Files (fileID TEXT PRIMARY KEY, domain TEXT, "
		"relativePath TEXT, flags INTEGER, file BLOB)") ||
	    content_prepare(
		w->db, "INSERT INTO Files VALUES(?,?,?,?,?)", &w->put) ||
	    content_each_row(w->c, write_row, w))
		return -1;
	return content_exec(w->db,
	    "CREATE INDEX FilesDomainIdx ON Files(domain);"
	    "CREATE INDEX FilesRelativePathIdx ON Files(relativePath);"
	    "CREATE INDEX FilesFlagsIdx ON Files(flags);"
	    "CREATE TABLE Properties (key TEXT PRIMARY KEY, value BLOB);"
	    "COMMIT;PRAGMA journal_mode=WAL");
}

static int write_plain(struct content *c, const char *path)
{
	struct writing *w = calloc(1, sizeof(*w));
	int rc = -1;

	if (!w)
		return -1;
	w->c = c;
	pthread_mutex_lock(&c->lock);
	w->bag = c->bag;
	w->encrypted = c->encrypted;
	pthread_mutex_unlock(&c->lock);
	w->piece = malloc(PIECE);
	w->sha1 = cipher_hash_new(CIPHER_SHA1);
	if (!w->piece || !w->sha1 ||
	    sqlite3_open_v2(path, &w->db,
		SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE |
		    SQLITE_OPEN_NOMUTEX,
		NULL) != SQLITE_OK)
		goto out;
	rc = write_tables(w);
out:
	sqlite3_finalize(w->put);
	if (sqlite3_close(w->db) != SQLITE_OK)
		rc = -1;
	cipher_hash_free(w->sha1);
	free(w->piece);
	free(w);
	return rc;
}

static int manifest_key(struct content *c, uint8_t key[CIPHER_KEY])
{
	uint64_t generation;

	pthread_mutex_lock(&c->lock);
	generation = (uint64_t)content_fact(c->db, "generation", 0);
	pthread_mutex_unlock(&c->lock);
	return content_secret(c, "manifest key", generation, 0, key);
}

int manifest_write_db(struct content *c, const char *out_path)
{
	uint8_t key[CIPHER_KEY];
	char plain[1024];
	int rc;

	if (unlink(out_path) && errno != ENOENT)
		return -1;
	if (!content_is_encrypted(c))
		return write_plain(c, out_path);
	if ((size_t)snprintf(plain, sizeof(plain), "%s.plain", out_path) >=
	    sizeof(plain))
		return -1;
	unlink(plain);
	rc = manifest_key(c, key);
	if (!rc)
		rc = write_plain(c, plain);
	if (!rc)
		rc = manifest_crypt_file(plain, out_path, key, 1);
	unlink(plain);
	return rc;
}

int manifest_crypt_file(const char *from, const char *to,
    const uint8_t key[CIPHER_KEY], int encrypt)
{
	FILE *in = fopen(from, "re"), *out = fopen(to, "we");
	struct cipher_cbc *x = cipher_cbc_new(key, encrypt);
	uint8_t *buf = malloc(2 * PIECE + CIPHER_BLOCK), *made = buf + PIECE;
	size_t n;
	long len;
	int rc = -1;

	if (!in || !out || !x || !buf)
		goto out;
	while ((n = fread(buf, 1, PIECE, in)) > 0) {
		len = cipher_cbc_step(x, buf, n, made);
		if (len < 0 || fwrite(made, 1, (size_t)len, out) != (size_t)len)
			goto out;
	}
	len = ferror(in) ? -1 : cipher_cbc_end(x, made);
	if (len >= 0 && fwrite(made, 1, (size_t)len, out) == (size_t)len)
		rc = 0;
out:
	if (in)
		fclose(in);
	if (out && fclose(out))
		rc = -1;
	cipher_cbc_free(x);
	free(buf);
	return rc;
}

/* ---- Manifest.plist ---- */

static void set_text(plist_t dict, const char *key, const char *value)
{
	plist_dict_set_item(dict, key, plist_new_string(value));
}

static void set_flag(plist_t dict, const char *key, bool value)
{
	plist_dict_set_item(dict, key, plist_new_bool(value));
}

static void set_data(plist_t dict, const char *key, const void *d, size_t n)
{
	plist_dict_set_item(dict, key, plist_new_data(d, n));
}

static plist_t lockdown_of(const struct manifest_facts *f)
{
	static const char *const domains[] = { "com.apple.Accessibility",
		"com.apple.MobileDeviceCrashCopy", "com.apple.TerminalFlashr",
		"com.apple.mobile.data_sync",
		"com.apple.mobile.iTunes.accessories",
		"com.apple.mobile.wireless_lockdown" };
	plist_t d = plist_new_dict();

	set_text(d, "DeviceName", f->device_name);
	set_text(d, "ProductType", f->product_type);
	set_text(d, "ProductVersion", f->ios);
	set_text(d, "BuildVersion", f->build);
	set_text(d, "SerialNumber", f->serial);
	set_text(d, "UniqueDeviceID", f->udid);
	for (size_t i = 0; i < sizeof(domains) / sizeof(*domains); i++)
		plist_dict_set_item(d, domains[i], plist_new_dict());
	return d;
}

/* An app, a group or a plugin by the name of its domain. */
static void add_container(plist_t apps, struct content *c, const char *domain)
{
	static const char *const kinds[][3] = {
		{ "AppDomain-", "Data/Application", "Data/Application" },
		{ "AppDomainGroup-", "Shared/AppGroup", "Shared/AppGroup" },
		{ "AppDomainPlugin-", "Data/PluginKitPlugin",
		    "Data/PluginKitPlugin" },
	};
	char path[256];
	uint8_t u[CIPHER_KEY];
	plist_t d;

	for (size_t i = 0; i < 3; i++) {
		size_t n = strlen(kinds[i][0]);

		if (strncmp(domain, kinds[i][0], n) != 0)
			continue;
		if (content_secret(c, domain, 0, 0, u))
			return;
		snprintf(path, sizeof(path),
		    "/private/var/mobile/Containers/%s/"
		    "%02X%02X%02X%02X-%02X%02X-4%X%02X-8%X%02X-"
		    "%02X%02X%02X%02X%02X%02X",
		    kinds[i][1], u[0], u[1], u[2], u[3], u[4], u[5], u[6] & 15,
		    u[7], u[8] & 15, u[9], u[10], u[11], u[12], u[13], u[14],
		    u[15]);
		d = plist_new_dict();
		set_text(d, "CFBundleIdentifier", domain + n);
		set_text(d, "CFBundleVersion", "1");
		set_text(d, "ContainerContentClass", kinds[i][2]);
		set_text(d, "Path", path);
		plist_dict_set_item(apps, domain + n, d);
		return;
	}
}

static plist_t applications_of(struct content *c)
{
	sqlite3 *db = content_snapshot(c);
	sqlite3_stmt *s = NULL;
	plist_t apps = plist_new_dict();

	if (db &&
	    !content_prepare(db, "SELECT name FROM domains ORDER BY name", &s))
		while (sqlite3_step(s) == SQLITE_ROW)
			add_container(
			    apps, c, (const char *)sqlite3_column_text(s, 0));
	sqlite3_finalize(s);
	sqlite3_close(db);
	return apps;
}

static int add_keys(struct content *c, plist_t d)
{
	uint8_t tlv[KEYBAG_BYTES], key[CIPHER_KEY], wrapped[KEYBAG_CLASSED];
	struct keybag bag;
	bool encrypted;
	size_t n;

	pthread_mutex_lock(&c->lock);
	bag = c->bag;
	encrypted = c->encrypted;
	pthread_mutex_unlock(&c->lock);
	n = keybag_write(&bag, tlv, sizeof(tlv));
	if (!n)
		return -1;
	set_data(d, "BackupKeyBag", tlv, n);
	set_flag(d, "IsEncrypted", encrypted);
	if (!encrypted)
		return 0;
	if (manifest_key(c, key) ||
	    keybag_wrap(&bag, MANIFEST_CLASS, key, wrapped))
		return -1;
	set_data(d, "ManifestKey", wrapped, sizeof(wrapped));
	return 0;
}

static int write_file(const char *path, const char *d, uint32_t n)
{
	FILE *f = fopen(path, "we");
	int rc = -1;

	if (!f)
		return -1;
	if (fwrite(d, 1, n, f) == n)
		rc = 0;
	if (fclose(f))
		rc = -1;
	return rc;
}

int manifest_write_plist(
    struct content *c, const struct manifest_facts *f, const char *out_path)
{
	plist_t d = plist_new_dict();
	char *bin = NULL;
	uint32_t n = 0;
	int rc = -1;

	if (add_keys(c, d))
		goto out;
	set_text(d, "Version", "10.0");
	set_text(
	    d, "SystemDomainsVersion", atoi(f->ios) >= 14 ? "24.0" : "20.0");
	set_text(d, "RequiredProductVersion", "9.0");
	set_flag(d, "WasPasscodeSet", f->passcode_set);
	plist_dict_set_item(
	    d, "Date", plist_new_date((int32_t)(time(NULL) - APPLE_EPOCH), 0));
	plist_dict_set_item(d, "Lockdown", lockdown_of(f));
	plist_dict_set_item(d, "Applications", applications_of(c));
	plist_to_bin(d, &bin, &n);
	if (bin)
		rc = write_file(out_path, bin, n);
out:
	free(bin);
	plist_free(d);
	return rc;
}
