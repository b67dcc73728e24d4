/* SPDX-License-Identifier: Apache-2.0 */
#include "base/mem.h"
#include "crypto/hash.h"
#include "stun/msg.h"
#include "stun/stun_priv.h"

#include <string.h>

static const struct {
	uint16_t code;
	const char *reason;
} phrases[] = {
	{300, "Try Alternate"},
	{400, "Bad Request"},
	{401, "Unauthenticated"},
	{403, "Forbidden"},
	{405, "Mobility Forbidden"},
	{405, "Method Not Allowed"},
	{420, "Unknown Attribute"},
	{437, "Allocation Mismatch"},
	{438, "Stale Nonce"},
	{440, "Address Family not Supported"},
	{441, "Wrong Credentials"},
	{442, "Unsupported Transport Protocol"},
	{443, "Peer Address Family Mismatch"},
	{446, "Connection Already Exists"},
	{447, "Connection Timeout or Failure"},
	{486, "Allocation Quota Reached"},
	{487, "Role Conflict"},
	{500, "Server Error"},
	{508, "Insufficient Capacity"},
};

const char *cf_stun_error_phrase(uint16_t code)
{
	for (size_t i = 0; i < CF_ARRAY_LEN(phrases); i++)
		if (phrases[i].code == code)
			return phrases[i].reason;
	return "Error";
}

static void patch_len(struct cf_stun_writer *w)
{
	if (w->w.len > UINT16_MAX)
		w->w.err = CF_ENOSPC;
	else if (!w->w.err)
		cf_wire_patch_u16(&w->w, 2, (uint16_t)(w->w.len - CF_STUN_HEADER_LEN));
}

void cf_stun_write_begin(struct cf_stun_writer *w, void *p, size_t cap, enum cf_stun_class cls,
	uint16_t method, const uint8_t tid[static CF_STUN_TID_LEN])
{
	unsigned type = (method & 0xfu) | (method & 0x70u) << 1 | (method & 0xf80u) << 2 |
			((unsigned)cls & 1) << 4 | ((unsigned)cls & 2) << 7;

	cf_wire_writer_init(&w->w, p, cap);
	memcpy(w->tid, tid, CF_STUN_TID_LEN);
	cf_wire_write_u16(&w->w, (uint16_t)type);
	cf_wire_write_u16(&w->w, 0);
	cf_wire_write_u32(&w->w, CF_STUN_MAGIC);
	cf_wire_write_bytes(&w->w, tid, CF_STUN_TID_LEN);
}

static void attr_head(struct cf_stun_writer *w, uint16_t type, size_t n)
{
	if (n > UINT16_MAX) {
		w->w.err = CF_ENOSPC;
		return;
	}
	cf_wire_write_u16(&w->w, type);
	cf_wire_write_u16(&w->w, (uint16_t)n);
}

void cf_stun_write_bytes(struct cf_stun_writer *w, uint16_t type, const void *p, size_t n)
{
	attr_head(w, type, n);
	cf_wire_write_bytes(&w->w, p, n);
	cf_wire_write_zero(&w->w, -n & 3u);
}

void cf_stun_write_view(struct cf_stun_writer *w, uint16_t type, struct cf_view value)
{
	cf_stun_write_bytes(w, type, value.p, value.len);
}

void cf_stun_write_empty(struct cf_stun_writer *w, uint16_t type)
{
	attr_head(w, type, 0);
}

void cf_stun_write_u32(struct cf_stun_writer *w, uint16_t type, uint32_t v)
{
	attr_head(w, type, 4);
	cf_wire_write_u32(&w->w, v);
}

void cf_stun_write_u64(struct cf_stun_writer *w, uint16_t type, uint64_t v)
{
	attr_head(w, type, 8);
	cf_wire_write_u64(&w->w, v);
}

void cf_stun_write_addr(struct cf_stun_writer *w, uint16_t type, const struct cf_addr *addr)
{
	size_t n = cf_addr_ip_len(addr);

	attr_head(w, type, 4 + n);
	cf_wire_write_u8(&w->w, 0);
	cf_wire_write_u8(&w->w, n == 16 ? CF_STUN_FAMILY_IPV6 : CF_STUN_FAMILY_IPV4);
	cf_wire_write_u16(&w->w, addr->port);
	cf_wire_write_bytes(&w->w, addr->ip, n);
}

void cf_stun_write_xor_addr(struct cf_stun_writer *w, uint16_t type, const struct cf_addr *addr)
{
	struct cf_addr xored = *addr;

	cf_stun_xor_ip(&xored, w->tid);
	cf_stun_write_addr(w, type, &xored);
}

void cf_stun_write_error(struct cf_stun_writer *w, uint16_t code, const char *reason)
{
	struct cf_view text = cf_view_str(reason ? reason : cf_stun_error_phrase(code));

	attr_head(w, CF_STUN_ERROR_CODE, 4 + text.len);
	cf_wire_write_u16(&w->w, 0);
	cf_wire_write_u8(&w->w, (uint8_t)(code / 100));
	cf_wire_write_u8(&w->w, (uint8_t)(code % 100));
	cf_wire_write_bytes(&w->w, text.p, text.len);
	cf_wire_write_zero(&w->w, -text.len & 3u);
}

void cf_stun_write_unknown(struct cf_stun_writer *w, const uint16_t *types, size_t n)
{
	attr_head(w, CF_STUN_UNKNOWN_ATTRIBUTES, n * 2);
	for (size_t i = 0; i < n; i++)
		cf_wire_write_u16(&w->w, types[i]);
	cf_wire_write_zero(&w->w, (n & 1) * 2);
}

void cf_stun_write_integrity(struct cf_stun_writer *w, struct cf_view key)
{
	uint8_t mac[CF_SHA1_LEN];

	if (w->w.err)
		return;
	if (cf_stun_hmac_sha1(mac, key, w->w.p, w->w.len) < 0)
		w->w.err = CF_ECRYPTO;
	cf_stun_write_bytes(w, CF_STUN_MESSAGE_INTEGRITY, mac, sizeof(mac));
}

void cf_stun_write_integrity_sha256(struct cf_stun_writer *w, struct cf_view key)
{
	uint8_t mac[CF_SHA256_LEN];

	if (w->w.err)
		return;
	if (cf_stun_hmac_sha256(mac, key, w->w.p, w->w.len, sizeof(mac)) < 0)
		w->w.err = CF_ECRYPTO;
	cf_stun_write_bytes(w, CF_STUN_MESSAGE_INTEGRITY_SHA256, mac, sizeof(mac));
}

void cf_stun_write_fingerprint(struct cf_stun_writer *w)
{
	size_t covered = w->w.len;
	uint32_t crc;

	/* RFC 8489 section 14.7: the length counts FINGERPRINT itself. */
	cf_stun_write_u32(w, CF_STUN_FINGERPRINT, 0);
	patch_len(w);
	if (w->w.err)
		return;
	crc = cf_crypto_crc32(w->w.p, covered) ^ CF_STUN_FINGERPRINT_XOR;
	cf_wire_patch_u16(&w->w, covered + 4, (uint16_t)(crc >> 16));
	cf_wire_patch_u16(&w->w, covered + 6, (uint16_t)crc);
}

int cf_stun_write_end(struct cf_stun_writer *w)
{
	patch_len(w);
	return w->w.err ? w->w.err : (int)w->w.len;
}
