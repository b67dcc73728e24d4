/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TLS contexts for streams: TLS 1.2 and 1.3 only, AEAD ciphers, no compression, no renegotiation.
 * DTLS 1.2 goes by the same certificates and rules. A context is counted and may be used by streams
 * of several threads; loading a new certificate concerns handshakes that begin afterwards.
 */
#ifndef CF_NET_TLS_H
#define CF_NET_TLS_H

#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

struct cf_tls;

/* Room for a message that says what is wrong with a file. */
#define CF_TLS_ERROR_MAX 256

/** A server's context without a certificate yet, or NULL. alpn: protocols in order of preference,
 * ended by NULL (borrows until return); a client that offers none of them gets none. */
CF_MUST_CHECK struct cf_tls *cf_tls_server_new(const char *const *alpn);

/** Loads a PEM chain and its key; on failure the old ones stay and error (may be NULL) names file
 * and cause. Any thread. 0, CF_EINVAL, CF_ENOTFOUND, CF_ECRYPTO. */
CF_MUST_CHECK int cf_tls_server_load(struct cf_tls *tls, const char *cert_file,
	const char *key_file, char error[static CF_TLS_ERROR_MAX]);

/** A client's context that trusts ca_file (PEM; NULL: the system's authorities), or NULL. */
CF_MUST_CHECK struct cf_tls *cf_tls_client_new(
	const char *ca_file, char error[static CF_TLS_ERROR_MAX]);

/** Any thread. Returns tls. */
struct cf_tls *cf_tls_ref(struct cf_tls *tls);

/** Any thread. NULL is fine. Returns NULL. */
struct cf_tls *cf_tls_unref(struct cf_tls *tls);

#endif
