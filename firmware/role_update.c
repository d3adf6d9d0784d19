/*
 * Role `update`: looks at an update file, puts one into the card's other slot,
 * from the disk or as it is sent through the page, or notes that the one that
 * runs on trial is well. One job, then it ends. It alone of the roles writes to
 * the card's FAT.
 *
 * Two processes: one of root opens the disk's file, mounts the card and unmounts
 * it at the end, with the few rights that this takes, and reads nothing. Its
 * child does the work in a jail: as another user, with the card's folder and
 * what is open already.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "init.h"
#include "installer.h"
#include "jail.h"
#include "log.h"
#include "mounter.h"
#include "msg.h"
#include "role.h"
#include "update_keys.h"

#define LOG_MODULE "update"
#define CARD_DIR   "/card"
#define USER       "nightstand-update"

/* Mounting; opening a file of the disk, whoever it belongs to; the child's other
 * user. */
#define RIGHTS                                                                 \
	(1u << CAP_SYS_ADMIN | 1u << CAP_DAC_OVERRIDE | 1u << CAP_SETUID |     \
	    1u << CAP_SETGID)

_Static_assert(WEB_UPLOAD_MAX == UPDATE_HEAD + UPDATE_BYTES_MAX,
    "what the page takes is what can be installed");

struct job {
	int box;
	int file; /* of the disk; -1 none */
	int dir; /* the card */
	const char *card; /* where that is */
	bool older, page; /* as in struct installer */
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

/* What it is, and what helps. */
static const char *words(enum rc rc)
{
	if (rc == RC_UNTRUSTED)
		return update_keys()->n
			   ? "nobody has signed it whom this box trusts: get it "
			     "where this box's version is from"
			   : "this box was built without a key and takes no "
			     "updates";
	if (rc == RC_PROTO)
		return "it is no update of a box, or not all of it: get the "
		       "file again";
	if (rc == RC_CORRUPT)
		return "it was changed after it was signed, or damaged on its "
		       "way: get the file again";
	if (rc == RC_NOSPC)
		return "there is no room on the card: write the card anew "
		       "once, with the new version";
	return rc == RC_LIMIT ? "it is too large: an update has 48 MiB at most"
			      : rc_words(rc);
}

static int done(struct job *j, enum rc rc, const char *why)
{
	struct msg_update *m = &j->said.u.update;

	m->rc = (uint8_t)rc;
	m->pct = 0;
	if (rc)
		snprintf(m->why, sizeof(m->why), "%s", why ? why : words(rc));
	return say(j, MSG_UPDATE_DONE) != RC_OK || rc != RC_OK;
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

/* Behind it nothing is opened but below `card`; "" nothing at all. */
static void lock_in(const char *card)
{
	const struct jail_path path = {
		.path = card, .may_write = true, .may_make = true
	};
	const struct jail_opts opts = {
		.user = USER,
		.paths = &path,
		.n_paths = card[0] ? 1 : 0,
		.has_files = true,
	};
	struct seal_hash *h = seal_hash_new();
	struct jail jail;

	seal_hash_free(h); /* libcrypto has read its files now */
	jail_enter_with(&opts, &jail);
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

	lock_in("");
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

/* --- with the card ------------------------------------------------------------- */

/* A folder stands for it where there is none. */
static bool is_folder(const char *card)
{
	struct stat st;

	return stat(card, &st) == 0 && S_ISDIR(st.st_mode);
}

static enum rc open_card(struct job *j, const char *card, bool *mounted)
{
	static const char *const slots[] = { "a", "b" };
	enum rc rc = RC_OK;

	*mounted = !is_folder(card);
	j->card = *mounted ? CARD_DIR : card;
	if (*mounted)
		mounter_leave(CARD_DIR); /* one that was killed has left it */
	if (*mounted)
		rc = mounter_mount_fat_lazy(card, CARD_DIR, jail_uid(USER));
	*mounted = *mounted && !rc;
	if (rc)
		return rc;
	j->dir = open(j->card, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (j->dir < 0)
		return rc_from_errno(errno);
	/* In the jail no folder can be made. */
	for (unsigned i = 0; i < 2; i++)
		if (mkdirat(j->dir, slots[i], 0755) != 0 && errno != EEXIST)
			log_warn("no folder for a slot name=%s: %s", slots[i],
			    strerror(errno));
	return RC_OK;
}

/* Its exit status. */
static int run_jailed(struct job *j, int (*work)(struct job *j))
{
	pid_t parent = getpid(), pid = fork();
	int status = 1;

	if (pid < 0)
		return done(j, rc_from_errno(errno), NULL);
	if (pid == 0) {
		if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 ||
		    getppid() != parent)
			_exit(1);
		lock_in(j->card);
		_exit(work(j));
	}
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
		/* asked again */
	}
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

static int with_card(
    struct job *j, const char *card, int (*work)(struct job *j))
{
	bool mounted;
	enum rc rc = open_card(j, card, &mounted);
	int status = rc ? done(j, rc, NULL) : run_jailed(j, work);

	if (j->file >= 0)
		close(j->file);
	if (j->dir >= 0)
		close(j->dir);
	if (mounted)
		mounter_leave(CARD_DIR);
	return status;
}

static void begin_installer(struct job *j, struct installer *in)
{
	in->fs = fileops_posix();
	in->dir = j->dir;
	in->running = update_build();
	in->older = j->older;
	in->page = j->page;
	in->ctx = j;
}

/* --- install: from the disk ------------------------------------------------------ */

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

static int install(struct job *j)
{
	static struct installer in;
	enum rc rc;

	begin_installer(j, &in);
	in.progress = on_progress;
	rc = installer_begin(&in);
	if (!rc)
		rc = installer_end(&in, feed_all(j->file, &in));
	say_head(j, &in.head);
	return done(j, rc, in.why);
}

/* --- receive: as it is sent; install what was left ------------------------------- */

static void on_received(void *ctx, unsigned pct)
{
	((struct job *)ctx)->said.u.update.pct = (uint8_t)pct;
}

/* RC_GONE: it was cut off. */
static enum rc receive_all(struct job *j, struct update_take *t)
{
	static struct msg m;
	enum rc rc = say(j, MSG_UPDATE_PROGRESS); /* it may come */

	while (!rc) {
		rc = msg_recv(j->box, &m);
		if (!rc && m.type != MSG_UPLOAD)
			rc = RC_BUG;
		if (rc || m.u.upload.what == WEB_UPLOAD_END)
			break;
		if (m.u.upload.what == WEB_UPLOAD_DROP)
			return RC_GONE;
		rc = update_take_feed(t, m.u.upload.data, m.u.upload.len);
		j->said.u.update.taken += m.u.upload.len;
		if (!rc)
			rc = say(j, MSG_UPDATE_PROGRESS);
	}
	return rc;
}

/* A word that is followed by the end of a socket with pieces that nobody has
 * read may be lost: they are, until the box has closed its end. */
static int done_receiving(struct job *j, enum rc rc, const char *why)
{
	static struct msg m;
	int status = done(j, rc, why);

	while (msg_recv(j->box, &m) == RC_OK) {
		/* thrown away */
	}
	return status;
}

/* An older one may come: whether it is to run is asked when it is here. */
static int receive(struct job *j)
{
	struct update_sink sink = installer_sink;
	static struct update_take t;
	static struct installer in;
	enum rc rc, end;

	begin_installer(j, &in);
	in.progress = on_received;
	rc = installer_begin(&in);
	if (rc)
		return done_receiving(j, rc, in.why);
	sink.ctx = &in;
	rc = update_take_begin(&t, update_keys(), &sink);
	if (!rc)
		rc = receive_all(j, &t);
	end = update_take_end(&t);
	rc = installer_leave(&in, t.raw, rc ? rc : end);
	if (rc == RC_GONE)
		return 1; /* nobody hears it */
	say_head(j, &in.head);
	return done_receiving(j, rc, in.why);
}

static int install_left(struct job *j)
{
	static struct installer in;
	enum rc rc;

	begin_installer(j, &in);
	rc = installer_begin(&in);
	if (!rc)
		rc = installer_take_left(&in, update_keys());
	say_head(j, &in.head);
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

static int confirm(struct job *j)
{
	return done(j, note_good(fileops_posix(), j->dir, j), NULL);
}

/* PID 1 hears of it by a file. */
static int confirm_all(struct job *j, const char *card)
{
	int status = with_card(j, card, confirm);
	int fd =
	    status ? -1 : open(INIT_GOOD, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	if (fd >= 0)
		close(fd);
	return status;
}

static int install_file(struct job *j, const char *card, const char *path)
{
	enum rc rc = open_file(path, &j->file);

	return rc ? done(j, rc, NULL) : with_card(j, card, install);
}

int role_update(int fd, int argc, char **argv)
{
	struct job j = { .box = fd, .file = -1, .dir = -1 };
	const char *what = argc ? argv[0] : "";

	if (geteuid() == 0 && !jail_keep_rights(RIGHTS))
		log_warn("more of root's rights stay than it needs");
	if (argc == 2 && !strcmp(what, "confirm"))
		return confirm_all(&j, argv[1]);
	if (argc == 3 && !strcmp(what, "look"))
		return look(&j, argv[1], argv[2]);
	if (argc == 2 && !strcmp(what, "receive")) {
		j.older = true;
		return with_card(&j, argv[1], receive);
	}
	if (argc < 4)
		return 1;
	j.older = !strcmp(argv[2], "older");
	j.page = !strcmp(argv[3], "page");
	if (argc == 5 && !strcmp(what, "install"))
		return install_file(&j, argv[1], argv[4]);
	if (argc == 4 && !strcmp(what, "take"))
		return with_card(&j, argv[1], install_left);
	return 1;
}
