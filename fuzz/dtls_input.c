/* SPDX-License-Identifier: Apache-2.0 */
/* Datagrams into a DTLS endpoint at any point of a real handshake. The input is a script: a byte
 * says what to do (bit 0: which end; bits 1-2: pass on what it says, feed it the bytes that follow
 * behind a length, let time pass, change a byte of what is passed on). Nothing may end up connected
 * with a wrong certificate. */
#include "base/clock.h"
#include "base/wire.h"
#include "dtls/dtls.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

enum { PASS, FEED, TIME, CHANGE };

static void pass(struct cf_dtls *from, struct cf_dtls *to, uint64_t now, const uint8_t *change)
{
	uint8_t p[CF_DTLS_MTU];
	int n;

	while ((n = cf_dtls_output(from, p, sizeof(p))) > 0) {
		if (change)
			p[(size_t)change[0] * 5 % (size_t)n] ^= change[1];
		cf_dtls_input(to, p, (size_t)n, now);
	}
	if (n < 0)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	static struct cf_dtls_identity *id;
	struct cf_dtls *end[2];
	struct cf_wire_reader r;
	uint64_t now = 1000000;

	if (!id && cf_dtls_identity_new(&id) < 0)
		abort();
	for (int i = 0; i < 2; i++) {
		if (cf_dtls_new(&end[i], id, i) < 0)
			abort();
		if (cf_dtls_set_fingerprint(
			    end[i], "sha-256", cf_dtls_identity_fingerprint(id), now) < 0)
			abort();
	}
	for (int i = 1; i >= 0; i--)
		if (cf_dtls_start(end[i], now) < 0)
			abort();
	cf_wire_reader_init(&r, p, n);
	for (int turn = 0; turn < 40 && cf_wire_left(&r); turn++) {
		uint8_t op = cf_wire_read_u8(&r);
		struct cf_dtls *a = end[op & 1], *b = end[!(op & 1)];
		struct cf_view v;

		switch (op >> 1 & 3) {
		case PASS:
			pass(a, b, now, NULL);
			break;
		case FEED:
			v = cf_wire_read_view(&r, cf_wire_read_u16(&r) % 2048);
			if (v.p)
				cf_dtls_input(a, v.p, v.len, now);
			break;
		case TIME:
			now += cf_wire_read_u8(&r) * 10 * CF_US_PER_MS;
			cf_dtls_tick(a, now);
			break;
		case CHANGE:
			v = cf_wire_read_view(&r, 2);
			pass(a, b, now, v.p);
			break;
		}
	}
	cf_dtls_close(end[0]);
	pass(end[0], end[1], now, NULL);
	cf_dtls_free(end[0]);
	cf_dtls_free(end[1]);
	return 0;
}
