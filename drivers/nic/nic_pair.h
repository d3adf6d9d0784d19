/*
 * The cable and the Wi-Fi as one network port: the cable while it has a link,
 * else the Wi-Fi. Frames of the other one are dropped. Which one it is, link()
 * tells (web_nic.h).
 */
#ifndef NIC_PAIR_H
#define NIC_PAIR_H

#include "nic.h"

/* Owns both from then on; one of them may have no ops. RC_NOMEM: both are
 * closed. */
MUST_CHECK enum rc nic_pair_open(const struct web_nic *cable,
    const struct web_nic *wifi, struct web_nic *out);

#endif
