/* SPDX-License-Identifier: Apache-2.0 */
/* Inside a DTLS endpoint. For this room and its tests. */
#ifndef CF_DTLS_DTLS_PRIV_H
#define CF_DTLS_DTLS_PRIV_H

#include "dtls/dtls.h"

#include <openssl/ssl.h>
#include <stdbool.h>

/* A flight is some 3 KB with certificates; what does not fit is lost as on the network. */
#define CF_DTLS_OUT_MAX 8192
#define CF_DTLS_RETRY_MS 10

struct cf_dtls_identity {
	SSL_CTX *ctx; /* RO, counted by OpenSSL */
	char fingerprint[CF_DTLS_FINGERPRINT_MAX];
};

struct cf_dtls {
	SSL *ssl;
	enum cf_dtls_role role;
	enum cf_dtls_state state;
	int err;
	bool handshaken;   /* OpenSSL is done; keys wait for the fingerprint */
	bool timer_on;     /* OpenSSL has a flight that it may have to repeat */
	uint64_t now_us;   /* of the call that is running */
	uint64_t retry_us; /* when that is due */
	uint64_t limit_us; /* end of patience */
	int want_hash;     /* row + 1 of the table of hashes, 0 none */
	uint8_t want[EVP_MAX_MD_SIZE];
	const uint8_t *in; /* datagram being read; NULL none */
	size_t in_len;
	size_t out_len;
	uint8_t out[CF_DTLS_OUT_MAX]; /* datagrams, each behind two bytes of length */
	struct cf_srtp *srtp_send;
	struct cf_srtp *srtp_recv;
};

/** "AB:CD": text holds 3 n bytes. */
void cf_dtls_hex_colons(char *text, const uint8_t *p, size_t n);

/** SSL_CTX_set_cert_verify_callback(): checks the fingerprint where it is known. */
int cf_dtls_verify_cert(X509_STORE_CTX *store, void *arg);

/** As cf_dtls_set_fingerprint(), without looking at the handshake. */
int cf_dtls_fingerprint_set(struct cf_dtls *dtls, const char *hash, const char *fingerprint);

/** Whether the peer's certificate is what was announced: 0, CF_EAGAIN while nothing was, CF_EAUTH.
 */
int cf_dtls_fingerprint_check(const struct cf_dtls *dtls, const X509 *cert);

/** A BIO that keeps datagrams apart: reads dtls->in, writes dtls->out. NULL: no memory. */
BIO *cf_dtls_bio_new(struct cf_dtls *dtls);

#endif
