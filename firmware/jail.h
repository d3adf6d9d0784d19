/*
 * What parses bytes from outside keeps no more rights than it needs: a user of
 * its own, no file but those it is given (Landlock), and only the system calls
 * of its work (seccomp). There is no way out.
 *
 * Each part that the kernel or the caller's rights don't give is logged and
 * left out: a page in half a jail is better than none on an old kernel.
 */
#ifndef JAIL_H
#define JAIL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct jail {
	bool user; /* another user, without root's rights but as told below */
	bool root; /* opts->root is its "/" */
	bool files; /* no path can be opened */
	bool calls; /* only the calls of a network loop */
};

/* A folder that stays open to it, with all that is or comes below. */
struct jail_path {
	const char *path; /* or a file, which stays open itself */
	bool may_write; /* else it is only read */
	bool may_make; /* files come and go there */
	bool is_tree; /* folders, too, and files move from one to the next */
	bool may_connect; /* nothing is opened: its sockets are spoken to */
};

struct jail_opts {
	const char *user;
	const struct jail_path *paths; /* what of the files is left */
	size_t n_paths;
	/* A loop over devices: opens what `paths` has, whoever it belongs to
	 * (of root's rights this one is kept), has epoll, and threads, but no
	 * processes. */
	bool has_devices;
	/* The vault's work below `paths`: files made, moved, synced, read by
	 * the kernel's queue; threads. In files it is root still (its fsuid),
	 * as what it makes must stay root's, and it opens what belongs to
	 * others (CAP_DAC_OVERRIDE): Landlock says which. */
	bool has_vault;
	/* Connects to sockets of this machine, and with over_tcp to others. */
	bool has_phones;
	bool over_tcp;
	/* Of root's files, sockets only root may connect to: without any other
	 * right (its fsuid). */
	bool owns_sockets;
	bool opens_all; /* … and with CAP_DAC_OVERRIDE */
	/* May fork; what comes of it is in the same jail. */
	bool has_child;
	/* What "/" is from then on, for a process of root; NULL: as before. */
	const char *root;
	/* Reads and writes files below `paths`, and has neither of those. */
	bool has_files;
};

/*
 * For what must stay root, to mount: of root's rights only those of CAP_… in
 * `mask` (bit n = capability n) stay, for what it starts, too, and no program
 * gains any. False: more of them stay, or it never was root.
 */
bool jail_keep_rights(uint64_t mask);

/* Whom jail_enter() makes of a process of root. */
unsigned jail_uid(const char *user);

/* `user`: whom a process of root becomes; when there is none of that name,
 * "nobody". What holds afterwards is told in *out. */
void jail_enter(const char *user, struct jail *out);
void jail_enter_with(const struct jail_opts *opts, struct jail *out);

#endif
