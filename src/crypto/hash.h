/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Digests and message authentication, on OpenSSL. Contexts are fetched once a thread and reused, so
 * that a call costs the hashing and little else. All functions may be called on any thread; all
 * return 0 or CF_ECRYPTO (which OpenSSL gives only when it is out of memory or misconfigured).
 */
#ifndef CF_CRYPTO_HASH_H
#define CF_CRYPTO_HASH_H

#include "base/err.h"
#include "base/view.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CF_MD5_LEN 16
#define CF_SHA1_LEN 20
#define CF_SHA256_LEN 32

CF_MUST_CHECK int cf_crypto_md5(uint8_t out[static CF_MD5_LEN], const void *p, size_t n);
CF_MUST_CHECK int cf_crypto_sha1(uint8_t out[static CF_SHA1_LEN], const void *p, size_t n);
CF_MUST_CHECK int cf_crypto_sha256(uint8_t out[static CF_SHA256_LEN], const void *p, size_t n);

/** HMAC (RFC 2104) over several parts as if they stood in one piece. */
CF_MUST_CHECK int cf_crypto_hmac_sha1(uint8_t out[static CF_SHA1_LEN], struct cf_view key,
	const struct cf_view *parts, size_t n_parts);
CF_MUST_CHECK int cf_crypto_hmac_sha256(uint8_t out[static CF_SHA256_LEN], struct cf_view key,
	const struct cf_view *parts, size_t n_parts);

/** Whether n bytes are equal, in constant time. */
bool cf_crypto_equal(const void *a, const void *b, size_t n);

/** CRC-32 as STUN's FINGERPRINT uses it (ITU V.42, before the XOR). */
uint32_t cf_crypto_crc32(const void *p, size_t n);

#endif
