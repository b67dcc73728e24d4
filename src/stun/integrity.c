/* SPDX-License-Identifier: Apache-2.0 */
#include "base/mem.h"
#include "crypto/hash.h"
#include "stun/msg.h"
#include "stun/stun_priv.h"

#include <string.h>

#define MAX_KEY_TEXT 1536 /* user 509 and realm, password 763 at most (RFC 8489 section 14) */

/* The bytes that an integrity attribute covers, the length field replaced (RFC 8489 section 14.5).
 */
static void covered_parts(struct cf_view parts[static 3], uint8_t len[static 2], const uint8_t *p,
	size_t attr_pos, size_t value_len)
{
	size_t msg_len = attr_pos + 4 + value_len - CF_STUN_HEADER_LEN;

	len[0] = (uint8_t)(msg_len >> 8);
	len[1] = (uint8_t)msg_len;
	parts[0] = cf_view_of(p, 2);
	parts[1] = cf_view_of(len, 2);
	parts[2] = cf_view_of(p + 4, attr_pos - 4);
}

int cf_stun_hmac_sha1(
	uint8_t ret_mac[static 20], struct cf_view key, const uint8_t *p, size_t attr_pos)
{
	struct cf_view parts[3];
	uint8_t len[2];

	covered_parts(parts, len, p, attr_pos, CF_SHA1_LEN);
	return cf_crypto_hmac_sha1(ret_mac, key, parts, 3);
}

int cf_stun_hmac_sha256(uint8_t ret_mac[static 32], struct cf_view key, const uint8_t *p,
	size_t attr_pos, size_t value_len)
{
	struct cf_view parts[3];
	uint8_t len[2];

	covered_parts(parts, len, p, attr_pos, value_len);
	return cf_crypto_hmac_sha256(ret_mac, key, parts, 3);
}

int cf_stun_msg_check_integrity(const struct cf_stun_msg *msg, struct cf_view key)
{
	const struct cf_stun_attr_ref *ref = cf_stun_msg_find(msg, CF_STUN_MESSAGE_INTEGRITY);
	uint8_t mac[CF_SHA1_LEN];

	if (!ref)
		return CF_ENOTFOUND;
	if (ref->len != CF_SHA1_LEN || cf_stun_hmac_sha1(mac, key, msg->raw, ref->offset - 4u) < 0)
		return CF_EAUTH;
	return cf_crypto_equal(mac, msg->raw + ref->offset, CF_SHA1_LEN) ? 0 : CF_EAUTH;
}

int cf_stun_msg_check_integrity_sha256(const struct cf_stun_msg *msg, struct cf_view key)
{
	const struct cf_stun_attr_ref *ref =
		cf_stun_msg_find(msg, CF_STUN_MESSAGE_INTEGRITY_SHA256);
	uint8_t mac[CF_SHA256_LEN];

	if (!ref)
		return CF_ENOTFOUND;
	/* RFC 8489 section 14.6: truncation to no less than 16 bytes, in words, is allowed. */
	if (ref->len < 16 || ref->len > CF_SHA256_LEN || ref->len % 4 != 0)
		return CF_EAUTH;
	if (cf_stun_hmac_sha256(mac, key, msg->raw, ref->offset - 4u, ref->len) < 0)
		return CF_EAUTH;
	return cf_crypto_equal(mac, msg->raw + ref->offset, ref->len) ? 0 : CF_EAUTH;
}

/* a ":" b (":" c): gives the length, or CF_ELIMIT. */
static int join(uint8_t text[static MAX_KEY_TEXT], const struct cf_view *parts, size_t n_parts)
{
	struct cf_wire_writer w;

	cf_wire_writer_init(&w, text, MAX_KEY_TEXT);
	for (size_t i = 0; i < n_parts; i++) {
		if (i > 0)
			cf_wire_write_u8(&w, ':');
		cf_wire_write_bytes(&w, parts[i].p, parts[i].len);
	}
	return w.err ? CF_ELIMIT : (int)w.len;
}

int cf_stun_key_md5(uint8_t ret_key[static 16], struct cf_view user, struct cf_view realm,
	struct cf_view password)
{
	struct cf_view parts[3] = {user, realm, password};
	uint8_t text[MAX_KEY_TEXT];
	int n = join(text, parts, 3);

	if (n >= 0)
		n = cf_crypto_md5(ret_key, text, (size_t)n);
	cf_wipe(text, sizeof(text));
	return n;
}

int cf_stun_key_sha256(uint8_t ret_key[static 32], struct cf_view user, struct cf_view realm,
	struct cf_view password)
{
	struct cf_view parts[3] = {user, realm, password};
	uint8_t text[MAX_KEY_TEXT];
	int n = join(text, parts, 3);

	if (n >= 0)
		n = cf_crypto_sha256(ret_key, text, (size_t)n);
	cf_wipe(text, sizeof(text));
	return n;
}

int cf_stun_userhash(uint8_t ret_hash[static 32], struct cf_view user, struct cf_view realm)
{
	struct cf_view parts[2] = {user, realm};
	uint8_t text[MAX_KEY_TEXT];
	int n = join(text, parts, 2);

	return n < 0 ? n : cf_crypto_sha256(ret_hash, text, (size_t)n);
}
