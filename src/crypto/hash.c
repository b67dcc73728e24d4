/* SPDX-License-Identifier: Apache-2.0 */
#include "crypto/hash.h"

#include "base/mem.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <pthread.h>

enum { ALG_MD5, ALG_SHA1, ALG_SHA256, N_ALGS };

static const char *const alg_names[N_ALGS] = {"MD5", "SHA1", "SHA256"};

/* What one thread keeps: a digest context, and a MAC context per algorithm. */
struct thread_state {
	EVP_MD_CTX *md_ctx;
	EVP_MAC_CTX *mac_ctx[N_ALGS];
};

static EVP_MD *mds[N_ALGS]; /* RO after fetch_all() */
static EVP_MAC *mac;        /* RO after fetch_all() */
static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_key_t key;

static void thread_state_free(void *p)
{
	struct thread_state *ts = p;

	EVP_MD_CTX_free(ts->md_ctx);
	for (size_t i = 0; i < N_ALGS; i++)
		EVP_MAC_CTX_free(ts->mac_ctx[i]);
	cf_free(ts);
}

static void release_all(void)
{
	struct thread_state *ts = pthread_getspecific(key);

	if (ts)
		thread_state_free(ts);
	pthread_setspecific(key, NULL);
	for (size_t i = 0; i < N_ALGS; i++)
		EVP_MD_free(mds[i]);
	EVP_MAC_free(mac);
}

static void fetch_all(void)
{
	for (size_t i = 0; i < N_ALGS; i++)
		mds[i] = EVP_MD_fetch(NULL, alg_names[i], NULL);
	mac = EVP_MAC_fetch(NULL, "HMAC", NULL);
	pthread_key_create(&key, thread_state_free);
	OPENSSL_atexit(release_all);
}

static struct thread_state *state(void)
{
	struct thread_state *ts;

	pthread_once(&once, fetch_all);
	ts = pthread_getspecific(key);
	if (ts)
		return ts;
	ts = cf_alloc(sizeof(*ts));
	if (ts && pthread_setspecific(key, ts) != 0)
		ts = cf_free(ts);
	return ts;
}

static int digest(int alg, uint8_t *out, const void *p, size_t n)
{
	struct thread_state *ts = state();

	if (!ts)
		return CF_ECRYPTO;
	if (!ts->md_ctx)
		ts->md_ctx = EVP_MD_CTX_new();
	if (!ts->md_ctx || EVP_DigestInit_ex2(ts->md_ctx, mds[alg], NULL) != 1 ||
		EVP_DigestUpdate(ts->md_ctx, p, n) != 1 ||
		EVP_DigestFinal_ex(ts->md_ctx, out, NULL) != 1)
		return CF_ECRYPTO;
	return 0;
}

static EVP_MAC_CTX *mac_ctx(struct thread_state *ts, int alg)
{
	OSSL_PARAM params[2] = {OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST,
					(char *)(uintptr_t)alg_names[alg], 0),
		OSSL_PARAM_construct_end()};

	if (ts->mac_ctx[alg])
		return ts->mac_ctx[alg];
	ts->mac_ctx[alg] = EVP_MAC_CTX_new(mac);
	if (ts->mac_ctx[alg] && EVP_MAC_CTX_set_params(ts->mac_ctx[alg], params) != 1) {
		EVP_MAC_CTX_free(ts->mac_ctx[alg]);
		ts->mac_ctx[alg] = NULL;
	}
	return ts->mac_ctx[alg];
}

static int hmac(int alg, uint8_t *out, size_t out_len, struct cf_view k,
	const struct cf_view *parts, size_t n_parts)
{
	static const uint8_t empty[1];
	struct thread_state *ts = state();
	EVP_MAC_CTX *ctx = ts ? mac_ctx(ts, alg) : NULL;
	size_t len;

	if (!ctx || EVP_MAC_init(ctx, k.len ? k.p : empty, k.len, NULL) != 1)
		return CF_ECRYPTO;
	for (size_t i = 0; i < n_parts; i++)
		if (parts[i].len && EVP_MAC_update(ctx, parts[i].p, parts[i].len) != 1)
			return CF_ECRYPTO;
	return EVP_MAC_final(ctx, out, &len, out_len) == 1 ? 0 : CF_ECRYPTO;
}

int cf_crypto_md5(uint8_t out[static CF_MD5_LEN], const void *p, size_t n)
{
	return digest(ALG_MD5, out, p, n);
}

int cf_crypto_sha1(uint8_t out[static CF_SHA1_LEN], const void *p, size_t n)
{
	return digest(ALG_SHA1, out, p, n);
}

int cf_crypto_sha256(uint8_t out[static CF_SHA256_LEN], const void *p, size_t n)
{
	return digest(ALG_SHA256, out, p, n);
}

int cf_crypto_hmac_sha1(uint8_t out[static CF_SHA1_LEN], struct cf_view k,
	const struct cf_view *parts, size_t n_parts)
{
	return hmac(ALG_SHA1, out, CF_SHA1_LEN, k, parts, n_parts);
}

int cf_crypto_hmac_sha256(uint8_t out[static CF_SHA256_LEN], struct cf_view k,
	const struct cf_view *parts, size_t n_parts)
{
	return hmac(ALG_SHA256, out, CF_SHA256_LEN, k, parts, n_parts);
}

bool cf_crypto_equal(const void *a, const void *b, size_t n)
{
	return CRYPTO_memcmp(a, b, n) == 0;
}

static uint32_t crc_table[256]; /* RO after fill_table() */
static pthread_once_t crc_once = PTHREAD_ONCE_INIT;

static void fill_table(void)
{
	for (uint32_t i = 0; i < 256; i++) {
		uint32_t c = i;

		for (int k = 0; k < 8; k++)
			c = c & 1 ? 0xedb88320u ^ c >> 1 : c >> 1;
		crc_table[i] = c;
	}
}

uint32_t cf_crypto_crc32(const void *p, size_t n)
{
	const uint8_t *in = p;
	uint32_t c = 0xffffffffu;

	pthread_once(&crc_once, fill_table);
	for (size_t i = 0; i < n; i++)
		c = crc_table[(c ^ in[i]) & 0xff] ^ c >> 8;
	return ~c;
}
