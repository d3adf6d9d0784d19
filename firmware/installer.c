#include "installer.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "log.h"

#define LOG_MODULE "update"

enum rc installer_slots(const struct fileops *fs, int dir, struct slots *out)
{
	char text[SLOTS_SIZE];
	int fd = fs->open(fs->ctx, dir, SLOTS_FILE, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return fileops_rc(fd);
	n = fs->pread(fs->ctx, fd, text, sizeof(text), 0);
	fs->close(fs->ctx, fd);
	return n < 0 ? fileops_rc(n) : slots_read(text, (size_t)n, out);
}

enum rc installer_note(const struct fileops *fs, int dir, const struct slots *s)
{
	char text[SLOTS_SIZE];
	int fd = fs->open(fs->ctx, dir, SLOTS_FILE, O_WRONLY | O_CLOEXEC);
	ssize_t n;
	int err;

	if (fd < 0)
		return fileops_rc(fd);
	slots_print(s, text);
	n = fs->pwrite(fs->ctx, fd, text, sizeof(text), 0);
	err = n < 0 ? (int)n : fs->fsync(fs->ctx, fd);
	fs->close(fs->ctx, fd);
	if (n >= 0 && n != (ssize_t)sizeof(text))
		return RC_IO;
	return fileops_rc(err);
}

static enum rc note_none(struct installer *in)
{
	if (in->slots.try == SLOTS_NONE)
		return RC_OK;
	in->slots.try = SLOTS_NONE;
	in->slots.page = false;
	in->slots.build = 0;
	memset(in->slots.version, 0, sizeof(in->slots.version));
	return installer_note(in->fs, in->dir, &in->slots);
}

enum rc installer_begin(struct installer *in)
{
	enum rc rc = installer_slots(in->fs, in->dir, &in->slots);

	in->fd = -1;
	in->written = 0;
	in->pct = 0;
	in->why = NULL;
	in->slot[0] = slots_other(in->slots.boot);
	in->slot[1] = '\0';
	if (rc)
		in->why = "this card has no place for a second version: write "
			  "it anew once";
	return rc ? RC_UNSUPPORTED : RC_OK;
}

enum rc installer_judge(struct installer *in, const struct update_head *head)
{
	if (strcmp(head->board, in->slots.board) != 0) {
		in->why = "it is for another kind of box: get the one for "
			  "this board";
		return RC_UNSUPPORTED;
	}
	if (head->build < in->running && !in->older) {
		in->why = "it is older than what runs, and nobody asked for "
			  "an older one";
		return RC_REFUSED;
	}
	return RC_OK;
}

/* --- the slot ---------------------------------------------------------------- */

static void path_of(const struct installer *in, const char *name, char out[64])
{
	snprintf(out, 64, "%s/%s", in->slot, name);
}

static enum rc remove_one(void *ctx, const char *name)
{
	struct installer *in = ctx;
	char path[64 + 256];
	int err;

	snprintf(path, sizeof(path), "%s/%.255s", in->slot, name);
	err = in->fs->unlink(in->fs->ctx, in->dir, path);
	return err == -ENOENT ? RC_OK : fileops_rc(err);
}

static enum rc empty_slot(struct installer *in)
{
	enum rc rc = fileops_ensure_dir(in->fs, in->dir, in->slot);

	return rc ? rc
		  : fileops_each_name(
			in->fs, in->dir, in->slot, remove_one, in);
}

static enum rc on_begin(void *ctx, const struct update_head *head)
{
	struct installer *in = ctx;
	enum rc rc = installer_judge(in, head);

	in->head = *head;
	if (!rc)
		rc = note_none(in);
	return rc ? rc : empty_slot(in);
}

static enum rc on_open(void *ctx, const struct update_part *part)
{
	struct installer *in = ctx;
	char path[64];

	path_of(in, part->name, path);
	in->fd = in->fs->open(in->fs->ctx, in->dir, path,
	    O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC);
	return in->fd < 0 ? fileops_rc(in->fd) : RC_OK;
}

static enum rc on_write(void *ctx, const void *data, size_t len)
{
	struct installer *in = ctx;
	enum rc rc = fileops_write_all(in->fs, in->fd, data, len);
	unsigned pct;

	in->written += len;
	pct = (unsigned)(in->written * 90 / in->head.bytes);
	if (!rc && pct != in->pct && in->progress)
		in->progress(in->ctx, pct);
	in->pct = pct;
	return rc;
}

static enum rc on_close(void *ctx, const struct update_part *part)
{
	struct installer *in = ctx;
	int err = in->fs->fsync(in->fs->ctx, in->fd);
	int err2 = in->fs->close(in->fs->ctx, in->fd);

	(void)part;
	in->fd = -1;
	return fileops_rc(err ? err : err2);
}

const struct update_sink installer_sink = { NULL, on_begin, on_open, on_write,
	on_close };

/* --- reading it back --------------------------------------------------------- */

static enum rc hash_file(struct installer *in, int fd, struct seal_hash *h)
{
	static uint8_t buf[64 * 1024];
	ssize_t n = 1;
	enum rc rc = seal_hash_begin(h);

	while (!rc && n > 0) {
		n = in->fs->read(in->fs->ctx, fd, buf, sizeof(buf));
		if (n < 0)
			rc = fileops_rc(n);
		else
			rc = seal_hash_add(h, buf, (size_t)n);
	}
	return rc;
}

static enum rc check_part(
    struct installer *in, const struct update_part *p, struct seal_hash *h)
{
	uint8_t got[SEAL_HASH];
	char path[64];
	enum rc rc;
	int fd;

	path_of(in, p->name, path);
	fd = in->fs->open(in->fs->ctx, in->dir, path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return fileops_rc(fd);
	/* From the card, not from memory. */
	if (posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED) != 0)
		log_debug("it may be read from memory path=%s", path);
	rc = hash_file(in, fd, h);
	in->fs->close(in->fs->ctx, fd);
	if (!rc)
		rc = seal_hash_end(h, got);
	if (!rc && memcmp(got, p->sha256, SEAL_HASH) != 0)
		rc = RC_CORRUPT;
	return rc;
}

static enum rc check_slot(struct installer *in)
{
	struct seal_hash *h = seal_hash_new();
	enum rc rc = h ? RC_OK : RC_NOMEM;

	if (!rc)
		rc = fileops_rc(in->fs->syncfs(in->fs->ctx, in->dir));
	for (unsigned i = 0; !rc && i < in->head.n_parts; i++)
		rc = check_part(in, &in->head.parts[i], h);
	seal_hash_free(h);
	if (rc == RC_CORRUPT)
		in->why = "the card does not give back what was written to it: "
			  "it may be wearing out";
	return rc;
}

static enum rc came(struct installer *in, enum rc rc)
{
	if (in->fd >= 0)
		in->fs->close(in->fs->ctx, in->fd);
	in->fd = -1;
	return rc ? rc : check_slot(in);
}

static enum rc note_ready(struct installer *in)
{
	in->slots.try = SLOTS_READY;
	in->slots.page = in->page;
	in->slots.build = in->head.build;
	memcpy(in->slots.version, in->head.version, sizeof(in->head.version));
	return installer_note(in->fs, in->dir, &in->slots);
}

enum rc installer_end(struct installer *in, enum rc rc)
{
	rc = came(in, rc);
	return rc ? rc : note_ready(in);
}

/* --- one that waits ---------------------------------------------------------- */

enum rc installer_leave(
    struct installer *in, const uint8_t raw[UPDATE_HEAD], enum rc rc)
{
	char path[64];
	int fd, err;

	rc = came(in, rc);
	if (rc)
		return rc;
	path_of(in, INSTALLER_HEAD, path);
	fd = in->fs->open(in->fs->ctx, in->dir, path,
	    O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC);
	if (fd < 0)
		return fileops_rc(fd);
	rc = fileops_write_all(in->fs, fd, raw, UPDATE_HEAD);
	err = in->fs->fsync(in->fs->ctx, fd);
	in->fs->close(in->fs->ctx, fd);
	if (!rc)
		rc = fileops_rc(err);
	return rc ? rc : fileops_rc(in->fs->syncfs(in->fs->ctx, in->dir));
}

static enum rc read_head(struct installer *in, const struct update_keys *keys)
{
	static uint8_t raw[UPDATE_HEAD];
	char path[64];
	ssize_t n;
	int fd;

	path_of(in, INSTALLER_HEAD, path);
	fd = in->fs->open(in->fs->ctx, in->dir, path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return fileops_rc(fd);
	n = in->fs->pread(in->fs->ctx, fd, raw, sizeof(raw), 0);
	in->fs->close(in->fs->ctx, fd);
	if (n < 0)
		return fileops_rc(n);
	return n == (ssize_t)sizeof(raw)
		   ? update_head_read(raw, keys, &in->head)
		   : RC_CORRUPT;
}

enum rc installer_take_left(
    struct installer *in, const struct update_keys *keys)
{
	enum rc rc = read_head(in, keys);

	if (!rc)
		rc = installer_judge(in, &in->head);
	if (!rc)
		rc = check_slot(in);
	return rc ? rc : note_ready(in);
}
