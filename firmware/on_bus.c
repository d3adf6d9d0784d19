#include "on_bus.h"

#include <stdio.h>
#include <string.h>

#include "model.h"

enum status_state on_bus_state(enum usb_why why, int64_t ms)
{
	switch (why) {
	case USB_WHY_RECOVERY:
		return STATE_RECOVERY_MODE;
	case USB_WHY_DFU:
		return STATE_DFU_MODE;
	case USB_WHY_NO_MUX:
		return STATE_CHARGES_ONLY;
	case USB_WHY_SILENT:
		return ms < ON_BUS_NO_ANSWER_MS ? STATE_USB_RESTRICTED
						: STATE_NO_ANSWER;
	case USB_WHY_HELD:
		return STATE_USB_HELD;
	case USB_WHY_CONFIG:
		return STATE_USB_REFUSED;
	case USB_WHY_ERRORS:
		return STATE_USB_ERRORS;
	case USB_WHY_NO_RIGHTS:
		return STATE_USB_NO_RIGHTS;
	case USB_WHY_GONE:
	case USB_WHY_TALKS:
	case USB_WHY_COUNT_:
		break;
	}
	return STATE_SEEN;
}

void on_bus_port(const struct msg_on_bus *m, struct status_port *out)
{
	memset(out, 0, sizeof(*out));
	out->mbit = m->mbit;
	out->asks_ma = m->asks_ma;
	out->gives_ma = m->gives_ma;
	out->weak_hub = m->weak_hub;
	snprintf(out->name, sizeof(out->name), "%s", m->port);
}

/* bcdDevice of phones since about 2017 is their product type in BCD: 15.04 is
 * iPhone15,4. Others are just an iPhone or an iPad. */
static void put_model(const struct msg_on_bus *m, struct status_phone *out)
{
	const char *kind = m->product == 0x12a8   ? "iPhone"
			   : m->product == 0x12ab ? "iPad"
						  : NULL;
	char type[32];

	if (!kind)
		return;
	snprintf(type, sizeof(type), "%s%x,%x", kind, m->release >> 8,
	    m->release & 0xff);
	if (strcmp(model_name(type), type) != 0) {
		snprintf(
		    out->product_type, sizeof(out->product_type), "%s", type);
		snprintf(
		    out->model, sizeof(out->model), "%s", model_name(type));
	} else if (m->product == 0x12ab) {
		snprintf(out->model, sizeof(out->model), "%s", kind);
	}
}

void on_bus_phone(const struct msg_on_bus *m, struct status_phone *out)
{
	memset(out, 0, sizeof(*out));
	out->nameless = true;
	out->battery_pct = -1;
	out->will_encrypt = -1;
	out->eta_s = -1;
	put_model(m, out);
	on_bus_port(m, &out->port);
}
