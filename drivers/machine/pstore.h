/*
 * What the kernel said when it stopped, kept by its pstore over the reset: a
 * file a record, "dmesg-ramoops-0". The memory may have lost bits since, so a
 * record is text of unknown worth.
 *
 * A record begins with a line "Panic#1 Part1" (fs/pstore/platform.c of Linux:
 * the reason, which one since that kernel's start, which piece); ramoops keeps
 * the first piece, which is the newest text.
 */
#ifndef PSTORE_H
#define PSTORE_H

#include <stddef.h>

enum pstore_kind {
	PSTORE_NONE,
	PSTORE_OTHER, /* an error that it could go on after, or it can't be
			 read any more */
	PSTORE_PANIC
};

/* What a record's beginning says; `count`: the number behind it, 0 none. */
enum pstore_kind pstore_kind_of(const char *text, unsigned *count);

/* The end of the record that matters most (a panic before others, the newest
 * of these), with no more than `cap` - 1 bytes, terminated; its bytes are not
 * looked at. Reads a bounded number of files. */
enum pstore_kind pstore_read(const char *dir, char *out, size_t cap);

/* Deletes all records, so that the next start does not take them for its
 * own. */
void pstore_drop(const char *dir);

#endif
