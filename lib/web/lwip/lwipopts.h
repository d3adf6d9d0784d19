/*
 * lwIP's options for the web role: one loop, no threads.
 * What the page does not need is compiled out: reassembly, forwarding,
 * fragments, raw sockets. Numbers were measured on a prototype and are
 * generous; memory that is never touched costs nothing.
 */
#ifndef LWIPOPTS_H
#define LWIPOPTS_H

/* --- one context ---------------------------------------------------------- */
#define NO_SYS               1
#define SYS_LIGHTWEIGHT_PROT 0
#define LWIP_NETCONN         0
#define LWIP_SOCKET          0
#define LWIP_RAW             0
#define LWIP_TIMERS          1

/* --- protocols ------------------------------------------------------------ */
#define LWIP_IPV4                   1
#define LWIP_IPV6                   1
#define LWIP_IPV6_MLD               1
#define LWIP_IPV6_DHCP6             0
#define LWIP_IPV6_FORWARD           0
#define LWIP_IPV6_REASS             0
#define LWIP_IPV6_FRAG              0
#define LWIP_ARP                    1
#define LWIP_ICMP                   1
#define LWIP_UDP                    1
#define LWIP_TCP                    1
#define LWIP_ALTCP                  1
#define LWIP_IGMP                   1
#define LWIP_DHCP                   1
#define LWIP_AUTOIP                 1
#define LWIP_ACD                    1
#define LWIP_DHCP_DOES_ACD_CHECK    1
#define LWIP_DHCP_AUTOIP_COOP       1
#define LWIP_DHCP_AUTOIP_COOP_TRIES 3
#define LWIP_DNS                    1
#define IP_FORWARD                  0
#define IP_REASSEMBLY               0
#define IP_FRAG                     0
#define LWIP_NETIF_HOSTNAME         1
#define LWIP_NETIF_STATUS_CALLBACK  1
/* A packet socket gives frames whose sums nobody has made (nic_packet.c). */
#define LWIP_CHECKSUM_CTRL_PER_NETIF 1

/* --- the name ------------------------------------------------------------- */
#define LWIP_MDNS_RESPONDER            1
#define LWIP_MDNS_SEARCH               0 /* 2.2.1 trusts lengths there */
#define MDNS_RESP_USENETIF_EXTCALLBACK 1
#define LWIP_NETIF_EXT_STATUS_CALLBACK 1
#define LWIP_NUM_NETIF_CLIENT_DATA     1

/* A ping to a broadcast address is not answered. */
#define LWIP_BROADCAST_PING 0
#define LWIP_MULTICAST_PING 0

/* --- TCP ------------------------------------------------------------------ */
#define TCP_MSS             1460
#define TCP_WND             (24 * TCP_MSS)
#define TCP_SND_BUF         (24 * TCP_MSS)
#define TCP_SND_QUEUELEN    (4 * TCP_SND_BUF / TCP_MSS)
#define TCP_QUEUE_OOSEQ     1
#define TCP_OOSEQ_MAX_PBUFS 16
#define LWIP_TCP_SACK_OUT   1
#define TCP_MSL             5000
#define LWIP_TCP_KEEPALIVE  1
/* Without a backlog half-open connections push out established ones. */
#define TCP_LISTEN_BACKLOG 1
#define LWIP_HOOK_FILENAME "lwip_hooks.h"

/* --- the MQTT client ------------------------------------------------------ */
#define MQTT_OUTPUT_RINGBUF_SIZE   16384 /* a full state, and what precedes it */
#define MQTT_REQ_MAX_IN_FLIGHT     2
#define MQTT_CYCLIC_TIMER_INTERVAL 5

/* --- the time: sntp_link.c ------------------------------------------------- */
#define LWIP_DHCP_GET_NTP_SRV      1
#define LWIP_DHCP_MAX_NTP_SERVERS  1
#define SNTP_MAX_SERVERS           1
#define SNTP_GET_SERVERS_FROM_DHCP 1
#define SNTP_SERVER_DNS            1
#define SNTP_STARTUP_DELAY         0 /* it is begun when there is an address */
/* An answer has to come from whom was asked, and repeat 64 random bits that
 * stand where our own time would: which it is nobody's business to know. */
#define SNTP_CHECK_RESPONSE 2
#define SNTP_COMP_ROUNDTRIP 0
#define SNTP_GET_SYSTEM_TIME(sec, us)                                          \
	do {                                                                   \
		(sec) = lwip_port_sntp_asks();                                 \
		(us) = lwip_port_rand();                                       \
	} while (0)
#define SNTP_SET_SYSTEM_TIME_NTP(sec, frac) lwip_port_sntp_answer(sec, frac)

/* --- memory --------------------------------------------------------------- */
#define MEM_ALIGNMENT 8
/* Over TLS what is sent is a copy, up to TCP_SND_BUF for each of 72. */
#define MEM_SIZE                  (4 * 1024 * 1024)
#define PBUF_POOL_SIZE            256
#define PBUF_POOL_BUFSIZE         1600 /* a frame in one piece: headers too */
#define MEMP_NUM_PBUF             2048
#define MEMP_NUM_TCP_SEG          2048
#define MEMP_NUM_TCP_PCB          160
#define MEMP_NUM_UDP_PCB          8
#define MEMP_NUM_ALTCP_PCB        (MEMP_NUM_TCP_PCB + 8)
#define MEMP_NUM_SYS_TIMEOUT      (LWIP_NUM_SYS_TIMEOUT_INTERNAL + 24)
#define LWIP_NETIF_TX_SINGLE_PBUF 0
/* As many as lwIP can count. With ten, its default, eleven neighbours that talk
 * at once push each other out, and what is sent to who is out gets lost. */
#define ARP_TABLE_SIZE            127
#define LWIP_ND6_NUM_NEIGHBORS    127
#define LWIP_ND6_NUM_DESTINATIONS 127
#define MEMP_NUM_ND6_QUEUE        64

#define LWIP_STATS 0

#endif
