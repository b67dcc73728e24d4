/* SPDX-License-Identifier: Apache-2.0 */
/* AES-GCM on intel-ipsec-mb, which does a packet in one call: docs/adr/0008. */
#include "base/mem.h"
#include "crypto/gcm_priv.h"

#ifdef CF_HAVE_IPSEC_MB

#include <intel-ipsec-mb.h>
#include <pthread.h>
#include <stdint.h>

#define ALIGN 64
#define NEEDED (IMB_FEATURE_AESNI | IMB_FEATURE_PCLMULQDQ)

/* What the library chose for this processor, for keys of 16 and of 32 bytes. */
struct functions {
	aes_gcm_pre_t pre;
	aes_gcm_enc_dec_t seal, open;
};

struct cf_gcm_mb {
	const struct functions *run;
	struct gcm_key_data *key; /* in room */
	uint8_t room[sizeof(struct gcm_key_data) + ALIGN];
};

static struct functions functions[2]; /* empty: not for this processor */
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void choose(void)
{
	IMB_MGR *all = alloc_mb_mgr(0);
	IMB_ARCH arch;

	if (!all)
		return;
	init_mb_mgr_auto(all, &arch); /* tests itself, for some 2 ms */
	if (!imb_get_errno(all) && (all->features & NEEDED) == NEEDED &&
		!(all->features & IMB_FEATURE_AESNI_EMU)) {
		functions[0] =
			(struct functions){all->gcm128_pre, all->gcm128_enc, all->gcm128_dec};
		functions[1] =
			(struct functions){all->gcm256_pre, all->gcm256_enc, all->gcm256_dec};
	}
	free_mb_mgr(all);
}

bool cf_gcm_mb_works(void)
{
	return pthread_once(&once, choose) == 0 && functions[0].pre;
}

struct cf_gcm_mb *cf_gcm_mb_new(const uint8_t *key, size_t key_len)
{
	struct cf_gcm_mb *mb = cf_alloc(sizeof(*mb));

	if (!mb)
		return NULL;
	mb->run = &functions[key_len == 32];
	mb->key = (void *)(mb->room + (ALIGN - (uintptr_t)mb->room % ALIGN) % ALIGN);
	mb->run->pre(key, mb->key);
	return mb;
}

void cf_gcm_mb_free(struct cf_gcm_mb *mb)
{
	if (!mb)
		return;
	cf_wipe(mb, sizeof(*mb));
	cf_free(mb);
}

void cf_gcm_mb_seal(const struct cf_gcm_mb *mb, const uint8_t iv[static CF_GCM_IV_LEN],
	struct cf_view aad, uint8_t *p, size_t n, uint8_t tag[static CF_GCM_TAG_LEN])
{
	struct gcm_context_data context;

	mb->run->seal(mb->key, &context, p, p, n, iv, aad.p, aad.len, tag, CF_GCM_TAG_LEN);
}

void cf_gcm_mb_open(const struct cf_gcm_mb *mb, const uint8_t iv[static CF_GCM_IV_LEN],
	struct cf_view aad, uint8_t *p, size_t n, uint8_t ret_tag[static CF_GCM_TAG_LEN])
{
	struct gcm_context_data context;

	mb->run->open(mb->key, &context, p, p, n, iv, aad.p, aad.len, ret_tag, CF_GCM_TAG_LEN);
}

#else

bool cf_gcm_mb_works(void)
{
	return false;
}

struct cf_gcm_mb *cf_gcm_mb_new(const uint8_t *key, size_t key_len)
{
	(void)key;
	(void)key_len;
	return NULL;
}

void cf_gcm_mb_free(struct cf_gcm_mb *mb)
{
	(void)mb;
}

void cf_gcm_mb_seal(const struct cf_gcm_mb *mb, const uint8_t iv[static CF_GCM_IV_LEN],
	struct cf_view aad, uint8_t *p, size_t n, uint8_t tag[static CF_GCM_TAG_LEN])
{
	(void)mb, (void)iv, (void)aad, (void)p, (void)n, (void)tag;
}

void cf_gcm_mb_open(const struct cf_gcm_mb *mb, const uint8_t iv[static CF_GCM_IV_LEN],
	struct cf_view aad, uint8_t *p, size_t n, uint8_t ret_tag[static CF_GCM_TAG_LEN])
{
	(void)mb, (void)iv, (void)aad, (void)p, (void)n, (void)ret_tag;
}

#endif
