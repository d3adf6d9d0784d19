#include "wifi.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "log.h"
#include "mono.h"

#define LOG_MODULE "wifi"
#define START_MS   10000
#define ANSWER_MS  3000
#define OUR_SOCKET "box"
#define NOBODY     65534

/* --- its process ------------------------------------------------------------------- */

/* Of root's rights: to drive the interface, and frames of its own (EAPOL). */
static bool keep_rights(void)
{
	const unsigned rights[] = { CAP_NET_ADMIN, CAP_NET_RAW };
	struct __user_cap_header_struct head = {
		.version = _LINUX_CAPABILITY_VERSION_3
	};
	struct __user_cap_data_struct data[2] = { 0 };

	for (unsigned i = 0; i < 2; i++)
		data[0].effective |= 1u << rights[i];
	data[0].permitted = data[0].inheritable = data[0].effective;
	if (syscall(SYS_capset, &head, data) != 0)
		return false;
	for (unsigned i = 0; i < 2; i++)
		if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, rights[i], 0,
			0) != 0)
			return false;
	return true;
}

static void ids_of(const char *user, uid_t *uid, gid_t *gid)
{
	const struct passwd *pw = getpwnam(user);

	*uid = pw && pw->pw_uid ? pw->pw_uid : NOBODY;
	*gid = pw && pw->pw_gid ? pw->pw_gid : NOBODY;
}

static bool become(const char *user)
{
	uid_t uid;
	gid_t gid;

	if (geteuid() != 0)
		return true; /* it is somebody already */
	ids_of(user, &uid, &gid);
	return prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) == 0 &&
	       setgroups(0, NULL) == 0 && setresgid(gid, gid, gid) == 0 &&
	       setresuid(uid, uid, uid) == 0 && keep_rights();
}

/* No rights by exec, few files, no memory for others to read, no core. */
static bool confine(void)
{
	const struct rlimit files = { 64, 64 }, none = { 0, 0 };

	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
	       setrlimit(RLIMIT_NOFILE, &files) == 0 &&
	       setrlimit(RLIMIT_CORE, &none) == 0;
}

static void become_supplicant(const struct wifi_opts *o, pid_t parent)
{
	char program[128], interface[32], dir[64];
	char no_debug[] = "-qq", driver[] = "-Dnl80211";
	char *argv[] = { program, no_debug, driver, interface, dir, NULL };
	sigset_t none;

	snprintf(program, sizeof(program), "%s", o->program);
	snprintf(interface, sizeof(interface), "-i%s", o->interface);
	snprintf(dir, sizeof(dir), "-C%s", o->dir);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	/* What it says must not become a line of ours. */
	if (dup2(STDIN_FILENO, STDOUT_FILENO) < 0 ||
	    dup2(STDIN_FILENO, STDERR_FILENO) < 0 ||
	    close_range(STDERR_FILENO + 1, ~0U, 0) != 0 || !become(o->user) ||
	    !confine() || prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) != 0 ||
	    getppid() != parent)
		_exit(126);
	execv(argv[0], argv);
	_exit(127);
}

/* --- the control socket ------------------------------------------------------------- */

static enum rc make_dir(const struct wifi_opts *o)
{
	uid_t uid;
	gid_t gid;

	if (mkdir(o->dir, 0700) != 0 && errno != EEXIST)
		return rc_from_errno(errno);
	ids_of(o->user, &uid, &gid);
	if (geteuid() == 0 && chown(o->dir, uid, gid) != 0)
		return rc_from_errno(errno);
	return RC_OK;
}

static bool address(struct sockaddr_un *a, const char *dir, const char *name)
{
	int n;

	memset(a, 0, sizeof(*a));
	a->sun_family = AF_UNIX;
	n = snprintf(a->sun_path, sizeof(a->sun_path), "%s/%s", dir, name);
	return n > 0 && (size_t)n < sizeof(a->sun_path);
}

/* It answers to a socket with a name, which it has to be allowed to write. */
static enum rc open_socket(const struct wifi_opts *o, int *out)
{
	struct sockaddr_un a;
	int fd;

	if (!address(&a, o->dir, OUR_SOCKET))
		return RC_CONFIG;
	unlink(a.sun_path);
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return rc_from_errno(errno);
	if (bind(fd, (struct sockaddr *)&a, sizeof(a)) != 0 ||
	    chmod(a.sun_path, 0666) != 0) {
		enum rc rc = rc_from_errno(errno);

		close(fd);
		return rc;
	}
	*out = fd;
	return RC_OK;
}

static bool has_ended(struct wifi *w)
{
	int status;

	if (w->pid <= 0 || waitpid(w->pid, &status, WNOHANG) != w->pid)
		return false;
	w->pid = 0;
	log_error("wpa_supplicant ended: %s %d",
	    WIFEXITED(status) ? "exit" : "signal",
	    WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status));
	return true;
}

static enum rc connect_it(const struct wifi_opts *o, struct wifi *w)
{
	int64_t end_ms = mono_ms() + START_MS;
	struct sockaddr_un a;

	if (!address(&a, o->dir, o->interface))
		return RC_CONFIG;
	while (connect(w->fd, (struct sockaddr *)&a, sizeof(a)) != 0) {
		if (has_ended(w))
			return RC_NOTFOUND;
		if (mono_ms() >= end_ms)
			return RC_TIMEOUT;
		(void)poll(NULL, 0, 50);
	}
	return RC_OK;
}

/* One datagram; 0: none. */
static size_t receive(struct wifi *w, char line[WIFI_LINE_MAX])
{
	ssize_t n = recv(w->fd, line, WIFI_LINE_MAX - 1, MSG_DONTWAIT);

	if (n <= 0)
		return 0;
	line[n] = '\0';
	return (size_t)n;
}

static bool is_event(const char *line)
{
	return line[0] == '<';
}

/* Events that come before the answer count. */
static enum rc ask(struct wifi *w, const char *command)
{
	int64_t end_ms = mono_ms() + ANSWER_MS;
	char line[WIFI_LINE_MAX];

	if (send(w->fd, command, strlen(command), MSG_NOSIGNAL) < 0)
		return RC_IO;
	for (;;) {
		struct pollfd p = { .fd = w->fd, .events = POLLIN };
		int64_t left = end_ms - mono_ms();

		if (left <= 0)
			return RC_TIMEOUT;
		if (poll(&p, 1, (int)left) <= 0 || !receive(w, line))
			continue;
		if (!is_event(line))
			break;
		(void)wifi_event_take(&w->now, line);
	}
	/* ADD_NETWORK is answered by a number. */
	return !strncmp(line, "OK", 2) || !strcmp(line, "0\n") ? RC_OK
							       : RC_PROTO;
}

enum rc wifi_open(const struct wifi_opts *opts, struct wifi *w)
{
	pid_t parent = getpid();
	enum rc rc = make_dir(opts);

	*w = (struct wifi){ .fd = -1,
		.now = { .state = STATUS_WIFI_SEARCHING } };
	if (!rc)
		rc = open_socket(opts, &w->fd);
	if (rc)
		return rc;
	w->pid = fork();
	if (w->pid == 0)
		become_supplicant(opts, parent);
	rc = w->pid < 0 ? RC_NOMEM : connect_it(opts, w);
	if (!rc)
		rc = ask(w, "ATTACH");
	if (rc)
		wifi_close(w);
	return rc;
}

void wifi_close(struct wifi *w)
{
	if (w->fd >= 0)
		close(w->fd);
	w->fd = -1;
	if (w->pid <= 0)
		return;
	kill(w->pid, SIGKILL);
	waitpid(w->pid, NULL, 0);
	w->pid = 0;
}

/* --- what is asked of it ------------------------------------------------------------ */

static enum rc set_password(struct wifi *w, const char *password)
{
	char command[128];
	enum rc rc = RC_CONFIG;

	if (!password[0])
		return ask(w, "SET_NETWORK 0 key_mgmt NONE");
	if (wifi_set_quoted(command, sizeof(command), "psk", password))
		rc = ask(w, command);
	explicit_bzero(command, sizeof(command));
	if (!rc)
		rc =
		    ask(w, "SET_NETWORK 0 key_mgmt WPA-PSK WPA-PSK-SHA256 SAE");
	/* Frames that manage the link are protected where both can. */
	return rc ? rc : ask(w, "SET_NETWORK 0 ieee80211w 1");
}

static enum rc set_country(struct wifi *w, const char *country)
{
	char command[32];

	if (!country[0])
		return RC_OK;
	snprintf(command, sizeof(command), "SET country %s", country);
	return ask(w, command);
}

enum rc wifi_join(
    struct wifi *w, const char *name, const char *password, const char *country)
{
	char command[128];
	enum rc rc = set_country(w, country);

	if (rc)
		log_warn(
		    "the country %s is not taken: %s", country, rc_words(rc));
	if (!wifi_set_hex(command, sizeof(command), "ssid", name))
		return RC_CONFIG;
	rc = ask(w, "ADD_NETWORK");
	if (!rc)
		rc = ask(w, command);
	/* One that does not tell its name is asked by it. */
	if (!rc)
		rc = ask(w, "SET_NETWORK 0 scan_ssid 1");
	if (!rc)
		rc = set_password(w, password);
	return rc ? rc : ask(w, "ENABLE_NETWORK 0");
}

enum rc wifi_read(struct wifi *w, bool *changed)
{
	char line[WIFI_LINE_MAX];

	*changed = false;
	while (receive(w, line))
		*changed |= is_event(line) ? wifi_event_take(&w->now, line)
					   : wifi_event_signal(&w->now, line);
	return errno == EAGAIN ? RC_OK : RC_IO;
}

enum rc wifi_ask_signal(struct wifi *w)
{
	static const char command[] = "SIGNAL_POLL";

	return send(w->fd, command, sizeof(command) - 1, MSG_NOSIGNAL) < 0
		   ? RC_IO
		   : RC_OK;
}
