/* SPDX-License-Identifier: Apache-2.0 */
/* Inside of UDP sockets: opening, receiving and ICMP errors (udp.c), sending (udp_send.c). */
#ifndef CF_NET_UDP_PRIV_H
#define CF_NET_UDP_PRIV_H

#include "net/udp.h"

#include <sys/socket.h>
#include <sys/uio.h>

#define TX_SLOTS 128
#define NO_SLOT UINT16_MAX
#define CONTROL_BYTES 128

struct tx_slot {
	struct cf_addr dest;
	struct cf_addr local;
	uint16_t len;
	uint16_t next;
	uint8_t data[CF_UDP_PACKET_MAX];
};

/* Packet memory of one thread, shared by its sockets; lives as long as one of them. */
struct udp_thread {
	size_t refs;
	struct cf_list dirty; /* sockets with queued packets */
	uint16_t free_slot;
	struct tx_slot slots[TX_SLOTS];
	uint8_t rx[CF_UDP_BATCH_MAX][CF_UDP_HEADROOM + CF_UDP_PACKET_MAX + CF_UDP_TAILROOM];
	struct sockaddr_storage names[CF_UDP_BATCH_MAX];
	struct mmsghdr msgs[CF_UDP_BATCH_MAX];
	struct iovec iov[CF_UDP_BATCH_MAX];
	_Alignas(struct cmsghdr) uint8_t control[CF_UDP_BATCH_MAX][CONTROL_BYTES];
	struct cf_udp_packet packets[CF_UDP_BATCH_MAX];
};

struct cf_udp {
	struct cf_io io;
	struct cf_loop *loop;
	struct udp_thread *thread;
	struct cf_defer flush;
	struct cf_defer report;
	struct cf_list dirty; /* in udp_thread.dirty while packets are queued */
	uint16_t first, last; /* queued slots */
	int fd;
	int family; /* AF_INET, AF_INET6 */
	bool pktinfo;
	bool no_trains; /* the device cannot take them */
	bool *gone;     /* set when freed inside a callback */
	struct cf_addr local;
	struct cf_addr lost_dest; /* refused by our own kernel, to be reported */
	int lost_err;
	struct cf_udp_stats stats;
	cf_udp_recv_fn *recv;
	cf_udp_error_fn *error;
	void *arg;
};

/** What an errno about a destination means to the caller. */
int cf_udp_icmp_err(int err_no);

/** Forgets what is queued. */
void cf_udp_drop_queued(struct cf_udp *udp);

#endif
