/*
 * lwIP on Linux: what it asks of a compiler and a platform.
 */
#ifndef ARCH_CC_H
#define ARCH_CC_H

#include <arpa/inet.h> /* nd6.c and others call htonl() by its plain name */
#include <errno.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/time.h>
#include <sys/types.h>

/* The system's htons() and friends; lwIP's own would clash with its headers
 * in every file that includes both. */
#define LWIP_DONT_PROVIDE_BYTEORDER_FUNCTIONS
#define LWIP_ERRNO_STDINCLUDE 1
#define LWIP_TIMEVAL_PRIVATE  0

#ifndef BYTE_ORDER
#define BYTE_ORDER __BYTE_ORDER__
#endif

uint32_t lwip_port_rand(void);
/* sntp_link.c: half of what a request is known by; and its answer, in seconds
 * since 2036-02-07 06:28:16. */
uint32_t lwip_port_sntp_asks(void);
void lwip_port_sntp_answer(int32_t sec, uint32_t frac);
void lwip_port_log(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void lwip_port_assert(const char *what, const char *file, int line)
    __attribute__((noreturn));

#define LWIP_RAND()             lwip_port_rand()
#define LWIP_PLATFORM_DIAG(x)   lwip_port_log x
#define LWIP_PLATFORM_ASSERT(x) lwip_port_assert(x, __FILE__, __LINE__)

#endif
