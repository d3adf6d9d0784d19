/*
 * A network inside the process (libslirp): one TCP port of the PC leads to
 * lwIP's port 80, nothing leads out. Needs no privilege.
 */
#ifndef NIC_SLIRP_H
#define NIC_SLIRP_H

#include "nic.h"

/* As nic_open(). */
MUST_CHECK enum rc nic_slirp_open(
    const struct nic_opts *opts, struct web_nic *out);

#endif
