/*
 * The page, the API and their network: role `web`. Serves the last status it
 * was given; can hand commands back; knows no disk and no phone.
 */
#ifndef WEB_H
#define WEB_H

#include <stdbool.h>

#include "rc.h"
#include "status.h"

struct web;

struct web_opts {
	const char *nic;     /* "slirp" in this version */
	const char *listen;  /* slirp: "127.0.0.1" */
	int port;            /* slirp: host port, 8080; 0 is refused */
};

/* Starts lwIP on its network port. RC_BUSY: the port is taken. */
MUST_CHECK enum rc web_open(const struct web_opts *opts, struct web **out);
void web_close(struct web *w);

/* Copies the status; live pages are told. */
void web_set_status(struct web *w, const struct status *st);

/*
 * One turn: waits for traffic, timers or `fd` (-1 none) to become readable, at
 * most max_ms. *fd_ready tells about `fd`. RC_OK or a fault that ends the
 * role.
 */
MUST_CHECK enum rc web_turn(
    struct web *w, int fd, int max_ms, bool *fd_ready);

#endif
