/*
 * What lwIP asks of its platform: time, chance, a place to complain.
 */
#include <stdarg.h>
#include <string.h>
#include <sys/random.h>

#include <openssl/sha.h>

#include "lwip/ip_addr.h"
#include "lwip/sys.h"
#include "lwip_hooks.h"

#define LOG_MODULE "lwip"
#include "log.h"
#include "mono.h"

u32_t sys_now(void)
{
	return (u32_t)mono_ms();
}

static void fill_random(void *out, size_t len)
{
	uint8_t *at = out;

	while (len) {
		ssize_t n = getrandom(at, len, 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			lwip_port_assert("no randomness", __FILE__, __LINE__);
		at += n;
		len -= (size_t)n;
	}
}

uint32_t lwip_port_rand(void)
{
	uint32_t r;

	fill_random(&r, sizeof(r));
	return r;
}

/* RFC 6528: a clock of 4 us plus a keyed hash of the connection. */
u32_t lwip_port_isn(const ip_addr_t *local_ip, u16_t local_port,
    const ip_addr_t *remote_ip, u16_t remote_port)
{
	static uint8_t secret[32];
	static int have_secret;
	uint8_t text[32 + 12], hash[SHA256_DIGEST_LENGTH];
	uint32_t local = ip4_addr_get_u32(ip_2_ip4(local_ip));
	uint32_t remote = ip4_addr_get_u32(ip_2_ip4(remote_ip));
	uint32_t h;

	if (!have_secret) {
		fill_random(secret, sizeof(secret));
		have_secret = 1;
	}
	memcpy(text, secret, 32);
	memcpy(text + 32, &local, 4);
	memcpy(text + 36, &remote, 4);
	memcpy(text + 40, &local_port, 2);
	memcpy(text + 42, &remote_port, 2);
	SHA256(text, sizeof(text), hash);
	memcpy(&h, hash, sizeof(h));
	return (u32_t)(mono_ms() * 250) + h;
}

void lwip_port_log(const char *fmt, ...)
{
	char line[256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	line[strcspn(line, "\r\n")] = '\0';
	log_debug("%s", line);
}

void lwip_port_assert(const char *what, const char *file, int line)
{
	log_error("%s at=%s:%d", what, file, line);
	abort(); /* the supervisor starts the role again */
}
