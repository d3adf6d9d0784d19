/*
 * Role `watch`: waits until a phone that nobody answered for is unlocked.
 * lockdownd's value PasswordProtected says "a passcode is set and it is
 * locked"; only the change from locked to unlocked shows that somebody is
 * there. Also tells the phone's time, once: a box may know none.
 */
#include <poll.h>
#include <stdbool.h>
#include <string.h>

#include "device.h"
#include "log.h"
#include "mono.h"
#include "msg.h"
#include "pl.h"
#include "role.h"
#include "role_jail.h"

#define LOG_MODULE "watch"

#define LOOK_MS   2000
#define REOPEN_MS 10000

/* False: the parent is gone or has had enough. */
static bool rest(int fd, int ms)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };

	return poll(&pfd, 1, ms) == 0;
}

static enum rc is_locked(struct device_lockdown *l, bool *out)
{
	struct pl *value = NULL;
	enum rc rc =
	    device_lockdown_value(l, NULL, "PasswordProtected", &value);

	if (!rc)
		*out = pl_truth(value, false);
	pl_free(value);
	return rc;
}

/* RC_OK: it was unlocked. Another code: this connection is of no more use. */
static enum rc look(int fd, struct device_lockdown *l, bool *was_locked)
{
	bool locked;
	enum rc rc;

	while (!(rc = is_locked(l, &locked))) {
		if (*was_locked && !locked)
			return RC_OK;
		*was_locked = locked;
		if (!rest(fd, LOOK_MS))
			return RC_CANCELLED;
	}
	return rc;
}

static void tell_time(int fd, struct device_lockdown *l)
{
	struct msg m = { .type = MSG_TIME };
	struct pl *value = NULL;
	double at = 0;

	if (device_lockdown_value(l, NULL, "TimeIntervalSince1970", &value) ==
		RC_OK &&
	    pl_real(value, &at) == RC_OK && at > 0 && at < 8e9) {
		m.u.time.at_ms = (int64_t)(at * 1000);
		m.u.time.mono_ms = mono_ms();
		if (msg_send(fd, &m))
			log_warn("the box did not hear the time");
	}
	pl_free(value);
}

static enum rc look_once(int fd, const char *udid, bool *was_locked)
{
	struct device *dev = NULL;
	struct device_lockdown *l = NULL;
	enum rc rc = device_open(udid, &dev);

	if (!rc)
		rc = device_lockdown_open_trusted(dev, &l);
	if (!rc) {
		tell_time(fd, l);
		rc = look(fd, l, was_locked);
	}
	device_lockdown_close(l);
	device_free(dev);
	return rc;
}

int role_watch(int fd)
{
	struct msg unlocked = { .type = MSG_UNLOCKED };
	bool was_locked = false;
	struct msg m;
	enum rc rc = msg_recv(fd, &m);

	if (rc || m.type != MSG_START)
		return 1;
	log_set_level((enum log_level)m.u.start.log_level);
	role_jail_watch();
	do {
		rc = look_once(fd, m.u.start.udid, &was_locked);
		if (!rc)
			return msg_send(fd, &unlocked) != RC_OK;
	} while (rc != RC_CANCELLED && rest(fd, REOPEN_MS));
	return 0;
}
