/* SPDX-License-Identifier: Apache-2.0 */
#include "net/udp_priv.h"

#include "base/mem.h"

#include <errno.h>
#include <linux/errqueue.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/ip_icmp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define BATCHES_PER_TURN 4
#define ERRORS_PER_TURN 16

static _Thread_local struct udp_thread *thread_state;

/* What the kernel changes of a message that it filled. */
static void reset_rx(struct msghdr *msg)
{
	msg->msg_namelen = sizeof(struct sockaddr_storage);
	msg->msg_controllen = CONTROL_BYTES;
	msg->msg_flags = 0;
}

static void prepare_rx(struct udp_thread *t)
{
	for (size_t i = 0; i < CF_UDP_BATCH_MAX; i++) {
		t->iov[i] = (struct iovec){t->rx[i] + CF_UDP_HEADROOM, CF_UDP_PACKET_MAX};
		t->msgs[i].msg_hdr = (struct msghdr){
			.msg_name = &t->names[i],
			.msg_iov = &t->iov[i],
			.msg_iovlen = 1,
			.msg_control = t->control[i],
		};
		reset_rx(&t->msgs[i].msg_hdr);
	}
}

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
		prepare_rx(t);
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

	if (o->reuse_port && !o->claim_port)
		err = set_flag(udp->fd, SOL_SOCKET, SO_REUSEPORT, 1);
	/* Sizes are wishes: the kernel cuts them to its own limits. */
	if (!err && o->recv_buffer)
		err = set_flag(udp->fd, SOL_SOCKET, SO_RCVBUF, o->recv_buffer);
	if (!err && o->send_buffer)
		err = set_flag(udp->fd, SOL_SOCKET, SO_SNDBUF, o->send_buffer);
	return err ? err : set_ip_options(udp, o);
}

static int read_local(struct cf_udp *udp)
{
	struct sockaddr_storage sa;
	socklen_t len = sizeof(sa);

	if (getsockname(udp->fd, (struct sockaddr *)&sa, &len) < 0)
		return cf_err_from_errno(errno);
	udp->family = sa.ss_family;
	return cf_addr_from_sockaddr(&udp->local, (struct sockaddr *)&sa);
}

static int bind_socket(struct cf_udp *udp, const struct cf_addr *addr)
{
	struct sockaddr_storage sa;
	socklen_t len = cf_addr_to_sockaddr(addr, &sa);

	if (bind(udp->fd, (struct sockaddr *)&sa, len) < 0)
		return cf_err_from_errno(errno);
	return read_local(udp);
}

static void on_io(struct cf_io *io, unsigned events, void *arg);

/* Without a socket so far. */
static struct cf_udp *udp_new(struct cf_loop *loop, const struct cf_udp_options *options)
{
	struct cf_udp *udp = cf_alloc(sizeof(*udp));

	if (!udp)
		return NULL;
	if (thread_ref() < 0)
		return cf_free(udp);
	udp->loop = loop;
	udp->thread = thread_state;
	udp->first = udp->last = NO_SLOT;
	udp->pktinfo = options->pktinfo;
	udp->recv = options->recv;
	udp->error = options->error;
	udp->arg = options->arg;
	udp->fd = -1;
	return udp;
}

static int start(struct cf_udp **ret_udp, struct cf_udp *udp, int err)
{
	if (!err)
		err = cf_io_start(
			&udp->io, udp->loop, udp->fd, CF_IO_READ | CF_IO_EDGE, on_io, udp);
	if (err) {
		cf_udp_free(udp);
		return err;
	}
	*ret_udp = udp;
	return 0;
}

int cf_udp_open(struct cf_udp **ret_udp, struct cf_loop *loop, const struct cf_udp_options *options)
{
	struct cf_udp *udp;
	int err;

	if (!options->recv || cf_addr_ip_len(&options->bind) == 0)
		return CF_EINVAL;
	udp = udp_new(loop, options);
	if (!udp)
		return CF_ENOMEM;
	udp->family = options->bind.family == CF_ADDR_IPV6 ? AF_INET6 : AF_INET;
	udp->fd = socket(udp->family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	err = udp->fd < 0 ? cf_err_from_errno(errno) : set_options(udp, options);
	if (!err)
		err = bind_socket(udp, &options->bind);
	if (!err && options->claim_port) /* bound alone; from now on others of ours may join */
		err = set_flag(udp->fd, SOL_SOCKET, SO_REUSEPORT, 1);
	return start(ret_udp, udp, err);
}

int cf_udp_adopt(
	struct cf_udp **ret_udp, struct cf_loop *loop, const struct cf_udp_options *options, int fd)
{
	struct cf_udp *udp = udp_new(loop, options);

	if (!udp) {
		close(fd);
		return CF_ENOMEM;
	}
	udp->fd = fd;
	return start(ret_udp, udp, read_local(udp));
}

int cf_udp_detach(struct cf_udp *udp)
{
	int fd = udp->fd;

	cf_udp_flush(udp);
	cf_io_stop(&udp->io);
	udp->fd = -1;
	cf_udp_free(udp);
	return fd;
}

struct cf_udp *cf_udp_free(struct cf_udp *udp)
{
	if (!udp)
		return NULL;
	if (udp->fd >= 0)
		cf_udp_flush(udp);
	cf_udp_drop_queued(udp);
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
		packet->p = t->iov[i].iov_base;
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
	struct udp_thread *t = udp->thread;
	size_t n;
	int got;

	do {
		got = recvmmsg(udp->fd, t->msgs, CF_UDP_BATCH_MAX, MSG_DONTWAIT, NULL);
		/* An ICMP error of an earlier packet ends one call; the next one reads on. */
	} while (got < 0 && (errno == EINTR || errno == ECONNREFUSED));
	if (got <= 0)
		return 0;
	n = collect_batch(udp, t, (size_t)got);
	for (int i = 0; i < got; i++)
		reset_rx(&t->msgs[i].msg_hdr);
	if (n > 0)
		udp->recv(udp, t->packets, n, udp->arg);
	return got;
}

/* ICMP errors */

int cf_udp_icmp_err(int err_no)
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

/* Whether there may be more. */
static bool drain_errors(struct cf_udp *udp, const bool *gone)
{
	bool more = true;

	for (int i = 0; i < ERRORS_PER_TURN && !*gone && more; i++) {
		struct cf_addr dest;
		int err_no = read_error(udp, &dest);

		more = err_no != 0;
		if (!more)
			break;
		if (udp->error && cf_addr_ip_len(&dest) > 0)
			udp->error(udp, &dest, cf_udp_icmp_err(err_no), udp->arg);
	}
	if (!*gone) {
		int pending;
		socklen_t len = sizeof(pending);

		/* Clears what the next call would fail with. */
		getsockopt(udp->fd, SOL_SOCKET, SO_ERROR, &pending, &len);
	}
	return more;
}

static void on_io(struct cf_io *io, unsigned events, void *arg)
{
	struct cf_udp *udp = arg;
	bool gone = false, more_errors, more = (events & CF_IO_READ) != 0;

	if (thread_ref() < 0) { /* the callback may free the last socket */
		cf_io_again(io);
		return;
	}
	udp->gone = &gone;
	more_errors = events & CF_IO_ERROR && drain_errors(udp, &gone);
	for (int i = 0; i < BATCHES_PER_TURN && !gone && more; i++)
		more = receive_batch(udp) == CF_UDP_BATCH_MAX;
	if (!gone) {
		udp->gone = NULL;
		if (more || more_errors)
			cf_io_again(io);
	}
	thread_unref();
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
