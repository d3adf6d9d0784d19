/*
 * A disk that remembers: a fileops table over a real folder (in memory) that
 * writes down each call that changes or syncs something, with its bytes. The
 * record, and what was there before it began, is what cut.h makes the disks
 * of a power cut from. The same table lets the n-th call fail instead.
 */
#ifndef RECORD_H
#define RECORD_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fileops.h"

enum record_kind {
	RECORD_NAME, /* slot `to` shows `ino` (0: nothing any more) */
	RECORD_RENAME, /* … and slot `from` shows nothing */
	RECORD_WRITE,
	RECORD_SIZE,
	RECORD_SYNC, /* a file's bytes, or a folder's names */
	RECORD_SYNCFS,
	RECORD_MARK /* from here on a promise holds: see scenes.h */
};

struct record_op {
	enum record_kind kind;
	uint32_t ino, from, to; /* slots count from 0 */
	uint64_t offset, len; /* of a write; len: also a new size */
	uint8_t *data;
};

/* A place for a name in a folder. */
struct record_slot {
	uint32_t dir; /* inode */
	char name[72];
	uint32_t base, now; /* what it showed at first, and shows; 0: none */
};

struct record_inode {
	bool is_dir;
	uint8_t *base; /* content at first */
	size_t base_len;
	size_t now_len;
};

#define RECORD_ROOT 1u /* inode of the folder */
#define RECORD_FDS  1024

enum record_fault {
	FAULT_NONE,
	FAULT_ONCE,
	FAULT_EVER
};

#define FAULT_SHORT (-1) /* as an error: half of it is done, and said so */

struct record {
	char root[64]; /* the folder, absolute */
	struct record_op *ops;
	size_t n_ops, cap_ops;
	struct record_slot *slots;
	size_t n_slots, cap_slots;
	struct record_inode *inodes; /* [0] is not used */
	size_t n_inodes, cap_inodes;
	struct {
		uint32_t ino; /* 0: not ours */
		uint64_t offset;
	} fds[RECORD_FDS];
	/* Calls of the thread that began count; readers behind it do not. */
	pthread_t thread;
	enum record_fault fault;
	unsigned calls, fault_at; /* counted from 1 */
	int fault_errno;
	unsigned renames, stop_at_rename; /* 0: never */
	pthread_mutex_t lock;
	struct fileops table;
};

/* Looks at what is in `root`; from then on r->table may be used. */
void record_begin(struct record *r, const char *root);
void record_mark(struct record *r);
void record_free(struct record *r);

/* From the n-th rename on, nothing is done any more: a power cut in the midst
 * of a commit that loses nothing. */
void record_stop_at_rename(struct record *r, unsigned n);

#endif
