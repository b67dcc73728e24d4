/* SPDX-License-Identifier: Apache-2.0 */
#include "dtls/dtls_priv.h"

#include "base/wire.h"

#include <openssl/bio.h>
#include <pthread.h>
#include <string.h>

static int bio_write(BIO *bio, const char *data, int n)
{
	struct cf_dtls *dtls = BIO_get_data(bio);
	struct cf_wire_writer w;

	BIO_clear_retry_flags(bio);
	if (n <= 0 || n > UINT16_MAX)
		return n;
	cf_wire_writer_init(&w, dtls->out + dtls->out_len, sizeof(dtls->out) - dtls->out_len);
	/* All or nothing; what does not fit counts as sent and lost. */
	if ((size_t)n + 2 > w.cap)
		return n;
	cf_wire_write_u16(&w, (uint16_t)n);
	cf_wire_write_bytes(&w, data, (size_t)n);
	dtls->out_len += w.len;
	return n;
}

static int bio_read(BIO *bio, char *data, int n)
{
	struct cf_dtls *dtls = BIO_get_data(bio);
	size_t len = dtls->in_len;

	BIO_clear_retry_flags(bio);
	if (!dtls->in || n <= 0) {
		BIO_set_retry_read(bio);
		return -1;
	}
	/* As recv(2): what does not fit into the buffer is gone. */
	if (len > (size_t)n)
		len = (size_t)n;
	memcpy(data, dtls->in, len);
	dtls->in = NULL;
	return (int)len;
}

static long bio_ctrl(BIO *bio, int cmd, long num, void *ptr)
{
	(void)bio, (void)num, (void)ptr;
	switch (cmd) {
	case BIO_CTRL_FLUSH:
	case BIO_CTRL_DUP:
		return 1;
	case BIO_CTRL_DGRAM_QUERY_MTU:
	case BIO_CTRL_DGRAM_GET_FALLBACK_MTU:
		return CF_DTLS_MTU;
	default:
		return 0;
	}
}

static int bio_create(BIO *bio)
{
	BIO_set_init(bio, 1);
	return 1;
}

static BIO_METHOD *method; /* RO after make_method() */
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void free_method(void)
{
	BIO_meth_free(method);
}

static void make_method(void)
{
	method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "callflow datagrams");
	if (!method)
		return;
	BIO_meth_set_write(method, bio_write);
	BIO_meth_set_read(method, bio_read);
	BIO_meth_set_ctrl(method, bio_ctrl);
	BIO_meth_set_create(method, bio_create);
	OPENSSL_atexit(free_method);
}

BIO *cf_dtls_bio_new(struct cf_dtls *dtls)
{
	BIO *bio;

	pthread_once(&once, make_method);
	bio = method ? BIO_new(method) : NULL;
	if (bio)
		BIO_set_data(bio, dtls);
	return bio;
}
