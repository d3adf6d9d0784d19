/* What the phone holds, in one text file that a test can compare. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "content_int.h"

#define PIECE (256 * 1024)

struct hashing {
	struct content *c;
	struct cipher_hash *sha;
	uint8_t *buf;
	FILE *out;
};

static int hash_file(struct hashing *h, const struct content_item *it,
    const struct content_row *row, char hex[2 * CIPHER_SHA256 + 1])
{
	struct content_reader *r = content_reader_new(h->c, it, row, NULL);
	uint8_t digest[CIPHER_SHA256];
	long n;

	if (!r)
		return -1;
	while ((n = content_reader_read(r, h->buf, PIECE)) > 0)
		if (cipher_hash_add(h->sha, h->buf, (size_t)n)) {
			n = -1;
			break;
		}
	content_reader_close(r);
	if (n < 0 || cipher_hash_end(h->sha, digest))
		return -1;
	cipher_hex(digest, sizeof(digest), hex);
	return 0;
}

static void put_escaped(FILE *out, const char *s)
{
	for (; *s; s++) {
		unsigned char ch = (unsigned char)*s;

		if (ch < 0x20 || ch == 0x7F)
			fprintf(out, "%%%02X", ch);
		else
			putc(ch, out);
	}
}

static int put_line(struct hashing *h, const struct content_item *it,
    const struct content_row *row)
{
	char hex[2 * CIPHER_SHA256 + 1] = "-";

	if (it->kind == CONTENT_FILE && hash_file(h, it, row, hex))
		return -1;
	fprintf(h->out, "%s %llu %lld %o %s %s ", hex,
	    (unsigned long long)it->size, (long long)it->mtime, it->mode,
	    row->enc_only ? "e" : "-", it->file_id);
	put_escaped(h->out, it->domain);
	putc('-', h->out);
	put_escaped(h->out, it->path);
	return putc('\n', h->out) == EOF ? -1 : 0;
}

static int put_lines(struct hashing *h, sqlite3 *db)
{
	sqlite3_stmt *s;
	struct content_item it;
	struct content_row row;
	int rc = 0, step = SQLITE_DONE;

	if (content_prepare(db,
		"SELECT " CONTENT_COLUMNS CONTENT_FROM "ORDER BY i.file_id",
		&s))
		return -1;
	while (!rc && (step = sqlite3_step(s)) == SQLITE_ROW) {
		content_row_of(s, &it, &row);
		rc = put_line(h, &it, &row);
	}
	if (!rc && step != SQLITE_DONE) {
		content_complain(db, "hashes");
		rc = -1;
	}
	sqlite3_finalize(s);
	return rc;
}

int content_write_hashes(struct content *c, const char *out_path)
{
	struct hashing h = { .c = c };
	sqlite3 *db = content_snapshot(c);
	int rc = -1;

	h.buf = malloc(PIECE);
	h.sha = cipher_hash_new(CIPHER_SHA256);
	h.out = fopen(out_path, "we");
	if (!h.out)
		fprintf(
		    stderr, "phonesim: %s: %s\n", out_path, strerror(errno));
	if (db && h.buf && h.sha && h.out)
		rc = put_lines(&h, db);
	if (h.out && fclose(h.out))
		rc = -1;
	cipher_hash_free(h.sha);
	free(h.buf);
	sqlite3_close(db);
	return rc;
}
