/* SPDX-License-Identifier: Apache-2.0 */
#include "net/listener.h"

#include "base/clock.h"
#include "base/list.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/rand.h"
#include "net/stream_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* So that a flood of connections does not hold up the loop's other work. */
#define ACCEPTS_PER_TURN 32
/* Without a descriptor to spare, accept again this much later. */
#define EMFILE_WAIT_US (100 * CF_US_PER_MS)
#define LINGER_US CF_US_PER_S

#define CLASSES_TLS (CF_LISTEN_HTTP_TLS | CF_LISTEN_TURN_TLS)

/*
 * Who is connected, counted for as long as the streams live, which may be on other threads and
 * longer than the listener.
 */
struct quota {
	pthread_mutex_t lock; /* LOCK: all below; held for a few instructions */
	size_t refs;          /* listener and connections */
	size_t count;
	struct cf_map sources;
	uint64_t seed; /* RO */
};

struct source {
	struct cf_map_node node;
	struct cf_addr ip;
	size_t count;
};

/* One connection's place in the quota. */
struct token {
	struct quota *quota;
	struct source *source;
};

/* A connection until it is known what it wants. */
struct pending {
	struct cf_list link;
	struct cf_listener *listener;
	struct cf_io io; /* while no stream: waiting for the first byte */
	struct cf_timer timer;
	int fd;
	struct cf_stream *stream;
	struct token *token;
	bool refusing;
};

struct cf_listener {
	struct cf_loop *loop;
	struct cf_io io;
	struct cf_timer retry;
	int fd;
	int spare_fd; /* given up for a moment when descriptors run out */
	struct cf_addr local;
	struct cf_list pending;
	struct quota *quota;
	struct cf_listener_options o;
	struct cf_listener_stats stats;
};

void cf_listener_options_defaults(struct cf_listener_options *options)
{
	*options = (struct cf_listener_options){
		.max_conns = 20000,
		.max_conns_per_ip = 1000,
		.open_timeout_us = 10 * CF_US_PER_S,
		.backlog = 511,
	};
}

/* Quota */

static struct quota *quota_new(void)
{
	struct quota *quota = cf_alloc(sizeof(*quota));

	if (!quota)
		return NULL;
	pthread_mutex_init(&quota->lock, NULL);
	cf_map_init(&quota->sources);
	quota->seed = cf_rand_u64();
	quota->refs = 1;
	return quota;
}

static void quota_unref(struct quota *quota, struct source *source)
{
	bool last;

	pthread_mutex_lock(&quota->lock);
	last = --quota->refs == 0;
	if (source) {
		quota->count--;
		if (--source->count == 0) {
			cf_map_remove(&quota->sources, &source->node);
			cf_free(source);
		}
	}
	pthread_mutex_unlock(&quota->lock);
	if (!last)
		return;
	cf_map_done(&quota->sources);
	pthread_mutex_destroy(&quota->lock);
	cf_free(quota);
}

static void token_release(void *arg)
{
	struct token *token = arg;

	quota_unref(token->quota, token->source);
	cf_free(token);
}

static bool source_eq(const struct cf_map_node *node, const void *key)
{
	return cf_addr_ip_eq(&CF_CONTAINER_OF(node, const struct source, node)->ip, key);
}

/* LOCK held. The source of ip (made when new), or NULL. */
static struct source *find_source(struct quota *quota, const struct cf_addr *ip)
{
	uint32_t hash = cf_hash_bytes(ip->ip, sizeof(ip->ip), quota->seed);
	struct cf_map_node *node = cf_map_find(&quota->sources, hash, source_eq, ip);
	struct source *source;

	if (node)
		return CF_CONTAINER_OF(node, struct source, node);
	source = cf_alloc(sizeof(*source));
	if (!source)
		return NULL;
	source->ip = *ip;
	if (cf_map_insert(&quota->sources, &source->node, hash) < 0)
		return cf_free(source);
	return source;
}

/* A place for a connection from addr, or NULL. */
static struct token *token_take(struct cf_listener *l, const struct cf_addr *addr)
{
	struct quota *quota = l->quota;
	struct token *token = cf_alloc(sizeof(*token));
	struct cf_addr ip = *addr;
	struct source *source = NULL;

	if (!token)
		return NULL;
	ip.port = 0;
	if (ip.family == CF_ADDR_IPV6)
		memset(ip.ip + 8, 0, 8); /* one customer has a /64 at least */
	pthread_mutex_lock(&quota->lock);
	if (quota->count < l->o.max_conns && l->o.max_conns_per_ip > 0)
		source = find_source(quota, &ip);
	if (source && source->count >= l->o.max_conns_per_ip)
		source = NULL;
	if (source) {
		source->count++;
		quota->count++;
		quota->refs++;
	}
	pthread_mutex_unlock(&quota->lock);
	if (!source)
		return cf_free(token);
	*token = (struct token){quota, source};
	return token;
}

/* Telling what a connection wants */

static void pending_free(struct pending *p)
{
	cf_list_remove(&p->link);
	cf_timer_stop(&p->timer);
	cf_io_stop(&p->io);
	cf_stream_free(p->stream);
	if (p->fd >= 0)
		close(p->fd);
	if (p->token)
		token_release(p->token);
	cf_free(p);
}

static void pending_failed(struct pending *p)
{
	p->listener->stats.failed++;
	pending_free(p);
}

static void on_timeout(struct cf_timer *timer, void *arg)
{
	struct pending *p = arg;

	(void)timer;
	p->listener->stats.timed_out++;
	pending_free(p);
}

/* Clear text HTTP on a TLS port: a person with a browser deserves a sentence. */
static void refuse_plain_http(struct pending *p)
{
	static const char answer[] = "HTTP/1.1 400 Bad Request\r\n"
				     "Content-Type: text/plain\r\nContent-Length: 26\r\n"
				     "Connection: close\r\n\r\nThis port expects HTTPS.\r\n";

	p->refusing = true;
	p->listener->stats.failed++;
	if (cf_stream_write(p->stream, answer, sizeof(answer) - 1) < 0)
		pending_free(p);
	else
		cf_stream_shutdown(p->stream, LINGER_US);
}

/* p is gone afterwards, or refusing. */
static void classified(struct pending *p, unsigned cls)
{
	struct cf_listener *l = p->listener;
	struct cf_stream *stream = p->stream;

	if (cls == CF_LISTEN_HTTP_TCP && !(l->o.accept & cls)) {
		refuse_plain_http(p);
		return;
	}
	if (!(l->o.accept & cls)) {
		pending_failed(p);
		return;
	}
	p->stream = NULL;
	pending_free(p);
	l->o.fn(l, (enum cf_listener_class)cls, stream, l->o.arg);
}

/* What the first byte in front of, or inside of, TLS says; 0: nothing known. */
static unsigned class_of_byte(uint8_t byte, bool tls)
{
	if (byte <= 3) /* RFC 7983 section 7: STUN */
		return tls ? CF_LISTEN_TURN_TLS : CF_LISTEN_TURN_TCP;
	if ((byte >= 'A' && byte <= 'Z') || (byte >= 'a' && byte <= 'z'))
		return tls ? CF_LISTEN_HTTP_TLS : CF_LISTEN_HTTP_TCP;
	return 0;
}

static void sniff_open(struct cf_stream *stream, void *arg)
{
	struct cf_view alpn = cf_stream_alpn(stream);

	if (cf_view_is(alpn, "stun.turn"))
		classified(arg, CF_LISTEN_TURN_TLS);
	else if (cf_view_is(alpn, "h2") || cf_view_is(alpn, "http/1.1"))
		classified(arg, CF_LISTEN_HTTP_TLS);
}

static size_t sniff_data(struct cf_stream *stream, const uint8_t *p, size_t n, void *arg)
{
	struct pending *pending = arg;

	if (pending->refusing)
		return n;
	classified(pending, class_of_byte(p[0], cf_stream_is_tls(stream)));
	return 0;
}

static void sniff_close(struct cf_stream *stream, int err, void *arg)
{
	struct pending *p = arg;

	(void)stream;
	(void)err;
	if (p->refusing)
		pending_free(p);
	else
		pending_failed(p);
}

static const struct cf_stream_ops sniff_ops = {sniff_open, sniff_data, NULL, sniff_close};

static void on_first_byte(struct cf_io *io, unsigned events, void *arg)
{
	struct pending *p = arg;
	struct cf_listener *l = p->listener;
	struct cf_stream_options o;
	uint8_t byte;
	ssize_t got = recv(p->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
	bool tls = got == 1 && byte == 0x16; /* a TLS record with a handshake */
	int fd = p->fd;

	(void)events;
	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (got != 1 || (tls && (!l->o.tls || !(l->o.accept & CLASSES_TLS))) ||
		(!tls && !class_of_byte(byte, false))) {
		pending_failed(p);
		return;
	}
	cf_io_stop(io);
	cf_stream_options_defaults(&o);
	o.tls = tls ? l->o.tls : NULL;
	o.open_timeout_us = l->o.open_timeout_us;
	p->fd = -1;
	if (cf_stream_accept(&p->stream, l->loop, fd, &o, &sniff_ops, p) < 0) {
		pending_failed(p);
		return;
	}
	cf_stream_on_release(p->stream, token_release, p->token);
	p->token = NULL;
}

/* Accepting */

static void begin(struct cf_listener *l, int fd, const struct cf_addr *addr)
{
	struct pending *p = cf_alloc(sizeof(*p));

	if (!p) {
		close(fd);
		return;
	}
	p->listener = l;
	p->fd = fd;
	cf_list_push(&l->pending, &p->link);
	p->token = token_take(l, addr);
	if (!p->token) {
		l->stats.refused_limit++;
		pending_free(p);
		return;
	}
	l->stats.accepted++;
	if (cf_timer_after(&p->timer, l->loop, l->o.open_timeout_us, on_timeout, p) < 0 ||
		cf_io_start(&p->io, l->loop, fd, CF_IO_READ, on_first_byte, p) < 0)
		pending_failed(p);
}

static void on_retry(struct cf_timer *timer, void *arg)
{
	struct cf_listener *l = arg;

	(void)timer;
	if (cf_io_set(&l->io, CF_IO_READ) < 0)
		(void)!cf_timer_after(&l->retry, l->loop, EMFILE_WAIT_US, on_retry, l);
}

/* No descriptor left: the one in reserve takes the connection, to close it. Otherwise it would
 * stay in the queue and keep the loop busy. */
static void out_of_descriptors(struct cf_listener *l)
{
	int fd = -1;

	if (l->spare_fd >= 0) {
		close(l->spare_fd);
		fd = accept4(l->fd, NULL, NULL, SOCK_CLOEXEC);
		if (fd >= 0)
			close(fd);
		l->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	}
	l->stats.refused_limit++;
	if (fd < 0 && cf_io_set(&l->io, 0) == 0)
		(void)!cf_timer_after(&l->retry, l->loop, EMFILE_WAIT_US, on_retry, l);
}

static void on_acceptable(struct cf_io *io, unsigned events, void *arg)
{
	struct cf_listener *l = arg;

	(void)io;
	(void)events;
	for (int i = 0; i < ACCEPTS_PER_TURN; i++) {
		struct sockaddr_storage sa;
		socklen_t len = sizeof(sa);
		struct cf_addr addr;
		int fd = accept4(l->fd, (struct sockaddr *)&sa, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd < 0 && (errno == EMFILE || errno == ENFILE))
			out_of_descriptors(l);
		if (fd < 0 && (errno == ECONNABORTED || errno == EINTR))
			continue;
		if (fd < 0)
			return;
		if (cf_addr_from_sockaddr(&addr, (struct sockaddr *)&sa) == 0)
			begin(l, fd, &addr);
		else
			close(fd);
	}
}

static int share_port(const struct cf_listener *l)
{
	int on = 1;

	return setsockopt(l->fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on));
}

static int bind_and_listen(struct cf_listener *l)
{
	struct sockaddr_storage sa;
	socklen_t len = cf_addr_to_sockaddr(&l->o.bind, &sa);
	int on = 1;

	l->fd = socket(sa.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (l->fd < 0)
		return cf_err_from_errno(errno);
	setsockopt(l->fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (sa.ss_family == AF_INET6)
		setsockopt(l->fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
	if (l->o.reuse_port && !l->o.claim_port && share_port(l) < 0)
		return cf_err_from_errno(errno);
	if (bind(l->fd, (struct sockaddr *)&sa, len) < 0)
		return cf_err_from_errno(errno);
	if (l->o.claim_port && share_port(l) < 0) /* bound alone; now others of ours may join */
		return cf_err_from_errno(errno);
	if (listen(l->fd, l->o.backlog) < 0)
		return cf_err_from_errno(errno);
	len = sizeof(sa);
	if (getsockname(l->fd, (struct sockaddr *)&sa, &len) < 0)
		return cf_err_from_errno(errno);
	return cf_addr_from_sockaddr(&l->local, (struct sockaddr *)&sa);
}

int cf_listener_open(struct cf_listener **ret_listener, struct cf_loop *loop,
	const struct cf_listener_options *options)
{
	struct cf_listener *l;
	int err = CF_ENOMEM;

	if (!options->fn || !options->accept || cf_addr_ip_len(&options->bind) == 0)
		return CF_EINVAL;
	l = cf_alloc(sizeof(*l));
	if (!l)
		return CF_ENOMEM;
	l->loop = loop;
	l->fd = l->spare_fd = -1;
	l->o = *options;
	cf_list_init(&l->pending);
	if (l->o.tls)
		cf_tls_ref(l->o.tls);
	l->quota = quota_new();
	if (l->quota)
		err = bind_and_listen(l);
	if (!err)
		err = cf_io_start(&l->io, loop, l->fd, CF_IO_READ, on_acceptable, l);
	if (err) {
		cf_listener_free(l);
		return err;
	}
	l->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	*ret_listener = l;
	return 0;
}

struct cf_listener *cf_listener_free(struct cf_listener *listener)
{
	if (!listener)
		return NULL;
	cf_io_stop(&listener->io);
	cf_timer_stop(&listener->retry);
	while (!cf_list_empty(&listener->pending))
		pending_free(CF_CONTAINER_OF(listener->pending.next, struct pending, link));
	if (listener->fd >= 0)
		close(listener->fd);
	if (listener->spare_fd >= 0)
		close(listener->spare_fd);
	if (listener->quota)
		quota_unref(listener->quota, NULL);
	cf_tls_unref(listener->o.tls);
	return cf_free(listener);
}

const struct cf_addr *cf_listener_local(const struct cf_listener *listener)
{
	return &listener->local;
}

size_t cf_listener_count(const struct cf_listener *listener)
{
	size_t count;

	pthread_mutex_lock(&listener->quota->lock);
	count = listener->quota->count;
	pthread_mutex_unlock(&listener->quota->lock);
	return count;
}

const struct cf_listener_stats *cf_listener_stats(const struct cf_listener *listener)
{
	return &listener->stats;
}

void cf_listener_set_max_conns(struct cf_listener *listener, size_t max_conns)
{
	listener->o.max_conns = max_conns;
}
