/* SPDX-License-Identifier: Apache-2.0 */
#include "dtls/srtp_priv.h"

#include "base/wire.h"
#include "rtp/packet.h"

#include <openssl/crypto.h>
#include <string.h>

#define RTCP_CLEAR_LEN 8 /* RFC 3711 section 3.4: first header and SSRC stay in the clear */
#define RTCP_E 0x80000000u
#define E_LEN 4 /* E flag and index */

/* One packet on its way: where what lies, and its number. */
struct job {
	struct cf_srtp *srtp;
	struct cf_srtp_keys *keys;
	uint8_t *p;
	size_t aad_len; /* in the clear at the start */
	size_t len;     /* without tag and trailer */
	size_t e_len;   /* E flag and index, which only SRTCP has: 4 or 0 */
	uint32_t ssrc;
	uint64_t index;
};

/* RFC 3711 section 4.1.1: IV = (salt * 2^16) XOR (SSRC * 2^64) XOR (i * 2^16). */
static void cm_iv(const struct job *job, uint8_t iv[static 16])
{
	const uint8_t *salt = job->keys->salt;

	cf_wire_put_u32(iv, cf_wire_get_u32(salt));
	cf_wire_put_u32(iv + 4, cf_wire_get_u32(salt + 4) ^ job->ssrc);
	cf_wire_put_u32(iv + 8, cf_wire_get_u32(salt + 8) ^ (uint32_t)(job->index >> 16));
	cf_wire_put_u32(
		iv + 12, (uint32_t)(cf_wire_get_u16(salt + 12) ^ (job->index & 0xffff)) << 16);
}

/* RFC 7714 sections 8.1 and 9.1: 0 || SSRC || ROC || SEQ, or 0 || SSRC || 0 || index, XOR salt. */
static void gcm_iv(const struct job *job, uint8_t iv[static CF_GCM_IV_LEN])
{
	const uint8_t *salt = job->keys->salt;

	cf_wire_put_u32(iv, cf_wire_get_u32(salt) ^ job->ssrc >> 16);
	cf_wire_put_u32(iv + 4,
		cf_wire_get_u32(salt + 4) ^ (job->ssrc << 16 | (uint32_t)(job->index >> 32)));
	cf_wire_put_u32(iv + 8, cf_wire_get_u32(salt + 8) ^ (uint32_t)job->index);
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

/* HMAC-SHA1 over the packet with E and index and, for RTP, the ROC (RFC 3711 section 4.2). */
static void cm_tag(const struct job *job, uint8_t tag[static SHA_DIGEST_LENGTH])
{
	SHA_CTX ctx = job->keys->inner;
	uint8_t roc[4];

	SHA1_Update(&ctx, job->p, job->len + job->e_len);
	if (!job->e_len) {
		cf_wire_put_u32(roc, (uint32_t)(job->index >> 16));
		SHA1_Update(&ctx, roc, sizeof(roc));
	}
	SHA1_Final(tag, &ctx);
	ctx = job->keys->outer;
	SHA1_Update(&ctx, tag, SHA_DIGEST_LENGTH);
	SHA1_Final(tag, &ctx);
}

/* Where E and index stand: RFC 3711 section 3.4 has them before the tag, RFC 7714 section 9.2
 * behind it. */
static uint8_t *job_e(const struct job *job)
{
	return job->p + job->len + (job->srtp->gcm ? job->srtp->tag_len : 0);
}

static uint8_t *job_tag(const struct job *job)
{
	return job->p + job->len + (job->srtp->gcm ? 0 : job->e_len);
}

static int cm_seal(const struct job *job)
{
	uint8_t tag[SHA_DIGEST_LENGTH];
	int err = cm_crypt(job);

	cm_tag(job, tag);
	memcpy(job_tag(job), tag, job->srtp->tag_len);
	return err;
}

static int cm_open(const struct job *job)
{
	uint8_t tag[SHA_DIGEST_LENGTH];

	cm_tag(job, tag);
	return CRYPTO_memcmp(tag, job_tag(job), job->srtp->tag_len) ? CF_EAUTH : cm_crypt(job);
}

/* RFC 7714 section 9.2: what is authenticated only. SRTCP adds E and index, which stand elsewhere.
 */
static struct cf_view gcm_aad(const struct job *job, uint8_t room[static RTCP_CLEAR_LEN + E_LEN])
{
	if (!job->e_len)
		return cf_view_of(job->p, job->aad_len);
	memcpy(room, job->p, RTCP_CLEAR_LEN);
	memcpy(room + RTCP_CLEAR_LEN, job_e(job), E_LEN);
	return cf_view_of(room, RTCP_CLEAR_LEN + E_LEN);
}

static int gcm_crypt(const struct job *job, bool seal)
{
	uint8_t iv[CF_GCM_IV_LEN], room[RTCP_CLEAR_LEN + E_LEN], *data = job->p + job->aad_len;
	struct cf_view aad = gcm_aad(job, room);
	size_t n = job->len - job->aad_len;

	gcm_iv(job, iv);
	return seal ? cf_gcm_seal(job->keys->gcm, iv, aad, data, n, job_tag(job))
		    : cf_gcm_open(job->keys->gcm, iv, aad, data, n, job_tag(job));
}

static int job_init(struct job *job, struct cf_srtp *srtp, uint8_t *packet, size_t len, bool rtcp)
{
	int clear = RTCP_CLEAR_LEN;

	if (!rtcp)
		clear = cf_rtp_header_len(packet, len);
	else if (len < RTCP_CLEAR_LEN || packet[0] >> 6 != 2)
		return CF_EBADMSG;
	if (clear < 0)
		return clear;
	*job = (struct job){.srtp = srtp,
		.keys = rtcp ? &srtp->rtcp : &srtp->rtp,
		.p = packet,
		.aad_len = (size_t)clear,
		.len = len,
		.e_len = rtcp ? E_LEN : 0,
		.ssrc = cf_wire_get_u32(packet + (rtcp ? 4 : 8))};
	return 0;
}

/* Index of an RTP packet and whether it may be taken. */
static int rtp_number(struct job *job, const struct cf_srtp_source *source)
{
	uint16_t seq = cf_wire_get_u16(job->p + 2);
	int err = cf_srtp_index(source, seq, &job->index);

	return err ? err : cf_srtp_seq_check(&source->rtp, job->index);
}

/* RFC 3711 section 3.4: the first index is 0; section 9.2: 2^31 at most. */
static int rtcp_next(struct job *job, const struct cf_srtp_source *source)
{
	job->index = source->rtcp.started ? source->rtcp.highest + 1 : 0;
	if (job->index > CF_SRTCP_MAX_INDEX)
		return CF_EEXPIRED;
	cf_wire_put_u32(job_e(job), RTCP_E | (uint32_t)job->index);
	return 0;
}

static int rtcp_number(struct job *job, const struct cf_srtp_source *source)
{
	uint32_t word = cf_wire_get_u32(job_e(job));

	/* RFC 8827 section 6.5 wants all media encrypted: E = 0 has no place here. */
	if (!(word & RTCP_E))
		return CF_EAUTH;
	job->index = word & ~RTCP_E;
	return cf_srtp_seq_check(&source->rtcp, job->index);
}

/* Its state; for an SSRC not seen before the one that it would begin with, at ROC 0. */
static const struct cf_srtp_source *job_source(
	const struct job *job, struct cf_srtp_source **ret_known)
{
	static const struct cf_srtp_source fresh;

	*ret_known = cf_srtp_source_find(job->srtp, job->ssrc);
	return *ret_known ? *ret_known : &fresh;
}

/* Its number is spent, in the state of its SSRC (NULL: a new one). */
static int job_mark(const struct job *job, struct cf_srtp_source *source)
{
	if (!source)
		source = cf_srtp_source_add(job->srtp, job->ssrc);
	if (!source)
		return CF_ELIMIT;
	cf_srtp_seq_mark(job->e_len ? &source->rtcp : &source->rtp, job->index);
	return 0;
}

static int protect(struct cf_srtp *srtp, uint8_t *packet, size_t len, size_t cap, bool rtcp)
{
	size_t more = srtp->tag_len + (rtcp ? E_LEN : 0);
	const struct cf_srtp_source *source;
	struct cf_srtp_source *known;
	struct job job;
	int err = job_init(&job, srtp, packet, len, rtcp);

	if (err)
		return err;
	if (cap < len || cap - len < more)
		return CF_ENOSPC;
	source = job_source(&job, &known);
	err = rtcp ? rtcp_next(&job, source) : rtp_number(&job, source);
	/* Marked before the cipher runs: even after a failure this nonce is spent. */
	if (!err)
		err = job_mark(&job, known);
	if (!err)
		err = srtp->gcm ? gcm_crypt(&job, true) : cm_seal(&job);
	return err ? err : (int)(len + more);
}

static int unprotect(struct cf_srtp *srtp, uint8_t *packet, size_t len, bool rtcp)
{
	size_t more = srtp->tag_len + (rtcp ? E_LEN : 0);
	const struct cf_srtp_source *source;
	struct cf_srtp_source *known;
	struct job job;
	int err;

	if (len < more)
		return CF_EBADMSG;
	err = job_init(&job, srtp, packet, len - more, rtcp);
	if (err)
		return err;
	/* RFC 3711 section 3.3, receiver steps 2, 3, 5: index, replay, authentication, decryption.
	 */
	source = job_source(&job, &known);
	err = rtcp ? rtcp_number(&job, source) : rtp_number(&job, source);
	if (!err)
		err = srtp->gcm ? gcm_crypt(&job, false) : cm_open(&job);
	if (!err)
		err = job_mark(&job, known);
	return err ? err : (int)job.len;
}

int cf_srtp_protect_rtp(struct cf_srtp *srtp, uint8_t *packet, size_t len, size_t cap)
{
	return protect(srtp, packet, len, cap, false);
}

int cf_srtp_unprotect_rtp(struct cf_srtp *srtp, uint8_t *packet, size_t len)
{
	return unprotect(srtp, packet, len, false);
}

int cf_srtp_protect_rtcp(struct cf_srtp *srtp, uint8_t *packet, size_t len, size_t cap)
{
	return protect(srtp, packet, len, cap, true);
}

int cf_srtp_unprotect_rtcp(struct cf_srtp *srtp, uint8_t *packet, size_t len)
{
	return unprotect(srtp, packet, len, true);
}
