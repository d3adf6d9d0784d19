#include "nic_frame.h"

#include "lwip/netif.h"
#include "lwip/pbuf.h"

#include "nic_guard.h"

#define ETHERNET_HEADER 14
#define SUMS            (NETIF_CHECKSUM_CHECK_TCP | NETIF_CHECKSUM_CHECK_UDP)

/* PBUF_POOL_BUFSIZE holds an ordinary frame, and the headers of a longer one:
 * lwIP wants them in one piece. */
static struct pbuf *copy(const uint8_t *data, size_t len)
{
	static const uint8_t zeros[NIC_FRAME_MIN];
	size_t padded = len < NIC_FRAME_MIN ? NIC_FRAME_MIN : len;
	struct pbuf *p = pbuf_alloc(PBUF_RAW, (u16_t)padded, PBUF_POOL);

	if (!p)
		return NULL; /* as if the line had lost it */
	if (pbuf_take(p, data, (u16_t)len) == ERR_OK &&
	    (padded == len || pbuf_take_at(p, zeros, (u16_t)(padded - len),
				  (u16_t)len) == ERR_OK))
		return p;
	pbuf_free(p);
	return NULL;
}

void nic_frame_input(
    struct netif *netif, const uint8_t *data, size_t len, bool has_sums)
{
	struct pbuf *p;

	if (len < ETHERNET_HEADER || len > NIC_FRAME_BIG ||
	    !nic_guard_passes(data, len))
		return;
	p = copy(data, len);
	if (!p)
		return;
	/* input() is done when it returns: there is one thread */
	if (!has_sums)
		NETIF_SET_CHECKSUM_CTRL(
		    netif, (u16_t)(NETIF_CHECKSUM_ENABLE_ALL & ~SUMS));
	if (netif->input(p, netif) != ERR_OK)
		pbuf_free(p);
	NETIF_SET_CHECKSUM_CTRL(netif, NETIF_CHECKSUM_ENABLE_ALL);
}
