#include "config.h"

#include <errno.h>
#include <ini.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "board.h"
#include "hook.h"
#include "relpath.h"
#include "wifi_rules.h"
#include "zone.h"

enum key_type {
	KEY_TEXT,
	KEY_FLAG,
	KEY_INT,
	KEY_SIZE, /* bytes, with K, M, G behind it: powers of 1024 */
	KEY_TIME, /* HH:MM */
	KEY_ZONE, /* name of a time zone */
	KEY_CHOICE, /* one of `choices`; its place is the value */
	KEY_URL, /* of a webhook, or empty */
	KEY_WPA, /* 8 to 63 printable characters of ASCII, or empty */
	KEY_COUNTRY, /* two capitals, or empty */
	KEY_UDIDS /* may be given several times */
};

struct key {
	const char *section, *name;
	enum key_type type;
	size_t offset, cap;
	const char *def;
	int64_t min, max;
	const char *const *choices;
	const char *help;
};

#define AT(field) offsetof(struct config, field)
#define TEXT(field)                                                            \
	KEY_TEXT, offsetof(struct config, field),                              \
	    sizeof(((struct config *)0)->field)

static const char *const log_names[] = { "error", "warn", "note", "info",
	"debug", NULL };
static const char *const nic_names[] = { "slirp", "packet", "tap", NULL };
static const char *const open_names[] = { "auto", "all", "glance", "nothing",
	NULL };
static const char *const usb_names[] = { "auto", "own", "usbmuxd", NULL };
static const char *const led_names[] = { "none", "sysfs", "terminal", NULL };

#define K (int64_t)1024

/* clang-format off */
static const struct key keys[] = {
{ "box", "name", TEXT(box_name), "nightstand", 1, 0, NULL,
	"what the box calls itself" },
{ "box", "vault", TEXT(vault), "", 0, 0, NULL,
	"where the disk is mounted; backups lie in its folder Nightstand" },
{ "box", "state", TEXT(state), "", 0, 0, NULL,
	"folder for what must outlive a restart: the ledger of nights and "
	"copies of the catalogues; empty: none" },
{ "box", "log", KEY_CHOICE, AT(log), 0, "note", 0, 0, log_names,
	"how much is told on stderr" },
{ "box", "watchdog", TEXT(watchdog), "", 0, 0, NULL,
	"the machine's watchdog, as /dev/watchdog; empty: none" },
{ "box", "set_clock", KEY_FLAG, AT(set_clock), 0, "no", 0, 0, NULL,
	"set the machine's clock by SNTP or by a phone's: for a box that has "
	"no battery" },
{ "box", "sys", TEXT(sys), "/sys", 1, 0, NULL,
	"where the kernel tells temperature and power supply" },
{ "box", "zone", KEY_ZONE, AT(zone), sizeof(((struct config *)0)->zone), "",
	0, 0, NULL,
	"time zone of the quiet hours and of what is told, as Europe/Berlin; "
	"empty: the system's, with set_clock that of the phones" },
{ "box", "notices", TEXT(notices), "", 0, 0, NULL,
	"file of what the system wants told when the box begins, a line each; "
	"empty: none" },
{ "box", "slots", TEXT(slots), "", 0, 0, NULL,
	"file of one line: the card's FAT or a folder in its place, the board, "
	"plain, the version; then the box can be updated; empty: it can't" },
{ "box", "disks", KEY_FLAG, AT(disks), 0, "no", 0, 0, NULL,
	"find a disk, check and mount it where vault says (the image; root)" },
{ "box", "boot_disk", TEXT(boot_disk), "", 0, 0, NULL,
	"… but never this one, as mmcblk0" },
{ "box", "reserve", KEY_SIZE, AT(reserve_bytes), 0, "64M", 0,
	K * K * K * K, NULL,
	"room that a backup leaves free on the disk, at most 1/50 of it" },
{ "usb", "driver", KEY_CHOICE, AT(usb_driver), 0, "auto", 0, 0, usb_names,
	"who speaks to phones: own, this program; usbmuxd, a daemon at its "
	"socket; auto: usbmuxd where it is installed or "
	"USBMUXD_SOCKET_ADDRESS is set, else own" },
{ "usb", "records", TEXT(usb_records), "", 0, 0, NULL,
	"own: folder of the pair records; empty: lockdown in the state folder, "
	"without one /var/lib/lockdown" },
{ "usb", "cable", TEXT(usb_cable), "", 0, 0, NULL,
	"own: a unix socket at which simulated phones are plugged in; empty: "
	"none" },
{ "scrub", "on", KEY_FLAG, AT(scrub), 0, "yes", 0, 0, NULL,
	"read a part of the backups again each night and compare" },
{ "scrub", "minutes", KEY_INT, AT(scrub_minutes), 0, "20", 0, 1440, NULL,
	"how long, at most, in one night; 0: no limit" },
{ "scrub", "gib", KEY_INT, AT(scrub_gib), 0, "0", 0, 1000000, NULL,
	"how many GiB, at most, in one night; 0: no limit" },
{ "keep", "last", KEY_INT, AT(keep.rules.last), 0, "3", 0, RETENTION_RULE_MAX,
	NULL, "the last so many backups are kept; the two newest good ones "
	"are in any case" },
{ "keep", "daily", KEY_INT, AT(keep.rules.daily), 0, "14", 0,
	RETENTION_RULE_MAX, NULL,
	"the newest backup of each of the last so many days that have one; a "
	"day is from noon to noon" },
{ "keep", "weekly", KEY_INT, AT(keep.rules.weekly), 0, "8", 0,
	RETENTION_RULE_MAX, NULL, "… of so many weeks" },
{ "keep", "monthly", KEY_INT, AT(keep.rules.monthly), 0, "24", 0,
	RETENTION_RULE_MAX, NULL, "… of so many months" },
{ "keep", "yearly", KEY_INT, AT(keep.rules.yearly), 0, "10", 0,
	RETENTION_RULE_MAX, NULL,
	"… of so many years; all five 0: every backup is kept" },
{ "keep", "floor", KEY_SIZE, AT(keep.floor_bytes), 0, "2G", 0, K * K * K * K,
	NULL,
	"room that is kept free by letting go of the oldest backups, at most "
	"1/10 of the disk; 0 here and below: never for room" },
{ "keep", "floor_percent", KEY_INT, AT(keep.floor_pct), 0, "3", 0, 50, NULL,
	"the same as a part of the disk; the larger one counts" },
{ "keep", "loss_percent", KEY_INT, AT(keep.loss_pct), 0, "20", 0, 100, NULL,
	"a backup that lost so much of its files, or of those of one kind, is "
	"told about, and the one before is kept; 0: never" },
{ "keep", "loss_files", KEY_INT, AT(keep.loss_files), 0, "100", 1, 1000000,
	NULL, "… and so many files at least" },
{ "web", "on", KEY_FLAG, AT(web), 0, "yes", 0, 0, NULL,
	"serve the page" },
{ "web", "network", KEY_CHOICE, AT(nic), 0, "slirp", 0, 0, nic_names,
	"packet: the interface below belongs to the box alone, with addresses "
	"of its own; tap: a TAP device likewise; slirp: the page is on an "
	"address of this computer" },
{ "web", "interface", TEXT(interface), "", 0, 0, NULL,
	"packet, tap: name of the interface; packet: auto is the first "
	"Ethernet port, waited for" },
{ "web", "address", TEXT(address), "dhcp", 1, 0, NULL,
	"packet, tap: dhcp, or an address as 192.168.1.9/24" },
{ "web", "gateway", TEXT(gateway), "", 0, 0, NULL,
	"… and the router's address, as 192.168.1.1" },
{ "web", "open", KEY_CHOICE, AT(open), 0, "auto", 0, 0, open_names,
	"what may be read without the PIN: all; glance: is all safe, without "
	"names; nothing; auto: all on this computer's own 127.0.0.1, else "
	"glance" },
{ "web", "listen", TEXT(listen), "127.0.0.1", 1, 0, NULL,
	"slirp: address of the page" },
{ "web", "port", KEY_INT, AT(port), 0, "8080", 1, 65535, NULL,
	"slirp: port of the page; else it is 80" },
{ "time", "server", TEXT(time_server), "", 0, 0, NULL,
	"set_clock: name or address of an SNTP server, where DHCP names none "
	"(option 42); empty: no other is asked (not with network = slirp)" },
{ "time", "file", TEXT(clock_file), "", 0, 0, NULL,
	"for trials: a file that is set in place of the machine's clock; it "
	"holds how many ms it is ahead" },
{ "web", "tls_port", KEY_INT, AT(tls_port), 0, "0", 0, 65535, NULL,
	"slirp: port of the page over HTTPS; 0: none; else it is 443" },
{ "wifi", "name", TEXT(wifi_name), "", 0, 0, NULL,
	"network = packet, interface = auto: the Wi-Fi to use where there is "
	"no cable; empty: none" },
{ "wifi", "password", KEY_WPA, AT(wifi_password), 64, "", 0, 0, NULL,
	"its password (WPA2, WPA3); empty: the network is open" },
{ "wifi", "country", KEY_COUNTRY, AT(wifi_country), 3, "", 0, 0, NULL,
	"where the box stands, as DE or US: which channels may be used" },
{ "mqtt", "broker", TEXT(mqtt_broker), "", 0, 0, NULL,
	"name or address of an MQTT broker that is told how things stand (not "
	"with network = slirp); empty: none" },
{ "mqtt", "port", KEY_INT, AT(mqtt_port), 0, "1883", 1, 65535, NULL,
	"its port" },
{ "mqtt", "user", TEXT(mqtt_user), "", 0, 0, NULL, "for who needs one" },
{ "mqtt", "password", TEXT(mqtt_password), "", 0, 0, NULL,
	"goes over the network as it is: have the broker in the same house" },
{ "mqtt", "topic", TEXT(mqtt_topic), "nightstand", 1, 0, NULL,
	"what all topics begin with" },
{ "mqtt", "discovery", TEXT(mqtt_discovery), "homeassistant", 0, 0, NULL,
	"where Home Assistant looks for devices; empty: it is not told" },
{ "webhook", "url", KEY_URL, AT(hook_url), CONFIG_TEXT, "", 0, 0, NULL,
	"http://host:port/path that each line of the ledger is posted to, as "
	"JSON (not with network = slirp); empty: none" },
{ "webhook", "secret", TEXT(hook_secret), "", 0, 0, NULL,
	"signs each post: HMAC-SHA256 over its body, in the header "
	"X-Nightstand-Signature; empty: none is signed" },
{ "led", "backend", KEY_CHOICE, AT(led), 0, "none", 0, 0, led_names,
	"what shows the LED patterns" },
{ "led", "dir", TEXT(led_dir), "/sys/class/leds", 0, 0, NULL,
	"sysfs: folder of the LEDs" },
{ "led", "ok", TEXT(led_ok), "", 0, 0, NULL,
	"sysfs: name of the LED, or of the first of two" },
{ "led", "alert", TEXT(led_alert), "", 0, 0, NULL,
	"sysfs: name of the second LED (red); empty: there is one" },
{ "button", "device", TEXT(button), "none", 1, 0, NULL,
	"the one button: name of its input device; auto: the first that is "
	"built in and has the key; none" },
{ "button", "key", KEY_INT, AT(button_key), 0, "116", 1, 767, NULL,
	"its code, as linux/input-event-codes.h has it; 116 is the power key" },
{ "policy", "overdue_days", KEY_INT, AT(overdue_days), 0, "3", 1, 365, NULL,
	"days without a backup until the box says so" },
{ "policy", "again_hours", KEY_INT, AT(again_hours), 0, "24", 0, 720, NULL,
	"a phone that stays plugged in is backed up again after so many "
	"hours; 0: never" },
{ "policy", "ask_again", KEY_INT, AT(ask_again), 0, "3", 0, 20, NULL,
	"how often the box asks again in one evening when the passcode was "
	"not entered" },
{ "policy", "ask_again_minutes", KEY_INT, AT(ask_again_minutes), 0, "10", 1,
	240, NULL, "minutes between two such asks" },
{ "policy", "quiet_from", KEY_TIME, AT(quiet_from), 0, "01:00", 0, 0, NULL,
	"from here on the box asks a phone only when it is freshly plugged "
	"in" },
{ "policy", "quiet_to", KEY_TIME, AT(quiet_to), 0, "06:00", 0, 0, NULL,
	"up to here; the same time twice: no quiet hours" },
{ "phone", "trust_wait_s", KEY_INT, AT(trust_wait_s), 0, "1800", 1, 86400,
	NULL, "seconds to wait for a tap on Trust" },
{ "phone", "unlock_wait_s", KEY_INT, AT(unlock_wait_s), 0, "1800", 1, 86400,
	NULL, "seconds to wait for a locked phone to be unlocked" },
{ "phone", "first_wait_s", KEY_INT, AT(first_wait_s), 0, "1800", 1, 86400,
	NULL, "seconds that a phone may think before its first command" },
{ "phone", "next_wait_s", KEY_INT, AT(next_wait_s), 0, "600", 1, 86400, NULL,
	"seconds that it may be silent later" },
{ "phone", "last_wait_s", KEY_INT, AT(last_wait_s), 0, "60", 1, 86400, NULL,
	"seconds to wait for its last word when all is there" },
{ "phone", "allow", KEY_UDIDS, AT(allow), 0, "", 0, 0, NULL,
	"UDID of a phone that may be backed up, one a line; none: every "
	"phone" },
};
/* clang-format on */

#define N_KEYS (sizeof(keys) / sizeof(keys[0]))

static void *field_of(struct config *c, const struct key *k)
{
	return (char *)c + k->offset;
}

static const void *field_of_const(const struct config *c, const struct key *k)
{
	return (const char *)c + k->offset;
}

/* inih strips blanks at the ends and takes " ;" for a comment: a value that
 * would not come back as it went is refused. */
static const char *set_text(
    struct config *c, const struct key *k, const char *value)
{
	size_t len = strlen(value);

	if (len >= k->cap)
		return "too long";
	if (len < (size_t)k->min)
		return "must not be empty";
	if (len && (strchr(" \t", value[0]) || strchr(" \t", value[len - 1])))
		return "must not begin or end with a blank";
	if (strstr(value, " ;") || strstr(value, "\t;") || value[0] == ';')
		return "must not hold a comment's sign";
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)value[i] < 0x20 || value[i] == 0x7f)
			return "must not hold control characters";
	memset(field_of(c, k), 0, k->cap);
	memcpy(field_of(c, k), value, len);
	return NULL;
}

static const char *set_url(
    struct config *c, const struct key *k, const char *value)
{
	struct hook_target target;
	const char *why = value[0] ? hook_parse(value, &target) : NULL;

	return why ? why : set_text(c, k, value);
}

static const char *set_flag(
    struct config *c, const struct key *k, const char *value)
{
	bool on = !strcasecmp(value, "yes") || !strcasecmp(value, "on") ||
		  !strcasecmp(value, "true") || !strcmp(value, "1");
	bool off = !strcasecmp(value, "no") || !strcasecmp(value, "off") ||
		   !strcasecmp(value, "false") || !strcmp(value, "0");

	if (!on && !off)
		return "must be yes or no";
	*(bool *)field_of(c, k) = on;
	return NULL;
}

static const char *set_int(
    struct config *c, const struct key *k, const char *value)
{
	char *end;
	long long n;

	errno = 0;
	n = strtoll(value, &end, 10);
	if (errno || end == value || *end)
		return "must be a number";
	if (n < k->min || n > k->max)
		return "out of range";
	*(int *)field_of(c, k) = (int)n;
	return NULL;
}

static const char *set_size(
    struct config *c, const struct key *k, const char *value)
{
	static const char units[] = "KMGT";
	const char *unit;
	uint64_t n;
	char *end;

	errno = 0;
	n = strtoull(value, &end, 10);
	if (errno || end == value || value[0] == '-')
		return "must be a number of bytes, with K, M, G or T behind it";
	unit = *end ? strchr(units, *end) : NULL;
	if (*end && (!unit || end[1]))
		return "must be a number of bytes, with K, M, G or T behind it";
	for (long i = 0; unit && i <= unit - units; i++) {
		if (n > (uint64_t)k->max)
			return "out of range";
		n *= 1024;
	}
	if (n < (uint64_t)k->min || n > (uint64_t)k->max)
		return "out of range";
	*(uint64_t *)field_of(c, k) = n;
	return NULL;
}

static const char *set_time(
    struct config *c, const struct key *k, const char *value)
{
	unsigned h;
	unsigned m;
	char rest;

	if (sscanf(value, "%2u:%2u%c", &h, &m, &rest) != 2 || h > 23 || m > 59)
		return "must be a time as 01:00";
	*(int *)field_of(c, k) = (int)(h * 60 + m);
	return NULL;
}

static const char *set_choice(
    struct config *c, const struct key *k, const char *value)
{
	for (int i = 0; k->choices[i]; i++)
		if (!strcmp(k->choices[i], value)) {
			memcpy(field_of(c, k), &i, sizeof(i));
			return NULL;
		}
	return "not one of its words";
}

static const char *set_udid(struct config *c, const char *value)
{
	if (relpath_check_udid(value))
		return "not a UDID";
	if (c->n_allow >= LIMIT_PHONES)
		return "too many phones";
	snprintf(c->allow[c->n_allow++], sizeof(c->allow[0]), "%s", value);
	return NULL;
}

/* NULL, or why not. */
static const char *set_value(
    struct config *c, const struct key *k, const char *value)
{
	const char *why;
	char rule[80];

	switch (k->type) {
	case KEY_TEXT:
		return set_text(c, k, value);
	case KEY_URL:
		return set_url(c, k, value);
	case KEY_ZONE:
		return value[0] && !zone_rule(value, rule, sizeof(rule))
			   ? "no time zone of that name is known"
			   : set_text(c, k, value);
	case KEY_WPA:
		why = wifi_refuses_password(value);
		return why ? why : set_text(c, k, value);
	case KEY_COUNTRY:
		why = wifi_refuses_country(value);
		return why ? why : set_text(c, k, value);
	case KEY_FLAG:
		return set_flag(c, k, value);
	case KEY_INT:
		return set_int(c, k, value);
	case KEY_SIZE:
		return set_size(c, k, value);
	case KEY_TIME:
		return set_time(c, k, value);
	case KEY_CHOICE:
		return set_choice(c, k, value);
	case KEY_UDIDS:
		return set_udid(c, value);
	}
	return "unknown type";
}

static const struct key *find_key(const char *section, const char *name)
{
	for (size_t i = 0; i < N_KEYS; i++)
		if (!strcmp(keys[i].section, section) &&
		    !strcmp(keys[i].name, name))
			return &keys[i];
	return NULL;
}

/* "section.name" */
static const struct key *find_full(const char *key)
{
	const char *dot = strchr(key, '.');
	char section[32];

	if (!dot)
		return NULL;
	snprintf(section, sizeof(section), "%.*s", (int)(dot - key), key);
	return find_key(section, dot + 1);
}

enum rc config_set(
    struct config *c, const char *key, const char *value, FILE *err)
{
	const struct key *k = find_full(key);
	const char *why;

	why = k ? set_value(c, k, value) : "no such key";
	if (!why)
		return RC_OK;
	fprintf(err, "nightstand: key %s: %s\n", key, why);
	return RC_CONFIG;
}

const char *config_open_name(enum config_open open)
{
	return open_names[open];
}

const char *config_nic_name(enum config_nic nic)
{
	return nic_names[nic];
}

void config_defaults(struct config *c)
{
	memset(c, 0, sizeof(*c));
	for (size_t i = 0; i < N_KEYS; i++)
		if (keys[i].type != KEY_UDIDS)
			set_value(c, &keys[i], keys[i].def);
	set_value(c, find_key("box", "name"), board.name);
	set_value(c, find_key("box", "state"), board.state_dir);
	set_value(c, find_key("box", "watchdog"), board.watchdog);
	set_value(c, find_key("box", "vault"), board.vault_dir);
	set_value(c, find_key("web", "network"), board.nic);
	set_value(c, find_key("web", "interface"), board.interface);
	set_value(c, find_key("web", "listen"), board.listen);
	set_value(c, find_key("led", "backend"), board.led_backend);
	set_value(c, find_key("led", "dir"), board.led_dir);
	set_value(c, find_key("led", "ok"), board.led_ok);
	set_value(c, find_key("led", "alert"), board.led_alert);
	set_value(c, find_key("button", "device"), board.button);
	set_value(
	    c, find_key("box", "set_clock"), board.sets_clock ? "yes" : "no");
	c->port = board.port;
}

/* What one run of the parser knows; inih itself tells no line numbers to the
 * handler, so the reader counts. */
struct parse {
	struct config *c;
	FILE *in, *err;
	const char *name;
	int line;
	int last_error; /* line of the last complaint */
	bool bad;
	bool by_owner; /* some keys are not theirs to set */
	const char *const *only; /* what may be in it; NULL: each key */
	size_t n_only;
	bool *took; /* of these */
	bool seen[N_KEYS];
};

/* What the image settles by itself on the machine that it finds. */
static bool is_of_machine(const struct key *k)
{
	static const char *const names[] = { "box.vault", "box.state",
		"box.watchdog", "box.sys", "box.notices", "box.disks",
		"box.boot_disk", "web.network", "web.interface", "web.listen",
		"web.port", "led.backend", "led.dir", NULL };
	char full[64];

	snprintf(full, sizeof(full), "%s.%s", k->section, k->name);
	for (unsigned i = 0; names[i]; i++)
		if (!strcmp(names[i], full))
			return true;
	return false;
}

static void complain(struct parse *p, const char *key, const char *why)
{
	if (key)
		fprintf(
		    p->err, "%s:%d: key %s: %s\n", p->name, p->line, key, why);
	else
		fprintf(p->err, "%s:%d: %s\n", p->name, p->line, why);
	p->last_error = p->line;
	p->bad = true;
}

static char *read_line(char *buf, int cap, void *stream)
{
	struct parse *p = stream;
	size_t len;
	int ch;

	if (!fgets(buf, cap, p->in))
		return NULL;
	p->line++;
	len = strlen(buf);
	if (len && buf[len - 1] == '\n')
		return buf;
	ch = fgetc(p->in);
	if (ch == EOF)
		return buf;
	complain(p, NULL, "the line is too long");
	while (ch != '\n' && ch != EOF)
		ch = fgetc(p->in);
	buf[0] = '\n';
	buf[1] = '\0';
	return buf;
}

/* The place of a key in `only`, else n_only. */
static size_t place_of(const struct parse *p, const char *full)
{
	size_t i = 0;

	while (i < p->n_only && strcmp(p->only[i], full) != 0)
		i++;
	return i;
}

static int on_pair(
    void *user, const char *section, const char *name, const char *value)
{
	struct parse *p = user;
	const struct key *k = find_key(section, name);
	char full[128];
	const char *why;
	size_t place;

	snprintf(
	    full, sizeof(full), "%s%s%s", section, section[0] ? "." : "", name);
	if (!k) {
		complain(p, full, "no such key");
		return 1;
	}
	if (p->by_owner && is_of_machine(k)) {
		complain(p, full, "the box finds this out by itself");
		return 1;
	}
	place = place_of(p, full);
	if (p->only && place == p->n_only) {
		complain(p, full, "has no place in this file");
		return 1;
	}
	if (k->type == KEY_UDIDS && !p->seen[k - keys])
		p->c->n_allow = 0; /* a file's list replaces the one before */
	else if (k->type != KEY_UDIDS && p->seen[k - keys]) {
		complain(p, full, "given twice");
		return 1;
	}
	p->seen[k - keys] = true;
	why = set_value(p->c, k, value);
	if (why)
		complain(p, full, why);
	else if (p->only)
		p->took[place] = true;
	return 1;
}

static enum rc read_all(struct parse *p)
{
	int bad_line = ini_parse_stream(read_line, p, on_pair, p);

	if (bad_line > 0 && bad_line != p->last_error) {
		p->line = bad_line;
		complain(p, NULL, "neither [section] nor key = value");
	} else if (bad_line < 0) {
		complain(p, NULL, "could not be read");
	}
	if (ferror(p->in))
		return RC_IO;
	return p->bad ? RC_CONFIG : RC_OK;
}

enum rc config_read_stream(
    struct config *c, FILE *in, const char *name, FILE *err)
{
	return read_all(
	    &(struct parse){ .c = c, .in = in, .err = err, .name = name });
}

enum rc config_read_settings(
    struct config *c, FILE *in, const char *name, FILE *err)
{
	return read_all(&(struct parse){
	    .c = c, .in = in, .err = err, .name = name, .by_owner = true });
}

static enum rc read_path(struct parse *p)
{
	enum rc rc;

	p->in = fopen(p->name, "re");
	if (!p->in) {
		fprintf(
		    p->err, "nightstand: %s: %s\n", p->name, strerror(errno));
		return errno == ENOENT ? RC_NOTFOUND : RC_IO;
	}
	rc = read_all(p);
	fclose(p->in);
	return rc;
}

enum rc config_read(struct config *c, const char *path, FILE *err)
{
	return read_path(&(struct parse){ .c = c, .err = err, .name = path });
}

enum rc config_read_only(struct config *c, const char *path,
    const char *const *only, size_t n, bool *took, FILE *err)
{
	return read_path(&(struct parse){ .c = c,
	    .err = err,
	    .name = path,
	    .only = only,
	    .n_only = n,
	    .took = took });
}

static void print_size(uint64_t n, FILE *out)
{
	static const char *const units[] = { "", "K", "M", "G", "T" };
	size_t i = 0;

	while (n && n % 1024 == 0 && i + 1 < sizeof(units) / sizeof(units[0])) {
		n /= 1024;
		i++;
	}
	fprintf(out, "%llu%s", (unsigned long long)n, units[i]);
}

static void print_value(const struct config *c, const struct key *k, FILE *out)
{
	const void *field = field_of_const(c, k);
	int n;

	switch (k->type) {
	case KEY_TEXT:
	case KEY_ZONE:
	case KEY_URL:
	case KEY_WPA:
	case KEY_COUNTRY:
		fprintf(out, "%s", (const char *)field);
		break;
	case KEY_FLAG:
		fprintf(out, "%s", *(const bool *)field ? "yes" : "no");
		break;
	case KEY_INT:
		fprintf(out, "%d", *(const int *)field);
		break;
	case KEY_SIZE:
		print_size(*(const uint64_t *)field, out);
		break;
	case KEY_TIME:
		n = *(const int *)field;
		fprintf(out, "%02d:%02d", n / 60, n % 60);
		break;
	case KEY_CHOICE:
		memcpy(&n, field, sizeof(n));
		fprintf(out, "%s", k->choices[n]);
		break;
	case KEY_UDIDS:
		break;
	}
}

void config_get(const struct config *c, const char *key, char *out, size_t cap)
{
	const struct key *k = find_full(key);
	char *text = NULL;
	size_t len = 0;
	FILE *f = k ? open_memstream(&text, &len) : NULL;

	out[0] = '\0';
	if (!f)
		return;
	print_value(c, k, f);
	if (fclose(f) == 0 && len < cap)
		memcpy(out, text, len + 1);
	free(text);
}

void config_print(const struct config *c, FILE *out)
{
	const char *section = "";

	for (size_t i = 0; i < N_KEYS; i++) {
		const struct key *k = &keys[i];

		if (strcmp(section, k->section) != 0)
			fprintf(out, "%s[%s]\n", i ? "\n" : "", k->section);
		section = k->section;
		if (k->type == KEY_UDIDS) {
			for (unsigned n = 0; n < c->n_allow; n++)
				fprintf(out, "%s = %s\n", k->name, c->allow[n]);
			continue;
		}
		fprintf(out, "%s = ", k->name);
		print_value(c, k, out);
		fprintf(out, "\n");
	}
}

static void print_range(const struct key *k, FILE *out)
{
	switch (k->type) {
	case KEY_INT:
		fprintf(
		    out, "%lld to %lld", (long long)k->min, (long long)k->max);
		break;
	case KEY_FLAG:
		fprintf(out, "yes, no");
		break;
	case KEY_TIME:
		fprintf(out, "HH:MM");
		break;
	case KEY_SIZE:
		fprintf(out, "bytes, or with K, M, G, T");
		break;
	case KEY_CHOICE:
		for (int i = 0; k->choices[i]; i++)
			fprintf(out, "%s%s", i ? ", " : "", k->choices[i]);
		break;
	case KEY_UDIDS:
		fprintf(out, "UDID, up to %d lines", LIMIT_PHONES);
		break;
	case KEY_WPA:
		fprintf(out, "8 to 63 characters");
		break;
	case KEY_COUNTRY:
		fprintf(out, "two capitals");
		break;
	case KEY_URL:
		fprintf(out, "http://…");
		break;
	case KEY_TEXT:
	case KEY_ZONE:
		fprintf(out, "text");
		break;
	}
}

void config_help(FILE *out)
{
	const char *section = "";
	struct config c;

	config_defaults(&c);
	for (size_t i = 0; i < N_KEYS; i++) {
		const struct key *k = &keys[i];

		if (strcmp(section, k->section) != 0)
			fprintf(out, "%s[%s]\n", i ? "\n" : "", k->section);
		section = k->section;
		fprintf(out, "%s = ", k->name);
		print_value(&c, k, out);
		fprintf(out, "\n    ; %s (", k->help);
		print_range(k, out);
		fprintf(out, ")\n");
	}
}

bool config_may_backup(const struct config *c, const char *udid)
{
	for (unsigned i = 0; i < c->n_allow; i++)
		if (!strcmp(c->allow[i], udid))
			return true;
	return c->n_allow == 0;
}
