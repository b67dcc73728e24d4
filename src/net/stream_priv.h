/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside of streams. stream.c is the life of a stream on its loop; stream_io.c moves bytes between
 * the socket and memory, with or without TLS, and knows no loop.
 */
#ifndef CF_NET_STREAM_PRIV_H
#define CF_NET_STREAM_PRIV_H

#include "base/buf.h"
#include "net/stream.h"
#include "net/tls_priv.h"

enum cf_stream_state {
	CF_STREAM_CONNECTING,
	CF_STREAM_HANDSHAKE,
	CF_STREAM_OPEN,
	CF_STREAM_SHUTTING, /* sends what is left, then waits for the peer's end */
	CF_STREAM_CLOSED,
};

struct cf_stream {
	struct cf_loop *loop; /* NULL while detached */
	const struct cf_stream_ops *ops;
	void *arg;
	struct cf_io io;
	struct cf_timer timer; /* opening, lingering */
	struct cf_defer defer;
	int fd;
	uint8_t state; /* enum cf_stream_state */
	bool paused;
	bool blocked;      /* the kernel takes no more for now */
	bool read_blocked; /* TLS has to write before it can read */
	bool hangup;       /* the other side sends no more than what lies in the socket */
	bool drained;      /* the socket was read empty; false again with each event */
	bool opening;      /* on_open is due at the end of the turn */
	bool again;        /* on_data is due at the end of the turn */
	bool wrote;        /* on_drain is due when all is sent */
	bool fin_sent;
	int failed;             /* on_close is due at the end of the turn */
	bool *gone;             /* of the running callback: freed or detached in it */
	const uint8_t *current; /* bytes being handed over that are not in `in` */
	size_t current_len;
	struct cf_buf in; /* unconsumed */
	size_t read_max;
	struct cf_buf out; /* unsent, from out_sent on */
	size_t out_sent;
	uint64_t linger_us;
	size_t linger_unsent; /* at the last look */
	struct cf_tls *tls;   /* owned reference, NULL for plain TCP */
	SSL *ssl;
	const char *error_text; /* static */
	struct cf_addr peer, local;
	void (*release)(void *arg); /* called once when freed, on any thread */
	void *release_arg;
};

/** fn(arg) runs when the stream is freed, on whatever thread that happens. */
void cf_stream_on_release(struct cf_stream *stream, void (*fn)(void *arg), void *arg);

/** Prepares TLS over the socket. server_name and alpn: clients only, may be NULL. */
CF_MUST_CHECK int cf_stream_io_tls(
	struct cf_stream *s, const char *server_name, const char *const *alpn);

/** 0 when done, CF_EAGAIN, or an error. */
int cf_stream_io_handshake(struct cf_stream *s);

/** Bytes read, 0 at the peer's orderly end, CF_EAGAIN, or an error. */
int cf_stream_io_read(struct cf_stream *s, uint8_t *p, size_t n);

/** Bytes taken, CF_EAGAIN, or an error. */
int cf_stream_io_write(struct cf_stream *s, const uint8_t *p, size_t n);

/** Bytes that TLS holds already: epoll would not report them. */
bool cf_stream_io_pending(const struct cf_stream *s);

/** close_notify and FIN. */
void cf_stream_io_finish(struct cf_stream *s);

#endif
