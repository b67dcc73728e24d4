/* SPDX-License-Identifier: Apache-2.0 */
/* URLs of STUN and TURN servers: RFC 7064 section 3.1, RFC 7065 section 3.1. Pure values. */
#ifndef CF_PEER_URL_H
#define CF_PEER_URL_H

#include "base/err.h"
#include "base/view.h"

#include <stdbool.h>
#include <stdint.h>

#define CF_PEER_HOST_MAX 254

enum cf_peer_transport { CF_PEER_UDP, CF_PEER_TCP, CF_PEER_TLS, CF_PEER_DTLS };

struct cf_peer_url {
	bool turn; /* false: STUN only */
	enum cf_peer_transport transport;
	uint16_t port;
	char host[CF_PEER_HOST_MAX]; /* IPv6 without brackets */
};

/** "stun:host[:port]", "turn:host[:port][?transport=udp|tcp]", "turns:...". Default ports 3478, for
 * turns 5349. 0, CF_EINVAL, or CF_ENOTSUP for what we do not speak (stuns). */
CF_MUST_CHECK int cf_peer_url_parse(struct cf_peer_url *ret_url, struct cf_view text);

#endif
