/*
 * MBFile blobs: made ones, broken ones, and all of a real iPhone's
 * Manifest.db (iOS 14.3), which stands outside the repository; its place is
 * $NIGHTSTAND_EVIDENCE.
 */
#include "vault_rig.h"

#include <errno.h>

#include "manifest.h"
#include "mbfile.h"
#include "plistread.h"

static void a_made_blob_is_read(void **state)
{
	struct rig_file f = { .path = "Library/x", .size = 70000 };
	struct mbfile mb;
	uint32_t len;
	char *blob = rig_mbfile(&f, &len);

	(void)state;
	assert_int_equal(mbfile_parse(blob, len, &mb), RC_OK);
	assert_int_equal(mb.size, 70000);
	assert_int_equal(mb.mode, 0100644);
	assert_int_equal(mb.uid, 501);
	assert_int_equal(mb.gid, -2);
	assert_int_equal(mb.mtime, 1600000000);
	assert_int_equal(mb.protection_class, 3);
	assert_false(mb.has_digest);
	assert_false(mb.has_key);
	free(blob);
}

/* Any bytes may come: each cut and each changed byte must end in a verdict,
 * not in a crash (run with the sanitizers). */
static void broken_blobs_do_no_harm(void **state)
{
	struct rig_file f = { .path = "Library/x", .size = 70000 };
	unsigned cases = 0, ok = 0;
	struct mbfile mb;
	uint32_t len;
	char *blob = rig_mbfile(&f, &len);

	(void)state;
	for (uint32_t n = 0; n < len; n++, cases++) {
		char *cut = malloc(n + 1);

		memcpy(cut, blob, n);
		ok += mbfile_parse(cut, n, &mb) == RC_OK;
		free(cut);
	}
	assert_int_equal(ok, 0);
	for (uint32_t i = 0; i < len; i++)
		for (unsigned v = 0; v < 256; v += 5, cases++) {
			char keep = blob[i];

			blob[i] = (char)v;
			ok += mbfile_parse(blob, len, &mb) == RC_OK;
			blob[i] = keep;
		}
	print_message("  %u broken blobs\n", cases);
	free(blob);
}

struct tally {
	unsigned rows, files, dirs, links, wrong_ids, digests, nobody;
};

static enum rc tally_row(void *arg, const struct manifest_row *row)
{
	struct tally *t = arg;

	t->rows++;
	t->files += row->flags == MANIFEST_FILE;
	t->dirs += row->flags == MANIFEST_DIR;
	t->links += row->flags == MANIFEST_LINK;
	t->wrong_ids += !row->id_matches;
	t->digests += row->file.has_digest;
	t->nobody += row->file.uid == -2;
	return RC_OK;
}

/* The path of the real Manifest.db, or NULL. */
static const char *real_manifest(char *buf, size_t cap)
{
	const char *const dirs[] = { getenv("NIGHTSTAND_EVIDENCE"),
		"../shared/evidence" };

	for (size_t i = 0; i < 2; i++) {
		if (!dirs[i])
			continue;
		snprintf(buf, cap, "%s/data/mvt-ios14.3/Manifest.db", dirs[i]);
		if (access(buf, R_OK) == 0)
			return buf;
	}
	return NULL;
}

static void copy_to(
    const char *from, const char *to, const char *tail, size_t tail_len)
{
	size_t len = 0;
	char *data = rig_slurp(from, &len);
	FILE *f = fopen(to, "wb");

	assert_non_null(data);
	assert_non_null(f);
	assert_int_equal(fwrite(data, 1, len, f), len);
	assert_int_equal(fwrite(tail, 1, tail_len, f), tail_len);
	assert_int_equal(fclose(f), 0);
	free(data);
}

static void check_real(const char *path)
{
	struct tally t = { 0 };

	assert_int_equal(
	    manifest_each(fileops_posix(), AT_FDCWD, path, tally_row, &t),
	    RC_OK);
	assert_int_equal(t.rows, 3721);
	assert_int_equal(t.files, 1089);
	assert_int_equal(t.dirs, 2618);
	assert_int_equal(t.wrong_ids, 0);
	assert_int_equal(t.nobody, 98);
	assert_true(t.digests > 400);
}

static unsigned count_names(const char *dir)
{
	DIR *d = opendir(dir);
	unsigned n = 0;

	assert_non_null(d);
	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

static void a_real_manifest_is_read_without_a_trace(void **state)
{
	static const char block[] = "\x10\x10\x10\x10\x10\x10\x10\x10"
				    "\x10\x10\x10\x10\x10\x10\x10\x10";
	char dir[] = "/tmp/manifest-XXXXXX";
	char from[512], to[512];

	(void)state;
	if (!real_manifest(from, sizeof(from))) {
		print_message("  no real Manifest.db: set "
			      "NIGHTSTAND_EVIDENCE\n");
		skip();
	}
	assert_non_null(mkdtemp(dir));
	/* A name that means something in a URI. */
	snprintf(to, sizeof(to), "%s/a?b#c%%20.db", dir);
	copy_to(from, to, "", 0);
	check_real(to);
	copy_to(from, to, block, 16);
	check_real(to);
	assert_int_equal(count_names(dir), 3); /* ".", ".." and the file */
	rig_remove(dir);
}

static enum rc no_row(void *arg, const struct manifest_row *row)
{
	(void)arg;
	(void)row;
	return RC_OK;
}

static void what_is_no_database_is_corrupt(void **state)
{
	char path[] = "/tmp/manifest-XXXXXX";
	int fd = mkstemp(path);

	(void)state;
	assert_int_equal(
	    manifest_each(fileops_posix(), AT_FDCWD, path, no_row, NULL),
	    RC_CORRUPT);
	assert_int_equal(write(fd, "not a database at all", 21), 21);
	assert_int_equal(
	    manifest_each(fileops_posix(), AT_FDCWD, path, no_row, NULL),
	    RC_CORRUPT);
	close(fd);
	unlink(path);
}

/* An expression in a table runs for each row, and may run for hours. */
static void a_table_that_computes_is_refused(void **state)
{
	static const char *const tables[] = { "file BLOB", "file AS (1)",
		"file AS (1) STORED", "file BLOB, more AS (flags+1)" };

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		char path[] = "/tmp/manifest-XXXXXX";
		char *sql = sqlite3_mprintf("CREATE TABLE Files(fileID, domain,"
					    " relativePath, flags, %s)",
		    tables[i]);
		sqlite3 *db;
		enum rc rc;

		close(mkstemp(path));
		assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
		assert_int_equal(
		    sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
		sqlite3_free(sql);
		sqlite3_close(db);
		rc = manifest_each(
		    fileops_posix(), AT_FDCWD, path, no_row, NULL);
		assert_int_equal(rc, i == 0 ? RC_OK : RC_CORRUPT);
		unlink(path);
	}
}

static void plists_are_read(void **state)
{
	static const char text[] =
	    "<plist><dict><key>SnapshotState</key><string>moving</string>"
	    "<key>Version</key><integer>3</integer></dict></plist>";
	struct plistread_status st;
	struct plistread_manifest m;

	(void)state;
	assert_int_equal(plistread_status(text, sizeof(text) - 1, &st), RC_OK);
	assert_string_equal(st.snapshot_state, "moving");
	assert_string_equal(st.version, "");
	assert_int_equal(plistread_status("", 0, &st), RC_CORRUPT);
	assert_int_equal(plistread_status("bplist00xx", 10, &st), RC_CORRUPT);
	assert_int_equal(plistread_manifest("junk", 4, &m), RC_CORRUPT);
	assert_int_equal(
	    plistread_status(text, PLISTREAD_STATUS_MAX + 1u, &st), RC_LIMIT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_made_blob_is_read),
		cmocka_unit_test(broken_blobs_do_no_harm),
		cmocka_unit_test(a_real_manifest_is_read_without_a_trace),
		cmocka_unit_test(what_is_no_database_is_corrupt),
		cmocka_unit_test(a_table_that_computes_is_refused),
		cmocka_unit_test(plists_are_read),
	};

	log_set_level(LOG_LEVEL_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
