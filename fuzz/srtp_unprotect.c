/* SPDX-License-Identifier: Apache-2.0 */
/* SRTP and SRTCP from a stranger: nothing authenticates, no state comes to be. The first byte
 * chooses profile and direction; with its top bit the rest is protected first and must come back.
 */
#include "dtls/srtp.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static const enum cf_srtp_profile profiles[] = {
	CF_SRTP_AES128_CM_SHA1_80, CF_SRTP_AEAD_AES_128_GCM, CF_SRTP_AEAD_AES_256_GCM};

static void round_trip(
	enum cf_srtp_profile profile, int rtcp, uint8_t *packet, size_t n, size_t cap)
{
	static const uint8_t key[CF_SRTP_MAX_KEY] = {1}, salt[CF_SRTP_MAX_SALT] = {2};
	struct cf_srtp *send, *recv;
	uint8_t before[2048];
	int len;

	memcpy(before, packet, n);
	if (cf_srtp_new(&send, profile, key, salt) < 0 ||
		cf_srtp_new(&recv, profile, key, salt) < 0)
		abort();
	len = rtcp ? cf_srtp_protect_rtcp(send, packet, n, cap)
		   : cf_srtp_protect_rtp(send, packet, n, cap);
	if (len > 0) {
		len = rtcp ? cf_srtp_unprotect_rtcp(recv, packet, (size_t)len)
			   : cf_srtp_unprotect_rtp(recv, packet, (size_t)len);
		if (len != (int)n || memcmp(packet, before, n) != 0)
			abort();
	}
	cf_srtp_free(send);
	cf_srtp_free(recv);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	static struct cf_srtp *recv[3];
	static const uint8_t key[CF_SRTP_MAX_KEY] = {42}, salt[CF_SRTP_MAX_SALT] = {43};
	uint8_t packet[2048 + CF_SRTP_MAX_OVERHEAD];
	int which, rtcp, len;

	if (n < 1 || n > 2048)
		return 0;
	which = p[0] % 3;
	rtcp = p[0] >> 6 & 1;
	memcpy(packet, p + 1, n - 1);
	if (p[0] & 0x80) {
		round_trip(profiles[which], rtcp, packet, n - 1, sizeof(packet));
		return 0;
	}
	if (!recv[which] && cf_srtp_new(&recv[which], profiles[which], key, salt) < 0)
		abort();
	len = rtcp ? cf_srtp_unprotect_rtcp(recv[which], packet, n - 1)
		   : cf_srtp_unprotect_rtp(recv[which], packet, n - 1);
	/* A forgery of 80 bits: not in our lifetime. */
	if (len >= 0)
		abort();
	return 0;
}
