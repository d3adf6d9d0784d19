/*
 * Frames into the box's network port: lwIP, the network, the HTTP server and
 * the page, all of it, with a clock that the input moves. The first byte says
 * which network; then each command is a byte (what, and which neighbour) and
 * its arguments. In the end all is closed, and no memory may be left.
 */
#include "fuzz.h"

#include "fuzz_clock.h"
#include "fuzz_lan.h"
#include "fuzz_lwip.h"

#include "log.h"
#include "lwip/priv/tcp_priv.h"
#include "lwip/timeouts.h"
#include "nic_frame.h"
#include "web.h"

/* The most that the box may say to one frame, and by itself in one turn. */
#define CHATTER 40

/* --- the network port ----------------------------------------------------- */

static void facts(void *ctx, uint8_t mac[6], uint16_t *mtu)
{
	(void)ctx;
	memcpy(mac, lan_mac, 6);
	*mtu = 1500;
}

static int link_up(void *ctx)
{
	(void)ctx;
	return lan.link;
}

static int swallow(void *ctx, const struct pbuf *p)
{
	static uint8_t b[65536];
	u16_t n = pbuf_copy_partial(p, b, sizeof(b) - 1, 0);

	(void)ctx;
	must(n == p->tot_len);
	look_at(b, n);
	return !lan.deaf;
}

static size_t no_wait(
    void *ctx, struct pollfd *fds, size_t cap, int *timeout_ms)
{
	(void)ctx;
	(void)fds;
	(void)cap;
	*timeout_ms = 0;
	return 0;
}

static void service(
    void *ctx, struct pollfd *fds, size_t n, struct netif *netif)
{
	unsigned most = lan.count; /* not what they answer to the answers */

	(void)ctx;
	(void)fds;
	(void)n;
	while (most--) {
		struct frame f = lan.waiting[lan.first];

		lan.first = (lan.first + 1) % LAN_WAITING;
		lan.count--;
		lan.taken++;
		mend(&f);
		nic_frame_input(netif, f.b, f.len, false);
	}
}

static void no_close(void *ctx)
{
	(void)ctx;
}

static const struct web_nic_ops ops = { facts, link_up, swallow, no_wait,
	service, no_close };

/* --- the box -------------------------------------------------------------- */

enum network {
	NETWORK_PC, /* as with libslirp */
	NETWORK_FIXED,
	NETWORK_DHCP
};

static struct web *open_box(enum network network)
{
	struct web_nic nic = { .ops = &ops,
		.is_lan = network != NETWORK_PC,
		.addr = "10.77.0.9",
		.mask = "255.255.255.0",
		.gateway = "10.77.0.1" };
	struct web_opts opts = { .nic = &nic,
		.open =
		    network == NETWORK_PC ? AUTH_OPEN_ALL : AUTH_OPEN_GLANCE,
		.net = { .name = "box",
		    .address =
			network == NETWORK_DHCP ? "dhcp" : "10.77.0.9/24",
		    .gateway = "10.77.0.1" } };
	uint8_t salt[AUTH_SALT] = { 0 }, hash[AUTH_HASH];
	struct web *w;

	must(web_open(&opts, &w) == RC_OK);
	auth_hash_pin(salt, "123456", hash);
	web_set_pin(w, salt, hash);
	return w;
}

static void turn(struct web *w)
{
	struct web_command asked;
	bool ready;

	has_had(0); /* looks at what it has now */
	lan.taken = lan.chatter = 0;
	must(web_turn(w, -1, 0, &ready) == RC_OK && !ready);
	must(lan.chatter <= CHATTER * (1 + lan.taken));
	while (web_take_command(w, &asked))
		must(asked.kind < WEB_COMMAND_COUNT_);
}

/* The neighbours answer each other's answers at once. */
static void turns(struct web *w)
{
	unsigned most = 16;

	do
		turn(w);
	while (lan.count && --most);
}

/* As the loop sleeps: lwIP's timers do not catch up on what they missed. */
static void pass(struct web *w, unsigned ms)
{
	while (ms) {
		unsigned step = sys_timeouts_sleeptime();

		step = step < 1 ? 1 : step;
		step = step < ms ? step : ms;
		fuzz_clock.ms += step;
		ms -= step;
		turn(w);
	}
}

/* Whatever has happened, an honest neighbour is answered in a few seconds. */
static void check_alive(struct web *w)
{
	static const char get[] = "GET /favicon.svg HTTP/1.0\r\n\r\n";
	struct talk *t = &lan.talks[0][LAN_HONEST];

	lan.helps = true;
	for (unsigned i = 0; i < 8 && !t->n; i++) {
		uint8_t flags = t->answered ? TCP_ACK : TCP_SYN;
		struct segment s = segment_of(LAN_HONEST, false, flags);

		if (t->answered) { /* again and again the same */
			s.data = (const uint8_t *)get;
			s.len = sizeof(get) - 1;
		} else {
			t->next++;
		}
		send_segment(&s);
		turns(w);
		if (t->answered && flags == TCP_ACK)
			pass(w, 500);
	}
	must(t->n > 12 && !memcmp(t->bytes, "HTTP/1.1 200", 12));
}

/* A truncated question of mDNS has a timer that nobody can stop (lwIP 2.2.1):
 * it runs out before. TCP goes on with what was closed for minutes, where the
 * address was AutoIP's also when that is gone; but none of it is ours. */
static void close_box(struct web *w)
{
	lan.link = lan.helps = lan.serves = lan.acks = false;
	pass(w, 1000);
	web_close(w);
	must(under.used[MEMP_ALTCP_PCB] == 0);
	while (tcp_active_pcbs)
		tcp_abort(tcp_active_pcbs);
	for (int i = 0; i < 50; i++) { /* TIME_WAIT: 10 s */
		fuzz_clock.ms += 250;
		sys_check_timeouts();
	}
}

/* --- commands ------------------------------------------------------------- */

struct script {
	const uint8_t *p, *end;
	struct web *w;
	unsigned ms_left;
};

static uint8_t next(struct script *s)
{
	return s->p < s->end ? *s->p++ : 0;
}

static unsigned next16(struct script *s)
{
	unsigned high = next(s);

	return high << 8 | next(s);
}

/* At most `n` bytes of the input. */
static const uint8_t *bytes(struct script *s, size_t *n)
{
	const uint8_t *at = s->p;

	if (*n > (size_t)(s->end - s->p))
		*n = (size_t)(s->end - s->p);
	s->p += *n;
	return at;
}

static void raw_frame(struct script *s)
{
	size_t n = next16(s) % 1600;
	const uint8_t *p = bytes(s, &n);

	add(new_frame(), p, n);
}

/* An IP packet; only its destination is looked at. */
static void raw_ip(struct script *s, unsigned who, bool v6)
{
	size_t n = next16(s) % 1501;
	const uint8_t *p = bytes(s, &n);
	struct frame *f = new_frame();
	uint8_t mac[6];

	memcpy(mac, lan_mac, 6);
	if (v6 && n >= IP6_HEAD)
		mac6(p + 24, mac);
	else if (!v6 && n >= IP4_HEAD)
		mac4(p + 16, mac);
	add_ether(f, who, v6 ? 0x86dd : 0x0800, mac);
	add(f, p, n);
}

enum how { /* of a segment */
	HOW_WORDS = 0x0f, /* of options */
	HOW_SEQ = 0x10, /* an offset to what would be right */
	HOW_ACK = 0x20,
	HOW_WINDOW = 0x40,
	HOW_LONG = 0x80 /* 16 bits of length */
};

static void tcp(struct script *s, unsigned who, bool v6)
{
	struct segment g = segment_of(who, v6, next(s));
	uint8_t how = next(s);
	size_t n = (how & HOW_WORDS) % 11u * 4;
	const uint8_t *options;

	if (how & HOW_SEQ)
		g.seq += (uint32_t)(int16_t)next16(s);
	if (how & HOW_ACK)
		g.ack += (uint32_t)(int16_t)next16(s);
	if (how & HOW_WINDOW)
		g.window = (uint16_t)next16(s);
	g.len = (how & HOW_LONG ? next16(s) : next(s)) % 1461;
	options = bytes(s, &n);
	g.n_options = n & ~(size_t)3;
	if (n)
		memcpy(g.options, options, g.n_options);
	g.data = bytes(s, &g.len);
	send_segment(&g);
	if (!(how & HOW_SEQ))
		moved_on(&g);
}

/* A whole one: connect, ask. */
static void ask(struct script *s, unsigned who, bool v6)
{
	struct segment syn = segment_of(who, v6, TCP_SYN), get;
	size_t n = next16(s) % 1461;
	const uint8_t *text = bytes(s, &n);

	send_segment(&syn);
	moved_on(&syn);
	turns(s->w);
	get = segment_of(who, v6, TCP_ACK);
	get.data = text;
	get.len = n;
	send_segment(&get);
	moved_on(&get);
}

static void mdns(struct script *s, unsigned who, bool v6)
{
	static const uint8_t group4[4] = { 224, 0, 0, 251 };
	static const uint8_t group6[16] = { 0xff, 2, [15] = 0xfb };
	size_t n = next16(s) % 1461;
	const uint8_t *p = bytes(s, &n);
	struct frame *f = new_frame();
	unsigned from = who == 15 ? 40000 : 5353; /* a legacy one */

	if (v6)
		add_ip6(f, who, group6, 17, UDP_HEAD + n);
	else
		add_ip4(f, who, group4, 17, UDP_HEAD + n);
	add_udp(f, from, 5353, p, n);
}

static void dhcp(struct script *s, unsigned who)
{
	size_t n = next16(s) % 600;
	const uint8_t *p = bytes(s, &n);

	send_dhcp((uint8_t)(50 + who), p, n);
}

static void icmp6(struct script *s, unsigned who)
{
	uint8_t to[16] = { 0xff, 2, [15] = 1 };
	size_t n = next16(s) % 1400;
	const uint8_t *p = bytes(s, &n);
	struct frame *f = new_frame();

	if (who & 8)
		box6(to);
	add_ip6(f, who, to, 58, n);
	add(f, p, n);
}

static void arp(struct script *s, unsigned who)
{
	size_t n = 28;
	const uint8_t *p = bytes(s, &n);
	struct frame *f = new_frame();

	add_ether(f, who, 0x0806, lan_mac);
	add(f, p, n);
}

static void new_status(struct script *s, unsigned who)
{
	static struct status st;

	memset(&st, 0, sizeof(st));
	st.phone = -1;
	st.serial = who;
	snprintf(st.detail, sizeof(st.detail), "%u", who);
	web_set_status(s->w, &st);
}

static void pass_time(struct script *s, unsigned scale)
{
	static const unsigned unit[] = { 1, 10, 100, 1000 };
	unsigned ms = next(s) * unit[scale % 4];

	if (ms > s->ms_left)
		ms = s->ms_left;
	s->ms_left -= ms;
	pass(s->w, ms);
}

static void command(struct script *s)
{
	uint8_t byte = next(s);
	unsigned who = byte >> 4;

	switch (byte & 15) {
	case 0:
		raw_frame(s);
		break;
	case 1:
	case 2:
		raw_ip(s, who, byte & 1);
		break;
	case 3:
	case 4:
		tcp(s, who, !(byte & 1));
		break;
	case 5:
	case 6:
		mdns(s, who, !(byte & 1));
		break;
	case 7:
		dhcp(s, who);
		break;
	case 8:
		icmp6(s, who);
		break;
	case 9:
		arp(s, who);
		break;
	case 10:
		pass_time(s, who);
		break;
	case 11:
		lan.link = who & 1;
		break;
	case 12:
		lan.deaf = who & 1;
		break;
	case 13:
		under.fail_after = next(s);
		under.fail_for = who;
		break;
	case 14:
		new_status(s, who);
		break;
	default:
		ask(s, who & 7, who & 8);
		break;
	}
	turns(s->w);
}

/* --- one input ------------------------------------------------------------ */

enum mode {
	MODE_NETWORK = 3,
	MODE_SETTLED = 4, /* it has its addresses before the first command */
	MODE_SERVED = 8,
	MODE_RAW = 16, /* sums as they come */
	MODE_ALONE = 32, /* nobody answers ARP and neighbour discovery */
	MODE_ACKS = 64,
	MODE_FEW = 128 /* lwIP's pools are small */
};

static void start(uint8_t mode)
{
	for (unsigned i = 0; i < LAN_PEERS; i++)
		for (unsigned v6 = 0; v6 < 2; v6++)
			memset(
			    &lan.talks[v6][i], 0, offsetof(struct talk, bytes));
	lan.first = lan.count = 0;
	lan.mends = !(mode & MODE_RAW);
	lan.helps = !(mode & MODE_ALONE);
	lan.serves = mode & MODE_SERVED;
	lan.acks = mode & MODE_ACKS;
	lan.link = true;
	lan.deaf = false;
	memset(lan.xid, 0, sizeof(lan.xid));
	memset(lan.had, 0, sizeof(lan.had));
	fuzz_clock.chance = 1;
}

static void run(uint8_t mode, const uint8_t *data, size_t len)
{
	static const enum network networks[] = { NETWORK_PC, NETWORK_FIXED,
		NETWORK_DHCP, NETWORK_DHCP };
	struct script s = { data, data + len, NULL, 200000 };

	start(mode);
	s.w = open_box(networks[mode & MODE_NETWORK]);
	turns(s.w);
	if (mode & MODE_SETTLED)
		pass(s.w, 12000);
	under.few = mode & MODE_FEW;
	while (s.p < s.end)
		command(&s);
	under.fail_for = 0;
	under.few = lan.deaf = false;
	lan.link = true;
	turns(s.w);
	if (networks[mode & MODE_NETWORK] != NETWORK_DHCP)
		check_alive(s.w);
	close_box(s.w);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static unsigned used[MEMP_MAX], heap;
	static bool warm;

	if (len == 0)
		return 0;
	log_set_level(LOG_LEVEL_ERROR);
	if (!warm) { /* what stays for as long as the process lives */
		run(NETWORK_DHCP | MODE_SETTLED, data, 0);
		memcpy(used, under.used, sizeof(used));
		heap = under.heap;
		warm = true;
	}
	run(data[0], data + 1, len - 1);
	for (unsigned i = 0; i < MEMP_MAX; i++)
		if (under.used[i] != used[i]) {
			fprintf(stderr, "pool %u (memp_t): %u in use, not %u\n",
			    i, under.used[i], used[i]);
			abort();
		}
	must(under.heap == heap && under.packets == 0);
	return 0;
}
