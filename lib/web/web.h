/*
 * The page, the API and their network: role `web`. Serves the last status it
 * was given; can hand commands back; knows no disk and no phone.
 */
#ifndef WEB_H
#define WEB_H

#include <stdbool.h>

#include "auth.h"
#include "command.h"
#include "hook_link.h"
#include "mqtt_link.h"
#include "net.h"
#include "rc.h"
#include "settings.h"
#include "sntp_link.h"
#include "status.h"
#include "upload.h"

struct web;

struct web_opts {
	struct web_nic *nic; /* of nic_open(); web_open() takes it */
	struct net_opts net; /* lent */
	enum auth_open open;
};

/*
 * Starts lwIP on its network port and serves on the port's TCP port 80. One
 * at a time in a process: lwIP's state is global. Takes the nic, also when it
 * fails.
 */
MUST_CHECK enum rc web_open(const struct web_opts *opts, struct web **out);
void web_close(struct web *w);

void web_set_pin(struct web *w, const uint8_t salt[AUTH_SALT],
    const uint8_t hash[AUTH_HASH]);

/*
 * From now on the page is served over TLS, too, at port 443. Copies. On a LAN
 * nobody can sign in before. RC_CORRUPT: no key and certificate; RC_NOMEM,
 * RC_BUSY.
 */
MUST_CHECK enum rc web_set_tls(struct web *w, const uint8_t *key,
    size_t key_len, const uint8_t *cert, size_t cert_len);

/* What of an update that somebody sends is to go to the box now; false: nothing.
 * And what the box says to it. */
bool web_take_upload(struct web *w, struct web_upload *out);
void web_upload_said(struct web *w, const struct web_upload_said *said);

/* What somebody asked for since; false: nothing. */
bool web_take_command(struct web *w, struct web_command *out);

/* From now on the broker is told, on a LAN. Copies. RC_NOMEM. */
MUST_CHECK enum rc web_set_mqtt(struct web *w, const struct mqtt_opts *opts);

/* From now on the webhook is told what comes by web_add_event(), on a LAN.
 * Copies. RC_NOMEM. */
MUST_CHECK enum rc web_set_hook(
    struct web *w, const struct hook_target *target);

/* The one event to tell; copies. */
void web_add_event(struct web *w, const struct hook_event *ev);

/* The event that is over since: taken, or let go. False: none. */
bool web_take_over_event(struct web *w, uint64_t *number, bool *taken);

/* From now on a time server is asked, on a LAN: this one, or one that DHCP
 * names. */
void web_set_sntp(struct web *w, const char *host);

/* What it said since; false: nothing. */
bool web_take_time(struct web *w, struct sntp_time_said *out);

/* What may be set has these values. */
void web_set_settings(struct web *w, const struct settings_values *v);
/* What somebody set them to since; false: nothing. */
bool web_take_settings(struct web *w, struct settings_values *out);

/* A piece of the report that somebody asked for (WEB_REPORT), in order; with
 * the last one it can be had. Copies. */
void web_add_report(
    struct web *w, const char *text, size_t offset, size_t len, size_t total);

/* Copies the status; live pages are told. */
void web_set_status(struct web *w, const struct status *st);

/*
 * One turn: waits for traffic, timers or `fd` (-1 none) to become readable, at
 * most max_ms. *fd_ready tells about `fd`. RC_OK or a fault that ends the
 * role.
 */
MUST_CHECK enum rc web_turn(struct web *w, int fd, int max_ms, bool *fd_ready);

#endif
