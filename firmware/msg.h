/*
 * What passes between the roles: small typed messages by value over a
 * SOCK_SEQPACKET socketpair. One header, one place that packs and checks
 * them, no pointers. Both ends are the same program of the same build, so
 * fields stand in the machine's own order; but a child that parses bytes from
 * outside may lie, so every message is checked as if it did.
 */
#ifndef MSG_H
#define MSG_H

#include <stdbool.h>
#include <stdint.h>

#include "auth.h"
#include "command.h"
#include "hook.h"
#include "password.h"
#include "rc.h"
#include "settings.h"
#include "status.h"
#include "tlscert.h"
#include "upload.h"
#include "usb_bus.h"
#include "vault_keep.h"

enum msg_type {
	MSG_NONE,
	/* web, usbmux, wifi -> box */
	MSG_ALIVE,
	/* box -> session */
	MSG_START,
	MSG_CANCEL,
	MSG_PASSWORD, /* of a session whose START said so */
	/* usbmux -> box */
	MSG_ATTACHED,
	MSG_DETACHED,
	MSG_ON_BUS, /* also phones that can't be talked to */
	/* disk -> box */
	MSG_DISK,
	MSG_DISK_SMART,
	/* box -> disk */
	MSG_DISK_DO,
	/* box -> wifi */
	MSG_WIFI_JOIN,
	/* wifi -> box */
	MSG_WIFI,
	/* update -> box */
	MSG_UPDATE,
	/* web -> box -> update */
	MSG_UPLOAD,
	/* box -> web */
	MSG_UPLOAD_SAID,
	/* session -> box */
	MSG_PHONE,
	MSG_PHASE,
	MSG_REQUESTED,
	MSG_PROGRESS,
	MSG_KEPT,
	MSG_PASSWORD_SET, /* the phone has taken it; the backup follows */
	MSG_RESULT,
	/* scrub -> box; KEPT, too */
	MSG_SCRUBBED,
	/* watch -> box */
	MSG_UNLOCKED,
	/* web -> box */
	MSG_SERVING,
	MSG_COMMAND,
	MSG_TIME,
	MSG_EVENT_OVER,
	/* box -> web */
	MSG_PIN,
	MSG_MQTT,
	MSG_SNTP,
	MSG_HOOK,
	MSG_EVENT,
	MSG_REPORT,
	MSG_TLS,
	MSG_SETTINGS, /* and back, when somebody changed them */
	/* box -> web, box -> `nightstand status` */
	MSG_STATUS,
	MSG_TYPE_COUNT_
};

/* What a session is to do. */
enum msg_job {
	MSG_JOB_BACKUP,
	/* Tell what the vault holds of each phone, then end. With a UDID, what
	 * the guard has noticed of that phone is dismissed first. */
	MSG_JOB_CENSUS,
	/* The backup password only. */
	MSG_JOB_PASSWORD
};

struct msg_start {
	uint8_t job; /* enum msg_job */
	uint8_t full; /* ask the phone for a full backup */
	uint8_t fresh; /* drop a kept overlay first */
	uint8_t password; /* backup: change the password before it */
	uint8_t log_level;
	uint8_t mounted; /* vault_dir is where a disk is mounted, or nothing */
	int32_t trust_wait_s, unlock_wait_s, first_wait_s, next_wait_s;
	int32_t last_wait_s;
	uint64_t reserve_bytes;
	int32_t lock_wait_s; /* backup: for the lock of a scrub that ends */
	int32_t scrub_minutes, scrub_gib; /* role scrub; 0: no limit */
	struct vault_keep keep;
	char udid[48];
	char vault_dir[512];
	char state_dir[512]; /* "" none */
};

struct msg_device { /* ATTACHED, DETACHED */
	char udid[48];
};

struct msg_on_bus { /* as struct usb_on_bus */
	uint32_t place;
	uint8_t why; /* enum usb_why */
	char udid[48];
	uint16_t product, release;
	uint32_t mbit;
	uint16_t asks_ma, gives_ma;
	uint8_t weak_hub;
	char port[24];
};

struct msg_disk {
	uint8_t state; /* enum disk_state */
	char fs[16];
	char model[48];
	char why[200]; /* as in struct disk */
	char name[32]; /* UNFIT: the one that could be prepared; "" none */
	uint8_t let_go; /* ejected, and there: it may be used again */
};

enum msg_disk_what {
	MSG_DISK_EJECT,
	MSG_DISK_USE, /* again, what was ejected */
	MSG_DISK_UNLOCK, /* with `word`; kept on the card if `keep` */
	MSG_DISK_PREPARE, /* deletes all that is on `name` */
	MSG_DISK_WHAT_COUNT_
};

struct msg_disk_do {
	uint8_t what; /* enum msg_disk_what */
	char name[32];
	char word[PASSWORD_CAP]; /* of UNLOCK: wipe it */
	uint8_t keep;
};

struct msg_wifi_join {
	char name[33], password[64], country[3];
};

struct msg_wifi {
	uint8_t state; /* enum status_wifi_state */
	int32_t signal_dbm; /* 0: not known */
};

enum msg_update_what {
	MSG_UPDATE_PROGRESS, /* pct of an installation */
	MSG_UPDATE_DONE, /* the job is over; rc, and why not */
	MSG_UPDATE_WHAT_COUNT_
};

struct msg_update {
	uint8_t what; /* enum msg_update_what */
	uint8_t rc; /* enum rc */
	uint8_t pct;
	uint8_t older; /* than what runs */
	uint64_t build; /* 0: nothing of it is believed */
	uint64_t taken; /* PROGRESS of one that is sent: bytes so far */
	char version[32];
	char why[128];
};

struct msg_phone {
	char udid[48];
	char name[128];
	char product_type[32];
	char ios[32];
	char zone[64]; /* name of its time zone, not checked; "" untold */
	int32_t battery_pct; /* -1 unknown */
	uint8_t encrypted;
	int64_t clock_ms, clock_mono_ms; /* as in struct msg_time; 0: untold */
};

/* Where a session is: enum session_phase, then the two of our own. */
enum msg_phase {
	MSG_PHASE_CONNECTING,
	MSG_PHASE_WANTS_TRUST,
	MSG_PHASE_WANTS_UNLOCK,
	MSG_PHASE_WANTS_PASSCODE,
	MSG_PHASE_PREPARING,
	MSG_PHASE_RECEIVING,
	MSG_PHASE_FINISHING,
	MSG_PHASE_VERIFYING,
	MSG_PHASE_COMMITTING,
	MSG_PHASE_COUNT_
};

struct msg_step { /* PHASE */
	uint8_t phase;
};

struct msg_requested {
	int64_t ms; /* session's begin to the Backup request written */
};

struct msg_progress {
	uint8_t phase; /* RECEIVING or VERIFYING */
	uint32_t pct_x100; /* 0..10000 */
	uint64_t bytes_done, bytes_total; /* total 0: unknown */
	uint64_t files_done, files_total;
};

/* What the vault holds of a phone: its newest good snapshot. */
struct msg_kept {
	char udid[48];
	char name[128];
	char product_type[32];
	char ios[32];
	uint8_t encrypted;
	uint32_t versions;
	uint32_t n_sizes;
	struct status_size sizes[LIMIT_SIZES]; /* as in status_phone */
	uint8_t has_next; /* the two below are known */
	int64_t next_gone_at;
	uint64_t next_gone_bytes;
	int64_t at; /* 0: none yet */
	uint64_t files, bytes, new_files, new_bytes;
	/* what the guard noticed and nobody has dismissed */
	uint32_t loss_pct; /* 0: nothing */
	int64_t loss_at; /* of the backup before */
	char loss_domain[128];
	uint64_t damaged_files, damaged_older; /* as in struct status_phone */
	uint8_t wants_full;
	char damaged[LIMIT_DAMAGED_NAMES][64];
};

struct msg_scrubbed { /* one phone's part of it is over */
	char udid[48];
	uint8_t rc; /* enum rc */
	uint8_t all; /* everything was read since the pass began */
	uint64_t files, bytes, found, healed;
	int64_t seconds;
};

struct msg_result {
	uint8_t end; /* enum session_end */
	uint8_t rc; /* enum rc */
	uint8_t verified; /* checked and committed: the backup is safe */
	uint8_t resumed; /* an overlay had been kept */
	uint8_t dropped; /* the overlay was dropped */
	uint8_t catalog_broken; /* a person has to repair it */
	uint8_t unsure; /* as in struct session_result */
	int32_t mb_code;
	uint64_t missing_bytes;
	uint64_t files, bytes;
	int64_t snapshot;
	int64_t phone_ms, box_ms;
	uint64_t size_warnings;
	char text[256];
};

struct msg_password_set {
	uint8_t did; /* enum password_did */
};

struct msg_serving {
	int32_t port;
};

struct msg_command {
	uint8_t kind; /* enum web_command_kind */
	uint8_t older; /* UPDATE: also to an older version */
	char udid[48];
	char pin[32];
	struct password_change password; /* UNLOCK's is the new one */
	uint8_t keep; /* of UNLOCK */
};

struct msg_mqtt {
	char host[64], user[64], password[64];
	int32_t port;
	char topic[32], discovery[32];
	char id[48];
};

/* What a time server said. mono_ms: when it was so, by mono.h's clock, which
 * all processes share. */
struct msg_time {
	int64_t at_ms, mono_ms;
	char from[48];
};

struct msg_hook {
	struct hook_target target;
};

struct msg_event {
	struct hook_event event;
};

struct msg_event_over {
	uint64_t number;
	uint8_t taken; /* else it was let go */
};

struct msg_sntp {
	char host[64]; /* "" only one that DHCP names */
};

#define MSG_REPORT_TEXT 16384
struct msg_report { /* a piece of one; text need not end */
	uint32_t total, offset, len;
	char text[MSG_REPORT_TEXT];
};

struct msg_tls { /* both in DER */
	uint16_t key_len, cert_len;
	uint8_t key[TLSCERT_KEY_MAX], cert[TLSCERT_CERT_MAX];
};

struct msg_pin {
	uint8_t salt[AUTH_SALT], hash[AUTH_HASH];
};

struct msg {
	enum msg_type type;
	union {
		struct msg_start start;
		struct msg_device device;
		struct msg_on_bus on_bus;
		struct msg_disk disk;
		struct msg_disk_do disk_do;
		struct msg_wifi_join wifi_join;
		struct msg_wifi wifi;
		struct status_smart smart;
		struct msg_update update;
		struct msg_phone phone;
		struct msg_step step;
		struct msg_requested requested;
		struct msg_progress progress;
		struct msg_kept kept;
		struct password_change password;
		struct msg_password_set password_set;
		struct msg_result result;
		struct msg_scrubbed scrubbed;
		struct msg_serving serving;
		struct msg_command command;
		struct msg_pin pin;
		struct msg_mqtt mqtt;
		struct msg_time time;
		struct msg_sntp sntp;
		struct msg_hook hook;
		struct msg_event event;
		struct msg_event_over event_over;
		struct msg_report report;
		struct msg_tls tls;
		struct settings_values settings;
		struct web_upload upload;
		struct web_upload_said upload_said;
		struct status status;
	} u;
};

/*
 * Sends u's member of m->type. Waits while the peer does not read, unless
 * `fd` is non-blocking: then RC_BUSY, nothing was sent. RC_GONE: no peer.
 */
MUST_CHECK enum rc msg_send(int fd, const struct msg *m);

/*
 * Takes one message. RC_GONE: the peer has closed. RC_BUSY: none is there (on
 * a non-blocking fd). RC_PROTO: not one of ours; the peer is not to be trusted
 * any more.
 */
MUST_CHECK enum rc msg_recv(int fd, struct msg *out);

/* Checks what stands in `m` as if it came from outside: strings end, numbers
 * are in range. For msg_recv() and tests. */
bool msg_is_sound(const struct msg *m);

#endif
