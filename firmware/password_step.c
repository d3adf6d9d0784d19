#include "password_step.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "log.h"
#include "msg.h"

#define LOG_MODULE "session"

struct step {
	int fd;
	struct password_change words; /* they may come before they are wanted */
	bool has_words;
	bool is_cancelled;
};

/* Waits for a message; what is neither of the two is not for us. */
static void take(struct step *s)
{
	struct msg m;
	enum rc rc = msg_recv(s->fd, &m);

	if (rc || m.type == MSG_CANCEL) {
		s->is_cancelled = true;
	} else if (m.type == MSG_PASSWORD) {
		s->words = m.u.password;
		s->has_words = true;
	}
	explicit_bzero(&m.u.password, sizeof(m.u.password));
}

static bool is_cancelled(void *ctx)
{
	struct step *s = ctx;
	struct pollfd pfd = { .fd = s->fd, .events = POLLIN };

	while (!s->is_cancelled && poll(&pfd, 1, 0) > 0)
		take(s);
	return s->is_cancelled;
}

static enum rc ask(
    void *ctx, const struct session_phone *p, struct password_change *out)
{
	struct step *s = ctx;

	(void)p; /* the parent role was told */
	while (!s->has_words && !s->is_cancelled)
		take(s);
	if (s->is_cancelled)
		return RC_CANCELLED;
	*out = s->words;
	password_wipe(&s->words);
	return RC_OK;
}

/* The events of the caller with our own look at the parent. */
struct events {
	const struct session_events *ev;
	struct step step;
};

static void on_phone(void *ctx, const struct session_phone *p)
{
	const struct events *e = ctx;

	e->ev->phone(e->ev->ctx, p);
}

static void on_phase(void *ctx, enum session_phase phase)
{
	const struct events *e = ctx;

	e->ev->phase(e->ev->ctx, phase);
}

static bool on_cancelled(void *ctx)
{
	return is_cancelled(&((struct events *)ctx)->step);
}

static void run(int fd, const struct session_opts *opts,
    const struct session_events *ev, struct session_result *out)
{
	struct events e = { .ev = ev, .step = { .fd = fd } };
	const struct session_words words = { &e.step, ask };
	const struct session_events ours = { .ctx = &e,
		.phone = on_phone,
		.phase = on_phase,
		.cancelled = on_cancelled };

	(void)session_password(opts, &words, &ours, out); /* out has it, too */
	password_wipe(&e.step.words);
}

/* A child that ends without a word may have asked the phone already. */
static void no_result(struct session_result *out)
{
	memset(out, 0, sizeof(*out));
	out->end = SESSION_END_INTERNAL;
	out->rc = RC_BUG;
	out->unsure = true;
}

static void be_child(pid_t parent, int pipe_fd, int fd,
    const struct session_opts *opts, const struct session_events *ev)
{
	struct session_result got;

	if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != parent)
		_exit(1);
	/* Nothing of it may land in a file. */
	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	run(fd, opts, ev, &got);
	_exit(write(pipe_fd, &got, sizeof(got)) != (ssize_t)sizeof(got));
}

static bool read_result(int fd, struct session_result *out)
{
	ssize_t n;

	do
		n = read(fd, out, sizeof(*out));
	while (n < 0 && errno == EINTR);
	return n == (ssize_t)sizeof(*out);
}

void password_step(int fd, const struct session_opts *opts,
    const struct session_events *ev, struct session_result *out)
{
	pid_t parent = getpid(), pid;
	int pipes[2];

	if (pipe2(pipes, O_CLOEXEC) != 0) {
		no_result(out);
		out->unsure = false;
		return;
	}
	pid = fork();
	if (pid == 0)
		be_child(parent, pipes[1], fd, opts, ev);
	close(pipes[1]);
	if (pid < 0 || !read_result(pipes[0], out)) {
		no_result(out);
		out->unsure = pid > 0;
		log_error("no word of the password's process");
	}
	close(pipes[0]);
	while (pid > 0 && waitpid(pid, NULL, 0) < 0 && errno == EINTR) {
		/* asked again */
	}
}
