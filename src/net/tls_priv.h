/* SPDX-License-Identifier: Apache-2.0 */
/* Inside of TLS contexts, for streams. */
#ifndef CF_NET_TLS_PRIV_H
#define CF_NET_TLS_PRIV_H

#include "net/tls.h"

#include <openssl/ssl.h>

#include <stdbool.h>

/** A connection's state with the context's current certificate, or NULL. Any thread. */
CF_MUST_CHECK SSL *cf_tls_ssl_new(struct cf_tls *tls);

/** The same for DTLS. */
CF_MUST_CHECK SSL *cf_tls_datagram_ssl_new(struct cf_tls *tls);

bool cf_tls_is_server(const struct cf_tls *tls);

/** Makes ssl verify the peer's certificate for this DNS name or IP address. 0 or an error. */
CF_MUST_CHECK int cf_tls_ssl_expect(SSL *ssl, const char *name);

/** The first error in OpenSSL's queue as text (n bytes with terminator); clears the queue. */
void cf_tls_error_text(char *text, size_t n);

#endif
