/* One vault, printed on stdout. */
#ifndef DUMP_H
#define DUMP_H

#include <stdbool.h>

enum dump_status {
	DUMP_FITS = 0,
	DUMP_FAULTS = 1, /* rows and disk, or rows and rows, do not fit */
	DUMP_USAGE = 2,
	DUMP_UNREADABLE = 3
};

struct dump_opts {
	const char *udid; /* "" all */
	bool entries, all, quick, json;
};

/* An exit status; complaints go to stderr. */
int dump_vault(const char *dir, const struct dump_opts *o);

#endif
