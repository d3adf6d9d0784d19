/*
 * For the files of the jail. Landlock's numbers stand here, as the headers of
 * a distribution know fewer of them than the kernel that it may run on (from
 * the kernel's include/uapi/linux/landlock.h).
 */
#ifndef JAIL_INT_H
#define JAIL_INT_H

#include <seccomp.h>
#include <stdbool.h>
#include <stdint.h>

#include "jail.h"

#define JAIL_FS_EXECUTE      (UINT64_C(1) << 0)
#define JAIL_FS_WRITE_FILE   (UINT64_C(1) << 1)
#define JAIL_FS_READ_FILE    (UINT64_C(1) << 2)
#define JAIL_FS_READ_DIR     (UINT64_C(1) << 3)
#define JAIL_FS_REMOVE_DIR   (UINT64_C(1) << 4)
#define JAIL_FS_REMOVE_FILE  (UINT64_C(1) << 5)
#define JAIL_FS_MAKE_DIR     (UINT64_C(1) << 7)
#define JAIL_FS_MAKE_REG     (UINT64_C(1) << 8)
#define JAIL_FS_VERSION_1    ((UINT64_C(1) << 13) - 1)
#define JAIL_FS_REFER        (UINT64_C(1) << 13) /* version 2, Linux 5.19 */
#define JAIL_FS_TRUNCATE     (UINT64_C(1) << 14) /* 3, 6.2 */
#define JAIL_FS_IOCTL_DEV    (UINT64_C(1) << 15) /* 5, 6.10 */
#define JAIL_FS_RESOLVE_UNIX (UINT64_C(1) << 16) /* 9, 7.1 */

/* Sockets without a name in the file system, and signals: version 6, 6.12. */
#define JAIL_SCOPE_ALL UINT64_C(3)

/* What a rule about a file, not a folder, may give. */
#define JAIL_FS_OF_A_FILE                                                      \
	(JAIL_FS_EXECUTE | JAIL_FS_WRITE_FILE | JAIL_FS_READ_FILE |            \
	    JAIL_FS_TRUNCATE | JAIL_FS_IOCTL_DEV | JAIL_FS_RESOLVE_UNIX)

#define JAIL_RULE_PATH_BENEATH 1

/* An older kernel takes the longer one when what it doesn't know is 0. */
struct jail_ruleset {
	uint64_t handled_access_fs;
	uint64_t handled_access_net;
	uint64_t scoped;
};

struct jail_path_rule {
	uint64_t allowed_access;
	int32_t parent_fd;
} __attribute__((packed));

static inline uint64_t jail_fs_of_version(int version)
{
	return (version >= 1 ? JAIL_FS_VERSION_1 : 0) |
	       (version >= 2 ? JAIL_FS_REFER : 0) |
	       (version >= 3 ? JAIL_FS_TRUNCATE : 0) |
	       (version >= 5 ? JAIL_FS_IOCTL_DEV : 0) |
	       (version >= 9 ? JAIL_FS_RESOLVE_UNIX : 0);
}

/* The calls of the vault's work and of speaking to phones; false: not set. */
bool jail_calls_allow(scmp_filter_ctx ctx, const struct jail_opts *opts);

/* From now on a call that is refused by SCMP_ACT_TRAP fails with EPERM and is
 * logged, once each; false: on this machine that can't be done. */
bool jail_calls_tell(void);

#endif
