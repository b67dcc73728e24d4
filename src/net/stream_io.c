/* SPDX-License-Identifier: Apache-2.0 */
#include "net/stream_priv.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/x509_vfy.h>

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>

/* A BIO over a socket that never raises SIGPIPE, as OpenSSL's own does. */

/* recv() that does not ask again when the last answer was less than asked for: the socket is empty
 * then, and epoll says when it no longer is. Behind a hangup the end is still to be read. */
static ssize_t receive(struct cf_stream *s, void *p, size_t n)
{
	ssize_t got = -1;

	if (s->drained)
		errno = EAGAIN;
	else
		got = recv(s->fd, p, n, MSG_DONTWAIT);
	s->drained |= got < 0 ? errno == EAGAIN : got > 0 && (size_t)got < n && !s->hangup;
	return got;
}

static int bio_read(BIO *bio, char *p, int n)
{
	ssize_t got = receive(BIO_get_data(bio), p, (size_t)n);

	BIO_clear_retry_flags(bio);
	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		BIO_set_retry_read(bio);
	if (got == 0)
		BIO_set_flags(bio, BIO_FLAGS_IN_EOF);
	return (int)got;
}

static int bio_write(BIO *bio, const char *p, int n)
{
	const struct cf_stream *s = BIO_get_data(bio);
	ssize_t sent = send(s->fd, p, (size_t)n, MSG_DONTWAIT | MSG_NOSIGNAL);

	BIO_clear_retry_flags(bio);
	if (sent < 0 && (errno == EAGAIN || errno == EINTR))
		BIO_set_retry_write(bio);
	return (int)sent;
}

static long bio_ctrl(BIO *bio, int cmd, long num, void *ptr)
{
	(void)num;
	(void)ptr;
	if (cmd == BIO_CTRL_EOF)
		return BIO_test_flags(bio, BIO_FLAGS_IN_EOF) != 0;
	return cmd == BIO_CTRL_FLUSH;
}

static BIO_METHOD *bio_method; /* RO after bio_once */
static pthread_once_t bio_once = PTHREAD_ONCE_INIT;

static void make_bio_method(void)
{
	bio_method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "callflow socket");
	if (!bio_method)
		return;
	BIO_meth_set_read(bio_method, bio_read);
	BIO_meth_set_write(bio_method, bio_write);
	BIO_meth_set_ctrl(bio_method, bio_ctrl);
}

static int set_alpn(SSL *ssl, const char *const *alpn)
{
	uint8_t wire[64];
	unsigned len = 0;

	for (; *alpn; alpn++) {
		size_t n = strlen(*alpn);

		if (n == 0 || n > 255 || len + 1 + n > sizeof(wire))
			return CF_EINVAL;
		wire[len++] = (uint8_t)n;
		memcpy(wire + len, *alpn, n);
		len += (unsigned)n;
	}
	return SSL_set_alpn_protos(ssl, wire, len) == 0 ? 0 : CF_ENOMEM;
}

int cf_stream_io_tls(struct cf_stream *s, const char *server_name, const char *const *alpn)
{
	BIO *bio;
	int err = 0;

	pthread_once(&bio_once, make_bio_method);
	s->ssl = cf_tls_ssl_new(s->tls);
	bio = s->ssl && bio_method ? BIO_new(bio_method) : NULL;
	if (!bio)
		return CF_ENOMEM;
	BIO_set_data(bio, s);
	BIO_set_init(bio, 1);
	SSL_set_bio(s->ssl, bio, bio);
	if (cf_tls_is_server(s->tls)) {
		SSL_set_accept_state(s->ssl);
		return 0;
	}
	/* Without a name to check, a certificate proves nothing. */
	err = server_name ? cf_tls_ssl_expect(s->ssl, server_name) : CF_EINVAL;
	if (!err && alpn)
		err = set_alpn(s->ssl, alpn);
	SSL_set_connect_state(s->ssl);
	return err;
}

static int tls_failure(struct cf_stream *s)
{
	long verify = SSL_get_verify_result(s->ssl);
	unsigned long code = ERR_peek_error();

	if (code == 0 || ERR_GET_REASON(code) == SSL_R_UNEXPECTED_EOF_WHILE_READING) {
		ERR_clear_error();
		return CF_ECLOSED; /* the connection ended without close_notify */
	}
	if (verify != X509_V_OK)
		s->error_text = X509_verify_cert_error_string(verify);
	else
		s->error_text = ERR_reason_error_string(code);
	ERR_clear_error();
	return verify != X509_V_OK ? CF_EAUTH : CF_ECRYPTO;
}

/* What the result of a TLS call means. */
static int tls_result(struct cf_stream *s, int ret, bool reading)
{
	int saved = errno;

	switch (SSL_get_error(s->ssl, ret)) {
	case SSL_ERROR_WANT_READ:
		return CF_EAGAIN;
	case SSL_ERROR_WANT_WRITE:
		if (reading)
			s->read_blocked = true;
		return CF_EAGAIN;
	case SSL_ERROR_ZERO_RETURN:
		return reading ? 0 : CF_ECLOSED;
	case SSL_ERROR_SYSCALL:
		ERR_clear_error();
		return saved ? cf_err_from_errno(saved) : CF_ECLOSED;
	default:
		return tls_failure(s);
	}
}

int cf_stream_io_handshake(struct cf_stream *s)
{
	int ret;

	ERR_clear_error();
	errno = 0;
	s->read_blocked = false;
	ret = SSL_do_handshake(s->ssl);
	if (ret == 1)
		return 0;
	ret = tls_result(s, ret, true);
	return ret == 0 ? CF_ECLOSED : ret;
}

int cf_stream_io_read(struct cf_stream *s, uint8_t *p, size_t n)
{
	ssize_t got;
	int ret;

	if (s->ssl) {
		ERR_clear_error();
		errno = 0;
		s->read_blocked = false;
		ret = SSL_read(s->ssl, p, n > INT_MAX ? INT_MAX : (int)n);
		return ret > 0 ? ret : tls_result(s, ret, true);
	}
	do {
		got = receive(s, p, n);
	} while (got < 0 && errno == EINTR);
	return got < 0 ? cf_err_from_errno(errno) : (int)got;
}

int cf_stream_io_write(struct cf_stream *s, const uint8_t *p, size_t n)
{
	ssize_t sent;
	int ret;

	if (s->ssl) {
		ERR_clear_error();
		errno = 0;
		ret = SSL_write(s->ssl, p, n > INT_MAX ? INT_MAX : (int)n);
		return ret > 0 ? ret : tls_result(s, ret, false);
	}
	do {
		sent = send(s->fd, p, n, MSG_DONTWAIT | MSG_NOSIGNAL);
	} while (sent < 0 && errno == EINTR);
	return sent < 0 ? cf_err_from_errno(errno) : (int)sent;
}

bool cf_stream_io_pending(const struct cf_stream *s)
{
	return s->ssl && SSL_has_pending(s->ssl);
}

void cf_stream_io_finish(struct cf_stream *s)
{
	if (s->ssl && SSL_is_init_finished(s->ssl)) {
		ERR_clear_error();
		SSL_shutdown(s->ssl);
		ERR_clear_error();
	}
	shutdown(s->fd, SHUT_WR);
}
