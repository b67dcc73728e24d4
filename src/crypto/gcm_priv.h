/* SPDX-License-Identifier: Apache-2.0 */
/* The fast implementation, where the build has it. Results as in gcm.h. */
#ifndef CF_CRYPTO_GCM_PRIV_H
#define CF_CRYPTO_GCM_PRIV_H

#include "crypto/gcm.h"

struct cf_gcm_mb;

/** False: not built in, or not for this processor. */
bool cf_gcm_mb_works(void);
/** NULL: no memory. key_len: 16 or 32. */
struct cf_gcm_mb *cf_gcm_mb_new(const uint8_t *key, size_t key_len);
void cf_gcm_mb_free(struct cf_gcm_mb *mb);
void cf_gcm_mb_seal(const struct cf_gcm_mb *mb, const uint8_t iv[static CF_GCM_IV_LEN],
	struct cf_view aad, uint8_t *p, size_t n, uint8_t tag[static CF_GCM_TAG_LEN]);
/** The tag that would fit is left to the caller to compare. */
void cf_gcm_mb_open(const struct cf_gcm_mb *mb, const uint8_t iv[static CF_GCM_IV_LEN],
	struct cf_view aad, uint8_t *p, size_t n, uint8_t ret_tag[static CF_GCM_TAG_LEN]);

#endif
