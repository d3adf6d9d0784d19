/*
 * What a person asks for on the page. The web only passes it on: the box
 * decides whether it can be.
 */
#ifndef WEB_COMMAND_H
#define WEB_COMMAND_H

#include <stdbool.h>

#include "password.h"

enum web_command_kind {
	WEB_BACKUP, /* back this phone up now */
	WEB_STOP, /* end the backup that runs */
	WEB_DISMISS, /* the loss of this phone was seen to */
	WEB_SET_PIN,
	WEB_REPORT, /* a report is wanted */
	WEB_EJECT, /* the disk is to be unplugged */
	WEB_USE_DISK, /* … and now it is not */
	WEB_UNLOCK, /* the disk, with its password */
	WEB_PREPARE, /* delete all that is on the disk that is offered */
	WEB_PASSWORD, /* change the backup password of this phone */
	WEB_UPDATE, /* install the firmware that is offered */
	WEB_RESET, /* forget what was set on the page; never backups */
	WEB_COMMAND_COUNT_
};

#define WEB_REPORT_MAX (64 * 1024) /* bytes of its text */

struct web_command {
	enum web_command_kind kind;
	char udid[48]; /* of the first three, and of WEB_PASSWORD */
	char pin[32]; /* of WEB_SET_PIN */
	bool older; /* of WEB_UPDATE: although it is older than what runs */
	/* of WEB_PASSWORD; WEB_UNLOCK's is the new one: wipe it */
	struct password_change password;
	bool keep; /* WEB_UNLOCK: the box is to remember it */
};

#endif
