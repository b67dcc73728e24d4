/* SPDX-License-Identifier: Apache-2.0 */
#include "sip/flow.h"

#include "base/text.h"
#include "base/wire.h"
#include "crypto/hash.h"

#include <string.h>

/* transport, family, port, listener, connection, address; then ten bytes of MAC (80 bits, as RFC
 * 5626 section 5.2 has it). */
#define HEAD 32
#define MAC 10
#define TEXT_LEN (CF_SIP_FLOW_TEXT_MAX - 1)

static int sign(const uint8_t key[static 32], const uint8_t head[static HEAD], uint8_t *mac)
{
	uint8_t whole[CF_SHA256_LEN];
	struct cf_view parts[] = {cf_view_of("flow", 4), cf_view_of(head, HEAD)};
	int err = cf_crypto_hmac_sha256(whole, cf_view_of(key, 32), parts, 2);

	if (!err)
		memcpy(mac, whole, MAC);
	return err;
}

int cf_sip_flow_write(const uint8_t key[static 32], const struct cf_sip_path *path,
	char ret_text[static CF_SIP_FLOW_TEXT_MAX])
{
	uint8_t bytes[HEAD + MAC];
	struct cf_wire_writer w;
	int err;

	cf_wire_writer_init(&w, bytes, HEAD);
	cf_wire_write_u8(&w, (uint8_t)path->transport);
	cf_wire_write_u8(&w, path->remote.family);
	cf_wire_write_u16(&w, path->remote.port);
	cf_wire_write_u32(&w, path->listener);
	cf_wire_write_u64(&w, path->conn);
	cf_wire_write_bytes(&w, path->remote.ip, sizeof(path->remote.ip));
	if ((err = sign(key, bytes, bytes + HEAD)))
		return err;
	cf_base64url_encode(ret_text, bytes, sizeof(bytes));
	return 0;
}

int cf_sip_flow_read(
	const uint8_t key[static 32], struct cf_view text, struct cf_sip_path *ret_path)
{
	uint8_t bytes[HEAD + MAC], mac[MAC];
	struct cf_sip_path path = {.conn = 0};
	struct cf_wire_reader r;

	if (text.len != TEXT_LEN || cf_base64url_decode(bytes, sizeof(bytes), (const char *)text.p,
					    text.len) != sizeof(bytes))
		return CF_EBADMSG;
	if (sign(key, bytes, mac) < 0 || !cf_crypto_equal(mac, bytes + HEAD, MAC))
		return CF_EAUTH;
	cf_wire_reader_init(&r, bytes, HEAD);
	path.transport = (enum cf_sip_transport)cf_wire_read_u8(&r);
	path.remote.family = cf_wire_read_u8(&r);
	path.remote.port = cf_wire_read_u16(&r);
	path.listener = cf_wire_read_u32(&r);
	path.conn = cf_wire_read_u64(&r);
	cf_wire_read_bytes(&r, path.remote.ip, sizeof(path.remote.ip));
	*ret_path = path;
	return 0;
}

bool cf_sip_path_eq(const struct cf_sip_path *a, const struct cf_sip_path *b)
{
	return a->transport == b->transport && a->listener == b->listener && a->conn == b->conn &&
	       cf_addr_eq(&a->remote, &b->remote);
}
