/*
 * Role `disk`: finds the disk that backups go to, checks it, mounts it, and
 * lets go of it when it is pulled. It alone of the roles mounts; it reads
 * nothing of what lies on a disk but its superblock.
 */
#include <linux/capability.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "blockdev.h"
#include "disk.h"
#include "jail.h"
#include "log.h"
#include "mono.h"
#include "mounter.h"
#include "msg.h"
#include "role.h"
#include "uevent.h"

#define LOG_MODULE "disk"

#define SETTLE_MS 400 /* partitions come after their disk */
#define LOOK_MS   5000 /* an event may be lost */
#define MIN_BYTES ((uint64_t)64 * 1024 * 1024)

#define RIGHT(cap) (UINT64_C(1) << (cap))
/* Mounts and device mapper; what a bridge passes on of SMART; device files and
 * folders of whomever they belong to; keys stay out of swap. */
#define RIGHTS                                                                 \
	(RIGHT(CAP_SYS_ADMIN) | RIGHT(CAP_SYS_RAWIO) |                         \
	    RIGHT(CAP_DAC_OVERRIDE) | RIGHT(CAP_MKNOD) | RIGHT(CAP_IPC_LOCK))

#define NEW_LABEL "nightstand"

struct finder {
	int fd, uevents;
	const char *dir; /* where it is to be mounted */
	const char *boot_disk; /* never this one; "" none */
	struct blockdev mounted; /* name "": none is */
	char left[32]; /* disk that was ejected; not again while it is there */
	char left_why[200]; /* what went wrong with it; "" nothing */
	char tried[32]; /* did not do; not again while it is there */
	struct msg_disk refused; /* … and why */
	struct blockdev_list seen; /* at the last look */
	struct msg_disk told;
	bool has_told;
};

/* --- what is there ------------------------------------------------------------------ */

enum rank { /* a better one has a higher number */
	RANK_NO,
	RANK_BLANK, /* nothing at all is on it */
	RANK_OTHER, /* an ext4 or exFAT */
	RANK_OURS /* … that the box has made */
};

struct choice {
	enum rank rank;
	struct blockdev dev;
	struct blockdev_content content;
	struct msg_disk tale; /* of what can't be used */
};

static void tell_of(struct msg_disk *m, enum disk_state state,
    const struct blockdev *d, const struct blockdev_content *c, const char *why)
{
	memset(m, 0, sizeof(*m));
	m->state = (uint8_t)state;
	snprintf(m->fs, sizeof(m->fs), "%.15s", c ? c->type : "");
	snprintf(m->model, sizeof(m->model), "%s", d ? d->model : "");
	snprintf(m->why, sizeof(m->why), "%s", why);
	if (d && state == DISK_UNFIT && !d->is_readonly)
		snprintf(m->name, sizeof(m->name), "%s", d->name);
}

static void refuse(struct choice *best, enum disk_state state,
    const struct blockdev *d, const struct blockdev_content *c, const char *why)
{
	/* A disk that fails is worse news than one of another format. */
	if (best->tale.state == DISK_MISSING || state == DISK_FAILING)
		tell_of(&best->tale, state, d, c, why);
}

static const char *format_words(
    const struct blockdev_content *c, char *out, size_t cap)
{
	static const struct {
		const char *type, *words;
	} known[] = {
		{ "vfat", "FAT, which can't hold a file above 4 GB" },
		{ "ntfs", "NTFS, which this box can't use yet" },
		{ "hfsplus", "HFS+ of a Mac" },
		{ "apfs", "APFS of a Mac" },
		{ "btrfs", "btrfs, which this box can't use yet" },
		{ "xfs", "XFS, which this box can't use yet" },
		{ "crypto_LUKS", "an encrypted disk (LUKS)" },
	};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (!strcmp(known[i].type, c->type)) {
			snprintf(
			    out, cap, "it is formatted as %s", known[i].words);
			return out;
		}
	if (c->type[0])
		snprintf(out, cap, "it is formatted as %s", c->type);
	else if (c->is_ambiguous)
		snprintf(out, cap, "it carries the marks of several formats");
	else
		snprintf(out, cap,
		    "it holds data of a kind that the box does not know");
	return out;
}

/* No table, no file system, no data: only such a disk is prepared unasked. */
static bool is_empty_disk(const struct blockdev *d,
    const struct blockdev_content *c, const char *path)
{
	bool blank = false;

	return !d->is_part && !c->type[0] && !c->table[0] && !c->is_ambiguous &&
	       !d->is_readonly && blockdev_is_blank(path, &blank) == RC_OK &&
	       blank;
}

static void consider(struct choice *best, const struct blockdev *d)
{
	struct blockdev_content c;
	enum rank rank = RANK_NO;
	char path[64], words[160];

	snprintf(path, sizeof(path), "/dev/%s", d->name);
	if (blockdev_look(path, &c)) {
		refuse(best, DISK_FAILING, d, NULL, "It answers with errors.");
		return;
	}
	if (mounter_knows(c.type) && d->bytes >= MIN_BYTES)
		rank = strcmp(c.label, NEW_LABEL) ? RANK_OTHER : RANK_OURS;
	else if (d->bytes < MIN_BYTES)
		refuse(best, DISK_UNFIT, d, &c, "it is too small");
	else if (best->rank < RANK_BLANK && is_empty_disk(d, &c, path))
		rank = RANK_BLANK;
	else
		refuse(best, DISK_UNFIT, d, &c,
		    format_words(&c, words, sizeof(words)));
	if (rank <= best->rank)
		return;
	best->rank = rank;
	best->dev = *d;
	best->content = c;
}

static void choose(const struct finder *f, const struct blockdev_list *list,
    struct choice *best)
{
	memset(best, 0, sizeof(*best));
	tell_of(&best->tale, DISK_MISSING, NULL, NULL, "");
	for (unsigned i = 0; i < list->n; i++) {
		const struct blockdev *d = &list->devs[i];

		if (!d->has_parts && strcmp(d->disk, f->boot_disk) != 0 &&
		    strcmp(d->disk, f->left) != 0 &&
		    strcmp(d->name, f->tried) != 0)
			consider(best, d);
	}
}

/* --- telling ------------------------------------------------------------------------ */

/* False: the box is gone. */
static bool tell(struct finder *f, const struct msg_disk *tale)
{
	struct msg m = { .type = MSG_DISK };

	if (f->has_told && !memcmp(&f->told, tale, sizeof(*tale)))
		return true;
	f->told = *tale;
	f->has_told = true;
	m.u.disk = *tale;
	return msg_send(f->fd, &m) == RC_OK;
}

/* --- taking and leaving --------------------------------------------------------------- */

static enum rc take(struct finder *f, const struct choice *c)
{
	/* A blank one gets an ext4. */
	const char *type = c->rank == RANK_BLANK ? "ext4" : c->content.type;
	char path[64];
	enum rc rc = RC_OK;

	snprintf(path, sizeof(path), "/dev/%s", c->dev.name);
	if (c->dev.is_readonly)
		return RC_READONLY;
	if (c->rank == RANK_BLANK) {
		log_note("an empty disk is prepared path=%s model=%s", path,
		    c->dev.model);
		rc = mounter_make(path, NEW_LABEL);
	}
	if (!rc)
		rc = mounter_check(path, type);
	if (!rc)
		rc = mounter_mount(path, f->dir, type);
	if (rc)
		mounter_leave(f->dir);
	return rc;
}

static void tell_refusal(
    const struct choice *c, enum rc rc, struct msg_disk *out)
{
	if (rc == RC_READONLY)
		tell_of(out, DISK_READONLY, &c->dev, &c->content,
		    "It is write-protected: look for a switch on it.");
	else if (rc == RC_CORRUPT)
		tell_of(out, DISK_READONLY, &c->dev, &c->content,
		    "Its file system is damaged, and what can be mended "
		    "without a choice was not enough. Check it on a computer "
		    "(fsck); until then no backup goes to it.");
	else
		tell_of(out, DISK_FAILING, &c->dev, &c->content,
		    "It could not be checked and mounted.");
}

/* Takes the best one; `out` is what is to be told then. */
static void find(
    struct finder *f, const struct blockdev_list *list, struct msg_disk *out)
{
	static struct choice best;
	int64_t began_ms = mono_ms();
	enum rc rc;

	choose(f, list, &best);
	*out = f->tried[0] ? f->refused : best.tale;
	if (f->left[0] && out->state == DISK_MISSING) {
		tell_of(out, f->left_why[0] ? DISK_FAILING : DISK_EJECTED, NULL,
		    NULL, f->left_why);
		out->let_go = 1;
	}
	if (best.rank == RANK_NO)
		return;
	rc = take(f, &best);
	if (rc) {
		log_error("the disk can't be used path=/dev/%s: %s",
		    best.dev.name, rc_words(rc));
		snprintf(f->tried, sizeof(f->tried), "%s", best.dev.name);
		tell_refusal(&best, rc, &f->refused);
		*out = f->refused;
		return;
	}
	f->mounted = best.dev;
	log_note("the disk is mounted path=/dev/%s model=%s label=%s ms=%lld",
	    best.dev.name, best.dev.model, best.content.label,
	    (long long)(mono_ms() - began_ms));
	tell_of(out, DISK_FIT, &best.dev, &best.content, "");
}

static bool is_in(const struct blockdev_list *list, const char *name)
{
	for (unsigned i = 0; i < list->n; i++)
		if (!strcmp(list->devs[i].name, name))
			return true;
	return false;
}

static bool is_disk_in(const struct blockdev_list *list, const char *disk)
{
	for (unsigned i = 0; i < list->n; i++)
		if (!strcmp(list->devs[i].disk, disk))
			return true;
	return false;
}

/* A disk that sleeps is not woken to see that it is still what it was. */
static bool is_as_before(struct finder *f, const struct blockdev_list *list)
{
	bool same = f->has_told && f->seen.n == list->n;

	for (unsigned i = 0; same && i < list->n; i++)
		same = !strcmp(f->seen.devs[i].name, list->devs[i].name) &&
		       f->seen.devs[i].bytes == list->devs[i].bytes;
	f->seen = *list;
	return same;
}

/* False: the box is gone. */
static bool look(struct finder *f)
{
	static struct blockdev_list list;
	struct msg_disk tale = f->told;
	enum rc rc = blockdev_list("/sys", &list);

	/* When it failed, the next look may do better. */
	if ((rc && rc != RC_LIMIT) || is_as_before(f, &list))
		return true;
	if (f->tried[0] && !is_in(&list, f->tried))
		f->tried[0] = '\0';
	if (f->left[0] && !is_disk_in(&list, f->left))
		f->left[0] = '\0';
	if (f->mounted.name[0] && !is_in(&list, f->mounted.name)) {
		log_note("the disk was pulled path=/dev/%s", f->mounted.name);
		f->mounted.name[0] = '\0';
		mounter_leave(f->dir);
	}
	if (!f->mounted.name[0])
		find(f, &list, &tale);
	else if (!f->has_told)
		tell_of(&tale, DISK_FIT, &f->mounted, NULL, "");
	return tell(f, &tale);
}

/* --- what a person asks for ---------------------------------------------------------- */

static void leave_disk_of(struct finder *f, const char *name)
{
	memcpy(f->left, name, sizeof(f->left));
	for (unsigned i = 0; i < f->seen.n; i++)
		if (!strcmp(f->seen.devs[i].name, name))
			memcpy(f->left, f->seen.devs[i].disk, sizeof(f->left));
}

/* All of the disk, with its other partitions: it is what gets unplugged. */
static void eject(struct finder *f)
{
	char who[32];
	enum rc rc;

	if (!f->mounted.name[0])
		return;
	f->left_why[0] = '\0';
	rc = disk_leave(f->dir, who, sizeof(who));
	if (rc)
		log_warn("the disk is taken away although %s uses it: %s",
		    who[0] ? who : "somebody", rc_words(rc));
	if (rc && rc != RC_BUSY)
		snprintf(f->left_why, sizeof(f->left_why),
		    "Not all could be written (%s): the last backup may not "
		    "be whole.",
		    rc_words(rc));
	mounter_leave(f->dir);
	log_note("the disk is ejected path=/dev/%s", f->mounted.name);
	leave_disk_of(f, f->mounted.name);
	f->mounted.name[0] = '\0';
}

/* Only the very one that was told of last, and can't be used as it is. */
static void prepare(struct finder *f, const char *name)
{
	char path[64];
	enum rc rc;

	if (f->mounted.name[0] || !name[0] || strcmp(name, f->told.name) != 0 ||
	    !is_in(&f->seen, name) || !strcmp(name, f->boot_disk)) {
		log_warn("another disk is there now: nothing is prepared");
		return;
	}
	snprintf(path, sizeof(path), "/dev/%s", name);
	log_note("a disk is prepared, as its owner asked path=%s", path);
	rc = mounter_make(path, NEW_LABEL);
	if (rc)
		log_error(
		    "it can't be prepared path=%s: %s", path, rc_words(rc));
	f->tried[0] = '\0';
}

/* False: the box is gone. */
static bool obey(struct finder *f)
{
	struct msg m;

	if (msg_recv(f->fd, &m) || m.type != MSG_DISK_DO)
		return false;
	switch ((enum msg_disk_what)m.u.disk_do.what) {
	case MSG_DISK_EJECT:
		eject(f);
		break;
	case MSG_DISK_USE:
		f->left[0] = '\0';
		break;
	case MSG_DISK_PREPARE:
		prepare(f, m.u.disk_do.name);
		break;
	case MSG_DISK_WHAT_COUNT_:
		break;
	}
	f->has_told = false; /* look anew, and tell in any case */
	return true;
}

/* --- the loop --------------------------------------------------------------------------- */

/* A crash of this role leaves the disk mounted, and its heir goes on. */
static void take_over(struct finder *f)
{
	char line[512], dev[32], dir[256];
	FILE *mounts = fopen("/proc/mounts", "re");

	while (mounts && fgets(line, sizeof(line), mounts))
		if (sscanf(line, "/dev/%31s %255s", dev, dir) == 2 &&
		    !strcmp(dir, f->dir))
			snprintf(f->mounted.name, sizeof(f->mounted.name), "%s",
			    dev);
	if (mounts)
		fclose(mounts);
}

/* Until no more come for a while. */
static void drain(struct finder *f, bool *any)
{
	struct uevent ev;
	enum rc rc = RC_OK;

	while (rc != RC_BUSY && rc != RC_IO) {
		rc = uevent_next(f->uevents, &ev);
		if (rc == RC_LIMIT || (!rc && !strcmp(ev.subsystem, "block")))
			*any = true;
	}
}

/* False: the box is gone. */
static bool wait_for_change(struct finder *f)
{
	int64_t end_ms = mono_ms() + LOOK_MS;
	bool any = false;

	for (;;) {
		struct pollfd fds[] = {
			{ .fd = f->uevents, .events = POLLIN },
			{ .fd = f->fd, .events = POLLIN },
		};
		int64_t left = end_ms - mono_ms();

		if (left <= 0)
			return true;
		if (poll(fds, 2, (int)left) > 0 && fds[1].revents)
			return obey(f);
		if (!fds[0].revents)
			continue;
		drain(f, &any);
		if (any)
			end_ms = mono_ms() + SETTLE_MS;
	}
}

int role_disk(int fd, int argc, char **argv)
{
	static struct finder f;

	if (argc != 2)
		return 1;
	f.fd = fd;
	f.dir = argv[0];
	f.boot_disk = argv[1];
	if (!jail_keep_rights(RIGHTS))
		log_warn("it keeps more rights than it needs");
	f.uevents = uevent_open();
	if (f.uevents < 0)
		log_warn("the kernel tells of no devices; they are looked for");
	take_over(&f);
	while (look(&f) && wait_for_change(&f)) {
		/* both say when the box is gone */
	}
	return 0;
}
