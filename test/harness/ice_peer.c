/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/harness.h"

#include "harness/ice_peer.h"

#include "base/clock.h"
#include "base/rand.h"

#include <stdio.h>

struct cf_addr peer_addr(const char *text)
{
	struct cf_addr addr;

	assert_int_equal(cf_addr_parse(&addr, text, 0), 0);
	return addr;
}

struct cf_ice_agent *peer_agent(bool controlling, uint64_t now_us)
{
	struct cf_ice_options options;
	struct cf_ice_base_options base = {
		.kind = CF_ICE_BASE_UDP, .addr = peer_addr("10.0.0.1:5000")};
	struct cf_ice_agent *agent;

	cf_ice_options_defaults(&options);
	options.controlling = controlling;
	agent = cf_ice_agent_new(&options, now_us);
	assert_non_null(agent);
	assert_int_equal(cf_ice_agent_add_base(agent, &base, now_us), 0);
	assert_int_equal(cf_ice_agent_set_remote(agent, PEER_UFRAG, PEER_PWD, false, now_us), 0);
	return agent;
}

struct cf_ice_candidate peer_candidate(enum cf_ice_type type, const char *addr)
{
	struct cf_ice_candidate c = {.foundation = "1", .component = 1, .type = (uint8_t)type};

	c.addr = peer_addr(addr);
	c.priority = cf_ice_priority(cf_ice_type_preference(type, CF_ICE_UDP, CF_ICE_VIA_UDP),
		(uint16_t)(65535 - c.addr.port % 1000));
	return c;
}

static void keep_packet(struct peer_out *out, const struct cf_ice_output *o, uint64_t now_us)
{
	if (out->n == PEER_MAX_OUT)
		fail_msg("too many packets");
	assert_true(o->data.len <= sizeof(out->packet[0].data));
	out->packet[out->n].base = o->base;
	out->packet[out->n].addr = o->addr;
	out->packet[out->n].len = o->data.len;
	out->packet[out->n].at = now_us;
	memcpy(out->packet[out->n++].data, o->data.p, o->data.len);
}

void peer_drain(struct cf_ice_agent *agent, struct peer_out *out, uint64_t now_us)
{
	struct cf_ice_output o;

	while (cf_ice_agent_output(agent, &o)) {
		switch (o.kind) {
		case CF_ICE_OUT_SEND:
			keep_packet(out, &o, now_us);
			break;
		case CF_ICE_OUT_LOCAL_CANDIDATE:
			assert_true(out->n_candidates < 64);
			out->candidate[out->n_candidates++] = o.candidate;
			break;
		case CF_ICE_OUT_PERMIT:
			out->n_permits++;
			break;
		case CF_ICE_OUT_SELECTED:
			out->n_selected++;
			out->path = o.path;
			break;
		case CF_ICE_OUT_DOUBT:
			break;
		case CF_ICE_OUT_STATE:
			out->n_states++;
			out->state = o.state;
			break;
		case CF_ICE_OUT_GATHERING_DONE:
			out->gathered = true;
			break;
		}
	}
}

void peer_run(struct cf_ice_agent *agent, struct peer_out *out, uint64_t *now_us, uint64_t until_us)
{
	peer_drain(agent, out, *now_us);
	for (unsigned i = 0; i < 100000; i++) {
		uint64_t due = cf_ice_agent_deadline(agent);

		if (due > until_us) {
			*now_us = until_us;
			return;
		}
		*now_us = due > *now_us ? due : *now_us;
		cf_ice_agent_tick(agent, *now_us);
		peer_drain(agent, out, *now_us);
	}
	fail_msg("the agent spins");
}

static void put_request(
	struct cf_stun_writer *w, const struct cf_ice_agent *agent, const struct peer_request *r)
{
	char user[600];

	snprintf(user, sizeof(user), "%s:%s", cf_ice_agent_ufrag(agent), PEER_UFRAG);
	if (!r->user || r->user[0])
		cf_stun_write_view(w, CF_STUN_USERNAME, cf_view_str(r->user ? r->user : user));
	if (!r->no_priority)
		cf_stun_write_u32(w, CF_ICE_PRIORITY,
			r->priority ? r->priority : cf_ice_priority(110, 65535));
	if (r->controlling)
		cf_stun_write_u64(w, CF_ICE_CONTROLLING, r->controlling);
	if (r->controlled)
		cf_stun_write_u64(w, CF_ICE_CONTROLLED, r->controlled);
	if (r->use_candidate)
		cf_stun_write_empty(w, CF_ICE_USE_CANDIDATE);
	if (r->nomination)
		cf_stun_write_u32(w, 0xC001, r->nomination);
	if (r->extra)
		cf_stun_write_u32(w, r->extra, 7);
}

bool peer_request(struct cf_ice_agent *agent, unsigned base, const char *src,
	const struct peer_request *r, uint64_t now_us)
{
	struct cf_view pwd = cf_view_str(r->pwd ? r->pwd : cf_ice_agent_pwd(agent));
	struct cf_addr from = peer_addr(src);
	uint8_t tid[CF_STUN_TID_LEN], msg[1024];
	struct cf_stun_writer w;
	int len;

	cf_rand_bytes(tid, sizeof(tid));
	cf_stun_write_begin(&w, msg, sizeof(msg), CF_STUN_REQUEST, CF_STUN_BINDING, tid);
	put_request(&w, agent, r);
	if (pwd.len > 0 && r->sha256)
		cf_stun_write_integrity_sha256(&w, pwd);
	else if (pwd.len > 0)
		cf_stun_write_integrity(&w, pwd);
	cf_stun_write_fingerprint(&w);
	len = cf_stun_write_end(&w);
	assert_true(len > 0);
	return cf_ice_agent_input(agent, base, &from, msg, (size_t)len, now_us);
}

void peer_parse(const struct peer_out *out, size_t i, struct cf_stun_msg *ret_msg)
{
	assert_true(i < out->n);
	assert_int_equal(cf_stun_msg_parse(ret_msg, out->packet[i].data, out->packet[i].len), 0);
}

bool peer_answer(struct cf_ice_agent *agent, const struct peer_out *out, size_t i, const char *from,
	const struct peer_response *r, uint64_t now_us)
{
	struct cf_addr src = from ? peer_addr(from) : out->packet[i].addr;
	struct cf_addr mapped = r->mapped ? *r->mapped : peer_addr("10.0.0.1:5000");
	struct cf_view pwd = cf_view_str(r->pwd ? r->pwd : PEER_PWD);
	struct cf_stun_msg request;
	struct cf_stun_writer w;
	uint8_t msg[512];
	int len;

	peer_parse(out, i, &request);
	cf_stun_write_begin(&w, msg, sizeof(msg), r->error ? CF_STUN_ERROR : CF_STUN_SUCCESS,
		CF_STUN_BINDING, request.tid);
	if (r->error)
		cf_stun_write_error(&w, r->error, NULL);
	else
		cf_stun_write_xor_addr(&w, CF_STUN_XOR_MAPPED_ADDRESS, &mapped);
	if (pwd.len > 0)
		cf_stun_write_integrity(&w, pwd);
	cf_stun_write_fingerprint(&w);
	len = cf_stun_write_end(&w);
	assert_true(len > 0);
	return cf_ice_agent_input(agent, out->packet[i].base, &src, msg, (size_t)len, now_us);
}

int peer_find(const struct peer_out *out, const char *addr, enum cf_stun_class cls)
{
	struct cf_addr wanted = peer_addr(addr);
	struct cf_stun_msg msg;

	for (size_t i = out->n; i-- > 0;) {
		if (!cf_addr_eq(&out->packet[i].addr, &wanted))
			continue;
		peer_parse(out, i, &msg);
		if (msg.cls == cls)
			return (int)i;
	}
	return -1;
}
