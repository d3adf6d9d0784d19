/*
 * Phones on USB that don't talk, as the driver tells of them: which state of
 * words.h each is in. Pure.
 */
#ifndef ON_BUS_H
#define ON_BUS_H

#include "msg.h"
#include "status.h"

/* As long as this a silence is a locked phone's: nobody hurries to unlock one.
 * Then more may be wrong. No source has a number for it; an hour of charging
 * tells nobody anything new. */
#define ON_BUS_NO_ANSWER_MS (10 * 60 * 1000)

/* of a phone whose driver has said `why` for `ms`. STATE_SEEN: it talks. */
enum status_state on_bus_state(enum usb_why why, int64_t ms);

void on_bus_port(const struct msg_on_bus *m, struct status_port *out);

/* One that nobody knows: no UDID, but a model where USB tells it. */
void on_bus_phone(const struct msg_on_bus *m, struct status_phone *out);

#endif
