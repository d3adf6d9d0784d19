#include "jail.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "jail_int.h"
#include "log.h"

#define LOG_MODULE "jail"
#define NOBODY     65534

/* --- the user ----------------------------------------------------------------- */

#define RIGHT(cap) (UINT64_C(1) << (cap))

static bool set_rights(uint64_t mask)
{
	struct __user_cap_header_struct head = {
		.version = _LINUX_CAPABILITY_VERSION_3
	};
	struct __user_cap_data_struct data[2] = { 0 };

	for (int i = 0; i < 2; i++)
		data[i].effective = data[i].permitted =
		    (uint32_t)(mask >> (32 * i));
	return syscall(SYS_capset, &head, data) == 0;
}

unsigned jail_uid(const char *user)
{
	const struct passwd *pw = getpwnam(user);

	return pw && pw->pw_uid ? pw->pw_uid : NOBODY;
}

/* Whom the kernel takes it for where files are concerned, and nowhere else. */
static bool be_root_in_files(uint64_t rights)
{
	if (!set_rights(rights | RIGHT(CAP_SETUID) | RIGHT(CAP_SETGID)))
		return false;
	setfsgid(0);
	setfsuid(0);
	/* Both only tell whom it was before; -1 changes nothing. */
	return setfsgid((gid_t)-1) == 0 && setfsuid((uid_t)-1) == 0;
}

static bool change_root(const char *root)
{
	if (!root)
		return false;
	if (chroot(root) == 0 && chdir("/") == 0)
		return true;
	log_warn("it sees all folders: %s", strerror(errno));
	return false;
}

static bool become(const struct jail_opts *opts, struct jail *out)
{
	const struct passwd *pw = getpwnam(opts->user);
	uid_t uid = pw && pw->pw_uid ? pw->pw_uid : NOBODY;
	gid_t gid = pw && pw->pw_gid ? pw->pw_gid : NOBODY;
	/* Of what root may, only to open files of others. */
	bool opens_all =
	    opts->has_devices || opts->has_vault || opts->opens_all;
	uint64_t rights = opens_all ? RIGHT(CAP_DAC_OVERRIDE) : 0;
	bool in_files = opts->has_vault || opts->owns_sockets;

	if (geteuid() != 0)
		return false; /* it is somebody already, with their rights */
	out->root = change_root(opts->root); /* behind it no user has a name */
	if ((rights || in_files) && prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0))
		log_warn("no right can be kept: %s", strerror(errno));
	if (setgroups(0, NULL) || setresgid(gid, gid, gid) ||
	    setresuid(uid, uid, uid)) {
		log_warn("it stays root: %s", strerror(errno));
		return false;
	}
	if (in_files && !be_root_in_files(rights))
		log_warn("what it makes is not root's: %s", strerror(errno));
	if ((rights || in_files) && !set_rights(rights)) {
		log_warn("more of root's rights stay than it needs: %s",
		    strerror(errno));
		return false;
	}
	return setuid(0) != 0; /* there is no way back */
}

bool jail_keep_rights(uint64_t mask)
{
	bool ok = geteuid() == 0;

	/* A kernel knows fewer than 64 of them, and says which is the first
	 * that it does not. */
	for (unsigned long cap = 0; cap < 64; cap++)
		if (!(mask >> cap & 1) &&
		    prctl(PR_CAPBSET_READ, cap, 0, 0, 0) > 0)
			ok &= prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) == 0;
	ok = ok && set_rights(mask);
	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && ok;
}

/* --- files ---------------------------------------------------------------------- */

static uint64_t rights_of(const struct jail_path *p, bool has_devices)
{
	uint64_t may = JAIL_FS_READ_FILE | JAIL_FS_READ_DIR;

	if (p->may_connect)
		return JAIL_FS_RESOLVE_UNIX;
	if (p->may_write)
		may |= JAIL_FS_WRITE_FILE | JAIL_FS_TRUNCATE;
	if (p->may_write && has_devices)
		may |= JAIL_FS_IOCTL_DEV;
	if (p->may_make)
		may |= JAIL_FS_MAKE_REG | JAIL_FS_REMOVE_FILE;
	if (p->is_tree)
		may |= JAIL_FS_MAKE_DIR | JAIL_FS_REMOVE_DIR | JAIL_FS_REFER;
	return may;
}

/* `may`: of what this kernel can forbid, and so allow. */
static bool leave_open(int ruleset, const struct jail_path *p, uint64_t may)
{
	struct jail_path_rule rule = {
		.allowed_access = may,
		.parent_fd = open(p->path, O_PATH | O_CLOEXEC),
	};
	struct stat st;
	bool ok;

	if (rule.parent_fd < 0) {
		log_info("%s is not there: %s", p->path, strerror(errno));
		return true; /* nothing is open that should not be */
	}
	if (fstat(rule.parent_fd, &st) == 0 && !S_ISDIR(st.st_mode))
		rule.allowed_access &= JAIL_FS_OF_A_FILE;
	ok = !rule.allowed_access || syscall(SYS_landlock_add_rule, ruleset,
					 JAIL_RULE_PATH_BENEATH, &rule, 0) == 0;
	close(rule.parent_fd);
	return ok;
}

static int landlock_version(void)
{
	return (int)syscall(SYS_landlock_create_ruleset, NULL, 0, 1);
}

/* Everything that this kernel can forbid, but for opts->paths. */
static bool forbid_files(const struct jail_opts *opts)
{
	int version = landlock_version();
	const struct jail_ruleset attr = {
		.handled_access_fs = jail_fs_of_version(version),
		.scoped = version >= 6 ? JAIL_SCOPE_ALL : 0,
	};
	int fd;
	bool ok = true;

	/* The first version forbids each move between two folders. */
	if (version < (opts->has_vault ? 2 : 1)) {
		log_info("this kernel has no Landlock that will do");
		return false;
	}
	fd = (int)syscall(SYS_landlock_create_ruleset, &attr, sizeof(attr), 0);
	if (fd < 0) {
		log_warn("no Landlock: %s", strerror(errno));
		return false;
	}
	for (size_t i = 0; i < opts->n_paths; i++)
		ok &= leave_open(fd, &opts->paths[i],
		    rights_of(&opts->paths[i], opts->has_devices) &
			attr.handled_access_fs);
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

/* Work on files or with phones has a list of its own on top (jail_calls.c). */
static bool has_more(const struct jail_opts *opts)
{
	return opts->has_vault || opts->has_phones;
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
		if (deadly[i] != SCMP_SYS(clone) ||
		    !(opts->has_devices || has_more(opts)))
			(void)seccomp_rule_add(
			    ctx, SCMP_ACT_KILL_PROCESS, deadly[i], 0);
	if (opts->has_devices && !allow_devices(ctx))
		return false;
	if (has_more(opts) ? !jail_calls_allow(ctx, opts)
			   : seccomp_rule_add(
				 ctx, SCMP_ACT_ALLOW, SCMP_SYS(ioctl), 0) != 0)
		return false;
	if (opts->has_files)
		allow_files(ctx);
	return allow_own_signals(ctx) && seccomp_load(ctx) == 0;
}

/* What is not allowed fails with EPERM: a library that tries a call of its own
 * goes on without. Where data is written, the log tells of it, too. */
static bool forbid_calls(const struct jail_opts *opts)
{
	bool tells = has_more(opts) && jail_calls_tell();
	scmp_filter_ctx ctx =
	    seccomp_init(tells ? SCMP_ACT_TRAP : SCMP_ACT_ERRNO(EPERM));
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
	pid_t parent = getppid();

	tzset(); /* the zone's file can't be read any more behind it */
	*out = (struct jail){ 0 };
	out->user = become(opts, out);
	/* The kernel forgets that with another user. */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != parent)
		_exit(1);
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
