/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The TURN client as a state machine: the input is a script of calls, packets and pauses. Packets
 * may be patched so that they answer the client's last request under its key.
 */
#include "base/clock.h"
#include "base/mem.h"
#include "stun/msg.h"
#include "turn/client.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct script {
	struct cf_wire_reader r;
	struct cf_turn_client *client;
	uint64_t now_us;
	uint8_t last[CF_TURN_OUTPUT_MAX]; /* request */
	size_t last_len;
};

static void drain(struct script *s)
{
	uint8_t buf[CF_TURN_OUTPUT_MAX];
	struct cf_turn_event event;
	int n, rounds = 0;

	while ((n = cf_turn_client_output(s->client, buf, sizeof(buf), s->now_us)) > 0) {
		memcpy(s->last, buf, (size_t)n);
		s->last_len = (size_t)n;
		if (++rounds > 500)
			abort(); /* it never stops talking */
	}
	while (cf_turn_client_event(s->client, &event))
		;
	if (cf_turn_client_deadline(s->client) <= s->now_us)
		abort(); /* it would spin */
}

static struct cf_addr peer(struct script *s)
{
	uint8_t b = cf_wire_read_u8(&s->r);
	struct cf_addr addr = {.family = b & 1 ? CF_ADDR_IPV6 : CF_ADDR_IPV4, .port = (b & 6) + 1u};

	addr.ip[3] = b >> 3;
	return addr;
}

/* A response with the attributes of the script, to the last request, signed. */
static void answer(struct script *s)
{
	uint8_t flags = cf_wire_read_u8(&s->r), p[1024], key[32];
	struct cf_stun_msg req;
	struct cf_stun_writer w;
	struct cf_turn_data data;
	int n;

	if (cf_stun_msg_parse(&req, s->last, s->last_len) < 0)
		return;
	cf_stun_write_begin(
		&w, p, sizeof(p), flags & 1 ? CF_STUN_ERROR : CF_STUN_SUCCESS, req.method, req.tid);
	if (flags & 1)
		cf_stun_write_error(&w, (uint16_t)(300 + (cf_wire_read_u16(&s->r) & 0xff)), NULL);
	for (int i = flags >> 4 & 3; i > 0; i--) {
		uint16_t type = cf_wire_read_u16(&s->r);
		struct cf_view v = cf_wire_read_view(&s->r, cf_wire_read_u8(&s->r) & 31);

		cf_stun_write_view(&w, type, v);
	}
	if (flags & 2) {
		cf_stun_write_view(&w, CF_STUN_REALM, cf_view_str("r"));
		cf_stun_write_view(&w, CF_STUN_NONCE, cf_view_str(flags & 8 ? "n" : "m"));
	}
	if (flags & 0x80)
		cf_stun_write_view(&w, CF_TURN_MOBILITY_TICKET, cf_view_str("ticket"));
	if (flags & 0x40) {
		struct cf_addr relayed = {.family = CF_ADDR_IPV4, .port = 9, .ip = {1, 2, 3, 4}};

		cf_stun_write_xor_addr(&w, CF_TURN_XOR_RELAYED_ADDRESS, &relayed);
	}
	(void)!cf_stun_key_md5(key, cf_view_str("u"), cf_view_str("r"), cf_view_str("p"));
	if (flags & 4)
		cf_stun_write_integrity(&w, cf_view_of(key, 16));
	n = cf_stun_write_end(&w);
	if (n > 0)
		(void)cf_turn_client_input(s->client, p, (size_t)n, s->now_us, &data);
}

static void raw(struct script *s)
{
	struct cf_view v = cf_wire_read_view(&s->r, cf_wire_read_u8(&s->r));
	uint8_t *exact = malloc(v.len + 1);
	struct cf_turn_data data = {0};

	if (v.len)
		memcpy(exact, v.p, v.len);
	if (cf_turn_client_input(s->client, exact, v.len, s->now_us, &data) == CF_TURN_INPUT_DATA &&
		data.data.len &&
		(data.data.p < exact || data.data.p + data.data.len > exact + v.len))
		abort();
	(void)cf_turn_frame_len(exact, v.len);
	free(exact);
}

static void call(struct script *s, uint8_t op)
{
	uint8_t out[CF_TURN_OUTPUT_MAX];
	struct cf_addr addr = peer(s);

	switch (op) {
	case 0:
		(void)!cf_turn_client_permit(s->client, &addr, s->now_us);
		break;
	case 1:
		(void)!cf_turn_client_bind(s->client, &addr, s->now_us);
		break;
	case 2:
		(void)!cf_turn_client_send(
			s->client, &addr, "data", 4, out, sizeof(out), s->now_us);
		break;
	case 3:
		cf_turn_client_forget(s->client, &addr);
		break;
	case 4:
		(void)!cf_turn_client_move(s->client, addr.port & 2, s->now_us);
		break;
	default:
		cf_turn_client_release(s->client, s->now_us);
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cf_turn_client_options options = cf_turn_client_defaults();
	struct script s = {.now_us = 1};

	cf_wire_reader_init(&s.r, data, size);
	options.username = "u";
	options.password = "p";
	options.mobile = true;
	options.is_stream = cf_wire_read_u8(&s.r) & 1;
	if (cf_turn_client_new(&s.client, &options) < 0)
		return 0;
	(void)!cf_turn_client_start(s.client, s.now_us);
	drain(&s);
	while (cf_wire_left(&s.r) > 0) {
		uint8_t op = cf_wire_read_u8(&s.r) % 11;

		if (op < 3)
			answer(&s);
		else if (op == 3)
			raw(&s);
		else if (op == 4)
			s.now_us += cf_wire_read_u16(&s.r) * (uint64_t)10000;
		else
			call(&s, op - 5);
		drain(&s);
	}
	cf_turn_client_free(s.client);
	return 0;
}
