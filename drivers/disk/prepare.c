#include "prepare.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "log.h"
#include "mounter.h"
#include "note.h"

#define LOG_MODULE "disk"
#define KEPT       "preparing" /* the note of it */
#define EDGE       (1 << 20)
#define MARK_BYTES 4096
#define MARK_TEXT  "nightstand: being prepared "
#define LEN(text)  (sizeof(text) - 1)

/* ext4's superblock: Documentation/filesystems/ext4/super.rst of the kernel */
#define SUPER_AT    1024
#define SUPER_BYTES 64
#define SUPER_MTIME 0x2c
#define SUPER_MNT   0x34
#define SUPER_MAGIC 0x38

/* --- bytes ------------------------------------------------------------------------ */

static enum rc write_at(int fd, const void *data, size_t len, off_t at)
{
	const char *from = data;

	while (len > 0) {
		ssize_t n = pwrite(fd, from, len, at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n ? rc_from_errno(errno) : RC_IO;
		from += n;
		at += n;
		len -= (size_t)n;
	}
	return RC_OK;
}

static enum rc sync_fd(int fd)
{
	return fdatasync(fd) == 0 ? RC_OK : RC_IO;
}

static enum rc close_fd(int fd, enum rc rc)
{
	if (close(fd) != 0 && !rc)
		rc = RC_IO;
	return rc;
}

/* A random UUID as RFC 9562 shapes it. */
static enum rc make_id(char id[PREPARE_ID])
{
	unsigned char r[16];

	if (getrandom(r, sizeof(r), 0) != (ssize_t)sizeof(r))
		return RC_IO;
	r[6] = (r[6] & 0x0f) | 0x40;
	r[8] = (r[8] & 0x3f) | 0x80;
	for (size_t i = 0, at = 0; i < sizeof(r); i++) {
		if (i == 4 || i == 6 || i == 8 || i == 10)
			id[at++] = '-';
		at += (size_t)snprintf(id + at, 3, "%02x", r[i]);
	}
	return RC_OK;
}

static bool is_id(const char *id)
{
	return strlen(id) == PREPARE_ID - 1 &&
	       strspn(id, "0123456789abcdef-") == PREPARE_ID - 1;
}

/* --- what lies on the disk ------------------------------------------------------------ */

/* Where the last MiB begins, in whole blocks of 4 KiB; -1: too small. */
static off_t tail_of(int fd)
{
	off_t end = lseek(fd, 0, SEEK_END);

	if (end < 4 * EDGE)
		return -1;
	return (end - EDGE) & ~(off_t)(MARK_BYTES - 1);
}

static bool read_mark(int fd, char id[PREPARE_ID])
{
	char text[LEN(MARK_TEXT) + PREPARE_ID];
	off_t at = tail_of(fd);

	if (at < 0 ||
	    pread(fd, text, sizeof(text), at) != (ssize_t)sizeof(text) ||
	    memcmp(text, MARK_TEXT, LEN(MARK_TEXT)) != 0)
		return false;
	memcpy(id, text + LEN(MARK_TEXT), PREPARE_ID);
	if (id[PREPARE_ID - 1] != '\n')
		return false;
	id[PREPARE_ID - 1] = '\0';
	return is_id(id);
}

/* Made, and never mounted: nobody can have put anything there. */
static bool is_unused_ext4(int fd)
{
	unsigned char s[SUPER_BYTES];

	if (pread(fd, s, sizeof(s), SUPER_AT) != (ssize_t)sizeof(s))
		return false;
	return s[SUPER_MAGIC] == 0x53 && s[SUPER_MAGIC + 1] == 0xef &&
	       !s[SUPER_MTIME] && !s[SUPER_MTIME + 1] && !s[SUPER_MTIME + 2] &&
	       !s[SUPER_MTIME + 3] && !s[SUPER_MNT] && !s[SUPER_MNT + 1];
}

enum prepare_mark prepare_look(
    const char *path, const struct blockdev_content *c, const char *state)
{
	enum prepare_mark mark = PREPARE_NONE;
	char id[PREPARE_ID], kept[PREPARE_ID];
	int fd;

	if (c->is_ambiguous || c->table[0] ||
	    (c->type[0] && strcmp(c->type, "ext4") != 0))
		return PREPARE_NONE;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return PREPARE_NONE;
	if (read_mark(fd, id) &&
	    (!c->type[0] || (!strcmp(c->uuid, id) && is_unused_ext4(fd))))
		mark = note_read(state, KEPT, kept, sizeof(kept)) &&
			       !strcmp(kept, id)
			   ? PREPARE_OURS
			   : PREPARE_FOREIGN;
	close(fd);
	return mark;
}

/* --- the steps --------------------------------------------------------------------------- */

/* O_EXCL: never one that is mounted. */
static int open_disk(const char *path)
{
	return open(path, O_RDWR | O_EXCL | O_CLOEXEC);
}

/* The mark is on the medium before anything else changes, and a table or a
 * file system that was there goes at once. */
static enum rc put_mark(int fd, off_t tail, const char *id)
{
	static const char zeroes[EDGE];
	off_t end = lseek(fd, 0, SEEK_END);
	char mark[MARK_BYTES] = MARK_TEXT;
	enum rc rc;

	snprintf(mark + LEN(MARK_TEXT), PREPARE_ID + 1, "%s\n", id);
	rc = write_at(fd, mark, sizeof(mark), tail);
	for (off_t at = tail + MARK_BYTES; !rc && at < end; at += EDGE)
		rc = write_at(fd, zeroes,
		    end - at < EDGE ? (size_t)(end - at) : EDGE, at);
	if (!rc)
		rc = sync_fd(fd);
	if (!rc)
		rc = write_at(fd, zeroes, sizeof(zeroes), 0);
	if (!rc)
		rc = sync_fd(fd);
	return rc;
}

enum rc prepare_begin(const char *path, const char *state, char id[PREPARE_ID])
{
	int fd = open_disk(path);
	enum rc rc, kept = RC_OK;
	off_t tail;

	if (fd < 0)
		return rc_from_errno(errno);
	tail = tail_of(fd);
	rc = tail < 0 ? RC_UNSUPPORTED : make_id(id);
	if (!rc)
		kept = note_write(state, KEPT, id);
	/* Its disk could not be told from another: it would ask its owner. */
	if (!rc && kept)
		log_warn("a cut now would leave the disk half prepared: its "
			 "mark can't be kept: %s",
		    rc_words(kept));
	if (!rc)
		rc = put_mark(fd, tail, id);
	return close_fd(fd, rc);
}

enum rc prepare_make(const char *path, const char *label, const char *id)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	off_t tail;

	if (fd < 0)
		return rc_from_errno(errno);
	tail = tail_of(fd);
	close(fd);
	if (tail < 0)
		return RC_UNSUPPORTED;
	return mounter_make_part(path, label, id, (uint64_t)tail / 1024);
}

enum rc prepare_end(const char *path, const char *state)
{
	static const char zeroes[MARK_BYTES];
	int fd = open_disk(path);
	off_t tail;
	enum rc rc;

	if (fd < 0)
		return rc_from_errno(errno);
	tail = tail_of(fd);
	rc = tail < 0 ? RC_UNSUPPORTED
		      : write_at(fd, zeroes, sizeof(zeroes), tail);
	if (!rc)
		rc = sync_fd(fd);
	rc = close_fd(fd, rc);
	if (!rc) /* one that stays fits no disk any more */
		note_remove(state, KEPT);
	return rc;
}

enum rc prepare_disk(const char *path, const char *label, const char *state)
{
	char id[PREPARE_ID];
	enum rc rc = prepare_begin(path, state, id);

	if (!rc)
		rc = prepare_make(path, label, id);
	if (!rc)
		rc = prepare_end(path, state);
	return rc;
}
