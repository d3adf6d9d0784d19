#include "lookup.h"

#include <stdint.h>

#include "lwip/dns.h"

#define LIVE 4 /* at the same time; two are wanted */

/* Who waits. lwIP is given the number of a question, never a pointer. */
static struct {
	struct lookup *who;
	uintptr_t number;
} live[LIVE];
static uintptr_t last_number;

static void on_answer(const char *name, const ip_addr_t *ip, void *arg)
{
	(void)name;
	for (unsigned i = 0; i < LIVE; i++) {
		struct lookup *l = live[i].who;

		if (!l || live[i].number != (uintptr_t)arg)
			continue;
		live[i].who = NULL;
		l->state = ip ? LOOKUP_FOUND : LOOKUP_MISSED;
		if (ip)
			ip_addr_copy(l->ip, *ip);
	}
}

void lookup_end(struct lookup *l)
{
	for (unsigned i = 0; i < LIVE; i++)
		if (live[i].who == l)
			live[i].who = NULL;
	l->state = LOOKUP_IDLE;
}

void lookup_begin(struct lookup *l, const char *host)
{
	unsigned i = 0;
	err_t err;

	lookup_end(l);
	while (i < LIVE && live[i].who)
		i++;
	l->state = LOOKUP_MISSED;
	if (i == LIVE)
		return;
	live[i].who = l;
	live[i].number = ++last_number;
	err =
	    dns_gethostbyname(host, &l->ip, on_answer, (void *)live[i].number);
	if (err == ERR_INPROGRESS) {
		l->state = LOOKUP_WAITS;
		return;
	}
	live[i].who = NULL;
	if (err == ERR_OK)
		l->state = LOOKUP_FOUND;
}
