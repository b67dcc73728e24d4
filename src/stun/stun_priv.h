/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the STUN codec share; for this room alone. */
#ifndef CF_STUN_PRIV_H
#define CF_STUN_PRIV_H

#include "stun/msg.h"

#define CF_STUN_FAMILY_IPV4 1 /* RFC 8489 section 14.1 */
#define CF_STUN_FAMILY_IPV6 2
#define CF_STUN_FINGERPRINT_XOR 0x5354554eu /* RFC 8489 section 14.7 */

/** The first attribute of a type, or NULL. */
const struct cf_stun_attr_ref *cf_stun_msg_find(const struct cf_stun_msg *msg, uint16_t type);

/** XORs port and IP with the cookie and the transaction id (RFC 8489 section 14.2), either way. */
void cf_stun_xor_ip(struct cf_addr *addr, const uint8_t tid[static CF_STUN_TID_LEN]);

/** HMAC over the message p up to (without) the integrity attribute at attr_pos, with the header's
 * length as if the message ended behind that attribute (value of value_len bytes). */
CF_MUST_CHECK int cf_stun_hmac_sha1(
	uint8_t ret_mac[static 20], struct cf_view key, const uint8_t *p, size_t attr_pos);
CF_MUST_CHECK int cf_stun_hmac_sha256(uint8_t ret_mac[static 32], struct cf_view key,
	const uint8_t *p, size_t attr_pos, size_t value_len);

#endif
