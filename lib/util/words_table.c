/*
 * The one table of states. To add a state: a value in status.h, its id and rank in
 * status.c, a row here.
 */
#include "words_table.h"

#include <stddef.h>

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
[STATE_DISK_READONLY] = { "The disk can only be read", "{why}",
	"disk read-only", LED_NO_DISK, WORDS_BAD, GLANCE_NONE },
[STATE_DISK_FAILING] = { "The disk is failing",
	"What was safe is not touched. Copy it to a new disk now. {why}",
	"disk errors", LED_FAILED, WORDS_BAD, GLANCE_LAST_GOOD },
[STATE_DISK_WORN] = { "The disk says that it will fail soon",
	"Backups go on. Copy what is on it to a new disk, and use that one.",
	"the disk is worn out", LED_FAILED, WORDS_BAD, GLANCE_LAST_GOOD },
[STATE_DISK_LOCKED] = { "The disk is locked",
	"It is encrypted: give its password on the page. {why}",
	"disk locked", LED_NO_DISK, WORDS_ACT, GLANCE_NONE },
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
[STATE_UPDATE_COMES] = { "An update is being sent: {pct} %",
	"Leave the page open that sends it. Nothing changes before you have it "
	"installed.", "", LED_READY, WORDS_BUSY, GLANCE_LAST_GOOD },
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

const struct row *words_row_of(enum status_state s)
{
	if ((unsigned)s >= STATE_COUNT_ || !rows[s].headline)
		s = STATE_BOX_FAULT;
	return &rows[s];
}
