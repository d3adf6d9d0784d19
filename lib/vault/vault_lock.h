/*
 * Who else works here. A phone's folder is locked by flock() on its
 * descriptor: the lock goes with the process, whatever ends it, and nothing
 * about it is written to the disk. So the holder is not looked up in a file,
 * which could be a power cut old, but in the kernel's list of locks.
 */
#ifndef VAULT_LOCK_H
#define VAULT_LOCK_H

#include <stddef.h>
#include <stdint.h>

#include "rc.h"
#include "vault.h"

struct vault_holder {
	long pid; /* of the command that a person started */
	char program[64]; /* "nightstand backup" */
	int64_t since_at; /* Unix seconds; 0: not known */
};

/*
 * Who holds the phone's lock at this moment. Takes no lock.
 *
 * RC_NOTFOUND: nobody does any more, or the kernel does not tell us (another
 * machine, another container).
 */
MUST_CHECK enum rc vault_phone_holder(
    struct vault *v, const char *udid, struct vault_holder *out);

/* "in use by nightstand backup (process 4711) since today 23:14", or what can
 * be said without a holder. For RC_BUSY of vault_phone_open(). */
void vault_busy_words(struct vault *v, const char *udid, char *out, size_t cap);

/*
 * Takes the exclusive flock() of `fd`, for at most `ms`. RC_BUSY: somebody
 * else has it. Content where a file system knows no locks.
 */
MUST_CHECK enum rc vault_lock_fd(int fd, int ms);

#endif
