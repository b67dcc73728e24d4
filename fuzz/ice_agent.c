/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A life of the agent, spoken in bytes: each operation is a byte and its operands. Packets are raw,
 * or well-formed and signed requests, or answers to what the agent itself sent, so that the states
 * behind authentication are reached. What must hold: no deadline in the past after a tick, a
 * selected path is accepted, every text fits, limits are kept.
 */
#include "base/clock.h"
#include "base/mem.h"
#include "ice/agent.h"
#include "stun/msg.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define KEPT 16

struct life {
	const uint8_t *p;
	size_t left;
	struct cf_ice_agent *agent;
	uint64_t now;
	struct {
		unsigned base;
		struct cf_addr addr;
		uint8_t tid[CF_STUN_TID_LEN];
	} sent[KEPT];
	unsigned n_sent;
};

static uint8_t take(struct life *life)
{
	if (life->left == 0)
		return 0;
	life->left--;
	return *life->p++;
}

static struct cf_addr take_addr(struct life *life)
{
	uint8_t b = take(life);
	struct cf_addr addr = {.family = CF_ADDR_IPV4, .port = (uint16_t)(1000 + (b & 7))};

	addr.ip[0] = b & 0x80 ? 10 : 203;
	addr.ip[3] = (uint8_t)(1 + (b >> 3 & 15));
	if (b == 0x7f) {
		addr.family = CF_ADDR_IPV6;
		addr.ip[0] = 0xfe;
		addr.ip[1] = 0x80;
	}
	return addr;
}

static void remember(struct life *life, const struct cf_ice_output *out)
{
	struct cf_stun_msg msg;

	if (cf_stun_msg_parse(&msg, out->data.p, out->data.len) < 0)
		abort(); /* what we send is well-formed */
	if (msg.cls != CF_STUN_REQUEST)
		return;
	life->sent[life->n_sent % KEPT].base = out->base;
	life->sent[life->n_sent % KEPT].addr = out->addr;
	memcpy(life->sent[life->n_sent % KEPT].tid, msg.tid, CF_STUN_TID_LEN);
	life->n_sent++;
}

static void drain(struct life *life)
{
	struct cf_ice_output out;
	char text[CF_ICE_CANDIDATE_TEXT_MAX];
	unsigned n = 0;

	while (cf_ice_agent_output(life->agent, &out)) {
		if (out.kind == CF_ICE_OUT_SEND)
			remember(life, &out);
		if (out.kind == CF_ICE_OUT_LOCAL_CANDIDATE &&
			cf_ice_candidate_print(&out.candidate, text, sizeof(text)) < 0)
			abort();
		if (out.kind == CF_ICE_OUT_SELECTED &&
			!cf_ice_agent_accepts(life->agent, out.path.base, &out.path.to))
			abort();
		if (++n > 10000)
			abort();
	}
}

static void request(struct life *life)
{
	uint8_t flags = take(life), base = take(life) & 7, msg[512], tid[CF_STUN_TID_LEN] = {0};
	struct cf_addr src = take_addr(life);
	struct cf_stun_writer w;
	char user[64];
	int len;

	tid[0] = take(life);
	snprintf(user, sizeof(user), "%.32s:peer", cf_ice_agent_ufrag(life->agent));
	cf_stun_write_begin(&w, msg, sizeof(msg), CF_STUN_REQUEST, CF_STUN_BINDING, tid);
	cf_stun_write_view(&w, CF_STUN_USERNAME, cf_view_str(user));
	cf_stun_write_u32(&w, CF_ICE_PRIORITY, (uint32_t)take(life) << 24);
	if (flags & 1)
		cf_stun_write_empty(&w, CF_ICE_USE_CANDIDATE);
	if (flags & 2)
		cf_stun_write_u64(&w, CF_ICE_CONTROLLING, (uint64_t)take(life) << 56);
	if (flags & 4)
		cf_stun_write_u64(&w, CF_ICE_CONTROLLED, (uint64_t)take(life) << 56);
	if (flags & 8)
		cf_stun_write_u32(&w, 0xC001, take(life));
	if (flags & 16)
		cf_stun_write_integrity_sha256(&w, cf_view_str(cf_ice_agent_pwd(life->agent)));
	else
		cf_stun_write_integrity(&w, cf_view_str(cf_ice_agent_pwd(life->agent)));
	len = cf_stun_write_end(&w);
	if (len > 0)
		(void)cf_ice_agent_input(life->agent, base, &src, msg, (size_t)len, life->now);
}

static void response(struct life *life)
{
	uint8_t flags = take(life), msg[256];
	unsigned i = take(life) % KEPT;
	struct cf_addr mapped = take_addr(life), src = life->sent[i].addr;
	struct cf_stun_writer w;
	int len;

	if (life->n_sent <= i)
		return;
	if (flags & 1)
		src = take_addr(life);
	cf_stun_write_begin(&w, msg, sizeof(msg), flags & 2 ? CF_STUN_ERROR : CF_STUN_SUCCESS,
		CF_STUN_BINDING, life->sent[i].tid);
	if (flags & 2)
		cf_stun_write_error(&w, flags & 4 ? 487 : 401, NULL);
	else
		cf_stun_write_xor_addr(&w, CF_STUN_XOR_MAPPED_ADDRESS, &mapped);
	if (!(flags & 8))
		cf_stun_write_integrity(&w, cf_view_str("peerpasswordpeerpassword"));
	len = cf_stun_write_end(&w);
	if (len > 0)
		(void)cf_ice_agent_input(
			life->agent, life->sent[i].base, &src, msg, (size_t)len, life->now);
}

static void raw(struct life *life)
{
	size_t n = take(life);
	struct cf_addr src = take_addr(life);
	uint8_t msg[256];

	n = n < life->left ? n : life->left;
	memcpy(msg, life->p, n);
	life->p += n;
	life->left -= n;
	(void)cf_ice_agent_input(life->agent, 0, &src, msg, n, life->now);
}

static void add_base(struct life *life)
{
	struct cf_ice_base_options base = {.kind = (enum cf_ice_base_kind)(take(life) % 7)};

	base.addr = take_addr(life);
	base.cost = take(life);
	(void)!cf_ice_agent_add_base(life->agent, &base, life->now);
}

static void add_remote(struct life *life)
{
	struct cf_ice_candidate c = {.foundation = "1", .component = 1};

	c.type = take(life) % 5;
	c.transport = take(life) % 5;
	c.addr = take_addr(life);
	c.priority = (uint32_t)take(life) << 24;
	(void)!cf_ice_agent_add_remote(life->agent, &c, life->now);
}

static void trouble(struct life *life)
{
	uint8_t kind = take(life), base = take(life) & 7;
	struct cf_addr addr = take_addr(life);

	if (kind & 4)
		cf_ice_agent_permitted(life->agent, base, &addr, life->now);
	else
		cf_ice_agent_unreachable(
			life->agent, base, &addr, (enum cf_ice_trouble)(kind % 3), life->now);
}

static void received(struct life *life)
{
	uint8_t base = take(life) & 7;
	struct cf_addr addr = take_addr(life);

	cf_ice_agent_note_received(life->agent, base, &addr, life->now);
}

static void signalling(struct life *life)
{
	struct cf_addr server;

	switch (take(life) % 6) {
	case 0:
		(void)!cf_ice_agent_set_remote(
			life->agent, "peer", "peerpasswordpeerpassword", take(life) & 1, life->now);
		break;
	case 1:
		cf_ice_agent_restart(life->agent, life->now);
		break;
	case 2:
		cf_ice_agent_end_of_remotes(life->agent, life->now);
		break;
	case 3:
		cf_ice_agent_bases_done(life->agent, life->now);
		break;
	case 4:
		server = take_addr(life);
		(void)!cf_ice_agent_add_stun_server(life->agent, &server, life->now);
		break;
	default:
		cf_ice_agent_remove_base(life->agent, take(life) & 7, life->now);
	}
}

static void pass_time(struct life *life)
{
	uint8_t b = take(life);
	uint64_t until = life->now + ((uint64_t)(b & 15) << (b >> 4));

	for (unsigned i = 0; i < 200; i++) {
		uint64_t due = cf_ice_agent_deadline(life->agent);

		life->now = due < until ? (due > life->now ? due : life->now) : until;
		cf_ice_agent_tick(life->agent, life->now);
		if (cf_ice_agent_deadline(life->agent) <= life->now)
			abort(); /* it would spin */
		drain(life);
		if (life->now >= until)
			return;
	}
}

static void (*const operations[])(struct life *life) = {
	request, response, raw, add_base, add_remote, trouble, received, signalling, pass_time};

static void look(const struct life *life)
{
	char why[CF_ICE_WHY_MAX];
	struct cf_ice_pair_info info;
	struct cf_ice_candidate c;
	size_t n = 0;

	if (strlen(cf_ice_agent_why(life->agent, why, sizeof(why))) >= sizeof(why))
		abort();
	while (cf_ice_agent_pair(life->agent, n, &info))
		n++;
	if (n > CF_ICE_MAX_PAIRS)
		abort();
	for (n = 0; cf_ice_agent_remote(life->agent, n, &c);)
		n++;
	if (n > CF_ICE_MAX_REMOTES + 16)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct life life = {.p = data, .left = size, .now = CF_US_PER_S};
	struct cf_ice_options options;
	uint8_t flags = take(&life);

	cf_ice_options_defaults(&options);
	options.controlling = flags & 1;
	options.lite = (flags & 6) == 6;
	options.policy = (enum cf_ice_policy)((flags >> 3) % 3);
	options.tie_breaker = 1ull << 63;
	life.agent = cf_ice_agent_new(&options, life.now);
	if (!life.agent)
		return 0;
	while (life.left > 0) {
		operations[take(&life) % CF_ARRAY_LEN(operations)](&life);
		drain(&life);
	}
	look(&life);
	cf_ice_agent_free(life.agent);
	return 0;
}
