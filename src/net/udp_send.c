/* SPDX-License-Identifier: Apache-2.0 */
#include "net/udp_priv.h"

#include "base/err.h"
#include "base/mem.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <string.h>

/* Trains: speech comes one by one anyway, and is counted one by one by whoever looks on. */
#define TRAIN_UNIT_MIN 400
#define TRAIN_BYTES_MAX 60000
#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif

static socklen_t dest_name(
	const struct cf_udp *udp, const struct cf_addr *addr, struct sockaddr_storage *name)
{
	struct sockaddr_in6 *sin6 = (struct sockaddr_in6 *)name;

	if (udp->family != AF_INET6 || addr->family != CF_ADDR_IPV4)
		return cf_addr_to_sockaddr(addr, name);
	memset(sin6, 0, sizeof(*sin6));
	sin6->sin6_family = AF_INET6;
	sin6->sin6_port = htons(addr->port);
	memset(sin6->sin6_addr.s6_addr + 10, 0xff, 2);
	memcpy(sin6->sin6_addr.s6_addr + 12, addr->ip, 4);
	return sizeof(*sin6);
}

/* The message that makes the kernel send from `local`; its length. */
static size_t write_control(const struct cf_udp *udp, const struct cf_addr *local, uint8_t *control)
{
	struct cmsghdr c = {0};
	struct sockaddr_storage name;

	if (udp->family == AF_INET6) {
		struct in6_pktinfo info = {.ipi6_ifindex = local->scope};

		dest_name(udp, local, &name);
		info.ipi6_addr = ((struct sockaddr_in6 *)&name)->sin6_addr;
		c.cmsg_level = IPPROTO_IPV6;
		c.cmsg_type = IPV6_PKTINFO;
		c.cmsg_len = CMSG_LEN(sizeof(info));
		memcpy(control + CMSG_LEN(0), &info, sizeof(info));
		memcpy(control, &c, sizeof(c));
		return CMSG_SPACE(sizeof(info));
	}
	struct in_pktinfo info = {0};

	memcpy(&info.ipi_spec_dst, local->ip, 4);
	c.cmsg_level = IPPROTO_IP;
	c.cmsg_type = IP_PKTINFO;
	c.cmsg_len = CMSG_LEN(sizeof(info));
	memcpy(control + CMSG_LEN(0), &info, sizeof(info));
	memcpy(control, &c, sizeof(c));
	return CMSG_SPACE(sizeof(info));
}

static void on_report(void *arg)
{
	struct cf_udp *udp = arg;

	udp->error(udp, &udp->lost_dest, udp->lost_err, udp->arg);
}

static void packet_lost(struct cf_udp *udp, const struct cf_addr *dest, int err_no)
{
	udp->stats.dropped_out++;
	if (!udp->error || err_no == EAGAIN || err_no == ENOBUFS || err_no == ENOMEM ||
		err_no == EINVAL)
		return;
	udp->lost_dest = *dest;
	udp->lost_err = cf_udp_icmp_err(err_no);
	cf_defer_set(&udp->report, udp->loop, on_report, udp);
}

/* Messages for sendmmsg. A train (datagrams of one length to one address, the last one perhaps
 * shorter) is one message with a datagram in each of its pieces. */
struct tx_batch {
	struct mmsghdr msgs[CF_UDP_BATCH_MAX];
	struct sockaddr_storage names[CF_UDP_BATCH_MAX];
	_Alignas(struct cmsghdr) uint8_t control[CF_UDP_BATCH_MAX][96];
	const struct cf_addr *dests[CF_UDP_BATCH_MAX];
	const struct cf_addr *locals[CF_UDP_BATCH_MAX];
	size_t bytes[CF_UDP_BATCH_MAX];
	struct iovec iov[CF_UDP_BATCH_MAX];
	size_t n, n_iov;
};

static bool train_takes(const struct cf_udp *udp, const struct tx_batch *b,
	const struct cf_addr *dest, const struct cf_addr *local, size_t len)
{
	const struct msghdr *msg;
	size_t unit;

	if (b->n == 0 || udp->no_trains)
		return false;
	msg = &b->msgs[b->n - 1].msg_hdr;
	unit = msg->msg_iov[0].iov_len;
	return unit >= TRAIN_UNIT_MIN && len > 0 && len <= unit &&
	       msg->msg_iov[msg->msg_iovlen - 1].iov_len == unit &&
	       b->bytes[b->n - 1] + len <= TRAIN_BYTES_MAX &&
	       cf_addr_eq(b->dests[b->n - 1], dest) && cf_addr_eq(b->locals[b->n - 1], local);
}

static void batch_add(struct tx_batch *b, const struct cf_udp *udp, const struct cf_addr *dest,
	const struct cf_addr *local, const void *p, size_t len)
{
	struct iovec *iov = &b->iov[b->n_iov++];
	struct msghdr *msg;
	size_t i = b->n;

	*iov = (struct iovec){(void *)(uintptr_t)p, len};
	if (train_takes(udp, b, dest, local, len)) {
		b->msgs[i - 1].msg_hdr.msg_iovlen++;
		b->bytes[i - 1] += len;
		return;
	}
	b->n++;
	b->bytes[i] = len;
	b->dests[i] = dest;
	b->locals[i] = local;
	msg = &b->msgs[i].msg_hdr;
	*msg = (struct msghdr){.msg_name = &b->names[i], .msg_iov = iov, .msg_iovlen = 1};
	msg->msg_namelen = dest_name(udp, dest, &b->names[i]);
	if (udp->pktinfo && cf_addr_ip_len(local) > 0) {
		memset(b->control[i], 0, sizeof(b->control[i]));
		msg->msg_control = b->control[i];
		msg->msg_controllen = write_control(udp, local, b->control[i]);
	}
}

/* Tells the kernel where to cut a train. */
static void mark_train(struct msghdr *msg, uint8_t *control)
{
	struct cmsghdr c = {.cmsg_level = SOL_UDP,
		.cmsg_type = UDP_SEGMENT,
		.cmsg_len = CMSG_LEN(sizeof(uint16_t))};
	uint16_t unit = (uint16_t)msg->msg_iov[0].iov_len;
	size_t used = msg->msg_control ? msg->msg_controllen : 0;

	memset(control + used, 0, CMSG_SPACE(sizeof(unit)));
	memcpy(control + used, &c, sizeof(c));
	memcpy(control + used + CMSG_LEN(0), &unit, sizeof(unit));
	msg->msg_control = control;
	msg->msg_controllen = used + CMSG_SPACE(sizeof(unit));
}

static void count_sent(struct cf_udp *udp, const struct tx_batch *b, size_t i)
{
	udp->stats.packets_out += b->msgs[i].msg_hdr.msg_iovlen;
	udp->stats.bytes_out += b->bytes[i];
}

/* A train that the kernel does not take goes piece by piece. */
static void send_pieces(struct cf_udp *udp, struct tx_batch *b, size_t i)
{
	struct msghdr *msg = &b->msgs[i].msg_hdr, piece = *msg;

	piece.msg_iovlen = 1;
	piece.msg_controllen -= CMSG_SPACE(sizeof(uint16_t));
	if (piece.msg_controllen == 0)
		piece.msg_control = NULL;
	for (size_t k = 0; k < msg->msg_iovlen; k++) {
		piece.msg_iov = &msg->msg_iov[k];
		if (sendmsg(udp->fd, &piece, MSG_DONTWAIT) < 0) {
			packet_lost(udp, b->dests[i], errno);
			continue;
		}
		udp->stats.packets_out++;
		udp->stats.bytes_out += piece.msg_iov->iov_len;
	}
}

static bool is_train(const struct tx_batch *b, size_t i)
{
	return b->msgs[i].msg_hdr.msg_iovlen > 1;
}

static void refused(struct cf_udp *udp, struct tx_batch *b, size_t i, int err_no)
{
	if (!is_train(b, i)) {
		packet_lost(udp, b->dests[i], err_no);
	} else if (err_no == EAGAIN || err_no == ENOBUFS) {
		packet_lost(udp, b->dests[i], err_no);
		udp->stats.dropped_out += b->msgs[i].msg_hdr.msg_iovlen - 1;
	} else {
		/* Longer than the path's MTU (EINVAL, EMSGSIZE), or a device that cannot (EIO). */
		udp->no_trains |= err_no == EIO;
		send_pieces(udp, b, i);
	}
}

static void batch_send(struct cf_udp *udp, struct tx_batch *b)
{
	bool retried = false;
	size_t i = 0;

	for (size_t k = 0; k < b->n; k++)
		if (is_train(b, k))
			mark_train(&b->msgs[k].msg_hdr, b->control[k]);
	while (i < b->n) {
		int sent = sendmmsg(udp->fd, b->msgs + i, (unsigned)(b->n - i), MSG_DONTWAIT);

		for (int k = 0; k < sent; k++, i++) {
			count_sent(udp, b, i);
			retried = false;
		}
		if (sent > 0 || errno == EINTR)
			continue;
		/* The first refusal may be an ICMP error of an earlier packet to someone else. */
		if (!retried && errno != EAGAIN && errno != ENOBUFS) {
			retried = true;
			continue;
		}
		refused(udp, b, i, errno);
		retried = false;
		i++;
	}
	b->n = b->n_iov = 0;
}

void cf_udp_drop_queued(struct cf_udp *udp)
{
	struct udp_thread *t = udp->thread;

	while (udp->first != NO_SLOT) {
		uint16_t i = udp->first;

		udp->first = t->slots[i].next;
		t->slots[i].next = t->free_slot;
		t->free_slot = i;
	}
	udp->last = NO_SLOT;
	cf_list_remove(&udp->dirty);
	cf_defer_cancel(&udp->flush);
}

void cf_udp_flush(struct cf_udp *udp)
{
	struct udp_thread *t = udp->thread;
	struct tx_batch batch;

	batch.n = batch.n_iov = 0;
	for (uint16_t i = udp->first; i != NO_SLOT; i = t->slots[i].next) {
		struct tx_slot *slot = &t->slots[i];

		batch_add(&batch, udp, &slot->dest, &slot->local, slot->data, slot->len);
		if (batch.n_iov == CF_UDP_BATCH_MAX)
			batch_send(udp, &batch);
	}
	batch_send(udp, &batch);
	cf_udp_drop_queued(udp);
}

static void on_flush(void *arg)
{
	cf_udp_flush(arg);
}

static void flush_all(struct udp_thread *t)
{
	while (!cf_list_empty(&t->dirty))
		cf_udp_flush(CF_CONTAINER_OF(t->dirty.next, struct cf_udp, dirty));
}

static void send_large(struct cf_udp *udp, const struct cf_addr *dest, const struct cf_addr *local,
	const void *p, size_t len)
{
	struct tx_batch batch;

	cf_udp_flush(udp);
	batch.n = batch.n_iov = 0;
	batch_add(&batch, udp, dest, local, p, len);
	batch_send(udp, &batch);
}

void cf_udp_send_from(struct cf_udp *udp, const struct cf_addr *dest, const struct cf_addr *local,
	const void *p, size_t len)
{
	static const struct cf_addr any;
	struct udp_thread *t = udp->thread;
	struct tx_slot *slot;
	uint16_t i;

	if (!local)
		local = &any;
	if (cf_addr_ip_len(dest) == 0 || (udp->family == AF_INET && dest->family != CF_ADDR_IPV4)) {
		udp->stats.dropped_out++;
		return;
	}
	if (len > CF_UDP_PACKET_MAX) {
		send_large(udp, dest, local, p, len);
		return;
	}
	if (t->free_slot == NO_SLOT)
		flush_all(t);
	i = t->free_slot;
	slot = &t->slots[i];
	t->free_slot = slot->next;
	slot->dest = *dest;
	slot->local = *local;
	slot->len = (uint16_t)len;
	slot->next = NO_SLOT;
	if (len > 0)
		memcpy(slot->data, p, len);
	if (udp->first == NO_SLOT) {
		udp->first = i;
		cf_list_push(&t->dirty, &udp->dirty);
		cf_defer_set(&udp->flush, udp->loop, on_flush, udp);
	} else {
		t->slots[udp->last].next = i;
	}
	udp->last = i;
}

void cf_udp_send(struct cf_udp *udp, const struct cf_addr *dest, const void *p, size_t len)
{
	cf_udp_send_from(udp, dest, NULL, p, len);
}
