/*
 * What wpa_supplicant tells at its control socket, as far as the box needs it.
 * The lines are those of its documentation (wpa_ctrl.h of Debian's
 * libwpa-client-dev; README, "wpa_cli"). They may hold bytes that an access
 * point in the street has chosen. Pure.
 */
#ifndef WIFI_EVENT_H
#define WIFI_EVENT_H

#include <stdbool.h>
#include <stddef.h>

#include "status.h"

#define WIFI_NAME_MAX 32 /* bytes of an SSID */
#define WIFI_LINE_MAX 512
#define WIFI_WEAK_DBM (-75) /* below it is said to be weak */
#define WIFI_FIRM_DBM (-72) /* … until it is above this */

struct wifi_state {
	enum status_wifi_state state;
	int signal_dbm; /* 0: not known */
};

/* An event, without its end of line: "<3>CTRL-EVENT-CONNECTED …". True: the
 * state is another one now. */
bool wifi_event_take(struct wifi_state *s, const char *line);

/* The answer to SIGNAL_POLL: "RSSI=-51\n…". True: likewise. */
bool wifi_event_signal(struct wifi_state *s, const char *answer);

/* The command that sets one field of network 0. False: it does not fit. */
bool wifi_set_hex(char *out, size_t cap, const char *field, const char *value);
bool wifi_set_quoted(
    char *out, size_t cap, const char *field, const char *value);

#endif
