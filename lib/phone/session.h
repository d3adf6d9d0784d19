/*
 * One backup of one phone, from the usbmuxd socket to the phone's last word.
 * Blocking; runs in a process of its own (role `session`), which is killed
 * when it must not go on: libimobiledevice can't be cancelled.
 *
 * The engine talks to a `struct store`, not to the vault; it never touches
 * the disk itself. It does not commit: a good result says that the phone has
 * finished, the caller verifies and commits.
 *
 * Facts of the protocols: protocols.md 4 to 7 (sources um, limd, ADL, ABA
 * there); what was guessed stands in this folder's README.md.
 */
#ifndef SESSION_H
#define SESSION_H

#include <stdbool.h>
#include <stdint.h>

#include "password.h"
#include "rc.h"
#include "store.h"

enum session_phase {
	SESSION_CONNECTING,
	SESSION_WANTS_TRUST,
	SESSION_WANTS_UNLOCK,
	SESSION_WANTS_PASSCODE, /* ui.presented was seen */
	SESSION_PREPARING, /* asked; the phone thinks */
	SESSION_RECEIVING,
	SESSION_FINISHING, /* all data is here; moves and last checks */
	SESSION_PHASE_COUNT_
};

/* What is known of the phone; strings are "" when the phone has no such
 * value. Filled by lockdown values, all of them optional. */
struct session_phone {
	char udid[48];
	char name[128]; /* DeviceName, UTF-8 */
	char product_type[32]; /* "iPhone15,4" */
	char ios[32]; /* ProductVersion */
	char build[32];
	char serial[32];
	char zone[64]; /* TimeZone, as "Europe/Berlin"; not checked */
	int battery_pct; /* -1 unknown */
	bool will_encrypt;
	bool is_paired; /* was paired before this session began */
	int64_t clock_ms; /* its time, Unix ms, when it was so by mono_ms(); */
	int64_t clock_mono_ms; /* 0: it does not tell */
	uint64_t phone_free_bytes; /* 0 unknown */
	uint64_t phone_total_bytes;
};

struct session_progress {
	double pct; /* 0..100 as the phone says it, never backwards */
	uint64_t bytes_done; /* received so far */
	uint64_t batch_done, batch_total; /* of the running UploadFiles */
	uint64_t files_done;
};

/* Called from the session's thread; all pointers are lent; any may be NULL. */
struct session_events {
	void *ctx;
	void (*phone)(void *ctx, const struct session_phone *p);
	void (*phase)(void *ctx, enum session_phase phase);
	/* At most every 100 ms, and once at the end. */
	void (*progress)(void *ctx, const struct session_progress *p);
	/* Mux to the first Backup request written; ms since the session began */
	void (*requested)(void *ctx, int64_t ms);
	/* True: end the backup soon and cleanly (DLMessageDisconnect). Asked
	 * at least every 500 ms while the phone is silent. */
	bool (*cancelled)(void *ctx);
};

struct session_opts {
	const char *udid; /* NULL: the first phone that is there */
	bool force_full;
	const char *pair_dir; /* unused with a usbmuxd that keeps records;
				    place of the box's own records later */
	int trust_wait_ms; /* how long to wait for Trust; 0 = 180,000 */
	int unlock_wait_ms; /* likewise for an unlock; 0 = 180,000 */
	int first_wait_ms; /* first command after Backup; 0 = 1,800,000 */
	int next_wait_ms; /* between later commands; 0 = 600,000 */
	int last_wait_ms; /* Response after `finished`; 0 = 60,000 */
	int ping_ms; /* liveness check while silent; 0 = 60,000 */
};

/* Why a session ended, as a person would say it; the words are in words.c. */
enum session_end {
	SESSION_END_DONE, /* Response 0 and Status.plist finished */
	SESSION_END_NO_LAST_WORD, /* finished, but no Response came: verify */
	SESSION_END_NO_PHONE,
	SESSION_END_TRUST_REFUSED,
	SESSION_END_TRUST_WAIT, /* nobody tapped Trust in time */
	SESSION_END_LOCKED, /* stayed locked */
	SESSION_END_PASSCODE, /* 208 */
	SESSION_END_UNPLUGGED, /* connection lost */
	SESSION_END_SILENT, /* no sign of life within the bound */
	SESSION_END_HOST_FULL, /* 105, 106 or our own ENOSPC */
	SESSION_END_HOST_DISK, /* our disk failed (EIO, read-only) */
	SESSION_END_PHONE_FULL, /* 102 */
	SESSION_END_PHONE_FILES, /* 104 */
	SESSION_END_CANCELLED, /* 202 or our own cancel */
	SESSION_END_BROKEN_BACKUP, /* 205, 203, 103: drop overlay, full next */
	SESSION_END_PASSWORD, /* 207 */
	SESSION_END_SETUP, /* 212 */
	SESSION_END_FIND_MY, /* 211 */
	SESSION_END_RESTART_PHONE, /* 3 */
	SESSION_END_PHONE_OTHER, /* any other code of the phone */
	SESSION_END_PROTOCOL, /* the phone's bytes make no sense */
	SESSION_END_INTERNAL,
	SESSION_END_COUNT_
};

struct session_result {
	enum session_end end;
	enum rc rc; /* RC_OK only with DONE and NO_LAST_WORD */
	int mb_code; /* MBErrorDomain code of the Response, or 0 */
	char text[512]; /* the phone's own text, or the first detail */
	uint64_t missing_bytes; /* HOST_FULL: how much more room is needed */
	uint64_t files, bytes; /* received (Status.plist included) */
	uint64_t incomplete; /* files that the phone could not read */
	bool was_full; /* IsFullBackup of the last Status.plist */
	char status_state[16]; /* last SnapshotState that the phone wrote */
	/* of session_password() only */
	enum password_did did; /* with RC_OK */
	bool unsure; /* asked for, but the phone's answer did not come */
	int64_t phone_ms, box_ms; /* waiting for the phone / working */
};

/*
 * Runs a backup. `out` is always filled; returns out->rc.
 * Also writes <UDID>/Info.plist into the store (protocols.md 6.5).
 * Sets SIGPIPE to be ignored in the whole process: the libraries write to
 * sockets that a phone may have closed.
 */
enum rc session_backup(const struct session_opts *opts,
    const struct store *store, const struct session_events *ev,
    struct session_result *out);

/*
 * Asks for the words of a change once the phone has said whether its backups
 * are encrypted (p->will_encrypt). May block; is not called for a phone that
 * lets nobody in. Anything but RC_OK (RC_CANCELLED) ends the session.
 */
struct session_words {
	void *ctx;
	enum rc (*ask)(void *ctx, const struct session_phone *p,
	    struct password_change *out);
};

/*
 * Switches encrypted backups on or off, or changes their password; no backup.
 * The phone may ask for its passcode (SESSION_WANTS_PASSCODE). `out` is always
 * filled; returns out->rc.
 *
 * SESSION_END_DONE      out->did tells what; the next backup is a full one
 * SESSION_END_PASSWORD  the old password is wrong or was not given
 * SESSION_END_PASSCODE  not entered
 * others                as for a backup; with out->unsure the phone may have
 *                       done it or not
 *
 * Copies of the words stay in freed memory of the libraries below: call it in
 * a process that ends after it.
 */
enum rc session_password(const struct session_opts *opts,
    const struct session_words *words, const struct session_events *ev,
    struct session_result *out);

/* Steady ids for API, logs and exit statuses: "passcode", "unplugged", … */
const char *session_end_id(enum session_end end);

#endif
