/* SPDX-License-Identifier: Apache-2.0 */
#include "dtls/dtls_priv.h"

#include "base/text.h"

#include <openssl/crypto.h>
#include <string.h>
#include <strings.h>

/* RFC 8122 section 5: hash functions of the fingerprint, weakest first. MD5, MD2 and SHA-1 are out
 * (RFC 8122 section 5 forbids the first two, and nobody needs the third). */
static const struct {
	const char *name;
	const EVP_MD *(*md)(void);
	size_t len;
} hashes[] = {
	{"sha-256", EVP_sha256, 32},
	{"sha-384", EVP_sha384, 48},
	{"sha-512", EVP_sha512, 64},
};

static int find_hash(const char *name)
{
	for (size_t i = 0; i < sizeof(hashes) / sizeof(hashes[0]); i++)
		if (strcasecmp(hashes[i].name, name) == 0)
			return (int)i;
	return CF_ENOTSUP;
}

/* "AB:CD:..." of exactly n bytes. */
static int parse_colons(uint8_t *out, size_t n, const char *text)
{
	if (strlen(text) != 3 * n - 1)
		return CF_EBADMSG;
	for (size_t i = 0; i < n; i++) {
		if (i && text[3 * i - 1] != ':')
			return CF_EBADMSG;
		if (cf_hex_decode(out + i, 1, text + 3 * i, 2))
			return CF_EBADMSG;
	}
	return 0;
}

int cf_dtls_fingerprint_set(struct cf_dtls *dtls, const char *hash, const char *fingerprint)
{
	uint8_t want[EVP_MAX_MD_SIZE];
	int i = find_hash(hash), err;

	if (i < 0)
		return i;
	err = parse_colons(want, hashes[i].len, fingerprint);
	if (err)
		return err;
	if (dtls->want_hash == i + 1)
		return memcmp(dtls->want, want, hashes[i].len) ? CF_EINVAL : 0;
	if (dtls->want_hash > i + 1)
		return 0;
	dtls->want_hash = i + 1;
	memcpy(dtls->want, want, hashes[i].len);
	return 0;
}

int cf_dtls_fingerprint_check(const struct cf_dtls *dtls, const X509 *cert)
{
	uint8_t got[EVP_MAX_MD_SIZE];
	unsigned n = 0;
	int i = dtls->want_hash - 1;

	if (i < 0)
		return CF_EAGAIN;
	if (!cert || X509_digest(cert, hashes[i].md(), got, &n) != 1 || n != hashes[i].len)
		return CF_EAUTH;
	return CRYPTO_memcmp(got, dtls->want, n) ? CF_EAUTH : 0;
}

int cf_dtls_verify_cert(X509_STORE_CTX *store, void *arg)
{
	const SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
	struct cf_dtls *dtls = SSL_get_app_data(ssl);
	int err = cf_dtls_fingerprint_check(dtls, X509_STORE_CTX_get0_cert(store));

	(void)arg;
	/* Self-signed is what we expect (RFC 5763 section 5): the fingerprint is all there is to
	 * check. One not announced yet is checked when it is, before any key is handed out. */
	if (err == CF_EAUTH) {
		dtls->err = CF_EAUTH;
		X509_STORE_CTX_set_error(store, X509_V_ERR_CERT_UNTRUSTED);
		return 0;
	}
	return 1;
}
