#include "wdog.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/watchdog.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "log.h"

#define LOG_MODULE "wdog"

struct wdog {
	int fd;
};

enum rc wdog_open(const char *path, int timeout_s, struct wdog **out)
{
	struct wdog *w = calloc(1, sizeof(*w));

	if (!w)
		return RC_NOMEM;
	w->fd = open(path, O_WRONLY | O_CLOEXEC);
	if (w->fd < 0) {
		log_warn("no watchdog path=%s: %s", path, strerror(errno));
		free(w);
		return RC_NOTFOUND;
	}
	/* A driver that can't do this many keeps its own time-out. */
	if (ioctl(w->fd, WDIOC_SETTIMEOUT, &timeout_s) != 0)
		log_warn(
		    "watchdog keeps its own time-out: %s", strerror(errno));
	*out = w;
	return RC_OK;
}

void wdog_kick(struct wdog *w)
{
	if (w && write(w->fd, "k", 1) != 1)
		log_warn("watchdog not kicked: %s", strerror(errno));
}

void wdog_close(struct wdog *w)
{
	if (!w)
		return;
	/* The magic letter disarms; without it the machine restarts. */
	if (write(w->fd, "V", 1) != 1)
		log_warn("watchdog stays armed: %s", strerror(errno));
	close(w->fd);
	free(w);
}

void wdog_leave_armed(struct wdog *w)
{
	wdog_kick(w);
	close(w->fd);
	free(w);
}
