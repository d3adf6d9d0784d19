/* What somebody asked for on the page, and the PIN that let them. */
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "box_int.h"
#include "last_run.h"
#include "log.h"
#include "mono.h"
#include "net.h"
#include "pin.h"
#include "report.h"
#include "wall.h"

#define LOG_MODULE "box"

#define REPORT_EVERY_MS 1000

void box_send_pin(struct box *b)
{
	struct msg m = { .type = MSG_PIN };

	if (b->web.child.fd < 0 || !b->pin[0])
		return;
	if (getrandom(m.u.pin.salt, sizeof(m.u.pin.salt), 0) !=
	    (ssize_t)sizeof(m.u.pin.salt))
		return; /* nobody gets in */
	auth_hash_pin(m.u.pin.salt, b->pin, m.u.pin.hash);
	if (msg_send(b->web.child.fd, &m))
		log_warn("the page did not get the PIN");
}

/* There is HTTPS, and somebody to reach it. */
static bool has_tls(const struct config *c)
{
	return c->web && (c->nic != CONFIG_NIC_SLIRP || c->tls_port);
}

void box_send_tls(struct box *b)
{
	static struct msg m = { .type = MSG_TLS };
	struct tlscert *t = &b->cert;
	char name[48];

	if (!has_tls(b->config) || b->web.child.fd < 0)
		return;
	net_label(b->config->box_name, name);
	if (!t->cert_len && tlscert_load(b->config->state, name, wall_now(), t))
		log_error("there is no certificate for HTTPS");
	if (!t->cert_len)
		return;
	m.u.tls.key_len = t->key_len;
	m.u.tls.cert_len = t->cert_len;
	memcpy(m.u.tls.key, t->key, sizeof(t->key));
	memcpy(m.u.tls.cert, t->cert, sizeof(t->cert));
	if (msg_send(b->web.child.fd, &m))
		log_warn("the page's part did not get its certificate");
	explicit_bzero(&m.u, sizeof(m.u));
}

void box_renew_tls(struct box *b)
{
	if (!b->cert.cert_len || tlscert_is_fresh(&b->cert, wall_now()))
		return;
	b->cert.cert_len = 0;
	box_send_tls(b);
}

void box_send_mqtt(struct box *b)
{
	const struct config *c = b->config;
	struct msg m = { .type = MSG_MQTT };
	struct msg_mqtt *q = &m.u.mqtt;

	if (!c->mqtt_broker[0] || b->web.child.fd < 0)
		return;
	if (c->nic == CONFIG_NIC_SLIRP) {
		log_warn("an MQTT broker can't be told with network = slirp: "
			 "nothing leads out of it");
		return;
	}
	snprintf(q->host, sizeof(q->host), "%s", c->mqtt_broker);
	snprintf(q->user, sizeof(q->user), "%s", c->mqtt_user);
	snprintf(q->password, sizeof(q->password), "%s", c->mqtt_password);
	snprintf(q->topic, sizeof(q->topic), "%s", c->mqtt_topic);
	snprintf(q->discovery, sizeof(q->discovery), "%s", c->mqtt_discovery);
	net_label(c->box_name, q->id);
	q->port = c->mqtt_port;
	if (msg_send(b->web.child.fd, &m))
		log_warn("the page's part did not get the MQTT broker");
}

void box_send_report(struct box *b)
{
	static struct msg m;
	static char text[WEB_REPORT_MAX], before[LAST_RUN_LOG];
	const struct log_ring *rings[3] = { NULL };
	struct msg_report *r = &m.u.report;
	enum rc rc = RC_OK;

	b->report_ms = mono_ms();
	if (b->ring && b->web_ring) {
		rings[0] = b->web_ring;
		rings[1] = b->ring;
	}
	last_run_log(b->config->state, before, sizeof(before));
	m.type = MSG_REPORT;
	r->total = (uint32_t)report_make(
	    &b->status, b->config, rings, before, text, sizeof(text));
	for (r->offset = 0; !rc && r->offset < r->total; r->offset += r->len) {
		r->len = r->total - r->offset;
		if (r->len > MSG_REPORT_TEXT)
			r->len = MSG_REPORT_TEXT;
		memcpy(r->text, text + r->offset, r->len);
		rc = msg_send(b->web.child.fd, &m);
	}
	if (rc)
		log_warn("the page did not get the report: %s", rc_words(rc));
}

static void set_pin(struct box *b, const char *pin)
{
	enum rc rc = RC_OK;

	if (!pin_is_one(pin))
		return;
	if (b->config->state[0])
		rc = pin_store(b->config->state, pin);
	if (rc) {
		log_error("the new PIN can't be kept: %s", rc_words(rc));
		return;
	}
	snprintf(b->pin, sizeof(b->pin), "%s", pin);
	log_note("the page has another PIN");
	box_send_pin(b);
}

static struct box_phone *phone_of(struct box *b, const char *udid)
{
	for (unsigned i = 0; i < b->n_phones; i++)
		if (!strcmp(b->phones[i].udid, udid))
			return &b->phones[i];
	return NULL;
}

static void unlock_disk(struct box *b, const struct msg_command *c)
{
	struct msg m = { .type = MSG_DISK_DO };

	if (b->disk.state != DISK_LOCKED || b->disks.child.fd < 0)
		return;
	log_note("the locked disk has been given a password");
	m.u.disk_do.what = MSG_DISK_UNLOCK;
	m.u.disk_do.keep = c->keep;
	memcpy(
	    m.u.disk_do.word, c->password.new_word, sizeof(m.u.disk_do.word));
	if (msg_send(b->disks.child.fd, &m))
		log_warn("the part that mounts disks did not hear of it");
	explicit_bzero(&m, sizeof(m));
}

static void disk_command(struct box *b, enum web_command_kind kind)
{
	if (kind == WEB_EJECT)
		box_eject(b);
	else if (kind == WEB_USE_DISK)
		box_use_disk(b);
	else
		box_prepare_disk(b);
}

bool box_command(struct box *b, const struct msg_command *c)
{
	struct box_phone *p = phone_of(b, c->udid);

	if (c->kind == WEB_EJECT || c->kind == WEB_USE_DISK ||
	    c->kind == WEB_PREPARE) {
		disk_command(b, (enum web_command_kind)c->kind);
		return true;
	}
	if (c->kind == WEB_UNLOCK) {
		unlock_disk(b, c);
		return true;
	}
	if (c->kind == WEB_UPDATE) {
		box_update_asked(b, c->older);
		return true;
	}
	if (c->kind == WEB_RESET) {
		box_update_reset(b);
		return true;
	}
	if (c->kind == WEB_REPORT) {
		/* However often it is asked for. */
		if (mono_ms() - b->report_ms >= REPORT_EVERY_MS)
			box_send_report(b);
		return true;
	}
	if (c->kind == WEB_SET_PIN) {
		set_pin(b, c->pin);
		return true;
	}
	if (!p)
		return true; /* it made room for another meanwhile */
	log_note("asked for on the page what=%u udid=%s", c->kind, p->udid);
	if (c->kind == WEB_BACKUP)
		box_phone_post(b, p, PHONE_EV_ASKED);
	else if (c->kind == WEB_PASSWORD)
		box_password_asked(b, p, &c->password);
	else if (c->kind == WEB_STOP)
		box_phone_stop(p);
	else
		box_dismiss(b, p->udid);
	return true;
}
