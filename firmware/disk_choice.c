#include "disk_choice.h"

#include <stdio.h>
#include <string.h>

#include "log.h"
#include "luks.h"
#include "mounter.h"
#include "note.h"
#include "prepare.h"

#define LOG_MODULE "disk"
#define MIN_BYTES  ((uint64_t)64 * 1024 * 1024)
#define TOO_SMALL  "it is too small"
#define KNOWN      "disk" /* the note of the one that was used last */
#define KEY        "disk.key" /* the note of a password: its disk, a space, it */
#define ID_CAP     80

void disk_tell(struct msg_disk *m, enum disk_state state,
    const struct blockdev *d, const struct blockdev_content *c, const char *why)
{
	memset(m, 0, sizeof(*m));
	m->state = (uint8_t)state;
	snprintf(m->fs, sizeof(m->fs), "%.15s", c ? c->type : "");
	snprintf(m->model, sizeof(m->model), "%s", d ? d->model : "");
	snprintf(m->why, sizeof(m->why), "%s", why);
	if (d && (state == DISK_UNFIT || state == DISK_LOCKED) &&
	    !d->is_readonly && strcmp(why, TOO_SMALL) != 0)
		snprintf(m->name, sizeof(m->name), "%s", d->name);
}

static void refuse(struct disk_choice *best, enum disk_state state,
    const struct blockdev *d, const struct blockdev_content *c, const char *why)
{
	/* A disk that fails is worse news than one of another format. */
	if (best->tale.state == DISK_MISSING || state == DISK_FAILING)
		disk_tell(&best->tale, state, d, c, why);
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

/* The file system's id, with its kind: an exFAT's has but 32 bits. */
static void id_of(const struct blockdev_content *c, char out[ID_CAP])
{
	snprintf(out, ID_CAP, "%s %s", c->type, c->uuid);
}

static enum disk_rank rank_of(
    const struct blockdev_content *c, const char *known)
{
	char id[ID_CAP];

	id_of(c, id);
	if (c->uuid[0] && !strcmp(id, known))
		return DISK_RANK_KNOWN;
	return strcmp(c->label, DISK_LABEL) ? DISK_RANK_OTHER : DISK_RANK_OURS;
}

static void consider(const struct disk_rules *r, const char *known,
    struct disk_choice *best, const struct blockdev *d)
{
	struct blockdev_content c;
	enum prepare_mark mark;
	enum disk_rank rank = DISK_RANK_NO;
	char path[64], words[160], word[PASSWORD_CAP];

	snprintf(path, sizeof(path), "/dev/%s", d->name);
	if (blockdev_look(path, &c)) {
		refuse(best, DISK_FAILING, d, NULL, "It answers with errors.");
		return;
	}
	mark = prepare_look(path, &c, r->state);
	if (d->bytes < MIN_BYTES)
		refuse(best, DISK_UNFIT, d, &c, TOO_SMALL);
	else if (mark == PREPARE_OURS)
		rank = DISK_RANK_CUT;
	else if (mark == PREPARE_FOREIGN)
		refuse(best, DISK_UNFIT, d, &c,
		    "the power went while it was being prepared");
	else if (mounter_knows(c.type))
		rank = rank_of(&c, known);
	else if (!strcmp(c.type, LUKS_TYPE) && disk_word(r, &c, word))
		rank = rank_of(&c, known);
	else if (!strcmp(c.type, LUKS_TYPE))
		refuse(best, DISK_LOCKED, d, &c, "");
	else if (best->rank < DISK_RANK_BLANK && is_empty_disk(d, &c, path))
		rank = DISK_RANK_BLANK;
	else
		refuse(best, DISK_UNFIT, d, &c,
		    format_words(&c, words, sizeof(words)));
	explicit_bzero(word, sizeof(word));
	if (rank <= best->rank)
		return;
	best->rank = rank;
	best->dev = *d;
	best->content = c;
}

void disk_choose(const struct disk_rules *r, const struct blockdev_list *list,
    struct disk_choice *best)
{
	char known[ID_CAP];

	note_read(r->state, KNOWN, known, sizeof(known));
	memset(best, 0, sizeof(*best));
	disk_tell(&best->tale, DISK_MISSING, NULL, NULL, "");
	for (unsigned i = 0; i < list->n; i++) {
		const struct blockdev *d = &list->devs[i];

		if (!d->has_parts && strcmp(d->disk, r->boot_disk) != 0 &&
		    strcmp(d->disk, r->left) != 0 &&
		    strcmp(d->name, r->tried) != 0)
			consider(r, known, best, d);
	}
}

/* --- encrypted ones ------------------------------------------------------------------- */

bool disk_word(const struct disk_rules *r, const struct blockdev_content *c,
    char word[PASSWORD_CAP])
{
	char kept[ID_CAP + PASSWORD_CAP];
	size_t len = strlen(c->uuid);
	bool found = false;

	word[0] = '\0';
	if (!len)
		return false;
	if (r->luks_word[0] && !strcmp(r->luks_id, c->uuid)) {
		memcpy(word, r->luks_word, PASSWORD_CAP);
		return true;
	}
	if (note_read(r->state, KEY, kept, sizeof(kept)) &&
	    !strncmp(kept, c->uuid, len) && kept[len] == ' ' &&
	    strlen(kept + len + 1) < PASSWORD_CAP) {
		snprintf(word, PASSWORD_CAP, "%s", kept + len + 1);
		found = word[0] != '\0';
	}
	explicit_bzero(kept, sizeof(kept));
	return found;
}

void disk_keep_word(
    const struct disk_rules *r, const char *id, const char *word)
{
	char text[ID_CAP + PASSWORD_CAP];
	enum rc rc;

	if (!word[0]) {
		note_remove(r->state, KEY);
		return;
	}
	snprintf(text, sizeof(text), "%s %s", id, word);
	rc = note_write(r->state, KEY, text);
	explicit_bzero(text, sizeof(text));
	if (rc)
		log_warn("the disk's password can't be kept: %s", rc_words(rc));
}

/* --- the one that was used last ------------------------------------------------------- */

bool disk_is_one_known(const struct disk_rules *r)
{
	char known[ID_CAP];

	return note_read(r->state, KNOWN, known, sizeof(known));
}

void disk_remember(const struct disk_rules *r, const struct disk_choice *c)
{
	char id[ID_CAP], known[ID_CAP];
	enum rc rc;

	if (!c->content.uuid[0])
		return;
	id_of(&c->content, id);
	note_read(r->state, KNOWN, known, sizeof(known));
	if (!strcmp(id, known))
		return;
	rc = note_write(r->state, KNOWN, id);
	if (rc)
		log_warn(
		    "which disk was used is not remembered: %s", rc_words(rc));
	else
		log_note("the disk is remembered id=%s", id);
}
