/*
 * Role `web`: serves the last status that the box sent. It has no disk, no
 * phone, and its end stops no backup.
 */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "alive.h"
#include "jail.h"
#include "log.h"
#include "mono.h"
#include "msg.h"
#include "nic.h"
#include "role.h"
#include "web.h"

#define LOG_MODULE "web"

#define LAN_PORT 80
#define PORTS_MS 6000 /* for all network ports to show themselves */

/* See the key web.open of the config. */
static enum auth_open open_of(const char *word, const char *listen, bool is_pc)
{
	if (!strcmp(word, "all"))
		return AUTH_OPEN_ALL;
	if (!strcmp(word, "nothing"))
		return AUTH_OPEN_NOTHING;
	if (!strcmp(word, "auto") && is_pc && !strncmp(listen, "127.", 4))
		return AUTH_OPEN_ALL;
	return AUTH_OPEN_GLANCE;
}

static enum rc open_web(
    int argc, char **argv, bool hurry, int *port, struct web **out)
{
	struct nic_opts opts = { 0 };
	struct web_nic nic;
	struct web_opts web = { .nic = &nic };
	enum rc rc;

	if (argc != 10)
		return RC_BUG;
	opts.kind = argv[0];
	opts.interface = argv[1];
	opts.listen = argv[2];
	opts.port = atoi(argv[3]);
	web.net.address = argv[4];
	web.net.gateway = argv[5];
	web.net.name = argv[6];
	opts.tls_port = atoi(argv[8]);
	opts.wifi = !strcmp(argv[9], "wifi");
	opts.hurry = hurry;
	web.open = open_of(argv[7], argv[2], !strcmp(argv[0], "slirp"));
	*port = opts.port;
	rc = nic_open(&opts, &nic);
	if (!rc && nic.is_lan)
		*port = LAN_PORT;
	return rc ? rc : web_open(&web, out);
}

static enum rc set_mqtt(struct web *w, const struct msg_mqtt *m)
{
	struct mqtt_opts o = { .port = m->port };

	memcpy(o.host, m->host, sizeof(o.host));
	memcpy(o.user, m->user, sizeof(o.user));
	memcpy(o.password, m->password, sizeof(o.password));
	memcpy(o.names.topic, m->topic, sizeof(o.names.topic));
	memcpy(o.names.discovery, m->discovery, sizeof(o.names.discovery));
	memcpy(o.names.id, m->id, sizeof(o.names.id));
	snprintf(o.names.url, sizeof(o.names.url), "http://%s.local/", m->id);
	return web_set_mqtt(w, &o);
}

/* Without it there is still the glance. */
static void set_tls(struct web *w, struct msg_tls *m)
{
	enum rc rc = web_set_tls(w, m->key, m->key_len, m->cert, m->cert_len);

	explicit_bzero(m, sizeof(*m));
	if (rc)
		log_error("no HTTPS, so nobody can sign in over a network: %s",
		    rc_words(rc));
}

/* Takes what the box has sent; a burst is one news. */
static enum rc take(int fd, struct web *w)
{
	static struct msg m;
	enum rc rc = msg_recv(fd, &m);

	if (!rc && m.type == MSG_STATUS)
		web_set_status(w, &m.u.status);
	else if (!rc && m.type == MSG_PIN)
		web_set_pin(w, m.u.pin.salt, m.u.pin.hash);
	else if (!rc && m.type == MSG_MQTT)
		rc = set_mqtt(w, &m.u.mqtt);
	else if (!rc && m.type == MSG_HOOK)
		rc = web_set_hook(w, &m.u.hook.target);
	else if (!rc && m.type == MSG_EVENT)
		web_add_event(w, &m.u.event.event);
	else if (!rc && m.type == MSG_SNTP)
		web_set_sntp(w, m.u.sntp.host);
	else if (!rc && m.type == MSG_TLS)
		set_tls(w, &m.u.tls);
	else if (!rc && m.type == MSG_SETTINGS)
		web_set_settings(w, &m.u.settings);
	else if (!rc && m.type == MSG_UPLOAD_SAID)
		web_upload_said(w, &m.u.upload_said);
	else if (!rc && m.type == MSG_REPORT)
		web_add_report(w, m.u.report.text, m.u.report.offset,
		    m.u.report.len, m.u.report.total);
	return rc;
}

static enum rc pass_event_on(int fd, struct web *w)
{
	struct msg m = { .type = MSG_EVENT_OVER };
	bool taken;

	if (!web_take_over_event(w, &m.u.event_over.number, &taken))
		return RC_OK;
	m.u.event_over.taken = taken;
	return msg_send(fd, &m);
}

static enum rc pass_time_on(int fd, struct web *w)
{
	struct msg m = { .type = MSG_TIME };
	struct sntp_time_said said;

	if (!web_take_time(w, &said))
		return RC_OK;
	m.u.time.at_ms = said.at_ms;
	m.u.time.mono_ms = said.mono_ms;
	memcpy(m.u.time.from, said.from, sizeof(said.from));
	return msg_send(fd, &m);
}

static enum rc pass_commands_on(int fd, struct web *w)
{
	struct msg m = { .type = MSG_COMMAND }, set = { .type = MSG_SETTINGS };
	struct web_command c;
	enum rc rc = RC_OK;

	if (web_take_settings(w, &set.u.settings))
		rc = msg_send(fd, &set);
	while (!rc && web_take_command(w, &c)) {
		m.u.command.kind = (uint8_t)c.kind;
		m.u.command.older = c.older;
		memcpy(m.u.command.udid, c.udid, sizeof(c.udid));
		memcpy(m.u.command.pin, c.pin, sizeof(c.pin));
		m.u.command.password = c.password;
		m.u.command.keep = c.keep;
		rc = msg_send(fd, &m);
		explicit_bzero(&m.u.command, sizeof(m.u.command));
		explicit_bzero(&c, sizeof(c));
	}
	return rc;
}

/* The box always takes as much as may be on the way (WEB_UPLOAD_AHEAD). */
static enum rc pass_upload_on(int fd, struct web *w)
{
	static struct msg m;
	enum rc rc = RC_OK;

	m.type = MSG_UPLOAD;
	while (!rc && web_take_upload(w, &m.u.upload))
		rc = msg_send(fd, &m);
	return rc;
}

/* A port on USB shows itself some seconds after the start. False: the parent
 * is gone. */
static bool rest(int fd, bool *said)
{
	struct pollfd p = { .fd = fd };

	if (!*said)
		log_note("waiting for a network port");
	*said = true;
	return poll(&p, 1, 1000) == 0;
}

int role_web(int fd, int argc, char **argv)
{
	struct web *w = NULL;
	struct msg up = { .type = MSG_SERVING };
	struct jail jail;
	bool ready = false;
	bool said = false;
	int64_t begin_ms = mono_ms(), alive_ms = 0;
	int port = 0;
	enum rc rc;

	do
		rc = open_web(
		    argc, argv, mono_ms() - begin_ms > PORTS_MS, &port, &w);
	while (rc == RC_NOTFOUND && rest(fd, &said));
	if (rc) {
		log_error("no page port=%d: %s", port, rc_words(rc));
		return 1;
	}
	up.u.serving.port = port;
	rc = msg_send(fd, &up);
	jail_enter("nightstand-web", &jail);
	while (!rc) {
		rc = web_turn(w, fd, ALIVE_EVERY_MS, &ready);
		if (!rc && ready)
			rc = take(fd, w);
		if (!rc)
			rc = pass_commands_on(fd, w);
		if (!rc)
			rc = pass_upload_on(fd, w);
		if (!rc)
			rc = pass_time_on(fd, w);
		if (!rc)
			rc = pass_event_on(fd, w);
		if (!rc)
			rc = alive_turn(fd, &alive_ms);
	}
	web_close(w);
	return rc != RC_GONE;
}
