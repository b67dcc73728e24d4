/* SPDX-License-Identifier: Apache-2.0 */
#include "stun/msg.h"

#include "crypto/hash.h"
#include "stun/stun_priv.h"

#include <string.h>

static uint16_t get_u16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static uint32_t get_u32(const uint8_t *p)
{
	return (uint32_t)get_u16(p) << 16 | get_u16(p + 2);
}

/* The header's fixed bits (RFC 8489 section 5): two zero bits, the cookie, a length in words. */
static bool header_ok(const uint8_t *p)
{
	return (p[0] & 0xc0) == 0 && get_u32(p + 4) == CF_STUN_MAGIC && (p[3] & 3) == 0;
}

bool cf_stun_is_msg(const uint8_t *p, size_t n)
{
	return n >= CF_STUN_HEADER_LEN && header_ok(p) &&
	       (size_t)CF_STUN_HEADER_LEN + get_u16(p + 2) <= n;
}

int cf_stun_frame_len(const uint8_t *p, size_t n)
{
	int len;

	if (n > 0 && (p[0] & 0xc0) != 0)
		return CF_EBADMSG;
	if (n < 8)
		return 0;
	len = CF_STUN_HEADER_LEN + get_u16(p + 2);
	if (!header_ok(p) || len > CF_STUN_MAX_LEN)
		return CF_EBADMSG;
	return len;
}

/* What stands behind an integrity attribute counts only if it is a stronger one or FINGERPRINT. */
static bool attr_counts(uint16_t type, bool behind_sha1, bool behind_sha256)
{
	if (type == CF_STUN_FINGERPRINT)
		return true;
	if (behind_sha256)
		return false;                                            /* RFC 8489 section 14.6 */
	return !behind_sha1 || type == CF_STUN_MESSAGE_INTEGRITY_SHA256; /* section 14.5 */
}

static int parse_attrs(struct cf_stun_msg *msg)
{
	struct cf_wire_reader r;
	bool sha1 = false, sha256 = false, fingerprint = false;

	cf_wire_reader_init(&r, msg->raw, msg->raw_len);
	cf_wire_skip(&r, CF_STUN_HEADER_LEN);
	while (cf_wire_left(&r) > 0) {
		uint16_t type = cf_wire_read_u16(&r);
		uint16_t len = cf_wire_read_u16(&r);
		struct cf_stun_attr_ref ref = {type, len, (uint16_t)r.pos};

		cf_wire_skip(&r, len + (-len & 3u));
		if (r.err || fingerprint)
			return CF_EBADMSG; /* RFC 8489 section 14.7: FINGERPRINT is the last */
		fingerprint = type == CF_STUN_FINGERPRINT;
		if (!attr_counts(type, sha1, sha256))
			continue;
		if (msg->n_attrs == CF_STUN_MAX_ATTRS)
			return CF_ELIMIT;
		msg->attrs[msg->n_attrs++] = ref;
		sha1 = sha1 || type == CF_STUN_MESSAGE_INTEGRITY;
		sha256 = sha256 || type == CF_STUN_MESSAGE_INTEGRITY_SHA256;
	}
	return r.err;
}

static int check_fingerprint(const struct cf_stun_msg *msg)
{
	const struct cf_stun_attr_ref *last;
	size_t covered;

	if (msg->n_attrs == 0)
		return 0;
	last = &msg->attrs[msg->n_attrs - 1];
	if (last->type != CF_STUN_FINGERPRINT)
		return 0;
	covered = (size_t)last->offset - 4;
	if (last->len != 4)
		return CF_EBADMSG;
	if ((cf_crypto_crc32(msg->raw, covered) ^ CF_STUN_FINGERPRINT_XOR) !=
		get_u32(msg->raw + last->offset))
		return CF_EBADMSG;
	return 0;
}

/* RFC 8489 section 5, figure 3: class bits C1, C0 stand between the bits of the method. */
static void split_type(uint16_t type, struct cf_stun_msg *msg)
{
	msg->cls = (enum cf_stun_class)((type >> 7 & 2) | (type >> 4 & 1));
	msg->method = (uint16_t)((type & 0xf) | (type >> 1 & 0x70) | (type >> 2 & 0xf80));
}

int cf_stun_msg_parse(struct cf_stun_msg *ret_msg, const uint8_t *p, size_t n)
{
	struct cf_stun_msg msg;
	int err;

	if (!cf_stun_is_msg(p, n) || (size_t)CF_STUN_HEADER_LEN + get_u16(p + 2) != n ||
		n > UINT16_MAX)
		return CF_EBADMSG;
	msg.raw = p;
	msg.raw_len = (uint16_t)n;
	msg.n_attrs = 0;
	split_type(get_u16(p), &msg);
	memcpy(msg.tid, p + 8, CF_STUN_TID_LEN);
	err = parse_attrs(&msg);
	if ((err < 0 && err != CF_ELIMIT) || check_fingerprint(&msg) < 0)
		return CF_EBADMSG;
	memcpy(ret_msg, &msg,
		offsetof(struct cf_stun_msg, attrs) + msg.n_attrs * sizeof(msg.attrs[0]));
	return err;
}

const struct cf_stun_attr_ref *cf_stun_msg_find(const struct cf_stun_msg *msg, uint16_t type)
{
	for (size_t i = 0; i < msg->n_attrs; i++)
		if (msg->attrs[i].type == type)
			return &msg->attrs[i];
	return NULL;
}

bool cf_stun_msg_attr(const struct cf_stun_msg *msg, uint16_t type, struct cf_view *ret_value)
{
	const struct cf_stun_attr_ref *ref = cf_stun_msg_find(msg, type);

	if (!ref)
		return false;
	*ret_value = cf_view_of(msg->raw + ref->offset, ref->len);
	return true;
}

bool cf_stun_msg_has(const struct cf_stun_msg *msg, uint16_t type)
{
	return cf_stun_msg_find(msg, type) != NULL;
}

/* A value of exactly n bytes. */
static int fixed(const struct cf_stun_msg *msg, uint16_t type, size_t n, struct cf_view *ret_value)
{
	struct cf_view v;

	if (!cf_stun_msg_attr(msg, type, &v))
		return CF_ENOTFOUND;
	if (v.len != n)
		return CF_EBADMSG;
	*ret_value = v;
	return 0;
}

int cf_stun_msg_u32(const struct cf_stun_msg *msg, uint16_t type, uint32_t *ret_value)
{
	struct cf_view v;
	int err = fixed(msg, type, 4, &v);

	if (err == 0)
		*ret_value = get_u32(v.p);
	return err;
}

int cf_stun_msg_u64(const struct cf_stun_msg *msg, uint16_t type, uint64_t *ret_value)
{
	struct cf_view v;
	int err = fixed(msg, type, 8, &v);

	if (err == 0)
		*ret_value = (uint64_t)get_u32(v.p) << 32 | get_u32(v.p + 4);
	return err;
}

void cf_stun_xor_ip(struct cf_addr *addr, const uint8_t tid[static CF_STUN_TID_LEN])
{
	static const uint8_t magic[4] = {0x21, 0x12, 0xa4, 0x42};
	size_t n = cf_addr_ip_len(addr);

	addr->port ^= CF_STUN_MAGIC >> 16;
	for (size_t i = 0; i < n; i++)
		addr->ip[i] ^= i < 4 ? magic[i] : tid[i - 4];
}

/* RFC 8489 sections 14.1 and 14.2. */
static int addr_value(const struct cf_stun_msg *msg, const struct cf_stun_attr_ref *ref, bool xored,
	struct cf_addr *ret_addr)
{
	struct cf_addr addr = {0};
	const uint8_t *p;

	if (!ref)
		return CF_ENOTFOUND;
	if (ref->len != 8 && ref->len != 20)
		return CF_EBADMSG;
	p = msg->raw + ref->offset;
	if (p[1] != (ref->len == 8 ? CF_STUN_FAMILY_IPV4 : CF_STUN_FAMILY_IPV6))
		return CF_EBADMSG;
	addr.family = ref->len == 8 ? CF_ADDR_IPV4 : CF_ADDR_IPV6;
	addr.port = get_u16(p + 2);
	memcpy(addr.ip, p + 4, ref->len - 4u);
	if (xored)
		cf_stun_xor_ip(&addr, msg->tid);
	*ret_addr = addr;
	return 0;
}

int cf_stun_msg_addr(const struct cf_stun_msg *msg, uint16_t type, struct cf_addr *ret_addr)
{
	return addr_value(msg, cf_stun_msg_find(msg, type), false, ret_addr);
}

int cf_stun_msg_xor_addr(const struct cf_stun_msg *msg, uint16_t type, struct cf_addr *ret_addr)
{
	return addr_value(msg, cf_stun_msg_find(msg, type), true, ret_addr);
}

int cf_stun_attr_xor_addr(
	const struct cf_stun_msg *msg, const struct cf_stun_attr_ref *ref, struct cf_addr *ret_addr)
{
	return addr_value(msg, ref, true, ret_addr);
}

int cf_stun_msg_error(const struct cf_stun_msg *msg, uint16_t *ret_code, struct cf_view *ret_reason)
{
	struct cf_view v;
	unsigned cls, number;

	if (!cf_stun_msg_attr(msg, CF_STUN_ERROR_CODE, &v))
		return CF_ENOTFOUND;
	if (v.len < 4)
		return CF_EBADMSG;
	cls = v.p[2] & 7;
	number = v.p[3];
	if (cls < 3 || cls > 6 || number > 99) /* RFC 8489 section 14.8 */
		return CF_EBADMSG;
	*ret_code = (uint16_t)(cls * 100 + number);
	if (ret_reason)
		*ret_reason = cf_view_of(v.p + 4, v.len - 4);
	return 0;
}

static bool in_list(uint16_t type, const uint16_t *list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (list[i] == type)
			return true;
	return false;
}

size_t cf_stun_msg_unknown(const struct cf_stun_msg *msg, const uint16_t *known, size_t n_known,
	uint16_t *ret_types, size_t cap)
{
	size_t n = 0;

	for (size_t i = 0; i < msg->n_attrs; i++) {
		uint16_t type = msg->attrs[i].type;

		if (type >= 0x8000 || in_list(type, known, n_known))
			continue;
		if (n < cap && !in_list(type, ret_types, n))
			ret_types[n++] = type;
	}
	return n;
}
