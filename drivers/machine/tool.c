#include "tool.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "log.h"
#include "mono.h"

#define LOG_MODULE   "tool"
#define NOT_FOUND    127
#define LINES_LOGGED 40

struct lines {
	char text[200];
	size_t len;
	unsigned n;
};

static void add(struct lines *l, const char *name, const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		bool end = text[i] == '\n' || l->len + 2 == sizeof(l->text);

		if (text[i] >= 0x20 && text[i] != 0x7f)
			l->text[l->len++] = text[i];
		if (!end || l->len == 0)
			continue;
		l->text[l->len] = '\0';
		if (l->n++ < LINES_LOGGED)
			log_note("%s: %s", name, l->text);
		l->len = 0;
	}
}

/* A tool that wants all memory goes before the box does. */
static void offer_oneself(void)
{
	int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return;
	if (write(fd, "1000", 4) != 4)
		log_debug("the memory killer was not told");
	close(fd);
}

static void become(const char *const *argv, int in, int out)
{
	char *args[TOOL_ARGS];
	size_t n = 0;
	sigset_t none;

	/* execv() takes its strings without const and changes none. */
	for (; argv[n] && n + 1 < TOOL_ARGS; n++)
		memcpy(&args[n], &argv[n], sizeof(args[n]));
	args[n] = NULL;
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	offer_oneself();
	if ((in < 0 || dup2(in, STDIN_FILENO) >= 0) &&
	    dup2(out, STDOUT_FILENO) >= 0 && dup2(out, STDERR_FILENO) >= 0)
		execv(args[0], args);
	_exit(NOT_FOUND);
}

/* False: the time is over. */
static bool listen_until_end(int fd, const char *name, int timeout_s)
{
	int64_t end_ms = mono_ms() + (int64_t)timeout_s * 1000;
	struct lines lines = { .len = 0 };
	char text[512];

	for (;;) {
		struct pollfd p = { .fd = fd, .events = POLLIN };
		int64_t left = end_ms - mono_ms();
		ssize_t n;

		if (left <= 0)
			return false;
		if (poll(&p, 1, (int)left) <= 0)
			continue;
		n = read(fd, text, sizeof(text));
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		add(&lines, name, text, (size_t)n);
	}
	add(&lines, name, "\n", 1);
	return true;
}

static enum rc wait_for(pid_t pid, int *status)
{
	int st;

	while (waitpid(pid, &st, 0) < 0)
		if (errno != EINTR)
			return RC_BUG;
	if (!WIFEXITED(st))
		return RC_BUG;
	*status = WEXITSTATUS(st);
	return *status == NOT_FOUND ? RC_NOTFOUND : RC_OK;
}

static enum rc run(const char *const *argv, int timeout_s, int in, int *status)
{
	int ends[2];
	bool ended;
	enum rc rc;
	pid_t pid;

	*status = -1;
	if (pipe2(ends, O_CLOEXEC) != 0)
		return RC_NOMEM;
	pid = fork();
	if (pid == 0)
		become(argv, in, ends[1]);
	close(ends[1]);
	if (pid < 0) {
		close(ends[0]);
		return RC_NOMEM;
	}
	ended = listen_until_end(ends[0], argv[0], timeout_s);
	close(ends[0]);
	if (!ended)
		kill(pid, SIGKILL);
	rc = wait_for(pid, status);
	if (!ended)
		return RC_TIMEOUT;
	if (rc)
		log_warn("%s did not end well: %s", argv[0], rc_words(rc));
	return rc;
}

enum rc tool_run(const char *const *argv, int timeout_s, int *status)
{
	return run(argv, timeout_s, -1, status);
}

enum rc tool_feed(const char *const *argv, int timeout_s, const char *input,
    size_t len, int *status)
{
	int ends[2];
	enum rc rc = RC_LIMIT;

	*status = -1;
	if (pipe2(ends, O_CLOEXEC) != 0)
		return RC_NOMEM;
	/* A pipe takes so much at once (POSIX), so nobody waits for anybody. */
	if (len <= 4096 && write(ends[1], input, len) == (ssize_t)len)
		rc = RC_OK;
	close(ends[1]);
	if (!rc)
		rc = run(argv, timeout_s, ends[0], status);
	close(ends[0]);
	return rc;
}
