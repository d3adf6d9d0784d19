/* The usbmuxd socket: requests, answers, pair records; and the server with a
 * client of its own and a phone's transfers by hand. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>
#include <plist/plist.h>

#include "log.h"
#include "mono.h"
#include "mux_records.h"
#include "mux_request.h"
#include "mux_server.h"

#define UDID "00008120-0010BD9489E70017"

static uint8_t msg[MUX_REQUEST_MAX];

static size_t raw(uint32_t version, uint32_t number, uint32_t tag,
    const void *body, size_t len)
{
	uint32_t head[4] = { (uint32_t)(16 + len), version, number, tag };

	for (int i = 0; i < 16; i++)
		msg[i] = (uint8_t)(head[i / 4] >> 8 * (i % 4));
	memcpy(msg + 16, body, len);
	return 16 + len;
}

static size_t ask(uint32_t tag, const char *inner)
{
	char xml[4096];
	int n = snprintf(xml, sizeof(xml),
	    "<?xml version=\"1.0\"?><plist version=\"1.0\"><dict>%s"
	    "</dict></plist>",
	    inner);

	return raw(1, 8, tag, xml, (size_t)n);
}

#define KEY(k, type, v) "<key>" k "</key><" type ">" v "</" type ">"
#define TYPE(t)         KEY("MessageType", "string", t)

/* --- requests ------------------------------------------------------------------ */

static void connect_takes_the_port_in_any_form(void **state)
{
	static const char *const forms[] = { "32498", "-33038", "98034" };
	struct mux_request r;
	char inner[400];

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		size_t n;

		snprintf(inner, sizeof(inner),
		    TYPE("Connect") KEY("DeviceID", "integer", "7")
			KEY("PortNumber", "integer", "%s"),
		    forms[i]);
		n = ask(5, inner);
		assert_int_equal(mux_request_parse(msg, n, &r), RC_OK);
		assert_int_equal(r.kind, MUX_REQUEST_CONNECT);
		assert_int_equal(r.tag, 5);
		assert_true(r.has_device && r.device_id == 7);
		assert_true(r.has_port && r.port == 62078);
		mux_request_free(&r);
	}
}

static void binary_requests_are_understood(void **state)
{
	const uint8_t body[8] = { 1, 2, 0, 0, 0xf2, 0x7e };
	struct mux_request r;

	(void)state;
	assert_int_equal(
	    mux_request_parse(msg, raw(0, 2, 9, body, 8), &r), RC_OK);
	assert_true(r.is_binary);
	assert_int_equal(r.kind, MUX_REQUEST_CONNECT);
	assert_int_equal(r.device_id, 513);
	assert_int_equal(r.port, 62078);
	assert_int_equal(
	    mux_request_parse(msg, raw(0, 3, 9, "", 0), &r), RC_OK);
	assert_int_equal(r.kind, MUX_REQUEST_LISTEN);
	assert_int_equal(
	    mux_request_parse(msg, raw(0, 2, 9, body, 5), &r), RC_OK);
	assert_int_equal(r.kind, MUX_REQUEST_UNKNOWN);
	assert_int_equal(
	    mux_request_parse(msg, raw(2, 8, 9, "", 0), &r), RC_UNSUPPORTED);
	assert_int_equal(r.tag, 9);
}

static void records_have_names_that_are_udids(void **state)
{
	static const char *const bad[] = { "../../etc/passwd", "",
		"SystemConfiguration", "00008120-0010BD9489E7001",
		"00008120/0010BD9489E70017" };
	struct mux_request r;
	char inner[400];

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		size_t n;

		snprintf(inner, sizeof(inner),
		    TYPE("ReadPairRecord") KEY("PairRecordID", "string", "%s"),
		    bad[i]);
		n = ask(1, inner);
		assert_int_equal(mux_request_parse(msg, n, &r), RC_OK);
		assert_string_equal(r.udid, "");
	}
}

static void what_is_no_request_is_told_apart(void **state)
{
	struct mux_request r;
	uint32_t len;
	uint8_t head[16] = { 15 };

	(void)state;
	assert_int_equal(
	    mux_request_parse(msg, ask(1, KEY("a", "string", "b")), &r),
	    RC_PROTO);
	assert_int_equal(
	    mux_request_parse(msg, raw(1, 8, 1, "hello, all", 10), &r),
	    RC_PROTO);
	assert_int_equal(
	    mux_request_parse(msg, ask(1, TYPE("Nonsense")), &r), RC_OK);
	assert_int_equal(r.kind, MUX_REQUEST_UNKNOWN);
	assert_int_equal(mux_request_parse(msg, 10, &r), RC_PROTO);
	assert_int_equal(mux_request_len(head, &len), RC_LIMIT);
	head[0] = 16;
	assert_int_equal(mux_request_len(head, &len), RC_OK);
	head[2] = 2;
	assert_int_equal(mux_request_len(head, &len), RC_LIMIT);
	/* A record that is no property list is as none. */
	assert_int_equal(mux_request_parse(msg,
			     ask(1, TYPE("SavePairRecord") KEY("PairRecordID",
					"string", UDID) KEY("PairRecordData",
					"data", "aGVsbG8sIHdvcmxk")),
			     &r),
	    RC_OK);
	assert_null(r.record);
}

/* --- records ------------------------------------------------------------------- */

static char dir[64];

static int make_dir(void **state)
{
	(void)state;
	snprintf(dir, sizeof(dir), "/tmp/nightstand-mux-XXXXXX");
	return mkdtemp(dir) ? 0 : -1;
}

static int drop_dir(void **state)
{
	char cmd[128];

	(void)state;
	snprintf(cmd, sizeof(cmd), "rm -rf %s", dir);
	return system(cmd);
}

static const char record[] =
    "<?xml version=\"1.0\"?><plist version=\"1.0\"><dict><key>HostID</key>"
    "<string>A</string></dict></plist>";

static void records_are_kept_private_and_whole(void **state)
{
	struct mux_records *r;
	char path[160];
	uint8_t *data;
	struct stat st;
	size_t len;

	(void)state;
	snprintf(path, sizeof(path), "%s/lockdown", dir);
	assert_int_equal(mux_records_open(path, &r), RC_OK);
	assert_int_equal(mux_records_read(r, UDID, &data, &len), RC_NOTFOUND);
	assert_int_equal(mux_records_delete(r, UDID), RC_NOTFOUND);
	for (int i = 0; i < 2; i++) /* over an older one, too */
		assert_int_equal(mux_records_save(r, UDID,
				     (const uint8_t *)record, strlen(record)),
		    RC_OK);
	snprintf(path, sizeof(path), "%s/lockdown/" UDID ".plist", dir);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(mux_records_read(r, UDID, &data, &len), RC_OK);
	assert_int_equal(len, strlen(record));
	assert_memory_equal(data, record, len);
	free(data);
	/* A rest of a cut does not stand in the way. */
	snprintf(path, sizeof(path), "%s/lockdown/" UDID ".plist.new", dir);
	assert_int_equal(symlink("/nowhere", path), 0);
	assert_int_equal(
	    mux_records_save(r, UDID, (const uint8_t *)record, strlen(record)),
	    RC_OK);
	assert_int_equal(mux_records_delete(r, UDID), RC_OK);
	assert_int_equal(mux_records_read(r, UDID, &data, &len), RC_NOTFOUND);
	mux_records_close(r);
}

static void a_broken_record_is_told(void **state)
{
	struct mux_records *r;
	char path[160];
	uint8_t *data;
	size_t len;
	FILE *f;

	(void)state;
	assert_int_equal(mux_records_open(dir, &r), RC_OK);
	snprintf(path, sizeof(path), "%s/" UDID ".plist", dir);
	f = fopen(path, "w");
	assert_non_null(f);
	fputs("half of", f);
	fclose(f);
	assert_int_equal(mux_records_read(r, UDID, &data, &len), RC_CORRUPT);
	f = fopen(path, "w");
	assert_non_null(f);
	for (int i = 0; i < 70000; i++)
		fputc('<', f);
	fclose(f);
	assert_int_equal(mux_records_read(r, UDID, &data, &len), RC_CORRUPT);
	mux_records_close(r);
}

static void this_computer_keeps_its_name(void **state)
{
	char a[MUX_RECORDS_BUID], b[MUX_RECORDS_BUID];
	struct mux_records *r;

	(void)state;
	assert_int_equal(mux_records_open(dir, &r), RC_OK);
	assert_int_equal(mux_records_buid(r, a), RC_OK);
	assert_int_equal(strlen(a), 36);
	mux_records_close(r);
	assert_int_equal(mux_records_open(dir, &r), RC_OK);
	assert_int_equal(mux_records_buid(r, b), RC_OK);
	assert_string_equal(a, b);
	mux_records_close(r);
}

/* --- the server ---------------------------------------------------------------- */

static struct rig {
	struct mux_loop *loop;
	struct mux_records *records;
	struct mux_server *server;
	struct mux_phone *phone;
	char path[108];
	int fd;
	int attached, detached, broken;
	/* the newest transfer to the phone */
	uint8_t sent[MUX_WIRE_SEND_MAX];
	size_t n;
} g;

static void on_phone(void *ctx, const char *udid, bool attached)
{
	(void)ctx;
	assert_string_equal(udid, UDID);
	if (attached)
		g.attached++;
	else
		g.detached++;
}

static void port_send(void *port, struct mux_tx *tx)
{
	(void)port;
	memcpy(g.sent, tx->data, tx->len);
	g.n = tx->len;
	mux_server_sent(g.phone, tx);
}

static void port_broken(void *port, enum rc why)
{
	(void)port;
	(void)why;
	g.broken++;
}

static const struct mux_port_ops port_ops = { port_send, port_broken, NULL };

static void turns(int n)
{
	for (int i = 0; i < n; i++) {
		mux_server_turn(g.server);
		assert_int_equal(mux_loop_turn(g.loop, mono_ms() + 1), RC_OK);
	}
	mux_server_turn(g.server);
}

static int knock(void)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	snprintf(a.sun_path, sizeof(a.sun_path), "%s", g.path);
	assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	turns(1);
	return fd;
}

static int open_server(void **state)
{
	if (make_dir(state))
		return -1;
	memset(&g, 0, sizeof(g));
	snprintf(g.path, sizeof(g.path), "%s/mux", dir);
	if (mux_loop_new(&g.loop) || mux_records_open(dir, &g.records) ||
	    mux_server_new(
		g.loop, g.records, g.path, on_phone, NULL, &g.server))
		return -1;
	g.fd = knock();
	return 0;
}

static int close_server(void **state)
{
	close(g.fd);
	if (g.phone)
		mux_server_forget(g.phone);
	mux_server_free(g.server);
	mux_records_close(g.records);
	mux_loop_free(g.loop);
	return drop_dir(state);
}

static void plug(bool answer)
{
	const struct mux_facts f = { .udid = UDID,
		.product_id = 0x12a8,
		.location = 0x10002,
		.speed = 480000000 };
	const uint8_t version[20] = { [7] = 20, [11] = 2 };

	assert_int_equal(
	    mux_server_attach(g.server, &f, &port_ops, NULL, &g.phone), RC_OK);
	turns(1);
	assert_int_equal(g.n, 20);
	if (answer)
		mux_server_input(g.phone, version, 20);
	turns(1);
}

static void say(const char *inner)
{
	size_t n = ask(3, inner);

	assert_int_equal(write(g.fd, msg, n), n);
	turns(3);
}

/* The next message as a property list; NULL: the server has hung up. */
static plist_t hear(void)
{
	static char buf[200000];
	plist_t node = NULL;
	size_t have = 0, len = 16;
	ssize_t n;

	while (have < len) {
		n = recv(g.fd, buf + have, len - have, MSG_DONTWAIT);
		if (n < 0 && errno == EAGAIN) {
			turns(1);
			continue;
		}
		if (n <= 0)
			return NULL;
		have += (size_t)n;
		if (have == 16)
			memcpy(&len, buf, 4);
		len &= 0xffffffff;
	}
	plist_from_xml(buf + 16, (uint32_t)(len - 16), &node);
	assert_non_null(node);
	return node;
}

static uint64_t number_in(plist_t d, const char *key)
{
	plist_t node = plist_dict_get_item(d, key);
	uint64_t n = UINT64_MAX;

	if (node)
		plist_get_uint_val(node, &n);
	return n;
}

static void assert_result(uint64_t code)
{
	plist_t d = hear();

	assert_non_null(d);
	assert_int_equal(number_in(d, "Number"), code);
	plist_free(d);
}

static void assert_event(const char *type, uint64_t id)
{
	plist_t d = hear();
	char *text = NULL;

	assert_non_null(d);
	plist_get_string_val(plist_dict_get_item(d, "MessageType"), &text);
	assert_string_equal(text, type);
	assert_int_equal(number_in(d, "DeviceID"), id);
	free(text);
	plist_free(d);
}

static void a_phone_shows_once_it_has_answered(void **state)
{
	plist_t d;

	(void)state;
	say(TYPE("Listen"));
	assert_result(0);
	plug(false);
	assert_int_equal(g.attached, 0);
	say(TYPE("Listen")); /* no second request of a listener */
	assert_result(1);
	assert_null(hear());
	close(g.fd);
	mux_server_forget(g.phone);
	g.fd = knock();
	say(TYPE("Listen"));
	assert_result(0);
	plug(true);
	assert_int_equal(g.attached, 1);
	assert_event("Attached", 2);
	mux_server_detach(g.phone);
	assert_event("Detached", 2);
	assert_int_equal(g.detached, 1);
	close(g.fd);
	g.fd = knock();
	say(TYPE("ListDevices"));
	d = hear();
	assert_int_equal(
	    plist_array_get_size(plist_dict_get_item(d, "DeviceList")), 0);
	plist_free(d);
}

/* Makes the phone accept the connection that was asked for last. */
static void accept_connect(uint8_t flags)
{
	struct mux_wire_head h = { .protocol = MUX_WIRE_TCP_DATA,
		.length = 36 };
	struct mux_wire_tcp t;
	uint8_t p[36];

	assert_int_equal(g.n, 36);
	mux_wire_get_tcp(g.sent + 16, &t);
	assert_int_equal(t.dport, 62078);
	t.dport = t.sport;
	t.sport = 62078;
	t.flags = flags;
	t.ack = 1;
	mux_wire_put_head(p, 2, &h);
	mux_wire_put_tcp(p + 16, &t);
	mux_server_input(g.phone, p, 36);
	turns(1);
}

#define CONNECT                                                                \
	TYPE("Connect")                                                        \
	KEY("DeviceID", "integer", "1") KEY("PortNumber", "integer", "32498")

static void connect_makes_the_socket_a_stream(void **state)
{
	char got[8];

	(void)state;
	plug(true);
	say(CONNECT);
	accept_connect(MUX_WIRE_SYN | MUX_WIRE_ACK);
	assert_result(0);
	assert_int_equal(write(g.fd, "hello", 5), 5);
	turns(2);
	assert_int_equal(g.n, 41);
	assert_memory_equal(g.sent + 36, "hello", 5);
	close(g.fd);
	turns(2);
	assert_int_equal(g.n, 36);
	assert_int_equal(g.sent[16 + 13], MUX_WIRE_RST);
	g.fd = knock();
	say(CONNECT);
	accept_connect(MUX_WIRE_RST);
	assert_result(3);
	say(CONNECT); /* and the client may ask again */
	accept_connect(MUX_WIRE_SYN | MUX_WIRE_ACK);
	assert_result(0);
	mux_server_detach(g.phone);
	turns(1);
	assert_int_equal(recv(g.fd, got, sizeof(got), 0), 0);
}

static void connect_tells_what_is_wrong(void **state)
{
	(void)state;
	plug(true);
	say(TYPE("Connect") KEY("PortNumber", "integer", "32498"));
	assert_result(2);
	say(TYPE("Connect") KEY("DeviceID", "integer", "9")
		KEY("PortNumber", "integer", "32498"));
	assert_result(2);
	say(TYPE("Connect") KEY("DeviceID", "integer", "1"));
	assert_result(1);
	say(TYPE("ReadPairRecord") KEY("PairRecordID", "string", UDID));
	assert_result(2);
	say(TYPE("ReadPairRecord"));
	assert_result(22);
	say(TYPE("DeletePairRecord") KEY("PairRecordID", "string", "../x"));
	assert_result(22);
	say(TYPE("What"));
	assert_result(1);
}

static void a_babbling_phone_costs_only_its_link(void **state)
{
	static uint8_t junk[64];

	(void)state;
	plug(true);
	memset(junk, 0xff, sizeof(junk));
	mux_server_input(g.phone, junk, sizeof(junk));
	turns(2);
	assert_int_equal(g.broken, 1);
	assert_int_equal(g.detached, 1);
	mux_server_forget(g.phone);
	plug(true);
	assert_int_equal(g.attached, 2);
	assert_int_equal(g.broken, 1);
}

static void who_reads_nothing_is_left(void **state)
{
	(void)state;
	plug(true);
	for (int i = 0; i < 3000; i++) {
		size_t n = ask(3, TYPE("ListDevices"));

		if (send(g.fd, msg, n, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 &&
		    errno == EPIPE)
			return;
		turns(1);
	}
	fail();
}

static void clients_are_bounded(void **state)
{
	int fds[MUX_SERVER_CLIENTS + 4];
	unsigned n;

	(void)state;
	for (n = 0; n < MUX_SERVER_CLIENTS + 4; n++)
		fds[n] = knock();
	for (n = 0; n < MUX_SERVER_CLIENTS + 4; n++)
		close(fds[n]);
	turns(200);
	close(g.fd);
	g.fd = knock();
	say(TYPE("What"));
	assert_result(1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define D(name) cmocka_unit_test_setup_teardown(name, make_dir, drop_dir)
#define S(name) cmocka_unit_test_setup_teardown(name, open_server, close_server)
		cmocka_unit_test(connect_takes_the_port_in_any_form),
		cmocka_unit_test(binary_requests_are_understood),
		cmocka_unit_test(records_have_names_that_are_udids),
		cmocka_unit_test(what_is_no_request_is_told_apart),
		D(records_are_kept_private_and_whole),
		D(a_broken_record_is_told),
		D(this_computer_keeps_its_name),
		S(a_phone_shows_once_it_has_answered),
		S(connect_makes_the_socket_a_stream),
		S(connect_tells_what_is_wrong),
		S(a_babbling_phone_costs_only_its_link),
		S(who_reads_nothing_is_left),
		S(clients_are_bounded),
	};

	log_set_level(LOG_LEVEL_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
