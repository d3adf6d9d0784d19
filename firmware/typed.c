#include "typed.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "outcome.h"

enum typed {
	TYPED_OK,
	TYPED_END, /* of the input, or its error */
	TYPED_LONG,
	TYPED_INTERRUPTED
};

/* False: Ctrl-C. */
static bool wait_input(int signals)
{
	struct pollfd fds[2] = { { .fd = STDIN_FILENO, .events = POLLIN },
		{ .fd = signals, .events = POLLIN } };

	while (poll(fds, 2, -1) < 0 && errno == EINTR) {
		/* asked again */
	}
	return !fds[1].revents;
}

/* Byte by byte: no buffer of stdio keeps what is after the line, or the line
 * itself. */
static enum typed read_line(int signals, char out[PASSWORD_CAP])
{
	enum typed got = TYPED_OK;
	size_t n = 0;
	char c = '\0';

	for (;;) {
		if (!wait_input(signals))
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

int typed_word(int signals, const char *prompt, char out[PASSWORD_CAP])
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
	got = read_line(signals, out);
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
