/*
 * The line to the owner's MQTT broker, by lwIP's own client: it is found by
 * name or address, connected to again with growing pauses, and told what ha.h
 * has to tell. Not encrypted: for a broker in the same house.
 */
#ifndef MQTT_LINK_H
#define MQTT_LINK_H

#include <stdint.h>

#include "ha.h"
#include "rc.h"

struct mqtt_opts {
	char host[64]; /* name or address of the broker */
	int port;
	char user[64], password[64]; /* "" none */
	struct ha_names names; /* id: web.c adds the MAC's end to it */
};

struct mqtt_link;

/* Copies. RC_NOMEM. */
MUST_CHECK enum rc mqtt_link_open(
    const struct mqtt_opts *opts, struct mqtt_link **out);
void mqtt_link_close(struct mqtt_link *l); /* NULL is fine */

/* Copies. */
void mqtt_link_status(struct mqtt_link *l, const struct status *st);

/* In each turn of the loop. has_address: there is a network to go out on. */
void mqtt_link_tick(struct mqtt_link *l, bool has_address, int64_t now_ms);

#endif
