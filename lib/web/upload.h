/*
 * An update that somebody sends through the page, on its way to the box: in
 * pieces, each only when there is room for it there. The page holds one piece,
 * and keeps nothing of what is away.
 */
#ifndef WEB_UPLOAD_H
#define WEB_UPLOAD_H

#include <stdbool.h>
#include <stdint.h>

#define WEB_UPLOAD_PIECE 16384u
#define WEB_UPLOAD_AHEAD (4u * WEB_UPLOAD_PIECE) /* not yet taken, at most */
#define WEB_UPLOAD_MAX   (((uint64_t)48 << 20) + 4096) /* bytes of a file */

enum web_upload_what {
	WEB_UPLOAD_BEGIN, /* data only once the box has answered this */
	WEB_UPLOAD_DATA,
	WEB_UPLOAD_END, /* that was all of it */
	WEB_UPLOAD_DROP, /* it was cut off */
	WEB_UPLOAD_WHAT_COUNT_
};

struct web_upload {
	uint32_t number; /* which one: counted by the page's role */
	uint8_t what; /* enum web_upload_what */
	uint32_t len; /* of DATA */
	uint8_t data[WEB_UPLOAD_PIECE];
};

/* What the box says to it. */
struct web_upload_said {
	uint32_t number;
	uint64_t taken; /* bytes so far */
	uint8_t over; /* and nothing more is taken: */
	uint8_t good; /* it is whole, genuine, and waits on the card */
	char version[32]; /* if it is known; "" */
	char why[128]; /* not good; a part of a sentence */
};

#endif
