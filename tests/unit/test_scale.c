/*
 * Promise V3 in figures: what a night of 1 % writes to a vault of many files,
 * counted at the table of file operations, SQLite's own writes included.
 *
 * 30,000 files; NIGHTSTAND_SCALE=300000 for more (`make check-all`). The bound
 * is the same for each: the changed bytes, 5 % and 8 MiB. Manifest.db is sent
 * whole each night, so all of it has changed.
 *
 * The first night's files have 4 KiB, so that many of them fit in memory; what
 * changes has 128 KiB on the average. A real iOS 14.3 says 163 KiB, and its
 * Manifest.db has 880 bytes a file where ours has 550: both make the bound
 * tighter here. What the catalogue costs depends on neither, and has a bound of
 * its own: a change touches one page of the entries' tree, which is written
 * twice, to the journal and in its place.
 */
#include <stdatomic.h>

#include "vault_rig.h"

#if defined(__SANITIZE_ADDRESS__)
#define SCALE_FILES 3000
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SCALE_FILES 3000
#endif
#endif
#ifndef SCALE_FILES
#define SCALE_FILES 30000
#endif

/* --- the table that counts -------------------------------------------------- */

enum kind {
	OTHER,
	CATALOG,
	JOURNAL,
	KINDS
};

#define FDS 1024

static struct {
	const struct fileops *real;
	atomic_uchar kind[FDS];
	atomic_ullong bytes[KINDS];
	atomic_ulong renames;
	atomic_ulong names; /* calls that look a name up */
	atomic_ulong syncs;
} meter;

static enum kind kind_of(const char *path)
{
	if (strcmp(path, "catalog.db") == 0)
		return CATALOG;
	return strcmp(path, "catalog.db-journal") == 0 ? JOURNAL : OTHER;
}

static int meter_open(void *ctx, int dir, const char *path, int flags)
{
	int fd = meter.real->open(ctx, dir, path, flags);

	assert_true(fd < FDS);
	meter.names++;
	if (fd >= 0)
		meter.kind[fd] = (unsigned char)kind_of(path);
	return fd;
}

static void meter_add(int fd, ssize_t n)
{
	if (n > 0)
		meter.bytes[meter.kind[fd]] += (unsigned long long)n;
}

static ssize_t meter_write(void *ctx, int fd, const void *buf, size_t len)
{
	ssize_t n = meter.real->write(ctx, fd, buf, len);

	meter_add(fd, n);
	return n;
}

static ssize_t meter_pwrite(
    void *ctx, int fd, const void *buf, size_t len, uint64_t at)
{
	ssize_t n = meter.real->pwrite(ctx, fd, buf, len, at);

	meter_add(fd, n);
	return n;
}

static int meter_rename(void *ctx, int dir, const char *from, const char *to)
{
	meter.renames++;
	meter.names++;
	return meter.real->rename(ctx, dir, from, to);
}

static int meter_unlink(void *ctx, int dir, const char *path)
{
	meter.names++;
	return meter.real->unlink(ctx, dir, path);
}

static int meter_mkdir(void *ctx, int dir, const char *path)
{
	meter.names++;
	return meter.real->mkdir(ctx, dir, path);
}

static int meter_rmdir(void *ctx, int dir, const char *path)
{
	meter.names++;
	return meter.real->rmdir(ctx, dir, path);
}

static int meter_stat(void *ctx, int dir, const char *path, struct stat *out)
{
	meter.names++;
	return meter.real->stat(ctx, dir, path, out);
}

static int meter_syncfs(void *ctx, int fd)
{
	meter.syncs++;
	return meter.real->syncfs(ctx, fd);
}

static const struct fileops *meter_ops(void)
{
	static struct fileops ops;

	meter.real = fileops_posix();
	ops = *meter.real;
	ops.open = meter_open;
	ops.write = meter_write;
	ops.pwrite = meter_pwrite;
	ops.rename = meter_rename;
	ops.unlink = meter_unlink;
	ops.mkdir = meter_mkdir;
	ops.rmdir = meter_rmdir;
	ops.stat = meter_stat;
	ops.syncfs = meter_syncfs;
	return &ops;
}

static void meter_reset(void)
{
	for (int i = 0; i < KINDS; i++)
		meter.bytes[i] = 0;
	meter.renames = 0;
	meter.names = 0;
	meter.syncs = 0;
}

/* --- a phone of many files ---------------------------------------------------- */

#define FIRST_SIZE 8192 /* below it; half of it on the average */
#define LATER_SIZE 262144 /* NIGHTSTAND_SCALE_SIZE: less */

struct phone {
	struct rig r;
	unsigned files;
	unsigned char *version; /* of each file */
	char db[96]; /* its Manifest.db */
	sqlite3 *h;
	uint64_t sent; /* bytes, this night */
	unsigned sent_files;
	unsigned nights;
	unsigned later_size;
};

static uint64_t mix(uint64_t x)
{
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ull;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebull;
	return x ^ (x >> 31);
}

static void file_of(const struct phone *p, unsigned i, struct rig_file *f)
{
	char text[64];
	uint8_t sha[20];

	snprintf(f->path, sizeof(f->path), "Library/file%07u", i);
	snprintf(text, sizeof(text), "HomeDomain-%s", f->path);
	assert_int_equal(sha1_of(text, strlen(text), sha), RC_OK);
	rig_hex(sha, 20, f->id);
	f->version = p->version[i];
	f->size = mix(i * 256ull + f->version) %
		  (f->version == 1 ? FIRST_SIZE : p->later_size);
}

static void exec(struct phone *p, const char *sql)
{
	assert_int_equal(sqlite3_exec(p->h, sql, NULL, NULL, NULL), SQLITE_OK);
}

static void phone_new(struct phone *p, unsigned files)
{
	memset(p, 0, sizeof(*p));
	rig_new(&p->r);
	p->r.ops = meter_ops();
	p->files = files;
	p->version = calloc(files, 1);
	assert_non_null(p->version);
	snprintf(p->db, sizeof(p->db), "%s/phone.db", p->r.dir);
	assert_int_equal(sqlite3_open(p->db, &p->h), SQLITE_OK);
	exec(p, "PRAGMA synchronous=OFF; PRAGMA journal_mode=OFF;"
		"CREATE TABLE Files(fileID TEXT PRIMARY KEY, domain TEXT,"
		" relativePath TEXT, flags INTEGER, file BLOB);"
		"CREATE TABLE Properties(key TEXT PRIMARY KEY, value BLOB);");
}

static void phone_free(struct phone *p)
{
	sqlite3_close(p->h);
	free(p->version);
	rig_free(&p->r);
}

static bool changes(const struct phone *p, bool all, unsigned i)
{
	return all || mix(i + 1000003ull * p->nights) % 100 == 0;
}

/* Tomorrow: all files are new, or 1 % are. */
static void phone_next(struct phone *p, bool all)
{
	struct rig_file f;

	p->nights++;
	exec(p, "BEGIN");
	for (unsigned i = 0; i < p->files; i++) {
		if (!changes(p, all, i))
			continue;
		p->version[i]++;
		file_of(p, i, &f);
		if (!all) {
			char sql[128];

			snprintf(sql, sizeof(sql),
			    "DELETE FROM Files WHERE fileID='%s'", f.id);
			exec(p, sql);
		}
		rig_db_row(p->h, &f);
	}
	exec(p, "COMMIT");
}

/* --- a night of it --------------------------------------------------------------- */

static void send_db(struct phone *p)
{
	static char buf[1 << 20];
	const struct store *s = p->r.s;
	struct store_file *out;
	FILE *in = fopen(p->db, "rb");
	size_t n;

	assert_non_null(in);
	assert_int_equal(
	    s->ops->create(s->ctx, RIG_UDID "/Snapshot/Manifest.db", &out),
	    RC_OK);
	while ((n = fread(buf, 1, sizeof(buf), in)) > 0) {
		assert_int_equal(s->ops->write(out, buf, n), RC_OK);
		p->sent += n;
	}
	assert_int_equal(s->ops->finish(out), RC_OK);
	fclose(in);
}

static void send_file(struct phone *p, unsigned i)
{
	static char buf[LATER_SIZE];
	char rel[64];
	struct rig_file f;

	file_of(p, i, &f);
	rig_fill(&f, buf);
	snprintf(rel, sizeof(rel), "Snapshot/%.2s/%s", f.id, f.id);
	assert_int_equal(rig_put(&p->r, rel, buf, f.size), RC_OK);
	p->sent += f.size;
	p->sent_files++;
}

static void move_file(struct phone *p, unsigned i)
{
	char from[80], to[64];
	struct rig_file f;

	file_of(p, i, &f);
	snprintf(to, sizeof(to), "%.2s/%s", f.id, f.id);
	snprintf(from, sizeof(from), "Snapshot/%s", to);
	assert_int_equal(rig_move(&p->r, from, to), RC_OK);
}

static void make_folders(struct phone *p)
{
	char two[32];

	assert_int_equal(rig_dir(&p->r, ""), RC_OK);
	assert_int_equal(rig_dir(&p->r, "Snapshot"), RC_OK);
	for (unsigned i = 0; i < 256; i++) {
		snprintf(two, sizeof(two), "Snapshot/%02x", i);
		assert_int_equal(rig_dir(&p->r, two + 9), RC_OK);
		assert_int_equal(rig_dir(&p->r, two), RC_OK);
	}
}

static void each_changed(
    struct phone *p, bool all, void (*fn)(struct phone *p, unsigned i))
{
	for (unsigned i = 0; i < p->files; i++)
		if (changes(p, all, i))
			fn(p, i);
}

static void night(struct phone *p, bool all, struct vault_snapshot *snap)
{
	static const struct rig_world plain;
	struct rig *r = &p->r;

	p->sent = 0;
	p->sent_files = 0;
	assert_int_equal(rig_begin(r, true), RC_OK);
	make_folders(p);
	assert_int_equal(rig_status(r, "uploading"), RC_OK);
	each_changed(p, all, send_file);
	assert_int_equal(rig_manifest(r, &plain), RC_OK);
	send_db(p);
	assert_int_equal(rig_status(r, "moving"), RC_OK);
	each_changed(p, all, move_file);
	assert_int_equal(
	    rig_move(r, "Snapshot/Manifest.plist", "Manifest.plist"), RC_OK);
	assert_int_equal(
	    rig_move(r, "Snapshot/Manifest.db", "Manifest.db"), RC_OK);
	assert_int_equal(rig_rm(r, "Snapshot"), RC_OK);
	assert_int_equal(rig_status(r, "finished"), RC_OK);
	assert_int_equal(rig_commit(r, snap), RC_OK);
}

/* --- the promise ------------------------------------------------------------------- */

static double mib(uint64_t n)
{
	return (double)n / (1 << 20);
}

static uint64_t catalog_bytes(void)
{
	return meter.bytes[CATALOG] + meter.bytes[JOURNAL];
}

static void say(const struct phone *p, const char *what)
{
	printf("# %s of %u files: %u sent, %.1f MiB with Manifest.db; written:"
	       " %.1f MiB of files, %.1f MiB of catalogue (%.1f KiB a file);"
	       " %lu renames, %lu names looked up, %lu syncs\n",
	    what, p->files, p->sent_files, mib(p->sent),
	    mib(meter.bytes[OTHER]), mib(catalog_bytes()),
	    (double)catalog_bytes() / 1024 / p->sent_files, meter.renames,
	    meter.names, meter.syncs);
}

static unsigned setting(const char *name, unsigned otherwise)
{
	const char *text = getenv(name);
	unsigned n = text ? (unsigned)strtoul(text, NULL, 10) : otherwise;

	return n ? n : otherwise;
}

/* One page for each changed file, twice, and 10 % for the other trees; the
 * rest is what a night of nothing costs. */
#define CATALOG_EACH (2 * 4096 * 11 / 10)
#define CATALOG_REST (1 << 20)

/* A name is looked up to make a file, to read it back, and to move it and what
 * it replaces, each with its folder; the rest is for the phone's 256. */
#define NAMES_EACH 7
#define NAMES_REST 1200

static void check_cost(const struct phone *p)
{
	uint64_t written = meter.bytes[OTHER] + catalog_bytes();
	uint64_t bound = p->sent + p->sent / 20 + (8 << 20);

	printf(
	    "# written %.1f MiB, bound %.1f MiB\n", mib(written), mib(bound));
	assert_in_range(written, p->sent, bound);
	assert_in_range(catalog_bytes(), 1,
	    (uint64_t)CATALOG_EACH * p->sent_files + CATALOG_REST);
	assert_in_range(meter.renames, p->sent_files, 2 * p->sent_files + 16);
	assert_in_range(meter.names, p->sent_files,
	    NAMES_EACH * p->sent_files + NAMES_REST);
}

static void a_night_costs_what_changed(void **state)
{
	struct vault_snapshot snap;
	struct phone p;

	(void)state;
	phone_new(&p, setting("NIGHTSTAND_SCALE", SCALE_FILES));
	p.later_size = setting("NIGHTSTAND_SCALE_SIZE", LATER_SIZE);
	assert_in_range(p.later_size, 1, LATER_SIZE);
	assert_int_equal(rig_open(&p.r), RC_OK);
	meter_reset();
	phone_next(&p, true);
	night(&p, true, &snap);
	say(&p, "first night");
	assert_int_equal(snap.files, p.files + 3); /* two manifests, status */
	for (int i = 2; i <= 4; i++) {
		meter_reset();
		phone_next(&p, false);
		night(&p, false, &snap);
		say(&p, "night of 1 %");
		check_cost(&p);
	}
	phone_free(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_night_costs_what_changed),
	};

	log_set_level(LOG_LEVEL_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
