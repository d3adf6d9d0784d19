/*
 * The status as Prometheus reads it (text format 0.0.4). Names are stable; the
 * table of them is metrics.c.
 */
#ifndef METRICS_H
#define METRICS_H

#include "markup.h"
#include "status.h"

#define METRICS_TYPE "text/plain; version=0.0.4; charset=utf-8"

/* Phones are told apart by label `phone`: their names, or numbers where the
 * status has none (status_redact()). */
void metrics_put(const struct status *st, struct markup *m);

#endif
