#include "status.h"

#include <string.h>

#include "words.h"

static const char *const ids[STATE_COUNT_] = {
	[STATE_STARTING] = "starting",
	[STATE_READY] = "ready",
	[STATE_READY_OVERDUE] = "ready_overdue",
	[STATE_SEEN] = "seen",
	[STATE_WANTS_TRUST] = "wants_trust",
	[STATE_TRUST_REFUSED] = "trust_refused",
	[STATE_WANTS_UNLOCK] = "wants_unlock",
	[STATE_WANTS_PASSCODE] = "wants_passcode",
	[STATE_PASSCODE_MISSED] = "passcode_missed",
	[STATE_PREPARING] = "preparing",
	[STATE_RECEIVING] = "receiving",
	[STATE_CHECKING] = "checking",
	[STATE_SAFE] = "safe",
	[STATE_UNPLUGGED] = "unplugged",
	[STATE_STOPPED] = "stopped",
	[STATE_PHONE_FAILED] = "phone_failed",
	[STATE_PHONE_FULL] = "phone_full",
	[STATE_SETUP_UNFINISHED] = "setup_unfinished",
	[STATE_DISK_FULL] = "disk_full",
	[STATE_NO_DISK] = "no_disk",
	[STATE_DISK_UNFIT] = "disk_unfit",
	[STATE_DISK_READONLY] = "disk_readonly",
	[STATE_DISK_FAILING] = "disk_failing",
	[STATE_DISK_WORN] = "disk_worn",
	[STATE_DISK_LOCKED] = "disk_locked",
	[STATE_DISK_EJECTING] = "disk_ejecting",
	[STATE_DISK_EJECTED] = "disk_ejected",
	[STATE_DISK_HELD] = "disk_held",
	[STATE_SHRUNK] = "shrunk",
	[STATE_CATALOG_BROKEN] = "catalog_broken",
	[STATE_CHECK_FAILED] = "check_failed",
	[STATE_DAMAGED] = "damaged",
	[STATE_SCRUBBED] = "scrubbed",
	[STATE_SETTING_PASSWORD] = "setting_password",
	[STATE_PASSWORD_SET] = "password_set",
	[STATE_PASSWORD_UNCHANGED] = "password_unchanged",
	[STATE_PASSWORD_UNSURE] = "password_unsure",
	[STATE_USB_RESTRICTED] = "usb_restricted",
	[STATE_NO_ANSWER] = "no_answer",
	[STATE_CHARGES_ONLY] = "charges_only",
	[STATE_RECOVERY_MODE] = "recovery_mode",
	[STATE_DFU_MODE] = "dfu_mode",
	[STATE_USB_HELD] = "usb_held",
	[STATE_USB_REFUSED] = "usb_refused",
	[STATE_USB_ERRORS] = "usb_errors",
	[STATE_USB_NO_RIGHTS] = "usb_no_rights",
	[STATE_POWER_DROP] = "power_drop",
	[STATE_NOT_ENCRYPTED] = "not_encrypted",
	[STATE_WEAK_POWER] = "too_weak_power",
	[STATE_NOTICE] = "box_notice",
	[STATE_UPDATING] = "updating",
	[STATE_UPDATE_COMES] = "update_comes",
	[STATE_UPDATED] = "updated",
	[STATE_UPDATE_FAILED] = "update_failed",
	[STATE_BOX_FAULT] = "box_fault",
};

/*
 * What matters more has a higher rank. A dialog waits for a person who is
 * still there, so it comes before everything but a box that can't back up at
 * all; what runs comes before what has ended, and before a phone that does not
 * talk: it may not for hours, and must not hide one that does.
 */
static const unsigned char ranks[STATE_COUNT_] = {
	[STATE_BOX_FAULT] = 90,
	[STATE_NO_DISK] = 84,
	[STATE_DISK_LOCKED] = 84,
	[STATE_DISK_EJECTING] = 84,
	[STATE_DISK_EJECTED] = 84,
	[STATE_DISK_HELD] = 84,
	[STATE_UPDATING] = 89,
	[STATE_DISK_UNFIT] = 83,
	[STATE_DISK_READONLY] = 82,
	[STATE_DISK_FAILING] = 81,
	[STATE_WANTS_PASSCODE] = 75,
	[STATE_WANTS_TRUST] = 74,
	[STATE_WANTS_UNLOCK] = 73,
	[STATE_RECEIVING] = 64,
	[STATE_PREPARING] = 63,
	[STATE_CHECKING] = 62,
	[STATE_SEEN] = 61,
	[STATE_SETTING_PASSWORD] = 61,
	[STATE_USB_RESTRICTED] = 60,
	[STATE_NO_ANSWER] = 59,
	[STATE_CHARGES_ONLY] = 59,
	[STATE_USB_HELD] = 58,
	[STATE_USB_NO_RIGHTS] = 58,
	[STATE_USB_REFUSED] = 58,
	[STATE_USB_ERRORS] = 58,
	[STATE_RECOVERY_MODE] = 57,
	[STATE_DFU_MODE] = 57,
	[STATE_CATALOG_BROKEN] = 56,
	[STATE_DISK_FULL] = 55,
	[STATE_CHECK_FAILED] = 54,
	[STATE_POWER_DROP] = 53,
	[STATE_PHONE_FAILED] = 53,
	[STATE_PHONE_FULL] = 52,
	[STATE_TRUST_REFUSED] = 51,
	[STATE_DISK_WORN] = 50,
	[STATE_WEAK_POWER] = 50,
	[STATE_NOTICE] = 43,
	[STATE_SETUP_UNFINISHED] = 45,
	[STATE_PASSCODE_MISSED] = 44,
	[STATE_PASSWORD_UNSURE] = 43,
	[STATE_PASSWORD_UNCHANGED] = 43,
	[STATE_DAMAGED] = 41,
	[STATE_SHRUNK] = 42,
	[STATE_READY_OVERDUE] = 40,
	[STATE_UNPLUGGED] = 30,
	[STATE_STOPPED] = 30,
	[STATE_STARTING] = 25,
	[STATE_SAFE] = 20,
	[STATE_READY] = 10,
	[STATE_SCRUBBED] = 10,
	[STATE_UPDATE_COMES] = 48,
	[STATE_UPDATED] = 10,
	[STATE_UPDATE_FAILED] = 43,
	[STATE_PASSWORD_SET] = 10,
	[STATE_NOT_ENCRYPTED] = 10,
};

const char *status_state_id(enum status_state s)
{
	if ((unsigned)s >= STATE_COUNT_ || !ids[s])
		return "unknown";
	return ids[s];
}

enum status_state status_state_from_id(const char *id)
{
	unsigned i = 0;

	while (i < STATE_COUNT_ && strcmp(ids[i], id) != 0)
		i++;
	return (enum status_state)i;
}

const char *status_wifi_id(enum status_wifi_state s)
{
	static const char *const names[STATUS_WIFI_COUNT_] = {
		[STATUS_WIFI_NONE] = "none",
		[STATUS_WIFI_NO_DEVICE] = "no_device",
		[STATUS_WIFI_SEARCHING] = "searching",
		[STATUS_WIFI_NOT_FOUND] = "not_found",
		[STATUS_WIFI_PASSWORD] = "wrong_password",
		[STATUS_WIFI_WEAK] = "weak",
		[STATUS_WIFI_CONNECTED] = "connected",
	};

	return names[(unsigned)s < STATUS_WIFI_COUNT_ ? s : 0];
}

const char *status_clock_id(enum status_clock c)
{
	static const char *const clocks[STATUS_CLOCK_COUNT_] = {
		[STATUS_CLOCK_UNKNOWN] = "unknown",
		[STATUS_CLOCK_KEPT] = "kept",
		[STATUS_CLOCK_SYSTEM] = "system",
		[STATUS_CLOCK_PHONE] = "phone",
		[STATUS_CLOCK_SNTP] = "sntp",
	};

	return clocks[(unsigned)c < STATUS_CLOCK_COUNT_ ? c : 0];
}

const char *status_reset_id(enum status_reset r)
{
	static const char *const resets[STATUS_RESET_COUNT_] = {
		[STATUS_RESET_UNKNOWN] = "unknown",
		[STATUS_RESET_ASKED] = "asked",
		[STATUS_RESET_OFF] = "off",
		[STATUS_RESET_WATCHDOG] = "watchdog",
		[STATUS_RESET_PANIC] = "panic",
		[STATUS_RESET_STOPPED] = "stopped",
		[STATUS_RESET_POWER] = "power",
	};

	return resets[(unsigned)r < STATUS_RESET_COUNT_ ? r : 0];
}

bool status_clock_is_known(enum status_clock c)
{
	return c == STATUS_CLOCK_SYSTEM || c == STATUS_CLOCK_PHONE ||
	       c == STATUS_CLOCK_SNTP;
}

bool status_is_about_disk(enum status_state s)
{
	return s == STATE_DAMAGED || s == STATE_SCRUBBED;
}

bool status_is_aside(enum status_state s)
{
	return status_is_about_disk(s) || s == STATE_UPDATED ||
	       s == STATE_UPDATE_FAILED || s == STATE_PASSWORD_SET ||
	       s == STATE_PASSWORD_UNCHANGED || s == STATE_PASSWORD_UNSURE;
}

bool status_is_busy(enum status_state s)
{
	return s == STATE_SEEN || s == STATE_WANTS_TRUST ||
	       s == STATE_WANTS_UNLOCK || s == STATE_WANTS_PASSCODE ||
	       s == STATE_PREPARING || s == STATE_RECEIVING ||
	       s == STATE_CHECKING || s == STATE_SETTING_PASSWORD;
}

uint32_t status_named_phones(const struct status *st)
{
	uint32_t n = st->n_phones < LIMIT_PHONES ? st->n_phones : LIMIT_PHONES;

	while (n && st->phones[n - 1].nameless)
		n--;
	return n;
}

static void redact_phone(struct status_phone *p)
{
	memset(p->udid, 0, sizeof(p->udid));
	memset(p->name, 0, sizeof(p->name));
	memset(p->model, 0, sizeof(p->model));
	memset(p->product_type, 0, sizeof(p->product_type));
	memset(p->ios, 0, sizeof(p->ios));
	memset(p->detail, 0, sizeof(p->detail));
	memset(p->damaged, 0, sizeof(p->damaged));
	memset(p->loss_domain, 0, sizeof(p->loss_domain));
	memset(p->port.name, 0, sizeof(p->port.name));
}

void status_redact(struct status *st)
{
	for (unsigned i = 0; i < LIMIT_PHONES; i++)
		redact_phone(&st->phones[i]);
	for (unsigned i = 0; i < LIMIT_NIGHTS; i++) {
		struct status_night *n = &st->nights[i];

		memset(n->udid, 0, sizeof(n->udid));
		memset(n->phone, 0, sizeof(n->phone));
		memset(n->detail, 0, sizeof(n->detail));
	}
	memset(st->detail, 0, sizeof(st->detail));
	memset(st->disk.path, 0, sizeof(st->disk.path));
	memset(st->wifi.name, 0, sizeof(st->wifi.name));
}

void status_smart_unknown(struct status_smart *s)
{
	*s = (struct status_smart){
		.temperature_c = STATUS_SMART_UNKNOWN,
		.hours = STATUS_SMART_UNKNOWN,
		.reallocated = STATUS_SMART_UNKNOWN,
		.pending = STATUS_SMART_UNKNOWN,
	};
}

void status_tell_loss(struct status_phone *p)
{
	if (p->loss_pct && (p->state == STATE_SAFE || p->state == STATE_READY ||
			       p->state == STATE_READY_OVERDUE))
		p->state = STATE_SHRUNK;
}

/* A phone that lies elsewhere and is safe is no news for the box. */
static unsigned phone_rank(const struct status_phone *p)
{
	if (!p->attached && p->state == STATE_SAFE)
		return 0;
	if ((unsigned)p->state >= STATE_COUNT_)
		return 0;
	return ranks[p->state];
}

void status_settle(struct status *st)
{
	unsigned best;

	if ((unsigned)st->box_state >= STATE_COUNT_)
		st->box_state = STATE_BOX_FAULT;
	st->state = st->box_state;
	st->phone = -1;
	best = ranks[st->state];
	for (uint32_t i = 0; i < st->n_phones && i < LIMIT_PHONES; i++) {
		unsigned r = phone_rank(&st->phones[i]);

		if (r <= best)
			continue;
		best = r;
		st->state = st->phones[i].state;
		st->phone = (int)i;
	}
	st->led = words_led(st);
}
