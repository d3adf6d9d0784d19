/*
 * The config: an ini file, one table of keys. The table drives the parser, the
 * help and --print-config, whose output parses back to itself.
 */
#ifndef CONFIG_H
#define CONFIG_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "bounds.h"
#include "led.h"
#include "log.h"
#include "rc.h"
#include "settings.h"
#include "vault_keep.h"

#define CONFIG_TEXT 160 /* bytes of a value; inih's lines end at 200 */

enum config_nic {
	CONFIG_NIC_SLIRP,
	CONFIG_NIC_PACKET,
	CONFIG_NIC_TAP
};

enum config_usb {
	CONFIG_USB_AUTO, /* see muxplan.h */
	CONFIG_USB_OWN,
	CONFIG_USB_USBMUXD
};

enum config_open { /* as enum auth_open */
	CONFIG_OPEN_AUTO, /* all on 127.0.0.1, else the glance */
	CONFIG_OPEN_ALL,
	CONFIG_OPEN_GLANCE,
	CONFIG_OPEN_NOTHING
};

struct config {
	bool on_page[SETTINGS_MAX]; /* settings[i] was set there */
	char box_name[64];
	char state[CONFIG_TEXT]; /* "" none: nothing outlives a restart */
	enum log_level log;
	char watchdog[CONFIG_TEXT]; /* "" none */
	bool set_clock;
	char time_server[64]; /* "" none but DHCP's */
	char hook_url[CONFIG_TEXT]; /* "" none; hook_parse() takes it */
	char hook_secret[64]; /* "" nothing is signed */
	char clock_file[CONFIG_TEXT]; /* "" the machine's clock */
	char sys[CONFIG_TEXT]; /* where the kernel tells of the machine */
	char zone[64]; /* "" the system's own */
	char notices[CONFIG_TEXT]; /* file of lines to be told; "" none */
	char slots[CONFIG_TEXT]; /* file of INIT_SLOTS' shape; "" none */
	bool disks; /* find and mount them at `vault` */
	char boot_disk[32]; /* … but never this one; "" none */

	char vault[CONFIG_TEXT]; /* "" none: no disk */
	uint64_t reserve_bytes;

	enum config_usb usb_driver;
	char usb_records[CONFIG_TEXT]; /* "" by the state folder */
	char usb_cable[96]; /* "" none */

	bool scrub; /* the box does it by itself */
	int scrub_minutes, scrub_gib; /* of one night; 0: no limit */
	struct vault_keep keep;

	bool web;
	enum config_nic nic;
	enum config_open open;
	char interface[16]; /* of packet and tap */
	char address[32]; /* "dhcp", "192.168.1.9/24" */
	char gateway[16]; /* "" none */
	char wifi_name[33]; /* "" none */
	char wifi_password[64]; /* "" an open network */
	char wifi_country[3]; /* "" not said */
	char mqtt_broker[64], mqtt_user[64], mqtt_password[64];
	int mqtt_port;
	char mqtt_topic[32], mqtt_discovery[32];
	char listen[64]; /* of slirp */
	int port, tls_port;

	enum led_backend led;
	char led_dir[CONFIG_TEXT];
	char led_ok[64];
	char led_alert[64];

	char button[64]; /* "none", "auto", an input device's name */
	int button_key;

	int overdue_days;
	int again_hours; /* 0: only on plug */
	int ask_again;
	int ask_again_minutes;
	int quiet_from, quiet_to; /* minutes of the day; equal: none */

	int trust_wait_s, unlock_wait_s, first_wait_s, next_wait_s;
	int last_wait_s;
	char allow[LIMIT_PHONES][48]; /* UDIDs; none: every phone */
	unsigned n_allow;
};

const char *config_open_name(enum config_open open);
const char *config_nic_name(enum config_nic nic); /* as nic_open() wants it */

/* The board's values over the table's. */
void config_defaults(struct config *c);

/*
 * Reads a file over what is in `c`. Every unknown key, bad value and broken
 * line is told on `err` as "FILE:LINE: key NAME: why"; RC_CONFIG when there
 * was any, RC_NOTFOUND, RC_IO when the file can't be read.
 */
MUST_CHECK enum rc config_read(struct config *c, const char *path, FILE *err);

/* The same from an open stream; `name` stands for the file's name. */
MUST_CHECK enum rc config_read_stream(
    struct config *c, FILE *in, const char *name, FILE *err);

/*
 * The same for what an owner writes: a key that the machine settles itself is
 * a mistake, too. What is no mistake counts.
 */
MUST_CHECK enum rc config_read_settings(
    struct config *c, FILE *in, const char *name, FILE *err);

/*
 * The same for a file that may hold the keys `only`, `n` of them, and no
 * others. took[i]: only[i] was in it, and its value is good.
 */
MUST_CHECK enum rc config_read_only(struct config *c, const char *path,
    const char *const *only, size_t n, bool *took, FILE *err);

/* Sets one value, from the command line: key is "section.name". */
MUST_CHECK enum rc config_set(
    struct config *c, const char *key, const char *value, FILE *err);

/* One value as config_print() has it; key is "section.name". "" when there is no
 * such key, or it does not fit. */
void config_get(const struct config *c, const char *key, char *out, size_t cap);

/* All keys with their values; parses back to itself. */
void config_print(const struct config *c, FILE *out);

/* All keys, their ranges, defaults and what they do. */
void config_help(FILE *out);

bool config_may_backup(const struct config *c, const char *udid);

#endif
