/*
 * Is there a cable, and is somebody at its other end? The kernel tells by
 * netlink (RTMGRP_LINK).
 */
#ifndef NIC_LINK_H
#define NIC_LINK_H

#include <stdbool.h>

#include "rc.h"

struct nic_link {
	int fd; /* for poll(); -1: closed */
	int ask; /* a socket to ask the kernel by; -1: closed */
	int index; /* of the interface; -1: it is gone */
	bool up; /* IFF_UP and IFF_RUNNING */
};

/* RC_IO. The state is known afterwards. */
MUST_CHECK enum rc nic_link_open(struct nic_link *l, int index);
void nic_link_close(struct nic_link *l); /* a closed one is fine */

/* After poll(): takes in what the kernel has told. */
void nic_link_read(struct nic_link *l);

#endif
