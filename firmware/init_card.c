#include "init.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "blockdev.h"
#include "board.h"
#include "log.h"
#include "mounter.h"
#include "pin.h"

#define LOG_MODULE   "init"
#define CARD_DIR     "/card"
#define SETTINGS     CARD_DIR "/SETTINGS.txt"
#define SETTINGS_MAX (64 * 1024)

/* The builder leaves it before the first partition: the box is to make its own
 * (card.py). */
static const char mark[] = "nightstand: make the data partition\n";
#define MARK_AT 4096 /* bytes from the card's begin */

static bool dev_path(char *out, size_t cap, const char *name)
{
	return snprintf(out, cap, "/dev/%s", name) < (int)cap;
}

/* A disk that somebody plugs in may carry any label: only a card, or a disk
 * that is built in, can be the one that the box has started from. */
static bool is_card(const struct blockdev *d, char path[64])
{
	struct blockdev_content content;

	if (!d->is_part || d->is_usb || !dev_path(path, 64, d->name))
		return false;
	return blockdev_look(path, &content) == RC_OK &&
	       !strcmp(content.type, "vfat") &&
	       !strcmp(content.label, board.card_label);
}

bool init_card_find(struct init_card *out)
{
	static struct blockdev_list list;
	enum rc rc = blockdev_list("/sys", &list);

	memset(out, 0, sizeof(*out));
	if (rc && rc != RC_LIMIT)
		return false;
	for (unsigned i = 0; i < list.n; i++)
		if (is_card(&list.devs[i], out->fat)) {
			memcpy(out->disk, list.devs[i].disk, sizeof(out->disk));
			return true;
		}
	return false;
}

/* --- SETTINGS.txt ---------------------------------------------------------------- */

static FILE *copy_settings(FILE *notices)
{
	static char text[SETTINGS_MAX];
	FILE *in = fopen(SETTINGS, "re");
	FILE *out;
	size_t n;

	if (!in) {
		if (errno != ENOENT)
			fprintf(notices, "SETTINGS.txt can't be read: %s\n",
			    strerror(errno));
		return NULL;
	}
	n = fread(text, 1, sizeof(text), in);
	if (ferror(in) || n == sizeof(text)) {
		fprintf(notices, "SETTINGS.txt can't be read, or is larger "
				 "than 64 KB\n");
		n = 0;
	}
	fclose(in);
	out = n ? tmpfile() : NULL;
	if (out && (fwrite(text, 1, n, out) != n || fflush(out) != 0)) {
		fclose(out);
		return NULL;
	}
	if (out)
		rewind(out);
	return out;
}

FILE *init_card_settings(const struct init_card *card, FILE *notices)
{
	FILE *out;
	enum rc rc = mounter_mount_fat(card->fat, CARD_DIR, false);

	if (rc) {
		fprintf(notices, "The card can't be read: %s\n", rc_words(rc));
		return NULL;
	}
	out = copy_settings(notices);
	mounter_leave(CARD_DIR);
	return out;
}

/* --- PIN.txt ----------------------------------------------------------------------- */

/* What is to stand on the card; "" when it does already. */
static void look_for_pin(const char *dir, char pin[PIN_MAX])
{
	char on_card[PIN_MAX], here[PIN_MAX];
	enum rc rc = pin_read(CARD_DIR, on_card);

	if (rc && access(CARD_DIR "/" PIN_FILE, F_OK) != 0)
		pin_forget(dir);
	if (pin_load(dir, here))
		here[0] = '\0';
	if (!rc && !strcmp(on_card, here))
		here[0] = '\0';
	memcpy(pin, here, PIN_MAX);
}

void init_card_pin(const struct init_card *card, const char *dir, FILE *notices)
{
	char pin[PIN_MAX] = "";
	enum rc rc = mounter_mount_fat(card->fat, CARD_DIR, false);

	if (!rc) {
		look_for_pin(dir, pin);
		mounter_leave(CARD_DIR);
	}
	if (rc || !pin[0])
		return;
	rc = mounter_mount_fat(card->fat, CARD_DIR, true);
	if (!rc) {
		rc = pin_store(CARD_DIR, pin);
		mounter_leave(CARD_DIR);
	}
	if (rc)
		fprintf(notices, "The PIN can't be written to the card: %s\n",
		    rc_words(rc));
}

/* --- the box's own partition ------------------------------------------------------- */

static bool has_mark(const struct init_card *card)
{
	char text[sizeof(mark)] = "", path[64];
	ssize_t n;
	int fd;

	if (!dev_path(path, sizeof(path), card->disk))
		return false;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	n = pread(fd, text, sizeof(mark) - 1, MARK_AT);
	close(fd);
	return n == (ssize_t)sizeof(mark) - 1 && !strcmp(text, mark);
}

/* Before anything is kept there: else the next start would make it anew. */
static enum rc clear_mark(const struct init_card *card)
{
	static const char nothing[sizeof(mark)];
	char path[64];
	int fd = -1;
	bool ok;

	if (dev_path(path, sizeof(path), card->disk))
		fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return RC_IO;
	ok = pwrite(fd, nothing, sizeof(mark), MARK_AT) ==
		 (ssize_t)sizeof(mark) &&
	     fsync(fd) == 0;
	return close(fd) == 0 && ok ? RC_OK : RC_IO;
}

/* The box's own one, or one that the image has marked, or one that nothing is
 * known of any more: the card holds no other. */
static bool is_data(
    const struct init_card *card, const char *path, bool *is_new)
{
	struct blockdev_content content;

	*is_new = has_mark(card);
	if (*is_new)
		return true;
	if (blockdev_look(path, &content))
		return false;
	return !content.type[0] || !strcmp(content.label, board.data_label);
}

static bool find_data(
    const struct init_card *card, char *path, size_t cap, bool *is_new)
{
	static struct blockdev_list list;
	enum rc rc = blockdev_list("/sys", &list);

	for (unsigned i = 0; (!rc || rc == RC_LIMIT) && i < list.n; i++) {
		const struct blockdev *d = &list.devs[i];

		if (d->is_part && !strcmp(d->disk, card->disk) &&
		    dev_path(path, cap, d->name) && strcmp(path, card->fat) &&
		    is_data(card, path, is_new))
			return true;
	}
	return false;
}

static enum rc prepare(
    const struct init_card *card, const char *path, bool is_new, FILE *notices)
{
	enum rc rc;

	if (is_new) {
		log_note(
		    "first start: making the data partition path=%s", path);
		rc = mounter_make(path, board.data_label);
		if (!rc)
			rc = clear_mark(card);
		if (rc)
			return rc;
	}
	rc = mounter_check(path, "ext4");
	if (rc != RC_CORRUPT)
		return rc;
	rc = mounter_mend(path);
	if (!rc) {
		fprintf(notices,
		    "The card's data partition was damaged and is mended; the "
		    "card may be wearing out\n");
		return RC_OK;
	}
	/* Nothing can be read of it any more; or the power went while it was
	 * being made, and nothing was there yet. */
	rc = mounter_make(path, board.data_label);
	if (!rc)
		fprintf(notices,
		    "The card's data partition was damaged beyond mending and "
		    "is made anew: the PIN is another one, phones ask for "
		    "trust again, the backups are untouched\n");
	return rc;
}

void init_card_data(
    const struct init_card *card, const char *dir, FILE *notices)
{
	bool is_new = false;
	char path[64];
	enum rc rc = RC_NOTFOUND;

	if (card->disk[0] && find_data(card, path, sizeof(path), &is_new)) {
		rc = prepare(card, path, is_new, notices);
		if (!rc)
			rc = mounter_mount(path, dir, "ext4");
	}
	if (!rc) {
		log_note("settings and ledger are kept path=%s", path);
		return;
	}
	fprintf(notices,
	    "The card's data partition can't be used (%s): the ledger of "
	    "nights, the PIN and the phones' trust last until the box is "
	    "switched off. Write the card anew\n",
	    rc_words(rc));
	if ((mkdir(dir, 0755) != 0 && errno != EEXIST) ||
	    mount("data", dir, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC,
		"mode=0755,size=16m") != 0)
		log_error("no folder for the box's own: %s", strerror(errno));
}
