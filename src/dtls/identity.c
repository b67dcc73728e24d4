/* SPDX-License-Identifier: Apache-2.0 */
#include "dtls/dtls_priv.h"

#include "base/mem.h"
#include "base/rand.h"

#include <openssl/ec.h>
#include <openssl/err.h>
#include <stdio.h>
#include <string.h>

#define LIFETIME_S (30L * 24 * 3600)
#define CIPHERS                                                      \
	"ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:" \
	"ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:" \
	"ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305"
/* By preference; RFC 8827 section 6.5 makes AES128_CM_SHA1_80 mandatory. */
#define PROFILES "SRTP_AEAD_AES_128_GCM:SRTP_AEAD_AES_256_GCM:SRTP_AES128_CM_SHA1_80"

void cf_dtls_hex_colons(char *text, const uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		snprintf(text + 3 * i, 4, i + 1 < n ? "%02X:" : "%02X", p[i]);
}

/* Random serial number and name, so that nothing about the machine is told. */
static int name_cert(X509 *cert)
{
	X509_NAME *name = X509_get_subject_name(cert);
	unsigned char text[17];

	cf_rand_text((char *)text, 16);
	return ASN1_INTEGER_set_uint64(X509_get_serialNumber(cert), cf_rand_u64() >> 1) == 1 &&
	       X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, text, -1, -1, 0) == 1 &&
	       X509_set_issuer_name(cert, name) == 1;
}

static X509 *make_cert(EVP_PKEY *key)
{
	X509 *cert = X509_new();

	if (!cert)
		return NULL;
	if (X509_set_version(cert, X509_VERSION_3) == 1 && name_cert(cert) &&
		X509_gmtime_adj(X509_getm_notBefore(cert), -24L * 3600) &&
		X509_gmtime_adj(X509_getm_notAfter(cert), LIFETIME_S) &&
		X509_set_pubkey(cert, key) == 1 && X509_sign(cert, key, EVP_sha256()) > 0)
		return cert;
	X509_free(cert);
	return NULL;
}

static SSL_CTX *make_ctx(EVP_PKEY *key, X509 *cert)
{
	SSL_CTX *ctx = SSL_CTX_new(DTLS_method());

	if (!ctx)
		return NULL;
	SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_TICKET | SSL_OP_NO_QUERY_MTU |
					 SSL_OP_CIPHER_SERVER_PREFERENCE);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
	SSL_CTX_set_cert_verify_callback(ctx, cf_dtls_verify_cert, NULL);
	SSL_CTX_set_read_ahead(ctx, 1);
	/* RFC 8827 section 6.5: DTLS 1.2 at least. SSL_CTX_set_tlsext_use_srtp() returns 0 for
	 * success. */
	if (SSL_CTX_set_min_proto_version(ctx, DTLS1_2_VERSION) == 1 &&
		SSL_CTX_set_cipher_list(ctx, CIPHERS) == 1 &&
		SSL_CTX_set1_groups_list(ctx, "X25519:P-256:P-384") == 1 &&
		SSL_CTX_set_tlsext_use_srtp(ctx, PROFILES) == 0 &&
		SSL_CTX_use_certificate(ctx, cert) == 1 && SSL_CTX_use_PrivateKey(ctx, key) == 1)
		return ctx;
	SSL_CTX_free(ctx);
	return NULL;
}

int cf_dtls_identity_new(struct cf_dtls_identity **ret_identity)
{
	struct cf_dtls_identity *identity = cf_alloc(sizeof(*identity));
	EVP_PKEY *key = identity ? EVP_EC_gen("P-256") : NULL;
	X509 *cert = key ? make_cert(key) : NULL;
	uint8_t digest[EVP_MAX_MD_SIZE];
	unsigned n = 0;

	if (cert && X509_digest(cert, EVP_sha256(), digest, &n) == 1 && n == 32) {
		cf_dtls_hex_colons(identity->fingerprint, digest, n);
		identity->ctx = make_ctx(key, cert);
	}
	X509_free(cert);
	EVP_PKEY_free(key);
	ERR_clear_error();
	if (!identity)
		return CF_ENOMEM;
	if (!identity->ctx) {
		cf_dtls_identity_free(identity);
		return CF_ECRYPTO;
	}
	*ret_identity = identity;
	return 0;
}

struct cf_dtls_identity *cf_dtls_identity_free(struct cf_dtls_identity *identity)
{
	if (identity)
		SSL_CTX_free(identity->ctx);
	return cf_free(identity);
}

const char *cf_dtls_identity_fingerprint(const struct cf_dtls_identity *identity)
{
	return identity->fingerprint;
}
