/* Of all disks that are there, the one that backups go to: role_disk.c mounts
 * it. Reads superblocks, and writes nothing. */
#ifndef DISK_CHOICE_H
#define DISK_CHOICE_H

#include "blockdev.h"
#include "disk.h"
#include "msg.h"
#include "password.h"

enum disk_rank { /* a better one has a higher number */
	DISK_RANK_NO,
	DISK_RANK_BLANK, /* nothing at all is on it */
	DISK_RANK_CUT, /* the power went while the box prepared it */
	DISK_RANK_OTHER, /* an ext4 or exFAT */
	DISK_RANK_OURS, /* … that a box has made */
	DISK_RANK_KNOWN /* the one that was used last, by its id */
};

struct disk_rules {
	const char *boot_disk; /* never this one; "" none */
	const char *state; /* the box's own folder; "" none */
	char left[32]; /* nor this disk; "" none */
	char tried[32]; /* nor this device, "" none */
	/* Of the encrypted disk with that id; "" not known */
	char luks_id[48], luks_word[PASSWORD_CAP];
};

struct disk_choice {
	enum disk_rank rank;
	struct blockdev dev;
	struct blockdev_content content;
	struct msg_disk tale; /* of what can't be used */
};

/* RANK_NO: there is none, `tale` says why. Seconds when a disk may be blank. */
void disk_choose(const struct disk_rules *r, const struct blockdev_list *list,
    struct disk_choice *best);

/* This one is used from here on: the next time it goes before others. */
void disk_remember(const struct disk_rules *r, const struct disk_choice *c);

/* Is there one to be looked for? */
bool disk_is_one_known(const struct disk_rules *r);

/* The password of an encrypted disk, as it was given or kept; false: it has to
 * be asked for. `word` is to be wiped. */
bool disk_word(const struct disk_rules *r, const struct blockdev_content *c,
    char word[PASSWORD_CAP]);

/* Keeps it on the card, or no longer (""). */
void disk_keep_word(
    const struct disk_rules *r, const char *id, const char *word);

void disk_tell(struct msg_disk *m, enum disk_state state,
    const struct blockdev *d, const struct blockdev_content *c,
    const char *why);

/* The file system that the box makes */
#define DISK_LABEL "nightstand"

#endif
