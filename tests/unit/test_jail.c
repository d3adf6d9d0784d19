/*
 * The jail, tried from within: each attempt in a process of its own that
 * enters it first.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "jail.c" /* firmware is in no archive */
#include "jail_calls.c"

static int pipe_fds[2];

/* How a process ends that enters the jail and then does `what`: its exit
 * status (0: that was possible), or 1000 and the signal. */
static int tried_in(const struct jail_opts *opts, bool (*what)(void))
{
	pid_t pid;
	int status;

	assert_int_equal(pipe(pipe_fds), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		struct jail j;

		signal(SIGALRM, SIG_DFL);
		alarm(20);
		log_set_level(LOG_LEVEL_ERROR);
		jail_enter_with(opts, &j);
		_exit(what() ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	close(pipe_fds[0]);
	close(pipe_fds[1]);
	return WIFSIGNALED(status) ? 1000 + WTERMSIG(status)
				   : WEXITSTATUS(status);
}

static int tried(bool (*what)(void))
{
	return tried_in(&(struct jail_opts){ .user = "nightstand-web" }, what);
}

static bool open_passwd(void)
{
	return open("/etc/passwd", O_RDONLY) >= 0;
}

static bool list_root(void)
{
	return open("/", O_RDONLY | O_DIRECTORY) >= 0;
}

static bool make_file(void)
{
	return open("/tmp/out-of-jail", O_WRONLY | O_CREAT, 0600) >= 0;
}

static bool new_socket(void)
{
	return socket(AF_INET, SOCK_STREAM, 0) >= 0;
}

static bool unix_socket(void)
{
	return socket(AF_UNIX, SOCK_STREAM, 0) >= 0;
}

static bool kill_parent(void)
{
	return kill(getppid(), 0) == 0;
}

static bool run_program(void)
{
	execl("/bin/true", "true", (char *)NULL);
	return true;
}

static bool make_process(void)
{
	return fork() >= 0;
}

static bool be_root(void)
{
	return setuid(0) == 0 || seteuid(0) == 0;
}

static bool its_own_work(void)
{
	struct timespec ts;
	char c = 'x';
	void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	time_t now = time(NULL);
	struct tm tm;

	return p != MAP_FAILED && write(pipe_fds[1], &c, 1) == 1 &&
	       read(pipe_fds[0], &c, 1) == 1 &&
	       clock_gettime(CLOCK_MONOTONIC, &ts) == 0 &&
	       localtime_r(&now, &tm) != NULL;
}

static bool have_calls(void)
{
#ifdef __SANITIZE_ADDRESS__
	return false;
#else
	return true;
#endif
}

static bool have_files(void)
{
	return syscall(SYS_landlock_create_ruleset, NULL, 0, 1) > 0;
}

static void the_loop_can_work(void **state)
{
	(void)state;
	assert_int_equal(tried(its_own_work), 0);
}

static void no_file_can_be_opened(void **state)
{
	(void)state;
	if (!have_calls() && !have_files())
		skip();
	assert_int_equal(tried(open_passwd), 1);
	assert_int_equal(tried(list_root), 1);
	assert_int_equal(tried(make_file), 1);
	assert_int_equal(access("/tmp/out-of-jail", F_OK), -1);
}

static void nothing_else_can_be_reached(void **state)
{
	(void)state;
	if (!have_calls())
		skip();
	assert_int_equal(tried(new_socket), 1);
	assert_int_equal(tried(unix_socket), 1);
	assert_int_equal(tried(kill_parent), 1);
	assert_int_equal(tried(run_program), 1000 + SIGSYS);
	assert_int_equal(tried(make_process), 1000 + SIGSYS);
}

static void nobody_becomes_root_again(void **state)
{
	(void)state;
	if (geteuid() != 0)
		skip();
	assert_int_equal(tried(be_root), 1);
}

/* --- the jail of the driver: a folder, and devices ----------------------------- */

/* What a program holds that is started behind jail_keep_rights(). */
static int rights_of_a_program(void)
{
	static char program[] = "/bin/sh", option[] = "-c";
	static char script[] =
	    "exec 2>/dev/null; s=$(cat /proc/self/status); "
	    "for line in 'CapPrm:\t0000000000200002' "
	    "'CapEff:\t0000000000200002' 'CapBnd:\t0000000000200002' "
	    "'NoNewPrivs:\t1'; do "
	    "echo \"$s\" | grep -q \"^$(printf \"$line\")$\" || exit 1; done; "
	    "! mknod /tmp/nightstand-rights.$$ c 1 3";
	char *argv[] = { program, option, script, NULL };
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		if (!jail_keep_rights((UINT64_C(1) << CAP_SYS_ADMIN) |
				      (UINT64_C(1) << CAP_DAC_OVERRIDE)))
			_exit(2);
		execv(program, argv);
		_exit(3);
	}
	assert_true(pid > 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void a_program_gets_the_rights_that_are_left(void **state)
{
	(void)state;
	if (geteuid() != 0)
		skip();
	assert_int_equal(rights_of_a_program(), 0);
}

static char folder[] = "/tmp/nightstand-jail-XXXXXX";

static bool keep_a_record(void)
{
	char path[96], to[96];
	int fd;

	snprintf(path, sizeof(path), "%s/new", folder);
	snprintf(to, sizeof(to), "%s/record", folder);
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
	return fd >= 0 && write(fd, "x", 1) == 1 && fsync(fd) == 0 &&
	       rename(path, to) == 0 && open(to, O_RDONLY) >= 0 &&
	       unlink(to) == 0;
}

static bool only_read_there(void)
{
	return open("/sys/kernel", O_RDONLY | O_DIRECTORY) >= 0 &&
	       open("/sys/kernel/profiling", O_WRONLY) < 0;
}

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

static void the_driver_has_its_folder_and_threads(void **state)
{
	const struct jail_path paths[] = {
		{ .path = folder, .may_write = true, .may_make = true },
		{ .path = "/sys" },
		{ .path = "/dev/there-is-no-such" },
	};
	const struct jail_opts opts = { .user = "nightstand-usb",
		.paths = paths,
		.n_paths = 3,
		.has_devices = true };

	(void)state;
	assert_non_null(mkdtemp(folder));
	assert_int_equal(tried_in(&opts, keep_a_record), 0);
	assert_int_equal(tried_in(&opts, start_thread), 0);
	assert_int_equal(tried_in(&opts, its_own_work), 0);
	if (have_files()) {
		assert_int_equal(tried_in(&opts, open_passwd), 1);
		assert_int_equal(tried_in(&opts, list_root), 1);
		assert_int_equal(tried_in(&opts, make_file), 1);
		assert_int_equal(tried_in(&opts, only_read_there), 0);
	}
	if (have_calls()) {
		assert_int_equal(tried_in(&opts, new_socket), 1);
		assert_int_equal(tried_in(&opts, kill_parent), 1);
		assert_int_equal(tried_in(&opts, run_program), 1000 + SIGSYS);
		assert_int_not_equal(tried_in(&opts, make_process), 0);
	}
	if (geteuid() == 0)
		assert_int_equal(tried_in(&opts, be_root), 1);
	rmdir(folder);
}

/* --- an update's ----------------------------------------------------------------- */

static char card[] = "/tmp/nightstand-card-XXXXXX";

static bool write_a_slot(void)
{
	char text[4] = "abc", got[4] = "";
	int dir = open(card, O_RDONLY | O_DIRECTORY);
	int fd = openat(dir, "part", O_RDWR | O_CREAT | O_TRUNC, 0600);

	return fd >= 0 && write(fd, text, 3) == 3 && fsync(fd) == 0 &&
	       pwrite(fd, "x", 1, 1) == 1 && pread(fd, got, 3, 0) == 3 &&
	       !strcmp(got, "axc") && syncfs(dir) == 0 &&
	       posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED) == 0 &&
	       (mkdirat(dir, "b", 0755) == 0 || errno == EEXIST) &&
	       unlinkat(dir, "part", 0) == 0;
}

static bool make_folder(void)
{
	char path[64];

	snprintf(path, sizeof(path), "%s/c", card);
	return mkdir(path, 0755) == 0;
}

static void an_update_has_the_card_alone(void **state)
{
	const struct jail_path path = {
		.path = card, .may_write = true, .may_make = true
	};
	const struct jail_opts opts = { .user = "nightstand-update",
		.paths = &path,
		.n_paths = 1,
		.has_files = true };
	char b[64];

	(void)state;
	assert_non_null(mkdtemp(card));
	snprintf(b, sizeof(b), "%s/b", card);
	assert_int_equal(mkdir(b, 0755), 0);
	if (geteuid() == 0) /* as it is mounted for this user */
		assert_int_equal(chown(card, jail_uid("nightstand-update"),
				     jail_uid("nightstand-update")),
		    0);
	assert_int_equal(tried_in(&opts, write_a_slot), 0);
	if (have_files()) {
		assert_int_equal(tried_in(&opts, open_passwd), 1);
		assert_int_equal(tried_in(&opts, list_root), 1);
		assert_int_equal(tried_in(&opts, make_file), 1);
		assert_int_equal(tried_in(&opts, make_folder), 1);
	}
	if (have_calls()) {
		assert_int_equal(tried_in(&opts, new_socket), 1);
		assert_int_equal(tried_in(&opts, unix_socket), 1);
		assert_int_equal(tried_in(&opts, kill_parent), 1);
		assert_int_equal(tried_in(&opts, run_program), 1000 + SIGSYS);
		assert_int_not_equal(tried_in(&opts, start_thread), 0);
		assert_int_equal(tried_in(&opts, make_process), 1000 + SIGSYS);
	}
	if (geteuid() == 0)
		assert_int_equal(tried_in(&opts, be_root), 1);
	rmdir(b);
	rmdir(card);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_loop_can_work),
		cmocka_unit_test(no_file_can_be_opened),
		cmocka_unit_test(nothing_else_can_be_reached),
		cmocka_unit_test(nobody_becomes_root_again),
		cmocka_unit_test(a_program_gets_the_rights_that_are_left),
		cmocka_unit_test(the_driver_has_its_folder_and_threads),
		cmocka_unit_test(an_update_has_the_card_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
