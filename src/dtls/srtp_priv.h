/* SPDX-License-Identifier: Apache-2.0 */
/* Inside SRTP: session keys, state of a source, index estimation. For this room and its tests. */
#ifndef CF_DTLS_SRTP_PRIV_H
#define CF_DTLS_SRTP_PRIV_H

#include "crypto/gcm.h"
#include "dtls/srtp.h"

/* The low-level SHA-1 state can be copied without allocating; EVP's MAC contexts cannot be
 * restarted without it (OpenSSL 3.0 duplicates a digest context each time). It is deprecated, not
 * removed. */
#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/evp.h>
#include <openssl/sha.h>
#include <stdbool.h>

#define CF_SRTP_WINDOW 256 /* packets; RFC 3711 section 3.3.2 asks for 64 or more */
#define CF_SRTP_MAX_INDEX ((UINT64_C(1) << 48) - 1)
#define CF_SRTCP_MAX_INDEX 0x7fffffffu

/* Sequence state of RTP or RTCP of one SSRC. */
struct cf_srtp_seq {
	bool started;
	uint64_t highest;
	uint64_t seen[CF_SRTP_WINDOW / 64]; /* bit index % CF_SRTP_WINDOW */
};

struct cf_srtp_source {
	struct cf_srtp_seq rtp;
	struct cf_srtp_seq rtcp;
	uint32_t start_roc; /* of the first packet */
};

/* Session keys of RTP or of RTCP. */
struct cf_srtp_keys {
	struct cf_gcm *gcm;     /* NULL with CM */
	EVP_CIPHER_CTX *cipher; /* NULL with GCM */
	uint8_t salt[CF_SRTP_MAX_SALT];
	SHA_CTX inner; /* HMAC-SHA1 behind the inner and the outer pad */
	SHA_CTX outer;
};

struct cf_srtp {
	enum cf_srtp_profile profile;
	bool gcm;
	size_t tag_len;
	struct cf_srtp_keys rtp;
	struct cf_srtp_keys rtcp;
	size_t n_sources;
	size_t last; /* source found last */
	uint32_t ssrcs[CF_SRTP_MAX_SOURCES];
	struct cf_srtp_source sources[CF_SRTP_MAX_SOURCES];
};

enum cf_srtp_label { /* RFC 3711 section 4.3.2 */
	CF_SRTP_LABEL_RTP_KEY = 0,
	CF_SRTP_LABEL_RTP_AUTH = 1,
	CF_SRTP_LABEL_RTP_SALT = 2,
	CF_SRTP_LABEL_RTCP_KEY = 3,
	CF_SRTP_LABEL_RTCP_AUTH = 4,
	CF_SRTP_LABEL_RTCP_SALT = 5,
};

/** n bytes of AES-CM keystream for a label (RFC 3711 section 4.3.3; RFC 6188 for 256 bits): 0 or
 * CF_ECRYPTO. salt has 14 bytes (12-byte ones padded with zeros, RFC 7714 section 11). */
int cf_srtp_derive(uint8_t *out, size_t n, const uint8_t *key, size_t key_len,
	const uint8_t salt[static CF_SRTP_MAX_SALT], enum cf_srtp_label label);

/** Fills keys from session key, salt and (CM only) authentication key. 0, CF_ENOMEM, CF_ECRYPTO. */
int cf_srtp_keys_init(struct cf_srtp_keys *keys, enum cf_srtp_profile profile, const uint8_t *key,
	const uint8_t *salt, const uint8_t auth[static SHA_DIGEST_LENGTH]);
void cf_srtp_keys_done(struct cf_srtp_keys *keys);

/** Packet index for seq (RFC 3711 section 3.3.1): 0, CF_EREPLAY (before the first ROC),
 * CF_EEXPIRED. */
int cf_srtp_index(const struct cf_srtp_source *source, uint16_t seq, uint64_t *ret_index);
/** 0 when index may be taken, CF_EREPLAY when seen or too old. */
int cf_srtp_seq_check(const struct cf_srtp_seq *seq, uint64_t index);
void cf_srtp_seq_mark(struct cf_srtp_seq *seq, uint64_t index);

/** The state of an SSRC, or NULL. */
struct cf_srtp_source *cf_srtp_source_find(struct cf_srtp *srtp, uint32_t ssrc);
/** A new one; NULL at the limit. */
struct cf_srtp_source *cf_srtp_source_add(struct cf_srtp *srtp, uint32_t ssrc);

#endif
