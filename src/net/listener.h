/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TCP listeners that tell HTTP from TURN. One port may serve both: the first byte says whether a
 * connection is TLS (0x16), plain STUN/TURN (0x00 to 0x03; RFC 7983) or plain HTTP (a letter);
 * after the handshake ALPN decides ("stun.turn", RFC 7443; "h2", "http/1.1"), and without ALPN the
 * first decrypted byte. The stream then belongs to the callback, which may detach it and hand it to
 * another thread. All functions on the loop's thread.
 */
#ifndef CF_NET_LISTENER_H
#define CF_NET_LISTENER_H

#include "base/addr.h"
#include "base/err.h"
#include "loop/loop.h"
#include "net/stream.h"
#include "net/tls.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What arrived, as bits for `accept`. */
enum cf_listener_class {
	CF_LISTEN_HTTP_TLS = 1,
	CF_LISTEN_TURN_TLS = 2,
	CF_LISTEN_TURN_TCP = 4,
	CF_LISTEN_HTTP_TCP = 8, /* clear text: only for loopback ports */
};

struct cf_listener;

/** An open stream (takes it), without callbacks yet: cf_stream_set_ops() on this loop, or detach it
 * and attach it to another. Nothing read so far is lost. */
typedef void cf_listener_fn(struct cf_listener *listener, enum cf_listener_class cls,
	struct cf_stream *stream, void *arg);

struct cf_listener_options {
	struct cf_addr bind;      /* port 0: the kernel chooses */
	bool reuse_port;          /* one listener per worker on the same port */
	bool claim_port;          /* the first of those: fails where another program has it */
	unsigned accept;          /* CF_LISTEN_*; others are closed (plain HTTP gets a 400) */
	struct cf_tls *tls;       /* needed for the TLS classes. Keeps a reference */
	size_t max_conns;         /* open at once, handed over ones included (default 20000) */
	size_t max_conns_per_ip;  /* the same per source; IPv6 by /64 (default 1000) */
	uint64_t open_timeout_us; /* to be classified: handshake and first byte (default 10 s) */
	int backlog;              /* default 511 */
	cf_listener_fn *fn;       /* required */
	void *arg;
};

struct cf_listener_stats {
	uint64_t accepted;
	uint64_t refused_limit; /* max_conns, max_conns_per_ip */
	uint64_t failed;        /* handshake failed, unknown or unwanted protocol */
	uint64_t timed_out;
};

void cf_listener_options_defaults(struct cf_listener_options *options);

/** Binds and listens. 0 and the listener (owned by the caller), or CF_EADDRINUSE, ... */
CF_MUST_CHECK int cf_listener_open(struct cf_listener **ret_listener, struct cf_loop *loop,
	const struct cf_listener_options *options);

/** Stops listening and closes what is not classified yet; handed over streams live on. Returns
 * NULL.
 */
struct cf_listener *cf_listener_free(struct cf_listener *listener);

/** The bound address, with the real port. */
const struct cf_addr *cf_listener_local(const struct cf_listener *listener);

/** Another max_conns; nothing is closed. */
void cf_listener_set_max_conns(struct cf_listener *listener, size_t max_conns);

/** Connections that count against max_conns now, handed over ones included. */
size_t cf_listener_count(const struct cf_listener *listener);

const struct cf_listener_stats *cf_listener_stats(const struct cf_listener *listener);

#endif
