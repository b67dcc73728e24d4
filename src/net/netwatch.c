/* SPDX-License-Identifier: Apache-2.0 */
#include "net/netwatch.h"

#include "base/clock.h"
#include "base/mem.h"

#include <errno.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

/* One change comes as several messages. */
#define SETTLE_US (20 * CF_US_PER_MS)

struct cf_netwatch {
	struct cf_loop *loop;
	struct cf_io io;
	struct cf_timer timer;
	int fd;
	void (*fn)(void *arg);
	void *arg;
};

static void on_settled(struct cf_timer *timer, void *arg)
{
	struct cf_netwatch *watch = arg;

	(void)timer;
	watch->fn(watch->arg);
}

/* The messages themselves are of no interest; ENOBUFS means that some were lost: a change too. */
static void on_readable(struct cf_io *io, unsigned events, void *arg)
{
	struct cf_netwatch *watch = arg;
	char buffer[4096];
	ssize_t n;

	(void)io;
	(void)events;
	do
		n = recv(watch->fd, buffer, sizeof(buffer), MSG_DONTWAIT | MSG_TRUNC);
	while (n > 0 || (n < 0 && (errno == EINTR || errno == ENOBUFS)));
	if (!cf_timer_is_set(&watch->timer))
		(void)!cf_timer_after(&watch->timer, watch->loop, SETTLE_US, on_settled, watch);
}

static int open_socket(void)
{
	struct sockaddr_nl sa = {.nl_family = AF_NETLINK,
		.nl_groups = RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR |
			     RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_ROUTE};
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);

	if (fd < 0)
		return cf_err_from_errno(errno);
	if (bind(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0) {
		int err = cf_err_from_errno(errno);

		close(fd);
		return err;
	}
	return fd;
}

int cf_netwatch_new(
	struct cf_netwatch **ret_watch, struct cf_loop *loop, void (*fn)(void *arg), void *arg)
{
	struct cf_netwatch *watch = cf_alloc(sizeof(*watch));
	int err;

	if (!watch)
		return CF_ENOMEM;
	watch->loop = loop;
	watch->fn = fn;
	watch->arg = arg;
	watch->fd = open_socket();
	if (watch->fd < 0) {
		err = watch->fd;
		cf_free(watch);
		return err;
	}
	err = cf_io_start(&watch->io, loop, watch->fd, CF_IO_READ, on_readable, watch);
	if (err < 0) {
		close(watch->fd);
		cf_free(watch);
		return err;
	}
	*ret_watch = watch;
	return 0;
}

struct cf_netwatch *cf_netwatch_free(struct cf_netwatch *watch)
{
	if (!watch)
		return NULL;
	cf_io_stop(&watch->io);
	cf_timer_stop(&watch->timer);
	close(watch->fd);
	return cf_free(watch);
}
