/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What SRTP costs, ours beside libsrtp2, in turn in one process. For each profile, direction and
 * size one line: profile, direction, bytes, microseconds of CPU per packet of ours and of theirs
 * (of a quiet round), their version.
 *
 *   srtp ROUNDS
 */
#include "dtls/srtp.h"
#include "base/clock.h"

#include <srtp2/srtp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define BATCH 200 /* what a busy loop has in its caches */
#define ROOM 1500
#define HEADER 12
#define MAX_ROUNDS 10000

static const struct {
	const char *name;
	enum cf_srtp_profile ours;
	srtp_profile_t theirs;
} profiles[] = {
	{"AES-CM-SHA1-80", CF_SRTP_AES128_CM_SHA1_80, srtp_profile_aes128_cm_sha1_80},
	{"AES-GCM", CF_SRTP_AEAD_AES_128_GCM, srtp_profile_aead_aes_128_gcm},
};
static const size_t sizes[] = {160, 1200}; /* of the payload */

struct packet {
	int len;
	uint8_t bytes[ROOM];
};

/* One implementation: both directions under one key. */
struct side {
	struct cf_srtp *ours[2];
	srtp_t theirs[2];
	bool is_ours;
	double us[2][MAX_ROUNDS]; /* per packet, protect and unprotect */
};

static struct packet packets[BATCH];

static void must(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "srtp: %s failed\n", what);
	exit(1);
}

static double cpu_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return (double)ts.tv_sec * 1e6 + (double)ts.tv_nsec / 1e3;
}

static void side_init(struct side *side, size_t profile, bool is_ours)
{
	uint8_t key[SRTP_MAX_KEY_LEN];
	size_t key_len = cf_srtp_key_len(profiles[profile].ours);

	memset(key, 0x5a, sizeof(key));
	side->is_ours = is_ours;
	for (int i = 0; i < 2; i++) {
		srtp_policy_t policy = {.key = key, .window_size = 256};

		policy.ssrc.type = i ? ssrc_any_inbound : ssrc_any_outbound;
		must(!srtp_crypto_policy_set_from_profile_for_rtp(
			     &policy.rtp, profiles[profile].theirs),
			"their profile");
		must(!srtp_crypto_policy_set_from_profile_for_rtcp(
			     &policy.rtcp, profiles[profile].theirs),
			"their profile");
		must(is_ours || !srtp_create(&side->theirs[i], &policy), "their context");
		must(!is_ours || !cf_srtp_new(&side->ours[i], profiles[profile].ours, key,
					 key + key_len),
			"our context");
	}
}

static void side_done(struct side *side)
{
	for (int i = 0; i < 2; i++) {
		cf_srtp_free(side->ours[i]);
		if (side->theirs[i])
			srtp_dealloc(side->theirs[i]);
	}
}

static void fill(uint32_t first, size_t size)
{
	for (uint32_t i = 0; i < BATCH; i++) {
		uint32_t seq = first + i;
		const uint8_t head[HEADER] = {0x80, 111, (uint8_t)(seq >> 8), (uint8_t)seq,
			(uint8_t)(seq >> 16), 1, 2, 3, 0xca, 0xfe, 0xba, 0xbe};

		packets[i].len = (int)(HEADER + size);
		memset(packets[i].bytes, (int)i, (size_t)packets[i].len);
		memcpy(packets[i].bytes, head, sizeof(head));
	}
}

static void ours(struct cf_srtp *srtp, bool unprotect)
{
	for (struct packet *p = packets; p < packets + BATCH; p++) {
		p->len = unprotect ? cf_srtp_unprotect_rtp(srtp, p->bytes, (size_t)p->len)
				   : cf_srtp_protect_rtp(srtp, p->bytes, (size_t)p->len, ROOM);
		must(p->len > 0, unprotect ? "our unprotect" : "our protect");
	}
}

static void theirs(srtp_t srtp, bool unprotect)
{
	for (struct packet *p = packets; p < packets + BATCH; p++)
		must(!(unprotect ? srtp_unprotect(srtp, p->bytes, &p->len)
				 : srtp_protect(srtp, p->bytes, &p->len)),
			unprotect ? "their unprotect" : "their protect");
}

static void batch(struct side *side, uint32_t round, size_t size)
{
	fill(round * BATCH, size);
	for (int i = 0; i < 2; i++) {
		double start = cpu_us();

		if (side->is_ours)
			ours(side->ours[i], i);
		else
			theirs(side->theirs[i], i);
		side->us[i][round] = (cpu_us() - start) / BATCH;
	}
	must(packets[0].len == (int)(HEADER + size), "a round trip");
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* Of a quiet round: what others do on the machine adds, and at times the clock is short of some. */
static double quiet(double *values, uint32_t n)
{
	qsort(values, n, sizeof(*values), by_value);
	return values[n / 4];
}

static void measure(size_t profile, size_t size, uint32_t rounds)
{
	static struct side sides[2];

	memset(sides, 0, sizeof(sides));
	side_init(&sides[0], profile, true);
	side_init(&sides[1], profile, false);
	for (uint32_t round = 0; round < rounds; round++)
		for (int i = 0; i < 2; i++)
			batch(&sides[i], round, size);
	for (int i = 0; i < 2; i++)
		printf("%s\t%s\t%zu\t%.4f\t%.4f\t%s\n", profiles[profile].name,
			i ? "unprotect" : "protect", size, quiet(sides[0].us[i], rounds),
			quiet(sides[1].us[i], rounds), srtp_get_version_string());
	side_done(&sides[0]);
	side_done(&sides[1]);
}

int main(int argc, char **argv)
{
	unsigned long rounds = argc == 2 ? strtoul(argv[1], NULL, 10) : 0;

	must(rounds > 0 && rounds <= MAX_ROUNDS, "reading ROUNDS");
	must(!srtp_init(), "srtp_init()");
	for (size_t i = 0; i < sizeof(profiles) / sizeof(profiles[0]); i++)
		for (size_t k = 0; k < sizeof(sizes) / sizeof(sizes[0]); k++)
			measure(i, sizes[k], (uint32_t)rounds);
	return 0;
}
