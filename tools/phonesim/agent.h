/*
 * The backup agent (com.apple.mobilebackup2), the phone's side: what its parts
 * share. One `struct agent` a connection.
 *
 * A step returns 0 to go on, AGENT_END when the link is of no use any more, or
 * an MBErrorDomain code whose text is in agent.text and becomes the Response.
 */
#ifndef AGENT_H
#define AGENT_H

#include "content.h"
#include "dl.h"

#include <stdbool.h>
#include <stdint.h>

struct phone;

enum {
	AGENT_END = -1
};

enum agent_code { /* MBErrorDomain */
	AGENT_INTERNAL = 1,
	AGENT_MULTIPLE = 2,
	AGENT_EXISTS = 3,
	AGENT_NOT_FOUND = 4,
	AGENT_NOT_DIR = 5,
	AGENT_IS_DIR = 6,
	AGENT_LOOP = 7,
	AGENT_IO = 9,
	AGENT_INVALID = 11,
	AGENT_UNEXPECTED_IO = 100,
	AGENT_LOCAL_DB = 101,
	AGENT_LOCAL_SNAPSHOT = 102,
	AGENT_STATUS_UNREADABLE = 103,
	AGENT_FILES_FAILED = 104,
	AGENT_NO_ROOM = 105,
	AGENT_CANCELLED = 202,
	AGENT_VERSION = 203,
	AGENT_CORRUPT = 205,
	AGENT_PASSWORD = 207,
	AGENT_LOCKED = 208,
	AGENT_FIND_MY = 211,
	AGENT_SETUP = 212
};

#define AGENT_PATH_MAX 1024 /* of files in the phone's own folder */
#define AGENT_NAME_MAX 160 /* of paths below the host's backup root */

struct agent {
	struct phone *ph;
	struct content *content;
	struct dl *dl;
	char dir[AGENT_PATH_MAX / 2]; /* the agent's own folder */
	char text[640];
	bool desync; /* the host broke the protocol: no more requests */
	bool reboot; /* a restore asked for it */
	bool hostile_done; /* once a connection */
};

/* ---- agent_error.c ---- */

/* "<what> (MBErrorDomain/code)"; returns code. */
int agent_fail(struct agent *a, int code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* The same with ". Underlying error: <under> (MBErrorDomain/under_code)." */
int agent_fail_under(struct agent *a, int code, const char *what,
    int under_code, const char *under);
/* An error that a script asked for, with the text that real phones gave. */
int agent_fail_code(struct agent *a, int code);
int agent_check_dl(struct agent *a, enum dl_result r);
/* The host refused `what` at `path`; dl_code is its status code. */
int agent_fail_host(
    struct agent *a, const char *what, const char *path, int dl_code);
/* Faults and the Cancel button, at a named point of the protocol. */
int agent_point(struct agent *a, const char *name, uint64_t n);

/* ---- agent_fault.c: what no phone does ---- */

/* A knob's text; false and "" when it is not set, or set to - or 0. */
bool agent_knob_text(
    const struct agent *a, const char *name, char *out, int cap);
/* At a point: what the knobs garbage and insane ask for. */
int agent_fault_point(struct agent *a, const char *point);
/* At one kind of operation: a hostile path, when hostile_where names it. */
int agent_fault_path(struct agent *a, const char *where);

/* ---- agent_fetch.c ---- */

/*
 * Brings a host's file to `local`. *dl_code: 0, or why the host has it not
 * (AGENT only fails when the link or the protocol did).
 */
int agent_fetch(
    struct agent *a, const char *remote, const char *local, int *dl_code);
/* Reads a host's file and compares it with `local`, or with n bytes when
 * local is NULL. *same: equal to the byte. */
int agent_compare(struct agent *a, const char *remote, const char *local,
    const void *bytes, size_t n, bool *same);

/* ---- agent_dir.c ---- */

/* Sorted names of a host's folder; none when it is missing. */
struct agent_names {
	char **name;
	size_t n;
};
int agent_list(struct agent *a, const char *path, struct agent_names *out);
bool agent_names_has(const struct agent_names *names, const char *name);
void agent_names_free(struct agent_names *names);
/* 40 lower-case hex digits. */
bool agent_is_file_id(const char *s);

/* ---- the requests; each returns as a step does ---- */

int agent_backup(struct agent *a, const char *udid, bool force_full);
int agent_restore(struct agent *a, const char *source, plist_t options);
int agent_change_password(
    struct agent *a, const char *old_pw, const char *new_pw);
/* The next backup sends all: set by a restore of files with keys of their own,
 * cleared by a backup that ended well. */
void agent_full_next(struct agent *a, bool yes);
/* Info, List, Unback, Extract: they look for a file that hosts have no more. */
int agent_legacy(struct agent *a, const char *source);

#endif
