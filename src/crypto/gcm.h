/* SPDX-License-Identifier: Apache-2.0 */
/*
 * AES-GCM (NIST SP 800-38D) under one key, packet by packet, in place. Where the processor and the
 * build have it, on intel-ipsec-mb (docs/adr/0008), elsewhere on OpenSSL. Sealing and opening
 * allocate nothing. One thread at a time may use a context.
 */
#ifndef CF_CRYPTO_GCM_H
#define CF_CRYPTO_GCM_H

#include "base/err.h"
#include "base/view.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CF_GCM_IV_LEN 12
#define CF_GCM_TAG_LEN 16

struct cf_gcm;

/** key_len: 16 or 32 bytes. portable: OpenSSL, whatever the processor has; false but in tests.
 * 0, CF_EINVAL, CF_ENOMEM, CF_ECRYPTO. */
CF_MUST_CHECK int cf_gcm_new(
	struct cf_gcm **ret_gcm, const uint8_t *key, size_t key_len, bool portable);
/** Wipes and frees; NULL is fine. Returns NULL. */
struct cf_gcm *cf_gcm_free(struct cf_gcm *gcm);

/** Whether contexts use the processor's vector AES by way of intel-ipsec-mb. */
bool cf_gcm_is_fast(void);

/** Encrypts n bytes at p in place and writes the tag over them and aad. An IV must never be used
 * twice under a key. 0 or CF_ECRYPTO. */
CF_MUST_CHECK int cf_gcm_seal(struct cf_gcm *gcm, const uint8_t iv[static CF_GCM_IV_LEN],
	struct cf_view aad, uint8_t *p, size_t n, uint8_t tag[static CF_GCM_TAG_LEN]);

/** Decrypts n bytes at p in place. 0; CF_EAUTH when the tag does not fit: what p has then means
 * nothing and must not be used; CF_ECRYPTO. */
CF_MUST_CHECK int cf_gcm_open(struct cf_gcm *gcm, const uint8_t iv[static CF_GCM_IV_LEN],
	struct cf_view aad, uint8_t *p, size_t n, const uint8_t tag[static CF_GCM_TAG_LEN]);

#endif
