/* `nightstand backup`: one backup of one phone, for a PC. */
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "by_hand.h"
#include "cmd.h"
#include "disk.h"
#include "disk_words.h"
#include "mono.h"
#include "words.h"

static int fail(struct by_hand *b, enum status_state state, const char *why,
    enum exit_status code)
{
	b->phone->state = state;
	snprintf(b->phone->detail, sizeof(b->phone->detail), "%s", why);
	by_hand_complain(b);
	return (int)code;
}

/* What its format can do, and what it costs: told before the first night. */
static int try_disk(struct by_hand *b)
{
	const char *dir = b->cli->config.vault;
	struct fsprobe p;
	char words[256];
	enum rc rc = fsprobe(dir, 0, &p);

	if (rc == RC_READONLY)
		return fail(b, STATE_DISK_READONLY, p.why, EXIT_DISK_UNFIT);
	if (rc == RC_UNSUPPORTED)
		return fail(b, STATE_DISK_UNFIT, p.why, EXIT_DISK_UNFIT);
	/* A full or failing one ends the session in its own words. */
	if (!rc && disk_words_wasteful(&p) && !disk_words_files(dir)) {
		disk_words_waste(&p, 0, words, sizeof(words));
		fprintf(b->term.out, "%s\n", words);
	}
	return 0;
}

static int check_disk(struct by_hand *b)
{
	const char *dir = b->cli->config.vault;
	struct disk d;

	if (!dir[0]) {
		fprintf(stderr, "nightstand: no disk: say --vault DIR\n");
		return EXIT_USAGE;
	}
	disk_probe(dir, &d);
	switch (d.state) {
	case DISK_FIT:
		return try_disk(b);
	case DISK_MISSING:
		fprintf(stderr,
		    "nightstand: No disk. There is no folder %s; plug the disk "
		    "in or make the folder.\n",
		    dir);
		return EXIT_NO_DISK;
	case DISK_READONLY:
		return fail(b, STATE_DISK_READONLY, d.why, EXIT_DISK_UNFIT);
	case DISK_UNFIT:
		return fail(b, STATE_DISK_UNFIT, d.why, EXIT_DISK_UNFIT);
	case DISK_LOCKED:
	case DISK_EJECTED: /* a box's own states */
	case DISK_HELD:
	case DISK_STATE_COUNT_:
		break;
	case DISK_FAILING:
		return fail(b, STATE_DISK_FAILING, d.why, EXIT_DISK);
	}
	return EXIT_FAULT;
}

/* Safe, and yet something that a person should look at. */
static void tell_loss(struct by_hand *b)
{
	struct words w;

	status_tell_loss(b->phone);
	if (b->phone->state != STATE_SHRUNK)
		return;
	words_phone(&b->st, 0, &w);
	fprintf(stderr, "nightstand: %s. %s\n", w.headline, w.sentence);
}

static int conclude(struct by_hand *b)
{
	struct outcome o = outcome_of(&b->result);
	char where[512];

	meter_result(b->phone, &b->result);
	b->phone->state = o.state;
	if (o.state == STATE_SAFE && b->phone->damaged_files) {
		/* Committed; but older files of it did not come again. */
		b->phone->state = STATE_DAMAGED;
		by_hand_complain(b);
		return EXIT_DAMAGED;
	}
	if (o.state == STATE_SAFE) {
		b->phone->attached = true;
		snprintf(where, sizeof(where), "%s/Nightstand/%s/latest/%s",
		    b->cli->config.vault, b->phone->udid, b->phone->udid);
		b->st.now_at = (int64_t)time(NULL);
		terminal_summary(
		    &b->term, &b->st, where, (mono_ms() - b->began_ms) / 1000);
		tell_loss(b);
		return EXIT_DONE;
	}
	if (b->interrupted) {
		terminal_clear(&b->term);
		fprintf(stderr, "nightstand: Cancelled. Earlier backups are "
				"untouched; the next one goes on from here.\n");
		return EXIT_INTERRUPTED;
	}
	by_hand_complain(b);
	return (int)o.exit;
}

static int back_up(struct by_hand *b)
{
	struct msg_start start;
	int code = check_disk(b);

	if (!code)
		code = by_hand_find_phone(b);
	if (code)
		return code;
	by_hand_start(b, &start);
	code = by_hand_run(b, &start);
	if (code)
		return code;
	by_hand_follow(b);
	return conclude(b);
}

int cmd_backup(const struct cli *cli)
{
	static struct by_hand b;
	int code = by_hand_begin(&b, cli);

	if (!code)
		code = back_up(&b);
	by_hand_end(&b);
	return code;
}
