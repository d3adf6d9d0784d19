/*
 * What a packet socket and a TAP device have in common: a descriptor that
 * takes and gives whole frames, an interface behind it, and its link. The
 * functions are for struct web_nic_ops; `ctx` begins with a struct nic_port.
 */
#ifndef NIC_PORT_H
#define NIC_PORT_H

#include "nic_link.h"
#include "rc.h"
#include "web_nic.h"

#define NIC_PORT_BUDGET 64 /* frames to lwIP in one service() */

struct nic_port {
	int fd; /* -1: closed */
	struct nic_link link;
	uint8_t mac[6];
	uint16_t mtu;
};

void nic_port_facts(void *ctx, uint8_t mac[6], uint16_t *mtu);
int nic_port_link(void *ctx);

/* From where it lies, piece by piece. */
int nic_port_send(void *ctx, const struct pbuf *p);

/* Two descriptors: the frames', then the link's. */
size_t nic_port_wait(
    void *ctx, struct pollfd *fds, size_t cap, int *timeout_ms);

/* After poll(): takes in what the link has told. True: frames are there. */
bool nic_port_has_frames(
    struct nic_port *n, const struct pollfd *fds, size_t k);

void nic_port_init(struct nic_port *n);
void nic_port_close(struct nic_port *n);

/* Says on the log what errno means for this interface. */
enum rc nic_port_refused(const char *interface, const char *what);

#endif
