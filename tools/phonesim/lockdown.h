/*
 * lockdownd, cut by subject: lockdown.c has the loop and the values,
 * lockdown_pair.c trust, lockdown_service.c the services. A handler fills the
 * reply and returns NULL or the error string that goes into it.
 */
#ifndef LOCKDOWN_H
#define LOCKDOWN_H

#include "phone_private.h"

struct lockdown {
	struct phone *ph;
	struct link *l;
	bool in_session;
	char session_id[40];
	char host_id[PHONE_HOSTID];
	bool start_tls, stop_tls; /* to be done once the reply is out */
};

const char *lockdown_pair(struct lockdown *ld, plist_t req, plist_t reply);
const char *lockdown_validate_pair(
    struct lockdown *ld, plist_t req, plist_t reply);
const char *lockdown_unpair(struct lockdown *ld, plist_t req, plist_t reply);
const char *lockdown_reset_pairing(
    struct lockdown *ld, plist_t req, plist_t reply);
const char *lockdown_start_service(
    struct lockdown *ld, plist_t req, plist_t reply);

#endif
