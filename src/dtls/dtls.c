/* SPDX-License-Identifier: Apache-2.0 */
#include "dtls/dtls.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/wire.h"
#include "dtls/dtls_priv.h"

#include <openssl/err.h>
#include <string.h>

#define MAX_KEYING (2 * (CF_SRTP_MAX_KEY + CF_SRTP_MAX_SALT))

/* OpenSSL starts (last_us 0) or repeats a flight: how long to wait now. Our schedule follows. */
static unsigned on_timer(SSL *ssl, unsigned last_us)
{
	struct cf_dtls *dtls = SSL_get_app_data(ssl);
	unsigned us = last_us ? 2 * last_us : CF_DTLS_FIRST_TIMEOUT_MS * 1000u;

	if (us > CF_DTLS_MAX_TIMEOUT_MS * 1000u)
		us = CF_DTLS_MAX_TIMEOUT_MS * 1000u;
	dtls->retry_us = dtls->now_us + us;
	return us;
}

static void fail(struct cf_dtls *dtls, int err)
{
	/* What verification found says more than "handshake failure". */
	if (!dtls->err)
		dtls->err = err;
	dtls->state = CF_DTLS_FAILED;
	dtls->timer_on = false;
}

static int make_ssl(struct cf_dtls *dtls, const struct cf_dtls_identity *identity)
{
	BIO *bio;

	dtls->ssl = SSL_new(identity->ctx);
	bio = dtls->ssl ? cf_dtls_bio_new(dtls) : NULL;
	if (!bio)
		return CF_ENOMEM;
	SSL_set_bio(dtls->ssl, bio, bio);
	SSL_set_app_data(dtls->ssl, dtls);
	DTLS_set_timer_cb(dtls->ssl, on_timer);
	SSL_set_mtu(dtls->ssl, CF_DTLS_MTU);
	if (dtls->role == CF_DTLS_SERVER)
		SSL_set_accept_state(dtls->ssl);
	else
		SSL_set_connect_state(dtls->ssl);
	return 0;
}

int cf_dtls_new(
	struct cf_dtls **ret_dtls, const struct cf_dtls_identity *identity, enum cf_dtls_role role)
{
	struct cf_dtls *dtls = cf_alloc(sizeof(*dtls));
	int err;

	if (!dtls)
		return CF_ENOMEM;
	dtls->role = role;
	err = make_ssl(dtls, identity);
	if (err) {
		cf_dtls_free(dtls);
		return err;
	}
	*ret_dtls = dtls;
	return 0;
}

struct cf_dtls *cf_dtls_free(struct cf_dtls *dtls)
{
	if (!dtls)
		return NULL;
	SSL_free(dtls->ssl);
	cf_srtp_free(dtls->srtp_send);
	cf_srtp_free(dtls->srtp_recv);
	return cf_free(dtls);
}

/* RFC 5764 section 4.2: client key, server key, client salt, server salt. */
static int make_srtp(struct cf_dtls *dtls, enum cf_srtp_profile profile)
{
	size_t key_len = cf_srtp_key_len(profile), salt_len = cf_srtp_salt_len(profile);
	static const char label[] = "EXTRACTOR-dtls_srtp";
	const uint8_t *key[2], *salt[2];
	uint8_t material[MAX_KEYING];
	int us = dtls->role == CF_DTLS_SERVER, err = CF_ECRYPTO;

	for (size_t i = 0; i < 2; i++) {
		key[i] = material + i * key_len;
		salt[i] = material + 2 * key_len + i * salt_len;
	}
	if (SSL_export_keying_material(dtls->ssl, material, 2 * (key_len + salt_len), label,
		    sizeof(label) - 1, NULL, 0, 0) == 1)
		err = cf_srtp_new(&dtls->srtp_send, profile, key[us], salt[us]);
	if (!err)
		err = cf_srtp_new(&dtls->srtp_recv, profile, key[!us], salt[!us]);
	cf_wipe(material, sizeof(material));
	return err;
}

/* The handshake is done: hands out the keys once the certificate is known to be the right one. */
static void settle(struct cf_dtls *dtls)
{
	const SRTP_PROTECTION_PROFILE *profile = SSL_get_selected_srtp_profile(dtls->ssl);
	int err = cf_dtls_fingerprint_check(dtls, SSL_get0_peer_certificate(dtls->ssl));

	if (err == CF_EAGAIN)
		return;
	if (!err && !profile)
		err = CF_ENOTSUP;
	if (!err)
		err = make_srtp(dtls, (enum cf_srtp_profile)profile->id);
	if (err)
		fail(dtls, err);
	else
		dtls->state = CF_DTLS_CONNECTED;
}

/* Application data has no use here; reading it lets OpenSSL see alerts and repeated Finisheds. */
static void drain(struct cf_dtls *dtls)
{
	uint8_t waste[2048];
	int n;

	do
		n = SSL_read(dtls->ssl, waste, sizeof(waste));
	while (n > 0);
	n = SSL_get_error(dtls->ssl, n);
	if (n == SSL_ERROR_ZERO_RETURN || (SSL_get_shutdown(dtls->ssl) & SSL_RECEIVED_SHUTDOWN))
		dtls->state = CF_DTLS_CLOSED;
	else if (n == SSL_ERROR_SSL)
		fail(dtls, CF_ECRYPTO);
}

/* After anything that OpenSSL may react to. */
static void run(struct cf_dtls *dtls)
{
	struct timeval left;
	int n;

	ERR_clear_error();
	if (!dtls->handshaken) {
		n = SSL_do_handshake(dtls->ssl);
		if (n == 1)
			dtls->handshaken = true;
		else if (SSL_get_error(dtls->ssl, n) != SSL_ERROR_WANT_READ)
			fail(dtls, CF_ECRYPTO);
	} else {
		drain(dtls);
	}
	dtls->timer_on = dtls->state != CF_DTLS_FAILED && DTLSv1_get_timeout(dtls->ssl, &left) == 1;
	if (dtls->handshaken && dtls->state == CF_DTLS_CONNECTING)
		settle(dtls);
	ERR_clear_error();
}

static bool is_running(const struct cf_dtls *dtls)
{
	return dtls->state == CF_DTLS_CONNECTING || dtls->state == CF_DTLS_CONNECTED;
}

int cf_dtls_set_fingerprint(
	struct cf_dtls *dtls, const char *hash, const char *fingerprint, uint64_t now_us)
{
	int err = cf_dtls_fingerprint_set(dtls, hash, fingerprint);

	dtls->now_us = now_us;
	if (!err && dtls->handshaken && dtls->state == CF_DTLS_CONNECTING)
		settle(dtls);
	ERR_clear_error();
	return err;
}

int cf_dtls_start(struct cf_dtls *dtls, uint64_t now_us)
{
	if (dtls->state != CF_DTLS_NEW)
		return CF_ESTATE;
	dtls->state = CF_DTLS_CONNECTING;
	dtls->now_us = now_us;
	dtls->limit_us = now_us + CF_DTLS_HANDSHAKE_MAX_MS * CF_US_PER_MS;
	run(dtls);
	return 0;
}

int cf_dtls_input(struct cf_dtls *dtls, const uint8_t *p, size_t n, uint64_t now_us)
{
	if (!is_running(dtls))
		return CF_ESTATE;
	/* RFC 6347 section 4.1: no record is shorter than its header. */
	if (n < 13 || n > UINT16_MAX)
		return 0;
	dtls->now_us = now_us;
	dtls->in = p;
	dtls->in_len = n;
	run(dtls);
	dtls->in = NULL;
	return 0;
}

int cf_dtls_output(struct cf_dtls *dtls, uint8_t *p, size_t cap)
{
	struct cf_wire_reader r;
	struct cf_view datagram;

	if (!dtls->out_len)
		return 0;
	cf_wire_reader_init(&r, dtls->out, dtls->out_len);
	datagram = cf_wire_read_view(&r, cf_wire_read_u16(&r));
	if (datagram.len > cap)
		return CF_ENOSPC;
	memcpy(p, datagram.p, datagram.len);
	dtls->out_len -= r.pos;
	memmove(dtls->out, dtls->out + r.pos, dtls->out_len);
	return (int)datagram.len;
}

uint64_t cf_dtls_deadline(const struct cf_dtls *dtls)
{
	uint64_t at = CF_TIME_NEVER;

	if (!is_running(dtls))
		return at;
	if (dtls->state == CF_DTLS_CONNECTING)
		at = dtls->limit_us;
	return dtls->timer_on && dtls->retry_us < at ? dtls->retry_us : at;
}

void cf_dtls_tick(struct cf_dtls *dtls, uint64_t now_us)
{
	long n;

	if (now_us < cf_dtls_deadline(dtls))
		return;
	dtls->now_us = now_us;
	if (dtls->state == CF_DTLS_CONNECTING && now_us >= dtls->limit_us) {
		fail(dtls, CF_ETIMEOUT);
		return;
	}
	ERR_clear_error();
	n = DTLSv1_handle_timeout(dtls->ssl);
	/* 0: gettimeofday() does not agree that it is time; ask again soon. */
	if (n == 0)
		dtls->retry_us = now_us + CF_DTLS_RETRY_MS * CF_US_PER_MS;
	else if (n < 0)
		fail(dtls, CF_ETIMEOUT);
	ERR_clear_error();
}

void cf_dtls_close(struct cf_dtls *dtls)
{
	if (dtls->state == CF_DTLS_FAILED || dtls->state == CF_DTLS_CLOSED)
		return;
	ERR_clear_error();
	if (dtls->handshaken)
		SSL_shutdown(dtls->ssl);
	ERR_clear_error();
	dtls->timer_on = false;
	dtls->state = CF_DTLS_CLOSED;
}

enum cf_dtls_state cf_dtls_state(const struct cf_dtls *dtls)
{
	return dtls->state;
}

int cf_dtls_error(const struct cf_dtls *dtls)
{
	return dtls->state == CF_DTLS_FAILED ? dtls->err : 0;
}

enum cf_srtp_profile cf_dtls_profile(const struct cf_dtls *dtls)
{
	const SRTP_PROTECTION_PROFILE *profile;

	if (!dtls->srtp_recv)
		return 0;
	profile = SSL_get_selected_srtp_profile(dtls->ssl);
	return profile ? (enum cf_srtp_profile)profile->id : 0;
}

struct cf_srtp *cf_dtls_srtp_send(const struct cf_dtls *dtls)
{
	return dtls->srtp_recv ? dtls->srtp_send : NULL;
}

struct cf_srtp *cf_dtls_srtp_recv(const struct cf_dtls *dtls)
{
	return dtls->srtp_recv;
}
