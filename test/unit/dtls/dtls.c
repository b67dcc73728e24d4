/* SPDX-License-Identifier: Apache-2.0 */
/* Two endpoints over a virtual network. OpenSSL's clock is ours as well: this program's
 * gettimeofday() takes the place of libc's for libssl. */
#include "harness/harness.h"

#include "base/clock.h"
#include "dtls/dtls.h"
#include "dtls/dtls_priv.h"

#include <stdio.h>
#include <sys/time.h>

#define START_US ((uint64_t)1000000000)

static uint64_t now;

__attribute__((visibility("default"))) int gettimeofday(
	struct timeval *restrict tv, void *restrict tz)
{
	(void)tz;
	tv->tv_sec = (time_t)(now / CF_US_PER_S);
	tv->tv_usec = (suseconds_t)(now % CF_US_PER_S);
	return 0;
}

struct net {
	struct cf_dtls_identity *id[2];
	struct cf_dtls *end[2]; /* client, server */
	uint64_t drop;          /* bit n: the n-th datagram is lost */
	unsigned sent;
	unsigned delay_ms;
	size_t longest;
};

static void net_init(struct net *net)
{
	*net = (struct net){.delay_ms = 10};
	now = START_US;
	for (int i = 0; i < 2; i++) {
		assert_int_equal(cf_dtls_identity_new(&net->id[i]), 0);
		assert_int_equal(cf_dtls_new(&net->end[i], net->id[i], i), 0);
	}
}

static void net_know(struct net *net, int who)
{
	assert_int_equal(cf_dtls_set_fingerprint(net->end[who], "SHA-256",
				 cf_dtls_identity_fingerprint(net->id[!who]), now),
		0);
}

static void net_done(struct net *net)
{
	for (int i = 0; i < 2; i++) {
		cf_dtls_free(net->end[i]);
		cf_dtls_identity_free(net->id[i]);
	}
}

/* What `from` has to say goes over, or is lost. */
static int deliver(struct net *net, int from)
{
	uint8_t p[CF_DTLS_MTU];
	int n, count = 0;

	while ((n = cf_dtls_output(net->end[from], p, sizeof(p))) > 0) {
		bool lost = net->sent < 64 && net->drop >> net->sent & 1;

		net->sent++;
		count++;
		if ((size_t)n > net->longest)
			net->longest = (size_t)n;
		if (!lost)
			cf_dtls_input(net->end[!from], p, (size_t)n, now);
	}
	assert_int_equal(n, 0);
	return count;
}

static bool over(const struct net *net)
{
	for (int i = 0; i < 2; i++)
		if (cf_dtls_state(net->end[i]) == CF_DTLS_CONNECTING)
			return false;
	return true;
}

/* Until both ends have settled or a virtual time has passed. */
static void run_for(struct net *net, unsigned ms)
{
	uint64_t end = now + ms * CF_US_PER_MS;

	while (now < end && !over(net)) {
		uint64_t next = end;

		if (deliver(net, 0) + deliver(net, 1)) {
			now += net->delay_ms * CF_US_PER_MS;
			continue;
		}
		for (int i = 0; i < 2; i++)
			if (cf_dtls_deadline(net->end[i]) < next)
				next = cf_dtls_deadline(net->end[i]);
		if (next > now)
			now = next;
		for (int i = 0; i < 2; i++)
			cf_dtls_tick(net->end[i], now);
	}
	deliver(net, 0);
	deliver(net, 1);
}

static void net_start(struct net *net)
{
	assert_int_equal(cf_dtls_start(net->end[1], now), 0);
	assert_int_equal(cf_dtls_start(net->end[0], now), 0);
	assert_int_equal(cf_dtls_start(net->end[0], now), CF_ESTATE);
}

static void assert_media_flows(struct net *net)
{
	for (int i = 0; i < 2; i++) {
		uint8_t p[100] = {0x80, 111, 0, 1}, want[100];
		int n;

		memcpy(want, p, sizeof(want));
		n = cf_srtp_protect_rtp(cf_dtls_srtp_send(net->end[i]), p, 60, sizeof(p));
		assert_true(n > 60);
		assert_int_equal(
			cf_srtp_unprotect_rtp(cf_dtls_srtp_recv(net->end[!i]), p, (size_t)n), 60);
		assert_memory_equal(p, want, 60);
	}
}

static void assert_connected(struct net *net, enum cf_srtp_profile profile)
{
	for (int i = 0; i < 2; i++) {
		assert_int_equal(cf_dtls_error(net->end[i]), 0);
		assert_int_equal(cf_dtls_state(net->end[i]), CF_DTLS_CONNECTED);
		assert_int_equal(cf_dtls_profile(net->end[i]), profile);
	}
	assert_media_flows(net);
}

static void connects(void **state)
{
	struct net net;

	(void)state;
	net_init(&net);
	assert_int_equal(strlen(cf_dtls_identity_fingerprint(net.id[0])), 95);
	assert_string_not_equal(
		cf_dtls_identity_fingerprint(net.id[0]), cf_dtls_identity_fingerprint(net.id[1]));
	net_know(&net, 0);
	net_know(&net, 1);
	assert_int_equal(cf_dtls_deadline(net.end[0]), CF_TIME_NEVER);
	net_start(&net);
	assert_null(cf_dtls_srtp_send(net.end[0]));
	assert_null(cf_dtls_srtp_recv(net.end[0]));
	assert_int_equal(cf_dtls_profile(net.end[0]), 0);
	/* The identity need not outlive the making. */
	net.id[0] = cf_dtls_identity_free(net.id[0]);
	run_for(&net, 1000);
	assert_connected(&net, CF_SRTP_AEAD_AES_128_GCM);
	/* Four flights in two round trips, nothing repeated, nothing too long. */
	assert_true(now - START_US <= 4 * net.delay_ms * CF_US_PER_MS);
	assert_true(net.sent <= 6);
	assert_true(net.longest <= CF_DTLS_MTU && net.longest > 300);
	assert_int_equal(cf_dtls_deadline(net.end[0]), CF_TIME_NEVER);
	assert_int_equal(cf_dtls_deadline(net.end[1]), CF_TIME_NEVER);
	net_done(&net);
}

static void loss_is_made_good(void **state)
{
	(void)state;
	/* Each of the first ten lost alone, each pair of neighbours, and every second one. */
	for (unsigned k = 0; k < 21; k++) {
		struct net net;

		net_init(&net);
		net.drop = k < 10 ? 1u << k : k < 20 ? 3u << (k - 10) : 0x5555;
		net_know(&net, 0);
		net_know(&net, 1);
		net_start(&net);
		run_for(&net, 5000);
		assert_connected(&net, CF_SRTP_AEAD_AES_128_GCM);
		if (k < 10)
			assert_true(now - START_US <= 200 * CF_US_PER_MS);
		else if (k < 20)
			assert_true(now - START_US <= 400 * CF_US_PER_MS);
		net_done(&net);
	}
}

static void slow_paths_work(void **state)
{
	struct net net;

	(void)state;
	net_init(&net);
	net.delay_ms = 400; /* longer than the first time-outs: repeats cross each other */
	net_know(&net, 0);
	net_know(&net, 1);
	net_start(&net);
	run_for(&net, 10000);
	assert_connected(&net, CF_SRTP_AEAD_AES_128_GCM);
	net_done(&net);
}

static void nobody_answers(void **state)
{
	struct net net;

	(void)state;
	net_init(&net);
	net.drop = UINT64_MAX;
	net_know(&net, 0);
	net_start(&net);
	run_for(&net, 2000);
	assert_int_equal(cf_dtls_state(net.end[0]), CF_DTLS_CONNECTING);
	/* 60, 180, 420, 900, 1860 ms: the first one and five repeats. */
	assert_int_equal(net.sent, 6);
	run_for(&net, 20000);
	assert_int_equal(cf_dtls_state(net.end[0]), CF_DTLS_CONNECTING);
	assert_int_equal(net.sent, 6 + 7);
	run_for(&net, 5000);
	assert_int_equal(cf_dtls_state(net.end[0]), CF_DTLS_FAILED);
	assert_int_equal(cf_dtls_error(net.end[0]), CF_ETIMEOUT);
	assert_int_equal(cf_dtls_state(net.end[1]), CF_DTLS_FAILED);
	assert_int_equal(cf_dtls_error(net.end[1]), CF_ETIMEOUT);
	assert_true(now - START_US <= CF_DTLS_HANDSHAKE_MAX_MS * CF_US_PER_MS);
	assert_int_equal(cf_dtls_input(net.end[0], (uint8_t *)"x", 1, now), CF_ESTATE);
	cf_dtls_close(net.end[0]);
	assert_int_equal(cf_dtls_state(net.end[0]), CF_DTLS_FAILED);
	net_done(&net);
}

static void clock_that_goes_back(void **state)
{
	struct net net;
	uint8_t p[CF_DTLS_MTU];

	(void)state;
	net_init(&net);
	assert_int_equal(cf_dtls_start(net.end[0], now), 0);
	assert_true(cf_dtls_output(net.end[0], p, sizeof(p)) > 0);
	assert_int_equal(cf_dtls_deadline(net.end[0]), START_US + CF_DTLS_FIRST_TIMEOUT_MS * 1000);
	cf_dtls_tick(net.end[0], START_US + 1000); /* early: nothing */
	assert_int_equal(cf_dtls_output(net.end[0], p, sizeof(p)), 0);
	/* The wall clock stands still, ours goes on. */
	cf_dtls_tick(net.end[0], START_US + 60000);
	assert_int_equal(cf_dtls_output(net.end[0], p, sizeof(p)), 0);
	assert_int_equal(cf_dtls_deadline(net.end[0]), START_US + 70000);
	now = START_US + 60000;
	cf_dtls_tick(net.end[0], START_US + 70000);
	assert_int_equal(cf_dtls_output(net.end[0], p, 10), CF_ENOSPC);
	assert_true(cf_dtls_output(net.end[0], p, sizeof(p)) > 0);
	assert_int_equal(cf_dtls_deadline(net.end[0]), START_US + 70000 + 120000);
	net_done(&net);
}

static void wrong_fingerprint(void **state)
{
	(void)state;
	for (int who = 0; who < 2; who++) {
		struct net net;

		net_init(&net);
		net_know(&net, !who);
		/* Its own instead of the peer's. */
		assert_int_equal(cf_dtls_set_fingerprint(net.end[who], "sha-256",
					 cf_dtls_identity_fingerprint(net.id[who]), now),
			0);
		net_start(&net);
		run_for(&net, 1000);
		assert_int_equal(cf_dtls_state(net.end[who]), CF_DTLS_FAILED);
		assert_int_equal(cf_dtls_error(net.end[who]), CF_EAUTH);
		assert_null(cf_dtls_srtp_recv(net.end[who]));
		assert_int_equal(cf_dtls_state(net.end[!who]), CF_DTLS_FAILED);
		assert_int_equal(cf_dtls_error(net.end[!who]), CF_ECRYPTO);
		net_done(&net);
	}
}

static void late_fingerprint(void **state)
{
	(void)state;
	for (int right = 0; right < 2; right++) {
		struct net net;

		net_init(&net);
		net_know(&net, 0);
		net_start(&net);
		run_for(&net, 1000);
		assert_int_equal(cf_dtls_state(net.end[0]), CF_DTLS_CONNECTED);
		assert_int_equal(cf_dtls_state(net.end[1]), CF_DTLS_CONNECTING);
		assert_null(cf_dtls_srtp_recv(net.end[1]));
		assert_int_equal(cf_dtls_set_fingerprint(net.end[1], "sha-256",
					 cf_dtls_identity_fingerprint(net.id[!right]), now),
			0);
		assert_int_equal(
			cf_dtls_state(net.end[1]), right ? CF_DTLS_CONNECTED : CF_DTLS_FAILED);
		assert_int_equal(cf_dtls_error(net.end[1]), right ? 0 : CF_EAUTH);
		if (right)
			assert_media_flows(&net);
		net_done(&net);
	}
}

static void fingerprints_parse(void **state)
{
	struct net net;
	char text[3 * 64], bad[] = "sha-256";
	uint8_t digest[64] = {0xab, 0xcd};
	struct cf_dtls *d;

	(void)state;
	net_init(&net);
	d = net.end[0];
	cf_dtls_hex_colons(text, digest, 32);
	assert_int_equal(cf_dtls_set_fingerprint(d, "sha-1", text, now), CF_ENOTSUP);
	assert_int_equal(cf_dtls_set_fingerprint(d, "md5", text, now), CF_ENOTSUP);
	assert_int_equal(cf_dtls_set_fingerprint(d, "sha-384", text, now), CF_EBADMSG);
	assert_int_equal(cf_dtls_set_fingerprint(d, bad, text + 1, now), CF_EBADMSG);
	text[2] = ';';
	assert_int_equal(cf_dtls_set_fingerprint(d, bad, text, now), CF_EBADMSG);
	text[2] = ':';
	text[0] = 'g';
	assert_int_equal(cf_dtls_set_fingerprint(d, bad, text, now), CF_EBADMSG);
	text[0] = 'a'; /* lower case is fine */
	assert_int_equal(cf_dtls_set_fingerprint(d, bad, text, now), 0);
	assert_int_equal(cf_dtls_set_fingerprint(d, bad, text, now), 0);
	text[0] = 'B';
	assert_int_equal(cf_dtls_set_fingerprint(d, bad, text, now), CF_EINVAL);
	/* A stronger hash takes over, a weaker one does not. */
	cf_dtls_hex_colons(text, digest, 64);
	assert_int_equal(cf_dtls_set_fingerprint(d, "sha-512", text, now), 0);
	assert_int_equal(d->want_hash, 3);
	cf_dtls_hex_colons(text, digest, 48);
	assert_int_equal(cf_dtls_set_fingerprint(d, "sha-384", text, now), 0);
	assert_int_equal(d->want_hash, 3);
	net_done(&net);
}

static void profiles_are_negotiated(void **state)
{
	static const struct {
		const char *names[2];
		enum cf_srtp_profile want;
	} cases[] = {
		{{"SRTP_AES128_CM_SHA1_80:SRTP_AEAD_AES_256_GCM",
			 "SRTP_AEAD_AES_256_GCM:SRTP_AES128_CM_SHA1_80"},
			CF_SRTP_AEAD_AES_256_GCM},
		{{"SRTP_AES128_CM_SHA1_80", NULL}, CF_SRTP_AES128_CM_SHA1_80},
		{{"SRTP_AES128_CM_SHA1_80", "SRTP_AEAD_AES_256_GCM"}, 0},
	};

	(void)state;
	for (size_t k = 0; k < sizeof(cases) / sizeof(cases[0]); k++) {
		struct net net;

		net_init(&net);
		for (int i = 0; i < 2; i++)
			if (cases[k].names[i])
				assert_int_equal(
					SSL_set_tlsext_use_srtp(net.end[i]->ssl, cases[k].names[i]),
					0);
		net_know(&net, 0);
		net_know(&net, 1);
		net_start(&net);
		run_for(&net, 1000);
		if (cases[k].want) {
			assert_connected(&net, cases[k].want);
		} else {
			for (int i = 0; i < 2; i++) {
				assert_int_equal(cf_dtls_state(net.end[i]), CF_DTLS_FAILED);
				assert_int_equal(cf_dtls_error(net.end[i]), CF_ENOTSUP);
			}
		}
		net_done(&net);
	}
}

static void closing_is_told(void **state)
{
	struct net net;

	(void)state;
	net_init(&net);
	net_know(&net, 0);
	net_know(&net, 1);
	net_start(&net);
	run_for(&net, 1000);
	cf_dtls_close(net.end[0]);
	assert_int_equal(cf_dtls_state(net.end[0]), CF_DTLS_CLOSED);
	assert_int_equal(deliver(&net, 0), 1);
	assert_int_equal(cf_dtls_state(net.end[1]), CF_DTLS_CLOSED);
	assert_int_equal(cf_dtls_error(net.end[1]), 0);
	assert_media_flows(&net); /* the keys stay until the end is freed */
	net_done(&net);
}

static void junk_is_dropped(void **state)
{
	struct net net;
	uint8_t p[1500];

	(void)state;
	net_init(&net);
	net_know(&net, 0);
	net_know(&net, 1);
	assert_int_equal(cf_dtls_input(net.end[1], p, 20, now), CF_ESTATE);
	net_start(&net);
	for (int round = 0; round < 2; round++) {
		for (int i = 0; i < 2; i++)
			for (size_t n = 0; n < sizeof(p); n += 37) {
				memset(p, (int)n, sizeof(p));
				assert_int_equal(cf_dtls_input(net.end[i], p, n, now), 0);
				p[0] = 22, p[1] = 0xfe, p[2] = 0xfd;
				p[3] = 7; /* an epoch to come */
				assert_int_equal(cf_dtls_input(net.end[i], p, n, now), 0);
			}
		run_for(&net, 1000);
		assert_connected(&net, CF_SRTP_AEAD_AES_128_GCM);
		if (round == 0) {
			net_done(&net);
			net_init(&net);
			net_know(&net, 0);
			net_know(&net, 1);
			net_start(&net);
		}
	}
	net_done(&net);
}

static int connect_once(void *arg)
{
	struct cf_dtls_identity *id = NULL;
	struct cf_dtls *end[2] = {NULL, NULL};
	uint8_t p[CF_DTLS_MTU];
	int err = cf_dtls_identity_new(&id);

	(void)arg;
	now = START_US;
	for (int i = 0; !err && i < 2; i++)
		err = cf_dtls_new(&end[i], id, i);
	for (int i = 1; !err && i >= 0; i--) {
		err = cf_dtls_set_fingerprint(
			end[i], "sha-256", cf_dtls_identity_fingerprint(id), now);
		if (!err)
			err = cf_dtls_start(end[i], now);
	}
	for (int turn = 0; !err && turn < 8; turn++)
		for (int n; (n = cf_dtls_output(end[turn % 2], p, sizeof(p))) > 0;)
			cf_dtls_input(end[!(turn % 2)], p, (size_t)n, now);
	for (int i = 0; !err && i < 2; i++)
		if (cf_dtls_state(end[i]) != CF_DTLS_CONNECTED)
			err = cf_dtls_error(end[i]) ? cf_dtls_error(end[i]) : CF_ESTATE;
	cf_dtls_free(end[0]);
	cf_dtls_free(end[1]);
	cf_dtls_identity_free(id);
	return err;
}

static void survives_oom(void **state)
{
	(void)state;
	cf_test_oom(connect_once, NULL, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(connects),
		cmocka_unit_test(loss_is_made_good),
		cmocka_unit_test(slow_paths_work),
		cmocka_unit_test(nobody_answers),
		cmocka_unit_test(clock_that_goes_back),
		cmocka_unit_test(wrong_fingerprint),
		cmocka_unit_test(late_fingerprint),
		cmocka_unit_test(fingerprints_parse),
		cmocka_unit_test(profiles_are_negotiated),
		cmocka_unit_test(closing_is_told),
		cmocka_unit_test(junk_is_dropped),
		cmocka_unit_test(survives_oom),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
