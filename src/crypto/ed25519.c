/* SPDX-License-Identifier: Apache-2.0 */
#include "crypto/ed25519.h"

#include <openssl/evp.h>

int cf_crypto_ed25519_public(
	uint8_t out[static CF_ED25519_KEY_LEN], const uint8_t key[static CF_ED25519_KEY_LEN])
{
	EVP_PKEY *pkey =
		EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, key, CF_ED25519_KEY_LEN);
	size_t n = CF_ED25519_KEY_LEN;
	bool good = pkey && EVP_PKEY_get_raw_public_key(pkey, out, &n) == 1;

	EVP_PKEY_free(pkey);
	return good ? 0 : CF_ECRYPTO;
}

int cf_crypto_ed25519_sign(uint8_t out[static CF_ED25519_SIGNATURE_LEN],
	const uint8_t key[static CF_ED25519_KEY_LEN], struct cf_view message)
{
	EVP_PKEY *pkey =
		EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, key, CF_ED25519_KEY_LEN);
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	size_t n = CF_ED25519_SIGNATURE_LEN;
	bool good = pkey && ctx && EVP_DigestSignInit(ctx, NULL, NULL, NULL, pkey) == 1 &&
		    EVP_DigestSign(ctx, out, &n, message.p, message.len) == 1;

	EVP_MD_CTX_free(ctx);
	EVP_PKEY_free(pkey);
	return good ? 0 : CF_ECRYPTO;
}

bool cf_crypto_ed25519_check(const uint8_t signature[static CF_ED25519_SIGNATURE_LEN],
	const uint8_t public_key[static CF_ED25519_KEY_LEN], struct cf_view message)
{
	EVP_PKEY *pkey =
		EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, public_key, CF_ED25519_KEY_LEN);
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	bool good = pkey && ctx && EVP_DigestVerifyInit(ctx, NULL, NULL, NULL, pkey) == 1 &&
		    EVP_DigestVerify(
			    ctx, signature, CF_ED25519_SIGNATURE_LEN, message.p, message.len) == 1;

	EVP_MD_CTX_free(ctx);
	EVP_PKEY_free(pkey);
	return good;
}
