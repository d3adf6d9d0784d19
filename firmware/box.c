#include "box.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "box_int.h"
#include "button.h"
#include "init.h"
#include "last_run.h"
#include "log.h"
#include "mono.h"
#include "pin.h"
#include "wall.h"

#define LOG_MODULE "box"

#define TICK_MS       5000 /* disk, watchdog, the hour */
#define WDOG_S        60
#define CENSUS_MAX_MS (30 * 1000) /* a vault this slow is read later */
#define WEB_END_MS    500 /* for a last word to broker and DHCP server */

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
	if (!is_fit) {
		box_scrub_stop(b);
		box_update_disk_lost(b);
	}
	if (is_fit && b->census.child.pid == 0)
		box_start_census(b);
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

/*
 * Where the box mounts disks, a folder without one is none: it lies in memory,
 * for as long as a mount takes, or after a disk was pulled. Asked on both
 * sides, so what is told of the folder was told of the disk.
 */
static void probe_disk(struct box *b)
{
	const char *dir = b->config->vault;
	bool was_there = !b->config->disks || disk_is_mount_point(dir);

	disk_probe(dir, &b->disk);
	if (!was_there || (b->config->disks && !disk_is_mount_point(dir)))
		b->disk = (struct disk){ .state = DISK_MISSING };
}

void box_look_at_disk(struct box *b)
{
	enum disk_state before = b->disk.state;

	probe_disk(b);
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

void box_look_at_health(struct box *b)
{
	bool was_weak = b->health.weak_power;

	health_probe(b->config->sys, &b->health);
	if (!b->health.weak_power)
		return;
	b->weak_power_ms = mono_ms();
	b->weak_power_at = wall_now();
	box_phone_weak_power(b);
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
	if (box_watch_parts(b, now_ms))
		wdog_kick(b->wdog);
	box_look_at_disk(b);
	box_time_tick(b);
	box_hook_turn(b);
	box_look_at_health(b);
	box_renew_tls(b);
	box_status_night(b);
	box_forgive_parts(b, now_ms);
	if (!b->has_census && now_ms - b->began_ms > CENSUS_MAX_MS)
		b->has_census = true;
}

static void timers(struct box *b)
{
	int64_t now_ms = mono_ms();

	tick(b, now_ms);
	box_drop_unconfirmed(b, now_ms);
	/* Phones are looked for once it is known which of them are due. */
	for (unsigned i = 0; box_part_at(b, i); i++) {
		struct box_part *part = box_part_at(b, i);

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
	box_button_turn(b, now_ms);
	box_upload_turn(b);
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
	sooner(&best, b->wifi.start_ms);
	sooner(&best, box_scrub_next(b));
	sooner(&best, box_button_next(b));
	sooner(&best, box_update_next(b));
	if (b->eject == BOX_EJECT_STILL)
		best = now_ms;
	if (b->has_census)
		sooner(&best, b->usbmux.start_ms);
	if (b->usbmux_lost_ms)
		sooner(&best, b->usbmux_lost_ms + BOX_CONFIRM_MS);
	for (unsigned i = 0; i < b->n_phones; i++)
		sooner(&best, b->phones[i].deadline_ms);
	if (led_ms >= 0)
		sooner(&best, now_ms + led_ms);
	if (b->recorder.words) /* what other parts have logged meanwhile */
		sooner(&best, now_ms + BOX_RECORD_MS);
	return best > now_ms ? (int)(best - now_ms) : 0;
}

static void on_signal(struct box *b)
{
	struct signalfd_siginfo si;

	while (read(b->signals, &si, sizeof(si)) == (ssize_t)sizeof(si)) {
		if (si.ssi_signo == SIGCHLD)
			box_reap(b);
		else if (si.ssi_signo == SIGUSR1)
			box_census_again(b);
		else
			b->stop = true;
	}
}

#define SOURCES_MAX (BOX_PARTS + 1 + 2 * LIMIT_PHONES)

static unsigned list_sources(struct box *b, struct box_source *out)
{
	unsigned n = 0;

	for (unsigned i = 0; box_part_at(b, i); i++)
		out[n++] = (struct box_source){ &box_part_at(b, i)->child,
			box_part_at(b, i), NULL };
	out[n++] = (struct box_source){ &b->update.child, NULL, NULL };
	for (unsigned i = 0; i < b->n_phones; i++) {
		struct box_phone *p = &b->phones[i];

		out[n++] = (struct box_source){ &p->session, NULL, p };
		out[n++] = (struct box_source){ &p->watch, NULL, p };
	}
	return n;
}

static void turn(struct box *b)
{
	struct box_source sources[SOURCES_MAX];
	struct pollfd fds[SOURCES_MAX + 3];
	unsigned n = list_sources(b, sources);
	int led_ms = led_turn(b->led, mono_ms());

	for (unsigned i = 0; i < n; i++) {
		fds[i].fd = sources[i].child->fd;
		fds[i].events = POLLIN;
		if (sources[i].part == &b->web &&
		    (b->web_behind || b->upload.behind))
			fds[i].events |= POLLOUT;
	}
	fds[n] = (struct pollfd){ .fd = b->signals, .events = POLLIN };
	fds[n + 1] = (struct pollfd){ .fd = b->listen, .events = POLLIN };
	fds[n + 2] =
	    (struct pollfd){ .fd = button_fd(b->button), .events = POLLIN };
	if (poll(fds, n + 3, time_left(b, led_ms)) < 0)
		return;
	if (fds[n].revents)
		on_signal(b);
	if (fds[n + 1].revents)
		box_socket_answer(b);
	for (unsigned i = 0; i < n; i++)
		/* The same one still: an earlier turn may have closed it. */
		if ((fds[i].revents & ~POLLOUT) &&
		    sources[i].child->fd == fds[i].fd)
			box_drain(b, &sources[i]);
	box_settle_children(b);
	timers(b);
	box_status_update(b);
	box_status_send(b);
	box_upload_send(b);
	box_recorder_turn(b);
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

/* Lines that the system left for an owner to read. */
static void read_notices(struct box *b)
{
	FILE *f =
	    b->config->notices[0] ? fopen(b->config->notices, "re") : NULL;
	size_t len;

	if (!f)
		return;
	len = fread(b->notice, 1, sizeof(b->notice) - 1, f);
	fclose(f);
	b->notice[len] = '\0';
	while (len && b->notice[len - 1] == '\n')
		b->notice[--len] = '\0';
	for (char *c = b->notice; *c; c++)
		if (*c == '\n')
			*c = ';';
	if (len)
		snprintf(b->notice + len, sizeof(b->notice) - len, ".");
}

static int box_open(struct box *b, const struct config *config)
{
	enum rc rc;

	b->own = *config;
	b->config = &b->own;
	box_zone_begin(b);
	b->signals = b->listen = b->ring_fd = b->web_ring_fd = -1;
	if (log_ring_make(&b->ring, &b->ring_fd) ||
	    log_ring_make(&b->web_ring, &b->web_ring_fd))
		log_warn("a report will have no log lines");
	log_ring_use(b->ring);
	box_recorder_open(b);
	b->began_ms = mono_ms();
	read_notices(b);
	if (config->notices[0])
		b->last_reset = last_run_told(INIT_RESET);
	b->policy = box_policy(config);
	b->usbmux = (struct box_part){ .role = "usbmux", .child = CHILD_NONE };
	b->web = (struct box_part){ .role = "web", .child = CHILD_NONE };
	b->census = (struct box_part){ .role = "session", .child = CHILD_NONE };
	b->scrub = (struct box_part){ .role = "scrub", .child = CHILD_NONE };
	b->update.child = CHILD_NONE;
	b->disks = (struct box_part){ .role = "disk", .child = CHILD_NONE };
	b->wifi = (struct box_part){ .role = "wifi", .child = CHILD_NONE };
	b->scrub_ms = b->began_ms + BOX_SCRUB_FIRST_MS;
	if (ledger_open(config->state, &b->ledger) || box_time_begin(b))
		return EXIT_CONFIG;
	b->status.started_at = wall_now();
	if (box_hook_open(b))
		return EXIT_FAULT;
	if (config->web && pin_load(config->state, b->pin))
		log_warn("nobody can sign in: there is no PIN");
	rc = box_socket_open(b);
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
	box_button_open(b);
	/* A box without its watchdog is better than none. */
	if (config->watchdog[0] &&
	    wdog_open(config->watchdog, WDOG_S, &b->wdog))
		b->wdog = NULL;
	return 0;
}

static void box_begin(struct box *b)
{
	b->found.state = DISK_MISSING;
	status_smart_unknown(&b->smart);
	probe_disk(b);
	box_eject_begin(b);
	box_update_begin(b);
	box_look_at_health(b);
	b->tick_ms = mono_ms() + TICK_MS;
	box_status_night(b);
	b->usbmux.start_ms = mono_ms();
	if (b->config->web)
		b->web.start_ms = mono_ms();
	if (b->config->disks)
		b->disks.start_ms = mono_ms();
	if (box_wifi_is_wanted(b->config))
		b->wifi.start_ms = mono_ms();
	if (b->disk.state == DISK_FIT)
		box_start_census(b);
	else
		b->has_census = !b->config->disks;
	timers(b);
	box_status_update(b);
}

static void box_close(struct box *b)
{
	if (b->stop)
		box_keep_log(b);
	/* As in a power cut, but for the log; the vault is made for it. */
	for (unsigned i = 0; i < b->n_phones; i++) {
		child_close(&b->phones[i].session);
		child_close(&b->phones[i].watch);
	}
	child_end(&b->web.child, WEB_END_MS);
	child_close(&b->update.child);
	for (unsigned i = 0; box_part_at(b, i); i++)
		child_close(&box_part_at(b, i)->child);
	muxplan_close(&b->mux);
	box_time_end(b);
	led_close(b->led);
	button_close(b->button);
	wdog_close(b->wdog);
	outbox_close(b->outbox);
	ledger_close(b->ledger);
	box_socket_close(b);
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
