/*
 * `nightstand password`: switches a phone's encrypted backups on or off, or
 * changes their password. The words come from the terminal without an echo, or
 * from a pipe, a line each; never from the command line, which all may read.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "by_hand.h"
#include "cmd.h"
#include "log.h"
#include "typed.h"
#include "words.h"

#define LOG_MODULE "password"

static int read_new(struct by_hand *b, struct password_change *w)
{
	char again[PASSWORD_CAP];
	int code;

	if (isatty(STDIN_FILENO))
		fprintf(stderr,
		    "Without this password nobody can open the backups that "
		    "follow. Write it down:\nneither this program nor the "
		    "phone will ever show it.\n");
	code = typed_word(b->signals, "The new backup password", w->new_word);
	if (code || !isatty(STDIN_FILENO))
		return code;
	code = typed_word(b->signals, "Once more", again);
	if (!code && strcmp(again, w->new_word) != 0) {
		fprintf(stderr, "nightstand: the two differ\n");
		code = EXIT_USAGE;
	}
	explicit_bzero(again, sizeof(again));
	return code;
}

static int read_words(struct by_hand *b, struct password_change *w)
{
	int code = 0;

	if (b->phone->encrypted)
		code = typed_word(
		    b->signals, "The backup password now", w->old_word);
	if (!code && !b->cli->off)
		code = read_new(b, w);
	return code;
}

/* Asks for the words and hands them to the session; 0, or an exit status. */
static int give_words(struct by_hand *b)
{
	struct msg m = { .type = MSG_PASSWORD };
	int code = read_words(b, &m.u.password);

	/* A session that has ended meanwhile has told why. */
	if (!code && msg_send(b->child.fd, &m))
		log_info("the session did not wait for the words");
	password_wipe(&m.u.password);
	return code;
}

static int tell_done(struct by_hand *b)
{
	char name[128];

	words_phone_name(b->phone, name, sizeof(name));
	terminal_clear(&b->term);
	if (b->did == PASSWORD_NOTHING)
		fprintf(
		    b->term.out, "Backups of %s are not encrypted.\n", name);
	else if (b->did == PASSWORD_OFF)
		fprintf(b->term.out,
		    "Backups of %s are no longer encrypted: the next one is a "
		    "full one, without Health\nand passwords. Older ones keep "
		    "their password.\n",
		    name);
	else
		fprintf(b->term.out,
		    "Backups of %s are encrypted with the new password: the "
		    "next one is a full one.\nOlder ones stay as they are.\n",
		    name);
	return EXIT_DONE;
}

static int conclude(struct by_hand *b)
{
	struct outcome o = outcome_of(&b->result);

	if (b->has_result && !b->result.rc)
		return tell_done(b);
	meter_result(b->phone, &b->result);
	b->phone->state =
	    b->result.unsure ? STATE_PASSWORD_UNSURE : STATE_PASSWORD_UNCHANGED;
	by_hand_complain(b);
	return b->interrupted ? EXIT_INTERRUPTED : (int)o.exit;
}

static int set_password(struct by_hand *b)
{
	static struct msg m;
	struct msg_start start;
	int code = by_hand_find_phone(b);

	if (code)
		return code;
	by_hand_start(b, &start);
	start.job = MSG_JOB_PASSWORD;
	b->phone->sets_password = true;
	code = by_hand_run(b, &start);
	while (!code && b->child.fd >= 0 && !b->has_phone && !b->has_result)
		by_hand_turn(b, &m);
	terminal_clear(&b->term);
	if (!code && b->has_phone && !b->phone->encrypted && b->cli->off)
		code = -1; /* nothing to ask for */
	if (!code && b->has_phone && !b->has_result && !b->interrupted)
		code = give_words(b);
	if (code) {
		child_close(&b->child);
		return code < 0 ? tell_done(b) : code;
	}
	by_hand_follow(b);
	return conclude(b);
}

int cmd_password(const struct cli *cli)
{
	static struct by_hand b;
	int code;

	if (cli->test)
		return password_test(cli);
	code = by_hand_begin(&b, cli);

	if (!code)
		code = set_password(&b);
	by_hand_end(&b);
	return code;
}
