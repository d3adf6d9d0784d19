/*
 * All that may be shown, by value, without pointers: LED, page, API,
 * terminal and tests read just this. Filled by the box in one place.
 * Strings are UTF-8, NUL-terminated, "" when unknown. Times *_at are Unix
 * seconds, 0 when there is none.
 */
#ifndef STATUS_H
#define STATUS_H

#include <stdbool.h>
#include <stdint.h>

#include "bounds.h"
#include "led_pattern.h"

/* Ids as in words.md; the word for each is status_state_id(). */
enum status_state {
	STATE_STARTING,
	STATE_READY,
	STATE_READY_OVERDUE,
	STATE_SEEN, /* a phone is there, nothing known yet */
	STATE_WANTS_TRUST,
	STATE_TRUST_REFUSED,
	STATE_WANTS_UNLOCK,
	STATE_WANTS_PASSCODE,
	STATE_PASSCODE_MISSED,
	STATE_PREPARING,
	STATE_RECEIVING,
	STATE_CHECKING,
	STATE_SAFE,
	STATE_UNPLUGGED,
	STATE_STOPPED, /* by its owner, on the page */
	STATE_PHONE_FAILED,
	STATE_PHONE_FULL,
	STATE_SETUP_UNFINISHED,
	STATE_DISK_FULL,
	STATE_NO_DISK,
	STATE_DISK_UNFIT,
	STATE_DISK_READONLY,
	STATE_DISK_FAILING,
	STATE_DISK_WORN, /* works, and says that it will fail */
	STATE_DISK_LOCKED, /* encrypted: a person is to give its password */
	STATE_DISK_EJECTING, /* its owner asked for that */
	STATE_DISK_EJECTED,
	STATE_DISK_HELD, /* not ejected: something else uses it */
	STATE_SHRUNK, /* safe, but much less than the night before */
	STATE_CATALOG_BROKEN, /* of one phone; its backups are there */
	STATE_CHECK_FAILED, /* what arrived is not a whole backup */
	STATE_DAMAGED, /* the newest backup is no longer whole on the disk */
	STATE_SCRUBBED, /* in the ledger only: all was read again */
	STATE_SETTING_PASSWORD, /* of the backups, on the phone */
	STATE_PASSWORD_SET, /* in the ledger only: the detail says what */
	STATE_PASSWORD_UNCHANGED,
	STATE_PASSWORD_UNSURE, /* the phone's answer did not come */
	/* On USB, and not to be talked to: what a phone or its cable does. */
	STATE_USB_RESTRICTED, /* it is silent: locked for long, most likely */
	STATE_NO_ANSWER, /* … and has been for so long that more may be wrong */
	STATE_CHARGES_ONLY, /* it offers no data at all */
	STATE_RECOVERY_MODE,
	STATE_DFU_MODE,
	STATE_USB_HELD, /* something else on this computer has it */
	STATE_USB_REFUSED, /* it refuses the configuration that it offers */
	STATE_USB_ERRORS,
	STATE_USB_NO_RIGHTS, /* of this program, to its device file */
	STATE_POWER_DROP, /* its backup broke off as the box's supply dipped */
	STATE_NOT_ENCRYPTED, /* a hint, never a phone's state: words_hint() */
	STATE_WEAK_POWER, /* of the box: its supply dipped */
	STATE_NOTICE, /* of the box: its card or its settings, `detail` says */
	STATE_UPDATING, /* of the box: a new firmware is written, or restarts */
	STATE_UPDATE_COMES, /* of the box: one is sent through the page */
	STATE_UPDATED, /* in the ledger only: the detail says to what */
	STATE_UPDATE_FAILED,
	STATE_BOX_FAULT,
	STATE_COUNT_
};

/* How large a good backup is. */
struct status_size {
	int64_t at;
	uint64_t bytes, new_bytes;
};

/* What a phone's USB port is and gives, by the kernel's word (usb_bus.h). */
struct status_port {
	uint32_t mbit; /* Mbit/s; 0: nothing is known */
	uint16_t asks_ma, gives_ma; /* 0 unknown */
	bool weak_hub; /* a hub without a supply of its own is between */
	char name[24]; /* "1-1.4"; "" unknown */
};

struct status_phone {
	char udid[48];
	char name[128];
	char product_type[32];
	char model[48]; /* "iPhone 15"; the product type if not known */
	char ios[32];
	enum status_state state;
	int64_t state_at; /* since when */
	bool attached;
	bool encrypted; /* its newest backup, or the one that runs */
	bool sets_password; /* before the backup, or instead of it */
	int8_t will_encrypt; /* the phone has a password now; -1 unknown */
	int battery_pct; /* -1 unknown */
	struct status_port port;
	/* On USB and silent, and the box can't tell whose it is: no udid. Such
	 * stand behind all others. */
	bool nameless;
	/* the running backup */
	uint32_t pct_x100; /* 0..10000 */
	uint64_t bytes_done, bytes_rate; /* bytes/s over the last seconds */
	uint64_t files_done;
	int64_t eta_s; /* -1 unknown */
	uint64_t missing_bytes; /* DISK_FULL: how much more room */
	int mb_code; /* small print; 0 none */
	char detail[256]; /* the phone's text or what the check found */
	/* the newest good snapshot */
	int64_t last_good_at;
	uint64_t last_files, last_bytes, last_new_files, last_new_bytes;
	uint32_t versions;
	uint32_t overdue_days; /* 0: not overdue */
	uint32_t n_sizes;
	struct status_size sizes[LIMIT_SIZES]; /* newest first */
	/* the backup that goes first when the disk runs out of room */
	int64_t next_gone_at; /* 0: none may go, or not known yet */
	uint64_t next_gone_bytes; /* that frees, about */
	/* what the disk did to finished backups */
	uint64_t damaged_files; /* of the newest one; `damaged` names some */
	uint64_t damaged_older; /* that only older ones need */
	bool wants_full; /* the next backup will be a full one for it */
	char damaged[LIMIT_DAMAGED_NAMES][64];
	/* much less than the night before, and nobody has dismissed it */
	uint32_t loss_pct; /* 0: none */
	int64_t loss_at; /* the backup that has it all, and is kept */
	char loss_domain[128]; /* of Manifest.db; "" files of all kinds */
};

/* One line of the ledger. */
struct status_night {
	int64_t at;
	char udid[48];
	char phone[128];
	enum status_state state; /* how it ended: SAFE, UNPLUGGED, … */
	uint32_t pct_x100;
	uint64_t new_files, new_bytes; /* SCRUBBED: read; DAMAGED: so many */
	int64_t seconds;
	uint64_t missing_bytes;
	int mb_code;
	char detail[128];
};

/* What the box knows the time from, the least first. */
enum status_clock {
	STATUS_CLOCK_UNKNOWN,
	STATUS_CLOCK_KEPT, /* the last known moment: it is later now */
	STATUS_CLOCK_SYSTEM, /* the machine's own clock */
	STATUS_CLOCK_PHONE,
	STATUS_CLOCK_SNTP,
	STATUS_CLOCK_COUNT_
};

/* How the link by Wi-Fi stands. */
enum status_wifi_state {
	STATUS_WIFI_NONE, /* there is to be none */
	STATUS_WIFI_NO_DEVICE, /* this box has no Wi-Fi that works */
	STATUS_WIFI_SEARCHING,
	STATUS_WIFI_NOT_FOUND, /* no network of that name is in reach */
	STATUS_WIFI_PASSWORD, /* it is not the right one */
	STATUS_WIFI_WEAK, /* connected */
	STATUS_WIFI_CONNECTED,
	STATUS_WIFI_COUNT_
};

struct status_wifi {
	enum status_wifi_state state;
	char name[33]; /* of the network */
	int signal_dbm; /* 0: not known */
};

#define STATUS_SMART_UNKNOWN (-1)

/* What the disk says of itself (SMART). */
struct status_smart {
	bool told; /* false: it, or its bridge, says nothing */
	bool failing; /* it expects to fail */
	/* STATUS_SMART_UNKNOWN, or 0 and above */
	int32_t temperature_c;
	int32_t hours; /* of work */
	int32_t reallocated; /* sectors that were bad, and are replaced */
	int32_t pending; /* sectors that can't be read */
};

struct status_disk {
	bool present;
	char path[256];
	char fs[16];
	uint64_t total_bytes, free_bytes;
	/* one that can't be used as it is: what it would be prepared by; "" */
	char offer[48];
	int64_t read_at; /* every backup was read again, and was whole, since */
	bool let_go; /* on its owner's word; it is there, and not used */
	struct status_smart smart;
};

/* How the machine's run before this one ended. */
enum status_reset {
	STATUS_RESET_UNKNOWN, /* the first one, or nobody keeps count */
	STATUS_RESET_ASKED, /* restarted in good order */
	STATUS_RESET_OFF, /* switched off in good order */
	STATUS_RESET_WATCHDOG, /* it hung, and the hardware noticed */
	STATUS_RESET_PANIC, /* its kernel stopped, and said why */
	STATUS_RESET_STOPPED, /* no end in good order, and the power was on */
	STATUS_RESET_POWER, /* the power went, or what the board can't tell
			       from that */
	STATUS_RESET_COUNT_
};

/* The box as a machine. */
struct status_health {
	bool has_temperature;
	int32_t temperature_c;
	int64_t weak_power_at; /* the supply dipped the last time; 0: never */
	uint32_t weak_power_times; /* since the start */
	int32_t supply_ma; /* what it says that it can give; 0 unknown */
	int32_t usb_limit_ma; /* of all USB ports together; 0 none known */
	uint32_t restarts; /* of parts, since the start */
	enum status_reset last_reset;
};

/* A new firmware for a box that has a place for it. */
struct status_update {
	bool can;
	bool runs; /* one is being installed; `pct` of it */
	bool comes; /* one is being sent through the page; `pct` of it */
	bool sent; /* what is said below is of one that was sent; else of the
		      disk's */
	bool trial; /* what runs is new, and not confirmed yet */
	bool older; /* the one that is offered, than what runs */
	uint8_t pct;
	uint64_t build; /* of the one that is offered; 0: none */
	char version[32]; /* likewise; "" */
	char why[128]; /* it can't be installed, or was not; "" */
};

struct status {
	uint64_t serial; /* grows with each change */
	int64_t now_at;
	int64_t started_at;
	enum status_clock clock; /* what now_at is worth */
	int64_t clock_at; /* since when; 0 when it is not known */
	char box[64]; /* its name: "nightstand" */
	char version[32];
	enum status_state box_state; /* of the box alone: STARTING, READY,
					NO_DISK, DISK_*, BOX_FAULT */
	char detail[256]; /* what box_state is about, in words */
	/* the three below are set by status_settle() */
	enum status_state state; /* of the box: box_state, or the state of the
				    phone that matters most */
	int phone; /* index that the state speaks of, -1 none */
	enum led_pattern led; /* pure function of the rest */
	struct status_disk disk;
	struct status_health health;
	struct status_wifi wifi;
	struct status_update update;
	char certificate[96]; /* SHA-256 of it, "AB:CD:…"; "" none */
	uint32_t n_phones, n_nights;
	struct status_phone phones[LIMIT_PHONES];
	struct status_night nights[LIMIT_NIGHTS]; /* newest first */
};

const char *status_state_id(enum status_state s); /* "wants_passcode" */

/* STATE_COUNT_ when there is no such id. */
enum status_state status_state_from_id(const char *id);

const char *status_clock_id(enum status_clock c); /* "sntp" */

const char *status_reset_id(enum status_reset r); /* "watchdog" */

/* False: ages and hours of the day mean nothing. */
bool status_clock_is_known(enum status_clock c);

const char *status_wifi_id(enum status_wifi_state s); /* "wrong_password" */

/* A ledger line about what lies on the disk, not about a night's backup. */
bool status_is_about_disk(enum status_state s);

/* A ledger line that is no night's backup: about the disk, or the password. */
bool status_is_aside(enum status_state s);

/* A backup is under way or about to be, in this state. */
bool status_is_busy(enum status_state s);

/* Nothing is told. */
void status_smart_unknown(struct status_smart *s);

/* A phone that would say that all is well tells of its loss first. */
void status_tell_loss(struct status_phone *p);

/* Those that the box knows; the nameless stand behind them. */
uint32_t status_named_phones(const struct status *st);

/* Leaves what anybody may see: how things stand, not whose they are. No names,
 * UDIDs, places, or words of phones. */
void status_redact(struct status *st);

/*
 * Sets state, phone and led from the rest: what matters most to a person who
 * glances at the box. Urgent and short-lived things (a dialog on the phone)
 * come before lasting ones. Pure.
 */
void status_settle(struct status *st);

#endif
