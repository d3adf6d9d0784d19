#include "sntp_link.h"

#include <stdio.h>
#include <string.h>

#include "lwip/apps/sntp.h"

#define LOG_MODULE "sntp"
#include "log.h"
#include "mono.h"

#define ANSWER_MS 1000
/* From 1970 to 2036-02-07 06:28:16, where the second era of NTP begins. */
#define ERA_1_S 2085978496LL

/* lwIP's two calls below carry no argument. */
static struct sntp_link *the_link;

/* --- what lwIP calls -------------------------------------------------------------- */

uint32_t lwip_port_sntp_asks(void)
{
	if (the_link) {
		the_link->asked = true;
		the_link->asked_ms = mono_ms();
	}
	return lwip_port_rand();
}

void lwip_port_sntp_answer(int32_t sec, uint32_t frac)
{
	struct sntp_link *l = the_link;
	int64_t now_ms = mono_ms();
	int64_t took_ms;

	/* A second answer to one question is somebody's copy. */
	if (!l || !l->asked)
		return;
	l->asked = false;
	took_ms = now_ms - l->asked_ms;
	if ((sec == 0 && frac == 0) || took_ms > ANSWER_MS) {
		log_note("an answer is of no use ms=%lld", (long long)took_ms);
		return;
	}
	l->said.at_ms = (sec + ERA_1_S) * 1000 +
			(int64_t)(((uint64_t)frac * 1000) >> 32) + took_ms / 2;
	l->said.mono_ms = now_ms;
	if (!ipaddr_ntoa_r(
		sntp_getserver(0), l->said.from, sizeof(l->said.from)))
		l->said.from[0] = '\0';
	l->has_said = l->said.at_ms > 0;
}

/* --- the outside ------------------------------------------------------------------ */

void sntp_link_open(struct sntp_link *l, const char *host)
{
	sntp_link_close(l);
	memset(l, 0, sizeof(*l));
	snprintf(l->host, sizeof(l->host), "%s", host);
	l->open = true;
	the_link = l;
	sntp_setoperatingmode(SNTP_OPMODE_POLL);
	if (l->host[0])
		sntp_setservername(0, l->host);
	sntp_servermode_dhcp(1); /* then the name is no longer asked */
}

void sntp_link_close(struct sntp_link *l)
{
	if (!l->open)
		return;
	sntp_stop();
	sntp_servermode_dhcp(0);
	sntp_setservername(0, NULL);
	sntp_setserver(0, NULL);
	the_link = NULL;
	l->open = l->runs = false;
}

static bool has_server(void)
{
	return sntp_getservername(0) || !ip_addr_isany(sntp_getserver(0));
}

/* Each new address is a new chance: it does not wait for the next hour. */
void sntp_link_tick(struct sntp_link *l, bool has_address)
{
	if (!l->open)
		return;
	if (has_address && !l->runs && has_server()) {
		sntp_init();
		l->runs = true;
	} else if (!has_address && l->runs) {
		sntp_stop();
		l->runs = l->asked = false;
	}
}

bool sntp_link_take(struct sntp_link *l, struct sntp_time_said *out)
{
	if (!l->has_said)
		return false;
	*out = l->said;
	l->has_said = false;
	return true;
}
