/* Messages between the roles: what goes in comes out, what is not ours does
 * not come in. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "msg.c" /* firmware is in no archive */

static int fds[2];

static int open_pair(void **state)
{
	(void)state;
	return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, fds);
}

static int close_pair(void **state)
{
	(void)state;
	close(fds[0]);
	close(fds[1]);
	return 0;
}

static struct msg sound(enum msg_type type)
{
	struct msg m;

	memset(&m, 0, sizeof(m));
	m.type = type;
	/* UDIDs stand first where there are any. */
	snprintf(m.u.device.udid, sizeof(m.u.device.udid),
	    "00008120-0010BD9489E70017");
	if (type == MSG_START) {
		memset(&m.u, 0, sizeof(m.u));
		snprintf(m.u.start.udid, sizeof(m.u.start.udid),
		    "00008120-0010BD9489E70017");
	}
	if (type == MSG_PHASE || type == MSG_PROGRESS || type == MSG_RESULT ||
	    type == MSG_REQUESTED || type == MSG_STATUS || type == MSG_DISK)
		memset(&m.u, 0, sizeof(m.u));
	if (type == MSG_ON_BUS) {
		memset(&m.u, 0, sizeof(m.u));
		m.u.on_bus = (struct msg_on_bus){ .why = USB_WHY_SILENT,
			.udid = "00008120-0010BD9489E70017",
			.asks_ma = USB_ASKS_MAX,
			.gives_ma = USB_GIVES_MAX,
			.port = "1-1.4" };
	}
	if (type == MSG_SERVING)
		m.u.serving.port = 8080;
	if (type == MSG_MQTT) {
		memset(&m.u, 0, sizeof(m.u));
		m.u.mqtt.port = 1883;
	}
	if (type == MSG_TIME) {
		memset(&m.u, 0, sizeof(m.u));
		m.u.time.at_ms = 1790000000000;
		m.u.time.mono_ms = 1;
	}
	if (type == MSG_HOOK) {
		memset(&m.u, 0, sizeof(m.u));
		m.u.hook.target.port = 80;
	}
	if (type == MSG_EVENT_OVER || type == MSG_EVENT)
		memset(&m.u, 0, sizeof(m.u));
	if (type == MSG_SNTP)
		memset(&m.u, 0, sizeof(m.u));
	if (type == MSG_SETTINGS || type == MSG_DISK_DO || type == MSG_UPDATE ||
	    type == MSG_WIFI_JOIN || type == MSG_WIFI || type == MSG_DISK_SMART)
		memset(&m.u, 0, sizeof(m.u));
	if (type == MSG_UPLOAD_SAID)
		memset(&m.u, 0, sizeof(m.u));
	if (type == MSG_UPLOAD) {
		m.u.upload.what = WEB_UPLOAD_DATA;
		m.u.upload.len = WEB_UPLOAD_PIECE;
	}
	if (type == MSG_TLS) {
		m.u.tls.key_len = TLSCERT_KEY_MAX;
		m.u.tls.cert_len = TLSCERT_CERT_MAX;
	}
	if (type == MSG_REPORT) {
		m.u.report.total = WEB_REPORT_MAX;
		m.u.report.offset = WEB_REPORT_MAX - MSG_REPORT_TEXT;
		m.u.report.len = MSG_REPORT_TEXT;
	}
	if (type == MSG_PASSWORD || type == MSG_PASSWORD_SET)
		memset(&m.u, 0, sizeof(m.u));
	if (type == MSG_PASSWORD)
		strcpy(m.u.password.new_word, "a");
	if (type == MSG_COMMAND) {
		memset(&m.u, 0, sizeof(m.u));
		snprintf(m.u.command.udid, sizeof(m.u.command.udid),
		    "00008120-0010BD9489E70017");
	}
	return m;
}

static void each_kind_arrives_as_it_went(void **state)
{
	static struct msg in;
	static struct msg out;

	(void)state;
	for (int t = MSG_NONE + 1; t < MSG_TYPE_COUNT_; t++) {
		in = sound((enum msg_type)t);
		memset(&out, 0xaa, sizeof(out));
		assert_int_equal(msg_send(fds[0], &in), RC_OK);
		assert_int_equal(msg_recv(fds[1], &out), RC_OK);
		assert_int_equal(out.type, t);
		assert_memory_equal(&out.u, &in.u, body_len[t]);
	}
	assert_int_equal(msg_recv(fds[1], &out), RC_BUSY);
}

static enum rc recv_raw(const void *data, size_t len)
{
	static struct msg out;

	assert_int_equal(send(fds[0], data, len, 0), (ssize_t)len);
	return msg_recv(fds[1], &out);
}

static void what_is_no_message_is_refused(void **state)
{
	static unsigned char raw[sizeof(struct msg) + 64];
	struct msg_header h = { MSG_MAGIC, MSG_CANCEL, 0 };

	(void)state;
	assert_int_equal(recv_raw(&h, sizeof(h)), RC_OK);
	assert_int_equal(recv_raw("x", 1), RC_PROTO);
	h.magic ^= 1;
	assert_int_equal(recv_raw(&h, sizeof(h)), RC_PROTO);
	h.magic ^= 1;
	h.type = MSG_TYPE_COUNT_;
	assert_int_equal(recv_raw(&h, sizeof(h)), RC_PROTO);
	h.type = MSG_NONE;
	assert_int_equal(recv_raw(&h, sizeof(h)), RC_PROTO);
	h.type = 0xffff;
	assert_int_equal(recv_raw(&h, sizeof(h)), RC_PROTO);
	/* A length that lies, in both directions. */
	h.type = MSG_PHASE;
	h.len = sizeof(struct msg_step);
	assert_int_equal(recv_raw(&h, sizeof(h)), RC_PROTO);
	h.len = 0;
	memcpy(raw, &h, sizeof(h));
	assert_int_equal(
	    recv_raw(raw, sizeof(h) + sizeof(struct msg_step)), RC_PROTO);
	/* More than the largest. */
	assert_int_equal(recv_raw(raw, sizeof(raw)), RC_PROTO);
}

static void the_peers_end_is_told(void **state)
{
	static struct msg m;
	int pair[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
	close(pair[0]);
	assert_int_equal(msg_recv(pair[1], &m), RC_GONE);
	m = sound(MSG_CANCEL);
	assert_int_equal(msg_send(pair[1], &m), RC_GONE);
	close(pair[1]);
}

static void a_full_pipe_is_busy_and_loses_nothing_else(void **state)
{
	static struct msg m;
	unsigned sent = 0;
	unsigned got = 0;

	(void)state;
	m = sound(MSG_STATUS);
	while (sent < 10000 && msg_send(fds[0], &m) == RC_OK)
		sent++;
	assert_true(sent > 0 && sent < 10000);
	while (msg_recv(fds[1], &m) == RC_OK)
		got++;
	assert_int_equal(got, sent);
}

#define REFUSED(type_, change)                                                 \
	do {                                                                   \
		m = sound(type_);                                              \
		assert_true(msg_is_sound(&m));                                 \
		change;                                                        \
		assert_false(msg_is_sound(&m));                                \
	} while (0)

static void fields_of_wifi_are_checked(void **state)
{
	static struct msg m;

	(void)state;
	REFUSED(MSG_WIFI, m.u.wifi.state = STATUS_WIFI_COUNT_);
	REFUSED(MSG_WIFI, m.u.wifi.signal_dbm = 1);
	REFUSED(MSG_WIFI, m.u.wifi.signal_dbm = -121);
	REFUSED(MSG_WIFI_JOIN, memset(m.u.wifi_join.name, 'a', 33));
	REFUSED(MSG_WIFI_JOIN, memset(m.u.wifi_join.password, 'a', 64));
	REFUSED(MSG_WIFI_JOIN, memset(m.u.wifi_join.country, 'a', 3));
	REFUSED(MSG_STATUS, memset(m.u.status.wifi.name, 'a', 33));
	REFUSED(MSG_STATUS, m.u.status.wifi.state = STATUS_WIFI_COUNT_);
}

static void fields_are_checked(void **state)
{
	static struct msg m;

	(void)state;
	REFUSED(MSG_ATTACHED, m.u.device.udid[3] = '/');
	REFUSED(MSG_DETACHED, memset(m.u.device.udid, 'a', 48));
	REFUSED(MSG_ON_BUS, m.u.on_bus.why = USB_WHY_COUNT_);
	REFUSED(MSG_ON_BUS, m.u.on_bus.udid[3] = '/');
	REFUSED(MSG_ON_BUS, memset(m.u.on_bus.port, '1', 24));
	REFUSED(MSG_ON_BUS, m.u.on_bus.port[1] = '/');
	REFUSED(MSG_ON_BUS, m.u.on_bus.asks_ma = USB_ASKS_MAX + 1);
	REFUSED(MSG_ON_BUS, m.u.on_bus.gives_ma = USB_GIVES_MAX + 1);
	REFUSED(MSG_ON_BUS, m.u.on_bus.weak_hub = 2);
	m = sound(MSG_ON_BUS);
	m.u.on_bus.udid[0] = '\0'; /* nobody knows whose it is */
	assert_true(msg_is_sound(&m));
	REFUSED(
	    MSG_STATUS, (m.u.status.n_phones = 1,
			    memset(m.u.status.phones[0].port.name, '1', 24)));
	REFUSED(MSG_DISK, m.u.disk.state = DISK_STATE_COUNT_);
	REFUSED(MSG_DISK, memset(m.u.disk.why, 'x', sizeof(m.u.disk.why)));
	REFUSED(MSG_DISK_SMART, m.u.smart.hours = -2);
	REFUSED(MSG_DISK_SMART, memset(&m.u.smart.told, 2, 1));
	REFUSED(MSG_UPDATE, m.u.update.what = MSG_UPDATE_WHAT_COUNT_);
	REFUSED(MSG_UPDATE, m.u.update.rc = RC_COUNT_);
	REFUSED(MSG_UPDATE, m.u.update.pct = 101);
	REFUSED(MSG_UPDATE, memset(m.u.update.version, 'x', 32));
	REFUSED(MSG_UPDATE, memset(m.u.update.why, 'x', 128));
	REFUSED(MSG_UPLOAD, m.u.upload.what = WEB_UPLOAD_WHAT_COUNT_);
	REFUSED(MSG_UPLOAD, m.u.upload.what = WEB_UPLOAD_END);
	REFUSED(MSG_UPLOAD, m.u.upload.len = 0);
	REFUSED(MSG_UPLOAD, m.u.upload.len = WEB_UPLOAD_PIECE + 1);
	REFUSED(MSG_UPLOAD_SAID, m.u.upload_said.over = 2);
	REFUSED(MSG_UPLOAD_SAID, m.u.upload_said.good = 2);
	REFUSED(MSG_UPLOAD_SAID, memset(m.u.upload_said.version, 'x', 32));
	REFUSED(MSG_UPLOAD_SAID, memset(m.u.upload_said.why, 'x', 128));
	REFUSED(MSG_DISK_DO, m.u.disk_do.what = MSG_DISK_WHAT_COUNT_);
	REFUSED(MSG_DISK_DO, memset(m.u.disk_do.name, 'x', 32));
	REFUSED(MSG_PHONE, memset(m.u.phone.name, 'x', sizeof(m.u.phone.name)));
	REFUSED(MSG_PHONE, m.u.phone.battery_pct = 101);
	REFUSED(MSG_PHONE, m.u.phone.encrypted = 2);
	REFUSED(MSG_PHASE, m.u.step.phase = MSG_PHASE_COUNT_);
	REFUSED(MSG_PROGRESS, m.u.progress.pct_x100 = 10001);
	REFUSED(MSG_REQUESTED, m.u.requested.ms = -1);
	REFUSED(MSG_KEPT, m.u.kept.at = -1);
	REFUSED(MSG_KEPT, m.u.kept.wants_full = 2);
	REFUSED(MSG_KEPT,
	    memset(m.u.kept.damaged[2], 'x', sizeof(m.u.kept.damaged[2])));
	REFUSED(MSG_SCRUBBED, m.u.scrubbed.all = 2);
	REFUSED(MSG_SCRUBBED, m.u.scrubbed.rc = RC_COUNT_);
	REFUSED(MSG_SCRUBBED, m.u.scrubbed.seconds = -1);
	REFUSED(MSG_KEPT, memset(m.u.kept.ios, 'x', sizeof(m.u.kept.ios)));
	REFUSED(MSG_RESULT, m.u.result.end = SESSION_END_COUNT_);
	REFUSED(MSG_RESULT, m.u.result.rc = RC_COUNT_);
	REFUSED(MSG_RESULT, m.u.result.verified = 2);
	REFUSED(
	    MSG_RESULT, memset(m.u.result.text, 'x', sizeof(m.u.result.text)));
	REFUSED(MSG_RESULT, m.u.result.unsure = 2);
	REFUSED(MSG_START, m.u.start.password = 2);
	REFUSED(MSG_PASSWORD, m.u.password.new_word[0] = '\0');
	REFUSED(MSG_PASSWORD, m.u.password.new_word[0] = '\n');
	REFUSED(MSG_PASSWORD, memset(m.u.password.old_word, 'x', PASSWORD_CAP));
	REFUSED(MSG_PASSWORD_SET, m.u.password_set.did = PASSWORD_DID_COUNT_);
	REFUSED(MSG_COMMAND, m.u.command.kind = WEB_PASSWORD);
	REFUSED(MSG_STATUS,
	    (m.u.status.n_phones = 1, m.u.status.phones[0].will_encrypt = 2));
	REFUSED(MSG_SERVING, m.u.serving.port = 0);
	REFUSED(MSG_MQTT, m.u.mqtt.port = 0);
	REFUSED(MSG_MQTT, memset(m.u.mqtt.password, 'x', 64));
	REFUSED(MSG_TIME, m.u.time.at_ms = 0);
	REFUSED(MSG_TIME, m.u.time.at_ms = INT64_MAX);
	REFUSED(MSG_TIME, m.u.time.mono_ms = -1);
	REFUSED(MSG_TIME, memset(m.u.time.from, 'x', 48));
	REFUSED(MSG_HOOK, m.u.hook.target.port = 65536);
	REFUSED(MSG_HOOK, memset(m.u.hook.target.host, 'x', 64));
	REFUSED(MSG_HOOK, memset(m.u.hook.target.path, '/', 128));
	REFUSED(MSG_EVENT, m.u.event.event.len = HOOK_BODY_MAX + 1);
	REFUSED(MSG_EVENT, memset(m.u.event.event.id, 'x', 32));
	REFUSED(MSG_EVENT, memset(m.u.event.event.signature, 'x', 65));
	REFUSED(MSG_EVENT_OVER, m.u.event_over.taken = 2);
	REFUSED(MSG_SNTP, memset(m.u.sntp.host, 'x', 64));
	REFUSED(MSG_PHONE, m.u.phone.clock_ms = -1);
	REFUSED(MSG_PHONE, m.u.phone.clock_mono_ms = INT64_MAX);
	REFUSED(MSG_STATUS, m.u.status.clock = STATUS_CLOCK_COUNT_);
	REFUSED(MSG_SETTINGS, memset(m.u.settings.value[3], 'x', 64));
	REFUSED(MSG_TLS, m.u.tls.key_len++);
	REFUSED(MSG_TLS, m.u.tls.cert_len++);
	REFUSED(MSG_REPORT, m.u.report.total++);
	REFUSED(MSG_REPORT, m.u.report.offset++);
	REFUSED(MSG_REPORT, m.u.report.len++);
	REFUSED(MSG_COMMAND, m.u.command.kind = WEB_COMMAND_COUNT_);
	REFUSED(MSG_COMMAND, m.u.command.udid[0] = 'z');
	REFUSED(MSG_COMMAND, m.u.command.kind = WEB_UNLOCK); /* no word */
	REFUSED(MSG_DISK_DO, memset(m.u.disk_do.word, 'x', PASSWORD_CAP));
	REFUSED(MSG_DISK_DO, m.u.disk_do.keep = 2);
	REFUSED(MSG_COMMAND, memset(m.u.command.pin, '1', 32));
	REFUSED(MSG_START, m.u.start.udid[0] = 'z');
	REFUSED(MSG_START, m.u.start.trust_wait_s = -1);
	REFUSED(MSG_START, m.u.start.last_wait_s = 86401);
	REFUSED(MSG_KEPT, m.u.kept.loss_pct = 101);
	REFUSED(MSG_KEPT, memset(m.u.kept.loss_domain, 'x', 128));
	REFUSED(MSG_START, m.u.start.keep.rules.weekly = -1);
	REFUSED(MSG_START, m.u.start.keep.rules.last = 10000);
	REFUSED(MSG_START, m.u.start.keep.floor_pct = 101);
	REFUSED(MSG_START, m.u.start.job = 9);
	REFUSED(MSG_STATUS, m.u.status.n_phones = LIMIT_PHONES + 1);
	REFUSED(MSG_STATUS, m.u.status.n_nights = LIMIT_NIGHTS + 1);
	REFUSED(MSG_STATUS, memset(&m.u.status.disk.present, 7, 1));
	REFUSED(MSG_STATUS, (m.u.status.n_phones = 1,
				memset(&m.u.status.phones[0].attached, 2, 1)));
}

static void random_bytes_never_pass_unchecked(void **state)
{
	static struct msg m;
	unsigned seed = 7;
	unsigned char *p = (unsigned char *)&m.u;

	(void)state;
	for (int round = 0; round < 200; round++)
		for (int t = 0; t < MSG_TYPE_COUNT_; t++) {
			for (size_t i = 0; i < body_len[t]; i++) {
				seed = seed * 1103515245u + 12345u;
				p[i] = (unsigned char)(seed >> 16);
			}
			m.type = (enum msg_type)t;
			/* The sanitizers watch; the answer may be either. */
			(void)msg_is_sound(&m);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
		    each_kind_arrives_as_it_went, open_pair, close_pair),
		cmocka_unit_test_setup_teardown(
		    what_is_no_message_is_refused, open_pair, close_pair),
		cmocka_unit_test(the_peers_end_is_told),
		cmocka_unit_test_setup_teardown(
		    a_full_pipe_is_busy_and_loses_nothing_else, open_pair,
		    close_pair),
		cmocka_unit_test(fields_of_wifi_are_checked),
		cmocka_unit_test(fields_are_checked),
		cmocka_unit_test(random_bytes_never_pass_unchecked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
