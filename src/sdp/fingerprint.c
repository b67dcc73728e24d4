/* SPDX-License-Identifier: Apache-2.0 */
/* Certificate fingerprints as text and as bytes (RFC 8122 section 5). */
#include "base/mem.h"
#include "base/text.h"
#include "sdp/sdp_priv.h"

/* Best first: SHA-256 is the one that everybody has. */
static const struct {
	const char *name;
	uint8_t len;
} hashes[] = {
	[CF_SDP_SHA256] = {"sha-256", 32},
	[CF_SDP_SHA384] = {"sha-384", 48},
	[CF_SDP_SHA512] = {"sha-512", 64},
};

const char *cf_sdp_hash_name(enum cf_sdp_hash hash)
{
	return hashes[hash].name;
}

int cf_sdp_hash_of(struct cf_view name, enum cf_sdp_hash *ret_hash)
{
	for (size_t i = 0; i < CF_ARRAY_LEN(hashes); i++) {
		if (!cf_view_is_nocase(name, hashes[i].name))
			continue;
		*ret_hash = (enum cf_sdp_hash)i;
		return 0;
	}
	return CF_ENOTFOUND;
}

int cf_sdp_fingerprint_read(
	struct cf_sdp_fingerprint *ret_print, enum cf_sdp_hash hash, struct cf_view text)
{
	struct cf_sdp_fingerprint print = {.hash = hash, .len = hashes[hash].len};

	if (text.len != (size_t)print.len * 3 - 1)
		return CF_EBADMSG;
	for (size_t i = 0; i < print.len; i++) {
		const char *at = (const char *)text.p + 3 * i;

		if (cf_hex_decode(&print.value[i], 1, at, 2) || (i + 1 < print.len && at[2] != ':'))
			return CF_EBADMSG;
	}
	*ret_print = print;
	return 0;
}

void cf_sdp_fingerprint_print(
	const struct cf_sdp_fingerprint *print, char text[static CF_SDP_FINGERPRINT_TEXT_MAX])
{
	static const char digits[] = "0123456789ABCDEF";

	for (size_t i = 0; i < print->len; i++) {
		*text++ = digits[print->value[i] >> 4];
		*text++ = digits[print->value[i] & 15];
		*text++ = i + 1 < print->len ? ':' : '\0';
	}
}
