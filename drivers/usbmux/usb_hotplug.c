#include "usb_hotplug.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "log.h"

#define LOG_MODULE "usb"

#define KERNEL_GROUP 1
#define MESSAGE      8192
#define SOCKET_BYTES (1 << 20)
#define PATH_BYTES   512

/* --- the kernel's messages ----------------------------------------------------- */

/* "NAME=" of one of the strings that stand one behind another. */
static const char *value_of(const char *msg, size_t len, const char *name)
{
	size_t n = strlen(name);

	for (size_t at = 0; at < len; at += strlen(msg + at) + 1)
		if (!strncmp(msg + at, name, n) && msg[at + n] == '=')
			return msg + at + n + 1;
	return NULL;
}

static bool is_value(
    const char *msg, size_t len, const char *name, const char *wanted)
{
	const char *v = value_of(msg, len, name);

	return v && !strcmp(v, wanted);
}

static bool number_of(
    const char *text, int base, unsigned long max, uint16_t *out)
{
	char *end;
	unsigned long n;

	if (!text || !strchr("0123456789abcdefABCDEF", *text) || !*text)
		return false;
	n = strtoul(text, &end, base);
	*out = (uint16_t)n;
	return n <= max && (*end == '\0' || *end == '/');
}

bool usb_hotplug_parse(const char *msg, size_t len, struct usb_event *out)
{
	const char *product;
	const char *second;

	/* Each string ends, the last one too. */
	if (len == 0 || msg[len - 1] != '\0')
		return false;
	out->added = is_value(msg, len, "ACTION", "add");
	if (!out->added && !is_value(msg, len, "ACTION", "remove"))
		return false;
	if (!is_value(msg, len, "SUBSYSTEM", "usb") ||
	    !is_value(msg, len, "DEVTYPE", "usb_device"))
		return false;
	product = value_of(msg, len, "PRODUCT"); /* 5ac/12a8/1502 */
	second = product ? strchr(product, '/') : NULL;
	return second && number_of(product, 16, 0xffff, &out->vendor) &&
	       number_of(second + 1, 16, 0xffff, &out->product) &&
	       number_of(value_of(msg, len, "BUSNUM"), 10, 999, &out->at.bus) &&
	       number_of(
		   value_of(msg, len, "DEVNUM"), 10, 127, &out->at.address) &&
	       out->at.bus && out->at.address;
}

int usb_hotplug_open(void)
{
	struct sockaddr_nl a = { .nl_family = AF_NETLINK,
		.nl_groups = KERNEL_GROUP };
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK,
	    NETLINK_KOBJECT_UEVENT);
	int bytes = SOCKET_BYTES;

	if (fd < 0)
		return -1;
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes));
	if (bind(fd, (struct sockaddr *)&a, sizeof(a)) == 0)
		return fd;
	close(fd);
	return -1;
}

enum rc usb_hotplug_next(int fd, struct usb_event *out)
{
	static char msg[MESSAGE];

	for (;;) {
		struct sockaddr_nl from = { 0 };
		socklen_t from_len = sizeof(from);
		ssize_t n = recvfrom(fd, msg, sizeof(msg), 0,
		    (struct sockaddr *)&from, &from_len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return RC_BUSY;
		if (n < 0)
			return errno == ENOBUFS ? RC_LIMIT : RC_IO;
		/* Other programs may send here, too; the kernel is 0. */
		if (from.nl_pid == 0 && usb_hotplug_parse(msg, (size_t)n, out))
			return RC_OK;
	}
}

/* --- sysfs --------------------------------------------------------------------- */

/* Bytes read, at most cap - 1, with a NUL behind them; -1. */
static ssize_t read_attribute(
    const char *dir, const char *name, char *out, size_t cap)
{
	char path[PATH_BYTES];
	ssize_t n;
	int fd;

	if ((size_t)snprintf(path, sizeof(path), "%s/%s", dir, name) >=
	    sizeof(path))
		return -1;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	n = read(fd, out, cap - 1);
	close(fd);
	out[n > 0 ? n : 0] = '\0';
	return n;
}

static bool read_number(
    const char *dir, const char *name, int base, uint16_t *out)
{
	char text[32];

	if (read_attribute(dir, name, text, sizeof(text)) <= 0)
		return false;
	text[strcspn(text, "\n")] = '\0';
	return number_of(text, base, 0xffff, out);
}

/* "1-1.4", not "1-1.4:1.0" (an interface) and not "usb1" (a root hub). */
static bool is_device_name(const char *name)
{
	return name[0] >= '0' && name[0] <= '9' && !strchr(name, ':');
}

static bool place_of(const char *dir, struct usb_place *out)
{
	return read_number(dir, "busnum", 10, &out->bus) &&
	       read_number(dir, "devnum", 10, &out->address);
}

/* Calls fn with the folder of each device until it says true. */
static bool each_device(
    const char *sys, bool (*fn)(void *ctx, const char *dir), void *ctx)
{
	char path[PATH_BYTES];
	struct dirent *e;
	bool found = false;
	DIR *d;

	snprintf(path, sizeof(path), "%s/bus/usb/devices", sys);
	d = opendir(path);
	while (d && !found && (e = readdir(d)) != NULL) {
		char dir[PATH_BYTES];

		if (!is_device_name(e->d_name) ||
		    (size_t)snprintf(dir, sizeof(dir), "%s/%s", path,
			e->d_name) >= sizeof(dir))
			continue;
		found = fn(ctx, dir);
	}
	if (d)
		closedir(d);
	return found;
}

struct scan {
	usb_hotplug_fn fn;
	void *ctx;
};

static bool tell(void *ctx, const char *dir)
{
	const struct scan *s = ctx;
	struct usb_event ev = { .added = true };

	if (place_of(dir, &ev.at) &&
	    read_number(dir, "idVendor", 16, &ev.vendor) &&
	    read_number(dir, "idProduct", 16, &ev.product))
		s->fn(s->ctx, &ev);
	return false;
}

void usb_hotplug_scan(const char *sys, usb_hotplug_fn fn, void *ctx)
{
	struct scan s = { fn, ctx };

	each_device(sys, tell, &s);
}

struct search {
	const struct usb_place *at;
	char dir[PATH_BYTES];
};

static bool is_at(void *ctx, const char *dir)
{
	struct search *s = ctx;
	struct usb_place p;

	if (!place_of(dir, &p) || p.bus != s->at->bus ||
	    p.address != s->at->address)
		return false;
	snprintf(s->dir, sizeof(s->dir), "%s", dir);
	return true;
}

/* --- what the port gives ------------------------------------------------------- */

#define SELF_POWERED 0x40 /* of bmAttributes */
#define USB3_MBIT    5000

/* "…/1-1.4" -> "…/1-1", "…/1-1" -> "…/usb1", the root's own hub. */
static bool hub_of(const char *dir, char *out, size_t cap)
{
	const char *name = strrchr(dir, '/');
	const char *dot = strrchr(dir, '.');
	const char *dash = name ? strchr(name, '-') : NULL;
	int n;

	if (!name || !dash)
		return false;
	if (dot && dot > name)
		n = snprintf(out, cap, "%.*s", (int)(dot - dir), dir);
	else
		n = snprintf(out, cap, "%.*s/usb%.*s", (int)(name - dir), dir,
		    (int)(dash - name - 1), name + 1);
	return n > 0 && (size_t)n < cap;
}

/* A hub that says nothing has a supply of its own, as root hubs do. */
static void read_power(const char *dir, struct usb_power *out)
{
	char hub[PATH_BYTES];
	uint16_t n = 0;
	char text[16];
	bool is_fast;

	snprintf(out->port, sizeof(out->port), "%.23s", strrchr(dir, '/') + 1);
	/* "500mA"; "" while no configuration is set. */
	if (read_attribute(dir, "bMaxPower", text, sizeof(text)) > 0)
		out->asks_ma = (uint16_t)(strtoul(text, NULL, 10) % 10000);
	if (out->asks_ma > USB_ASKS_MAX)
		out->asks_ma = 0;
	if (!read_number(dir, "speed", 10, &n))
		return;
	out->mbit = n;
	is_fast = n >= USB3_MBIT;
	if (!hub_of(dir, hub, sizeof(hub)))
		return;
	out->weak_hub = strchr(out->port, '.') &&
			read_number(hub, "bmAttributes", 16, &n) &&
			!(n & SELF_POWERED);
	if (out->weak_hub)
		out->gives_ma = is_fast ? 150 : 100;
	else
		out->gives_ma = is_fast ? 900 : 500;
}

enum rc usb_hotplug_facts(
    const char *sys, const struct usb_place *at, struct usb_device_facts *out)
{
	struct search s = { .at = at };
	static char bytes[USB_DESCRIPTOR_MAX];
	char serial[128];
	uint16_t n = 0;
	ssize_t len;

	memset(out, 0, sizeof(*out));
	if (!each_device(sys, is_at, &s))
		return RC_GONE;
	len = read_attribute(s.dir, "descriptors", bytes, sizeof(bytes));
	if (len < 0)
		return RC_GONE;
	if (usb_descriptor_parse(
		(const uint8_t *)bytes, (size_t)len, &out->descriptor))
		return RC_PROTO;
	if (read_number(s.dir, "bConfigurationValue", 10, &n))
		out->active = n;
	/* Mbit/s; "1.5" is no phone's. */
	out->speed = 480000000;
	if (read_number(s.dir, "speed", 10, &n))
		out->speed = (uint64_t)n * 1000000;
	read_power(s.dir, &out->power);
	/* The kernel prints it up to the first NUL, and a new line. */
	len = read_attribute(s.dir, "serial", serial, sizeof(serial));
	if (len > 0 &&
	    usb_descriptor_udid(serial, strcspn(serial, "\n"), out->udid))
		log_info("a serial number that is no UDID");
	return RC_OK;
}
