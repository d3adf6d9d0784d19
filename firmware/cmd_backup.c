/*
 * `nightstand backup`: one backup of one phone, for a PC. A loop of its own
 * around one session process; no page, no machine, no second try.
 */
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

#include "child.h"
#include "cmd.h"
#include "disk.h"
#include "disk_words.h"
#include "log.h"
#include "meter.h"
#include "mono.h"
#include "muxplan.h"
#include "outcome.h"
#include "terminal.h"
#include "usbmux.h"
#include "words.h"

#define LOG_MODULE "backup"

/* After Ctrl-C the phone is told; one that does not listen is left. */
#define CANCEL_MS 10000

struct backup {
	const struct cli *cli;
	struct status st;
	struct status_phone *phone; /* st.phones[0] */
	struct meter meter;
	struct terminal term;
	struct child child;
	struct muxplan mux;
	struct child driver; /* of our own, if it is that */
	int signals; /* signalfd */
	struct msg_result result;
	bool has_result;
	bool interrupted;
	bool driver_ended;
	int64_t began_ms, kill_ms;
};

static void show(struct backup *b)
{
	b->st.now_at = (int64_t)time(NULL);
	terminal_show(&b->term, &b->st);
}

/* "nightstand: headline. sentence (code)" */
static void complain(struct backup *b)
{
	struct words w;

	terminal_clear(&b->term);
	fflush(b->term.out);
	b->st.now_at = (int64_t)time(NULL);
	words_phone(&b->st, 0, &w);
	fprintf(stderr, "nightstand: %s. %s%s%s%s\n", w.headline, w.sentence,
	    w.small[0] ? " (" : "", w.small, w.small[0] ? ")" : "");
}

static int fail(struct backup *b, enum status_state state, const char *why,
    enum exit_status code)
{
	b->phone->state = state;
	snprintf(b->phone->detail, sizeof(b->phone->detail), "%s", why);
	complain(b);
	return (int)code;
}

/* What its format can do, and what it costs: told before the first night. */
static int try_disk(struct backup *b)
{
	const char *dir = b->cli->config.vault;
	struct fsprobe p;
	char words[256];
	enum rc rc = fsprobe(dir, 0, &p);

	if (rc == RC_READONLY)
		return fail(b, STATE_DISK_READONLY, p.why, EXIT_DISK_UNFIT);
	if (rc == RC_UNSUPPORTED)
		return fail(b, STATE_DISK_UNFIT, p.why, EXIT_DISK_UNFIT);
	/* A full or failing one ends the session in its own words. */
	if (!rc && disk_words_wasteful(&p) && !disk_words_files(dir)) {
		disk_words_waste(&p, 0, words, sizeof(words));
		fprintf(b->term.out, "%s\n", words);
	}
	return 0;
}

static int check_disk(struct backup *b)
{
	const char *dir = b->cli->config.vault;
	struct disk d;

	if (!dir[0]) {
		fprintf(stderr, "nightstand: no disk: say --vault DIR\n");
		return EXIT_USAGE;
	}
	disk_probe(dir, &d);
	switch (d.state) {
	case DISK_FIT:
		return try_disk(b);
	case DISK_MISSING:
		fprintf(stderr,
		    "nightstand: No disk. There is no folder %s; plug the disk "
		    "in or make the folder.\n",
		    dir);
		return EXIT_NO_DISK;
	case DISK_READONLY:
		return fail(b, STATE_DISK_READONLY, d.why, EXIT_DISK_UNFIT);
	case DISK_UNFIT:
		return fail(b, STATE_DISK_UNFIT, d.why, EXIT_DISK_UNFIT);
	case DISK_FAILING:
		return fail(b, STATE_DISK_FAILING, d.why, EXIT_DISK);
	}
	return EXIT_FAULT;
}

/* --- waiting for a phone --------------------------------------------------- */

static void on_device(void *ctx, const struct usbmux_event *ev)
{
	const int *fd = ctx;

	/* A pipe takes so small a thing whole; nobody reads: no matter. */
	if (write(*fd, ev, sizeof(*ev)) < 0)
		log_warn("a device was not told of: %s", strerror(errno));
}

static bool is_wanted(const struct backup *b, const char *udid)
{
	if (!config_may_backup(&b->cli->config, udid))
		return false;
	return !b->cli->udid[0] || !strcmp(b->cli->udid, udid);
}

/* What the driver or usbmuxd's follower has told. */
static bool read_device(struct backup *b, int fd)
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
	if (m.type != MSG_ATTACHED || !is_wanted(b, m.u.device.udid))
		return false;
	snprintf(b->phone->udid, sizeof(b->phone->udid), "%s", m.u.device.udid);
	return true;
}

/* Waits at most ms for a wanted phone; false: not yet. */
static bool wait_device(struct backup *b, int fd, int ms)
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

static void say_waiting(struct backup *b, bool has_mux)
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

static bool find_phone(struct backup *b)
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

/* --- the session ------------------------------------------------------------ */

static enum rc start_session(struct backup *b)
{
	const struct config *c = &b->cli->config;
	struct msg m = { .type = MSG_START };
	enum rc rc = child_start(&b->child, "session", NULL, -1, true);

	if (rc)
		return rc;
	m.u.start = (struct msg_start){
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
	snprintf(m.u.start.udid, sizeof(m.u.start.udid), "%s", b->phone->udid);
	snprintf(
	    m.u.start.vault_dir, sizeof(m.u.start.vault_dir), "%s", c->vault);
	snprintf(
	    m.u.start.state_dir, sizeof(m.u.start.state_dir), "%s", c->state);
	return msg_send(b->child.fd, &m);
}

static void on_message(struct backup *b, const struct msg *m)
{
	switch (m->type) {
	case MSG_PHONE:
		meter_phone(b->phone, &m->u.phone);
		return;
	case MSG_PHASE:
		meter_phase(
		    &b->meter, b->phone, (enum msg_phase)m->u.step.phase);
		b->phone->state = meter_state((enum msg_phase)m->u.step.phase);
		if (b->phone->state != STATE_SEEN)
			show(b);
		return;
	case MSG_PROGRESS:
		meter_progress(&b->meter, b->phone, &m->u.progress, mono_ms());
		show(b);
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
	case MSG_ATTACHED:
	case MSG_DETACHED:
	case MSG_SCRUBBED:
	case MSG_UNLOCKED:
	case MSG_SERVING:
	case MSG_COMMAND:
	case MSG_PIN:
	case MSG_MQTT:
	case MSG_REPORT:
	case MSG_STATUS:
	case MSG_TYPE_COUNT_:
		break;
	}
	log_warn("a message out of place type=%d", (int)m->type);
}

static void cancel(struct backup *b)
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

static void turn(struct backup *b, struct msg *m)
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

/* Until the session's process has ended, which gives the vault free. */
static void follow(struct backup *b)
{
	static struct msg m;
	int status = 0;

	while (b->child.fd >= 0)
		turn(b, &m);
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

/* Safe, and yet something that a person should look at. */
static void tell_loss(struct backup *b)
{
	struct words w;

	status_tell_loss(b->phone);
	if (b->phone->state != STATE_SHRUNK)
		return;
	words_phone(&b->st, 0, &w);
	fprintf(stderr, "nightstand: %s. %s\n", w.headline, w.sentence);
}

static int conclude(struct backup *b)
{
	struct outcome o = outcome_of(&b->result);
	char where[512];

	meter_result(b->phone, &b->result);
	b->phone->state = o.state;
	if (o.state == STATE_SAFE && b->phone->damaged_files) {
		/* Committed; but older files of it did not come again. */
		b->phone->state = STATE_DAMAGED;
		complain(b);
		return EXIT_DAMAGED;
	}
	if (o.state == STATE_SAFE) {
		b->phone->attached = true;
		snprintf(where, sizeof(where), "%s/Nightstand/%s/latest/%s",
		    b->cli->config.vault, b->phone->udid, b->phone->udid);
		b->st.now_at = (int64_t)time(NULL);
		terminal_summary(
		    &b->term, &b->st, where, (mono_ms() - b->began_ms) / 1000);
		tell_loss(b);
		return EXIT_DONE;
	}
	if (b->interrupted) {
		terminal_clear(&b->term);
		fprintf(stderr, "nightstand: Cancelled. Earlier backups are "
				"untouched; the next one goes on from here.\n");
		return EXIT_INTERRUPTED;
	}
	complain(b);
	return (int)o.exit;
}

static bool take_signals(struct backup *b)
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

static int start_driver(struct backup *b)
{
	if (muxplan_make(&b->cli->config, &b->mux))
		return EXIT_CONFIG;
	if (b->mux.own &&
	    child_start(&b->driver, "usbmux", b->mux.args, -1, true))
		return EXIT_FAULT;
	return 0;
}

static int backup_phone(struct backup *b)
{
	if (!find_phone(b)) {
		if (b->interrupted)
			return EXIT_INTERRUPTED;
		if (b->driver_ended) {
			fprintf(stderr,
			    "nightstand: iPhones on USB can't be spoken to "
			    "(above is why): say sudo, or install usbmuxd.\n");
			return EXIT_FAULT;
		}
		fprintf(stderr, "nightstand: No iPhone came. Plug one in, and "
				"unlock it.\n");
		return EXIT_NO_PHONE;
	}
	b->began_ms = mono_ms();
	if (start_session(b)) {
		child_close(&b->child);
		return EXIT_FAULT;
	}
	follow(b);
	return conclude(b);
}

int cmd_backup(const struct cli *cli)
{
	static struct backup b;
	int code;

	b.cli = cli;
	b.phone = &b.st.phones[0];
	b.st.n_phones = 1;
	b.phone->battery_pct = -1;
	b.child = CHILD_NONE;
	b.driver = CHILD_NONE;
	terminal_init(&b.term, stdout);
	meter_reset(&b.meter, b.phone);
	/* What is told live needs no log beside it. */
	log_set_level(cli->has_log ? cli->config.log : LOG_LEVEL_ERROR);
	code = check_disk(&b);
	if (code)
		return code;
	if (!take_signals(&b))
		return EXIT_FAULT;
	code = start_driver(&b);
	if (!code)
		code = backup_phone(&b);
	child_close(&b.driver);
	muxplan_close(&b.mux);
	close(b.signals);
	return code;
}
