/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The seal of a usage export: a chain of SHA-256 over its lines, so that each line vouches for all
 * before it, and an Ed25519 signature over the last link. A line is a JSON object whose last member
 * is "chain": the hash covers the link before it and the line up to that member. Pure.
 */
#ifndef CF_AUTH_SEAL_H
#define CF_AUTH_SEAL_H

#include "crypto/ed25519.h"
#include "crypto/hash.h"

#define CF_SEAL_FORMAT "callflow-usage-1"
#define CF_SEAL_KEY_ID_MAX 17          /* with terminator */
#define CF_SEAL_KEYS_MAX 8             /* the first signs, the others are retired */
#define CF_SEAL_TAIL_LEN (10 + 64 + 2) /* ,"chain":"HEX"} */
#define CF_SEAL_TAIL_MAX (CF_SEAL_TAIL_LEN + 1)

struct cf_seal {
	uint8_t link[CF_SHA256_LEN];
};

/* Private keys of an installation. */
struct cf_seal_keys {
	size_t n;
	uint8_t key[CF_SEAL_KEYS_MAX][CF_ED25519_KEY_LEN];
};

/** The link before the first line. 0 or CF_ECRYPTO. */
CF_MUST_CHECK int cf_seal_begin(struct cf_seal *seal);

/** Takes a line up to its last member: `{"seq":1,...` without the closing brace. Writes that
 * member and the brace to tail, zero-terminated. 0 or CF_ECRYPTO. */
CF_MUST_CHECK int cf_seal_line(
	struct cf_seal *seal, struct cf_view line, char tail[static CF_SEAL_TAIL_MAX]);

/** Name of a public key: the first 8 bytes of its SHA-256 in hexadecimal. 0 or
 * CF_ECRYPTO. */
CF_MUST_CHECK int cf_seal_key_id(
	char out[static CF_SEAL_KEY_ID_MAX], const uint8_t public_key[static CF_ED25519_KEY_LEN]);

/** Signs the chain as it stands. 0 or CF_ECRYPTO. */
CF_MUST_CHECK int cf_seal_sign(const struct cf_seal *seal,
	const uint8_t key[static CF_ED25519_KEY_LEN], uint8_t out[static CF_ED25519_SIGNATURE_LEN]);
bool cf_seal_check(const struct cf_seal *seal, const uint8_t public_key[static CF_ED25519_KEY_LEN],
	const uint8_t signature[static CF_ED25519_SIGNATURE_LEN]);

#endif
