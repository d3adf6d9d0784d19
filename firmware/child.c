#include "child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "log.h"
#include "mono.h"
#include "role.h"

#define LOG_MODULE "child"
#define ARGS_MAX   12

/* Between fork and exec: only what is safe there. */
static void close_above(int fd)
{
#ifdef SYS_close_range
	if (syscall(SYS_close_range, fd + 1, ~0U, 0) == 0)
		return;
#endif
	for (int i = fd + 1; i < 1024; i++)
		close(i);
}

static void become(pid_t parent, int fd, int ring, char *const *argv)
{
	int null = open("/dev/null", O_RDWR);
	int last = ring < 0 ? ROLE_FD : ROLE_RING_FD;
	sigset_t none;

	/* The parent may have died before the line below it. */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != parent)
		_exit(1);
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	/* Ctrl-C is for the parent, who ends us in good order. */
	signal(SIGINT, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	if (null >= 0)
		dup2(null, STDIN_FILENO);
	dup2(STDERR_FILENO, STDOUT_FILENO);
	/* Out of the way first: each may stand where the other is to go. */
	fd = fcntl(fd, F_DUPFD, ROLE_RING_FD + 1);
	if (ring >= 0)
		ring = fcntl(ring, F_DUPFD, ROLE_RING_FD + 1);
	if (dup2(fd, ROLE_FD) < 0 || (ring >= 0 && dup2(ring, last) < 0))
		_exit(1);
	close_above(last);
	execv("/proc/self/exe", argv);
	_exit(1);
}

/* execv() takes its strings without const and changes none of them. */
static char *mutable(const char *s)
{
	char *p;

	memcpy(&p, &s, sizeof(p));
	return p;
}

static void put_args(
    char *argv[ARGS_MAX + 4], const char *role, const char *const *args)
{
	size_t n = 0;

	argv[n++] = mutable("nightstand");
	argv[n++] = mutable(ROLE_ARG);
	argv[n++] = mutable(role);
	for (size_t i = 0; args && args[i] && i < ARGS_MAX; i++)
		argv[n++] = mutable(args[i]);
	argv[n] = NULL;
}

enum rc child_start(struct child *c, const char *role, const char *const *args,
    int ring, bool blocking)
{
	char *argv[ARGS_MAX + 4];
	pid_t parent = getpid();
	int pair[2];
	pid_t pid;

	*c = CHILD_NONE;
	put_args(argv, role, args);
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0) {
		log_error("no socket for a child: %s", strerror(errno));
		return RC_NOMEM;
	}
	pid = fork();
	if (pid == 0)
		become(parent, pair[1], ring, argv);
	close(pair[1]);
	if (pid < 0) {
		log_error("no child role=%s: %s", role, strerror(errno));
		close(pair[0]);
		return RC_NOMEM;
	}
	if (!blocking)
		fcntl(pair[0], F_SETFL, O_NONBLOCK);
	c->pid = pid;
	c->fd = pair[0];
	c->began_ms = mono_ms();
	log_debug("child started role=%s pid=%d", role, (int)pid);
	return RC_OK;
}

void child_kill(struct child *c)
{
	if (c->pid > 0 && !c->exited)
		kill(c->pid, SIGKILL);
}

bool child_note_exit(struct child *c, pid_t pid, int status)
{
	if (c->pid != pid || pid <= 0)
		return false;
	c->exited = true;
	c->status = status;
	return true;
}

bool child_is_over(const struct child *c)
{
	return c->pid > 0 && c->exited && c->fd < 0;
}

bool child_is_running(const struct child *c)
{
	return c->pid > 0;
}

void child_words(const struct child *c, char *out, size_t cap)
{
	if (WIFSIGNALED(c->status))
		snprintf(out, cap, "signal %d", WTERMSIG(c->status));
	else
		snprintf(out, cap, "exit %d", WEXITSTATUS(c->status));
}

void child_end(struct child *c, int ms)
{
	const struct timespec piece = { .tv_nsec = 5 * 1000 * 1000 };

	if (c->fd >= 0)
		close(c->fd); /* that is how it hears of it */
	c->fd = -1;
	for (; ms > 0 && c->pid > 0 && !c->exited; ms -= 5) {
		if (waitpid(c->pid, &c->status, WNOHANG) == c->pid)
			c->exited = true;
		else
			nanosleep(&piece, NULL);
	}
	child_close(c);
}

void child_close(struct child *c)
{
	if (c->fd >= 0)
		close(c->fd);
	if (c->pid > 0 && !c->exited) {
		kill(c->pid, SIGKILL);
		while (waitpid(c->pid, NULL, 0) < 0 && errno == EINTR) {
			/* asked again */
		}
	}
	*c = CHILD_NONE;
}
