/* SPDX-License-Identifier: Apache-2.0 */
#include "auth/seal.h"

#include "base/text.h"

#include <stdio.h>
#include <string.h>

#define MESSAGE_MAX (sizeof(CF_SEAL_FORMAT) + 2 * CF_SHA256_LEN + 2)

int cf_seal_begin(struct cf_seal *seal)
{
	return cf_crypto_sha256(seal->link, CF_SEAL_FORMAT, strlen(CF_SEAL_FORMAT));
}

int cf_seal_line(struct cf_seal *seal, struct cf_view line, char tail[static CF_SEAL_TAIL_MAX])
{
	uint8_t both[2 * CF_SHA256_LEN], link[CF_SHA256_LEN];
	char hex[2 * CF_SHA256_LEN + 1];
	int err;

	memcpy(both, seal->link, CF_SHA256_LEN);
	err = cf_crypto_sha256(both + CF_SHA256_LEN, line.p, line.len);
	if (err == 0)
		err = cf_crypto_sha256(link, both, sizeof(both));
	if (err < 0)
		return err;
	memcpy(seal->link, link, sizeof(link));
	cf_hex_encode(hex, link, sizeof(link));
	snprintf(tail, CF_SEAL_TAIL_MAX, ",\"chain\":\"%s\"}", hex);
	return 0;
}

int cf_seal_key_id(
	char out[static CF_SEAL_KEY_ID_MAX], const uint8_t public_key[static CF_ED25519_KEY_LEN])
{
	uint8_t hash[CF_SHA256_LEN];
	int err = cf_crypto_sha256(hash, public_key, CF_ED25519_KEY_LEN);

	if (err == 0)
		cf_hex_encode(out, hash, (CF_SEAL_KEY_ID_MAX - 1) / 2);
	return err;
}

/* What is signed, so that everybody with OpenSSL can check it: format, blank, last link, newline.
 */
static struct cf_view message(const struct cf_seal *seal, char out[static MESSAGE_MAX])
{
	char hex[2 * CF_SHA256_LEN + 1];
	int n;

	cf_hex_encode(hex, seal->link, sizeof(seal->link));
	n = snprintf(out, MESSAGE_MAX, CF_SEAL_FORMAT " %s\n", hex);
	return cf_view_of(out, (size_t)n);
}

int cf_seal_sign(const struct cf_seal *seal, const uint8_t key[static CF_ED25519_KEY_LEN],
	uint8_t out[static CF_ED25519_SIGNATURE_LEN])
{
	char text[MESSAGE_MAX];

	return cf_crypto_ed25519_sign(out, key, message(seal, text));
}

bool cf_seal_check(const struct cf_seal *seal, const uint8_t public_key[static CF_ED25519_KEY_LEN],
	const uint8_t signature[static CF_ED25519_SIGNATURE_LEN])
{
	char text[MESSAGE_MAX];

	return cf_crypto_ed25519_check(signature, public_key, message(seal, text));
}
