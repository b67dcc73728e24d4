/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One DTLS 1.2 association (RFC 6347) over datagrams that the caller moves: TURN over DTLS (RFC
 * 7350, RFC 8656 section 3.1), on either side. A server's begins behind the stateless cookie
 * exchange of net/dtls_hello.h. All functions on one thread.
 */
#ifndef CF_NET_DTLS_LINK_H
#define CF_NET_DTLS_LINK_H

#include "base/err.h"
#include "net/tls.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cf_dtls_link;

/* They run inside the functions below, and may free the link. */
struct cf_dtls_link_ops {
	/** A datagram for the other side; borrowed until return. */
	void (*send)(const uint8_t *p, size_t n, void *arg);
	/** The handshake is done; may be NULL. */
	void (*open)(void *arg);
	/** What one record carried; borrowed until return. */
	void (*data)(const uint8_t *p, size_t n, void *arg);
};

/** The server's side, from the ClientHello that brought a good cookie back. Keeps a reference to
 * ops. 0, CF_ENOMEM, CF_ECRYPTO. */
CF_MUST_CHECK int cf_dtls_link_accept(struct cf_dtls_link **ret_link, struct cf_tls *tls,
	const uint8_t *hello, size_t n, const struct cf_dtls_link_ops *ops, void *arg);

/** The client's side; the first ClientHello goes out at once. server_name: as the certificate has
 * to name the server. As cf_dtls_link_accept(). */
CF_MUST_CHECK int cf_dtls_link_connect(struct cf_dtls_link **ret_link, struct cf_tls *tls,
	const char *server_name, const struct cf_dtls_link_ops *ops, void *arg);

/** Takes a datagram. 0 (also when it was not authentic and dropped), CF_ECLOSED (goodbye of the
 * other side), CF_ECRYPTO (the handshake failed): the link is then to be freed; CF_ECANCELED: a
 * callback has freed it. */
CF_MUST_CHECK int cf_dtls_link_input(struct cf_dtls_link *link, const uint8_t *p, size_t n);

/** Sends data as one record; dropped before the handshake is done, as the network would. */
void cf_dtls_link_write(struct cf_dtls_link *link, const uint8_t *p, size_t n);

/** How long until cf_dtls_link_tick() has a flight to repeat; CF_TIME_NEVER: nothing waits. */
uint64_t cf_dtls_link_wait_us(const struct cf_dtls_link *link);

/** Repeats a flight that is due. 0, or CF_ETIMEOUT: the other side is not there. */
CF_MUST_CHECK int cf_dtls_link_tick(struct cf_dtls_link *link);

bool cf_dtls_link_is_open(const struct cf_dtls_link *link);

/** Says goodbye where there is someone to hear it, and frees. NULL is fine. Returns NULL. */
struct cf_dtls_link *cf_dtls_link_free(struct cf_dtls_link *link);

#endif
