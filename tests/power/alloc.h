/*
 * Memory that runs out: the n-th allocation of this thread fails, those of
 * SQLite included. Linked with --wrap (Makefile), so it reaches what our own
 * objects ask for; what other libraries ask for by themselves it does not.
 */
#ifndef ALLOC_H
#define ALLOC_H

#include "record.h"

/* Before the first use of SQLite. */
void alloc_init(void);

/* From here on allocations are counted, and fail as told. */
void alloc_begin(enum record_fault fault, unsigned at);
unsigned alloc_end(void); /* how many there were */

/* What the test itself needs is neither counted nor refused; they nest. */
void alloc_pause(void);
void alloc_resume(void);

#endif
