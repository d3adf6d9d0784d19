/*
 * The phone's local state of one snapshot: which file is where. It lives in
 * the phone's folder under the UUID of the backup set, so that a backup goes
 * on after the link, or the simulator, was gone.
 */
#ifndef AGENT_JOURNAL_H
#define AGENT_JOURNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct agent_journal;

enum agent_file_state {
	AGENT_FILE_KEEP = 0, /* unchanged in the host's backup */
	AGENT_FILE_UPLOAD = 1, /* to be sent */
	AGENT_FILE_STAGED = 2, /* in the host's Snapshot folder */
	AGENT_FILE_MOVED = 3
};

/* What the host's folders were seen to hold. */
enum agent_place {
	AGENT_PLACE_BACKUP = 1,
	AGENT_PLACE_SNAPSHOT = 2
};

struct agent_file {
	int64_t seq; /* 0: a new row, which agent_journal_put() numbers */
	char id[41];
	uint64_t size; /* as stored in the backup */
	int64_t mtime;
	enum agent_file_state state;
};

/* `dir` is made when create is set (what was there is emptied). NULL: none
 * there, or it can't be used. */
struct agent_journal *agent_journal_open(const char *dir, bool create);
void agent_journal_close(struct agent_journal *j);
/* Which keys its files were sent under (content_key_generation). */
int agent_journal_set_keys(struct agent_journal *j, int64_t generation);
int64_t agent_journal_keys(struct agent_journal *j);
/* Removes the folder with all in it. */
void agent_journal_remove(const char *dir);

/* All below: 0 ok, -1 error, unless said otherwise. */
int agent_journal_begin(struct agent_journal *j);
int agent_journal_commit(struct agent_journal *j);
/* 1 found, 0 not. */
int agent_journal_find(
    struct agent_journal *j, const char *id, struct agent_file *out);
int agent_journal_put(struct agent_journal *j, const struct agent_file *f);
int agent_journal_set_state(
    struct agent_journal *j, int64_t seq, enum agent_file_state state);
int agent_journal_drop(struct agent_journal *j, int64_t seq);
/* Rows in one state (or in any, with state < 0) after `after`, in the order of
 * seq. The number of rows, -1 on error. */
long agent_journal_rows(struct agent_journal *j, int state, int64_t after,
    struct agent_file *out, size_t cap);
/* Rows whose id begins with two hex digits, each id given to fn; a non-zero
 * return ends and is returned. */
int agent_journal_prefix(struct agent_journal *j, const char *xx,
    int (*fn)(void *arg, const char *id), void *arg);
int agent_journal_totals(
    struct agent_journal *j, int state, uint64_t *files, uint64_t *bytes);

int agent_journal_seen_clear(struct agent_journal *j);
int agent_journal_seen_add(
    struct agent_journal *j, const char *id, enum agent_place place);
/* 1 seen there, 0 not. */
int agent_journal_seen(
    struct agent_journal *j, const char *id, enum agent_place place);
/* Seen in the backup, but of no row here, in order, behind `after` ("" at
 * first): number of ids, -1 on error. */
long agent_journal_leftovers(
    struct agent_journal *j, const char *after, char (*ids)[41], size_t cap);

#endif
