/* StartService: which services there are, and the port that each waits at. */
#include <stdio.h>
#include <string.h>

#include "lockdown.h"
#include "pl.h"

#define SERVICE_PORT_0 49152

static const struct service {
	const char *name;
	service_fn fn;
	bool needs_session;
} services[] = {
	{ "com.apple.mobilebackup2", agent_serve, true },
	{ "com.apple.afc", afc_serve, true },
	{ "com.apple.mobile.notification_proxy", np_serve, true },
	{ "com.apple.mobile.insecure_notification_proxy", np_serve, false },
	{ "com.apple.mobile.installation_proxy", instproxy_serve, true },
	{ "com.apple.springboardservices", sbservices_serve, true },
	{ "com.apple.mobile.diagnostics_relay", diagnostics_serve, true },
	{ "com.apple.mobile.heartbeat", heartbeat_serve, true },
};

static const struct service *service_find(const char *name)
{
	for (size_t i = 0; i < sizeof(services) / sizeof(*services); i++)
		if (strcmp(services[i].name, name) == 0)
			return &services[i];
	return NULL;
}

/* The bag that was given out at pairing opens a locked phone's services. */
static bool service_escrow_ok(struct lockdown *ld, plist_t req)
{
	plist_t record = phone_host_load(ld->ph, ld->host_id);
	size_t na = 0, nb = 0;
	const char *a = pl_data(req, "EscrowBag", &na);
	const char *b = pl_data(record, "EscrowBag", &nb);
	bool ok = a && b && na == nb && memcmp(a, b, na) == 0;

	plist_free(record);
	return ok;
}

static uint16_t service_listen(
    struct lockdown *ld, const struct service *s, bool tls)
{
	struct phone_private *p = ld->ph->p;
	struct phone_port *port;
	uint16_t n;

	pthread_mutex_lock(&ld->ph->lock);
	n = (uint16_t)p->next_port++;
	if (p->next_port == LOCKDOWN_PORT)
		p->next_port++;
	if (p->next_port > 65535)
		p->next_port = SERVICE_PORT_0;
	/* The oldest that nobody came for makes room. */
	port = &p->ports[p->next_slot++ % PHONE_PORTS_MAX];
	port->port = n;
	port->fn = s->fn;
	port->name = s->name;
	port->tls = tls;
	snprintf(port->host_id, sizeof(port->host_id), "%s", ld->host_id);
	pthread_mutex_unlock(&ld->ph->lock);
	return n;
}

static const char *service_check(
    struct lockdown *ld, const struct service *s, plist_t req)
{
	bool is_protected;
	char off[64];

	if (s ? s->needs_session && !ld->in_session : !ld->in_session)
		return "SessionInactive";
	if (!s)
		return "InvalidService";
	if (phone_knob_text(ld->ph, "no_service", off, sizeof(off)) &&
	    strcmp(off, s->name) == 0)
		return "InvalidService";
	pthread_mutex_lock(&ld->ph->lock);
	is_protected = phone_is_protected(ld->ph);
	pthread_mutex_unlock(&ld->ph->lock);
	if (!s->needs_session || !is_protected)
		return NULL;
	if (phone_knob(ld->ph, "before_first_unlock", 0))
		return "EscrowLocked";
	return service_escrow_ok(ld, req) ? NULL : "PasswordProtected";
}

const char *lockdown_start_service(
    struct lockdown *ld, plist_t req, plist_t reply)
{
	const char *name = pl_str(req, "Service"), *error;
	const struct service *s;
	bool tls;

	if (!name)
		return "MissingService";
	pl_set_str(reply, "Service", name);
	s = service_find(name);
	error = service_check(ld, s, req);
	if (error)
		return error;
	/* The key is absent before iOS 13 over USB (CHECKS 37). */
	tls = ld->in_session && ld->ph->id.ios_major >= 13;
	if (tls)
		pl_set_bool(reply, "EnableServiceSSL", true);
	pl_set_int(reply, "Port", service_listen(ld, s, tls));
	phone_event(ld->ph, "service %s", name);
	return NULL;
}
