/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Byte streams over TCP or TLS, connected or accepted. A stream lives on one loop at a time; it can
 * be detached, handed to another thread and attached to that thread's loop, with unread bytes,
 * unsent bytes and TLS state. All functions on the thread of its loop (while detached: on the
 * thread that owns it).
 *
 * Callbacks are never called from inside a function of this header. Every callback may free, detach
 * or shut down its stream.
 */
#ifndef CF_NET_STREAM_H
#define CF_NET_STREAM_H

#include "base/addr.h"
#include "base/err.h"
#include "base/view.h"
#include "loop/loop.h"
#include "net/tls.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cf_stream;

struct cf_stream_ops {
	/** Connected, and the handshake is done. Once; not for a stream attached when open. */
	void (*on_open)(struct cf_stream *stream, void *arg);
	/**
	 * Bytes that arrived: all that is not consumed yet. Returns how many of them (from the
	 * front) are consumed; the rest is kept and comes again in front of later bytes. When the
	 * rest reaches read_max the stream closes with CF_ELIMIT. If the callback frees or detaches
	 * the stream its result is ignored (detached: everything handed over stays unread).
	 */
	size_t (*on_data)(struct cf_stream *stream, const uint8_t *p, size_t n, void *arg);
	/** All that was written has gone to the kernel. May be NULL. */
	void (*on_drain)(struct cf_stream *stream, void *arg);
	/** The end, once: 0 when the peer or cf_stream_shutdown() closed in order, else the error.
	 * Nothing follows; the owner frees the stream (here or later). */
	void (*on_close)(struct cf_stream *stream, int err, void *arg);
};

struct cf_stream_options {
	struct cf_tls *tls;       /* NULL: plain TCP. Keeps a reference */
	const char *server_name;  /* TLS clients: DNS name or IP to verify. Copies */
	const char *const *alpn;  /* TLS clients: offered, ended by NULL, or NULL. Copies */
	struct cf_addr bind;      /* local address to connect from; CF_ADDR_NONE: any */
	uint64_t open_timeout_us; /* connect and handshake together (default 10 s) */
	size_t read_max;          /* most unconsumed bytes (default 64 KiB) */
	size_t write_max;         /* most unsent bytes (default 1 MiB) */
};

void cf_stream_options_defaults(struct cf_stream_options *options);

/** Begins to connect. 0 and the stream (owned by the caller), or an error. A refusal comes by
 * on_close, later. ops and arg are kept by reference. */
CF_MUST_CHECK int cf_stream_connect(struct cf_stream **ret_stream, struct cf_loop *loop,
	const struct cf_addr *addr, const struct cf_stream_options *options,
	const struct cf_stream_ops *ops, void *arg);

/** A stream over a connected socket (takes fd, also on failure); with options->tls the server's
 * side of a handshake begins. on_open follows in any case. */
CF_MUST_CHECK int cf_stream_accept(struct cf_stream **ret_stream, struct cf_loop *loop, int fd,
	const struct cf_stream_options *options, const struct cf_stream_ops *ops, void *arg);

/** Closes at once (unsent bytes are lost) without a callback. NULL is fine. Returns NULL. */
struct cf_stream *cf_stream_free(struct cf_stream *stream);

/** Queues bytes (copies), sent at the end of the turn, coalesced. 0, CF_ELIMIT (write_max; nothing
 * queued), CF_ENOMEM, CF_ECLOSED. Also before on_open. */
CF_MUST_CHECK int cf_stream_write(struct cf_stream *stream, const void *p, size_t n);

/** Bytes queued and not yet with the kernel. */
size_t cf_stream_unsent(const struct cf_stream *stream);

/** Sends what is queued, then close_notify and FIN; waits linger_us for the peer's end (longer only
 * while the peer goes on taking what was queued), bytes that still arrive are dropped; then
 * on_close: 0, or CF_ETIMEOUT when not all could be sent. */
void cf_stream_shutdown(struct cf_stream *stream, uint64_t linger_us);

/** Stops and resumes on_data; the peer is slowed down by TCP. While paused a peer's reset is still
 * seen, its orderly end is not. */
void cf_stream_pause(struct cf_stream *stream);
void cf_stream_resume(struct cf_stream *stream);

/** Takes the stream off its loop: no callback until attached. Only an open stream. 0, CF_ENOMEM or
 * CF_ESTATE (nothing changed). */
CF_MUST_CHECK int cf_stream_detach(struct cf_stream *stream);

/** Puts a detached stream on a loop, on that loop's thread, with new callbacks. Unread bytes arrive
 * by on_data, later. 0 or an error (still detached). */
CF_MUST_CHECK int cf_stream_attach(
	struct cf_stream *stream, struct cf_loop *loop, const struct cf_stream_ops *ops, void *arg);

/** Replaces the callbacks; for a new owner on the same loop. */
void cf_stream_set_ops(struct cf_stream *stream, const struct cf_stream_ops *ops, void *arg);

/** Changes the limits of options. */
void cf_stream_set_limits(struct cf_stream *stream, size_t read_max, size_t write_max);

const struct cf_addr *cf_stream_peer(const struct cf_stream *stream);
const struct cf_addr *cf_stream_local(const struct cf_stream *stream);
struct cf_loop *cf_stream_loop(const struct cf_stream *stream);
bool cf_stream_is_tls(const struct cf_stream *stream);
bool cf_stream_is_open(const struct cf_stream *stream);

/** Negotiated protocol, empty when none. Valid as long as the stream. */
struct cf_view cf_stream_alpn(const struct cf_stream *stream);

/** Server name that the client asked for (accepted TLS streams), or NULL. */
const char *cf_stream_sni(const struct cf_stream *stream);

/** "TLSv1.3" and the like; "" for plain TCP. */
const char *cf_stream_tls_version(const struct cf_stream *stream);

/** Why TLS failed, for people ("certificate verify failed: ..."); "" when it did not. */
const char *cf_stream_error_text(const struct cf_stream *stream);

#endif
