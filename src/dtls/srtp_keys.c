/* SPDX-License-Identifier: Apache-2.0 */
#include "dtls/srtp_priv.h"

#include "base/mem.h"

#include <string.h>

/* Columns: profile, name, key, salt, tag, GCM. */
static const struct profile {
	enum cf_srtp_profile profile;
	const char *name;
	uint8_t key_len, salt_len, tag_len;
	bool gcm;
} profiles[] = {
	{CF_SRTP_AES128_CM_SHA1_80, "AES128_CM_SHA1_80", 16, 14, 10, false},
	{CF_SRTP_AEAD_AES_128_GCM, "AEAD_AES_128_GCM", 16, 12, 16, true},
	{CF_SRTP_AEAD_AES_256_GCM, "AEAD_AES_256_GCM", 32, 12, 16, true},
};

static const struct profile *find(enum cf_srtp_profile profile)
{
	for (size_t i = 0; i < sizeof(profiles) / sizeof(profiles[0]); i++)
		if (profiles[i].profile == profile)
			return &profiles[i];
	return NULL;
}

size_t cf_srtp_key_len(enum cf_srtp_profile profile)
{
	const struct profile *pr = find(profile);

	return pr ? pr->key_len : 0;
}

size_t cf_srtp_salt_len(enum cf_srtp_profile profile)
{
	const struct profile *pr = find(profile);

	return pr ? pr->salt_len : 0;
}

const char *cf_srtp_profile_name(enum cf_srtp_profile profile)
{
	const struct profile *pr = find(profile);

	return pr ? pr->name : "unknown";
}

int cf_srtp_derive(uint8_t *out, size_t n, const uint8_t *key, size_t key_len,
	const uint8_t salt[static CF_SRTP_MAX_SALT], enum cf_srtp_label label)
{
	const EVP_CIPHER *cipher = key_len == 32 ? EVP_aes_256_ctr() : EVP_aes_128_ctr();
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	uint8_t iv[16] = {0};
	int len, ok;

	/* RFC 3711 section 4.3.1: x = (label || 48-bit r) XOR salt, r = 0; the IV is x * 2^16. */
	memcpy(iv, salt, CF_SRTP_MAX_SALT);
	iv[7] ^= (uint8_t)label;
	memset(out, 0, n);
	ok = ctx && EVP_EncryptInit_ex2(ctx, cipher, key, iv, NULL) == 1 &&
	     EVP_EncryptUpdate(ctx, out, &len, out, (int)n) == 1;
	EVP_CIPHER_CTX_free(ctx);
	return ok ? 0 : CF_ECRYPTO;
}

static void hmac_state(SHA_CTX *ctx, const uint8_t key[static SHA_DIGEST_LENGTH], uint8_t pad)
{
	uint8_t block[SHA_CBLOCK];

	memset(block, pad, sizeof(block));
	for (size_t i = 0; i < SHA_DIGEST_LENGTH; i++)
		block[i] ^= key[i];
	SHA1_Init(ctx);
	SHA1_Update(ctx, block, sizeof(block));
	cf_wipe(block, sizeof(block));
}

static int cm_init(
	struct cf_srtp_keys *keys, const uint8_t *key, const uint8_t auth[static SHA_DIGEST_LENGTH])
{
	keys->cipher = EVP_CIPHER_CTX_new();
	if (!keys->cipher)
		return CF_ENOMEM;
	if (EVP_EncryptInit_ex2(keys->cipher, EVP_aes_128_ctr(), key, NULL, NULL) != 1)
		return CF_ECRYPTO;
	hmac_state(&keys->inner, auth, 0x36);
	hmac_state(&keys->outer, auth, 0x5c);
	return 0;
}

int cf_srtp_keys_init(struct cf_srtp_keys *keys, enum cf_srtp_profile profile, const uint8_t *key,
	const uint8_t *salt, const uint8_t auth[static SHA_DIGEST_LENGTH])
{
	const struct profile *pr = find(profile);

	memset(keys->salt, 0, sizeof(keys->salt));
	memcpy(keys->salt, salt, pr->salt_len);
	return pr->gcm ? cf_gcm_new(&keys->gcm, key, pr->key_len, false) : cm_init(keys, key, auth);
}

void cf_srtp_keys_done(struct cf_srtp_keys *keys)
{
	cf_gcm_free(keys->gcm);
	EVP_CIPHER_CTX_free(keys->cipher);
	cf_wipe(keys, sizeof(*keys));
}

static int derive_keys(struct cf_srtp_keys *keys, const struct profile *pr, const uint8_t *key,
	const uint8_t *salt, enum cf_srtp_label first)
{
	uint8_t k[CF_SRTP_MAX_KEY], s[CF_SRTP_MAX_SALT], a[SHA_DIGEST_LENGTH];
	int err = cf_srtp_derive(k, pr->key_len, key, pr->key_len, salt, first);

	if (!err)
		err = cf_srtp_derive(a, sizeof(a), key, pr->key_len, salt, first + 1);
	if (!err)
		err = cf_srtp_derive(s, pr->salt_len, key, pr->key_len, salt, first + 2);
	if (!err)
		err = cf_srtp_keys_init(keys, pr->profile, k, s, a);
	cf_wipe(k, sizeof(k));
	cf_wipe(s, sizeof(s));
	cf_wipe(a, sizeof(a));
	return err;
}

int cf_srtp_new(struct cf_srtp **ret_srtp, enum cf_srtp_profile profile, const uint8_t *key,
	const uint8_t *salt)
{
	const struct profile *pr = find(profile);
	uint8_t padded[CF_SRTP_MAX_SALT] = {0};
	struct cf_srtp *srtp;
	int err;

	if (!pr)
		return CF_EINVAL;
	srtp = cf_alloc(sizeof(*srtp));
	if (!srtp)
		return CF_ENOMEM;
	srtp->profile = profile;
	srtp->gcm = pr->gcm;
	srtp->tag_len = pr->tag_len;
	/* RFC 7714 section 11: a 96-bit master salt is multiplied by 2^16 for the PRF. */
	memcpy(padded, salt, pr->salt_len);
	err = derive_keys(&srtp->rtp, pr, key, padded, CF_SRTP_LABEL_RTP_KEY);
	if (!err)
		err = derive_keys(&srtp->rtcp, pr, key, padded, CF_SRTP_LABEL_RTCP_KEY);
	cf_wipe(padded, sizeof(padded));
	if (err) {
		cf_srtp_free(srtp);
		return err;
	}
	*ret_srtp = srtp;
	return 0;
}

struct cf_srtp *cf_srtp_free(struct cf_srtp *srtp)
{
	if (!srtp)
		return NULL;
	cf_srtp_keys_done(&srtp->rtp);
	cf_srtp_keys_done(&srtp->rtcp);
	cf_wipe(srtp, sizeof(*srtp));
	return cf_free(srtp);
}
