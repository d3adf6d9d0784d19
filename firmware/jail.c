#include "jail.h"

#include <errno.h>
#include <grp.h>
#include <linux/landlock.h>
#include <pwd.h>
#include <seccomp.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "log.h"

#define LOG_MODULE "jail"
#define NOBODY     65534

/* --- the user ----------------------------------------------------------------- */

static bool become(const char *name)
{
	const struct passwd *pw = getpwnam(name);
	uid_t uid = pw && pw->pw_uid ? pw->pw_uid : NOBODY;
	gid_t gid = pw && pw->pw_gid ? pw->pw_gid : NOBODY;

	if (geteuid() != 0)
		return false; /* it is somebody already, with their rights */
	if (setgroups(0, NULL) || setresgid(gid, gid, gid) ||
	    setresuid(uid, uid, uid)) {
		log_warn("it stays root: %s", strerror(errno));
		return false;
	}
	return setuid(0) != 0; /* there is no way back */
}

/* --- files ---------------------------------------------------------------------- */

/* Everything that this kernel can forbid, and nothing that is allowed. */
static bool forbid_files(void)
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
	ok = syscall(SYS_landlock_restrict_self, fd, 0) == 0;
	close(fd);
	return ok;
}

/* --- calls ------------------------------------------------------------------------ */

#ifdef __SANITIZE_ADDRESS__

/* Sanitizers have calls of their own: not under them. */
static bool forbid_calls(void)
{
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

static bool load(scmp_filter_ctx ctx)
{
	for (size_t i = 0; i < sizeof(allowed) / sizeof(allowed[0]); i++)
		if (seccomp_rule_add(ctx, SCMP_ACT_ALLOW, allowed[i], 0))
			return false;
	/* One that this processor does not have is none to fear. */
	for (size_t i = 0; i < sizeof(deadly) / sizeof(deadly[0]); i++)
		(void)seccomp_rule_add(
		    ctx, SCMP_ACT_KILL_PROCESS, deadly[i], 0);
	return allow_own_signals(ctx) && seccomp_load(ctx) == 0;
}

/* What is not allowed fails with EPERM: a library that tries a call of its own
 * goes on without. */
static bool forbid_calls(void)
{
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ERRNO(EPERM));
	bool ok;

	if (!ctx)
		return false;
	ok = load(ctx);
	if (!ok)
		log_warn("all system calls stay allowed: %s", strerror(errno));
	seccomp_release(ctx);
	return ok;
}

#endif

void jail_enter(const char *user, struct jail *out)
{
	tzset(); /* the zone's file can't be read any more behind it */
	out->user = become(user);
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		log_warn("rights might be gained: %s", strerror(errno));
	/* Also takes away what root may: to be looked into by others. */
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0))
		log_warn("it can be looked into: %s", strerror(errno));
	out->files = forbid_files();
	out->calls = forbid_calls();
	log_info("jail user=%d files=%d calls=%d", out->user, out->files,
	    out->calls);
}
