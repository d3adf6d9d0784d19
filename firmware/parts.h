/*
 * The processes of the running box, and what each may do: for the report that
 * an owner saves, and for the test that nothing has more rights than it needs.
 */
#ifndef PARTS_H
#define PARTS_H

#include <stddef.h>

/*
 * One line a process, from /proc: this one and all that come from it; in the
 * image, where this program is the first process, too, all there are but the
 * kernel's own.
 *
 *   session pid=412 user=nightstand-vault uid=103,103,103,0 caps=… seccomp=2
 *
 * uid: real, effective, saved, and the one that files are opened and made as.
 * caps: CAP_… that it holds, bit n = capability n, in hexadecimal. seccomp: 2
 * when its system calls are limited. Always terminated; returns the length.
 */
size_t parts_list(char *out, size_t cap);

#endif
