#include "muxplan.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "log.h"
#include "usbmux.h"

#define LOG_MODULE "usbmux"

#define ADDRESS "USBMUXD_SOCKET_ADDRESS"
#define UNIX    "UNIX:"
/* libusbmuxd's own, where nothing is said. */
#define DEFAULT "/var/run/usbmuxd"
/* Where usbmuxd keeps its records: who has paired with it need not again. */
#define SHARED_RECORDS "/var/lib/lockdown"

static bool is_own(const struct config *c)
{
	const char *address = getenv(ADDRESS);

	if (c->usb_driver != CONFIG_USB_AUTO)
		return c->usb_driver == CONFIG_USB_OWN;
	if (c->usb_cable[0])
		return true;
	if (address && address[0])
		return false;
	return access("/usr/sbin/usbmuxd", X_OK) != 0 && !usbmux_is_there();
}

/* Below the state folder, or in one made for this run. */
static enum rc place_socket(const struct config *c, struct muxplan *p)
{
	const char *base = access("/run", W_OK) == 0 ? "/run" : "/tmp";
	int n;

	n = snprintf(
	    p->socket, sizeof(p->socket), "%s/" MUXPLAN_SOCKET, c->state);
	if (c->state[0] && (size_t)n < sizeof(p->socket))
		return RC_OK;
	snprintf(p->run_dir, sizeof(p->run_dir), "%s/nightstand-XXXXXX", base);
	if (!mkdtemp(p->run_dir)) {
		log_error("no folder %s: %s", p->run_dir, strerror(errno));
		p->run_dir[0] = '\0';
		return RC_CONFIG;
	}
	snprintf(
	    p->socket, sizeof(p->socket), "%s/" MUXPLAN_SOCKET, p->run_dir);
	return RC_OK;
}

static void place_records(const struct config *c, struct muxplan *p)
{
	if (c->usb_records[0])
		snprintf(p->records, sizeof(p->records), "%s", c->usb_records);
	else if (c->state[0])
		snprintf(
		    p->records, sizeof(p->records), "%s/lockdown", c->state);
	else
		snprintf(p->records, sizeof(p->records), "%s", SHARED_RECORDS);
}

enum rc muxplan_make(const struct config *c, struct muxplan *out)
{
	enum rc rc;

	memset(out, 0, sizeof(*out));
	out->own = is_own(c);
	if (!out->own)
		return RC_OK;
	rc = place_socket(c, out);
	if (rc)
		return rc;
	place_records(c, out);
	snprintf(out->level, sizeof(out->level), "%d", (int)log_get_level());
	out->args[0] = "own";
	out->args[1] = out->socket;
	out->args[2] = out->records;
	out->args[3] = c->usb_cable;
	out->args[4] = c->sys;
	out->args[5] = out->level;
	return muxplan_use(out->socket);
}

bool muxplan_socket(char *out, size_t cap)
{
	const char *address = getenv(ADDRESS);

	if (!address || !address[0])
		address = UNIX DEFAULT;
	if (strncmp(address, UNIX, strlen(UNIX)) != 0)
		return false;
	snprintf(out, cap, "%s", address + strlen(UNIX));
	return true;
}

enum rc muxplan_use(const char *socket)
{
	char address[300];

	snprintf(address, sizeof(address), UNIX "%s", socket);
	return setenv(ADDRESS, address, 1) == 0 ? RC_OK : RC_NOMEM;
}

void muxplan_close(struct muxplan *p)
{
	if (!p->run_dir[0])
		return;
	unlink(p->socket);
	rmdir(p->run_dir);
	p->run_dir[0] = '\0';
}
