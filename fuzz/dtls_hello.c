/* SPDX-License-Identifier: Apache-2.0 */
/* What strangers send to a TURN port as DTLS: reading it, the cookie, and OpenSSL behind a good
 * one. */
#include "net/dtls_hello.h"
#include "base/clock.h"
#include "net/dtls_link.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void ignore(const uint8_t *p, size_t n, void *arg)
{
	(void)p, (void)n, (void)arg;
}

static const struct cf_dtls_link_ops ops = {.send = ignore, .data = ignore};

/* The certificate is missing: the handshake ends behind the ClientHello, which is what is tried. */
static void accept_it(const uint8_t *data, size_t size)
{
	static struct cf_tls *tls;
	struct cf_dtls_link *link;

	if (!tls)
		tls = cf_tls_server_new(NULL);
	if (tls && cf_dtls_link_accept(&link, tls, data, size, &ops, NULL) == 0) {
		(void)!cf_dtls_link_input(link, data, size);
		cf_dtls_link_free(link);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t key[CF_DTLS_COOKIE_KEY_LEN] = {1};
	const struct cf_addr from = {.family = CF_ADDR_IPV4, .ip = {192, 0, 2, 1}, .port = 4000};
	uint8_t cookie[CF_DTLS_COOKIE_LEN], out[CF_DTLS_VERIFY_LEN];
	struct cf_dtls_hello hello;

	if (size > 2048 || cf_dtls_hello_parse(&hello, data, size) < 0)
		return 0;
	if (!cf_dtls_is_record(data, size) || size <= CF_DTLS_VERIFY_LEN)
		abort(); /* the answer is shorter than what it answers */
	if (hello.cookie.len &&
		(hello.cookie.p < data || hello.cookie.p + hello.cookie.len > data + size))
		abort();
	if (cf_dtls_cookie_good(&hello, key, &from, 0))
		abort();
	if (cf_dtls_cookie_make(cookie, key, &from, 0) < 0)
		abort();
	cf_dtls_verify_write(out, &hello, cookie);
	accept_it(data, size);
	return 0;
}
