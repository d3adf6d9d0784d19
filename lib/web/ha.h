/*
 * What Home Assistant is told over MQTT: one device a box, sensors a phone.
 * Pure: topics and payloads out of a status. mqtt.c sends them.
 *
 * All values are in one message, TOPIC/ID/state (JSON, retained); each entity
 * is described once, DISCOVERY/…/config (retained), with a template that picks
 * its value. TOPIC/ID/available says online or offline (the broker says it
 * when the box is gone).
 */
#ifndef HA_H
#define HA_H

#include <stdbool.h>

#include "markup.h"
#include "status.h"

struct ha_names {
	char topic[32]; /* "nightstand" */
	char discovery[32]; /* "homeassistant"; "" none */
	char id[48]; /* the box's: a label, the same for ever */
	char url[96]; /* of its page, or "" */
};

void ha_put_state_topic(const struct ha_names *n, struct markup *m);
void ha_put_available_topic(const struct ha_names *n, struct markup *m);
void ha_put_state(const struct status *st, struct markup *m);

/* The i-th entity of this status; false: there are no more. */
bool ha_put_entity(const struct ha_names *n, const struct status *st,
    unsigned i, struct markup *topic, struct markup *payload);

#endif
