/* SPDX-License-Identifier: Apache-2.0 */
#include "dtls/srtp_priv.h"

#include "base/wire.h"
#include "rtp/packet.h"

#include <openssl/crypto.h>
#include <string.h>

#define GCM_IV_LEN 12
#define RTCP_CLEAR_LEN 8 /* RFC 3711 section 3.4: first header and SSRC stay in the clear */
#define RTCP_E 0x80000000u

/* One packet on its way: where what lies, and its number. */
struct job {
	struct cf_srtp *srtp;
	struct cf_srtp_keys *keys;
	uint8_t *p;
	size_t aad_len; /* in the clear at the start */
	size_t len;     /* without tag and trailer */
	uint32_t ssrc;
	uint64_t index;
	bool rtcp;
};

static uint32_t get_u32(const uint8_t *p)
{
	struct cf_wire_reader r;

	cf_wire_reader_init(&r, p, 4);
	return cf_wire_read_u32(&r);
}

static void put_u32(uint8_t *p, uint32_t v)
{
	struct cf_wire_writer w;

	cf_wire_writer_init(&w, p, 4);
	cf_wire_write_u32(&w, v);
}

/* RFC 3711 section 4.1.1: IV = (salt * 2^16) XOR (SSRC * 2^64) XOR (i * 2^16). */
static void cm_iv(const struct job *job, uint8_t iv[static 16])
{
	uint8_t x[16] = {0};

	put_u32(x + 4, job->ssrc);
	put_u32(x + 8, (uint32_t)(job->index >> 16));
	x[12] = (uint8_t)(job->index >> 8);
	x[13] = (uint8_t)job->index;
	for (size_t i = 0; i < CF_SRTP_MAX_SALT; i++)
		iv[i] = x[i] ^ job->keys->salt[i];
	iv[14] = iv[15] = 0;
}

/* RFC 7714 sections 8.1 and 9.1: 0 || SSRC || ROC || SEQ, or 0 || SSRC || 0 || index, XOR salt. */
static void gcm_iv(const struct job *job, uint8_t iv[static GCM_IV_LEN])
{
	put_u32(iv, job->ssrc >> 16);
	put_u32(iv + 4, job->ssrc << 16 | (uint32_t)(job->index >> 32));
	put_u32(iv + 8, (uint32_t)job->index);
	for (size_t i = 0; i < GCM_IV_LEN; i++)
		iv[i] ^= job->keys->salt[i];
}

static int cm_crypt(const struct job *job)
{
	uint8_t iv[16], *data = job->p + job->aad_len;
	int n;

	cm_iv(job, iv);
	return EVP_EncryptInit_ex2(job->keys->cipher, NULL, NULL, iv, NULL) == 1 &&
			       EVP_EncryptUpdate(job->keys->cipher, data, &n, data,
				       (int)(job->len - job->aad_len)) == 1
		       ? 0
		       : CF_ECRYPTO;
}

/* HMAC-SHA1 over n bytes of packet and, for RTP, the ROC (RFC 3711 section 4.2). */
static void cm_tag(const struct job *job, size_t n, uint8_t tag[static SHA_DIGEST_LENGTH])
{
	SHA_CTX ctx = job->keys->inner;
	uint8_t roc[4];

	SHA1_Update(&ctx, job->p, n);
	if (!job->rtcp) {
		put_u32(roc, (uint32_t)(job->index >> 16));
		SHA1_Update(&ctx, roc, sizeof(roc));
	}
	SHA1_Final(tag, &ctx);
	ctx = job->keys->outer;
	SHA1_Update(&ctx, tag, SHA_DIGEST_LENGTH);
	SHA1_Final(tag, &ctx);
}

/* Key, IV and associated data; esrtcp: the E flag and index, which RTCP adds to the latter. */
static int gcm_begin(const struct job *job, int encrypt, const uint8_t *esrtcp)
{
	EVP_CIPHER_CTX *ctx = job->keys->cipher;
	uint8_t iv[GCM_IV_LEN];
	int n;

	gcm_iv(job, iv);
	if (EVP_CipherInit_ex2(ctx, NULL, NULL, iv, encrypt, NULL) != 1 ||
		EVP_CipherUpdate(ctx, NULL, &n, job->p, (int)job->aad_len) != 1)
		return CF_ECRYPTO;
	if (esrtcp && EVP_CipherUpdate(ctx, NULL, &n, esrtcp, 4) != 1)
		return CF_ECRYPTO;
	return 0;
}

static int gcm_data(const struct job *job)
{
	uint8_t *data = job->p + job->aad_len;
	size_t len = job->len - job->aad_len;
	int n;

	return !len || EVP_CipherUpdate(job->keys->cipher, data, &n, data, (int)len) == 1
		       ? 0
		       : CF_ECRYPTO;
}

static int gcm_seal(const struct job *job, uint8_t *tag, const uint8_t *esrtcp)
{
	EVP_CIPHER_CTX *ctx = job->keys->cipher;
	int n, err = gcm_begin(job, 1, esrtcp);

	if (!err)
		err = gcm_data(job);
	if (err)
		return err;
	return EVP_CipherFinal_ex(ctx, tag, &n) == 1 &&
			       EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG,
				       (int)job->srtp->tag_len, tag) == 1
		       ? 0
		       : CF_ECRYPTO;
}

static int gcm_open(const struct job *job, uint8_t *tag, const uint8_t *esrtcp)
{
	EVP_CIPHER_CTX *ctx = job->keys->cipher;
	int n, err = gcm_begin(job, 0, esrtcp);

	if (!err)
		err = gcm_data(job);
	if (err)
		return err;
	if (EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, (int)job->srtp->tag_len, tag) != 1)
		return CF_ECRYPTO;
	return EVP_CipherFinal_ex(ctx, job->p + job->len, &n) == 1 ? 0 : CF_EAUTH;
}

static int rtp_job(struct job *job, struct cf_srtp *srtp, uint8_t *packet, size_t len)
{
	int header = cf_rtp_header_len(packet, len);

	if (header < 0)
		return header;
	*job = (struct job){.srtp = srtp,
		.keys = &srtp->rtp,
		.p = packet,
		.aad_len = (size_t)header,
		.len = len,
		.ssrc = get_u32(packet + 8)};
	return 0;
}

/* Index of an RTP packet and whether it may be taken; unknown SSRCs begin at ROC 0. */
static int rtp_number(struct job *job, const struct cf_srtp_source *source)
{
	static const struct cf_srtp_source fresh;
	uint16_t seq = (uint16_t)(job->p[2] << 8 | job->p[3]);
	int err;

	if (!source)
		source = &fresh;
	err = cf_srtp_index(source, seq, &job->index);
	return err ? err : cf_srtp_seq_check(&source->rtp, job->index);
}

int cf_srtp_protect_rtp(struct cf_srtp *srtp, uint8_t *packet, size_t len, size_t cap)
{
	struct cf_srtp_source *source;
	uint8_t tag[SHA_DIGEST_LENGTH];
	struct job job;
	int err = rtp_job(&job, srtp, packet, len);

	if (err)
		return err;
	if (cap < len || cap - len < srtp->tag_len)
		return CF_ENOSPC;
	source = cf_srtp_source_find(srtp, job.ssrc);
	err = rtp_number(&job, source);
	if (err)
		return err;
	if (!source)
		source = cf_srtp_source_add(srtp, job.ssrc);
	if (!source)
		return CF_ELIMIT;
	/* Marked before the cipher runs: even after a failure this nonce is spent. */
	cf_srtp_seq_mark(&source->rtp, job.index);
	if (srtp->gcm) {
		err = gcm_seal(&job, tag, NULL);
	} else {
		err = cm_crypt(&job);
		cm_tag(&job, len, tag);
	}
	memcpy(packet + len, tag, srtp->tag_len);
	return err ? err : (int)(len + srtp->tag_len);
}

int cf_srtp_unprotect_rtp(struct cf_srtp *srtp, uint8_t *packet, size_t len)
{
	struct cf_srtp_source *source;
	uint8_t tag[SHA_DIGEST_LENGTH];
	struct job job;
	int err;

	if (len < srtp->tag_len)
		return CF_EBADMSG;
	err = rtp_job(&job, srtp, packet, len - srtp->tag_len);
	if (err)
		return err;
	source = cf_srtp_source_find(srtp, job.ssrc);
	/* RFC 3711 section 3.3, receiver steps 2, 3, 5: index, replay, authentication, decryption.
	 */
	err = rtp_number(&job, source);
	if (err)
		return err;
	if (srtp->gcm) {
		err = gcm_open(&job, packet + job.len, NULL);
	} else {
		cm_tag(&job, job.len, tag);
		err = CRYPTO_memcmp(tag, packet + job.len, srtp->tag_len) ? CF_EAUTH
									  : cm_crypt(&job);
	}
	if (err)
		return err;
	if (!source)
		source = cf_srtp_source_add(srtp, job.ssrc);
	if (!source)
		return CF_ELIMIT;
	cf_srtp_seq_mark(&source->rtp, job.index);
	return (int)job.len;
}

static int rtcp_job(struct job *job, struct cf_srtp *srtp, uint8_t *packet, size_t len)
{
	if (len < RTCP_CLEAR_LEN || packet[0] >> 6 != 2)
		return CF_EBADMSG;
	*job = (struct job){.srtp = srtp,
		.keys = &srtp->rtcp,
		.p = packet,
		.aad_len = RTCP_CLEAR_LEN,
		.len = len,
		.ssrc = get_u32(packet + 4),
		.rtcp = true};
	return 0;
}

int cf_srtp_protect_rtcp(struct cf_srtp *srtp, uint8_t *packet, size_t len, size_t cap)
{
	struct cf_srtp_source *source;
	uint8_t tag[SHA_DIGEST_LENGTH], esrtcp[4];
	struct job job;
	int err = rtcp_job(&job, srtp, packet, len);

	if (err)
		return err;
	if (cap < len || cap - len < srtp->tag_len + sizeof(esrtcp))
		return CF_ENOSPC;
	source = cf_srtp_source_find(srtp, job.ssrc);
	if (!source)
		source = cf_srtp_source_add(srtp, job.ssrc);
	if (!source)
		return CF_ELIMIT;
	/* RFC 3711 section 3.4: the first index is 0; section 9.2: 2^31 at most. */
	job.index = source->rtcp.started ? source->rtcp.highest + 1 : 0;
	if (job.index > CF_SRTCP_MAX_INDEX)
		return CF_EEXPIRED;
	cf_srtp_seq_mark(&source->rtcp, job.index);
	put_u32(esrtcp, RTCP_E | (uint32_t)job.index);
	if (srtp->gcm) {
		/* RFC 7714 section 9.2: the tag stands before E and index. */
		err = gcm_seal(&job, tag, esrtcp);
		memcpy(packet + len, tag, srtp->tag_len);
		memcpy(packet + len + srtp->tag_len, esrtcp, sizeof(esrtcp));
	} else {
		err = cm_crypt(&job);
		memcpy(packet + len, esrtcp, sizeof(esrtcp));
		cm_tag(&job, len + sizeof(esrtcp), tag);
		memcpy(packet + len + sizeof(esrtcp), tag, srtp->tag_len);
	}
	return err ? err : (int)(len + srtp->tag_len + sizeof(esrtcp));
}

static int rtcp_open(struct job *job, uint8_t *esrtcp, uint8_t *wire_tag)
{
	uint8_t tag[SHA_DIGEST_LENGTH];

	if (job->srtp->gcm)
		return gcm_open(job, wire_tag, esrtcp);
	cm_tag(job, job->len + 4, tag);
	return CRYPTO_memcmp(tag, wire_tag, job->srtp->tag_len) ? CF_EAUTH : cm_crypt(job);
}

int cf_srtp_unprotect_rtcp(struct cf_srtp *srtp, uint8_t *packet, size_t len)
{
	size_t trailer = srtp->tag_len + 4;
	struct cf_srtp_source *source;
	uint8_t *esrtcp, *wire_tag, e_copy[4];
	struct job job;
	uint32_t word;
	int err;

	if (len < trailer)
		return CF_EBADMSG;
	err = rtcp_job(&job, srtp, packet, len - trailer);
	if (err)
		return err;
	esrtcp = packet + (srtp->gcm ? len - 4 : job.len);
	wire_tag = packet + (srtp->gcm ? job.len : len - srtp->tag_len);
	memcpy(e_copy, esrtcp, sizeof(e_copy));
	word = get_u32(e_copy);
	/* RFC 8827 section 6.5 wants all media encrypted: E = 0 has no place here. */
	if (!(word & RTCP_E))
		return CF_EAUTH;
	job.index = word & ~RTCP_E;
	source = cf_srtp_source_find(srtp, job.ssrc);
	err = source ? cf_srtp_seq_check(&source->rtcp, job.index) : 0;
	if (!err)
		err = rtcp_open(&job, e_copy, wire_tag);
	if (err)
		return err;
	if (!source)
		source = cf_srtp_source_add(srtp, job.ssrc);
	if (!source)
		return CF_ELIMIT;
	cf_srtp_seq_mark(&source->rtcp, job.index);
	return (int)job.len;
}
