/*
 * What an owner saves and sends to whoever helps: how the box is, its settings
 * and its last log lines. No names, no whole UDIDs, no passwords. Pure but for
 * the kernel's version, free memory and the list of our processes.
 */
#ifndef REPORT_H
#define REPORT_H

#include <stddef.h>

#include "config.h"
#include "log_ring.h"
#include "status.h"

/* rings: of the page's part, then of the others; NULL ends the list. `before`:
 * the log of the run before, "" none. Always terminated; returns its length. */
size_t report_make(const struct status *st, const struct config *c,
    const struct log_ring *const *rings, const char *before, char *out,
    size_t cap);

/* Takes out of a text what tells whose phone it is, in place: of a UDID its
 * last four characters stay. For report_make() and tests. */
void report_mask(char *text);

#endif
