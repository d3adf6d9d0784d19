/*
 * The one table of states, and how its sentences are filled in. To add a
 * state: a value in status.h, its id and rank in status.c, a row here.
 */
#include "words.h"

#include <stdio.h>
#include <string.h>

#include "utf8.h"

enum glance { /* what the box says after a state's sentence */
	GLANCE_NONE,
	GLANCE_LAST_GOOD, /* "Last safe backup: yesterday, 23:38." */
	GLANCE_STAYS, /* "The backup of yesterday stays safe until …" */
	GLANCE_SAFE, /* "Backed up today at 23:41 · …", in its place */
};

struct row {
	const char *headline, *sentence, *ledger;
	enum led_pattern led;
	enum words_severity severity;
	enum glance glance;
};

/* {phone} its name, {pct} whole percent, {left} time left as a sentence's
 * start, {days}, {reason} and {helps} of an error code, {missing} bytes,
 * {why} the detail, {sum} the cost of a night, {loss} percent of {what} that
 * are gone since {when}, {damaged} "A file of …'s newest backup is", {fetch}
 * how it comes again, {count} and {read} of a scrub. */
/* clang-format off */
static const struct row rows[STATE_COUNT_] = {
[STATE_STARTING] = { "Starting",
	"The box is getting ready, a few seconds.",
	"", LED_STARTING, WORDS_BUSY, GLANCE_NONE },
[STATE_READY] = { "Ready",
	"Plug in an iPhone.",
	"", LED_READY, WORDS_GOOD, GLANCE_LAST_GOOD },
[STATE_READY_OVERDUE] = { "{phone} has not been backed up for {days}",
	"Plug it in tonight.",
	"no phone seen", LED_OVERDUE, WORDS_ACT, GLANCE_LAST_GOOD },
[STATE_SEEN] = { "{phone} is plugged in",
	"The box is about to ask it for a backup.",
	"", LED_BACKING_UP, WORDS_BUSY, GLANCE_LAST_GOOD },
[STATE_WANTS_TRUST] = { "Tap \"Trust\" on {phone}",
	"Unlock it, tap Trust, enter its passcode. This is needed once.",
	"waited for Trust", LED_LOOK, WORDS_ACT, GLANCE_LAST_GOOD },
[STATE_TRUST_REFUSED] = { "{phone} was told not to trust this box",
	"Unplug it and plug it in again to be asked once more.",
	"Trust was refused", LED_FAILED, WORDS_BAD, GLANCE_LAST_GOOD },
[STATE_WANTS_UNLOCK] = { "Unlock {phone}",
	"It has been locked since it was plugged in or for over an hour, "
	"and only charges.",
	"was locked", LED_LOOK, WORDS_ACT, GLANCE_LAST_GOOD },
[STATE_WANTS_PASSCODE] = { "Enter the passcode on {phone}",
	"iOS asks for it at every backup. The box waits about three minutes, "
	"then asks again when you unlock it.",
	"", LED_LOOK, WORDS_ACT, GLANCE_LAST_GOOD },
[STATE_PASSCODE_MISSED] = { "The passcode was not entered",
	"Nothing is lost. Unlock {phone} while it is plugged in, and the box "
	"asks again.",
	"passcode was not entered", LED_LOOK, WORDS_ACT, GLANCE_LAST_GOOD },
[STATE_PREPARING] = { "{phone} is getting its backup ready",
	"Large phones think for some minutes. Leave it plugged in.",
	"", LED_BACKING_UP, WORDS_BUSY, GLANCE_STAYS },
[STATE_RECEIVING] = { "Backing up {phone}: {pct} %",
	"{left}Leave it plugged in.",
	"", LED_BACKING_UP, WORDS_BUSY, GLANCE_STAYS },
[STATE_CHECKING] = { "Checking what arrived",
	"Every file is read back from the disk. You may unplug {phone} now.",
	"", LED_BACKING_UP, WORDS_BUSY, GLANCE_STAYS },
[STATE_SAFE] = { "Everything on {phone} is safe",
	"You may unplug it.",
	"backed up: {sum}", LED_SAFE, WORDS_GOOD, GLANCE_SAFE },
[STATE_UNPLUGGED] = { "{phone} was unplugged before the end",
	"The earlier backup is untouched. Plug it in again and it goes on.",
	"unplugged at {pct} %", LED_READY, WORDS_ACT, GLANCE_LAST_GOOD },
[STATE_STOPPED] = { "The backup of {phone} was stopped",
	"The earlier backup is untouched. It goes on from here when it is asked "
	"for on the page, or {phone} is plugged in again.",
	"stopped at {pct} %", LED_READY, WORDS_ACT, GLANCE_LAST_GOOD },
[STATE_PHONE_FAILED] = { "{phone} stopped the backup: {reason}",
	"{helps}",
	"{reason}", LED_FAILED, WORDS_BAD, GLANCE_LAST_GOOD },
[STATE_PHONE_FULL] = { "{phone} has no room to prepare a backup",
	"Free some space on it.",
	"phone is full", LED_FAILED, WORDS_BAD, GLANCE_LAST_GOOD },
[STATE_SETUP_UNFINISHED] = { "{phone} is still being set up",
	"Finish its setup; the box tries again by itself.",
	"setup not finished", LED_LOOK, WORDS_ACT, GLANCE_LAST_GOOD },
[STATE_DISK_FULL] = { "The disk needs {missing} more",
	"Earlier backups are untouched. Free some space on the disk or use a "
	"larger one.",
	"{missing} missing", LED_DISK_FULL, WORDS_BAD, GLANCE_LAST_GOOD },
[STATE_NO_DISK] = { "No disk",
	"Plug in a USB disk. Nothing on it is deleted without your word.",
	"no disk", LED_NO_DISK, WORDS_BAD, GLANCE_NONE },
[STATE_DISK_UNFIT] = { "This disk can't hold backups: {why}",
	"Prepare it with ext4 or exFAT, or use another.",
	"disk unfit", LED_NO_DISK, WORDS_BAD, GLANCE_NONE },
[STATE_DISK_READONLY] = { "The disk can only be read",
	"{why}",
	"disk read-only", LED_NO_DISK, WORDS_BAD, GLANCE_NONE },
[STATE_DISK_FAILING] = { "The disk is failing",
	"What was safe is not touched. Copy it to a new disk now. {why}",
	"disk errors", LED_FAILED, WORDS_BAD, GLANCE_LAST_GOOD },
[STATE_DISK_EJECTING] = { "Do not unplug the disk yet",
	"What runs on it ends, and the rest is written. It is said here when "
	"that is done.",
	"ejecting", LED_BACKING_UP, WORDS_BUSY, GLANCE_NONE },
[STATE_DISK_EJECTED] = { "The disk may be unplugged now",
	"Everything on it is written. Plug it in again to use it.",
	"disk ejected", LED_NO_DISK, WORDS_ACT, GLANCE_NONE },
[STATE_DISK_HELD] = { "Do not unplug the disk yet",
	"Nightstand has written everything and let go of it. {why}",
	"disk still in use", LED_NO_DISK, WORDS_ACT, GLANCE_NONE },
[STATE_SHRUNK] = { "{phone} holds {loss} % fewer {what} than before",
	"If you did not delete them: the backup of {when} has them all and is "
	"kept until you say otherwise.",
	"unusual loss", LED_OVERDUE, WORDS_ACT, GLANCE_LAST_GOOD },
[STATE_CATALOG_BROKEN] = { "The list of {phone}'s backups is damaged",
	"The backups are still there and nothing is written over them. Run "
	"`nightstand repair`.",
	"list of backups damaged", LED_FAILED, WORDS_BAD, GLANCE_LAST_GOOD },
[STATE_CHECK_FAILED] = { "What arrived from {phone} is not a whole backup",
	"The earlier backup is untouched. The box tries again. {why}",
	"what arrived was not whole", LED_FAILED, WORDS_BAD,
	GLANCE_LAST_GOOD },
[STATE_DAMAGED] = { "{damaged} damaged on the disk",
	"{fetch}",
	"damaged files on the disk: {count}", LED_OVERDUE, WORDS_ACT,
	GLANCE_LAST_GOOD },
[STATE_SCRUBBED] = { "All backups were read again",
	"Every file is as it was stored.",
	"read again from the disk: {read}, all whole {why}", LED_READY, WORDS_GOOD,
	GLANCE_LAST_GOOD },
[STATE_SETTING_PASSWORD] = { "Setting the backup password of {phone}",
	"iOS asks for the passcode first. Leave it plugged in.",
	"", LED_BACKING_UP, WORDS_BUSY, GLANCE_LAST_GOOD },
[STATE_PASSWORD_SET] = { "{phone} has taken the backup password",
	"The next backup is a full one.",
	"{why}", LED_READY, WORDS_GOOD, GLANCE_LAST_GOOD },
[STATE_PASSWORD_UNCHANGED] = {
	"The backup password of {phone} was not changed: {why}",
	"Backups go on as they were. You may ask for it again.",
	"backup password not changed: {why}", LED_READY, WORDS_ACT,
	GLANCE_LAST_GOOD },
[STATE_PASSWORD_UNSURE] = {
	"Whether {phone} has taken the new backup password is not known",
	"The link broke before it answered. Keep the old one and the new one "
	"until a change has gone well.",
	"backup password: no answer came", LED_READY, WORDS_ACT,
	GLANCE_LAST_GOOD },
[STATE_USB_RESTRICTED] = { "Unlock {phone} once, then it may talk",
	"It is plugged in and does not answer: iOS shuts the port of a phone "
	"that has been locked for an hour, and it only charges. The box asks "
	"it again by itself.",
	"was locked and did not answer", LED_LOOK, WORDS_ACT,
	GLANCE_LAST_GOOD },
[STATE_NO_ANSWER] = { "{phone} does not answer",
	"It has been silent on USB for long. Unlock it, unplug it and plug it "
	"in again; then try another cable, or restart it.",
	"did not answer on USB", LED_FAILED, WORDS_BAD, GLANCE_LAST_GOOD },
[STATE_CHARGES_ONLY] = { "{phone} only charges",
	"It offers no data on this cable. Unplug it, unlock it, plug it in "
	"again and allow the accessory if it asks.",
	"only charged", LED_LOOK, WORDS_ACT, GLANCE_LAST_GOOD },
[STATE_RECOVERY_MODE] = { "{phone} is in recovery mode",
	"Nothing can be read from it so. To leave: press volume up, then volume "
	"down, then hold the side button until the Apple logo appears. If it "
	"comes back here, it needs a computer with Finder or the Apple Devices "
	"app.",
	"was in recovery mode", LED_FAILED, WORDS_BAD, GLANCE_LAST_GOOD },
[STATE_DFU_MODE] = { "{phone} is in DFU mode",
	"Its screen is black, and it waits for a new system. To leave: press "
	"volume up, then volume down, then hold the side button until the Apple "
	"logo appears.",
	"was in DFU mode", LED_FAILED, WORDS_BAD, GLANCE_LAST_GOOD },
[STATE_USB_HELD] = { "Another program holds {phone}",
	"A program or driver of this computer has it: a usbmuxd, a virtual "
	"machine, a photo program. End that, and the box goes on by itself.",
	"was held by another program", LED_FAILED, WORDS_BAD,
	GLANCE_LAST_GOOD },
[STATE_USB_REFUSED] = { "{phone} refuses to be set up on USB",
	"It does not take the configuration that it offers. Unplug it, restart "
	"it, plug it in again.",
	"refused its USB configuration", LED_FAILED, WORDS_BAD,
	GLANCE_LAST_GOOD },
[STATE_USB_ERRORS] = { "The USB link to {phone} fails",
	"What is sent does not arrive. Use another cable or port, without a hub "
	"between; then restart the phone.",
	"the USB link failed", LED_FAILED, WORDS_BAD, GLANCE_LAST_GOOD },
[STATE_USB_NO_RIGHTS] = { "This program may not use {phone}",
	"The system does not let it open the phone's USB device. Run it as "
	"root, as `sudo nightstand run`.",
	"no rights to use its USB device", LED_FAILED, WORDS_BAD,
	GLANCE_LAST_GOOD },
[STATE_POWER_DROP] = { "{phone} went away in the middle: the power was too weak",
	"The power supply of the box dipped at that moment. The earlier backup "
	"is untouched. Use a supply with 3 A or more and plug {phone} in again: "
	"it goes on.",
	"went away at {pct} %, the power supply was too weak", LED_FAILED,
	WORDS_BAD, GLANCE_LAST_GOOD },
[STATE_NOT_ENCRYPTED] = { "Health and passwords are not in this backup",
	"iOS puts them only into encrypted backups.",
	"", LED_READY, WORDS_GOOD, GLANCE_NONE },
[STATE_WEAK_POWER] = { "The power supply is too weak",
	"What was safe is not touched. Phones and disks drop out when it dips: "
	"use one with 3 A or more, and a disk with its own.",
	"power dipped", LED_FAILED, WORDS_BAD, GLANCE_LAST_GOOD },
[STATE_NOTICE] = { "The box's card or its SETTINGS.txt needs a look",
	"The box works with the rest. {why}",
	"the card or its settings need a look", LED_FAULT, WORDS_ACT,
	GLANCE_LAST_GOOD },
[STATE_UPDATING] = { "Updating",
	"If the power goes now, the former version starts again.", "",
	LED_STARTING, WORDS_BUSY, GLANCE_LAST_GOOD },
[STATE_UPDATED] = { "The box has a new version", "It is well. {why}",
	"updated to version {why}", LED_READY, WORDS_GOOD, GLANCE_LAST_GOOD },
[STATE_UPDATE_FAILED] = { "The box has kept its former version", "{why}",
	"update not taken: {why}", LED_READY, WORDS_ACT, GLANCE_LAST_GOOD },
[STATE_BOX_FAULT] = { "The box restarted a part of itself",
	"It goes on by itself. If it happens again, save the report on its page. "
	"{why}",
	"the box had a fault", LED_FAULT, WORDS_BAD, GLANCE_LAST_GOOD },
};

static const struct { int code; const char *reason, *helps; } reasons[] = {
	{ 1, "it was not ready", "The box tries again by itself." },
	{ 3, "an old snapshot is stuck on it",
		"Restart the phone, then plug it in again." },
	{ 102, "it has no room to prepare a backup",
		"Free some space on it." },
	{ 103, "the backup on the disk does not fit it",
		"The box starts a full backup; older versions stay." },
	{ 104, "some of its files could not be read",
		"Restart the phone, then plug it in again." },
	{ 105, "the disk has no room", "Free some space on the disk." },
	{ 106, "the disk has no room", "Free some space on the disk." },
	{ 202, "it was cancelled on the phone",
		"Plug it in again to start anew." },
	{ 203, "the backup on the disk is of another version",
		"The box starts a full backup; older versions stay." },
	{ 205, "it finds the backup on the disk incomplete",
		"The box sets it aside and starts a full one; older versions "
		"stay." },
	{ 207, "the backup password is wrong or missing",
		"Check the phone's backup password." },
	{ 208, "it was locked or the passcode was not entered",
		"Unlock it while it is plugged in." },
	{ 211, "Find My must be switched off for this",
		"Switch Find My off on the phone, then plug it in again." },
	{ 212, "it is still being set up",
		"Finish its setup; the box tries again by itself." },
};
/* clang-format on */

bool words_reason(int mb_code, const char **reason, const char **helps)
{
	for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++)
		if (reasons[i].code == mb_code) {
			*reason = reasons[i].reason;
			*helps = reasons[i].helps;
			return true;
		}
	*reason = "it gave no reason";
	*helps = "Plug it in again. If it happens again, restart the phone.";
	return false;
}

void words_phone_name(const struct status_phone *p, char *out, size_t cap)
{
	if (!p)
		snprintf(out, cap, "the iPhone");
	else if (!utf8_clean(out, cap, p->name) &&
		 !utf8_clean(out, cap, p->model))
		snprintf(out, cap, "the iPhone");
}

/* What a phone keeps in a domain of its Manifest.db, for a person. */
static const struct {
	const char *domain, *what;
} domains[] = {
	{ "", "files" },
	{ "CameraRollDomain", "photos and videos" },
	{ "MediaDomain", "attachments and voice memos" },
	{ "HomeDomain", "messages, contacts and notes" },
	{ "HealthDomain", "health records" },
	{ "KeychainDomain", "passwords" },
};

static void put_what(const char *domain, char *out, size_t cap)
{
	const char *app = strchr(domain, '-');

	for (size_t i = 0; i < sizeof(domains) / sizeof(domains[0]); i++)
		if (!strcmp(domains[i].domain, domain)) {
			snprintf(out, cap, "%s", domains[i].what);
			return;
		}
	/* AppDomain-com.example.app, AppDomainGroup-group.example */
	if (!strncmp(domain, "AppDomain", 9) && app && app[1])
		snprintf(out, cap, "files of the app %s", app + 1);
	else
		snprintf(out, cap, "files of %s", domain);
}

/* What the placeholders of a row stand for. */
struct facts {
	char phone[128];
	unsigned pct;
	int64_t eta_s;
	uint32_t days;
	int mb_code;
	uint64_t missing_bytes;
	char why[256];
	const char *sum;
	uint64_t damaged, files, bytes;
	bool wants_full;
	uint32_t loss_pct;
	int64_t now_at, loss_at;
	char domain[128];
};

static void facts_of_phone(const struct status_phone *p, struct facts *f)
{
	memset(f, 0, sizeof(*f));
	f->eta_s = -1;
	f->sum = "";
	words_phone_name(p, f->phone, sizeof(f->phone));
	if (!p)
		return;
	f->pct = p->pct_x100 > 10000 ? 100 : p->pct_x100 / 100;
	f->eta_s = p->eta_s;
	f->days = p->overdue_days;
	f->mb_code = p->mb_code;
	f->missing_bytes = p->missing_bytes;
	utf8_clean(f->why, sizeof(f->why), p->detail);
	f->damaged = p->damaged_files;
	f->wants_full = p->wants_full;
	f->loss_pct = p->loss_pct;
	f->loss_at = p->loss_at;
	utf8_clean(f->domain, sizeof(f->domain), p->loss_domain);
}

static void put_left(const struct facts *f, char *out, size_t cap)
{
	char text[64];

	if (f->eta_s < 0) {
		out[0] = '\0';
	} else if (f->eta_s < 60) {
		snprintf(out, cap, "Less than a minute left. ");
	} else {
		words_duration(f->eta_s, text, sizeof(text));
		snprintf(out, cap, "About %s left. ", text);
	}
}

/* The reason in words; a failure without a code tells its detail. */
static void put_reason(const struct facts *f, char *out, size_t cap)
{
	const char *reason;
	const char *helps;

	if (!words_reason(f->mb_code, &reason, &helps) && f->mb_code == 0 &&
	    f->why[0])
		reason = f->why;
	snprintf(out, cap, "%s", reason);
}

static void put_damaged(const struct facts *f, char *out, size_t cap)
{
	char count[40];

	words_count(f->damaged, count, sizeof(count));
	if (f->damaged == 1)
		snprintf(out, cap, "A file of %s's newest backup is", f->phone);
	else
		snprintf(out, cap, "%s files of %s's newest backup are", count,
		    f->phone);
}

static void put_fetch(const struct facts *f, char *out, size_t cap)
{
	if (f->wants_full)
		snprintf(out, cap,
		    "Plug it in tonight: the box fetches everything again, "
		    "which takes longer.");
	else
		snprintf(out, cap,
		    "Plug it in tonight: the box fetches %s again.",
		    f->damaged == 1 ? "it" : "them");
}

static void put_read(const struct facts *f, char *out, size_t cap)
{
	char count[40], bytes[40];

	words_count(f->files, count, sizeof(count));
	words_bytes(f->bytes, bytes, sizeof(bytes));
	snprintf(
	    out, cap, "%s file%s, %s", count, f->files == 1 ? "" : "s", bytes);
}

static void put_value(
    const struct facts *f, const char *key, size_t len, char *out, size_t cap)
{
	const char *reason;
	const char *helps;

#define IS(name) (len == sizeof(name) - 1 && !memcmp(key, name, len))
	out[0] = '\0';
	if (IS("phone"))
		snprintf(out, cap, "%s", f->phone);
	else if (IS("pct"))
		snprintf(out, cap, "%u", f->pct);
	else if (IS("left"))
		put_left(f, out, cap);
	else if (IS("days"))
		snprintf(
		    out, cap, "%u day%s", f->days, f->days == 1 ? "" : "s");
	else if (IS("reason"))
		put_reason(f, out, cap);
	else if (IS("missing") && f->missing_bytes)
		words_bytes(f->missing_bytes, out, cap);
	else if (IS("missing"))
		snprintf(out, cap, "room");
	else if (IS("why"))
		snprintf(out, cap, "%s", f->why);
	else if (IS("sum"))
		snprintf(out, cap, "%s", f->sum);
	else if (IS("damaged"))
		put_damaged(f, out, cap);
	else if (IS("fetch"))
		put_fetch(f, out, cap);
	else if (IS("read"))
		put_read(f, out, cap);
	else if (IS("count"))
		words_count(f->files, out, cap);
	else if (IS("loss"))
		snprintf(out, cap, "%u", f->loss_pct);
	else if (IS("what"))
		put_what(f->domain, out, cap);
	else if (IS("when"))
		words_when(f->now_at, f->loss_at, out, cap);
	else if (IS("helps")) {
		words_reason(f->mb_code, &reason, &helps);
		snprintf(out, cap, "%s", helps);
	}
#undef IS
}

static size_t append(char *out, size_t cap, size_t n, const char *s, size_t len)
{
	if (len > cap - 1 - n)
		len = utf8_cut(s, cap - 1 - n);
	memcpy(out + n, s, len);
	out[n + len] = '\0';
	return n + len;
}

static void append_text(char *out, size_t cap, const char *s)
{
	append(out, cap, strlen(out), s, strlen(s));
}

static void fill(char *out, size_t cap, const char *text, const struct facts *f)
{
	char value[320];
	size_t n = 0;

	out[0] = '\0';
	while (*text) {
		size_t len = strcspn(text, "{");
		const char *end;

		n = append(out, cap, n, text, len);
		text += len;
		end = *text ? strchr(text, '}') : NULL;
		if (!end)
			continue;
		put_value(f, text + 1, (size_t)(end - text - 1), value,
		    sizeof(value));
		n = append(out, cap, n, value, strlen(value));
		text = end + 1;
	}
	while (n > 0 && out[n - 1] == ' ')
		out[--n] = '\0';
	/* Ours may stand first in a sentence; a phone's own name stays. */
	if (!strcmp(f->phone, "the iPhone") && !strncmp(out, f->phone, 10))
		out[0] = 'T';
}

static const struct row *row_of(enum status_state s)
{
	if ((unsigned)s >= STATE_COUNT_ || !rows[s].headline)
		s = STATE_BOX_FAULT;
	return &rows[s];
}

struct words_row words_row(enum status_state s)
{
	const struct row *row = row_of(s);
	struct words_row out = { row->headline, row->sentence, row->led };

	return out;
}

static void put_small(struct words *out, int mb_code, const char *detail)
{
	char text[128];

	out->small[0] = '\0';
	if (!mb_code)
		return;
	snprintf(out->small, sizeof(out->small), "MBErrorDomain %d", mb_code);
	if (!utf8_clean(text, sizeof(text), detail))
		return;
	append_text(out->small, sizeof(out->small), ": ");
	append_text(out->small, sizeof(out->small), text);
}

/* Which files; the page and the terminal show them small. */
static void put_names(struct words *out, const struct status_phone *p)
{
	char name[64];

	out->small[0] = '\0';
	for (unsigned i = 0; i < LIMIT_DAMAGED_NAMES && p->damaged[i][0]; i++) {
		utf8_clean(name, sizeof(name), p->damaged[i]);
		if (i)
			append_text(out->small, sizeof(out->small), ", ");
		append_text(out->small, sizeof(out->small), name);
	}
	if (p->damaged_files > LIMIT_DAMAGED_NAMES)
		append_text(out->small, sizeof(out->small), " \u2026");
}

static void put_words(
    enum status_state state, const struct facts *f, struct words *out)
{
	const struct row *row = row_of(state);

	memset(out, 0, sizeof(*out));
	out->id = status_state_id(state);
	fill(out->headline, sizeof(out->headline), row->headline, f);
	fill(out->sentence, sizeof(out->sentence), row->sentence, f);
	out->led = row->led;
	out->severity = row->severity;
}

/* What was missed is shown as missed until it is overdue; then that is the
 * news (words.md, column LED). */
static void as_due(const struct status_phone *p, struct words *out)
{
	if (p->overdue_days > 0 &&
	    (p->state == STATE_UNPLUGGED || p->state == STATE_STOPPED ||
		p->state == STATE_PASSCODE_MISSED ||
		p->state == STATE_PASSWORD_UNCHANGED ||
		p->state == STATE_PASSWORD_UNSURE))
		out->led = LED_OVERDUE;
	if (p->state == STATE_SAFE && !p->attached)
		out->led = LED_READY;
}

static const struct status_phone *phone_at(
    const struct status *st, int64_t phone)
{
	if (phone < 0 || phone >= LIMIT_PHONES || phone >= st->n_phones)
		return NULL;
	return &st->phones[phone];
}

/* Why it was not backed up when it was last here, for the overdue. */
static void append_last_seen(
    const struct status *st, const struct status_phone *p, struct words *out)
{
	char when[48];
	char line[200];
	struct facts f;

	for (unsigned i = 0; i < st->n_nights && i < LIMIT_NIGHTS; i++) {
		const struct status_night *n = &st->nights[i];

		if (strcmp(n->udid, p->udid) != 0 ||
		    n->state == STATE_READY_OVERDUE ||
		    status_is_aside(n->state))
			continue;
		if (n->state == STATE_SAFE)
			return;
		facts_of_phone(p, &f);
		f.mb_code = n->mb_code;
		f.missing_bytes = n->missing_bytes;
		f.pct = n->pct_x100 > 10000 ? 100 : n->pct_x100 / 100;
		utf8_clean(f.why, sizeof(f.why), n->detail);
		words_when(st->now_at, n->at, when, sizeof(when));
		fill(line, sizeof(line), row_of(n->state)->ledger, &f);
		append_text(
		    out->sentence, sizeof(out->sentence), " It was last seen ");
		append_text(out->sentence, sizeof(out->sentence), when);
		append_text(out->sentence, sizeof(out->sentence), "; ");
		append_text(out->sentence, sizeof(out->sentence), line);
		append_text(out->sentence, sizeof(out->sentence), ".");
		return;
	}
}

void words_phone(const struct status *st, unsigned phone, struct words *out)
{
	const struct status_phone *p = phone_at(st, phone);
	struct facts f;

	facts_of_phone(p, &f);
	f.now_at = st->now_at;
	put_words(p ? p->state : STATE_READY, &f, out);
	if (!p)
		return;
	put_small(out, p->mb_code, p->detail);
	if (p->state == STATE_DAMAGED)
		put_names(out, p);
	as_due(p, out);
	if (p->state == STATE_SAFE && !p->attached)
		out->sentence[0] = '\0';
	if (p->state == STATE_WANTS_PASSCODE && p->sets_password)
		snprintf(out->sentence, sizeof(out->sentence),
		    "iOS asks for it before it takes a backup password.");
	if (p->state == STATE_READY_OVERDUE)
		append_last_seen(st, p, out);
}

bool words_hint(const struct status *st, unsigned phone, struct words *out)
{
	const struct status_phone *p = phone_at(st, phone);
	struct facts f;

	if (!p || !p->last_good_at || p->encrypted || p->will_encrypt > 0)
		return false;
	facts_of_phone(p, &f);
	put_words(STATE_NOT_ENCRYPTED, &f, out);
	return true;
}

void words_last_good(
    const struct status *st, unsigned phone, char *out, size_t cap)
{
	const struct status_phone *p = phone_at(st, phone);
	char when[48];

	if (!p || p->last_good_at <= 0) {
		snprintf(out, cap,
		    p && p->damaged_files ? "No backup is whole."
					  : "No backup yet.");
		return;
	}
	words_when_joined(
	    st->now_at, p->last_good_at, ", ", when, sizeof(when));
	snprintf(out, cap, "Last safe backup: %s.", when);
}

/* "1,204 new files, 2.1 GB" */
static void put_new(uint64_t files, uint64_t bytes, char *out, size_t cap)
{
	char count[40];
	char size[40];

	if (files == 0) {
		snprintf(out, cap, "nothing new");
		return;
	}
	words_count(files, count, sizeof(count));
	words_bytes(bytes, size, sizeof(size));
	snprintf(
	    out, cap, "%s new file%s, %s", count, files == 1 ? "" : "s", size);
}

static void glance_safe(
    const struct status *st, const struct status_phone *p, struct words *out)
{
	char when[48];
	char sum[120];

	if (p->last_good_at <= 0)
		return;
	words_when_joined(
	    st->now_at, p->last_good_at, " at ", when, sizeof(when));
	put_new(p->last_new_files, p->last_new_bytes, sum, sizeof(sum));
	snprintf(out->sentence, sizeof(out->sentence),
	    "Backed up %s \u00b7 %s \u00b7 checked.", when, sum);
}

static void glance_stays(
    const struct status *st, const struct status_phone *p, struct words *out)
{
	char when[48];

	if (p->last_good_at <= 0)
		return;
	words_when_joined(st->now_at, p->last_good_at, " ", when, sizeof(when));
	append_text(out->sentence, sizeof(out->sentence), " The backup of ");
	append_text(out->sentence, sizeof(out->sentence), when);
	append_text(out->sentence, sizeof(out->sentence),
	    " stays safe until this one is complete.");
}

/* The phone whose last good backup is the oldest: its age is what counts when
 * the box speaks of no phone in particular. */
static int oldest_good(const struct status *st)
{
	int best = -1;

	for (uint32_t i = 0; i < st->n_phones && i < LIMIT_PHONES; i++) {
		int64_t at = st->phones[i].last_good_at;

		if (at > 0 && (best < 0 || at < st->phones[best].last_good_at))
			best = (int)i;
	}
	return best;
}

static void glance_last_good(
    const struct status *st, int phone, struct words *out)
{
	char text[96];

	if (phone < 0)
		phone = oldest_good(st);
	if (phone < 0)
		return;
	words_last_good(st, (unsigned)phone, text, sizeof(text));
	if (out->sentence[0])
		append_text(out->sentence, sizeof(out->sentence), " ");
	append_text(out->sentence, sizeof(out->sentence), text);
}

void words_box(const struct status *st, struct words *out)
{
	const struct status_phone *p = phone_at(st, st->phone);
	struct facts f;

	if (p) {
		words_phone(st, (unsigned)st->phone, out);
	} else {
		facts_of_phone(NULL, &f);
		utf8_clean(f.why, sizeof(f.why), st->detail);
		put_words(st->state, &f, out);
	}
	switch (row_of(st->state)->glance) {
	case GLANCE_NONE:
		break;
	case GLANCE_LAST_GOOD:
		glance_last_good(st, st->phone, out);
		break;
	case GLANCE_STAYS:
		if (p)
			glance_stays(st, p, out);
		break;
	case GLANCE_SAFE:
		if (p)
			glance_safe(st, p, out);
		break;
	}
}

void words_night(const struct status *st, unsigned night, char *out, size_t cap)
{
	const struct status_night *n;
	char sum[200];
	char took[64];
	struct facts f;

	if (cap == 0)
		return;
	out[0] = '\0';
	if (night >= st->n_nights || night >= LIMIT_NIGHTS)
		return;
	n = &st->nights[night];
	facts_of_phone(NULL, &f);
	utf8_clean(f.phone, sizeof(f.phone), n->phone);
	f.pct = n->pct_x100 > 10000 ? 100 : n->pct_x100 / 100;
	f.mb_code = n->mb_code;
	f.missing_bytes = n->missing_bytes;
	f.files = n->new_files;
	f.bytes = n->new_bytes;
	utf8_clean(f.why, sizeof(f.why), n->detail);
	put_new(n->new_files, n->new_bytes, sum, sizeof(sum));
	words_duration(n->seconds, took, sizeof(took));
	append_text(sum, sizeof(sum), ", ");
	append_text(sum, sizeof(sum), took);
	f.sum = sum;
	fill(out, cap, row_of(n->state)->ledger, &f);
}

enum led_pattern words_led(const struct status *st)
{
	struct words w;

	words_box(st, &w);
	return w.led;
}
