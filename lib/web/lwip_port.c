/*
 * What lwIP asks of its platform: time, chance, a place to complain.
 */
#include <stdarg.h>
#include <string.h>
#include <sys/random.h>

#include <openssl/sha.h>

#include "lwip/dhcp.h"
#include "lwip/ip_addr.h"
#include "lwip/prot/dhcp.h"
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
	/* what is not used of it stays zero */
	struct {
		uint8_t secret[32];
		ip_addr_t local, remote;
		u16_t local_port, remote_port;
	} text;
	uint8_t hash[SHA256_DIGEST_LENGTH];
	uint32_t h;

	if (!have_secret) {
		fill_random(secret, sizeof(secret));
		have_secret = 1;
	}
	memset(&text, 0, sizeof(text));
	memcpy(text.secret, secret, sizeof(text.secret));
	ip_addr_copy(text.local, *local_ip);
	ip_addr_copy(text.remote, *remote_ip);
	text.local_port = local_port;
	text.remote_port = remote_port;
	SHA256((const uint8_t *)&text, sizeof(text), hash);
	memcpy(&h, hash, sizeof(h));
	return (u32_t)(mono_ms() * 250) + h;
}

void lwip_port_dhcp_options(
    const struct dhcp *dhcp, struct dhcp_msg *msg, u8_t msg_type, u16_t *len)
{
	uint32_t server = ip4_addr_get_u32(ip_2_ip4(&dhcp->server_ip_addr));

	if (msg_type != DHCP_DECLINE || *len + 6u > DHCP_OPTIONS_LEN)
		return;
	msg->options[(*len)++] = DHCP_OPTION_SERVER_ID;
	msg->options[(*len)++] = sizeof(server);
	memcpy(msg->options + *len, &server, sizeof(server));
	*len = (u16_t)(*len + sizeof(server));
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
