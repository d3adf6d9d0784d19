#include "manifest.h"

#include <stdio.h>
#include <string.h>

#include "db.h"
#include "sha1.h"

#define LOG_MODULE "manifest"
#include "log.h"

#define ID_TEXT_MAX 8192 /* domain, dash and path; real ones: 300 bytes */

static bool id_matches(const struct manifest_row *row)
{
	char text[ID_TEXT_MAX];
	uint8_t sha[SHA1_LEN];
	static const char hex[] = "0123456789abcdef";
	int n = snprintf(text, sizeof(text), "%s-%s", row->domain, row->path);

	if (n < 0 || (size_t)n >= sizeof(text) || sha1_of(text, (size_t)n, sha))
		return false;
	for (size_t i = 0; i < SHA1_LEN; i++)
		if (row->file_id[2 * i] != hex[sha[i] >> 4] ||
		    row->file_id[2 * i + 1] != hex[sha[i] & 15])
			return false;
	return true;
}

static enum rc read_row(struct db_stmt *s, struct manifest_row *row)
{
	size_t n;
	const void *blob;
	const char *id = db_text(s, 0, &n);

	/* It becomes a file's name: see RC_CORRUPT above. */
	if (n != 40 || strspn(id, "0123456789abcdef") != 40)
		return RC_CORRUPT;
	memcpy(row->file_id, id, 41);
	row->domain = db_text(s, 1, &n);
	row->path = db_text(s, 2, &n);
	row->flags = db_int(s, 3);
	row->id_matches = id_matches(row);
	blob = db_blob(s, 4, &n);
	if (!blob)
		return RC_CORRUPT;
	return mbfile_parse(blob, n, &row->file);
}

enum rc manifest_each(const struct fileops *ops, int dir, const char *path,
    enum rc (*fn)(void *arg, const struct manifest_row *row), void *arg)
{
	struct manifest_row row;
	struct db_stmt *s = NULL;
	struct db *db = NULL;
	bool more;
	enum rc rc = db_open(ops, dir, path, DB_IMMUTABLE, &db);

	if (!rc)
		rc = db_quick_check(db);
	if (!rc)
		rc = db_prepare(db,
		    "SELECT fileID, domain, relativePath, flags, file"
		    " FROM Files",
		    &s);
	while (!rc) {
		rc = db_step(s, &more);
		if (rc || !more)
			break;
		rc = read_row(s, &row);
		if (!rc)
			rc = fn(arg, &row);
	}
	db_finish(s);
	db_close(db);
	return rc;
}
