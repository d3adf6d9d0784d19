#include "init.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/reboot.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "board.h"
#include "config.h"
#include "facts.h"
#include "last_run.h"
#include "log.h"
#include "modules.h"
#include "mono.h"
#include "mounter.h"
#include "uevent.h"
#include "wdog.h"

#define LOG_MODULE  "init"
#define PROGRAM     "/usr/bin/nightstand"
#define MODULES_DIR "/usr/lib/modules"
#define CARD_MS     10000 /* a slow card has answered by then */
#define WDOG_S      60
#define PEACE_MS    (10 * 60 * 1000) /* then earlier crashes are forgotten */
#define MEMORY_MS   20000 /* a box that has settled */
#define LOW_MS      5000 /* then it is looked at so often */
#define LOW_KB      8192 /* and told again when so much less is left */
#define TRIAL_S     240 /* for an update to say that it is well */
#define END_MS      10000 /* for the box to end in good order */

struct init {
	struct modules *modules; /* NULL: none */
	int uevents, signals; /* -1: none */
	struct init_card card;
	FILE *notices;
	struct config config;
	pid_t box; /* 0: does not run */
	int64_t began_ms, start_ms;
	int64_t trial_ms; /* this update's time is over; 0: none runs */
	int64_t memory_ms; /* the next look at it */
	unsigned long long low_kb; /* the least that was told to be left */
	unsigned crashes;
	int end; /* what reboot() is asked for; 0: go on */
};

/* --- mounts ------------------------------------------------------------------------ */

static void mount_system(void)
{
	static const struct {
		const char *type, *dir, *options;
		unsigned long flags;
	} all[] = {
		{ "proc", "/proc", NULL, MS_NOSUID | MS_NODEV | MS_NOEXEC },
		{ "sysfs", "/sys", NULL, MS_NOSUID | MS_NODEV | MS_NOEXEC },
		{ "devtmpfs", "/dev", "mode=0755", MS_NOSUID | MS_NOEXEC },
		{ "tmpfs", "/run", "mode=0755,size=16m",
		    MS_NOSUID | MS_NODEV | MS_NOEXEC },
		{ "tmpfs", "/tmp", "mode=1777,size=32m",
		    MS_NOSUID | MS_NODEV | MS_NOEXEC },
	};

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		if (mount(all[i].type, all[i].dir, all[i].type, all[i].flags,
			all[i].options) != 0)
			log_error("not mounted path=%s: %s", all[i].dir,
			    strerror(errno));
}

static void set_kernel(const char *path, const char *value)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return; /* this kernel has none of it */
	if (write(fd, value, strlen(value)) < 0)
		log_warn("not set path=%s: %s", path, strerror(errno));
	close(fd);
}

/* The page's network is lwIP's: the kernel is to say nothing on the LAN. */
static void silence_kernel(void)
{
	set_kernel("/proc/sys/net/ipv6/conf/all/disable_ipv6", "1");
	set_kernel("/proc/sys/net/ipv6/conf/default/disable_ipv6", "1");
	set_kernel("/proc/sys/kernel/printk", "4");
	set_kernel("/proc/sys/kernel/kptr_restrict", "2");
	set_kernel("/proc/sys/kernel/dmesg_restrict", "1");
}

/* --- devices ------------------------------------------------------------------------ */

static void take_uevents(struct init *in)
{
	struct uevent ev;
	enum rc rc = RC_OK;

	while (!rc && in->uevents >= 0 && in->modules) {
		rc = uevent_next(in->uevents, &ev);
		if (rc == RC_LIMIT) {
			modules_load_for_all(in->modules, "/sys");
			rc = RC_OK;
		} else if (!rc && ev.modalias[0] && !strcmp(ev.action, "add")) {
			modules_load_for(in->modules, ev.modalias);
		}
	}
}

static void wait_for_uevents(struct init *in, int ms)
{
	struct pollfd p = { .fd = in->uevents, .events = POLLIN };

	if (poll(&p, 1, ms) > 0)
		take_uevents(in);
}

/* What a driver finds (a bus, a hub) may want another driver: that comes as an
 * event, for which the box listens before it loads the first one. */
static void load_modules(struct init *in)
{
	enum rc rc = modules_open(MODULES_DIR, &in->modules);
	unsigned n;

	in->uevents = uevent_open();
	if (rc) {
		log_error("no kernel modules: %s", rc_words(rc));
		return;
	}
	n = modules_load_always(in->modules);
	n += modules_load_for_all(in->modules, "/sys");
	log_note("kernel modules loaded=%u", n);
	take_uevents(in);
}

/* A word of the kernel's command line. */
static bool was_told(const char *word)
{
	char line[2048];
	FILE *f = fopen("/proc/cmdline", "re");
	bool found = false;

	if (!f)
		return false;
	if (fgets(line, sizeof(line), f))
		for (char *save, *w = strtok_r(line, " \n", &save); w;
		     w = strtok_r(NULL, " \n", &save))
			found = found || !strcmp(w, word);
	fclose(f);
	return found;
}

/* "WORD=N" of the command line, else `otherwise`. */
static int told_number(const char *word, int otherwise)
{
	char line[2048];
	FILE *f = fopen("/proc/cmdline", "re");
	const char *at = NULL;

	if (f && fgets(line, sizeof(line), f))
		at = strstr(line, word);
	if (f)
		fclose(f);
	return at ? atoi(at + strlen(word)) : otherwise;
}

/* From here on the machine restarts itself unless the box takes over. */
static void arm_watchdog(struct init *in)
{
	struct wdog *w;

	if (was_told("nightstand.watchdog=off"))
		return;
	if (!facts_watchdog(
		"/sys", in->config.watchdog, sizeof(in->config.watchdog))) {
		log_note("this machine has no watchdog");
		return;
	}
	if (wdog_open(in->config.watchdog, WDOG_S, &w) == RC_OK)
		wdog_leave_armed(w);
}

static void find_card(struct init *in)
{
	int64_t end_ms = mono_ms() + CARD_MS;

	while (!init_card_find(&in->card) && mono_ms() < end_ms)
		wait_for_uevents(in, 250);
	if (in->card.disk[0])
		log_note("the card: %s", in->card.fat);
	else
		fprintf(in->notices, "No card was found at the start: nothing "
				     "outlives a restart\n");
}

/* --- settings ------------------------------------------------------------------------ */

static void choose_leds(struct config *c)
{
	for (unsigned i = 0; i < BOARD_LEDS && board.leds[i].ok; i++) {
		if (!facts_led("/sys", board.leds[i].ok) ||
		    (board.leds[i].alert[0] &&
			!facts_led("/sys", board.leds[i].alert)))
			continue;
		c->led = LED_BACKEND_SYSFS;
		snprintf(c->led_ok, sizeof(c->led_ok), "%s", board.leds[i].ok);
		snprintf(c->led_alert, sizeof(c->led_alert), "%s",
		    board.leds[i].alert);
		log_note("LED %s %s", c->led_ok, c->led_alert);
		return;
	}
	log_warn("this machine has no LED that the box knows");
}

static void read_settings(struct init *in)
{
	FILE *text = init_card_settings(&in->card, in->notices);

	if (!text)
		return;
	if (config_read_settings(
		&in->config, text, "SETTINGS.txt", in->notices))
		log_warn("SETTINGS.txt has mistakes; the rest of it counts");
	fclose(text);
}

static void write_config(struct init *in)
{
	struct config *c = &in->config;
	FILE *f = fopen(INIT_CONFIG, "we");

	snprintf(c->notices, sizeof(c->notices), "%s", INIT_NOTICES);
	snprintf(c->slots, sizeof(c->slots), "%s", INIT_SLOTS);
	c->disks = true;
	snprintf(c->boot_disk, sizeof(c->boot_disk), "%s", in->card.disk);
	if (!f) {
		log_error("no config for the box: %s", strerror(errno));
		return;
	}
	config_print(c, f);
	if (fclose(f) != 0)
		log_error("no config for the box: %s", strerror(errno));
}

/* They are told on the console, too, where somebody may be looking. */
static void tell_notices(struct init *in)
{
	char line[300];

	rewind(in->notices);
	while (fgets(line, sizeof(line), in->notices)) {
		line[strcspn(line, "\n")] = '\0';
		log_error("%s", line);
	}
	fclose(in->notices);
	in->notices = NULL;
}

/* --- an update ------------------------------------------------------------------------- */

/* Before anything else is begun. Does not return when an update is tried. */
static void look_at_slots(struct init *in)
{
	struct init_update u = { .known = false };
	bool trial = was_told(INIT_TRIAL);

	if (in->card.disk[0])
		init_update_look(&in->card, trial, in->notices, &u);
	if (u.leap) {
		sync();
		reboot(RB_KEXEC);
		log_error("the update was not started: %s", strerror(errno));
		reboot(RB_AUTOBOOT);
	}
	init_update_tell(&in->card, &u);
	if (trial)
		in->trial_ms =
		    mono_ms() +
		    1000LL * told_number("nightstand.trial_s=", TRIAL_S);
}

/* What did not say that it is well makes room for the former one. */
static void end_trial(struct init *in)
{
	in->trial_ms = 0;
	if (access(INIT_GOOD, F_OK) == 0)
		return;
	log_error("the update did not report that all is well: back to the "
		  "former version");
	in->end = RB_AUTOBOOT;
}

/* --- the box -------------------------------------------------------------------------- */

static void become_box(void)
{
	static char program[] = PROGRAM, run[] = "run", config[] = "--config";
	static char path[] = INIT_CONFIG;
	char *argv[] = { program, run, config, path, NULL };
	sigset_t none;

	setsid();
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	execv(argv[0], argv);
	_exit(127);
}

static void start_box(struct init *in)
{
	in->start_ms = 0;
	in->began_ms = mono_ms();
	in->box = fork();
	if (in->box == 0)
		become_box();
	if (in->box < 0) {
		log_error("the box can't be started: %s", strerror(errno));
		in->box = 0;
		in->start_ms = mono_ms() + 1000;
	}
}

static void box_ended(struct init *in, int status)
{
	int64_t now_ms = mono_ms();

	in->box = 0;
	if (in->end)
		return;
	if (now_ms - in->began_ms > PEACE_MS)
		in->crashes = 0;
	if (in->crashes < 6)
		in->crashes++;
	in->start_ms = now_ms + (500LL << in->crashes);
	if (WIFSIGNALED(status))
		log_error("the box ended: signal %d; again in %d s",
		    WTERMSIG(status), 1 << (in->crashes - 1));
	else
		log_error("the box ended: exit %d; again in %d s",
		    WEXITSTATUS(status), 1 << (in->crashes - 1));
}

static void reap(struct init *in)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		if (pid == in->box)
			box_ended(in, status);
}

/* How much of it a box takes that has settled, and when it has less left than
 * ever before. */
static void tell_memory(struct init *in)
{
	unsigned long long total = 0, available = 0, kb;
	char name[32];
	FILE *f = fopen("/proc/meminfo", "re");

	in->memory_ms = mono_ms() + LOW_MS;
	if (!f)
		return;
	while (fscanf(f, "%31[^:]: %llu kB\n", name, &kb) == 2) {
		if (!strcmp(name, "MemTotal"))
			total = kb;
		else if (!strcmp(name, "MemAvailable"))
			available = kb;
		else if (!strcmp(name, "Buffers"))
			break;
	}
	fclose(f);
	if (in->low_kb && available + LOW_KB >= in->low_kb)
		return;
	in->low_kb = available;
	log_note("memory total_kb=%llu available_kb=%llu", total, available);
}

/* --- the end --------------------------------------------------------------------------- */

static void take_signals(struct init *in)
{
	struct signalfd_siginfo si;

	while (read(in->signals, &si, sizeof(si)) == (ssize_t)sizeof(si)) {
		if (si.ssi_signo == SIGCHLD)
			reap(in);
		else if (si.ssi_signo == SIGUSR2)
			in->end = RB_POWER_OFF;
		else
			in->end = RB_AUTOBOOT;
	}
}

static void end_box(struct init *in)
{
	const struct timespec piece = { .tv_nsec = 20 * 1000 * 1000 };
	int64_t end_ms = mono_ms() + END_MS;

	if (in->box > 0)
		kill(in->box, SIGTERM);
	while (in->box > 0 && mono_ms() < end_ms) {
		nanosleep(&piece, NULL);
		reap(in);
	}
	kill(-1, SIGKILL);
}

static void end_machine(struct init *in)
{
	enum rc rc;

	log_note(
	    "%s", in->end == RB_POWER_OFF ? "switching off" : "restarting");
	end_box(in);
	rc = last_run_end(in->config.state, in->end == RB_POWER_OFF);
	if (rc)
		log_warn("not marked as ended: %s", rc_words(rc));
	mounter_leave(in->config.vault);
	mounter_leave(in->config.state);
	sync();
	reboot(in->end);
	log_error("the machine goes on: %s", strerror(errno));
	_exit(1); /* the kernel stops, and restarts by its panic= */
}

/* --- begin ------------------------------------------------------------------------------- */

static void open_signals(struct init *in)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigaddset(&set, SIGTERM); /* restart */
	sigaddset(&set, SIGINT); /* the kernel's Ctrl-Alt-Del: restart */
	sigaddset(&set, SIGUSR2); /* off */
	sigprocmask(SIG_BLOCK, &set, NULL);
	in->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	reboot(RB_DISABLE_CAD);
}

/* A machine without a console: what is opened next must not become where the
 * log goes. */
static void fill_standard_files(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDWR);
	while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd >= 0)
		close(fd);
}

static void begin(struct init *in)
{
	fill_standard_files();
	umask(022);
	setenv("PATH", "/usr/sbin:/usr/bin", 1);
	setenv("HOME", "/", 1);
	mount_system();
	log_set_tag("init");
	silence_kernel();
	open_signals(in);
	config_defaults(&in->config);
	in->notices = fopen(INIT_NOTICES, "w+e");
	load_modules(in);
	arm_watchdog(in);
	choose_leds(&in->config);
	find_card(in);
	look_at_slots(in);
	if (in->card.disk[0])
		read_settings(in);
	init_card_data(&in->card, in->config.state, in->notices);
	init_button(&in->config);
	init_look_back(in->config.state);
	if (in->card.disk[0])
		init_card_pin(&in->card, in->config.state, in->notices);
	write_config(in);
	tell_notices(in);
	start_box(in);
}

static int time_left(const struct init *in)
{
	int64_t at = in->start_ms;
	int64_t left;

	if (!at || in->memory_ms < at)
		at = in->memory_ms;
	if (in->trial_ms && (!at || in->trial_ms < at))
		at = in->trial_ms;
	left = at - mono_ms();
	return left > 0 ? (int)left : 0;
}

int init_main(void)
{
	static struct init in = { .uevents = -1, .signals = -1 };

	begin(&in);
	in.memory_ms = mono_ms() + MEMORY_MS;
	while (!in.end) {
		struct pollfd fds[] = {
			{ .fd = in.signals, .events = POLLIN },
			{ .fd = in.uevents, .events = POLLIN },
		};

		if (poll(fds, 2, time_left(&in)) < 0 && errno != EINTR)
			log_warn("poll: %s", strerror(errno));
		take_uevents(&in);
		take_signals(&in);
		if (in.start_ms && mono_ms() >= in.start_ms)
			start_box(&in);
		if (mono_ms() >= in.memory_ms)
			tell_memory(&in);
		if (in.trial_ms && mono_ms() >= in.trial_ms)
			end_trial(&in);
	}
	end_machine(&in);
	return 1;
}
