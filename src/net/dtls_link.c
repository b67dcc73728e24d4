/* SPDX-License-Identifier: Apache-2.0 */
#include "net/dtls_link.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/wire.h"
#include "net/tls_priv.h"

#include <openssl/bio.h>
#include <openssl/err.h>

#include <sys/time.h>

#define RECORD_HEAD 13
#define MTU 1200        /* of handshake flights; data goes as it comes */
#define PLAIN_MAX 16384 /* of a record: RFC 6347 section 4.1.1 */
#define INPUT_MAX 2048  /* a datagram's; what comes is shorter still */

struct cf_dtls_link {
	SSL *ssl;
	BIO *in, *out; /* ssl's */
	const struct cf_dtls_link_ops *ops;
	void *arg;
	bool open;
	bool busy; /* inside cf_dtls_link_input() */
	bool dead; /* freed meanwhile */
};

/* A memory BIO forgets where datagrams end, records do not: each goes alone. */
static void flush(struct cf_dtls_link *link)
{
	char *start;
	long n = BIO_get_mem_data(link->out, &start);
	struct cf_wire_reader r;

	cf_wire_reader_init(&r, start, n > 0 ? (size_t)n : 0);
	while (cf_wire_left(&r) > RECORD_HEAD) {
		const uint8_t *record = r.p + r.pos;
		size_t len;

		cf_wire_skip(&r, RECORD_HEAD - 2);
		len = cf_wire_read_u16(&r);
		cf_wire_skip(&r, len);
		if (r.err < 0)
			break;
		link->ops->send(record, RECORD_HEAD + len, link->arg);
	}
	(void)BIO_reset(link->out);
}

static int failure(struct cf_dtls_link *link, int result)
{
	int what = SSL_get_error(link->ssl, result);

	if (what == SSL_ERROR_WANT_READ || what == SSL_ERROR_WANT_WRITE)
		return 0;
	ERR_clear_error();
	return what == SSL_ERROR_ZERO_RETURN ? CF_ECLOSED : CF_ECRYPTO;
}

static int handshake(struct cf_dtls_link *link)
{
	int result;

	ERR_clear_error();
	result = SSL_do_handshake(link->ssl);
	flush(link);
	if (result != 1)
		return failure(link, result);
	link->open = true;
	if (link->ops->open)
		link->ops->open(link->arg);
	return 0;
}

static int read_all(struct cf_dtls_link *link)
{
	uint8_t plain[INPUT_MAX];
	int n;

	do {
		ERR_clear_error();
		n = SSL_read(link->ssl, plain, sizeof(plain));
		if (n > 0)
			link->ops->data(plain, (size_t)n, link->arg);
	} while (n > 0 && !link->dead);
	if (link->dead)
		return CF_ECANCELED;
	flush(link); /* a repeated Finished asks for ours */
	return failure(link, n);
}

static int link_new(struct cf_dtls_link **ret_link, struct cf_tls *tls,
	const struct cf_dtls_link_ops *ops, void *arg)
{
	struct cf_dtls_link *link = cf_alloc(sizeof(*link));

	if (!link)
		return CF_ENOMEM;
	link->ops = ops;
	link->arg = arg;
	link->ssl = cf_tls_datagram_ssl_new(tls);
	link->in = BIO_new(BIO_s_mem());
	link->out = BIO_new(BIO_s_mem());
	if (!link->ssl || !link->in || !link->out) {
		SSL_free(link->ssl);
		BIO_free(link->in);
		BIO_free(link->out);
		cf_free(link);
		return CF_ENOMEM;
	}
	BIO_set_mem_eof_return(link->in, -1);
	SSL_set_bio(link->ssl, link->in, link->out);
	SSL_set_mtu(link->ssl, MTU);
	*ret_link = link;
	return 0;
}

/* OpenSSL takes the second ClientHello as the first message of its handshake only behind
 * DTLSv1_listen(). The cookie in it has been checked. */
static int listen_for(struct cf_dtls_link *link, const uint8_t *hello, size_t n)
{
	BIO_ADDR *nobody = BIO_ADDR_new();
	int result;

	if (!nobody)
		return CF_ENOMEM;
	ERR_clear_error();
	result = BIO_write(link->in, hello, (int)n) == (int)n ? DTLSv1_listen(link->ssl, nobody)
							      : -1;
	BIO_ADDR_free(nobody);
	ERR_clear_error();
	return result == 1 ? handshake(link) : CF_ECRYPTO;
}

int cf_dtls_link_accept(struct cf_dtls_link **ret_link, struct cf_tls *tls, const uint8_t *hello,
	size_t n, const struct cf_dtls_link_ops *ops, void *arg)
{
	struct cf_dtls_link *link;
	int err = link_new(&link, tls, ops, arg);

	if (err < 0)
		return err;
	SSL_set_accept_state(link->ssl);
	err = listen_for(link, hello, n);
	if (err < 0) {
		cf_dtls_link_free(link);
		return err;
	}
	*ret_link = link;
	return 0;
}

int cf_dtls_link_connect(struct cf_dtls_link **ret_link, struct cf_tls *tls,
	const char *server_name, const struct cf_dtls_link_ops *ops, void *arg)
{
	struct cf_dtls_link *link;
	int err = link_new(&link, tls, ops, arg);

	if (err < 0)
		return err;
	SSL_set_connect_state(link->ssl);
	err = cf_tls_ssl_expect(link->ssl, server_name);
	if (err == 0)
		err = handshake(link);
	if (err < 0) {
		cf_dtls_link_free(link);
		return err;
	}
	*ret_link = link;
	return 0;
}

static struct cf_dtls_link *destroy(struct cf_dtls_link *link)
{
	SSL_free(link->ssl);
	return cf_free(link);
}

int cf_dtls_link_input(struct cf_dtls_link *link, const uint8_t *p, size_t n)
{
	int err = 0;

	if (n == 0 || BIO_write(link->in, p, (int)n) != (int)n)
		return 0;
	link->busy = true;
	if (!link->open)
		err = handshake(link);
	if (err == 0 && link->open)
		err = read_all(link);
	link->busy = false;
	if (!link->dead)
		return err;
	destroy(link);
	return CF_ECANCELED;
}

void cf_dtls_link_write(struct cf_dtls_link *link, const uint8_t *p, size_t n)
{
	if (!link->open || n == 0 || n > PLAIN_MAX)
		return;
	ERR_clear_error();
	(void)SSL_write(link->ssl, p, (int)n);
	flush(link);
}

uint64_t cf_dtls_link_wait_us(const struct cf_dtls_link *link)
{
	struct timeval left;

	if (DTLSv1_get_timeout(link->ssl, &left) != 1)
		return CF_TIME_NEVER;
	return (uint64_t)left.tv_sec * CF_US_PER_S + (uint64_t)left.tv_usec;
}

int cf_dtls_link_tick(struct cf_dtls_link *link)
{
	long result;

	ERR_clear_error();
	result = DTLSv1_handle_timeout(link->ssl);
	flush(link);
	ERR_clear_error();
	return result < 0 ? CF_ETIMEOUT : 0;
}

bool cf_dtls_link_is_open(const struct cf_dtls_link *link)
{
	return link->open;
}

struct cf_dtls_link *cf_dtls_link_free(struct cf_dtls_link *link)
{
	if (!link)
		return NULL;
	if (link->open) {
		ERR_clear_error();
		(void)SSL_shutdown(link->ssl);
		flush(link);
		ERR_clear_error();
	}
	link->dead = true;
	return link->busy ? NULL : destroy(link);
}
