#include "jail.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/landlock.h>
#include <pwd.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "log.h"

#define LOG_MODULE "jail"
#define NOBODY     65534

/* --- the user ----------------------------------------------------------------- */

/* Of what root may, only to open files of others: Landlock says which. */
static bool keep_dac(void)
{
	struct __user_cap_header_struct head = {
		.version = _LINUX_CAPABILITY_VERSION_3
	};
	struct __user_cap_data_struct data[2] = { 0 };

	data[0].effective = data[0].permitted = 1u << CAP_DAC_OVERRIDE;
	return syscall(SYS_capset, &head, data) == 0;
}

unsigned jail_uid(const char *user)
{
	const struct passwd *pw = getpwnam(user);

	return pw && pw->pw_uid ? pw->pw_uid : NOBODY;
}

static bool become(const char *name, bool with_dac)
{
	const struct passwd *pw = getpwnam(name);
	uid_t uid = pw && pw->pw_uid ? pw->pw_uid : NOBODY;
	gid_t gid = pw && pw->pw_gid ? pw->pw_gid : NOBODY;

	if (geteuid() != 0)
		return false; /* it is somebody already, with their rights */
	if (with_dac && prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0))
		log_warn("no right can be kept: %s", strerror(errno));
	if (setgroups(0, NULL) || setresgid(gid, gid, gid) ||
	    setresuid(uid, uid, uid)) {
		log_warn("it stays root: %s", strerror(errno));
		return false;
	}
	if (with_dac && !keep_dac()) {
		log_warn("more of root's rights stay than it needs: %s",
		    strerror(errno));
		return false;
	}
	/* Another user's process forgets that it is to die with its parent. */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0))
		log_warn("it may outlive its parent: %s", strerror(errno));
	return setuid(0) != 0; /* there is no way back */
}

bool jail_keep_rights(uint64_t mask)
{
	struct __user_cap_header_struct head = {
		.version = _LINUX_CAPABILITY_VERSION_3
	};
	struct __user_cap_data_struct data[2] = { 0 };
	bool ok = geteuid() == 0;

	/* A kernel knows fewer than 64 of them, and says which is the first
	 * that it does not. */
	for (unsigned long cap = 0; cap < 64; cap++)
		if (!(mask >> cap & 1) &&
		    prctl(PR_CAPBSET_READ, cap, 0, 0, 0) > 0)
			ok &= prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) == 0;
	for (int i = 0; i < 2; i++)
		data[i].effective = data[i].permitted =
		    (uint32_t)(mask >> (32 * i));
	ok = ok && syscall(SYS_capset, &head, data) == 0;
	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && ok;
}

/* --- files ---------------------------------------------------------------------- */

#define MAY_READ (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)
#define MAY_MAKE (LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_REMOVE_FILE)

static bool leave_open(int ruleset, const struct jail_path *p)
{
	struct landlock_path_beneath_attr attr = {
		.allowed_access = MAY_READ,
		.parent_fd = open(p->path, O_PATH | O_CLOEXEC),
	};
	bool ok;

	if (p->may_write)
		attr.allowed_access |= LANDLOCK_ACCESS_FS_WRITE_FILE;
	if (p->may_make)
		attr.allowed_access |= MAY_MAKE;
	if (attr.parent_fd < 0) {
		log_warn("%s is not there: %s", p->path, strerror(errno));
		return true; /* nothing is open that should not be */
	}
	ok = syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH,
		 &attr, 0) == 0;
	close(attr.parent_fd);
	return ok;
}

/* Everything that this kernel can forbid, but for opts->paths. */
static bool forbid_files(const struct jail_opts *opts)
{
	struct landlock_ruleset_attr attr = {
		.handled_access_fs =
		    LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_WRITE_FILE |
		    LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR |
		    LANDLOCK_ACCESS_FS_REMOVE_DIR |
		    LANDLOCK_ACCESS_FS_REMOVE_FILE |
		    LANDLOCK_ACCESS_FS_MAKE_CHAR | LANDLOCK_ACCESS_FS_MAKE_DIR |
		    LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_MAKE_SOCK |
		    LANDLOCK_ACCESS_FS_MAKE_FIFO |
		    LANDLOCK_ACCESS_FS_MAKE_BLOCK | LANDLOCK_ACCESS_FS_MAKE_SYM,
	};
	int fd =
	    (int)syscall(SYS_landlock_create_ruleset, &attr, sizeof(attr), 0);
	bool ok;

	if (fd < 0) {
		log_info("this kernel has no Landlock: %s", strerror(errno));
		return false;
	}
	ok = true;
	for (size_t i = 0; i < opts->n_paths; i++)
		ok &= leave_open(fd, &opts->paths[i]);
	ok = ok && syscall(SYS_landlock_restrict_self, fd, 0) == 0;
	close(fd);
	return ok;
}

/* --- calls ------------------------------------------------------------------------ */

#ifdef __SANITIZE_ADDRESS__

/* Sanitizers have calls of their own: not under them. */
static bool forbid_calls(const struct jail_opts *opts)
{
	(void)opts;
	return false;
}

#else

/* A loop over sockets that are open, memory, time, and the way to end. */
static const int allowed[] = {
	SCMP_SYS(read),
	SCMP_SYS(readv),
	SCMP_SYS(write),
	SCMP_SYS(writev),
	SCMP_SYS(recvfrom),
	SCMP_SYS(recvmsg),
	SCMP_SYS(recvmmsg),
	SCMP_SYS(sendto),
	SCMP_SYS(sendmsg),
	SCMP_SYS(accept),
	SCMP_SYS(accept4),
	SCMP_SYS(shutdown),
	SCMP_SYS(close),
	SCMP_SYS(poll),
	SCMP_SYS(ppoll),
	SCMP_SYS(fcntl),
	SCMP_SYS(ioctl),
	SCMP_SYS(getsockopt),
	SCMP_SYS(setsockopt),
	SCMP_SYS(getsockname),
	SCMP_SYS(getpeername),
	SCMP_SYS(brk),
	SCMP_SYS(mmap),
	SCMP_SYS(munmap),
	SCMP_SYS(mremap),
	SCMP_SYS(madvise),
	SCMP_SYS(mprotect),
	SCMP_SYS(clock_gettime),
	SCMP_SYS(clock_nanosleep),
	SCMP_SYS(nanosleep),
	SCMP_SYS(gettimeofday),
	SCMP_SYS(getrandom),
	SCMP_SYS(futex),
	SCMP_SYS(restart_syscall),
	SCMP_SYS(rt_sigaction),
	SCMP_SYS(rt_sigprocmask),
	SCMP_SYS(rt_sigreturn),
	SCMP_SYS(sigaltstack),
	SCMP_SYS(getpid),
	SCMP_SYS(gettid),
	SCMP_SYS(getuid),
	SCMP_SYS(geteuid),
	SCMP_SYS(exit),
	SCMP_SYS(exit_group),
};

/* … and over devices. */
static const int allowed_devices[] = {
	SCMP_SYS(epoll_ctl),
	SCMP_SYS(epoll_wait),
	SCMP_SYS(epoll_pwait),
	SCMP_SYS(eventfd2),
	SCMP_SYS(timerfd_create),
	SCMP_SYS(timerfd_settime),
	SCMP_SYS(pipe2),
	SCMP_SYS(open),
	SCMP_SYS(openat),
	SCMP_SYS(fstat),
	SCMP_SYS(newfstatat),
	SCMP_SYS(statx),
	SCMP_SYS(getdents64),
	SCMP_SYS(lseek),
	SCMP_SYS(access),
	SCMP_SYS(faccessat),
	SCMP_SYS(readlink),
	SCMP_SYS(readlinkat),
	SCMP_SYS(unlink),
	SCMP_SYS(unlinkat),
	SCMP_SYS(rename),
	SCMP_SYS(renameat),
	SCMP_SYS(renameat2),
	SCMP_SYS(fsync),
	SCMP_SYS(uname),
	SCMP_SYS(set_robust_list),
	SCMP_SYS(rseq),
	SCMP_SYS(sched_getaffinity),
	SCMP_SYS(prlimit64),
	SCMP_SYS(rt_sigtimedwait),
};

/* … and over files, in one thread. */
static const int allowed_files[] = {
	SCMP_SYS(open),
	SCMP_SYS(openat),
	SCMP_SYS(pread64),
	SCMP_SYS(pwrite64),
	SCMP_SYS(fstat),
	SCMP_SYS(newfstatat),
	SCMP_SYS(statx),
	SCMP_SYS(getdents64),
	SCMP_SYS(lseek),
	SCMP_SYS(mkdir),
	SCMP_SYS(mkdirat),
	SCMP_SYS(unlink),
	SCMP_SYS(unlinkat),
	SCMP_SYS(ftruncate),
	SCMP_SYS(fadvise64),
	SCMP_SYS(fsync),
	SCMP_SYS(fdatasync),
	SCMP_SYS(syncfs),
};

/* Nothing of ours asks for these: whoever does is not us any more. */
static const int deadly[] = {
	SCMP_SYS(execve),
	SCMP_SYS(execveat),
	SCMP_SYS(ptrace),
	SCMP_SYS(process_vm_readv),
	SCMP_SYS(process_vm_writev),
	SCMP_SYS(fork),
	SCMP_SYS(vfork),
	SCMP_SYS(clone),
	SCMP_SYS(mount),
	SCMP_SYS(unshare),
	SCMP_SYS(setns),
	SCMP_SYS(init_module),
	SCMP_SYS(bpf),
};

/* abort() sends itself a signal; nobody else gets one. */
static bool allow_own_signals(scmp_filter_ctx ctx)
{
	const struct scmp_arg_cmp self = {
		.arg = 0, .op = SCMP_CMP_EQ, .datum_a = (scmp_datum_t)getpid()
	};

	return seccomp_rule_add_array(
		   ctx, SCMP_ACT_ALLOW, SCMP_SYS(tgkill), 1, &self) == 0;
}

/* A thread is a clone() that stays in this process; clone3() can't be looked
 * into, and glibc does without. */
static bool allow_devices(scmp_filter_ctx ctx)
{
	const struct scmp_arg_cmp thread = { .arg = 0,
		.op = SCMP_CMP_MASKED_EQ,
		.datum_a = CLONE_THREAD,
		.datum_b = CLONE_THREAD };
	size_t n = sizeof(allowed_devices) / sizeof(allowed_devices[0]);

	/* One that this processor does not have is none to need. */
	for (size_t i = 0; i < n; i++)
		(void)seccomp_rule_add(
		    ctx, SCMP_ACT_ALLOW, allowed_devices[i], 0);
	return seccomp_rule_add_array(
		   ctx, SCMP_ACT_ALLOW, SCMP_SYS(clone), 1, &thread) == 0 &&
	       seccomp_rule_add(
		   ctx, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0) == 0;
}

static void allow_files(scmp_filter_ctx ctx)
{
	size_t n = sizeof(allowed_files) / sizeof(allowed_files[0]);

	/* As above. */
	for (size_t i = 0; i < n; i++)
		(void)seccomp_rule_add(
		    ctx, SCMP_ACT_ALLOW, allowed_files[i], 0);
}

static bool load(scmp_filter_ctx ctx, const struct jail_opts *opts)
{
	for (size_t i = 0; i < sizeof(allowed) / sizeof(allowed[0]); i++)
		if (seccomp_rule_add(ctx, SCMP_ACT_ALLOW, allowed[i], 0))
			return false;
	/* One that this processor does not have is none to fear. */
	for (size_t i = 0; i < sizeof(deadly) / sizeof(deadly[0]); i++)
		if (!opts->has_devices || deadly[i] != SCMP_SYS(clone))
			(void)seccomp_rule_add(
			    ctx, SCMP_ACT_KILL_PROCESS, deadly[i], 0);
	if (opts->has_devices && !allow_devices(ctx))
		return false;
	if (opts->has_files)
		allow_files(ctx);
	return allow_own_signals(ctx) && seccomp_load(ctx) == 0;
}

/* What is not allowed fails with EPERM: a library that tries a call of its own
 * goes on without. */
static bool forbid_calls(const struct jail_opts *opts)
{
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ERRNO(EPERM));
	bool ok;

	if (!ctx)
		return false;
	ok = load(ctx, opts);
	if (!ok)
		log_warn("all system calls stay allowed: %s", strerror(errno));
	seccomp_release(ctx);
	return ok;
}

#endif

void jail_enter(const char *user, struct jail *out)
{
	jail_enter_with(&(struct jail_opts){ .user = user }, out);
}

void jail_enter_with(const struct jail_opts *opts, struct jail *out)
{
	tzset(); /* the zone's file can't be read any more behind it */
	out->user = become(opts->user, opts->has_devices);
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		log_warn("rights might be gained: %s", strerror(errno));
	/* Also takes away what root may: to be looked into by others. */
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0))
		log_warn("it can be looked into: %s", strerror(errno));
	out->files = forbid_files(opts);
	out->calls = forbid_calls(opts);
	log_info("jail user=%d files=%d calls=%d", out->user, out->files,
	    out->calls);
}
