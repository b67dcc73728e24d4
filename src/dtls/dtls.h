/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A DTLS-SRTP endpoint as a machine (RFC 5764, RFC 8122, RFC 8827 section 6.5, RFC 6347): datagrams
 * and time in, datagrams, the next deadline and two SRTP directions out. The caller moves datagrams
 * of the ICE-validated 5-tuple and tells DTLS from other packets (rtp/demux.h).
 *
 *	cf_dtls_new(); cf_dtls_start() (both roles)
 *	loop: cf_dtls_input() for each datagram, cf_dtls_tick() at cf_dtls_deadline(); after each of
 *	these: while ((n = cf_dtls_output(...)) > 0) send; look at cf_dtls_state().
 *
 * DTLS 1.2 with OpenSSL. No renegotiation, no resumption, no application data (received data is
 * dropped). No cookie exchange as server: it answers only a peer whose address ICE has validated,
 *so RFC 6347 section 4.2.1's reason does not apply; as client it follows a HelloVerifyRequest.
 *
 * What is impure: OpenSSL asks gettimeofday() whether its retransmission timer has expired. The
 * schedule is kept here from now_us; OpenSSL's timer is given the same durations, and when it does
 * not agree yet (a wall clock set back), the retransmission is tried again every 10 ms.
 *
 * Any thread, one at a time per object; one identity may serve many threads.
 */
#ifndef CF_DTLS_DTLS_H
#define CF_DTLS_DTLS_H

#include "base/err.h"
#include "dtls/srtp.h"

#include <stddef.h>
#include <stdint.h>

struct cf_dtls;
struct cf_dtls_identity;

#define CF_DTLS_MTU 1200            /* no datagram that we send is longer */
#define CF_DTLS_FIRST_TIMEOUT_MS 60 /* then doubled up to CF_DTLS_MAX_TIMEOUT_MS */
/* OpenSSL gives up behind 12 repetitions: this spreads them over the whole handshake's time. */
#define CF_DTLS_MAX_TIMEOUT_MS 3000
/* From start to CF_ETIMEOUT. A callee starts when it has a path, and waits until the caller knows
 * that it has accepted: longer than an event stream takes to be found dead. */
#define CF_DTLS_HANDSHAKE_MAX_MS 25000
/* "AB:CD:...": 32 bytes and the terminator. */
#define CF_DTLS_FINGERPRINT_MAX 96

enum cf_dtls_role {
	CF_DTLS_CLIENT, /* a=setup:active */
	CF_DTLS_SERVER, /* a=setup:passive */
};

enum cf_dtls_state {
	CF_DTLS_NEW,
	CF_DTLS_CONNECTING, /* also: handshake done, fingerprint of the peer not known yet */
	CF_DTLS_CONNECTED,  /* SRTP keys are there */
	CF_DTLS_FAILED,     /* cf_dtls_error() tells why */
	CF_DTLS_CLOSED,     /* by us, or by the peer's close_notify */
};

/** A fresh ECDSA P-256 key with a self-signed certificate. 0, CF_ENOMEM or CF_ECRYPTO. */
CF_MUST_CHECK int cf_dtls_identity_new(struct cf_dtls_identity **ret_identity);

/** Frees; endpoints made from it live on. NULL is fine. Returns NULL. */
struct cf_dtls_identity *cf_dtls_identity_free(struct cf_dtls_identity *identity);

/** SHA-256 fingerprint as in SDP, "AB:CD:..." (for "a=fingerprint:sha-256 "). Lives as long as
 * the identity. */
const char *cf_dtls_identity_fingerprint(const struct cf_dtls_identity *identity);

/** An endpoint (uses identity until return; it may be freed before the endpoint).
 * 0, CF_ENOMEM or CF_ECRYPTO. */
CF_MUST_CHECK int cf_dtls_new(
	struct cf_dtls **ret_dtls, const struct cf_dtls_identity *identity, enum cf_dtls_role role);

/** NULL is fine. Returns NULL. Sends nothing: cf_dtls_close() and drain the output first. */
struct cf_dtls *cf_dtls_free(struct cf_dtls *dtls);

/**
 * What the peer's certificate must have (from its a=fingerprint line, copies). May come before,
 * during or after the handshake; without it the state never becomes connected. May be called
 * several times (one line per hash, RFC 8122 section 5): the strongest known hash counts. 0;
 * CF_ENOTSUP for an unknown hash (sha-256, sha-384, sha-512 are known, letters of any case; sha-1
 * and md5 are refused); CF_EBADMSG for malformed digits; CF_EINVAL when a different one was given
 * for the same hash.
 */
CF_MUST_CHECK int cf_dtls_set_fingerprint(
	struct cf_dtls *dtls, const char *hash, const char *fingerprint, uint64_t now_us);

/** Starts: a client makes its ClientHello, a server begins to listen. 0 or CF_ESTATE. */
CF_MUST_CHECK int cf_dtls_start(struct cf_dtls *dtls, uint64_t now_us);

/** One received datagram (borrows until return; decrypts within). Junk is dropped: 0. CF_ESTATE
 * when not started, failed or closed. The outcome is in cf_dtls_state(). */
int cf_dtls_input(struct cf_dtls *dtls, const uint8_t *p, size_t n, uint64_t now_us);

/** Takes the next datagram to send: its length, 0 when there is none, CF_ENOSPC when cap is below
 * it (CF_DTLS_MTU always suffices). */
int cf_dtls_output(struct cf_dtls *dtls, uint8_t *p, size_t cap);

/** When cf_dtls_tick() is due; CF_TIME_NEVER when nothing is pending. */
uint64_t cf_dtls_deadline(const struct cf_dtls *dtls);

/** Does what is due (retransmission, time-out); early calls do nothing. */
void cf_dtls_tick(struct cf_dtls *dtls, uint64_t now_us);

/** Queues close_notify; state closed (a failed one stays failed). */
void cf_dtls_close(struct cf_dtls *dtls);

enum cf_dtls_state cf_dtls_state(const struct cf_dtls *dtls);

/** Why it failed: CF_EAUTH (certificate does not match the fingerprint), CF_ETIMEOUT, CF_ENOTSUP
 * (no common SRTP profile), CF_ECRYPTO (handshake failure, alert from the peer); 0 when not failed.
 */
int cf_dtls_error(const struct cf_dtls *dtls);

/** The negotiated profile; 0 unless connected. */
enum cf_srtp_profile cf_dtls_profile(const struct cf_dtls *dtls);

/** The two directions; NULL before connected. Owned by the endpoint, valid until it is freed
 * (after close too). */
struct cf_srtp *cf_dtls_srtp_send(const struct cf_dtls *dtls);
struct cf_srtp *cf_dtls_srtp_recv(const struct cf_dtls *dtls);

#endif
