/*
 * What parses bytes from outside keeps no more rights than it needs: a user of
 * its own, no file (Landlock), and only the system calls of its loop
 * (seccomp). Entered once all descriptors are open; there is no way out.
 *
 * Each part that the kernel or the caller's rights don't give is logged and
 * left out: a page in half a jail is better than none on an old kernel.
 */
#ifndef JAIL_H
#define JAIL_H

#include <stdbool.h>

struct jail {
	bool user; /* another user, without capabilities */
	bool files; /* no path can be opened */
	bool calls; /* only the calls of a network loop */
};

/* `user`: whom a process of root becomes; when there is none of that name,
 * "nobody". What holds afterwards is told in *out. */
void jail_enter(const char *user, struct jail *out);

#endif
