/*
 * `nightstand password`: switches a phone's encrypted backups on or off, or
 * changes their password. The words come from the terminal without an echo, or
 * from a pipe, a line each; never from the command line, which all may read.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "by_hand.h"
#include "cmd.h"
#include "log.h"
#include "words.h"

#define LOG_MODULE "password"

enum typed {
	TYPED_OK,
	TYPED_END, /* of the input, or its error */
	TYPED_LONG,
	TYPED_INTERRUPTED
};

/* False: Ctrl-C. */
static bool wait_input(struct by_hand *b)
{
	struct pollfd fds[2] = { { .fd = STDIN_FILENO, .events = POLLIN },
		{ .fd = b->signals, .events = POLLIN } };

	while (poll(fds, 2, -1) < 0 && errno == EINTR) {
		/* asked again */
	}
	return !fds[1].revents;
}

/* Byte by byte: no buffer of stdio keeps what is after the line, or the line
 * itself. */
static enum typed read_line(struct by_hand *b, char out[PASSWORD_CAP])
{
	enum typed got = TYPED_OK;
	size_t n = 0;
	char c = '\0';

	for (;;) {
		if (!wait_input(b))
			return TYPED_INTERRUPTED;
		if (read(STDIN_FILENO, &c, 1) != 1)
			return n ? got : TYPED_END;
		if (c == '\n')
			return got;
		if (n + 1 < PASSWORD_CAP)
			out[n++] = c;
		else
			got = TYPED_LONG;
		out[n] = '\0';
	}
}

/* One word; 0, or an exit status after a complaint. */
static int read_word(
    struct by_hand *b, const char *prompt, char out[PASSWORD_CAP])
{
	struct termios before, quiet;
	bool is_tty = tcgetattr(STDIN_FILENO, &before) == 0;
	enum typed got;

	memset(out, 0, PASSWORD_CAP);
	if (is_tty) {
		quiet = before;
		quiet.c_lflag &= ~(tcflag_t)(ECHO | ECHOE | ECHOK | ECHONL);
		if (tcsetattr(STDIN_FILENO, TCSAFLUSH, &quiet) != 0) {
			fprintf(stderr, "nightstand: the terminal can't hide "
					"what is typed\n");
			return EXIT_FAULT;
		}
		fprintf(stderr, "%s: ", prompt);
	}
	got = read_line(b, out);
	if (is_tty) {
		tcsetattr(STDIN_FILENO, TCSAFLUSH, &before);
		fprintf(stderr, "\n");
	}
	if (got == TYPED_INTERRUPTED)
		return EXIT_INTERRUPTED;
	if (got == TYPED_OK && out[0] && password_is_fit(out))
		return 0;
	if (got == TYPED_LONG)
		fprintf(stderr, "nightstand: a password has at most %d bytes\n",
		    PASSWORD_CAP - 1);
	else if (out[0])
		fprintf(stderr, "nightstand: a password is UTF-8 without "
				"control characters\n");
	else
		fprintf(stderr, "nightstand: no password was given\n");
	return EXIT_USAGE;
}

static int read_new(struct by_hand *b, struct password_change *w)
{
	char again[PASSWORD_CAP];
	int code;

	if (isatty(STDIN_FILENO))
		fprintf(stderr,
		    "Without this password nobody can open the backups that "
		    "follow. Write it down:\nneither this program nor the "
		    "phone will ever show it.\n");
	code = read_word(b, "The new backup password", w->new_word);
	if (code || !isatty(STDIN_FILENO))
		return code;
	code = read_word(b, "Once more", again);
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
		code = read_word(b, "The backup password now", w->old_word);
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
	int code = by_hand_begin(&b, cli);

	if (!code)
		code = set_password(&b);
	by_hand_end(&b);
	return code;
}
