/* SPDX-License-Identifier: Apache-2.0 */
#include "net/dtls_hello.h"

#include "base/clock.h"
#include "base/wire.h"
#include "crypto/hash.h"

#include <string.h>

#define HANDSHAKE 22 /* content type */
#define CLIENT_HELLO 1
#define HELLO_VERIFY_REQUEST 3
#define VERSION_MAJOR 0xfe
#define DTLS_1_0 0xfeff
#define COOKIE_US (60 * CF_US_PER_S)

static bool read_header(struct cf_wire_reader *r, struct cf_dtls_hello *hello)
{
	bool ok = cf_wire_read_u8(r) == HANDSHAKE;
	uint32_t length;

	ok &= cf_wire_read_u16(r) >> 8 == VERSION_MAJOR;
	ok &= cf_wire_read_u16(r) == 0; /* epoch */
	cf_wire_read_bytes(r, hello->record_seq, sizeof(hello->record_seq));
	(void)cf_wire_read_u16(r);
	ok &= cf_wire_read_u8(r) == CLIENT_HELLO;
	length = cf_wire_read_u24(r);
	(void)cf_wire_read_u16(r); /* message_seq */
	/* Without state nothing can be put together: a fragment is passed over. */
	ok &= cf_wire_read_u24(r) == 0;
	ok &= cf_wire_read_u24(r) == length;
	return ok && length <= cf_wire_left(r);
}

int cf_dtls_hello_parse(struct cf_dtls_hello *ret_hello, const uint8_t *p, size_t n)
{
	struct cf_dtls_hello hello;
	struct cf_wire_reader r;

	cf_wire_reader_init(&r, p, n);
	if (!read_header(&r, &hello) || cf_wire_read_u16(&r) >> 8 != VERSION_MAJOR)
		return CF_EBADMSG;
	cf_wire_read_bytes(&r, hello.random, CF_DTLS_RANDOM_LEN);
	cf_wire_skip(&r, cf_wire_read_u8(&r)); /* session id */
	hello.cookie = cf_wire_read_view(&r, cf_wire_read_u8(&r));
	cf_wire_skip(&r, cf_wire_read_u16(&r)); /* cipher suites */
	cf_wire_skip(&r, cf_wire_read_u8(&r));  /* compression methods */
	if (r.err < 0)
		return CF_EBADMSG;
	*ret_hello = hello;
	return 0;
}

static int make(uint8_t cookie[static CF_DTLS_COOKIE_LEN],
	const uint8_t key[static CF_DTLS_COOKIE_KEY_LEN], const struct cf_addr *from,
	uint64_t minute)
{
	uint8_t mac[CF_SHA256_LEN];
	uint8_t meta[11] = {from->family, (uint8_t)(from->port >> 8), (uint8_t)from->port};
	struct cf_view parts[] = {
		cf_view_of(meta, sizeof(meta)), cf_view_of(from->ip, cf_addr_ip_len(from))};

	for (size_t i = 0; i < 8; i++)
		meta[3 + i] = (uint8_t)(minute >> (8 * i));
	if (cf_crypto_hmac_sha256(mac, cf_view_of(key, CF_DTLS_COOKIE_KEY_LEN), parts, 2) < 0)
		return CF_ECRYPTO;
	memcpy(cookie, mac, CF_DTLS_COOKIE_LEN);
	return 0;
}

int cf_dtls_cookie_make(uint8_t cookie[static CF_DTLS_COOKIE_LEN],
	const uint8_t key[static CF_DTLS_COOKIE_KEY_LEN], const struct cf_addr *from,
	uint64_t now_us)
{
	return make(cookie, key, from, now_us / COOKIE_US);
}

bool cf_dtls_cookie_good(const struct cf_dtls_hello *hello,
	const uint8_t key[static CF_DTLS_COOKIE_KEY_LEN], const struct cf_addr *from,
	uint64_t now_us)
{
	uint64_t minute = now_us / COOKIE_US;
	uint8_t cookie[CF_DTLS_COOKIE_LEN];

	if (hello->cookie.len != CF_DTLS_COOKIE_LEN)
		return false;
	for (uint64_t i = 0; i < 2 && i <= minute; i++)
		if (make(cookie, key, from, minute - i) == 0 &&
			cf_crypto_equal(cookie, hello->cookie.p, CF_DTLS_COOKIE_LEN))
			return true;
	return false;
}

void cf_dtls_verify_write(uint8_t out[static CF_DTLS_VERIFY_LEN], const struct cf_dtls_hello *hello,
	const uint8_t cookie[static CF_DTLS_COOKIE_LEN])
{
	const uint8_t body = 3 + CF_DTLS_COOKIE_LEN;
	struct cf_wire_writer w;

	cf_wire_writer_init(&w, out, CF_DTLS_VERIFY_LEN);
	cf_wire_write_u8(&w, HANDSHAKE);
	cf_wire_write_u16(&w, DTLS_1_0); /* says nothing yet about the version to come */
	cf_wire_write_u16(&w, 0);
	/* The record number of the ClientHello, so that no state is needed. */
	cf_wire_write_bytes(&w, hello->record_seq, sizeof(hello->record_seq));
	cf_wire_write_u16(&w, (uint16_t)(12 + body));
	cf_wire_write_u8(&w, HELLO_VERIFY_REQUEST);
	cf_wire_write_u24(&w, body);
	cf_wire_write_u16(&w, 0); /* message_seq */
	cf_wire_write_u24(&w, 0);
	cf_wire_write_u24(&w, body);
	cf_wire_write_u16(&w, DTLS_1_0);
	cf_wire_write_u8(&w, CF_DTLS_COOKIE_LEN);
	cf_wire_write_bytes(&w, cookie, CF_DTLS_COOKIE_LEN);
}
