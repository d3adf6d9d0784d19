/*
 * The system calls of the vault's work and of speaking to phones. What is not
 * here fails, and the log says so: a file that was not written must not look
 * as if it had been.
 */
#include <errno.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <ucontext.h>

#include "jail_int.h"
#include "log.h"

#define LOG_MODULE "jail"

#define COUNT(list) (sizeof(list) / sizeof((list)[0]))

/* Of both: threads, the libraries' own, and files that are only read. */
static const int common[] = {
	SCMP_SYS(open),
	SCMP_SYS(openat),
	SCMP_SYS(stat),
	SCMP_SYS(lstat),
	SCMP_SYS(fstat),
	SCMP_SYS(newfstatat),
	SCMP_SYS(statx),
	SCMP_SYS(getdents64),
	SCMP_SYS(lseek),
	SCMP_SYS(pread64),
	SCMP_SYS(access),
	SCMP_SYS(faccessat),
	SCMP_SYS(faccessat2),
	SCMP_SYS(readlink),
	SCMP_SYS(readlinkat),
	SCMP_SYS(getcwd),
	SCMP_SYS(dup),
	SCMP_SYS(dup2),
	SCMP_SYS(dup3),
	SCMP_SYS(pipe2),
	SCMP_SYS(select),
	SCMP_SYS(pselect6),
	SCMP_SYS(set_robust_list),
	SCMP_SYS(get_robust_list),
	SCMP_SYS(rseq),
	SCMP_SYS(set_tid_address),
	SCMP_SYS(sched_getaffinity),
	SCMP_SYS(sched_yield),
	SCMP_SYS(membarrier),
	SCMP_SYS(getrlimit),
	SCMP_SYS(sysinfo),
	SCMP_SYS(uname),
	SCMP_SYS(getppid),
	SCMP_SYS(getgid),
	SCMP_SYS(getegid),
	SCMP_SYS(getrusage),
	SCMP_SYS(clock_getres),
	SCMP_SYS(rt_sigpending),
	SCMP_SYS(rt_sigtimedwait),
};

/* No owner, mode or extended attribute is ever changed, no link and no device
 * made, no file cut by its name: none of that does Landlock see. */
static const int of_vault[] = {
	SCMP_SYS(pwrite64),
	SCMP_SYS(preadv),
	SCMP_SYS(pwritev),
	SCMP_SYS(ftruncate),
	SCMP_SYS(fallocate),
	SCMP_SYS(fadvise64),
	SCMP_SYS(readahead),
	SCMP_SYS(copy_file_range),
	SCMP_SYS(fsync),
	SCMP_SYS(fdatasync),
	SCMP_SYS(syncfs),
	SCMP_SYS(sync_file_range),
	SCMP_SYS(flock),
	SCMP_SYS(mkdir),
	SCMP_SYS(mkdirat),
	SCMP_SYS(rmdir),
	SCMP_SYS(unlink),
	SCMP_SYS(unlinkat),
	SCMP_SYS(rename),
	SCMP_SYS(renameat),
	SCMP_SYS(renameat2),
	SCMP_SYS(statfs),
	SCMP_SYS(fstatfs),
	SCMP_SYS(io_setup),
	SCMP_SYS(io_submit),
	SCMP_SYS(io_getevents),
	SCMP_SYS(io_pgetevents),
	SCMP_SYS(io_destroy),
};

static const int of_phones[] = {
	SCMP_SYS(connect),
};

/* Names are asked for, too. */
static const int of_tcp[] = {
	SCMP_SYS(bind),
	SCMP_SYS(sendmmsg),
};

static const int of_a_child[] = {
	SCMP_SYS(wait4),
	SCMP_SYS(waitid),
};

static bool allow_all(scmp_filter_ctx ctx, const int *list, size_t n)
{
	/* One that this processor does not have is none to need. */
	for (size_t i = 0; i < n; i++)
		if (seccomp_rule_add(ctx, SCMP_ACT_ALLOW, list[i], 0) != 0)
			log_debug("a call has no number here: %d", list[i]);
	return true;
}

static bool allow_if(
    scmp_filter_ctx ctx, int call, const struct scmp_arg_cmp *arg)
{
	return seccomp_rule_add_array(ctx, SCMP_ACT_ALLOW, call, 1, arg) == 0;
}

static bool allow_value(
    scmp_filter_ctx ctx, int call, unsigned place, uint64_t value)
{
	/* The kernel looks at the lower half of an int only, and so do we. */
	const struct scmp_arg_cmp arg = { .arg = place,
		.op = SCMP_CMP_MASKED_EQ,
		.datum_a = UINT32_MAX,
		.datum_b = value & UINT32_MAX };

	return allow_if(ctx, call, &arg);
}

/* A thread is a clone() that stays in this process, a fork one that asks for
 * no namespace; clone3() can't be looked into, and glibc does without. */
static bool allow_clone(scmp_filter_ctx ctx, bool has_child)
{
	const uint64_t spaces = CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS |
				CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID |
				CLONE_NEWNET;
	const struct scmp_arg_cmp arg = { .arg = 0,
		.op = SCMP_CMP_MASKED_EQ,
		.datum_a = spaces | (has_child ? 0 : CLONE_THREAD),
		.datum_b = has_child ? 0 : CLONE_THREAD };

	return allow_if(ctx, SCMP_SYS(clone), &arg) &&
	       seccomp_rule_add(
		   ctx, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0) == 0;
}

static bool allow_ioctl(scmp_filter_ctx ctx)
{
	static const unsigned long asked[] = { FIONREAD, FIONBIO, TCGETS };
	bool ok = true;

	for (size_t i = 0; i < COUNT(asked); i++)
		ok &= allow_value(ctx, SCMP_SYS(ioctl), 1, asked[i]);
	return ok;
}

static bool allow_prctl(scmp_filter_ctx ctx)
{
	static const int asked[] = { PR_SET_PDEATHSIG, PR_SET_DUMPABLE,
		PR_SET_NAME, PR_GET_NAME };
	bool ok = true;

	for (size_t i = 0; i < COUNT(asked); i++)
		ok &= allow_value(ctx, SCMP_SYS(prctl), 0, (uint64_t)asked[i]);
	return ok;
}

/* Limits are asked for, never set. */
static bool allow_prlimit(scmp_filter_ctx ctx)
{
	const struct scmp_arg_cmp none = {
		.arg = 2, .op = SCMP_CMP_EQ, .datum_a = 0
	};

	return allow_if(ctx, SCMP_SYS(prlimit64), &none);
}

/* The times of an open file, not of a name. */
static bool allow_times(scmp_filter_ctx ctx)
{
	const struct scmp_arg_cmp none = {
		.arg = 1, .op = SCMP_CMP_EQ, .datum_a = 0
	};

	return allow_if(ctx, SCMP_SYS(utimensat), &none);
}

static bool allow_sockets(scmp_filter_ctx ctx, bool over_tcp)
{
	bool ok = allow_value(ctx, SCMP_SYS(socket), 0, AF_UNIX);

	if (over_tcp)
		ok &= allow_value(ctx, SCMP_SYS(socket), 0, AF_INET) &&
		      allow_value(ctx, SCMP_SYS(socket), 0, AF_INET6) &&
		      allow_value(ctx, SCMP_SYS(socket), 0, AF_NETLINK);
	return ok;
}

bool jail_calls_allow(scmp_filter_ctx ctx, const struct jail_opts *opts)
{
	bool ok = allow_all(ctx, common, COUNT(common));

	/* A long list is searched by halves. */
	ok &= seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2) == 0;
	if (opts->has_vault)
		ok &= allow_all(ctx, of_vault, COUNT(of_vault)) &&
		      allow_times(ctx);
	if (opts->has_phones)
		ok &= allow_all(ctx, of_phones, COUNT(of_phones)) &&
		      allow_sockets(ctx, opts->over_tcp);
	if (opts->over_tcp)
		ok &= allow_all(ctx, of_tcp, COUNT(of_tcp));
	if (opts->has_child)
		ok &= allow_all(ctx, of_a_child, COUNT(of_a_child));
	return ok && allow_clone(ctx, opts->has_child) && allow_ioctl(ctx) &&
	       allow_prctl(ctx) && allow_prlimit(ctx);
}

/* --- what is refused is told -------------------------------------------------- */

#define CALLS_MAX 512

static atomic_bool told[CALLS_MAX];

/* The thread that made the call runs this, in the place of the call: it holds
 * no lock of the log's. */
static void on_refused(int sig, siginfo_t *info, void *context)
{
	ucontext_t *uc = context;
	unsigned call = (unsigned)info->si_syscall;

	(void)sig;
#if defined(__x86_64__)
	uc->uc_mcontext.gregs[REG_RAX] = -EPERM;
#elif defined(__aarch64__)
	uc->uc_mcontext.regs[0] = (unsigned long long)-EPERM;
#else
	(void)uc;
#endif
	if (!atomic_exchange(&told[call % CALLS_MAX], true))
		log_error("it has no need of this system call, which is "
			  "refused call=%u",
		    call);
}

bool jail_calls_tell(void)
{
#if defined(__x86_64__) || defined(__aarch64__)
	struct sigaction act = { .sa_flags = SA_SIGINFO | SA_RESTART };

	act.sa_sigaction = on_refused;
	sigemptyset(&act.sa_mask);
	return sigaction(SIGSYS, &act, NULL) == 0;
#else
	(void)on_refused;
	return false;
#endif
}
