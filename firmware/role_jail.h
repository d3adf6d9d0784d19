/*
 * The jails of the roles that speak to a phone or read what one has sent:
 * which files, sockets and rights each keeps. Entered once the role knows its
 * work, before the first byte of a phone or of the disk; a role that was not
 * started as root keeps its user, and loses the rest like the others.
 */
#ifndef ROLE_JAIL_H
#define ROLE_JAIL_H

#include <stdbool.h>

struct role_jail {
	const char *vault; /* "" none */
	const char *state; /* whose copies of catalogues are written; "" none */
	bool has_phones;
	bool has_child;
};

/* session and scrub. */
void role_jail_vault(const struct role_jail *j);

/* watch: the socket of who drives the phones, and no file. */
void role_jail_watch(void);

#endif
