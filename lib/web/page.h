/*
 * The page. Its frame (head, style, script, legend) is made once from
 * page.html and the LED table; what changes is one element, rendered here from
 * the status, whether it goes out with the whole page or as an event to a page
 * that is open. So a browser without JavaScript sees the same.
 */
#ifndef PAGE_H
#define PAGE_H

#include <stddef.h>

#include "markup.h"
#include "rc.h"
#include "status.h"

struct page {
	char *buf;
	const char *before, *after; /* of the part that changes */
	size_t before_len, after_len;
	char headers
	    [512]; /* Content-Security-Policy: hashes of style and script */
};

/* RC_BUG: page.html lacks one of its marks. */
MUST_CHECK enum rc page_init(struct page *p);
void page_fini(struct page *p);

/* The part that changes, on one line. */
void page_live(const struct status *st, struct markup *m);

#endif
