/* SPDX-License-Identifier: Apache-2.0 */
#include "net/udp.h"

#include "base/mem.h"

#include <errno.h>
#include <linux/errqueue.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/ip_icmp.h>
#include <netinet/udp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define TX_SLOTS 128
#define NO_SLOT UINT16_MAX
#define BATCHES_PER_TURN 4
#define ERRORS_PER_TURN 16
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
	uint8_t rx[CF_UDP_BATCH_MAX][CF_UDP_PACKET_MAX];
	struct sockaddr_storage names[CF_UDP_BATCH_MAX];
	struct mmsghdr msgs[CF_UDP_BATCH_MAX];
	struct iovec iov[CF_UDP_BATCH_MAX];
	_Alignas(struct cmsghdr) uint8_t control[CF_UDP_BATCH_MAX][CONTROL_BYTES];
	struct cf_udp_packet packets[CF_UDP_BATCH_MAX];
};

struct cf_udp {
	struct cf_io io;
	struct cf_loop *loop;
	struct cf_defer flush;
	struct cf_defer report;
	struct cf_list dirty; /* in udp_thread.dirty while packets are queued */
	uint16_t first, last; /* queued slots */
	int fd;
	int family; /* AF_INET, AF_INET6 */
	bool pktinfo;
	bool *gone; /* set when freed inside a callback */
	struct cf_addr local;
	struct cf_addr lost_dest; /* refused by our own kernel, to be reported */
	int lost_err;
	struct cf_udp_stats stats;
	cf_udp_recv_fn *recv;
	cf_udp_error_fn *error;
	void *arg;
};

static _Thread_local struct udp_thread *thread_state;

static int thread_ref(void)
{
	struct udp_thread *t = thread_state;

	if (!t) {
		t = cf_alloc(sizeof(*t));
		if (!t)
			return CF_ENOMEM;
		cf_list_init(&t->dirty);
		for (uint16_t i = 0; i < TX_SLOTS; i++)
			t->slots[i].next = (uint16_t)(i + 1 < TX_SLOTS ? i + 1 : NO_SLOT);
		thread_state = t;
	}
	t->refs++;
	return 0;
}

static void thread_unref(void)
{
	if (--thread_state->refs == 0)
		thread_state = cf_free(thread_state);
}

void cf_udp_options_defaults(struct cf_udp_options *options)
{
	*options = (struct cf_udp_options){.v6_only = true};
}

/* Opening */

static int set_flag(int fd, int level, int name, int value)
{
	return setsockopt(fd, level, name, &value, sizeof(value)) < 0 ? cf_err_from_errno(errno)
								      : 0;
}

static int set_ip_options(struct cf_udp *udp, const struct cf_udp_options *o)
{
	bool v6 = udp->family == AF_INET6;
	int err = 0;

	if (v6)
		err = set_flag(udp->fd, IPPROTO_IPV6, IPV6_V6ONLY, o->v6_only);
	if (!err && o->pktinfo)
		err = v6 ? set_flag(udp->fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1)
			 : set_flag(udp->fd, IPPROTO_IP, IP_PKTINFO, 1);
	if (!err && o->error)
		err = v6 ? set_flag(udp->fd, IPPROTO_IPV6, IPV6_RECVERR, 1)
			 : set_flag(udp->fd, IPPROTO_IP, IP_RECVERR, 1);
	if (!err && o->error && v6 && !o->v6_only)
		err = set_flag(udp->fd, IPPROTO_IP, IP_RECVERR, 1);
	if (!err && o->dscp)
		err = v6 ? set_flag(udp->fd, IPPROTO_IPV6, IPV6_TCLASS, o->dscp << 2)
			 : set_flag(udp->fd, IPPROTO_IP, IP_TOS, o->dscp << 2);
	return err;
}

static int set_options(struct cf_udp *udp, const struct cf_udp_options *o)
{
	int err = 0;

	if (o->reuse_port)
		err = set_flag(udp->fd, SOL_SOCKET, SO_REUSEPORT, 1);
	/* Sizes are wishes: the kernel cuts them to its own limits. */
	if (!err && o->recv_buffer)
		err = set_flag(udp->fd, SOL_SOCKET, SO_RCVBUF, o->recv_buffer);
	if (!err && o->send_buffer)
		err = set_flag(udp->fd, SOL_SOCKET, SO_SNDBUF, o->send_buffer);
	return err ? err : set_ip_options(udp, o);
}

static int bind_socket(struct cf_udp *udp, const struct cf_addr *addr)
{
	struct sockaddr_storage sa;
	socklen_t len = cf_addr_to_sockaddr(addr, &sa);

	if (bind(udp->fd, (struct sockaddr *)&sa, len) < 0)
		return cf_err_from_errno(errno);
	len = sizeof(sa);
	if (getsockname(udp->fd, (struct sockaddr *)&sa, &len) < 0)
		return cf_err_from_errno(errno);
	return cf_addr_from_sockaddr(&udp->local, (struct sockaddr *)&sa);
}

static void on_io(struct cf_io *io, unsigned events, void *arg);

int cf_udp_open(struct cf_udp **ret_udp, struct cf_loop *loop, const struct cf_udp_options *options)
{
	struct cf_udp *udp;
	int err;

	if (!options->recv || cf_addr_ip_len(&options->bind) == 0)
		return CF_EINVAL;
	udp = cf_alloc(sizeof(*udp));
	if (!udp)
		return CF_ENOMEM;
	if (thread_ref() < 0) {
		cf_free(udp);
		return CF_ENOMEM;
	}
	udp->loop = loop;
	udp->first = udp->last = NO_SLOT;
	udp->pktinfo = options->pktinfo;
	udp->recv = options->recv;
	udp->error = options->error;
	udp->arg = options->arg;
	udp->family = options->bind.family == CF_ADDR_IPV6 ? AF_INET6 : AF_INET;
	udp->fd = socket(udp->family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	err = udp->fd < 0 ? cf_err_from_errno(errno) : set_options(udp, options);
	if (!err)
		err = bind_socket(udp, &options->bind);
	if (!err)
		err = cf_io_start(&udp->io, loop, udp->fd, CF_IO_READ, on_io, udp);
	if (err) {
		cf_udp_free(udp);
		return err;
	}
	*ret_udp = udp;
	return 0;
}

static void drop_queued(struct cf_udp *udp)
{
	struct udp_thread *t = thread_state;

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

struct cf_udp *cf_udp_free(struct cf_udp *udp)
{
	if (!udp)
		return NULL;
	if (udp->fd >= 0)
		cf_udp_flush(udp);
	drop_queued(udp);
	cf_defer_cancel(&udp->report);
	cf_io_stop(&udp->io);
	if (udp->fd >= 0)
		close(udp->fd);
	if (udp->gone)
		*udp->gone = true;
	thread_unref();
	return cf_free(udp);
}

/* Receiving */

static void read_control(const struct cf_udp *udp, struct msghdr *msg, struct cf_addr *local)
{
	struct sockaddr_in6 sin6 = {.sin6_family = AF_INET6};
	struct sockaddr_in sin = {.sin_family = AF_INET};
	struct in6_pktinfo info6;
	struct in_pktinfo info4;
	const struct sockaddr *sa = NULL;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
			memcpy(&info4, CMSG_DATA(c), sizeof(info4));
			sin.sin_addr = info4.ipi_addr;
			sa = (const struct sockaddr *)&sin;
		} else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
			memcpy(&info6, CMSG_DATA(c), sizeof(info6));
			sin6.sin6_addr = info6.ipi6_addr;
			if (IN6_IS_ADDR_LINKLOCAL(&sin6.sin6_addr))
				sin6.sin6_scope_id = info6.ipi6_ifindex;
			sa = (const struct sockaddr *)&sin6;
		}
	}
	if (sa && cf_addr_from_sockaddr(local, sa) == 0)
		local->port = udp->local.port;
}

static void prepare_batch(const struct cf_udp *udp, struct udp_thread *t)
{
	for (size_t i = 0; i < CF_UDP_BATCH_MAX; i++) {
		t->iov[i] = (struct iovec){t->rx[i], sizeof(t->rx[i])};
		t->msgs[i].msg_hdr = (struct msghdr){
			.msg_name = &t->names[i],
			.msg_namelen = sizeof(t->names[i]),
			.msg_iov = &t->iov[i],
			.msg_iovlen = 1,
			.msg_control = udp->pktinfo ? t->control[i] : NULL,
			.msg_controllen = udp->pktinfo ? CONTROL_BYTES : 0,
		};
	}
}

static size_t collect_batch(struct cf_udp *udp, struct udp_thread *t, size_t n_msgs)
{
	size_t n = 0;

	for (size_t i = 0; i < n_msgs; i++) {
		struct cf_udp_packet *packet = &t->packets[n];
		struct msghdr *msg = &t->msgs[i].msg_hdr;

		if ((msg->msg_flags & MSG_TRUNC) ||
			cf_addr_from_sockaddr(&packet->src, msg->msg_name) < 0) {
			udp->stats.dropped_in++;
			continue;
		}
		packet->p = t->rx[i];
		packet->len = t->msgs[i].msg_len;
		packet->local = udp->local;
		if (udp->pktinfo)
			read_control(udp, msg, &packet->local);
		udp->stats.packets_in++;
		udp->stats.bytes_in += packet->len;
		n++;
	}
	return n;
}

/* One batch; the number of messages that the kernel gave. */
static int receive_batch(struct cf_udp *udp)
{
	struct udp_thread *t = thread_state;
	size_t n;
	int got;

	prepare_batch(udp, t);
	do {
		got = recvmmsg(udp->fd, t->msgs, CF_UDP_BATCH_MAX, MSG_DONTWAIT, NULL);
		/* An ICMP error of an earlier packet ends one call; the next one reads on. */
	} while (got < 0 && (errno == EINTR || errno == ECONNREFUSED));
	if (got <= 0)
		return 0;
	n = collect_batch(udp, t, (size_t)got);
	if (n > 0)
		udp->recv(udp, t->packets, n, udp->arg);
	return got;
}

/* ICMP errors */

static int icmp_err(int err_no)
{
	switch (err_no) {
	case EACCES:
	case EPERM:
		return CF_EDENIED;
	case EMSGSIZE:
		return CF_ENOSPC;
	default:
		return CF_EUNREACH;
	}
}

/* One entry of the error queue: its errno, 0 when the queue is empty. */
static int read_error(struct cf_udp *udp, struct cf_addr *ret_dest)
{
	_Alignas(struct cmsghdr) uint8_t control[512];
	struct sockaddr_storage name = {0};
	struct sock_extended_err see;
	uint8_t byte;
	struct iovec iov = {&byte, 1};
	struct msghdr msg = {.msg_name = &name,
		.msg_namelen = sizeof(name),
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control)};

	if (recvmsg(udp->fd, &msg, MSG_ERRQUEUE | MSG_DONTWAIT) < 0)
		return 0;
	*ret_dest = (struct cf_addr){0};
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&msg); c; c = CMSG_NXTHDR(&msg, c)) {
		bool is_err = (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_RECVERR) ||
			      (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_RECVERR);

		if (!is_err || cf_addr_from_sockaddr(ret_dest, (struct sockaddr *)&name) < 0)
			continue;
		memcpy(&see, CMSG_DATA(c), sizeof(see));
		return see.ee_errno ? (int)see.ee_errno : EIO;
	}
	return EIO;
}

static void drain_errors(struct cf_udp *udp, const bool *gone)
{
	for (int i = 0; i < ERRORS_PER_TURN && !*gone; i++) {
		struct cf_addr dest;
		int err_no = read_error(udp, &dest);

		if (!err_no)
			break;
		if (udp->error && cf_addr_ip_len(&dest) > 0)
			udp->error(udp, &dest, icmp_err(err_no), udp->arg);
	}
	if (!*gone) {
		int pending;
		socklen_t len = sizeof(pending);

		/* Clears what epoll would go on reporting. */
		getsockopt(udp->fd, SOL_SOCKET, SO_ERROR, &pending, &len);
	}
}

static void on_io(struct cf_io *io, unsigned events, void *arg)
{
	struct cf_udp *udp = arg;
	bool gone = false;

	(void)io;
	if (thread_ref() < 0) /* the callback may free the last socket */
		return;
	udp->gone = &gone;
	if (events & CF_IO_ERROR)
		drain_errors(udp, &gone);
	for (int i = 0; i < BATCHES_PER_TURN && !gone && (events & CF_IO_READ); i++)
		if (receive_batch(udp) < CF_UDP_BATCH_MAX)
			break;
	if (!gone)
		udp->gone = NULL;
	thread_unref();
}

/* Sending */

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
	udp->lost_err = icmp_err(err_no);
	cf_defer_set(&udp->report, udp->loop, on_report, udp);
}

struct tx_batch {
	struct mmsghdr msgs[CF_UDP_BATCH_MAX];
	struct iovec iov[CF_UDP_BATCH_MAX];
	struct sockaddr_storage names[CF_UDP_BATCH_MAX];
	_Alignas(struct cmsghdr) uint8_t control[CF_UDP_BATCH_MAX][64];
	const struct cf_addr *dests[CF_UDP_BATCH_MAX];
	size_t n;
};

static void batch_add(struct tx_batch *b, const struct cf_udp *udp, const struct cf_addr *dest,
	const struct cf_addr *local, const void *p, size_t len)
{
	size_t i = b->n++;
	struct msghdr *msg = &b->msgs[i].msg_hdr;

	b->iov[i] = (struct iovec){(void *)(uintptr_t)p, len};
	*msg = (struct msghdr){.msg_name = &b->names[i], .msg_iov = &b->iov[i], .msg_iovlen = 1};
	msg->msg_namelen = dest_name(udp, dest, &b->names[i]);
	b->dests[i] = dest;
	if (udp->pktinfo && cf_addr_ip_len(local) > 0) {
		memset(b->control[i], 0, sizeof(b->control[i]));
		msg->msg_control = b->control[i];
		msg->msg_controllen = write_control(udp, local, b->control[i]);
	}
}

static void batch_send(struct cf_udp *udp, struct tx_batch *b)
{
	bool retried = false;
	size_t i = 0;

	while (i < b->n) {
		int sent = sendmmsg(udp->fd, b->msgs + i, (unsigned)(b->n - i), MSG_DONTWAIT);

		for (int k = 0; k < sent; k++, i++) {
			udp->stats.packets_out++;
			udp->stats.bytes_out += b->iov[i].iov_len;
			retried = false;
		}
		if (sent > 0 || errno == EINTR)
			continue;
		/* The first refusal may be an ICMP error of an earlier packet to someone else. */
		if (!retried && errno != EAGAIN && errno != ENOBUFS) {
			retried = true;
			continue;
		}
		packet_lost(udp, b->dests[i], errno);
		retried = false;
		i++;
	}
	b->n = 0;
}

void cf_udp_flush(struct cf_udp *udp)
{
	struct udp_thread *t = thread_state;
	struct tx_batch batch;

	batch.n = 0;
	for (uint16_t i = udp->first; i != NO_SLOT; i = t->slots[i].next) {
		struct tx_slot *slot = &t->slots[i];

		batch_add(&batch, udp, &slot->dest, &slot->local, slot->data, slot->len);
		if (batch.n == CF_UDP_BATCH_MAX)
			batch_send(udp, &batch);
	}
	batch_send(udp, &batch);
	drop_queued(udp);
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
	batch.n = 0;
	batch_add(&batch, udp, dest, local, p, len);
	batch_send(udp, &batch);
}

void cf_udp_send_from(struct cf_udp *udp, const struct cf_addr *dest, const struct cf_addr *local,
	const void *p, size_t len)
{
	static const struct cf_addr any;
	struct udp_thread *t = thread_state;
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

/* Getters */

const struct cf_addr *cf_udp_local(const struct cf_udp *udp)
{
	return &udp->local;
}

int cf_udp_set_dont_fragment(struct cf_udp *udp, bool on)
{
	if (udp->family == AF_INET6)
		return set_flag(udp->fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER,
			on ? IPV6_PMTUDISC_DO : IPV6_PMTUDISC_DONT);
	return set_flag(
		udp->fd, IPPROTO_IP, IP_MTU_DISCOVER, on ? IP_PMTUDISC_DO : IP_PMTUDISC_DONT);
}

const struct cf_udp_stats *cf_udp_stats(const struct cf_udp *udp)
{
	return &udp->stats;
}
