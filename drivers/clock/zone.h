/* Time zones by name, as "Europe/Berlin". */
#ifndef ZONE_H
#define ZONE_H

#include <stdbool.h>
#include <stddef.h>

/* The zone's rule as POSIX writes it, "CET-1CEST,M3.5.0,M10.5.0/3": that of
 * today, not of earlier years. False: no such zone is known here. */
bool zone_rule(const char *name, char *out, size_t cap);

/* Local time of this process and its children is that of the zone. Before any
 * thread begins. False as above. */
bool zone_use(const char *name);

#endif
