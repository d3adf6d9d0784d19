#include "nic_frame.h"

#include "lwip/netif.h"
#include "lwip/pbuf.h"

#define ETHERNET_HEADER 14

void nic_frame_input(struct netif *netif, const uint8_t *data, size_t len)
{
	static const uint8_t zeros[NIC_FRAME_MIN];
	size_t padded = len < NIC_FRAME_MIN ? NIC_FRAME_MIN : len;
	struct pbuf *p;

	if (len < ETHERNET_HEADER || len > NIC_FRAME_MAX)
		return;
	/* PBUF_POOL_BUFSIZE holds the longest frame: lwIP wants the headers
	 * in one piece. */
	p = pbuf_alloc(PBUF_RAW, (u16_t)padded, PBUF_POOL);
	if (!p)
		return; /* as if the line had lost it */
	if (pbuf_take(p, data, (u16_t)len) != ERR_OK ||
	    (padded > len && pbuf_take_at(p, zeros, (u16_t)(padded - len),
				 (u16_t)len) != ERR_OK) ||
	    netif->input(p, netif) != ERR_OK)
		pbuf_free(p);
}
