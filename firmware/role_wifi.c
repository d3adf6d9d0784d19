/*
 * Role `wifi`: keeps the link to the one Wi-Fi network that the box names. The
 * program that does it runs below this role and ends with it; here only its
 * lines are read, in a jail.
 */
#include <poll.h>
#include <string.h>

#include "alive.h"
#include "facts.h"
#include "jail.h"
#include "log.h"
#include "mono.h"
#include "msg.h"
#include "role.h"
#include "wifi.h"

#define LOG_MODULE "wifi"
#define USER       "nightstand-wifi"
#define DIR        "/run/wifi"
#define PROGRAM    "/usr/sbin/wpa_supplicant"
#define DEVICE_MS  10000 /* for a chip to show itself */
#define SIGNAL_MS  10000

static enum rc tell(int fd, enum status_wifi_state state, int signal_dbm)
{
	struct msg m = { .type = MSG_WIFI };

	m.u.wifi.state = (uint8_t)state;
	m.u.wifi.signal_dbm = signal_dbm;
	return msg_send(fd, &m);
}

/* False: the box is gone. */
static bool rest(int fd, int ms)
{
	struct pollfd p = { .fd = fd };

	return poll(&p, 1, ms) == 0;
}

/* A chip may come later than the box, and a box may have none. False: the box
 * is gone. */
static bool find_device(int fd, char *out, size_t cap)
{
	int64_t end_ms = mono_ms() + DEVICE_MS;
	bool told = false;

	while (!facts_wifi("/sys", out, cap)) {
		if (!told && mono_ms() >= end_ms) {
			log_warn("this box has no Wi-Fi");
			told = true;
			if (tell(fd, STATUS_WIFI_NO_DEVICE, 0))
				return false;
		}
		if (!rest(fd, told ? 5000 : 500))
			return false;
	}
	return true;
}

static enum rc begin(int fd, const char *device, struct wifi *w)
{
	struct wifi_opts opts = { device, PROGRAM, DIR, USER };
	struct msg m;
	enum rc rc = msg_recv(fd, &m);
	const struct msg_wifi_join *j = &m.u.wifi_join;

	if (!rc && m.type != MSG_WIFI_JOIN)
		rc = RC_PROTO;
	if (!rc)
		rc = wifi_open(&opts, w);
	if (!rc) {
		log_note("Wi-Fi by %s", device);
		rc = wifi_join(w, j->name, j->password, j->country);
		if (rc)
			wifi_close(w);
	}
	explicit_bzero(&m, sizeof(m));
	return rc;
}

static enum rc turn(int fd, struct wifi *w, int64_t *ask_ms)
{
	struct pollfd fds[] = { { .fd = fd, .events = POLLIN },
		{ .fd = w->fd, .events = POLLIN } };
	int64_t left = *ask_ms - mono_ms();
	int signal_dbm = w->now.signal_dbm;
	bool changed = false;
	enum rc rc = RC_OK;

	(void)poll(fds, 2, left > 0 ? (int)left : 0);
	if (fds[0].revents)
		return RC_GONE; /* it says no more than the one thing */
	if (fds[1].revents)
		rc = wifi_read(w, &changed);
	if (!rc && mono_ms() >= *ask_ms) {
		*ask_ms = mono_ms() + SIGNAL_MS;
		rc = wifi_ask_signal(w);
	}
	if (!rc && (changed || signal_dbm != w->now.signal_dbm))
		rc = tell(fd, w->now.state, w->now.signal_dbm);
	return rc;
}

int role_wifi(int fd)
{
	const struct jail_opts opts = { .user = USER };
	struct wifi w;
	struct jail jail;
	int64_t ask_ms = mono_ms() + SIGNAL_MS, alive_ms = 0;
	char device[32];
	enum rc rc;

	if (!find_device(fd, device, sizeof(device)))
		return 0;
	rc = begin(fd, device, &w);
	if (rc) {
		log_error("no Wi-Fi: %s", rc_words(rc));
		return rc != RC_GONE;
	}
	jail_enter_with(&opts, &jail);
	rc = tell(fd, w.now.state, 0);
	while (!rc) {
		rc = turn(fd, &w, &ask_ms);
		if (!rc)
			rc = alive_turn(fd, &alive_ms);
	}
	if (rc != RC_GONE)
		log_error("the link of Wi-Fi is lost: %s", rc_words(rc));
	return rc != RC_GONE;
}
