/*
 * The link of Wi-Fi: wpa_supplicant, a program of Debian, in a process of its
 * own and with no more rights than it needs; spoken to at its control socket.
 * Addresses and all that is above are lwIP's (drivers/nic).
 */
#ifndef WIFI_H
#define WIFI_H

#include <stdbool.h>
#include <sys/types.h>

#include "rc.h"
#include "wifi_event.h"

struct wifi_opts {
	const char *interface; /* "wlan0" */
	const char *program; /* "/usr/sbin/wpa_supplicant" */
	const char *dir; /* for its sockets, made here: "/run/wifi" */
	const char *user; /* whom it becomes where we are root */
};

struct wifi {
	int fd; /* for poll(): the control socket; -1: closed */
	pid_t pid;
	struct wifi_state now;
};

/*
 * Starts it and waits until it answers, ten seconds at most. RC_NOTFOUND: no
 * such program or interface; RC_TIMEOUT; RC_IO. It dies with its caller.
 */
MUST_CHECK enum rc wifi_open(const struct wifi_opts *opts, struct wifi *w);
void wifi_close(struct wifi *w);

/* The one network to join. password "": it is open; country "": not said. Our
 * copy of the password is wiped. RC_PROTO: it refuses. */
MUST_CHECK enum rc wifi_join(struct wifi *w, const char *name,
    const char *password, const char *country);

/* After poll(): takes what it has told. RC_IO: it has ended. */
MUST_CHECK enum rc wifi_read(struct wifi *w, bool *changed);

/* Asks how strong the signal is; the answer comes by wifi_read(). RC_IO. */
MUST_CHECK enum rc wifi_ask_signal(struct wifi *w);

#endif
