/*
 * One simulated phone: what it is, what state it is in, which faults were
 * asked for. Every service runs in a thread of its own and takes `lock` for
 * what is marked (L).
 */
#ifndef PHONE_H
#define PHONE_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

struct content;
struct link;

struct phone_identity {
	char udid[48]; /* as lockdown says it, with the dash */
	char name[128];
	char product_type[32]; /* "iPhone15,4" */
	char ios[16]; /* "18.1" */
	char build[16];
	char serial[16];
	/* … further lockdown values are derived from these and the seed */
	uint64_t seed;
	int ios_major, ios_minor;
};

/* What the passcode dialog does when it is shown. */
enum passcode_plan {
	PASSCODE_WAIT, /* until `passcode entered` and the like arrive */
	PASSCODE_ENTERED, /* entered by itself after passcode_delay_ms */
	PASSCODE_REFUSED, /* cancelled by itself after passcode_delay_ms */
	PASSCODE_IGNORED /* nobody touches it: 208 after passcode_timeout_ms */
};

enum passcode_answer {
	PASSCODE_ANSWER_OK,
	PASSCODE_ANSWER_REFUSED,
	PASSCODE_ANSWER_TIMEOUT,
	PASSCODE_ANSWER_GONE /* unplugged meanwhile */
};

struct phone {
	pthread_mutex_t lock;
	pthread_cond_t changed; /* any (L) field changed */
	struct phone_identity id;
	char dir[512]; /* its state on disk; see phone.c */
	struct content *content; /* its files; content.h */

	bool plugged; /* (L) */
	bool locked; /* (L) lockdown says PasswordProtected */
	bool passcode_set; /* (L) false: no prompt for a backup */
	int battery_pct; /* (L) */
	enum passcode_plan passcode_plan; /* (L) */
	int passcode_delay_ms, passcode_timeout_ms; /* (L) */
	uint64_t free_bytes, total_bytes; /* (L) room on the phone itself */
	bool find_my; /* (L) restore → 211 */
	bool setup_done; /* (L) false: backup → 212 */
	bool cancel_backup; /* (L) someone tapped Cancel; agent clears */
	/* … front, trust, pairing and fault fields: owned by phone.c */
	struct phone_private *p;
};

/*
 * Named points of the protocol, in the order in which they pass. The agent
 * calls phone_point() at each; a script may have armed something there:
 * unplug, a pause of n ms, silence, an error code, lock, cancel.
 * Returns 0 to go on, -1 when the link must end now, or an MBErrorDomain code
 * (> 0) that the backup must fail with.
 *
 * Names: "hello", "request", "passcode", "status-read", "scan", "space",
 * "mkdir", "status-uploading", "upload" (before each batch; n counts),
 * "upload-file" (before each file; n counts), "manifest", "status-moving",
 * "move" (before each batch), "move-manifest", "status-removing", "remove",
 * "remove-snapshot", "status-finished", "verify", "response".
 */
int phone_point(struct phone *ph, const char *name, uint64_t n);

/* Adds to a counter that `status` shows: "files_uploaded", "bytes_uploaded",
 * "moves", "removes", … (any name; at most 32 of them). */
void phone_count(struct phone *ph, const char *name, uint64_t add);

/* Numbers and switches set by `set NAME VALUE` on the control socket; `def`
 * when never set. Known to the agent: scan_ms, chunk, upload_batch,
 * move_batch, space_extra_bytes, purge_rule, frame_limit,
 * dl_io_callbacks, ignore_response (1: no final Response), … */
int64_t phone_knob(struct phone *ph, const char *name, int64_t def);
/* Text knobs: hostile_path, fail_file (a file that can't be read), garbage … */
bool phone_knob_text(struct phone *ph, const char *name, char *out, int cap);

/* Shows the passcode dialog (posts ui.presented), waits for the answer, posts
 * ui.dismissed. Returns at once with OK when no passcode is set. */
enum passcode_answer phone_ask_passcode(struct phone *ph);

/* Posts a notification to every notification_proxy client that observes it.*/
void phone_notify(struct phone *ph, const char *name);

/* Sleeps, but returns -1 at once when the phone is unplugged. */
int phone_sleep(struct phone *ph, int ms);

/* Unplugs at once; plugs again after ms (from another thread). */
void phone_reboot(struct phone *ph, int ms);

/* A line for `events` listeners of the control socket and for the log:
 * "backup begin full", "upload done 1204 files", … A line that begins with
 * "backup end" or "restore end" is kept as the last outcome for `status`. */
void phone_event(struct phone *ph, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

bool phone_is_plugged(struct phone *ph);

#endif
