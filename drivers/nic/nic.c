/*
 * Which back ends there are.
 */
#include <stddef.h>
#include <string.h>

#define LOG_MODULE "nic"
#include "log.h"
#include "nic.h"
#include "nic_slirp.h"

enum rc nic_open(const struct nic_opts *opts, struct web_nic *out)
{
	memset(out, 0, sizeof(*out));
	if (!opts->kind || !strcmp(opts->kind, "slirp"))
		return nic_slirp_open(opts, out);
	log_error("no such network back end: %s", opts->kind);
	return RC_UNSUPPORTED;
}
