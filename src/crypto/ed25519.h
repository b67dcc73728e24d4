/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ed25519 signatures (RFC 8032), on OpenSSL. Keys are the raw 32 bytes: the private one is the
 * seed. All functions may be called on any thread.
 */
#ifndef CF_CRYPTO_ED25519_H
#define CF_CRYPTO_ED25519_H

#include "base/err.h"
#include "base/view.h"

#include <stdbool.h>
#include <stdint.h>

#define CF_ED25519_KEY_LEN 32
#define CF_ED25519_SIGNATURE_LEN 64

/** The public key of a private one. 0 or CF_ECRYPTO. */
CF_MUST_CHECK int cf_crypto_ed25519_public(
	uint8_t out[static CF_ED25519_KEY_LEN], const uint8_t key[static CF_ED25519_KEY_LEN]);

/** 0 or CF_ECRYPTO. */
CF_MUST_CHECK int cf_crypto_ed25519_sign(uint8_t out[static CF_ED25519_SIGNATURE_LEN],
	const uint8_t key[static CF_ED25519_KEY_LEN], struct cf_view message);

/** Whether the signature is that of the public key's owner over message. */
bool cf_crypto_ed25519_check(const uint8_t signature[static CF_ED25519_SIGNATURE_LEN],
	const uint8_t public_key[static CF_ED25519_KEY_LEN], struct cf_view message);

#endif
