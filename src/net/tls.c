/* SPDX-License-Identifier: Apache-2.0 */
#include "net/tls_priv.h"

#include "base/addr.h"
#include "base/mem.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define ALPN_BYTES_MAX 64

/* Forward secrecy and AEAD only (RFC 9325 section 4.2). */
#define TLS12_CIPHERS                                                \
	"ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:" \
	"ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:" \
	"ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305"

struct cf_tls {
	atomic_uint refs;
	bool server;                  /* RO */
	uint8_t alpn[ALPN_BYTES_MAX]; /* RO; wire form */
	unsigned alpn_len;            /* RO */
	pthread_mutex_t lock;         /* LOCK: held to take a reference to ctx or to exchange it */
	SSL_CTX *ctx;                 /* LOCK: lock */
	SSL_CTX *datagram;            /* LOCK: lock; for DTLS */
};

static int choose_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_len,
	const unsigned char *in, unsigned in_len, void *arg)
{
	const struct cf_tls *tls = arg;
	unsigned char *chosen;

	(void)ssl;
	/* RFC 7301 section 3.2 would have us end the handshake when nothing fits. A client that
	 * offers only unknown protocols is told so by its first request instead. */
	if (SSL_select_next_proto(&chosen, out_len, tls->alpn, tls->alpn_len, in, in_len) !=
		OPENSSL_NPN_NEGOTIATED)
		return SSL_TLSEXT_ERR_NOACK;
	*out = chosen;
	return SSL_TLSEXT_ERR_OK;
}

static SSL_CTX *new_ctx(struct cf_tls *tls, const SSL_METHOD *method, int version)
{
	SSL_CTX *ctx = SSL_CTX_new(method);

	if (!ctx)
		return NULL;
	SSL_CTX_set_options(ctx,
		SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION | SSL_OP_CIPHER_SERVER_PREFERENCE);
	SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
				      SSL_MODE_RELEASE_BUFFERS);
	SSL_CTX_set_read_ahead(ctx, 1); /* a record's head and all behind it in one reading */
	if (!SSL_CTX_set_min_proto_version(ctx, version) ||
		!SSL_CTX_set_cipher_list(ctx, TLS12_CIPHERS)) {
		SSL_CTX_free(ctx);
		return NULL;
	}
	if (tls->server) {
		static const unsigned char id[] = "callflow";

		SSL_CTX_set_session_id_context(ctx, id, sizeof(id) - 1);
		/* Tickets only: no memory is kept for clients that have left. */
		SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
		SSL_CTX_set_num_tickets(ctx, 1);
		if (tls->alpn_len > 0)
			SSL_CTX_set_alpn_select_cb(ctx, choose_alpn, tls);
	}
	return ctx;
}

static SSL_CTX *new_stream_ctx(struct cf_tls *tls)
{
	return new_ctx(
		tls, tls->server ? TLS_server_method() : TLS_client_method(), TLS1_2_VERSION);
}

/* The cookie has been checked before OpenSSL sees it (net/dtls_hello.h). */
static int cookie_is_good(SSL *ssl, const unsigned char *cookie, unsigned len)
{
	(void)ssl, (void)cookie, (void)len;
	return 1;
}

static int cookie_is_made_elsewhere(SSL *ssl, unsigned char *cookie, unsigned *len)
{
	(void)ssl, (void)cookie, (void)len;
	return 0;
}

static SSL_CTX *new_datagram_ctx(struct cf_tls *tls)
{
	SSL_CTX *ctx = new_ctx(
		tls, tls->server ? DTLS_server_method() : DTLS_client_method(), DTLS1_2_VERSION);

	if (!ctx)
		return NULL;
	/* Nobody resumes a TURN client's association: no ticket, one flight less to lose. */
	SSL_CTX_set_options(ctx, SSL_OP_NO_QUERY_MTU | SSL_OP_NO_TICKET);
	SSL_CTX_set_cookie_generate_cb(ctx, cookie_is_made_elsewhere);
	SSL_CTX_set_cookie_verify_cb(ctx, cookie_is_good);
	return ctx;
}

static struct cf_tls *new_tls(bool server)
{
	struct cf_tls *tls = cf_alloc(sizeof(*tls));

	if (!tls)
		return NULL;
	atomic_init(&tls->refs, 1);
	tls->server = server;
	pthread_mutex_init(&tls->lock, NULL);
	return tls;
}

struct cf_tls *cf_tls_server_new(const char *const *alpn)
{
	struct cf_tls *tls = new_tls(true);

	if (!tls)
		return NULL;
	for (; alpn && *alpn; alpn++) {
		size_t n = strlen(*alpn);

		if (n > 255 || tls->alpn_len + 1 + n > sizeof(tls->alpn))
			return cf_tls_unref(tls);
		tls->alpn[tls->alpn_len++] = (uint8_t)n;
		memcpy(tls->alpn + tls->alpn_len, *alpn, n);
		tls->alpn_len += (unsigned)n;
	}
	tls->ctx = new_stream_ctx(tls);
	tls->datagram = new_datagram_ctx(tls);
	return tls->ctx && tls->datagram ? tls : cf_tls_unref(tls);
}

void cf_tls_error_text(char *text, size_t n)
{
	unsigned long code = ERR_get_error();
	const char *reason = ERR_reason_error_string(code);

	snprintf(text, n, "%s", reason ? reason : code ? "TLS failure" : "");
	ERR_clear_error();
}

static int file_error(char *error, const char *what, const char *file, int err)
{
	char reason[128];

	cf_tls_error_text(reason, sizeof(reason));
	if (error)
		snprintf(error, CF_TLS_ERROR_MAX, "%s %s: %s", what, file,
			access(file, R_OK) < 0 ? strerror(errno) : reason);
	return access(file, F_OK) < 0 ? CF_ENOTFOUND : err;
}

static int load_files(SSL_CTX *ctx, const char *cert_file, const char *key_file, char *error)
{
	ERR_clear_error();
	if (SSL_CTX_use_certificate_chain_file(ctx, cert_file) != 1)
		return file_error(error, "certificate", cert_file, CF_ECRYPTO);
	if (SSL_CTX_use_PrivateKey_file(ctx, key_file, SSL_FILETYPE_PEM) != 1)
		return file_error(error, "key", key_file, CF_ECRYPTO);
	if (SSL_CTX_check_private_key(ctx) != 1)
		return file_error(error, "key does not fit the certificate:", key_file, CF_EINVAL);
	return 0;
}

static void exchange(struct cf_tls *tls, SSL_CTX *ctx, SSL_CTX *datagram)
{
	SSL_CTX *old[2];

	pthread_mutex_lock(&tls->lock);
	old[0] = tls->ctx;
	old[1] = tls->datagram;
	tls->ctx = ctx;
	tls->datagram = datagram;
	pthread_mutex_unlock(&tls->lock);
	SSL_CTX_free(old[0]);
	SSL_CTX_free(old[1]);
}

int cf_tls_server_load(struct cf_tls *tls, const char *cert_file, const char *key_file,
	char error[static CF_TLS_ERROR_MAX])
{
	SSL_CTX *ctx = new_stream_ctx(tls), *datagram = new_datagram_ctx(tls);
	int err = ctx && datagram ? 0 : CF_ENOMEM;

	if (err == 0)
		err = load_files(ctx, cert_file, key_file, error);
	if (err == 0)
		err = load_files(datagram, cert_file, key_file, error);
	if (err < 0) {
		SSL_CTX_free(ctx);
		SSL_CTX_free(datagram);
		return err;
	}
	exchange(tls, ctx, datagram);
	return 0;
}

static int trust(SSL_CTX *ctx, const char *ca_file, char *error)
{
	int ok;

	ERR_clear_error();
	ok = ca_file ? SSL_CTX_load_verify_locations(ctx, ca_file, NULL)
		     : SSL_CTX_set_default_verify_paths(ctx);
	if (ok != 1)
		return file_error(
			error, "authorities", ca_file ? ca_file : "of the system", CF_ECRYPTO);
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
	return 0;
}

struct cf_tls *cf_tls_client_new(const char *ca_file, char error[static CF_TLS_ERROR_MAX])
{
	struct cf_tls *tls = new_tls(false);

	if (!tls)
		return NULL;
	tls->ctx = new_stream_ctx(tls);
	tls->datagram = new_datagram_ctx(tls);
	if (!tls->ctx || !tls->datagram || trust(tls->ctx, ca_file, error) < 0 ||
		trust(tls->datagram, ca_file, error) < 0)
		return cf_tls_unref(tls);
	return tls;
}

struct cf_tls *cf_tls_ref(struct cf_tls *tls)
{
	atomic_fetch_add(&tls->refs, 1);
	return tls;
}

struct cf_tls *cf_tls_unref(struct cf_tls *tls)
{
	if (!tls || atomic_fetch_sub(&tls->refs, 1) > 1)
		return NULL;
	SSL_CTX_free(tls->ctx);
	SSL_CTX_free(tls->datagram);
	pthread_mutex_destroy(&tls->lock);
	return cf_free(tls);
}

bool cf_tls_is_server(const struct cf_tls *tls)
{
	return tls->server;
}

static SSL *ssl_new(struct cf_tls *tls, SSL_CTX *const *ctx)
{
	SSL *ssl;

	pthread_mutex_lock(&tls->lock);
	ssl = SSL_new(*ctx); /* holds its own reference to the context */
	pthread_mutex_unlock(&tls->lock);
	return ssl;
}

SSL *cf_tls_ssl_new(struct cf_tls *tls)
{
	return ssl_new(tls, &tls->ctx);
}

SSL *cf_tls_datagram_ssl_new(struct cf_tls *tls)
{
	return ssl_new(tls, &tls->datagram);
}

int cf_tls_ssl_expect(SSL *ssl, const char *name)
{
	X509_VERIFY_PARAM *param = SSL_get0_param(ssl);
	struct cf_addr ip;

	if (cf_addr_parse(&ip, name, 0) == 0)
		return X509_VERIFY_PARAM_set1_ip(param, ip.ip, cf_addr_ip_len(&ip)) ? 0 : CF_ENOMEM;
	X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
	if (!X509_VERIFY_PARAM_set1_host(param, name, 0))
		return CF_ENOMEM;
	return SSL_set_tlsext_host_name(ssl, name) ? 0 : CF_EINVAL;
}
