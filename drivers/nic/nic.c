/*
 * Which back ends there are.
 */
#include <string.h>

#define LOG_MODULE "nic"
#include "log.h"
#include "nic.h"
#include "nic_packet.h"
#include "nic_slirp.h"
#include "nic_tap.h"

static const struct {
	const char *kind;
	enum rc (*open)(const struct nic_opts *opts, struct web_nic *out);
} kinds[] = {
#ifndef NIC_NO_SLIRP
	{ "slirp", nic_slirp_open },
#endif
	{ "packet", nic_packet_open },
	{ "tap", nic_tap_open },
};

enum rc nic_open(const struct nic_opts *opts, struct web_nic *out)
{
	memset(out, 0, sizeof(*out));
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (!strcmp(opts->kind, kinds[i].kind))
			return kinds[i].open(opts, out);
	log_error("no such network back end: %s", opts->kind);
	return RC_UNSUPPORTED;
}
