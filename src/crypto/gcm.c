/* SPDX-License-Identifier: Apache-2.0 */
#include "base/mem.h"
#include "crypto/gcm_priv.h"
#include "crypto/hash.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>

struct cf_gcm {
	struct cf_gcm_mb *mb; /* NULL: OpenSSL's */
	EVP_CIPHER_CTX *evp;
};

bool cf_gcm_is_fast(void)
{
	return cf_gcm_mb_works();
}

static int evp_new(struct cf_gcm *gcm, const uint8_t *key, size_t key_len)
{
	const EVP_CIPHER *cipher = key_len == 32 ? EVP_aes_256_gcm() : EVP_aes_128_gcm();

	gcm->evp = EVP_CIPHER_CTX_new();
	if (!gcm->evp)
		return CF_ENOMEM;
	return EVP_EncryptInit_ex2(gcm->evp, cipher, key, NULL, NULL) == 1 ? 0 : CF_ECRYPTO;
}

int cf_gcm_new(struct cf_gcm **ret_gcm, const uint8_t *key, size_t key_len, bool portable)
{
	struct cf_gcm *gcm;
	int err = 0;

	if (key_len != 16 && key_len != 32)
		return CF_EINVAL;
	gcm = cf_alloc(sizeof(*gcm));
	if (!gcm)
		return CF_ENOMEM;
	if (portable || !cf_gcm_mb_works()) {
		err = evp_new(gcm, key, key_len);
	} else {
		gcm->mb = cf_gcm_mb_new(key, key_len);
		err = gcm->mb ? 0 : CF_ENOMEM;
	}
	if (err) {
		cf_gcm_free(gcm);
		return err;
	}
	*ret_gcm = gcm;
	return 0;
}

struct cf_gcm *cf_gcm_free(struct cf_gcm *gcm)
{
	if (!gcm)
		return NULL;
	cf_gcm_mb_free(gcm->mb);
	EVP_CIPHER_CTX_free(gcm->evp);
	return cf_free(gcm);
}

/* The tag as OpenSSL takes and gives it; EVP_CIPHER_CTX_ctrl() makes the same, by detours. */
static void tag_params(OSSL_PARAM params[static 2], const uint8_t *tag)
{
	params[0] = OSSL_PARAM_construct_octet_string(
		OSSL_CIPHER_PARAM_AEAD_TAG, (void *)tag, CF_GCM_TAG_LEN);
	params[1] = OSSL_PARAM_construct_end();
}

/* params: the tag that is expected. */
static bool evp_crypt(const struct cf_gcm *gcm, bool encrypt, const uint8_t *iv, struct cf_view aad,
	uint8_t *p, size_t n, const OSSL_PARAM *params)
{
	EVP_CIPHER_CTX *ctx = gcm->evp;
	int len;

	return EVP_CipherInit_ex2(ctx, NULL, NULL, iv, encrypt, params) == 1 &&
	       (aad.len == 0 || EVP_CipherUpdate(ctx, NULL, &len, aad.p, (int)aad.len) == 1) &&
	       (n == 0 || EVP_CipherUpdate(ctx, p, &len, p, (int)n) == 1);
}

int cf_gcm_seal(struct cf_gcm *gcm, const uint8_t iv[static CF_GCM_IV_LEN], struct cf_view aad,
	uint8_t *p, size_t n, uint8_t tag[static CF_GCM_TAG_LEN])
{
	OSSL_PARAM params[2];
	int len;

	if (gcm->mb) {
		cf_gcm_mb_seal(gcm->mb, iv, aad, p, n, tag);
		return 0;
	}
	tag_params(params, tag);
	return evp_crypt(gcm, true, iv, aad, p, n, NULL) &&
			       EVP_CipherFinal_ex(gcm->evp, p + n, &len) == 1 &&
			       EVP_CIPHER_CTX_get_params(gcm->evp, params) == 1
		       ? 0
		       : CF_ECRYPTO;
}

int cf_gcm_open(struct cf_gcm *gcm, const uint8_t iv[static CF_GCM_IV_LEN], struct cf_view aad,
	uint8_t *p, size_t n, const uint8_t tag[static CF_GCM_TAG_LEN])
{
	uint8_t fits[CF_GCM_TAG_LEN];
	OSSL_PARAM params[2];
	int len;

	if (gcm->mb) {
		cf_gcm_mb_open(gcm->mb, iv, aad, p, n, fits);
		return cf_crypto_equal(fits, tag, sizeof(fits)) ? 0 : CF_EAUTH;
	}
	tag_params(params, tag);
	if (!evp_crypt(gcm, false, iv, aad, p, n, params))
		return CF_ECRYPTO;
	return EVP_CipherFinal_ex(gcm->evp, p + n, &len) == 1 ? 0 : CF_EAUTH;
}
