/*
 * The jails of session, scrub and watch as these enter them, tried from
 * within: each attempt in a process of its own.
 */
#include <errno.h>
#include <fcntl.h>
#include <libaio.h>
#include <linux/capability.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "jail.c" /* firmware is in no archive */
#include "jail_calls.c"
#undef LOG_MODULE
#include "mend.c"
#undef LOG_MODULE
#undef COPIES
#include "muxplan.c"
#undef LOG_MODULE
#include "role_jail.c"

#define SIGNAL 1000 /* and its number: how a process may end */

/* vault, state, and a folder that is neither. */
static char top[] = "/tmp/nightstand-role-XXXXXX";
static char vault[64], state[64], other[64], socket_path[80];
static int listener = -1;
static uid_t starter; /* whose files are to be what is made */

enum who {
	SESSION,
	SCRUB,
	PASSWORD,
	WATCH
};

static void enter(enum who who)
{
	struct role_jail j = { .vault = vault,
		.state = who == SCRUB ? "" : state,
		.has_phones = who != SCRUB,
		.has_child = who == PASSWORD };

	if (who == WATCH)
		role_jail_watch();
	else
		role_jail_vault(&j);
}

/* 0: `what` came true behind that door; 1: it did not; SIGNAL + n. */
static int tried(enum who who, bool (*what)(void))
{
	pid_t pid = fork();
	int status;

	assert_true(pid >= 0);
	if (pid == 0) {
		signal(SIGALRM, SIG_DFL);
		alarm(20);
		dup2(open("/dev/null", O_WRONLY), STDERR_FILENO);
		enter(who);
		_exit(what() ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFSIGNALED(status) ? SIGNAL + WTERMSIG(status)
				   : WEXITSTATUS(status);
}

static const char *in(const char *folder, const char *name)
{
	static char paths[4][160];
	static unsigned n;
	char *path = paths[n++ % 4];

	snprintf(path, sizeof(paths[0]), "%s/%s", folder, name);
	return path;
}

static bool make(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	bool ok = fd >= 0 && write(fd, "x", 1) == 1;

	if (fd >= 0)
		close(fd);
	return ok;
}

static bool has_calls(void)
{
#ifdef __SANITIZE_ADDRESS__
	return false;
#else
	return true;
#endif
}

static bool has_files(void)
{
	return landlock_version() >= 2;
}

/* --- what the work needs --------------------------------------------------------- */

static void *nothing(void *arg)
{
	return arg;
}

static bool start_thread(void)
{
	pthread_t t;

	return pthread_create(&t, NULL, nothing, NULL) == 0 &&
	       pthread_join(t, NULL) == 0;
}

static bool read_by_queue(void)
{
	io_context_t io = 0;

	return io_setup(4, &io) == 0 && io_destroy(io) == 0;
}

static bool vault_work(void)
{
	const struct timespec times[2] = { { .tv_sec = 5 }, { .tv_sec = 6 } };
	struct stat st;
	int fd;

	if (mkdir(in(vault, "a"), 0755) != 0 ||
	    mkdir(in(vault, "b"), 0755) != 0 || !make(in(vault, "a/file")) ||
	    rename(in(vault, "a/file"), in(vault, "b/moved")) != 0 ||
	    rename(in(vault, "b"), in(vault, "a/b")) != 0)
		return false;
	fd = open(in(vault, "a/b/moved"), O_RDWR | O_CLOEXEC);
	if (fd < 0 || flock(fd, LOCK_EX) != 0 || futimens(fd, times) != 0 ||
	    ftruncate(fd, 3) != 0 || fallocate(fd, 0, 0, 4096) != 0 ||
	    fdatasync(fd) != 0 || fsync(fd) != 0 || syncfs(fd) != 0 ||
	    fstat(fd, &st) != 0 || st.st_uid != starter)
		return false;
	close(fd);
	return unlink(in(vault, "a/b/moved")) == 0 &&
	       rmdir(in(vault, "a/b")) == 0 && rmdir(in(vault, "a")) == 0;
}

static bool read_of_others(void)
{
	return open(in(vault, "somebody"), O_RDWR | O_CLOEXEC) >= 0;
}

static bool copy_catalog(void)
{
	return make(in(state, "catalogs/x.tmp")) &&
	       rename(in(state, "catalogs/x.tmp"), in(state, "catalogs/x")) ==
		   0 &&
	       unlink(in(state, "catalogs/x")) == 0;
}

/* To the socket that the address says by then. */
static bool speak_to_phones(void)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	return muxplan_socket(a.sun_path, sizeof(a.sun_path)) && fd >= 0 &&
	       connect(fd, (struct sockaddr *)&a, sizeof(a)) == 0;
}

static bool fork_once(void)
{
	pid_t pid = fork();
	int status;

	if (pid == 0)
		_exit(7);
	return pid > 0 && waitpid(pid, &status, 0) == pid &&
	       WIFEXITED(status) && WEXITSTATUS(status) == 7;
}

static void the_work_can_be_done(void **s)
{
	(void)s;
	for (int who = SESSION; who <= PASSWORD; who++) {
		assert_int_equal(tried((enum who)who, vault_work), 0);
		assert_int_equal(tried((enum who)who, read_of_others), 0);
		assert_int_equal(tried((enum who)who, read_by_queue), 0);
		assert_int_equal(tried((enum who)who, start_thread), 0);
	}
	assert_int_equal(tried(SESSION, copy_catalog), 0);
	assert_int_equal(tried(SESSION, speak_to_phones), 0);
	assert_int_equal(tried(PASSWORD, speak_to_phones), 0);
	assert_int_equal(tried(PASSWORD, fork_once), 0);
	assert_int_equal(tried(WATCH, speak_to_phones), 0);
	assert_int_equal(tried(WATCH, start_thread), 0);
}

/* --- whom they are ---------------------------------------------------------------- */

/* What the kernel says of a process behind that door. */
static void facts_of(enum who who, char *out, size_t cap)
{
	char path[64], c;
	int fds[2], fd;
	ssize_t n;
	pid_t pid;

	assert_int_equal(pipe(fds), 0);
	pid = fork();
	if (pid == 0) {
		log_set_level(LOG_LEVEL_ERROR);
		alarm(20);
		enter(who);
		_exit(write(fds[1], "x", 1) != 1 || pause());
	}
	assert_int_equal(read(fds[0], &c, 1), 1);
	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	fd = open(path, O_RDONLY);
	n = read(fd, out, cap - 1);
	out[n > 0 ? n : 0] = '\0';
	close(fd);
	close(fds[0]);
	close(fds[1]);
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static void has_only(enum who who, const char *rights)
{
	static const char *const lines[] = { "\nCapPrm:", "\nCapEff:" };
	static char text[8192];
	unsigned uid[4], gid[4];
	char want[64];

	facts_of(who, text, sizeof(text));
	assert_int_equal(sscanf(strstr(text, "\nUid:"), "\nUid: %u %u %u %u",
			     &uid[0], &uid[1], &uid[2], &uid[3]),
	    4);
	assert_int_equal(sscanf(strstr(text, "\nGid:"), "\nGid: %u %u %u %u",
			     &gid[0], &gid[1], &gid[2], &gid[3]),
	    4);
	for (int i = 0; i < 3; i++) {
		assert_int_not_equal(uid[i], 0);
		assert_int_not_equal(gid[i], 0);
	}
	assert_int_equal(uid[3], 0); /* in files only */
	for (size_t i = 0; i < COUNT(lines); i++) {
		snprintf(want, sizeof(want), "%s\t%s\n", lines[i], rights);
		assert_non_null(strstr(text, want));
	}
	assert_non_null(strstr(text, "\nCapInh:\t0000000000000000\n"));
	assert_non_null(strstr(text, "\nNoNewPrivs:\t1\n"));
	assert_non_null(strstr(text, "\nGroups:\t \n"));
	if (has_calls())
		assert_non_null(strstr(text, "\nSeccomp:\t2\n"));
}

static bool be_root(void)
{
	return setuid(0) == 0 || seteuid(0) == 0;
}

static void none_is_root(void **s)
{
	const char *opens_all = "0000000000000002"; /* CAP_DAC_OVERRIDE */

	(void)s;
	if (geteuid() != 0)
		skip();
	has_only(SESSION, opens_all);
	has_only(SCRUB, opens_all);
	has_only(PASSWORD, opens_all);
	has_only(WATCH, "0000000000000000");
	assert_int_equal(tried(SESSION, be_root), 1);
	assert_int_equal(tried(WATCH, be_root), 1);
	/* A folder of somebody else's, which root alone may enter beside them. */
	assert_int_equal(chown(state, 1234, 1234), 0);
	has_only(WATCH, opens_all);
	assert_int_equal(tried(WATCH, speak_to_phones), 0);
	assert_int_equal(chown(state, 0, 0), 0);
}

/* --- what is none of their work ---------------------------------------------------- */

static bool open_shadow(void)
{
	return open("/etc/shadow", O_RDONLY) >= 0;
}

static bool open_passwd(void)
{
	return open("/etc/passwd", O_RDONLY) >= 0;
}

static bool list_root(void)
{
	return open("/", O_RDONLY | O_DIRECTORY) >= 0;
}

static bool make_outside(void)
{
	return make(in(other, "made"));
}

static bool write_outside(void)
{
	return open(in(other, "there"), O_WRONLY) >= 0;
}

static bool move_out(void)
{
	return make(in(vault, "stays")) &&
	       rename(in(vault, "stays"), in(other, "moved")) == 0;
}

static bool remove_outside(void)
{
	return unlink(in(other, "there")) == 0;
}

static bool read_pin(void)
{
	return open(in(state, "PIN.txt"), O_RDONLY) >= 0;
}

static bool change_settings(void)
{
	return make(in(state, "settings.ini"));
}

static bool read_records(void)
{
	return open(in(state, "lockdown/record"), O_RDONLY) >= 0;
}

static bool read_vault(void)
{
	return open(in(vault, "somebody"), O_RDONLY) >= 0;
}

static void no_other_file_is_touched(void **s)
{
	static bool (*const all[])(void) = { open_shadow, open_passwd,
		list_root, make_outside, write_outside, move_out,
		remove_outside, read_pin, change_settings, read_records };

	(void)s;
	if (!has_files())
		skip();
	for (int who = SESSION; who <= WATCH; who++)
		for (size_t i = 0; i < COUNT(all); i++)
			assert_int_equal(tried((enum who)who, all[i]), 1);
	assert_int_equal(tried(WATCH, read_vault), 1);
	assert_int_equal(access(in(other, "there"), F_OK), 0);
	assert_int_equal(access(in(other, "made"), F_OK), -1);
}

static bool change_mode(void)
{
	return chmod(in(vault, "somebody"), 04755) == 0;
}

static bool change_owner(void)
{
	return chown(in(vault, "somebody"), 0, 0) == 0;
}

static bool cut_by_name(void)
{
	return truncate(in(other, "there"), 0) == 0;
}

static bool make_link(void)
{
	return symlink("/etc/shadow", in(vault, "link")) == 0;
}

static bool make_hard_link(void)
{
	return link(in(other, "there"), in(vault, "link")) == 0;
}

static bool make_device(void)
{
	return mknod(in(vault, "null"), S_IFCHR | 0666, 0x103) == 0;
}

static bool inet_socket(void)
{
	return socket(AF_INET, SOCK_STREAM, 0) >= 0;
}

static bool netlink_socket(void)
{
	return socket(AF_NETLINK, SOCK_RAW, 0) >= 0;
}

static bool unix_socket(void)
{
	return socket(AF_UNIX, SOCK_STREAM, 0) >= 0;
}

static bool listen_there(void)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	snprintf(a.sun_path, sizeof(a.sun_path), "%s/mine", vault);
	return bind(fd, (struct sockaddr *)&a, sizeof(a)) == 0;
}

static bool kill_parent(void)
{
	return kill(getppid(), 0) == 0;
}

static bool start_clock(void)
{
	const struct timespec ts = { .tv_sec = 1 };

	return clock_settime(CLOCK_REALTIME, &ts) == 0;
}

static bool run_program(void)
{
	execl("/bin/true", "true", (char *)NULL);
	return true;
}

static bool mount_there(void)
{
	return mount("none", vault, "tmpfs", 0, NULL) == 0;
}

static void no_other_call_is_made(void **s)
{
	static bool (*const all[])(void) = { change_mode, change_owner,
		cut_by_name, make_link, make_hard_link, make_device,
		inet_socket, netlink_socket, listen_there, kill_parent,
		start_clock, be_root };

	(void)s;
	if (!has_calls())
		skip();
	for (int who = SESSION; who <= WATCH; who++) {
		for (size_t i = 0; i < COUNT(all); i++)
			assert_int_equal(tried((enum who)who, all[i]), 1);
		assert_int_equal(
		    tried((enum who)who, run_program), SIGNAL + SIGSYS);
		assert_int_equal(
		    tried((enum who)who, mount_there), SIGNAL + SIGSYS);
	}
	assert_int_equal(tried(SCRUB, unix_socket), 1);
	assert_int_equal(tried(SESSION, fork_once), 1);
	assert_int_equal(tried(SCRUB, fork_once), 1);
	assert_int_equal(tried(WATCH, fork_once), 1);
}

/* --- a refused call is told ---------------------------------------------------------- */

static void the_log_says_which_call(void **s)
{
	char text[512] = "", want[32];
	int fds[2], status;
	pid_t pid;
	ssize_t n;

	(void)s;
	if (!has_calls())
		skip();
	assert_int_equal(pipe(fds), 0);
	pid = fork();
	if (pid == 0) {
		dup2(fds[1], STDERR_FILENO);
		log_set_level(LOG_LEVEL_ERROR);
		enter(SESSION);
		errno = 0;
		if (chmod(vault, 0777) == 0 || errno != EPERM ||
		    chmod(vault, 0777) == 0)
			_exit(1);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	n = read(fds[0], text, sizeof(text) - 1);
	assert_true(n > 0);
#ifdef SYS_chmod
	snprintf(want, sizeof(want), "refused call=%d\n", SYS_chmod);
#else
	snprintf(want, sizeof(want), "refused call=%d\n", SYS_fchmodat);
#endif
	assert_non_null(strstr(text, want));
	assert_null(strstr(strstr(text, want) + 1, want)); /* once */
	close(fds[0]);
	close(fds[1]);
}

/* --- copies of catalogues --------------------------------------------------------------- */

static void old_copies_are_moved(void **s)
{
	(void)s;
	assert_true(make(in(state, "UDID-1234.catalog.db")));
	assert_true(make(in(state, ".catalog.db")));
	mend_prepare(state);
	mend_prepare("");
	assert_int_equal(access(in(state, "UDID-1234.catalog.db"), F_OK), -1);
	assert_int_equal(
	    access(in(state, "catalogs/UDID-1234.catalog.db"), F_OK), 0);
	assert_int_equal(access(in(state, ".catalog.db"), F_OK), 0);
	assert_int_equal(access(in(state, "PIN.txt"), F_OK), 0);
}

/* --- the folders ------------------------------------------------------------------------- */

static int make_folders(void **s)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };

	(void)s;
	starter = geteuid();
	if (!mkdtemp(top))
		return 1;
	snprintf(vault, sizeof(vault), "%s/vault", top);
	snprintf(state, sizeof(state), "%s/state", top);
	snprintf(other, sizeof(other), "%s/other", top);
	snprintf(socket_path, sizeof(socket_path), "%s/" MUXPLAN_SOCKET, state);
	if (mkdir(vault, 0755) || mkdir(state, 0700) || mkdir(other, 0777) ||
	    mkdir(in(state, "lockdown"), 0755) ||
	    !make(in(state, "lockdown/record")) ||
	    !make(in(state, "PIN.txt")) || !make(in(vault, "somebody")) ||
	    !make(in(other, "there")))
		return 1;
	/* As a vault that was made on somebody's PC. */
	if (geteuid() == 0 && chown(in(vault, "somebody"), 1234, 1234))
		return 1;
	mend_prepare(state);
	listener = socket(AF_UNIX, SOCK_STREAM, 0);
	snprintf(a.sun_path, sizeof(a.sun_path), "%s", socket_path);
	return listener < 0 ||
	       bind(listener, (struct sockaddr *)&a, sizeof(a)) ||
	       chmod(socket_path, 0600) || listen(listener, 64) ||
	       muxplan_use(socket_path);
}

static int remove_folders(void **s)
{
	char command[128];

	(void)s;
	close(listener);
	snprintf(command, sizeof(command), "rm -r %s", top);
	return system(command);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_work_can_be_done),
		cmocka_unit_test(none_is_root),
		cmocka_unit_test(no_other_file_is_touched),
		cmocka_unit_test(no_other_call_is_made),
		cmocka_unit_test(the_log_says_which_call),
		cmocka_unit_test(old_copies_are_moved),
	};

	return cmocka_run_group_tests(tests, make_folders, remove_folders);
}
