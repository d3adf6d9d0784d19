/*
 * Role `update`: looks at an update file, puts one into the card's other slot,
 * or notes that the one that runs on trial is well. One job, then it ends. It
 * alone of the roles writes to the card's FAT.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "init.h"
#include "installer.h"
#include "log.h"
#include "mounter.h"
#include "msg.h"
#include "role.h"
#include "update_keys.h"

#define LOG_MODULE "update"
#define CARD_DIR   "/card"

struct job {
	int box;
	struct msg said;
};

static enum rc say(struct job *j, enum msg_update_what what)
{
	j->said.type = MSG_UPDATE;
	j->said.u.update.what = (uint8_t)what;
	return msg_send(j->box, &j->said);
}

static void say_head(struct job *j, const struct update_head *h)
{
	struct msg_update *m = &j->said.u.update;

	m->build = h->build;
	m->older = h->build < update_build();
	memcpy(m->version, h->version, sizeof(m->version));
}

static const char *words(enum rc rc)
{
	if (rc == RC_UNTRUSTED)
		return update_keys()->n
			   ? "nobody has signed it whom this box trusts"
			   : "this box was built without a key and takes no "
			     "updates";
	if (rc == RC_PROTO)
		return "it is no update of a box, or not all of it";
	if (rc == RC_CORRUPT)
		return "it was changed after it was signed";
	if (rc == RC_NOSPC)
		return "there is no room on the card";
	return rc == RC_LIMIT ? "it is too large" : rc_words(rc);
}

static int done(struct job *j, enum rc rc, const char *why)
{
	struct msg_update *m = &j->said.u.update;

	m->rc = (uint8_t)rc;
	m->pct = 0;
	if (rc)
		snprintf(m->why, sizeof(m->why), "%s", why ? why : words(rc));
	return say(j, MSG_UPDATE_DONE) != RC_OK;
}

/* A file of a disk, which may hold anything under that name. */
static enum rc open_file(const char *path, int *out)
{
	struct stat st;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	enum rc rc = RC_OK;

	if (fd < 0)
		return rc_from_errno(errno);
	if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) ||
	    st.st_size < UPDATE_HEAD)
		rc = RC_PROTO;
	else if ((uint64_t)st.st_size > UPDATE_HEAD + UPDATE_BYTES_MAX)
		rc = RC_LIMIT;
	if (rc)
		close(fd);
	else
		*out = fd;
	return rc;
}

/* --- look ---------------------------------------------------------------------- */

/* Its head only; the rest is checked when it is installed. */
static int look(struct job *j, const char *board, const char *path)
{
	static uint8_t raw[UPDATE_HEAD];
	static struct update_head head;
	struct installer in = { .running = update_build(), .older = true };
	int fd = -1;
	enum rc rc = open_file(path, &fd);

	if (!rc && pread(fd, raw, sizeof(raw), 0) != (ssize_t)sizeof(raw))
		rc = RC_IO;
	if (!rc)
		rc = update_head_read(raw, update_keys(), &head);
	if (fd >= 0)
		close(fd);
	snprintf(in.slots.board, sizeof(in.slots.board), "%s", board);
	if (!rc) {
		rc = installer_judge(&in, &head);
		say_head(j, &head);
	}
	return done(j, rc, in.why);
}

/* --- install ------------------------------------------------------------------- */

static void on_progress(void *ctx, unsigned pct)
{
	struct job *j = ctx;

	j->said.u.update.pct = (uint8_t)pct;
	if (say(j, MSG_UPDATE_PROGRESS))
		log_debug("the box does not hear how far it is");
}

static enum rc feed_all(int fd, struct installer *in)
{
	struct update_sink sink = installer_sink;
	static struct update_take t;
	static uint8_t buf[64 * 1024];
	enum rc rc, end;
	ssize_t n = 1;

	sink.ctx = in;
	rc = update_take_begin(&t, update_keys(), &sink);
	while (!rc && n > 0) {
		n = read(fd, buf, sizeof(buf));
		rc = n < 0 ? rc_from_errno(errno)
			   : update_take_feed(&t, buf, (size_t)n);
	}
	end = update_take_end(&t);
	return rc ? rc : end;
}

static int install(
    struct job *j, const char *card, const char *path, bool older, bool page)
{
	static struct installer in;
	int fd = -1;
	enum rc rc = open_file(path, &fd);

	in.fs = fileops_posix();
	in.running = update_build();
	in.older = older;
	in.page = page;
	in.progress = on_progress;
	in.ctx = j;
	if (!rc)
		rc = mounter_mount_fat_lazy(card, CARD_DIR);
	if (rc) {
		if (fd >= 0)
			close(fd);
		return done(j, rc, NULL);
	}
	in.dir = open(CARD_DIR, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	rc = in.dir < 0 ? rc_from_errno(errno) : installer_begin(&in);
	if (!rc)
		rc = installer_end(&in, feed_all(fd, &in));
	say_head(j, &in.head);
	close(fd);
	if (in.dir >= 0)
		close(in.dir);
	mounter_leave(CARD_DIR);
	return done(j, rc, in.why);
}

/* --- confirm ------------------------------------------------------------------- */

static enum rc note_good(const struct fileops *fs, int dir, struct job *j)
{
	struct msg_update *m = &j->said.u.update;
	struct slots s;
	enum rc rc = installer_slots(fs, dir, &s);

	if (rc)
		return rc;
	if (s.try != SLOTS_RAN)
		return RC_NOTFOUND;
	memcpy(m->version, s.version, sizeof(m->version));
	m->build = s.build;
	s.boot = slots_other(s.boot);
	s.try = SLOTS_NONE;
	return installer_note(fs, dir, &s);
}

static int confirm(struct job *j, const char *card)
{
	enum rc rc = mounter_mount_fat(card, CARD_DIR, true);
	int dir = -1, fd;

	if (rc)
		return done(j, rc, NULL);
	dir = open(CARD_DIR, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	rc =
	    dir < 0 ? rc_from_errno(errno) : note_good(fileops_posix(), dir, j);
	if (dir >= 0)
		close(dir);
	mounter_leave(CARD_DIR);
	fd = rc ? -1 : open(INIT_GOOD, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	if (fd >= 0)
		close(fd);
	return done(j, rc, NULL);
}

int role_update(int fd, int argc, char **argv)
{
	struct job j = { .box = fd };

	if (argc == 2 && !strcmp(argv[0], "confirm"))
		return confirm(&j, argv[1]);
	if (argc == 3 && !strcmp(argv[0], "look"))
		return look(&j, argv[1], argv[2]);
	if (argc == 5 && !strcmp(argv[0], "install"))
		return install(&j, argv[1], argv[2], !strcmp(argv[3], "older"),
		    !strcmp(argv[4], "page"));
	return 1;
}
