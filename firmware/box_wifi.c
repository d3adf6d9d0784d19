/* The link by Wi-Fi: what its role is told, and what it tells. */
#include <stdio.h>
#include <string.h>

#include "box_int.h"
#include "log.h"
#include "mono.h"

#define LOG_MODULE "box"
#define AGAIN_MS   1500 /* behind the answer to who set it */

bool box_wifi_is_wanted(const struct config *c)
{
	return c->web && c->nic == CONFIG_NIC_PACKET &&
	       !strcmp(c->interface, "auto") && c->wifi_name[0];
}

void box_wifi_settings(struct box *b, const struct config *before)
{
	const struct config *c = b->config;

	if (!strcmp(c->wifi_name, before->wifi_name) &&
	    !strcmp(c->wifi_password, before->wifi_password) &&
	    !strcmp(c->wifi_country, before->wifi_country))
		return;
	child_close(&b->wifi.child);
	b->wifi.child = CHILD_NONE;
	b->wifi.start_ms = box_wifi_is_wanted(c) ? mono_ms() + AGAIN_MS : 0;
}

void box_send_wifi(struct box *b)
{
	const struct config *c = b->config;
	struct msg m = { .type = MSG_WIFI_JOIN };
	struct msg_wifi_join *j = &m.u.wifi_join;

	b->wifi_now = (struct msg_wifi){ .state = STATUS_WIFI_SEARCHING };
	snprintf(j->name, sizeof(j->name), "%s", c->wifi_name);
	snprintf(j->password, sizeof(j->password), "%s", c->wifi_password);
	snprintf(j->country, sizeof(j->country), "%s", c->wifi_country);
	if (msg_send(b->wifi.child.fd, &m))
		log_warn("the part for Wi-Fi did not hear which one");
	explicit_bzero(&m.u, sizeof(m.u));
}

void box_wifi_told(struct box *b, const struct msg_wifi *m)
{
	if (m->state != b->wifi_now.state)
		log_note("Wi-Fi: %s signal_dbm=%d",
		    status_wifi_id((enum status_wifi_state)m->state),
		    m->signal_dbm);
	b->wifi_now = *m;
}

void box_wifi_status(const struct box *b, struct status_wifi *out)
{
	memset(out, 0, sizeof(*out));
	if (!box_wifi_is_wanted(b->config))
		return;
	out->state = (enum status_wifi_state)b->wifi_now.state;
	/* In steps that a person sees: it would be news all the time. */
	out->signal_dbm = b->wifi_now.signal_dbm / 5 * 5;
	snprintf(out->name, sizeof(out->name), "%s", b->config->wifi_name);
}
