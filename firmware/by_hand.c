#include "by_hand.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "log.h"
#include "mono.h"
#include "on_bus.h"
#include "usbmux.h"
#include "words.h"

#define LOG_MODULE "backup"

/* After Ctrl-C the phone is told; one that does not listen is left. */
#define CANCEL_MS 10000

void by_hand_show(struct by_hand *b)
{
	b->st.now_at = (int64_t)time(NULL);
	terminal_show(&b->term, &b->st);
}

void by_hand_complain(struct by_hand *b)
{
	struct words w;

	terminal_clear(&b->term);
	fflush(b->term.out);
	b->st.now_at = (int64_t)time(NULL);
	words_phone(&b->st, 0, &w);
	fprintf(stderr, "nightstand: %s. %s%s%s%s\n", w.headline, w.sentence,
	    w.small[0] ? " (" : "", w.small, w.small[0] ? ")" : "");
}

/* --- waiting for a phone --------------------------------------------------- */

static void on_device(void *ctx, const struct usbmux_event *ev)
{
	const int *fd = ctx;

	/* A pipe takes so small a thing whole; nobody reads: no matter. */
	if (write(*fd, ev, sizeof(*ev)) < 0)
		log_warn("a device was not told of: %s", strerror(errno));
}

static bool is_wanted(const struct by_hand *b, const char *udid)
{
	if (!config_may_backup(&b->cli->config, udid))
		return false;
	return !b->cli->udid[0] || !strcmp(b->cli->udid, udid);
}

/* One that is there, and does not talk. */
static void say_why(struct by_hand *b, const struct msg_on_bus *m)
{
	static struct status st;
	struct words w;

	if (m->why == USB_WHY_GONE || m->why == USB_WHY_TALKS ||
	    (m->udid[0] && !is_wanted(b, m->udid)))
		return;
	st.n_phones = 1;
	on_bus_phone(m, &st.phones[0]);
	st.phones[0].state = on_bus_state((enum usb_why)m->why, 0);
	words_phone(&st, 0, &w);
	fprintf(b->term.out, "%s. %s\n", w.headline, w.sentence);
	fflush(b->term.out);
}

/* What the driver or usbmuxd's follower has told. */
static bool read_device(struct by_hand *b, int fd)
{
	static struct msg m;
	struct usbmux_event ev;

	if (!b->mux.own) {
		if (read(fd, &ev, sizeof(ev)) != (ssize_t)sizeof(ev) ||
		    !ev.attached)
			return false;
		m.type = MSG_ATTACHED;
		snprintf(
		    m.u.device.udid, sizeof(m.u.device.udid), "%s", ev.udid);
	} else if (msg_recv(fd, &m)) {
		log_error("the driver for phones has ended");
		b->driver_ended = true;
		return false;
	}
	if (m.type == MSG_ON_BUS)
		say_why(b, &m.u.on_bus);
	if (m.type != MSG_ATTACHED || !is_wanted(b, m.u.device.udid))
		return false;
	snprintf(b->phone->udid, sizeof(b->phone->udid), "%s", m.u.device.udid);
	return true;
}

/* Waits at most ms for a wanted phone; false: not yet. */
static bool wait_device(struct by_hand *b, int fd, int ms)
{
	struct pollfd fds[2] = { { .fd = fd, .events = POLLIN },
		{ .fd = b->signals, .events = POLLIN } };

	if (poll(fds, 2, ms) <= 0)
		return false;
	if (fds[1].revents) {
		b->interrupted = true;
		return false;
	}
	return read_device(b, fd);
}

/* Of the phones that usbmuxd has already, is one wanted? */
static bool is_there_already(struct by_hand *b, int pipes[2])
{
	struct pollfd p = { .fd = pipes[0], .events = POLLIN };

	if (!usbmux_list(on_device, &pipes[1]))
		return false;
	while (poll(&p, 1, 0) > 0)
		if (read_device(b, pipes[0]))
			return true;
	return false;
}

static void say_waiting(struct by_hand *b, bool has_mux)
{
	if (has_mux)
		fprintf(b->term.out, "Plug in %s.\n",
		    b->cli->udid[0] ? "the iPhone" : "an iPhone");
	else
		fprintf(b->term.out,
		    "Plug in an iPhone. (Nobody answers at the usbmuxd socket "
		    "yet.)\n");
	fflush(b->term.out);
}

static bool find(struct by_hand *b)
{
	int64_t until = b->cli->wait_s < 0
			    ? INT64_MAX
			    : mono_ms() + b->cli->wait_s * 1000LL;
	struct usbmux *mux = NULL;
	bool own = b->mux.own;
	bool found = false;
	bool said = false;
	int pipes[2];

	if (pipe2(pipes, O_CLOEXEC) != 0)
		return false;
	if (!own)
		found = is_there_already(b, pipes);
	for (int ms = 300; !found && !b->interrupted && !b->driver_ended;
	     ms = 1000) {
		if (!own && !mux && usbmux_open(on_device, &pipes[1], &mux))
			mux = NULL;
		found = wait_device(b, own ? b->driver.fd : pipes[0], ms);
		if (!found && !said && !b->interrupted && !b->driver_ended)
			say_waiting(b, own || mux != NULL);
		said = true;
		if (mono_ms() >= until)
			break;
	}
	usbmux_close(mux);
	close(pipes[0]);
	close(pipes[1]);
	return found;
}

int by_hand_find_phone(struct by_hand *b)
{
	bool found;

	if (muxplan_make(&b->cli->config, &b->mux))
		return EXIT_CONFIG;
	if (b->mux.own &&
	    child_start(&b->driver, "usbmux", b->mux.args, -1, true))
		return EXIT_FAULT;
	found = find(b);
	b->began_ms = mono_ms();
	if (found)
		return 0;
	if (b->interrupted)
		return EXIT_INTERRUPTED;
	if (b->driver_ended) {
		fprintf(stderr,
		    "nightstand: iPhones on USB can't be spoken to (above is "
		    "why): say sudo, or install usbmuxd.\n");
		return EXIT_FAULT;
	}
	fprintf(stderr,
	    "nightstand: No iPhone came. Plug one in, and unlock it.\n");
	return EXIT_NO_PHONE;
}

/* --- the session ------------------------------------------------------------ */

void by_hand_start(const struct by_hand *b, struct msg_start *out)
{
	const struct config *c = &b->cli->config;

	*out = (struct msg_start){
		.job = MSG_JOB_BACKUP,
		.full = b->cli->full,
		.log_level = (uint8_t)log_get_level(),
		.trust_wait_s = c->trust_wait_s,
		.unlock_wait_s = c->unlock_wait_s,
		.first_wait_s = c->first_wait_s,
		.next_wait_s = c->next_wait_s,
		.last_wait_s = c->last_wait_s,
		.reserve_bytes = c->reserve_bytes,
		.keep = c->keep,
	};
	snprintf(out->udid, sizeof(out->udid), "%s", b->phone->udid);
	snprintf(out->vault_dir, sizeof(out->vault_dir), "%s", c->vault);
	snprintf(out->state_dir, sizeof(out->state_dir), "%s", c->state);
}

int by_hand_run(struct by_hand *b, const struct msg_start *start)
{
	struct msg m = { .type = MSG_START };
	enum rc rc = child_start(&b->child, "session", NULL, -1, true);

	m.u.start = *start;
	if (!rc)
		rc = msg_send(b->child.fd, &m);
	if (rc)
		child_close(&b->child);
	return rc ? EXIT_FAULT : 0;
}

static void on_phase(struct by_hand *b, enum msg_phase phase)
{
	meter_phase(&b->meter, b->phone, phase);
	b->phone->state = meter_state(phase);
	if (b->phone->state == STATE_SEEN)
		return;
	if (b->phone->sets_password && b->phone->state == STATE_PREPARING)
		b->phone->state = STATE_SETTING_PASSWORD;
	by_hand_show(b);
}

static void on_message(struct by_hand *b, const struct msg *m)
{
	switch (m->type) {
	case MSG_PHONE:
		meter_phone(b->phone, &m->u.phone);
		b->has_phone = true;
		return;
	case MSG_PHASE:
		on_phase(b, (enum msg_phase)m->u.step.phase);
		return;
	case MSG_PASSWORD_SET:
		b->did = (enum password_did)m->u.password_set.did;
		return;
	case MSG_PROGRESS:
		meter_progress(&b->meter, b->phone, &m->u.progress, mono_ms());
		by_hand_show(b);
		return;
	case MSG_REQUESTED:
		log_info("asked for the backup ms=%lld",
		    (long long)m->u.requested.ms);
		return;
	case MSG_KEPT:
		meter_kept(b->phone, &m->u.kept);
		return;
	case MSG_RESULT:
		b->result = m->u.result;
		b->has_result = true;
		return;
	case MSG_NONE:
	case MSG_START:
	case MSG_CANCEL:
	case MSG_PASSWORD:
	case MSG_ATTACHED:
	case MSG_DETACHED:
	case MSG_ALIVE:
	case MSG_ON_BUS:
	case MSG_SCRUBBED:
	case MSG_UNLOCKED:
	case MSG_SERVING:
	case MSG_COMMAND:
	case MSG_PIN:
	case MSG_MQTT:
	case MSG_SNTP:
	case MSG_HOOK:
	case MSG_EVENT:
	case MSG_EVENT_OVER:
	case MSG_TIME:
	case MSG_REPORT:
	case MSG_TLS:
	case MSG_SETTINGS:
	case MSG_DISK:
	case MSG_DISK_SMART:
	case MSG_DISK_DO:
	case MSG_WIFI_JOIN:
	case MSG_WIFI:
	case MSG_UPDATE:
	case MSG_UPLOAD:
	case MSG_UPLOAD_SAID:
	case MSG_STATUS:
	case MSG_TYPE_COUNT_:
		break;
	}
	log_warn("a message out of place type=%d", (int)m->type);
}

static void cancel(struct by_hand *b)
{
	struct msg m = { .type = MSG_CANCEL };

	if (b->interrupted)
		child_kill(&b->child); /* Ctrl-C twice */
	b->interrupted = true;
	terminal_clear(&b->term);
	fprintf(stderr, "nightstand: cancelling\n");
	if (msg_send(b->child.fd, &m))
		child_kill(&b->child);
	b->kill_ms = mono_ms() + CANCEL_MS;
}

void by_hand_turn(struct by_hand *b, struct msg *m)
{
	struct pollfd fds[2] = { { .fd = b->child.fd, .events = POLLIN },
		{ .fd = b->signals, .events = POLLIN } };
	struct signalfd_siginfo si;
	enum rc rc;

	if (poll(fds, 2, b->interrupted ? 500 : -1) < 0)
		return;
	if (fds[1].revents && read(b->signals, &si, sizeof(si)) > 0)
		cancel(b);
	if (b->interrupted && mono_ms() >= b->kill_ms)
		child_kill(&b->child);
	if (!fds[0].revents)
		return;
	rc = msg_recv(b->child.fd, m);
	if (!rc) {
		on_message(b, m);
		return;
	}
	if (rc != RC_GONE)
		child_kill(&b->child);
	close(b->child.fd);
	b->child.fd = -1;
}

void by_hand_follow(struct by_hand *b)
{
	static struct msg m;
	int status = 0;

	while (b->child.fd >= 0)
		by_hand_turn(b, &m);
	while (waitpid(b->child.pid, &status, 0) < 0 && errno == EINTR) {
		/* asked again */
	}
	child_note_exit(&b->child, b->child.pid, status);
	if (!b->has_result) {
		char why[64];

		child_words(&b->child, why, sizeof(why));
		log_error("the session ended without a result: %s", why);
		outcome_no_result(&b->result, "a part of this program ended");
	}
}

static bool take_signals(struct by_hand *b)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	if (sigprocmask(SIG_BLOCK, &set, NULL) != 0)
		return false;
	b->signals = signalfd(-1, &set, SFD_CLOEXEC);
	return b->signals >= 0;
}

int by_hand_begin(struct by_hand *b, const struct cli *cli)
{
	b->cli = cli;
	b->phone = &b->st.phones[0];
	b->st.n_phones = 1;
	b->phone->battery_pct = -1;
	b->phone->will_encrypt = -1;
	b->child = CHILD_NONE;
	b->driver = CHILD_NONE;
	b->signals = -1;
	terminal_init(&b->term, stdout);
	meter_reset(&b->meter, b->phone);
	/* What is told live needs no log beside it. */
	log_set_level(cli->has_log ? cli->config.log : LOG_LEVEL_ERROR);
	return take_signals(b) ? 0 : EXIT_FAULT;
}

void by_hand_end(struct by_hand *b)
{
	child_close(&b->driver);
	muxplan_close(&b->mux);
	if (b->signals >= 0)
		close(b->signals);
}
