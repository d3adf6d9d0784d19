#include "box.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "box_int.h"
#include "log.h"
#include "mono.h"
#include "pin.h"
#include "wall.h"
#include "zone.h"

#define LOG_MODULE "box"

#define TICK_MS       5000 /* disk, watchdog, the hour */
#define WDOG_S        60
#define N_PARTS       5
#define CRASHES       3 /* then the box says so */
#define PEACE_MS      (10 * 60 * 1000)
#define CENSUS_MAX_MS (30 * 1000) /* a vault this slow is read later */
#define CONFIRM_MS    3000
#define WEB_END_MS    500 /* for a last word to broker and DHCP server */

/* --- the socket for `nightstand status` -------------------------------------- */

static bool socket_address(const char *state_dir, struct sockaddr_un *out)
{
	int n;

	memset(out, 0, sizeof(*out));
	out->sun_family = AF_UNIX;
	n = snprintf(
	    out->sun_path, sizeof(out->sun_path), "%s/box.sock", state_dir);
	return state_dir[0] && n > 0 && (size_t)n < sizeof(out->sun_path);
}

static int connect_box(const char *state_dir)
{
	struct sockaddr_un a;
	int fd;

	if (!socket_address(state_dir, &a))
		return -1;
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (fd >= 0 && connect(fd, (struct sockaddr *)&a, sizeof(a)) != 0) {
		close(fd);
		fd = -1;
	}
	return fd;
}

enum rc box_ask(const char *state_dir, struct status *out)
{
	static struct msg m;
	int fd = connect_box(state_dir);
	enum rc rc;

	if (fd < 0)
		return RC_NOTFOUND;
	rc = msg_recv(fd, &m);
	if (!rc && m.type == MSG_STATUS)
		*out = m.u.status;
	else if (!rc)
		rc = RC_PROTO;
	close(fd);
	return rc;
}

void box_look_again(const char *state_dir)
{
	int fd = connect_box(state_dir);
	struct ucred peer = { .pid = 0 };
	socklen_t len = sizeof(peer);

	if (fd < 0)
		return;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) != 0 ||
	    peer.pid <= 1 || kill(peer.pid, SIGUSR1) != 0)
		log_info("the running box was not told");
	close(fd);
}

/* RC_BUSY: another box runs on this state folder. */
static enum rc open_socket(struct box *b)
{
	struct sockaddr_un a;
	int fd = connect_box(b->config->state);

	if (fd >= 0) {
		close(fd);
		return RC_BUSY;
	}
	if (!socket_address(b->config->state, &a))
		return RC_OK; /* there is none to listen at */
	unlink(a.sun_path);
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return RC_IO;
	if (bind(fd, (struct sockaddr *)&a, sizeof(a)) != 0 ||
	    chmod(a.sun_path, 0600) != 0 || listen(fd, 8) != 0) {
		log_warn("no socket for `nightstand status` path=%s: %s",
		    a.sun_path, strerror(errno));
		close(fd);
		return RC_OK;
	}
	b->listen = fd;
	return RC_OK;
}

static void answer(struct box *b)
{
	static struct msg m;
	int fd = accept4(b->listen, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (fd < 0)
		return;
	m.type = MSG_STATUS;
	m.u.status = b->status;
	if (msg_send(fd, &m))
		log_warn("a reader of the status was gone");
	close(fd);
}

/* --- parts ------------------------------------------------------------------- */

void box_start_part(struct box *b, struct box_part *part)
{
	char port[16], tls_port[16];
	const struct config *c = b->config;
	const char *args[] = { config_nic_name(c->nic), c->interface, c->listen,
		port, c->address, c->gateway, c->box_name,
		config_open_name(c->open), tls_port, NULL };
	const char *disk_args[] = { c->vault, c->boot_disk, NULL };
	bool is_web = part == &b->web;
	const char *const *mux =
	    part == &b->usbmux && b->mux.own ? b->mux.args : NULL;

	snprintf(port, sizeof(port), "%d", c->port);
	snprintf(tls_port, sizeof(tls_port), "%d", c->tls_port);
	part->start_ms = 0;
	part->begins++;
	/* What parses bytes of the LAN sees no other part's lines. */
	if (child_start(&part->child, part->role,
		is_web              ? args
		: part == &b->disks ? disk_args
				    : mux,
		is_web ? b->web_ring_fd : b->ring_fd, false))
		part->start_ms = mono_ms() + 5000;
	else if (is_web) {
		box_send_pin(b);
		box_send_tls(b);
		box_send_mqtt(b);
		box_send_settings(b);
		box_send_sntp(b);
		box_send_hook(b);
		b->web_behind = true;
	}
}

static void start_census(struct box *b)
{
	struct msg m = { .type = MSG_START };

	m.u.start.job = MSG_JOB_CENSUS;
	m.u.start.log_level = (uint8_t)log_get_level();
	snprintf(m.u.start.vault_dir, sizeof(m.u.start.vault_dir), "%s",
	    b->config->vault);
	m.u.start.keep = b->config->keep;
	memcpy(m.u.start.udid, b->dismiss, sizeof(m.u.start.udid));
	b->dismiss[0] = '\0';
	box_start_part(b, &b->census);
	if (b->census.child.fd >= 0 && msg_send(b->census.child.fd, &m))
		child_kill(&b->census.child);
}

static void count_crash(struct box *b, struct box_part *part)
{
	char words[64];

	if (mono_ms() - part->crash_ms > PEACE_MS)
		part->crashes = 0;
	part->crash_ms = mono_ms();
	part->crashes++;
	child_words(&part->child, words, sizeof(words));
	log_error(
	    "the part %s ended: %s times=%u", part->role, words, part->crashes);
	if (part->crashes >= CRASHES)
		snprintf(b->fault, sizeof(b->fault),
		    "The part %s ended %u times (%s).", part->role,
		    part->crashes, words);
}

/* 1, 2, 4 … 64 s. */
static int64_t back_off_ms(const struct box_part *part)
{
	unsigned n = part->crashes < 7 ? part->crashes : 7;

	return n ? 500LL << n : 500;
}

static void part_ended(struct box *b, struct box_part *part)
{
	bool clean = WIFEXITED(part->child.status) &&
		     WEXITSTATUS(part->child.status) == 0;

	if (part == &b->scrub) {
		box_scrub_ended(b);
		return;
	}
	/* A census that could not read a disk that is being pulled has said so
	 * and ended: that is no crash. */
	if (part == &b->census && WIFEXITED(part->child.status))
		clean = true;
	if (!clean && !b->stop)
		count_crash(b, part);
	child_close(&part->child);
	if (part == &b->census) {
		b->has_census = true;
		if (b->census_again && b->disk.state == DISK_FIT)
			start_census(b);
		b->census_again = false;
		return;
	}
	part->start_ms = mono_ms() + back_off_ms(part);
	if (part == &b->usbmux && !b->usbmux_lost_ms) {
		b->usbmux_lost_ms = mono_ms();
		for (unsigned i = 0; i < b->n_phones; i++)
			b->phones[i].unconfirmed = b->phones[i].attached;
	}
}

/* Phones that a new usbmux does not name are gone. */
static void drop_unconfirmed(struct box *b, int64_t now_ms)
{
	if (!b->usbmux_lost_ms || now_ms - b->usbmux_lost_ms < CONFIRM_MS)
		return;
	b->usbmux_lost_ms = 0;
	for (unsigned i = 0; i < b->n_phones; i++)
		if (b->phones[i].unconfirmed) {
			b->phones[i].unconfirmed = false;
			box_phone_detached(b, b->phones[i].udid);
		}
}

static bool part_message(
    struct box *b, struct box_part *part, const struct msg *m)
{
	if (part == &b->usbmux && m->type == MSG_ATTACHED) {
		box_phone_attached(b, m->u.device.udid);
		return true;
	}
	if (part == &b->usbmux && m->type == MSG_DETACHED) {
		box_phone_detached(b, m->u.device.udid);
		return true;
	}
	if (part == &b->disks && m->type == MSG_DISK) {
		b->found = m->u.disk;
		box_eject_told(b);
		box_look_at_disk(b);
		if (b->disk.state != DISK_FIT)
			b->has_census = true; /* there is none to wait for */
		return true;
	}
	if (part == &b->census && m->type == MSG_KEPT) {
		box_phone_kept(b, &m->u.kept);
		return true;
	}
	if (part == &b->scrub && m->type == MSG_KEPT) {
		box_phone_kept(b, &m->u.kept);
		return true;
	}
	if (part == &b->scrub && m->type == MSG_SCRUBBED) {
		box_scrub_told(b, &m->u.scrubbed);
		return true;
	}
	if (part == &b->web && m->type == MSG_SERVING) {
		box_update_served(b);
		if (b->config->nic == CONFIG_NIC_SLIRP)
			log_note("the page: http://%s:%d/", b->config->listen,
			    m->u.serving.port);
		else
			log_note("the page: port %d of the box's own addresses",
			    m->u.serving.port);
		return true;
	}
	if (part == &b->web && m->type == MSG_EVENT_OVER) {
		box_hook_over(b, &m->u.event_over);
		return true;
	}
	if (part == &b->web && m->type == MSG_TIME) {
		box_time_heard(b, STATUS_CLOCK_SNTP, m->u.time.at_ms,
		    m->u.time.mono_ms, m->u.time.from);
		return true;
	}
	if (part == &b->web && m->type == MSG_SETTINGS) {
		box_set_settings(b, &m->u.settings);
		return true;
	}
	if (part == &b->web && m->type == MSG_COMMAND)
		return box_command(b, &m->u.command);
	return false;
}

void box_dismiss(struct box *b, const char *udid)
{
	snprintf(b->dismiss, sizeof(b->dismiss), "%s", udid);
	if (b->disk.state != DISK_FIT)
		return;
	if (b->census.child.pid > 0)
		b->census_again = true;
	else
		start_census(b);
}

/* --- children's messages ------------------------------------------------------ */

/* Who stands behind a descriptor of the poll. */
struct source {
	struct child *child;
	struct box_part *part; /* one of the parts, or */
	struct box_phone *phone; /* the session or the watch of this one;
				    neither: the child of an update */
};

static bool take(struct box *b, const struct source *s, const struct msg *m)
{
	if (s->part)
		return part_message(b, s->part, m);
	if (s->child == &b->update.child)
		return box_update_told(b, m);
	if (s->child == &s->phone->watch)
		return box_phone_watched(b, s->phone, m);
	return box_phone_message(b, s->phone, m);
}

/* Takes all that is there; a child that sends what it may not is killed. */
static void drain(struct box *b, const struct source *s)
{
	static struct msg m;
	struct child *c = s->child;
	enum rc rc = RC_OK;

	/* What a message leads to may close its own sender. */
	while (!rc && c->fd >= 0) {
		rc = msg_recv(c->fd, &m);
		if (!rc && !take(b, s, &m))
			rc = RC_PROTO;
		if (m.type == MSG_COMMAND)
			explicit_bzero(&m.u.command, sizeof(m.u.command));
	}
	if (rc == RC_BUSY || c->fd < 0)
		return;
	if (rc != RC_GONE) {
		log_error("a child's message makes no sense pid=%d: %s",
		    (int)c->pid, rc_words(rc));
		child_kill(c);
	}
	close(c->fd);
	c->fd = -1;
}

static struct box_part *part_at(struct box *b, unsigned i)
{
	struct box_part *parts[] = { &b->usbmux, &b->web, &b->census, &b->scrub,
		&b->disks };

	return i < N_PARTS ? parts[i] : NULL;
}

static void reap(struct box *b)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		for (unsigned i = 0; part_at(b, i); i++)
			child_note_exit(&part_at(b, i)->child, pid, status);
		child_note_exit(&b->update.child, pid, status);
		for (unsigned i = 0; i < b->n_phones; i++) {
			child_note_exit(&b->phones[i].session, pid, status);
			child_note_exit(&b->phones[i].watch, pid, status);
		}
	}
}

static void settle_children(struct box *b)
{
	for (unsigned i = 0; part_at(b, i); i++)
		if (child_is_over(&part_at(b, i)->child))
			part_ended(b, part_at(b, i));
	if (child_is_over(&b->update.child))
		box_update_ended(b);
	for (unsigned i = 0; i < b->n_phones; i++) {
		struct box_phone *p = &b->phones[i];

		if (child_is_over(&p->watch))
			child_close(&p->watch);
		/* Over, or it could not even be started. */
		if (child_is_over(&p->session) ||
		    (phone_fsm_has_session(p->state) &&
			!child_is_running(&p->session)))
			box_phone_ended(b, p);
	}
}

/* --- the disk ------------------------------------------------------------------ */

static void disk_changed(struct box *b, bool was_fit)
{
	bool is_fit = b->disk.state == DISK_FIT;
	struct policy_now now = box_now(b);

	log_note("disk %s state=%d fs=%s free=%llu %s", b->config->vault,
	    (int)b->disk.state, b->disk.fs,
	    (unsigned long long)b->disk.free_bytes, b->disk.why);
	if (is_fit == was_fit)
		return;
	if (!is_fit)
		box_scrub_stop(b);
	if (is_fit && b->census.child.pid == 0)
		start_census(b);
	for (unsigned i = 0; i < b->n_phones; i++) {
		struct box_phone *p = &b->phones[i];

		/* Whoever plugs a disk in is awake, unless it was a
		 * loose cable. */
		if (is_fit && p->attached)
			p->policy.is_fresh |=
			    !policy_is_quiet(&b->policy, &now);
		box_phone_post(
		    b, p, is_fit ? PHONE_EV_DISK_READY : PHONE_EV_DISK_LOST);
	}
}

void box_look_at_disk(struct box *b)
{
	enum disk_state before = b->disk.state;

	disk_probe(b->config->vault, &b->disk);
	/* Nothing is mounted: the role that mounts knows why. */
	if (b->disk.state == DISK_MISSING && b->found.state != DISK_FIT) {
		b->disk.state = (enum disk_state)b->found.state;
		memcpy(b->disk.fs, b->found.fs, sizeof(b->disk.fs));
		memcpy(b->disk.why, b->found.why, sizeof(b->disk.why));
	}
	box_eject_look(b);
	if (b->disk.state != before)
		disk_changed(b, before == DISK_FIT);
}

/* --- the machine --------------------------------------------------------------- */

static void look_at_health(struct box *b)
{
	bool was_weak = b->health.weak_power;

	health_probe(b->config->sys, &b->health);
	if (!b->health.weak_power)
		return;
	b->weak_power_ms = mono_ms();
	b->weak_power_at = wall_now();
	if (was_weak)
		return;
	b->weak_power_times++;
	log_warn("the power supply is too weak times=%u", b->weak_power_times);
}

/* --- the loop ------------------------------------------------------------------- */

static void tick(struct box *b, int64_t now_ms)
{
	if (now_ms < b->tick_ms)
		return;
	b->tick_ms = now_ms + TICK_MS;
	wdog_kick(b->wdog);
	box_look_at_disk(b);
	box_time_tick(b);
	box_hook_turn(b);
	look_at_health(b);
	box_renew_tls(b);
	box_status_night(b);
	if (b->fault[0] && now_ms - b->web.crash_ms > PEACE_MS &&
	    now_ms - b->usbmux.crash_ms > PEACE_MS)
		b->fault[0] = '\0';
	if (!b->has_census && now_ms - b->began_ms > CENSUS_MAX_MS)
		b->has_census = true;
}

static void timers(struct box *b)
{
	int64_t now_ms = mono_ms();

	tick(b, now_ms);
	drop_unconfirmed(b, now_ms);
	/* Phones are looked for once it is known which of them are due. */
	for (unsigned i = 0; part_at(b, i); i++) {
		struct box_part *part = part_at(b, i);

		if (part == &b->usbmux && !b->has_census)
			continue;
		if (part->start_ms && now_ms >= part->start_ms)
			box_start_part(b, part);
	}
	for (unsigned i = 0; i < b->n_phones; i++)
		box_phone_turn(b, &b->phones[i], now_ms);
	box_scrub_turn(b, now_ms);
	box_settings_turn(b, now_ms);
	box_eject_turn(b, now_ms);
	box_update_turn(b, now_ms);
}

static void sooner(int64_t *best, int64_t at)
{
	if (at && at < *best)
		*best = at;
}

static int time_left(const struct box *b, int led_ms)
{
	int64_t now_ms = mono_ms();
	int64_t best = b->tick_ms;

	sooner(&best, b->web.start_ms);
	sooner(&best, b->web_again_ms);
	sooner(&best, b->disks.start_ms);
	sooner(&best, box_scrub_next(b));
	sooner(&best, box_update_next(b));
	if (b->eject == BOX_EJECT_STILL)
		best = now_ms;
	if (b->has_census)
		sooner(&best, b->usbmux.start_ms);
	if (b->usbmux_lost_ms)
		sooner(&best, b->usbmux_lost_ms + CONFIRM_MS);
	for (unsigned i = 0; i < b->n_phones; i++)
		sooner(&best, b->phones[i].deadline_ms);
	if (led_ms >= 0)
		sooner(&best, now_ms + led_ms);
	return best > now_ms ? (int)(best - now_ms) : 0;
}

/* See box_look_again(). A census that runs may have read the vault before the
 * change. */
static void look_again(struct box *b)
{
	if (b->disk.state != DISK_FIT)
		return;
	if (b->census.child.pid == 0)
		start_census(b);
	else
		b->census_again = true;
}

static void on_signal(struct box *b)
{
	struct signalfd_siginfo si;

	while (read(b->signals, &si, sizeof(si)) == (ssize_t)sizeof(si)) {
		if (si.ssi_signo == SIGCHLD)
			reap(b);
		else if (si.ssi_signo == SIGUSR1)
			look_again(b);
		else
			b->stop = true;
	}
}

#define SOURCES_MAX (N_PARTS + 1 + 2 * LIMIT_PHONES)

static unsigned list_sources(struct box *b, struct source *out)
{
	unsigned n = 0;

	for (unsigned i = 0; part_at(b, i); i++)
		out[n++] = (struct source){ &part_at(b, i)->child,
			part_at(b, i), NULL };
	out[n++] = (struct source){ &b->update.child, NULL, NULL };
	for (unsigned i = 0; i < b->n_phones; i++) {
		struct box_phone *p = &b->phones[i];

		out[n++] = (struct source){ &p->session, NULL, p };
		out[n++] = (struct source){ &p->watch, NULL, p };
	}
	return n;
}

static void turn(struct box *b)
{
	struct source sources[SOURCES_MAX];
	struct pollfd fds[SOURCES_MAX + 2];
	unsigned n = list_sources(b, sources);
	int led_ms = led_turn(b->led, mono_ms());

	for (unsigned i = 0; i < n; i++) {
		fds[i].fd = sources[i].child->fd;
		fds[i].events = POLLIN;
		if (sources[i].part == &b->web && b->web_behind)
			fds[i].events |= POLLOUT;
	}
	fds[n] = (struct pollfd){ .fd = b->signals, .events = POLLIN };
	fds[n + 1] = (struct pollfd){ .fd = b->listen, .events = POLLIN };
	if (poll(fds, n + 2, time_left(b, led_ms)) < 0)
		return;
	if (fds[n].revents)
		on_signal(b);
	if (fds[n + 1].revents)
		answer(b);
	for (unsigned i = 0; i < n; i++)
		/* The same one still: an earlier turn may have closed it. */
		if ((fds[i].revents & ~POLLOUT) &&
		    sources[i].child->fd == fds[i].fd)
			drain(b, &sources[i]);
	settle_children(b);
	timers(b);
	box_status_update(b);
	box_status_send(b);
}

/* --- begin and end ---------------------------------------------------------------- */

static enum rc open_signals(struct box *b)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGUSR1);
	if (sigprocmask(SIG_BLOCK, &set, NULL) != 0)
		return RC_BUG;
	signal(SIGPIPE, SIG_IGN);
	b->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return b->signals < 0 ? RC_BUG : RC_OK;
}

static enum rc open_led(struct box *b)
{
	const struct config *c = b->config;
	struct led_opts opts = {
		.backend = c->led,
		.dir = c->led_dir,
		.ok = c->led_ok,
		.alert = c->led_alert,
		.fd = STDOUT_FILENO,
	};

	return led_open(&opts, &b->led);
}

struct policy box_policy(const struct config *c)
{
	return (struct policy){ c->again_hours, c->ask_again,
		c->ask_again_minutes, c->quiet_from, c->quiet_to };
}

static int box_open(struct box *b, const struct config *config)
{
	enum rc rc;

	b->own = *config;
	b->config = &b->own;
	if (config->zone[0] && !zone_use(config->zone))
		log_warn("no such time zone: %s", config->zone);
	b->signals = b->listen = b->ring_fd = b->web_ring_fd = -1;
	if (log_ring_make(&b->ring, &b->ring_fd) ||
	    log_ring_make(&b->web_ring, &b->web_ring_fd))
		log_warn("a report will have no log lines");
	log_ring_use(b->ring);
	b->began_ms = mono_ms();
	box_read_notices(b);
	b->policy = box_policy(config);
	b->usbmux = (struct box_part){ .role = "usbmux", .child = CHILD_NONE };
	b->web = (struct box_part){ .role = "web", .child = CHILD_NONE };
	b->census = (struct box_part){ .role = "session", .child = CHILD_NONE };
	b->scrub = (struct box_part){ .role = "scrub", .child = CHILD_NONE };
	b->update.child = CHILD_NONE;
	b->disks = (struct box_part){ .role = "disk", .child = CHILD_NONE };
	b->scrub_ms = b->began_ms + BOX_SCRUB_FIRST_MS;
	if (ledger_open(config->state, &b->ledger) || box_time_begin(b))
		return EXIT_CONFIG;
	b->status.started_at = wall_now();
	if (box_hook_open(b))
		return EXIT_FAULT;
	if (config->web && pin_load(config->state, b->pin))
		log_warn("nobody can sign in: there is no PIN");
	rc = open_socket(b);
	if (rc == RC_BUSY) {
		fprintf(stderr, "nightstand: another box runs on %s\n",
		    config->state);
		return EXIT_BUSY;
	}
	if (rc || open_signals(b))
		return EXIT_FAULT;
	if (muxplan_make(config, &b->mux))
		return EXIT_CONFIG;
	if (open_led(b))
		return EXIT_CONFIG;
	/* A box without its watchdog is better than none. */
	if (config->watchdog[0] &&
	    wdog_open(config->watchdog, WDOG_S, &b->wdog))
		b->wdog = NULL;
	return 0;
}

static void box_begin(struct box *b)
{
	b->found.state = DISK_MISSING;
	disk_probe(b->config->vault, &b->disk);
	box_eject_begin(b);
	box_update_begin(b);
	look_at_health(b);
	b->tick_ms = mono_ms() + TICK_MS;
	box_status_night(b);
	b->usbmux.start_ms = mono_ms();
	if (b->config->web)
		b->web.start_ms = mono_ms();
	if (b->config->disks)
		b->disks.start_ms = mono_ms();
	if (b->disk.state == DISK_FIT)
		start_census(b);
	else
		b->has_census = !b->config->disks;
	timers(b);
	box_status_update(b);
}

static void box_close(struct box *b)
{
	struct sockaddr_un a;

	/* As in a power cut, but for the log; the vault is made for it. */
	for (unsigned i = 0; i < b->n_phones; i++) {
		child_close(&b->phones[i].session);
		child_close(&b->phones[i].watch);
	}
	child_end(&b->web.child, WEB_END_MS);
	child_close(&b->update.child);
	for (unsigned i = 0; part_at(b, i); i++)
		child_close(&part_at(b, i)->child);
	muxplan_close(&b->mux);
	box_time_end(b);
	led_close(b->led);
	wdog_close(b->wdog);
	outbox_close(b->outbox);
	ledger_close(b->ledger);
	if (b->listen >= 0) {
		close(b->listen);
		if (socket_address(b->config->state, &a))
			unlink(a.sun_path);
	}
	if (b->signals >= 0)
		close(b->signals);
	log_ring_drop(b->ring);
	log_ring_drop(b->web_ring);
	if (b->ring_fd >= 0)
		close(b->ring_fd);
	if (b->web_ring_fd >= 0)
		close(b->web_ring_fd);
}

int box_run(const struct config *config)
{
	static struct box b;
	int status = box_open(&b, config);

	if (!status) {
		log_note("nightstand %s begins vault=%s", NIGHTSTAND_VERSION,
		    config->vault[0] ? config->vault : "none");
		box_begin(&b);
		while (!b.stop)
			turn(&b);
		log_note("nightstand ends");
	}
	box_close(&b);
	return status;
}
