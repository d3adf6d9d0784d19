#include "button.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/input.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "log.h"

#define LOG_MODULE "button"
#define LOOK_MS    5000 /* for a device that is not there */

struct button {
	char dir[64], device[64];
	int key;
	int fd; /* -1: none */
	int64_t look_ms;
	struct button_contact contact;
};

enum rc button_open(const struct button_opts *opts, struct button **out)
{
	struct button *b;

	if (opts->key <= 0 || opts->key > KEY_MAX)
		return RC_CONFIG;
	b = calloc(1, sizeof(*b));
	if (!b)
		return RC_NOMEM;
	snprintf(b->dir, sizeof(b->dir), "%s", opts->dir);
	snprintf(b->device, sizeof(b->device), "%s", opts->device);
	b->key = opts->key;
	b->fd = -1;
	*out = b;
	return RC_OK;
}

static void let_device_go(struct button *b, int64_t now_ms)
{
	if (b->fd >= 0)
		close(b->fd);
	b->fd = -1;
	b->look_ms = now_ms + LOOK_MS;
	button_contact_begin(&b->contact, false, now_ms);
}

void button_close(struct button *b)
{
	if (!b)
		return;
	let_device_go(b, 0);
	free(b);
}

/* --- which device ------------------------------------------------------------------ */

static bool bit_of(const unsigned char *bits, int n)
{
	return bits[n / 8] >> (n % 8) & 1;
}

static bool key_bit(int fd, unsigned long request, int key)
{
	unsigned char bits[KEY_MAX / 8 + 1] = { 0 };

	return ioctl(fd, request, bits) >= 0 && bit_of(bits, key);
}

static bool has_key(const struct button *b, int fd)
{
	return key_bit(fd, EVIOCGBIT(EV_KEY, KEY_MAX / 8 + 1), b->key);
}

static bool is_pressed(const struct button *b, int fd)
{
	return key_bit(fd, EVIOCGKEY(KEY_MAX / 8 + 1), b->key);
}

/* Times of events are to be those of mono.h. */
static bool is_ours(const struct button *b, int fd)
{
	struct input_id id = { 0 };
	char name[64] = "";
	int clock = CLOCK_MONOTONIC;

	if (!has_key(b, fd))
		return false;
	if (ioctl(fd, EVIOCGID, &id) < 0 ||
	    ioctl(fd, EVIOCGNAME(sizeof(name) - 1), name) < 0)
		return false;
	if (!strcmp(b->device, "auto") ? id.bustype != BUS_HOST
				       : strcmp(b->device, name) != 0)
		return false;
	if (ioctl(fd, EVIOCSCLOCKID, &clock) < 0)
		return false;
	log_note("the button is key %d of %s", b->key, name);
	return true;
}

static void look_for_device(struct button *b, int64_t now_ms)
{
	DIR *dir = opendir(b->dir);
	struct dirent *entry;

	b->look_ms = now_ms + LOOK_MS;
	if (!dir)
		return; /* no input device at all */
	while (b->fd < 0 && (entry = readdir(dir))) {
		int fd;

		if (strncmp(entry->d_name, "event", 5) != 0)
			continue;
		fd = openat(dirfd(dir), entry->d_name,
		    O_RDONLY | O_NONBLOCK | O_CLOEXEC);
		if (fd >= 0 && is_ours(b, fd))
			b->fd = fd;
		else if (fd >= 0)
			close(fd);
	}
	closedir(dir);
	if (b->fd >= 0)
		button_contact_begin(&b->contact, is_pressed(b, b->fd), now_ms);
}

/* --- presses ----------------------------------------------------------------------- */

static int64_t ms_of(const struct input_event *ev)
{
	return (int64_t)ev->input_event_sec * 1000 +
	       ev->input_event_usec / 1000;
}

/* Events that were lost may have been ours: what is now counts. */
static enum button_press take_event(
    struct button *b, const struct input_event *ev, int64_t now_ms)
{
	if (ev->type == EV_SYN && ev->code == SYN_DROPPED) {
		button_contact_begin(&b->contact, is_pressed(b, b->fd), now_ms);
		return BUTTON_NONE;
	}
	/* 2 is the key that repeats itself. */
	if (ev->type != EV_KEY || ev->code != b->key || ev->value < 0 ||
	    ev->value > 1)
		return BUTTON_NONE;
	return button_contact_edge(&b->contact, ev->value == 1, ms_of(ev));
}

enum button_press button_take(struct button *b, int64_t now_ms)
{
	enum button_press p = BUTTON_NONE;
	struct input_event ev;

	if (!b)
		return BUTTON_NONE;
	if (b->fd < 0 && now_ms >= b->look_ms)
		look_for_device(b, now_ms);
	while (b->fd >= 0 && p == BUTTON_NONE) {
		ssize_t n = read(b->fd, &ev, sizeof(ev));

		if (n == (ssize_t)sizeof(ev)) {
			p = take_event(b, &ev, now_ms);
			continue;
		}
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			break;
		log_warn("the button is gone");
		let_device_go(b, now_ms);
	}
	return p ? p : button_contact_due(&b->contact, now_ms);
}

int button_fd(const struct button *b)
{
	return b ? b->fd : -1;
}

bool button_is_down(const struct button *b)
{
	return b && b->contact.down;
}

int64_t button_next(const struct button *b)
{
	if (!b)
		return 0;
	return b->fd < 0 ? b->look_ms : button_contact_next(&b->contact);
}
