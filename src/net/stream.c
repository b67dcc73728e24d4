/* SPDX-License-Identifier: Apache-2.0 */
#include "net/stream_priv.h"

#include "base/clock.h"
#include "base/mem.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define SCRATCH_BYTES (16 * 1024 + 512)
#define READS_PER_TURN 4
#define RECORDS_PER_TURN 64 /* of TLS: small ones that came together */
/* A peer that acknowledges nothing for this long is gone. */
#define TCP_DEAD_MS 60000

/* Where bytes are read to before anyone needs to keep them. */
static _Thread_local uint8_t scratch[SCRATCH_BYTES];

void cf_stream_options_defaults(struct cf_stream_options *options)
{
	*options = (struct cf_stream_options){
		.open_timeout_us = 10 * CF_US_PER_S,
		.read_max = 64 * 1024,
		.write_max = 1024 * 1024,
	};
}

static void on_io(struct cf_io *io, unsigned events, void *arg);
static void on_turn_end(void *arg);

static void at_turn_end(struct cf_stream *s)
{
	if (s->loop)
		cf_defer_set(&s->defer, s->loop, on_turn_end, s);
}

/* on_close is due; not from inside the caller's call. */
static void fail_later(struct cf_stream *s, int err)
{
	if (s->state == CF_STREAM_CLOSED || s->failed)
		return;
	s->failed = err;
	at_turn_end(s);
}

/* The end: only from the loop. The stream may be gone afterwards. */
static void close_now(struct cf_stream *s, int err)
{
	if (s->state == CF_STREAM_CLOSED)
		return;
	s->state = CF_STREAM_CLOSED;
	cf_io_stop(&s->io);
	cf_timer_stop(&s->timer);
	cf_defer_cancel(&s->defer);
	if (s->ops->on_close)
		s->ops->on_close(s, err, s->arg);
}

static void watch(struct cf_stream *s)
{
	bool unsent = s->out.len > s->out_sent;
	unsigned events = 0;
	int err;

	if (!s->io.loop)
		return;
	switch (s->state) {
	case CF_STREAM_CONNECTING:
		events = CF_IO_WRITE;
		break;
	case CF_STREAM_HANDSHAKE:
		events = s->read_blocked ? CF_IO_WRITE : CF_IO_READ;
		break;
	default:
		if (!s->paused)
			events |= CF_IO_READ;
		if ((s->blocked && unsent) || (s->read_blocked && !s->paused))
			events |= CF_IO_WRITE;
	}
	err = cf_io_set(&s->io, events | CF_IO_EDGE);
	if (err)
		fail_later(s, err);
	else if ((events & CF_IO_READ) && !s->drained)
		cf_io_again(&s->io);
}

/* Making */

static struct cf_stream *new_stream(struct cf_loop *loop, const struct cf_stream_options *o,
	const struct cf_stream_ops *ops, void *arg)
{
	struct cf_stream *s = cf_alloc(sizeof(*s));

	if (!s)
		return NULL;
	s->loop = loop;
	s->ops = ops;
	s->arg = arg;
	s->fd = -1;
	s->error_text = "";
	s->read_max = o->read_max;
	cf_buf_init(&s->in, o->read_max + SCRATCH_BYTES);
	cf_buf_init(&s->out, o->write_max);
	if (o->tls)
		s->tls = cf_tls_ref(o->tls);
	return s;
}

static void tune(int fd)
{
	int on = 1, dead_ms = TCP_DEAD_MS;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	/* Media over TCP is a thin stream: its lost segments wait for time-outs that would double.
	 */
	setsockopt(fd, IPPROTO_TCP, TCP_THIN_LINEAR_TIMEOUTS, &on, sizeof(on));
	setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &dead_ms, sizeof(dead_ms));
	setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
}

static void ask_names(struct cf_stream *s)
{
	struct sockaddr_storage sa;
	socklen_t len = sizeof(sa);

	if (getsockname(s->fd, (struct sockaddr *)&sa, &len) == 0)
		(void)!cf_addr_from_sockaddr(&s->local, (struct sockaddr *)&sa);
	len = sizeof(sa);
	if (getpeername(s->fd, (struct sockaddr *)&sa, &len) == 0)
		(void)!cf_addr_from_sockaddr(&s->peer, (struct sockaddr *)&sa);
}

static void on_open_timeout(struct cf_timer *timer, void *arg)
{
	(void)timer;
	close_now(arg, CF_ETIMEOUT);
}

static int start_connect(
	struct cf_stream *s, const struct cf_addr *addr, const struct cf_addr *from)
{
	struct sockaddr_storage sa;
	socklen_t len = cf_addr_to_sockaddr(from, &sa);

	if (len > 0 && bind(s->fd, (struct sockaddr *)&sa, len) < 0)
		return cf_err_from_errno(errno);
	len = cf_addr_to_sockaddr(addr, &sa);
	if (connect(s->fd, (struct sockaddr *)&sa, len) < 0 && errno != EINPROGRESS)
		return cf_err_from_errno(errno);
	s->peer = *addr;
	return 0;
}

int cf_stream_connect(struct cf_stream **ret_stream, struct cf_loop *loop,
	const struct cf_addr *addr, const struct cf_stream_options *options,
	const struct cf_stream_ops *ops, void *arg)
{
	int family = addr->family == CF_ADDR_IPV6 ? AF_INET6 : AF_INET, err = 0;
	struct cf_stream *s;

	if (cf_addr_ip_len(addr) == 0)
		return CF_EINVAL;
	s = new_stream(loop, options, ops, arg);
	if (!s)
		return CF_ENOMEM;
	s->state = CF_STREAM_CONNECTING;
	s->fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (s->fd < 0)
		err = cf_err_from_errno(errno);
	if (!err && s->tls)
		err = cf_stream_io_tls(s, options->server_name, options->alpn);
	if (!err)
		tune(s->fd);
	if (!err)
		err = cf_timer_after(&s->timer, loop, options->open_timeout_us, on_open_timeout, s);
	if (!err)
		err = start_connect(s, addr, &options->bind);
	if (!err)
		err = cf_io_start(&s->io, loop, s->fd, CF_IO_WRITE | CF_IO_EDGE, on_io, s);
	if (err) {
		cf_stream_free(s);
		return err;
	}
	*ret_stream = s;
	return 0;
}

int cf_stream_accept(struct cf_stream **ret_stream, struct cf_loop *loop, int fd,
	const struct cf_stream_options *options, const struct cf_stream_ops *ops, void *arg)
{
	struct cf_stream *s = new_stream(loop, options, ops, arg);
	int err = 0;

	if (!s) {
		close(fd);
		return CF_ENOMEM;
	}
	s->fd = fd;
	tune(fd);
	ask_names(s);
	s->state = s->tls ? CF_STREAM_HANDSHAKE : CF_STREAM_OPEN;
	if (s->tls)
		err = cf_stream_io_tls(s, NULL, NULL);
	if (!err && s->tls)
		err = cf_timer_after(&s->timer, loop, options->open_timeout_us, on_open_timeout, s);
	if (!err)
		err = cf_io_start(&s->io, loop, fd, CF_IO_READ | CF_IO_EDGE, on_io, s);
	if (err) {
		cf_stream_free(s);
		return err;
	}
	if (!s->tls) {
		s->opening = true;
		at_turn_end(s);
	}
	*ret_stream = s;
	return 0;
}

void cf_stream_on_release(struct cf_stream *stream, void (*fn)(void *arg), void *arg)
{
	stream->release = fn;
	stream->release_arg = arg;
}

struct cf_stream *cf_stream_free(struct cf_stream *stream)
{
	if (!stream)
		return NULL;
	cf_io_stop(&stream->io);
	cf_timer_stop(&stream->timer);
	cf_defer_cancel(&stream->defer);
	if (stream->gone)
		*stream->gone = true;
	SSL_free(stream->ssl);
	if (stream->fd >= 0)
		close(stream->fd);
	cf_tls_unref(stream->tls);
	cf_buf_done(&stream->in);
	cf_buf_done(&stream->out);
	if (stream->release)
		stream->release(stream->release_arg);
	return cf_free(stream);
}

/* Reading. Each function returns false when the stream must not be touched any more. */

static bool keep_rest(struct cf_stream *s, const uint8_t *p, size_t n, size_t consumed)
{
	int err = 0;

	if (consumed > n)
		consumed = n;
	if (s->current) {
		s->current = NULL;
		if (consumed < n)
			err = cf_buf_append(&s->in, p + consumed, n - consumed);
	} else {
		cf_buf_consume(&s->in, consumed);
		if (s->in.len == 0)
			cf_buf_done(&s->in);
	}
	if (s->state != CF_STREAM_OPEN)
		cf_buf_done(&s->in); /* shut down by the callback: the rest does not matter */
	if (!err && s->in.len >= s->read_max)
		err = CF_ELIMIT;
	if (err)
		close_now(s, err);
	return !err;
}

static bool hand_over(struct cf_stream *s, const uint8_t *p, size_t n)
{
	bool gone = false;
	size_t consumed;

	s->gone = &gone;
	consumed = s->ops->on_data(s, p, n, s->arg);
	if (gone)
		return false;
	s->gone = NULL;
	return keep_rest(s, p, n, consumed);
}

static bool deliver(struct cf_stream *s, const uint8_t *p, size_t n)
{
	if (s->in.len > 0) {
		if (cf_buf_append(&s->in, p, n) < 0) {
			close_now(s, CF_ENOMEM);
			return false;
		}
		return hand_over(s, s->in.p, s->in.len);
	}
	s->current = p;
	s->current_len = n;
	return hand_over(s, p, n);
}

static bool flush(struct cf_stream *s);

static bool read_some(struct cf_stream *s)
{
	int most = s->ssl ? RECORDS_PER_TURN : READS_PER_TURN;

	for (int i = 0; i < most; i++) {
		int got;

		if (s->paused && s->state == CF_STREAM_OPEN)
			return true;
		got = cf_stream_io_read(s, scratch, sizeof(scratch));
		if (got == CF_EAGAIN)
			return true;
		if (got <= 0) {
			/* What was meant for a peer that only closed its side may still go. */
			if (got == 0 && s->state == CF_STREAM_OPEN && !flush(s))
				return false;
			close_now(s, s->state == CF_STREAM_SHUTTING ? 0 : got);
			return false;
		}
		if (s->state == CF_STREAM_OPEN && !deliver(s, scratch, (size_t)got))
			return false;
		if (s->state == CF_STREAM_CLOSED)
			return false;
	}
	if (cf_stream_io_pending(s)) {
		s->again = true;
		at_turn_end(s);
	}
	return true;
}

/* Writing */

static void compact(struct cf_stream *s)
{
	if (s->out_sent == s->out.len) {
		cf_buf_done(&s->out);
		s->out_sent = 0;
	} else if (s->out_sent > s->out.len / 2) {
		cf_buf_consume(&s->out, s->out_sent);
		s->out_sent = 0;
	}
}

static bool drained(struct cf_stream *s)
{
	bool gone = false;

	if (s->state == CF_STREAM_SHUTTING && !s->fin_sent) {
		s->fin_sent = true;
		cf_stream_io_finish(s);
	}
	if (!s->wrote)
		return true;
	s->wrote = false;
	if (s->state != CF_STREAM_OPEN || !s->ops->on_drain)
		return true;
	s->gone = &gone;
	s->ops->on_drain(s, s->arg);
	if (gone)
		return false;
	s->gone = NULL;
	return true;
}

static bool flush(struct cf_stream *s)
{
	if (s->state != CF_STREAM_OPEN && s->state != CF_STREAM_SHUTTING)
		return true;
	s->blocked = false;
	while (s->out_sent < s->out.len) {
		int sent = cf_stream_io_write(s, s->out.p + s->out_sent, s->out.len - s->out_sent);

		if (sent == CF_EAGAIN) {
			s->blocked = true;
			break;
		}
		if (sent <= 0) {
			close_now(s, sent == 0 ? CF_ECLOSED : sent);
			return false;
		}
		s->out_sent += (size_t)sent;
	}
	compact(s);
	return s->blocked || drained(s);
}

/* Events */

static bool opened(struct cf_stream *s)
{
	bool gone = false;

	s->opening = false;
	cf_timer_stop(&s->timer);
	s->state = CF_STREAM_OPEN;
	if (s->ops->on_open) {
		s->gone = &gone;
		s->ops->on_open(s, s->arg);
		if (gone)
			return false;
		s->gone = NULL;
	}
	if (s->state == CF_STREAM_OPEN && s->out.len > 0)
		at_turn_end(s);
	return s->state != CF_STREAM_CLOSED;
}

static bool shake_hands(struct cf_stream *s)
{
	int err = cf_stream_io_handshake(s);

	if (err == CF_EAGAIN)
		return true;
	if (err) {
		close_now(s, err);
		return false;
	}
	/* Bytes may have come along with the end of the handshake. */
	return opened(s) && read_some(s);
}

static bool connected(struct cf_stream *s)
{
	int err_no = 0;
	socklen_t len = sizeof(err_no);

	getsockopt(s->fd, SOL_SOCKET, SO_ERROR, &err_no, &len);
	if (err_no) {
		close_now(s, cf_err_from_errno(err_no));
		return false;
	}
	ask_names(s);
	if (!s->ssl)
		return opened(s);
	s->state = CF_STREAM_HANDSHAKE;
	return shake_hands(s);
}

static bool transfer(struct cf_stream *s, unsigned events)
{
	int err_no = 0;
	socklen_t len = sizeof(err_no);

	if ((events & CF_IO_ERROR) && s->paused) {
		getsockopt(s->fd, SOL_SOCKET, SO_ERROR, &err_no, &len);
		close_now(s, err_no ? cf_err_from_errno(err_no) : CF_ECLOSED);
		return false;
	}
	if ((events & CF_IO_WRITE) && !flush(s))
		return false;
	if ((events & (CF_IO_READ | CF_IO_ERROR)) || ((events & CF_IO_WRITE) && s->read_blocked))
		return read_some(s);
	return true;
}

static void on_io(struct cf_io *io, unsigned events, void *arg)
{
	struct cf_stream *s = arg;
	bool alive;

	(void)io;
	if (events & (CF_IO_READ | CF_IO_ERROR))
		s->drained = false;
	s->hangup |= (events & CF_IO_HANGUP) != 0;
	if (s->opening && !opened(s))
		return;
	switch (s->state) {
	case CF_STREAM_CONNECTING:
		alive = connected(s);
		break;
	case CF_STREAM_HANDSHAKE:
		alive = shake_hands(s);
		break;
	default:
		alive = transfer(s, events);
	}
	if (alive)
		watch(s);
}

static bool deliver_again(struct cf_stream *s)
{
	if (s->state < CF_STREAM_OPEN)
		return true;
	s->again = false;
	s->drained = false;
	if (s->state == CF_STREAM_OPEN && !s->paused && s->in.len > 0 &&
		!hand_over(s, s->in.p, s->in.len))
		return false;
	return s->state == CF_STREAM_CLOSED ? false : read_some(s);
}

static void on_turn_end(void *arg)
{
	struct cf_stream *s = arg;

	if (s->failed) {
		close_now(s, s->failed);
		return;
	}
	if (s->opening && !opened(s))
		return;
	if (s->again && !deliver_again(s))
		return;
	if (!s->blocked && !flush(s))
		return;
	watch(s);
}

/* Verbs */

int cf_stream_write(struct cf_stream *stream, const void *p, size_t n)
{
	int err;

	if (stream->state >= CF_STREAM_SHUTTING || stream->failed)
		return CF_ECLOSED;
	if (stream->out_sent > 0 && stream->out.len + n > stream->out.max) {
		cf_buf_consume(&stream->out, stream->out_sent);
		stream->out_sent = 0;
	}
	err = cf_buf_append(&stream->out, p, n);
	if (err)
		return err;
	stream->wrote = true;
	at_turn_end(stream);
	return 0;
}

size_t cf_stream_unsent(const struct cf_stream *stream)
{
	return stream->out.len - stream->out_sent;
}

/* A peer that still takes what is left for it gets more time. */
static void on_linger_end(struct cf_timer *timer, void *arg)
{
	struct cf_stream *s = arg;
	size_t unsent = cf_stream_unsent(s);

	if (unsent > 0 && unsent < s->linger_unsent &&
		cf_timer_after(timer, s->loop, s->linger_us, on_linger_end, s) == 0)
		s->linger_unsent = unsent;
	else
		close_now(s, unsent > 0 ? CF_ETIMEOUT : 0);
}

void cf_stream_shutdown(struct cf_stream *stream, uint64_t linger_us)
{
	if (stream->state >= CF_STREAM_SHUTTING || !stream->loop)
		return;
	if (stream->state != CF_STREAM_OPEN) {
		fail_later(stream, CF_ECANCELED);
		return;
	}
	stream->state = CF_STREAM_SHUTTING;
	stream->paused = false;
	stream->linger_us = linger_us;
	stream->linger_unsent = SIZE_MAX;
	at_turn_end(stream);
	if (cf_timer_after(&stream->timer, stream->loop, linger_us, on_linger_end, stream) < 0)
		fail_later(stream, CF_ENOMEM);
}

void cf_stream_pause(struct cf_stream *stream)
{
	if (stream->paused || stream->state == CF_STREAM_SHUTTING)
		return;
	stream->paused = true;
	watch(stream);
}

void cf_stream_resume(struct cf_stream *stream)
{
	if (!stream->paused)
		return;
	stream->paused = false;
	stream->again = true;
	at_turn_end(stream);
}

int cf_stream_detach(struct cf_stream *stream)
{
	int err = 0;

	if (stream->state != CF_STREAM_OPEN || stream->failed || stream->opening || !stream->loop)
		return CF_ESTATE;
	if (stream->current)
		err = cf_buf_append(&stream->in, stream->current, stream->current_len);
	if (err)
		return err;
	stream->current = NULL;
	cf_io_stop(&stream->io);
	cf_timer_stop(&stream->timer);
	cf_defer_cancel(&stream->defer);
	if (stream->gone)
		*stream->gone = true;
	stream->gone = NULL;
	stream->loop = NULL;
	return 0;
}

int cf_stream_attach(
	struct cf_stream *stream, struct cf_loop *loop, const struct cf_stream_ops *ops, void *arg)
{
	int err;

	if (stream->loop)
		return CF_ESTATE;
	stream->paused = false;
	err = cf_io_start(&stream->io, loop, stream->fd, CF_IO_READ | CF_IO_EDGE, on_io, stream);
	if (err)
		return err;
	stream->loop = loop;
	stream->blocked = false;
	cf_stream_set_ops(stream, ops, arg);
	return 0;
}

void cf_stream_set_ops(struct cf_stream *stream, const struct cf_stream_ops *ops, void *arg)
{
	stream->ops = ops;
	stream->arg = arg;
	stream->again = true;
	at_turn_end(stream);
}

void cf_stream_set_limits(struct cf_stream *stream, size_t read_max, size_t write_max)
{
	stream->read_max = read_max;
	stream->in.max = read_max + SCRATCH_BYTES;
	stream->out.max = write_max;
}

/* Getters */

const struct cf_addr *cf_stream_peer(const struct cf_stream *stream)
{
	return &stream->peer;
}

const struct cf_addr *cf_stream_local(const struct cf_stream *stream)
{
	return &stream->local;
}

struct cf_loop *cf_stream_loop(const struct cf_stream *stream)
{
	return stream->loop;
}

bool cf_stream_is_tls(const struct cf_stream *stream)
{
	return stream->ssl != NULL;
}

bool cf_stream_is_open(const struct cf_stream *stream)
{
	return stream->state == CF_STREAM_OPEN && !stream->opening && !stream->failed;
}

struct cf_view cf_stream_alpn(const struct cf_stream *stream)
{
	const unsigned char *p = NULL;
	unsigned n = 0;

	if (stream->ssl)
		SSL_get0_alpn_selected(stream->ssl, &p, &n);
	return cf_view_of(p, n);
}

const char *cf_stream_sni(const struct cf_stream *stream)
{
	return stream->ssl ? SSL_get_servername(stream->ssl, TLSEXT_NAMETYPE_host_name) : NULL;
}

const char *cf_stream_tls_version(const struct cf_stream *stream)
{
	return stream->ssl ? SSL_get_version(stream->ssl) : "";
}

const char *cf_stream_error_text(const struct cf_stream *stream)
{
	return stream->error_text ? stream->error_text : "";
}
