/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The sockets of SIP (RFC 3261 section 18, RFC 5626, RFC 7118), a draft: nothing implements it yet.
 * UDP in batches, TCP, TLS and WebSocket streams over net/; whole messages come out, paths go in.
 * It knows nothing of transactions: cf_sip_transport_send() is what struct cf_sip_proxy_io.send
 * wants, on_message calls cf_sip_proxy_input(), on_closed cf_sip_proxy_conn_failed() and
 * cf_sip_registrar_flow_failed().
 *
 * All functions on the thread of its loop. Callbacks are never called from inside a function.
 */
#ifndef CF_SIP_IO_TRANSPORT_H
#define CF_SIP_IO_TRANSPORT_H

#include "base/addr.h"
#include "base/err.h"
#include "loop/loop.h"
#include "net/tls.h"
#include "sip/transaction.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cf_sip_transport_set;

/* One local address; its place in the list is cf_sip_path.listener. */
struct cf_sip_transport_listener {
	enum cf_sip_transport transport;
	struct cf_addr bind;
	struct cf_tls *tls; /* TLS and WSS: keeps a reference. The server's side */
	bool reuse_port;    /* one socket per worker: a 5-tuple stays where it is */
};

struct cf_sip_transport_opts {
	const struct cf_sip_transport_listener *listeners;
	size_t n_listeners;
	struct cf_tls *client_tls;   /* for TLS connections that we open; NULL: none are */
	size_t max_conns;            /* streams at once */
	size_t max_conns_per_ip;     /* IPv6 by /64 */
	size_t max_unsent;           /* bytes that a stream may be behind; then it is closed */
	uint64_t open_timeout_us;    /* connect, handshake and upgrade */
	uint64_t first_timeout_us;   /* until the first whole message of a stream that came */
	uint64_t message_timeout_us; /* from the first byte of a message to its last: a byte now and
				      * then is no progress */
	uint64_t idle_timeout_us;    /* nothing at all: streams without a binding */
	uint64_t kept_timeout_us;    /* the same for those kept by cf_sip_transport_keep() */
	uint32_t strangers_per_s; /* messages of one source (IPv6 by /64) before it has proven who
				   * it is: what is above is dropped unread. 0: no limit */
};

struct cf_sip_transport_ops {
	/** A whole message, parsed (it may have a fault, to be answered). Borrowed until return. */
	void (*on_message)(const struct cf_sip_msg *msg, const struct cf_sip_path *from,
		uint64_t now_us, void *arg);
	/** A stream has gone, or could not be opened: paths with this conn lead nowhere now. */
	void (*on_closed)(uint64_t conn, int err, uint64_t now_us, void *arg);
	/** ICMP says that datagrams to this address do not arrive. May be NULL. */
	void (*on_unreachable)(const struct cf_sip_path *path, uint64_t now_us, void *arg);
};

void cf_sip_transport_defaults(struct cf_sip_transport_opts *opts);

/** Binds all listeners, or none. Copies opts and ops. 0, CF_EADDRINUSE, CF_ENOMEM, ... Freed by
 * cf_sip_transport_free(). */
CF_MUST_CHECK int cf_sip_transport_new(struct cf_sip_transport_set **ret_set, struct cf_loop *loop,
	const struct cf_sip_transport_opts *opts, const struct cf_sip_transport_ops *ops,
	void *arg);
/** Closes all without callbacks. NULL is fine. Returns NULL. */
struct cf_sip_transport_set *cf_sip_transport_free(struct cf_sip_transport_set *set);

/**
 * The path to an address over a transport: for datagrams the listener of its family; for streams
 * one that is open (RFC 3261 section 18: the same for all to that address; TLS only where it was
 * verified for this name, RFC 5922), else one that begins to open now. server_name: TLS clients,
 * the domain that the certificate has to name. 0, CF_ENOTSUP, CF_ELIMIT, CF_ENOMEM, ...
 */
CF_MUST_CHECK int cf_sip_transport_path(struct cf_sip_transport_set *set,
	enum cf_sip_transport transport, const struct cf_addr *remote, const char *server_name,
	struct cf_sip_path *ret_path);

/** Sends a message (copies; queued while a stream is being opened): 0, CF_ECLOSED for a stream that
 * is gone, CF_ELIMIT for one that is too far behind (it closes), CF_ENOTSUP for a datagram larger
 * than 1300 bytes less than the path takes (section 18.1.1: choose a stream). */
CF_MUST_CHECK int cf_sip_transport_send(
	struct cf_sip_transport_set *set, const struct cf_sip_path *path, struct cf_view bytes);

/** Who is at the other end has proven who he is: no limit for strangers, the longer idle time. */
void cf_sip_transport_keep(struct cf_sip_transport_set *set, const struct cf_sip_path *path);

/** Closes a stream in order. */
void cf_sip_transport_close(struct cf_sip_transport_set *set, uint64_t conn);

struct cf_sip_transport_stats {
	uint64_t messages_in, messages_out, bytes_in, bytes_out;
	uint64_t pings;
	uint64_t bad;     /* what was no message, or a stream without a next one */
	uint64_t muted;   /* of strangers, above the limit */
	uint64_t refused; /* streams above the limits */
	uint64_t slow;    /* streams cut for their time */
	size_t conns;     /* now */
};

void cf_sip_transport_stats(
	const struct cf_sip_transport_set *set, struct cf_sip_transport_stats *ret_stats);

/** The bound address of a listener, with the real port. */
const struct cf_addr *cf_sip_transport_local(
	const struct cf_sip_transport_set *set, uint32_t listener);

#endif
