/* heartbeat (protocols.md 7.1): Marco, and Polo within the interval. */
#include <string.h>

#include "link.h"
#include "phone_private.h"
#include "pl.h"

static int heartbeat_say(struct link *l, const char *command, int interval)
{
	plist_t d = plist_new_dict();

	pl_set_str(d, "Command", command);
	if (interval > 0) {
		pl_set_int(d, "Interval", (uint64_t)interval);
		pl_set_bool(d, "SupportsSleepyTime", true);
	}
	return pl_send_xml(l, d);
}

void heartbeat_serve(struct phone *ph, struct link *l)
{
	int interval = (int)phone_knob(ph, "heartbeat_s", 10);
	const char *command;
	plist_t reply;
	bool is_polo;

	if (interval < 1)
		interval = 1;
	for (;;) {
		if (heartbeat_say(l, "Marco", interval))
			return;
		if (link_wait(l, -1, interval * 1000 + 5000) <= 0) {
			phone_event(ph, "heartbeat missed");
			heartbeat_say(l, "SleepyTime", 0);
			return;
		}
		if (pl_recv(l, &reply))
			return;
		command = pl_str(reply, "Command");
		is_polo = command && strcmp(command, "Polo") == 0;
		plist_free(reply);
		if (!is_polo || phone_sleep(ph, interval * 1000))
			return;
	}
}
