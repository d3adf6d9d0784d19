#include "msg.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "disk.h"
#include "log.h"
#include "relpath.h"
#include "session.h"

#define LOG_MODULE "msg"
#define MSG_MAGIC  0x4e53u /* "NS" */
#define MS_MAX     (INT64_C(1) << 43) /* the year 2248 */

struct msg_header {
	uint16_t magic, type;
	uint32_t len; /* of what follows */
};

static const size_t body_len[MSG_TYPE_COUNT_] = {
	[MSG_NONE] = 0,
	[MSG_ALIVE] = 0,
	[MSG_START] = sizeof(struct msg_start),
	[MSG_CANCEL] = 0,
	[MSG_PASSWORD] = sizeof(struct password_change),
	[MSG_PASSWORD_SET] = sizeof(struct msg_password_set),
	[MSG_ATTACHED] = sizeof(struct msg_device),
	[MSG_DETACHED] = sizeof(struct msg_device),
	[MSG_ON_BUS] = sizeof(struct msg_on_bus),
	[MSG_DISK] = sizeof(struct msg_disk),
	[MSG_DISK_SMART] = sizeof(struct status_smart),
	[MSG_DISK_DO] = sizeof(struct msg_disk_do),
	[MSG_WIFI_JOIN] = sizeof(struct msg_wifi_join),
	[MSG_WIFI] = sizeof(struct msg_wifi),
	[MSG_UPDATE] = sizeof(struct msg_update),
	[MSG_UPLOAD] = sizeof(struct web_upload),
	[MSG_UPLOAD_SAID] = sizeof(struct web_upload_said),
	[MSG_PHONE] = sizeof(struct msg_phone),
	[MSG_PHASE] = sizeof(struct msg_step),
	[MSG_REQUESTED] = sizeof(struct msg_requested),
	[MSG_PROGRESS] = sizeof(struct msg_progress),
	[MSG_KEPT] = sizeof(struct msg_kept),
	[MSG_RESULT] = sizeof(struct msg_result),
	[MSG_SCRUBBED] = sizeof(struct msg_scrubbed),
	[MSG_UNLOCKED] = 0,
	[MSG_SERVING] = sizeof(struct msg_serving),
	[MSG_COMMAND] = sizeof(struct msg_command),
	[MSG_PIN] = sizeof(struct msg_pin),
	[MSG_MQTT] = sizeof(struct msg_mqtt),
	[MSG_TIME] = sizeof(struct msg_time),
	[MSG_SNTP] = sizeof(struct msg_sntp),
	[MSG_HOOK] = sizeof(struct msg_hook),
	[MSG_EVENT] = sizeof(struct msg_event),
	[MSG_EVENT_OVER] = sizeof(struct msg_event_over),
	[MSG_REPORT] = sizeof(struct msg_report),
	[MSG_TLS] = sizeof(struct msg_tls),
	[MSG_SETTINGS] = sizeof(struct settings_values),
	[MSG_STATUS] = sizeof(struct status),
};

/* The string ends inside of its array. */
#define ENDS(s) (memchr((s), '\0', sizeof(s)) != NULL)

/* A value that is no flag in a bool would be undefined to read. */
static bool is_flag(const bool *b)
{
	unsigned char byte;

	memcpy(&byte, b, 1);
	return byte <= 1;
}

static bool names_are_sound(const char names[LIMIT_DAMAGED_NAMES][64])
{
	for (unsigned i = 0; i < LIMIT_DAMAGED_NAMES; i++)
		if (!ENDS(names[i]))
			return false;
	return true;
}

static bool phone_is_sound(const struct status_phone *p)
{
	return ENDS(p->udid) && ENDS(p->name) && ENDS(p->product_type) &&
	       ENDS(p->model) && ENDS(p->ios) && ENDS(p->detail) &&
	       ENDS(p->port.name) && is_flag(&p->port.weak_hub) &&
	       is_flag(&p->nameless) && ENDS(p->loss_domain) &&
	       p->loss_pct <= 100 && is_flag(&p->sets_password) &&
	       p->will_encrypt >= -1 && p->will_encrypt <= 1 &&
	       is_flag(&p->attached) && is_flag(&p->encrypted) &&
	       is_flag(&p->wants_full) && names_are_sound(p->damaged) &&
	       p->n_sizes <= LIMIT_SIZES && (unsigned)p->state < STATE_COUNT_;
}

static bool smart_is_sound(const struct status_smart *s)
{
	return is_flag(&s->told) && is_flag(&s->failing) &&
	       s->temperature_c >= STATUS_SMART_UNKNOWN &&
	       s->hours >= STATUS_SMART_UNKNOWN &&
	       s->reallocated >= STATUS_SMART_UNKNOWN &&
	       s->pending >= STATUS_SMART_UNKNOWN;
}

static bool status_is_sound(const struct status *st)
{
	if (st->n_phones > LIMIT_PHONES || st->n_nights > LIMIT_NIGHTS)
		return false;
	if (!ENDS(st->box) || !ENDS(st->version) || !ENDS(st->detail) ||
	    !ENDS(st->certificate) || !ENDS(st->disk.path) ||
	    !ENDS(st->disk.offer) || !ENDS(st->disk.fs) ||
	    !is_flag(&st->disk.present) || !ENDS(st->wifi.name) ||
	    (unsigned)st->wifi.state >= STATUS_WIFI_COUNT_ ||
	    !smart_is_sound(&st->disk.smart) || !ENDS(st->update.version) ||
	    !ENDS(st->update.why) || st->update.pct > 100 ||
	    !is_flag(&st->update.can) || !is_flag(&st->update.runs) ||
	    !is_flag(&st->update.comes) || !is_flag(&st->update.sent) ||
	    !is_flag(&st->update.trial) || !is_flag(&st->update.older) ||
	    !is_flag(&st->health.has_temperature))
		return false;
	if ((unsigned)st->state >= STATE_COUNT_ ||
	    (unsigned)st->box_state >= STATE_COUNT_ ||
	    (unsigned)st->led >= LED_PATTERN_COUNT_ ||
	    (unsigned)st->clock >= STATUS_CLOCK_COUNT_ ||
	    (unsigned)st->health.last_reset >= STATUS_RESET_COUNT_)
		return false;
	for (uint32_t i = 0; i < st->n_phones; i++)
		if (!phone_is_sound(&st->phones[i]))
			return false;
	for (uint32_t i = 0; i < st->n_nights; i++) {
		const struct status_night *n = &st->nights[i];

		if (!ENDS(n->udid) || !ENDS(n->phone) || !ENDS(n->detail) ||
		    (unsigned)n->state >= STATE_COUNT_)
			return false;
	}
	return true;
}

static bool udid_is_sound(const char *udid, size_t cap)
{
	return memchr(udid, '\0', cap) && relpath_check_udid(udid) == RC_OK;
}

#define UDID(s) udid_is_sound((s), sizeof(s))

static bool keep_is_sound(const struct vault_keep *k)
{
	const int n[] = { k->rules.last, k->rules.daily, k->rules.weekly,
		k->rules.monthly, k->rules.yearly };

	for (size_t i = 0; i < sizeof(n) / sizeof(n[0]); i++)
		if (n[i] < 0 || n[i] > RETENTION_RULE_MAX)
			return false;
	return k->floor_pct >= 0 && k->floor_pct <= 100 && k->loss_pct >= 0 &&
	       k->loss_pct <= 100 && k->loss_files >= 0;
}

static bool start_is_sound(const struct msg_start *s)
{
	if (!ENDS(s->udid) || !ENDS(s->vault_dir) || !ENDS(s->state_dir))
		return false;
	if (s->full > 1 || s->fresh > 1 || s->password > 1 || s->mounted > 1 ||
	    s->log_level > LOG_LEVEL_DEBUG)
		return false;
	if (s->trust_wait_s < 0 || s->trust_wait_s > 86400 ||
	    s->unlock_wait_s < 0 || s->unlock_wait_s > 86400 ||
	    s->first_wait_s < 0 || s->first_wait_s > 86400 ||
	    s->next_wait_s < 0 || s->next_wait_s > 86400 ||
	    s->last_wait_s < 0 || s->last_wait_s > 86400)
		return false;
	if (s->lock_wait_s < 0 || s->lock_wait_s > 86400)
		return false;
	if (s->scrub_minutes < 0 || s->scrub_minutes > 1440 ||
	    s->scrub_gib < 0 || s->scrub_gib > 1000000)
		return false;
	if (!keep_is_sound(&s->keep))
		return false;
	if (s->job == MSG_JOB_CENSUS)
		return !s->udid[0] || UDID(s->udid);
	return (s->job == MSG_JOB_BACKUP || s->job == MSG_JOB_PASSWORD) &&
	       UDID(s->udid);
}

static bool result_is_sound(const struct msg_result *r)
{
	return r->end < SESSION_END_COUNT_ && r->rc < RC_COUNT_ &&
	       r->verified <= 1 && r->resumed <= 1 && r->dropped <= 1 &&
	       r->catalog_broken <= 1 && r->unsure <= 1 && ENDS(r->text);
}

static bool kept_is_sound(const struct msg_kept *k)
{
	return UDID(k->udid) && ENDS(k->name) && ENDS(k->product_type) &&
	       ENDS(k->ios) && k->encrypted <= 1 && k->at >= 0 &&
	       k->n_sizes <= LIMIT_SIZES && k->has_next <= 1 &&
	       k->loss_pct <= 100 && ENDS(k->loss_domain) &&
	       k->wants_full <= 1 && names_are_sound(k->damaged);
}

static bool progress_is_sound(const struct msg_progress *p)
{
	return p->phase < MSG_PHASE_COUNT_ && p->pct_x100 <= 10000;
}

static bool on_bus_is_sound(const struct msg_on_bus *m)
{
	if (!ENDS(m->udid) || (m->udid[0] && !UDID(m->udid)) || !ENDS(m->port))
		return false;
	/* The kernel's names: digits, dashes, dots. */
	if (m->port[strspn(m->port, "0123456789-.")] != '\0')
		return false;
	return m->why < USB_WHY_COUNT_ && m->asks_ma <= USB_ASKS_MAX &&
	       m->gives_ma <= USB_GIVES_MAX && m->weak_hub <= 1;
}

static bool settings_are_sound(const struct settings_values *v)
{
	for (unsigned i = 0; i < SETTINGS_MAX; i++)
		if (!ENDS(v->value[i]))
			return false;
	return true;
}

static bool command_is_sound(const struct msg_command *c)
{
	if (c->kind >= WEB_COMMAND_COUNT_ || !ENDS(c->udid) || !ENDS(c->pin))
		return false;
	if ((c->kind == WEB_PASSWORD || c->kind == WEB_UNLOCK) &&
	    !password_change_is_fit(&c->password))
		return false;
	switch ((enum web_command_kind)c->kind) {
	case WEB_BACKUP:
	case WEB_STOP:
	case WEB_DISMISS:
	case WEB_PASSWORD:
		return UDID(c->udid);
	case WEB_UNLOCK:
		return c->keep <= 1;
	case WEB_SET_PIN:
	case WEB_REPORT:
	case WEB_EJECT:
	case WEB_USE_DISK:
	case WEB_PREPARE:
	case WEB_UPDATE:
	case WEB_RESET:
		return c->older <= 1;
	case WEB_COMMAND_COUNT_:
		break;
	}
	return false;
}

bool msg_is_sound(const struct msg *m)
{
	switch (m->type) {
	case MSG_START:
		return start_is_sound(&m->u.start);
	case MSG_CANCEL:
	case MSG_UNLOCKED:
	case MSG_ALIVE:
		return true;
	case MSG_PASSWORD:
		return password_change_is_fit(&m->u.password);
	case MSG_PASSWORD_SET:
		return m->u.password_set.did < PASSWORD_DID_COUNT_;
	case MSG_ATTACHED:
	case MSG_DETACHED:
		return UDID(m->u.device.udid);
	case MSG_ON_BUS:
		return on_bus_is_sound(&m->u.on_bus);
	case MSG_DISK:
		return m->u.disk.state < DISK_STATE_COUNT_ &&
		       m->u.disk.let_go <= 1 && ENDS(m->u.disk.fs) &&
		       ENDS(m->u.disk.model) && ENDS(m->u.disk.why) &&
		       ENDS(m->u.disk.name);
	case MSG_DISK_SMART:
		return smart_is_sound(&m->u.smart);
	case MSG_DISK_DO:
		return m->u.disk_do.what < MSG_DISK_WHAT_COUNT_ &&
		       ENDS(m->u.disk_do.name) && m->u.disk_do.keep <= 1 &&
		       password_is_fit(m->u.disk_do.word);
	case MSG_WIFI_JOIN:
		return ENDS(m->u.wifi_join.name) &&
		       ENDS(m->u.wifi_join.password) &&
		       ENDS(m->u.wifi_join.country);
	case MSG_WIFI:
		return m->u.wifi.state < STATUS_WIFI_COUNT_ &&
		       m->u.wifi.signal_dbm <= 0 &&
		       m->u.wifi.signal_dbm >= -120;
	case MSG_UPDATE:
		return m->u.update.what < MSG_UPDATE_WHAT_COUNT_ &&
		       m->u.update.rc < RC_COUNT_ && m->u.update.pct <= 100 &&
		       m->u.update.older <= 1 && ENDS(m->u.update.version) &&
		       ENDS(m->u.update.why);
	case MSG_UPLOAD:
		return m->u.upload.what < WEB_UPLOAD_WHAT_COUNT_ &&
		       m->u.upload.len <= WEB_UPLOAD_PIECE &&
		       (m->u.upload.what == WEB_UPLOAD_DATA) ==
			   (m->u.upload.len > 0);
	case MSG_UPLOAD_SAID:
		return m->u.upload_said.over <= 1 &&
		       m->u.upload_said.good <= 1 &&
		       ENDS(m->u.upload_said.version) &&
		       ENDS(m->u.upload_said.why);
	case MSG_PHONE:
		return UDID(m->u.phone.udid) && ENDS(m->u.phone.name) &&
		       ENDS(m->u.phone.product_type) && ENDS(m->u.phone.ios) &&
		       ENDS(m->u.phone.zone) && m->u.phone.battery_pct >= -1 &&
		       m->u.phone.battery_pct <= 100 &&
		       m->u.phone.encrypted <= 1 && m->u.phone.clock_ms >= 0 &&
		       m->u.phone.clock_ms < MS_MAX &&
		       m->u.phone.clock_mono_ms >= 0 &&
		       m->u.phone.clock_mono_ms < MS_MAX;
	case MSG_PHASE:
		return m->u.step.phase < MSG_PHASE_COUNT_;
	case MSG_REQUESTED:
		return m->u.requested.ms >= 0;
	case MSG_PROGRESS:
		return progress_is_sound(&m->u.progress);
	case MSG_KEPT:
		return kept_is_sound(&m->u.kept);
	case MSG_SCRUBBED:
		return UDID(m->u.scrubbed.udid) &&
		       m->u.scrubbed.rc < RC_COUNT_ && m->u.scrubbed.all <= 1 &&
		       m->u.scrubbed.seconds >= 0;
	case MSG_RESULT:
		return result_is_sound(&m->u.result);
	case MSG_SERVING:
		return m->u.serving.port > 0 && m->u.serving.port <= 65535;
	case MSG_COMMAND:
		return command_is_sound(&m->u.command);
	case MSG_PIN:
		return true;
	case MSG_MQTT:
		return ENDS(m->u.mqtt.host) && ENDS(m->u.mqtt.user) &&
		       ENDS(m->u.mqtt.password) && ENDS(m->u.mqtt.topic) &&
		       ENDS(m->u.mqtt.discovery) && ENDS(m->u.mqtt.id) &&
		       m->u.mqtt.port > 0 && m->u.mqtt.port <= 65535;
	case MSG_TIME:
		return ENDS(m->u.time.from) && m->u.time.at_ms > 0 &&
		       m->u.time.at_ms < MS_MAX && m->u.time.mono_ms >= 0 &&
		       m->u.time.mono_ms < MS_MAX;
	case MSG_SNTP:
		return ENDS(m->u.sntp.host);
	case MSG_HOOK:
		return ENDS(m->u.hook.target.host) &&
		       ENDS(m->u.hook.target.path) &&
		       m->u.hook.target.port > 0 &&
		       m->u.hook.target.port <= 65535;
	case MSG_EVENT:
		return ENDS(m->u.event.event.id) &&
		       ENDS(m->u.event.event.signature) &&
		       m->u.event.event.len <= HOOK_BODY_MAX;
	case MSG_EVENT_OVER:
		return m->u.event_over.taken <= 1;
	case MSG_REPORT:
		return m->u.report.total <= WEB_REPORT_MAX &&
		       m->u.report.len <= MSG_REPORT_TEXT &&
		       m->u.report.offset <= m->u.report.total &&
		       m->u.report.len <=
			   m->u.report.total - m->u.report.offset;
	case MSG_TLS:
		return m->u.tls.key_len <= TLSCERT_KEY_MAX &&
		       m->u.tls.cert_len <= TLSCERT_CERT_MAX;
	case MSG_SETTINGS:
		return settings_are_sound(&m->u.settings);
	case MSG_STATUS:
		return status_is_sound(&m->u.status);
	case MSG_NONE:
	case MSG_TYPE_COUNT_:
		break;
	}
	return false;
}

static enum rc rc_of_socket(int err)
{
	if (err == EAGAIN || err == EWOULDBLOCK)
		return RC_BUSY;
	if (err == EPIPE || err == ECONNRESET || err == ENOTCONN)
		return RC_GONE;
	return RC_IO;
}

enum rc msg_send(int fd, const struct msg *m)
{
	struct msg_header head = { .magic = MSG_MAGIC };
	struct iovec iov[2];
	struct msghdr mh = { .msg_iov = iov, .msg_iovlen = 2 };
	ssize_t n;

	if ((unsigned)m->type >= MSG_TYPE_COUNT_)
		return RC_BUG;
	head.type = (uint16_t)m->type;
	head.len = (uint32_t)body_len[m->type];
	iov[0].iov_base = &head;
	iov[0].iov_len = sizeof(head);
	/* sendmsg() only reads, but its struct has no const. */
	memcpy(&iov[1].iov_base, &(const void *){ &m->u }, sizeof(void *));
	iov[1].iov_len = head.len;
	do
		n = sendmsg(fd, &mh, MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	return n < 0 ? rc_of_socket(errno) : RC_OK;
}

enum rc msg_recv(int fd, struct msg *out)
{
	struct msg_header head = { 0 };
	struct iovec iov[2] = {
		{ .iov_base = &head, .iov_len = sizeof(head) },
		{ .iov_base = &out->u, .iov_len = sizeof(out->u) },
	};
	struct msghdr mh = { .msg_iov = iov, .msg_iovlen = 2 };
	ssize_t n;

	do
		n = recvmsg(fd, &mh, 0);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return rc_of_socket(errno);
	if (n == 0)
		return RC_GONE;
	if ((size_t)n < sizeof(head) || (mh.msg_flags & MSG_TRUNC) != 0 ||
	    head.magic != MSG_MAGIC || head.type == MSG_NONE ||
	    head.type >= MSG_TYPE_COUNT_ || head.len != body_len[head.type] ||
	    (size_t)n != sizeof(head) + head.len)
		return RC_PROTO;
	out->type = (enum msg_type)head.type;
	return msg_is_sound(out) ? RC_OK : RC_PROTO;
}
