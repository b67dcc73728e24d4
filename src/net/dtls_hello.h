/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The first flight of a DTLS 1.2 server without state (RFC 6347 section 4.2.1): reading
 * ClientHello, and HelloVerifyRequest with a cookie that is a MAC over the client's address. Pure
 * values.
 */
#ifndef CF_NET_DTLS_HELLO_H
#define CF_NET_DTLS_HELLO_H

#include "base/addr.h"
#include "base/err.h"
#include "base/view.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CF_DTLS_RANDOM_LEN 32
#define CF_DTLS_COOKIE_LEN 16
#define CF_DTLS_COOKIE_KEY_LEN 32
/* A HelloVerifyRequest: shorter than any ClientHello. */
#define CF_DTLS_VERIFY_LEN (13 + 12 + 3 + CF_DTLS_COOKIE_LEN)

struct cf_dtls_hello {
	uint8_t random[CF_DTLS_RANDOM_LEN];
	uint8_t record_seq[6];
	struct cf_view cookie; /* into the datagram */
};

/** Whether a datagram's first byte may be DTLS: 20 to 63 (RFC 7983). */
static inline bool cf_dtls_is_record(const uint8_t *p, size_t n)
{
	return n > 0 && p[0] >= 20 && p[0] <= 63;
}

/** A whole ClientHello in one record at the beginning of a datagram, or CF_EBADMSG. */
CF_MUST_CHECK int cf_dtls_hello_parse(struct cf_dtls_hello *ret_hello, const uint8_t *p, size_t n);

/** The cookie of an address in the minute of now_us. 0 or CF_ECRYPTO. */
CF_MUST_CHECK int cf_dtls_cookie_make(uint8_t cookie[static CF_DTLS_COOKIE_LEN],
	const uint8_t key[static CF_DTLS_COOKIE_KEY_LEN], const struct cf_addr *from,
	uint64_t now_us);

/** Whether a ClientHello carries a cookie that this address was given within the last minute, or
 * the one before. */
bool cf_dtls_cookie_good(const struct cf_dtls_hello *hello,
	const uint8_t key[static CF_DTLS_COOKIE_KEY_LEN], const struct cf_addr *from,
	uint64_t now_us);

/** The answer to a ClientHello without a good cookie. */
void cf_dtls_verify_write(uint8_t out[static CF_DTLS_VERIFY_LEN], const struct cf_dtls_hello *hello,
	const uint8_t cookie[static CF_DTLS_COOKIE_LEN]);

#endif
