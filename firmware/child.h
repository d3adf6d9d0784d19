/*
 * A role in a process of its own: started, spoken to, killed, reaped. A child
 * dies with its parent and gains no right by exec.
 */
#ifndef CHILD_H
#define CHILD_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "msg.h"
#include "rc.h"

struct child {
	pid_t pid; /* 0: none */
	int fd; /* -1: closed, the child has nothing more to say */
	bool exited;
	int status; /* of waitpid(), once exited */
	int64_t began_ms;
};

#define CHILD_NONE ((struct child){ .fd = -1 })

/*
 * Starts `nightstand --role NAME ARGS…`; args ends with NULL, or is NULL. Its
 * socket is blocking here when `blocking`. ring: of its log lines, lent; -1
 * none.
 */
MUST_CHECK enum rc child_start(struct child *c, const char *role,
    const char *const *args, int ring, bool blocking);

/* SIGKILL; the end is seen by child_reap(). */
void child_kill(struct child *c);

/* Takes the exit status of pid when it is this child's. */
bool child_note_exit(struct child *c, pid_t pid, int status);

/* Its end of the socket is closed and its exit is known. */
bool child_is_over(const struct child *c);

bool child_is_running(const struct child *c);

/* "exit 1", "signal 11"; for logs. */
void child_words(const struct child *c, char *out, size_t cap);

/* Closes its socket and gives it ms to end by itself; then as child_close(). */
void child_end(struct child *c, int ms);

/* Closes what is left; a child that still runs is killed and waited for. */
void child_close(struct child *c);

#endif
