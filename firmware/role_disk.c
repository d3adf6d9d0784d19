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
#include "disk_choice.h"
#include "jail.h"
#include "log.h"
#include "luks.h"
#include "mono.h"
#include "mounter.h"
#include "msg.h"
#include "prepare.h"
#include "role.h"
#include "smart.h"
#include "uevent.h"

#define LOG_MODULE "disk"

#define SETTLE_MS 400 /* partitions come after their disk */
#define LOOK_MS   5000 /* an event may be lost */
#define SMART_MS  ((int64_t)3 * 3600 * 1000)
#define KNOWN_MS  6000 /* so long the one that was used last may take to come */

#define RIGHT(cap) (UINT64_C(1) << (cap))
/* Mounts and device mapper; what a bridge passes on of SMART; device files and
 * folders of whomever they belong to; keys stay out of swap. */
#define RIGHTS                                                                 \
	(RIGHT(CAP_SYS_ADMIN) | RIGHT(CAP_SYS_RAWIO) |                         \
	    RIGHT(CAP_DAC_OVERRIDE) | RIGHT(CAP_MKNOD) | RIGHT(CAP_IPC_LOCK))

struct finder {
	int fd, uevents;
	const char *dir; /* where it is to be mounted */
	struct blockdev mounted; /* name "": none is */
	/* Not again while they are there: `left` was ejected, `tried` did not
	 * do. */
	struct disk_rules rules;
	int64_t began_ms;
	bool keep_word; /* when it has opened the disk */
	int64_t smart_ms; /* when the disk is to be asked how it is */
	char left_why[200]; /* what went wrong with it; "" nothing */
	struct msg_disk refused; /* why `tried` did not do */
	struct blockdev_list seen; /* at the last look */
	struct msg_disk told;
	bool has_told;
	bool
	    came; /* a device, since that look: by its name it may be another */
};

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

static void leave(const struct finder *f)
{
	mounter_leave(f->dir);
	luks_close();
}

/* `type` is that of what is in it. */
static enum rc unlock(const struct finder *f, const struct disk_choice *c,
    const char *path, struct blockdev_content *in)
{
	char word[PASSWORD_CAP];
	enum rc rc = RC_REFUSED;

	if (disk_word(&f->rules, &c->content, word))
		rc = luks_open(path, word);
	explicit_bzero(word, sizeof(word));
	if (!rc)
		rc = blockdev_look(LUKS_OPEN, in);
	if (!rc && !mounter_knows(in->type))
		rc = RC_UNSUPPORTED;
	return rc;
}

static enum rc take(struct finder *f, struct disk_choice *c)
{
	bool is_new = c->rank == DISK_RANK_BLANK || c->rank == DISK_RANK_CUT;
	bool is_locked = !strcmp(c->content.type, LUKS_TYPE);
	const char *type = is_new ? "ext4" : c->content.type;
	struct blockdev_content in;
	char path[64];
	enum rc rc = RC_OK;

	snprintf(path, sizeof(path), "/dev/%s", c->dev.name);
	if (c->dev.is_readonly)
		return RC_READONLY;
	if (is_new) {
		log_note("%s path=%s model=%s",
		    c->rank == DISK_RANK_CUT
			? "a disk whose preparation was cut short is prepared"
			: "an empty disk is prepared",
		    path, c->dev.model);
		rc = prepare_disk(path, DISK_LABEL, f->rules.state);
		if (!rc)
			rc = blockdev_look(path, &c->content);
	}
	if (is_locked) {
		rc = unlock(f, c, path, &in);
		type = in.type;
		snprintf(path, sizeof(path), "%s", LUKS_OPEN);
	}
	if (!rc)
		rc = mounter_check(path, type);
	if (!rc)
		rc = mounter_mount(path, f->dir, type);
	if (rc)
		leave(f);
	return rc;
}

/* Of an encrypted one; false: the others fit. */
static bool tell_locked(
    const struct disk_choice *c, enum rc rc, struct msg_disk *out)
{
	if (strcmp(c->content.type, LUKS_TYPE) != 0)
		return false;
	if (rc == RC_REFUSED)
		disk_tell(out, DISK_LOCKED, &c->dev, &c->content,
		    "That was not its password.");
	else if (rc == RC_NOMEM)
		disk_tell(out, DISK_LOCKED, &c->dev, &c->content,
		    "Its key needs more memory than this box has: on a "
		    "computer, change that with cryptsetup luksConvertKey "
		    "--pbkdf-memory 65536.");
	else if (rc == RC_UNSUPPORTED)
		disk_tell(out, DISK_UNFIT, &c->dev, &c->content,
		    "it is encrypted, and what is in it is no ext4 or exFAT");
	else
		return false;
	return true;
}

static void tell_refusal(
    const struct disk_choice *c, enum rc rc, struct msg_disk *out)
{
	if (tell_locked(c, rc, out))
		return;
	if (rc == RC_READONLY)
		disk_tell(out, DISK_READONLY, &c->dev, &c->content,
		    "It is write-protected: look for a switch on it.");
	else if (rc == RC_CORRUPT)
		disk_tell(out, DISK_READONLY, &c->dev, &c->content,
		    "Its file system is damaged, and what can be mended "
		    "without a choice was not enough. Check it on a computer "
		    "(fsck); until then no backup goes to it.");
	else
		disk_tell(out, DISK_FAILING, &c->dev, &c->content,
		    "It could not be checked and mounted.");
}

/* At the box's start disks come one after the other: the one that was used
 * last is not passed over for being slow. */
static bool is_to_wait(const struct finder *f, const struct disk_choice *best)
{
	return best->rank != DISK_RANK_KNOWN &&
	       mono_ms() < f->began_ms + KNOWN_MS && !f->rules.left[0] &&
	       disk_is_one_known(&f->rules);
}

/* Takes the best one; `out` is what is to be told then. False: it is to be
 * looked for again soon. */
static bool find(
    struct finder *f, const struct blockdev_list *list, struct msg_disk *out)
{
	static struct disk_choice best;
	int64_t began_ms = mono_ms();
	enum rc rc;

	disk_choose(&f->rules, list, &best);
	if (is_to_wait(f, &best))
		return false;
	*out = f->rules.tried[0] ? f->refused : best.tale;
	if (f->rules.left[0] && out->state == DISK_MISSING) {
		disk_tell(out, f->left_why[0] ? DISK_FAILING : DISK_EJECTED,
		    NULL, NULL, f->left_why);
		out->let_go = 1;
	}
	if (best.rank == DISK_RANK_NO)
		return true;
	rc = take(f, &best);
	if (rc) {
		explicit_bzero(f->rules.luks_word, sizeof(f->rules.luks_word));
		f->keep_word = false;
		log_error("the disk can't be used path=/dev/%s: %s",
		    best.dev.name, rc_words(rc));
		memcpy(f->rules.tried, best.dev.name, sizeof(f->rules.tried));
		tell_refusal(&best, rc, &f->refused);
		*out = f->refused;
		return true;
	}
	if (f->keep_word)
		disk_keep_word(&f->rules, f->rules.luks_id, f->rules.luks_word);
	f->keep_word = false;
	f->mounted = best.dev;
	f->smart_ms = mono_ms();
	log_note("the disk is mounted path=/dev/%s model=%s label=%s ms=%lld",
	    best.dev.name, best.dev.model, best.content.label,
	    (long long)(mono_ms() - began_ms));
	disk_remember(&f->rules, &best);
	disk_tell(out, DISK_FIT, &best.dev, &best.content, "");
	return true;
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
	bool same = f->has_told && !f->came && f->seen.n == list->n;

	for (unsigned i = 0; same && i < list->n; i++)
		same = !strcmp(f->seen.devs[i].name, list->devs[i].name) &&
		       f->seen.devs[i].bytes == list->devs[i].bytes;
	f->seen = *list;
	f->came = false;
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
	if (f->rules.tried[0] && !is_in(&list, f->rules.tried))
		f->rules.tried[0] = '\0';
	if (f->rules.left[0] && !is_disk_in(&list, f->rules.left))
		f->rules.left[0] = '\0';
	if (f->mounted.name[0] && !is_in(&list, f->mounted.name)) {
		log_note("the disk was pulled path=/dev/%s", f->mounted.name);
		f->mounted.name[0] = '\0';
		leave(f);
	}
	if (f->mounted.name[0]) {
		if (!f->has_told)
			disk_tell(&tale, DISK_FIT, &f->mounted, NULL, "");
	} else if (!find(f, &list, &tale)) {
		f->came = true;
		return true;
	}
	return tell(f, &tale);
}

/* --- how it is ------------------------------------------------------------------------- */

static void whole_disk_of(
    const struct finder *f, const char *name, char out[32])
{
	snprintf(out, 32, "%s", name);
	for (unsigned i = 0; i < f->seen.n; i++)
		if (!strcmp(f->seen.devs[i].name, name))
			memcpy(out, f->seen.devs[i].disk, 32);
}

/* False: the box is gone. */
static bool ask_smart(struct finder *f)
{
	struct msg m = { .type = MSG_DISK_SMART };
	const struct status_smart *s = &m.u.smart;
	char disk[32], path[64];
	enum rc rc;

	if (!f->mounted.name[0] || !f->has_told || mono_ms() < f->smart_ms)
		return true;
	f->smart_ms = mono_ms() + SMART_MS;
	whole_disk_of(f, f->mounted.name, disk);
	snprintf(path, sizeof(path), "/dev/%s", disk);
	rc = smart_read(path, &m.u.smart);
	if (rc) {
		log_info("SMART says nothing path=%s: %s", path, rc_words(rc));
		return true;
	}
	log_note("SMART path=%s failing=%d celsius=%d hours=%d "
		 "reallocated=%d pending=%d",
	    path, s->failing, (int)s->temperature_c, (int)s->hours,
	    (int)s->reallocated, (int)s->pending);
	return msg_send(f->fd, &m) == RC_OK;
}

/* --- what a person asks for ---------------------------------------------------------- */

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
	leave(f);
	log_note("the disk is ejected path=/dev/%s", f->mounted.name);
	whole_disk_of(f, f->mounted.name, f->rules.left);
	f->mounted.name[0] = '\0';
}

/* Only the very one that was told of last, and can't be used as it is. */
static void prepare(struct finder *f, const char *name)
{
	char path[64];
	enum rc rc;

	if (f->mounted.name[0] || !name[0] || strcmp(name, f->told.name) != 0 ||
	    !is_in(&f->seen, name) || !strcmp(name, f->rules.boot_disk)) {
		log_warn("another disk is there now: nothing is prepared");
		return;
	}
	snprintf(path, sizeof(path), "/dev/%s", name);
	log_note("a disk is prepared, as its owner asked path=%s", path);
	rc = prepare_disk(path, DISK_LABEL, f->rules.state);
	if (rc)
		log_error(
		    "it can't be prepared path=%s: %s", path, rc_words(rc));
	f->rules.tried[0] = '\0';
}

/* Kept when it was asked for; what was kept for another disk goes then. Whether
 * it is the right one is seen when it is tried. */
static void take_word(struct finder *f, const struct msg_disk_do *d)
{
	struct blockdev_content c;
	char path[64];

	snprintf(path, sizeof(path), "/dev/%s", f->told.name);
	if (f->mounted.name[0] || f->told.state != DISK_LOCKED ||
	    blockdev_look(path, &c) || strcmp(c.type, LUKS_TYPE) != 0) {
		log_warn("there is no locked disk any more");
		return;
	}
	memcpy(f->rules.luks_id, c.uuid, sizeof(f->rules.luks_id));
	memcpy(f->rules.luks_word, d->word, sizeof(f->rules.luks_word));
	f->keep_word = d->keep == 1;
	f->rules.tried[0] = '\0';
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
		f->rules.left[0] = '\0';
		break;
	case MSG_DISK_UNLOCK:
		take_word(f, &m.u.disk_do);
		explicit_bzero(&m.u.disk_do, sizeof(m.u.disk_do));
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

	while (mounts && fgets(line, sizeof(line), mounts)) {
		if (sscanf(line, "/dev/%31s %255s", dev, dir) != 2 ||
		    strcmp(dir, f->dir) != 0)
			continue;
		if (!strcmp(dev, &LUKS_OPEN[strlen("/dev/")]))
			luks_is_open(dev, sizeof(dev));
		snprintf(f->mounted.name, sizeof(f->mounted.name), "%s", dev);
	}
	if (mounts)
		fclose(mounts);
}

static void note_change(struct finder *f, const struct uevent *ev)
{
	if (!strcmp(ev->action, "add"))
		f->came = true;
	if (strcmp(ev->action, "remove") != 0)
		return;
	if (!strcmp(ev->name, f->rules.tried))
		f->rules.tried[0] = '\0';
	if (!strcmp(ev->name, f->rules.left))
		f->rules.left[0] = '\0';
}

/* Until no more come for a while. */
static void drain(struct finder *f, bool *any)
{
	struct uevent ev;
	enum rc rc = RC_OK;

	while (rc != RC_BUSY && rc != RC_IO) {
		rc = uevent_next(f->uevents, &ev);
		if (rc == RC_LIMIT)
			f->came = true;
		else if (rc || strcmp(ev.subsystem, "block") != 0)
			continue;
		else
			note_change(f, &ev);
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

	if (argc != 3)
		return 1;
	f.fd = fd;
	f.dir = argv[0];
	f.rules.boot_disk = argv[1];
	f.rules.state = argv[2];
	f.began_ms = mono_ms();
	if (!jail_keep_rights(RIGHTS))
		log_warn("it keeps more rights than it needs");
	f.uevents = uevent_open();
	if (f.uevents < 0)
		log_warn("the kernel tells of no devices; they are looked for");
	take_over(&f);
	while (look(&f) && ask_smart(&f) && wait_for_change(&f)) {
		/* both say when the box is gone */
	}
	return 0;
}
