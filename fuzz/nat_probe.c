/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The NAT probe against a server that says anything: each record is a byte (which question it
 * answers, on which socket), an address and the rest of a message, whose transaction id is put
 * right so that it gets through. What must hold: it ends in bounded time, sends a bounded number of
 * packets, and only to the server, its other address or its own outside address.
 */
#include "base/clock.h"
#include "base/mem.h"
#include "nat/predict.h"
#include "stun/msg.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define ASKED_MAX 64

static struct {
	uint8_t tid[CF_STUN_TID_LEN];
	enum cf_nat_socket socket;
} asked[ASKED_MAX];
static size_t n_asked;

static void must(bool condition)
{
	if (!condition)
		abort();
}

static struct cf_addr addr_of(uint8_t b)
{
	struct cf_addr addr = {.family = CF_ADDR_IPV4, .port = (uint16_t)(3478 + (b >> 6))};

	addr.ip[0] = 198;
	addr.ip[3] = b & 3;
	return addr;
}

static void drain(struct cf_nat_probe *probe, uint64_t now_us)
{
	struct cf_nat_output out;

	while (cf_nat_probe_output(probe, now_us, &out)) {
		must(n_asked < ASKED_MAX && out.n >= CF_STUN_HEADER_LEN &&
			out.n <= sizeof(out.data));
		memcpy(asked[n_asked].tid, out.data + 8, CF_STUN_TID_LEN);
		asked[n_asked++].socket = out.socket;
	}
}

static size_t feed(struct cf_nat_probe *probe, const uint8_t *p, size_t n, uint64_t now_us)
{
	uint8_t message[CF_STUN_HEADER_LEN + 64] = {0};
	size_t len = n < 4 ? 0 : p[2] % 64 & ~(size_t)3, i = p[0] % (n_asked ? n_asked : 1);
	struct cf_addr src;

	if (n < 4 + len)
		return n;
	src = addr_of(p[1]);
	message[0] = p[3] & 1 ? 0 : 1; /* a request, or else a response */
	message[1] = p[3] & 2 ? 0x11 : 1;
	message[3] = (uint8_t)len;
	memcpy(message + 4, "\x21\x12\xa4\x42", 4);
	memcpy(message + 8, asked[i].tid, CF_STUN_TID_LEN);
	memcpy(message + CF_STUN_HEADER_LEN, p + 4, len);
	cf_nat_probe_input(probe, p[3] & 4 ? CF_NAT_SOCKET_FILTERING : asked[i].socket, &src,
		message, CF_STUN_HEADER_LEN + len, now_us);
	return 4 + len;
}

static void conclude(const struct cf_nat_probe *probe)
{
	struct cf_nat_side side = {.relay = true, .turn_tcp = CF_NAT_YES};

	cf_nat_probe_report(probe, &side.nat);
	must(cf_nat_type_name(&side.nat) && cf_nat_mapping_name(side.nat.mapping) &&
		cf_nat_filtering_name(side.nat.filtering));
	for (int peer = 0; peer < CF_NAT_PEERS; peer++)
		must(cf_nat_predict(&side, (enum cf_nat_peer)peer).relays <= 2);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cf_addr local[CF_NAT_SOCKETS] = {addr_of(3), addr_of(0x43)}, server = addr_of(0);
	uint64_t now_us = CF_US_PER_S;
	struct cf_nat_probe *probe = cf_nat_probe_new(&server, local, now_us);

	n_asked = 0;
	while (probe && size > 0 && !cf_nat_probe_done(probe)) {
		size_t used;

		drain(probe, now_us);
		used = feed(probe, data, size, now_us);
		data += used;
		size -= used;
		if (size % 3 == 0 && cf_nat_probe_deadline(probe) != CF_TIME_NEVER)
			now_us = cf_nat_probe_deadline(probe);
	}
	for (int i = 0; probe && i < ASKED_MAX && !cf_nat_probe_done(probe); i++) {
		drain(probe, now_us);
		if (cf_nat_probe_deadline(probe) != CF_TIME_NEVER)
			now_us = cf_nat_probe_deadline(probe);
	}
	must(!probe || cf_nat_probe_done(probe));
	must(now_us < 10 * CF_US_PER_S);
	if (probe)
		conclude(probe);
	cf_nat_probe_free(probe);
	return 0;
}
