#include "disk_words.h"

#include <stdio.h>

#include "vault.h"
#include "words.h"

/* 300,000 files lose 2.5 GB there. */
#define WASTEFUL (16u << 10)

struct largest {
	struct vault *vault;
	uint64_t files;
};

static enum rc on_phone(void *arg, const char *udid)
{
	struct largest *l = arg;
	struct vault_phone *p = NULL;
	struct vault_snapshot s;

	if (vault_phone_open(l->vault, udid, true, &p))
		return RC_OK; /* whoever needs it says what is wrong */
	if (!vault_newest_good(p, &s) && s.files > l->files)
		l->files = s.files;
	vault_phone_close(p);
	return RC_OK;
}

uint64_t disk_words_files(const char *dir)
{
	struct largest l = { .files = 0 };
	enum rc rc = vault_open(NULL, dir, false, &l.vault);

	if (!rc)
		rc = vault_each_phone(l.vault, on_phone, &l);
	vault_close(l.vault);
	return rc ? 0 : l.files;
}

void disk_words_piece(uint64_t bytes, char *out, size_t cap)
{
	static const char *const units[] = { "bytes", "KiB", "MiB", "GiB",
		"TiB", "PiB", "EiB" };
	unsigned i = 0;

	while (i < 6 && bytes >= 1024 && bytes % 1024 == 0) {
		bytes /= 1024;
		i++;
	}
	snprintf(out, cap, "%llu %s", (unsigned long long)bytes, units[i]);
}

void disk_words_waste(
    const struct fsprobe *p, uint64_t files, char *out, size_t cap)
{
	char piece[40], lost[40], count[40];
	uint64_t n = files ? files : FSPROBE_TYPICAL_FILES;

	disk_words_piece(p->piece_bytes, piece, sizeof(piece));
	words_bytes(fsprobe_waste(p, n), lost, sizeof(lost));
	words_count(n, count, sizeof(count));
	snprintf(out, cap,
	    "This disk stores files in pieces of %s: about %s of it will be "
	    "lost on %s files%s.",
	    piece, lost, count, files ? "" : ", as a phone has them");
}

bool disk_words_wasteful(const struct fsprobe *p)
{
	return p->piece_bytes >= WASTEFUL;
}
