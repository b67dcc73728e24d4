/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SRTP and SRTCP: protect and unprotect packets in place (RFC 3711, RFC 7714 for AES-GCM). One
 * object is one direction: it either protects or unprotects, for all SSRCs that share its master
 * key. Keys come from dtls/dtls.h; what the packets mean is rtp's. Session keys are derived once
 * (key derivation rate 0, RFC 3711 section 4.3.1); no MKI; SRTCP is always encrypted.
 *
 * Pure and not thread-safe: one object belongs to one thread at a time. After _new() nothing is
 * allocated: cipher contexts are reused and the table of SSRCs has its full size from the start.
 */
#ifndef CF_DTLS_SRTP_H
#define CF_DTLS_SRTP_H

#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

struct cf_srtp;

/* DTLS-SRTP protection profile numbers (RFC 5764 section 4.1.2, RFC 7714 section 14.2). */
enum cf_srtp_profile {
	CF_SRTP_AES128_CM_SHA1_80 = 0x0001,
	CF_SRTP_AEAD_AES_128_GCM = 0x0007,
	CF_SRTP_AEAD_AES_256_GCM = 0x0008,
};

#define CF_SRTP_MAX_KEY 32
#define CF_SRTP_MAX_SALT 14
/* Most bytes that protecting adds: tag (16 or 10), for SRTCP also E flag and index (4). */
#define CF_SRTP_MAX_OVERHEAD 20
/* SSRCs for which one object keeps state; further ones are refused with CF_ELIMIT. */
#define CF_SRTP_MAX_SOURCES 64

/** Length of the master key; 0 for an unknown profile. */
size_t cf_srtp_key_len(enum cf_srtp_profile profile);
/** Length of the master salt; 0 for an unknown profile. */
size_t cf_srtp_salt_len(enum cf_srtp_profile profile);
/** "AEAD_AES_128_GCM" and so on; "unknown". Static storage. */
const char *cf_srtp_profile_name(enum cf_srtp_profile profile);

/** One direction from master key and salt (copies; lengths as the profile says).
 * 0, CF_EINVAL for an unknown profile, CF_ENOMEM, CF_ECRYPTO. */
CF_MUST_CHECK int cf_srtp_new(struct cf_srtp **ret_srtp, enum cf_srtp_profile profile,
	const uint8_t *key, const uint8_t *salt);

/** Wipes the keys and frees. NULL is fine. Returns NULL. */
struct cf_srtp *cf_srtp_free(struct cf_srtp *srtp);

/**
 * Protects len bytes of RTP in place; packet has room for cap bytes. Returns the new length.
 * CF_EBADMSG: no RTP header; CF_ENOSPC: cap too small; CF_EREPLAY: this sequence number was sent
 * before (a nonce is never used twice); CF_ELIMIT: too many SSRCs; CF_EEXPIRED: the key has
 * protected 2^48 packets (RFC 3711 section 9.2); CF_ECRYPTO. After CF_ECRYPTO the bytes are void.
 */
CF_MUST_CHECK int cf_srtp_protect_rtp(
	struct cf_srtp *srtp, uint8_t *packet, size_t len, size_t cap);

/**
 * Checks and decrypts len bytes of SRTP in place. Returns the RTP length. CF_EBADMSG: too short or
 * no RTP header; CF_EAUTH: forged or damaged; CF_EREPLAY: seen before or older than the window;
 * CF_ELIMIT: a new SSRC beyond the limit; CF_EEXPIRED. State of an SSRC is made and changed only
 * after authentication. After a failure the bytes are void.
 */
CF_MUST_CHECK int cf_srtp_unprotect_rtp(struct cf_srtp *srtp, uint8_t *packet, size_t len);

/** As cf_srtp_protect_rtp() for an RTCP compound packet; CF_EEXPIRED after 2^31 packets. */
CF_MUST_CHECK int cf_srtp_protect_rtcp(
	struct cf_srtp *srtp, uint8_t *packet, size_t len, size_t cap);

/** As cf_srtp_unprotect_rtp() for SRTCP. An unencrypted one (E = 0) is refused with CF_EAUTH. */
CF_MUST_CHECK int cf_srtp_unprotect_rtcp(struct cf_srtp *srtp, uint8_t *packet, size_t len);

/** Sets the roll-over counter of an SSRC that has not been seen yet (joining a running stream,
 * RFC 3711 section 3.3.1). 0, CF_EEXIST when it has, CF_ELIMIT. */
CF_MUST_CHECK int cf_srtp_set_roc(struct cf_srtp *srtp, uint32_t ssrc, uint32_t roc);

#endif
