/* SPDX-License-Identifier: Apache-2.0 */
/*
 * UDP sockets on a loop: batches in (recvmmsg), batches out (sendmmsg at the end of the turn,
 * trains of equal length to one address as one message that the kernel cuts: UDP_SEGMENT), ICMP
 * errors by callback. Never blocks: what does not fit into the socket's buffer is dropped and
 * counted, as the network would. Packet memory belongs to the thread, not to the socket, so that a
 * relay with thousands of sockets stays small. All functions on the loop's thread.
 */
#ifndef CF_NET_UDP_H
#define CF_NET_UDP_H

#include "base/addr.h"
#include "base/err.h"
#include "loop/loop.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Largest datagram received; longer ones are dropped and counted. Larger may be sent. */
#define CF_UDP_PACKET_MAX 2048
/* Most datagrams of one callback. */
#define CF_UDP_BATCH_MAX 32
/* Bytes before and behind each received datagram that the receiver may overwrite: room to wrap it
 * in place. */
#define CF_UDP_HEADROOM 64
#define CF_UDP_TAILROOM 8

struct cf_udp;

struct cf_udp_packet {
	uint8_t *p; /* valid until the callback returns; may be overwritten, and the room around it
		     */
	size_t len;
	struct cf_addr src;
	struct cf_addr local; /* where it arrived; without the pktinfo option the bound address */
};

/** n >= 1 datagrams in the order of arrival. May send and may free any socket, this one too. */
typedef void cf_udp_recv_fn(
	struct cf_udp *udp, const struct cf_udp_packet *packets, size_t n, void *arg);

/** ICMP said that what was sent to dest does not arrive: err is CF_EUNREACH, CF_EDENIED (filtered),
 * or CF_ENOSPC (too large for the path). dest is always known. May free the socket. */
typedef void cf_udp_error_fn(struct cf_udp *udp, const struct cf_addr *dest, int err, void *arg);

struct cf_udp_options {
	struct cf_addr bind; /* port 0: the kernel chooses */
	bool reuse_port;     /* one socket per worker on the same port */
	bool claim_port;     /* the first of those: fails where another program has the port */
	bool pktinfo;        /* report and choose the local address (sockets bound to a wildcard) */
	bool v6_only;        /* a wildcard IPv6 socket refuses IPv4 (default: yes, by _defaults) */
	int recv_buffer;     /* bytes asked of the kernel, 0: its default */
	int send_buffer;     /* as above */
	int dscp;            /* traffic class 0..63 */
	cf_udp_recv_fn *recv;   /* required */
	cf_udp_error_fn *error; /* NULL: ICMP errors are ignored */
	void *arg;
};

struct cf_udp_stats {
	uint64_t packets_in, bytes_in;
	uint64_t packets_out, bytes_out;
	uint64_t dropped_out; /* socket buffer full, no memory, or refused by the kernel */
	uint64_t dropped_in;  /* too long */
};

void cf_udp_options_defaults(struct cf_udp_options *options);

/** Opens and binds. 0 and the socket (owned by the caller), or CF_EADDRINUSE, CF_ENOMEM, ... */
CF_MUST_CHECK int cf_udp_open(
	struct cf_udp **ret_udp, struct cf_loop *loop, const struct cf_udp_options *options);

/** Sends what is queued and leaves the loop with the socket open: gives it, now the caller's. Takes
 * the rest. For cf_udp_adopt(), on any thread. */
CF_MUST_CHECK int cf_udp_detach(struct cf_udp *udp);

/** Puts such a socket on a loop, under other callbacks; of the options these alone count, and
 * pktinfo. Takes fd, also on failure. 0, CF_ENOMEM or CF_EIO. */
CF_MUST_CHECK int cf_udp_adopt(struct cf_udp **ret_udp, struct cf_loop *loop,
	const struct cf_udp_options *options, int fd);

/** Sends what is queued, closes. Also from its own callbacks. NULL is fine. Returns NULL. */
struct cf_udp *cf_udp_free(struct cf_udp *udp);

/** The bound address, with the real port. */
const struct cf_addr *cf_udp_local(const struct cf_udp *udp);

/** Queues one datagram (copies) to be sent at the end of this turn; order per socket is kept. What
 * cannot be sent is dropped and counted: no error to handle. */
void cf_udp_send(struct cf_udp *udp, const struct cf_addr *dest, const void *p, size_t len);

/** As cf_udp_send(), from this local address (pktinfo sockets; NULL: the kernel chooses). */
void cf_udp_send_from(struct cf_udp *udp, const struct cf_addr *dest, const struct cf_addr *local,
	const void *p, size_t len);

/** Sends what is queued at once. */
void cf_udp_flush(struct cf_udp *udp);

/** Sets the "don't fragment" bit on what is sent from now on (the kernel's default is on while a
 * path MTU is unknown). 0 or an error. */
CF_MUST_CHECK int cf_udp_set_dont_fragment(struct cf_udp *udp, bool on);

const struct cf_udp_stats *cf_udp_stats(const struct cf_udp *udp);

#endif
