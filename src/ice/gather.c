/* SPDX-License-Identifier: Apache-2.0 */
/* Bases, local candidates and the asking of STUN servers (RFC 8445 section 5.1). */
#include "base/mem.h"
#include "ice/ice_priv.h"

#include <string.h>

/* What a kind of base means. */
static const struct {
	uint8_t type, transport, via;
} kinds[] = {
	[CF_ICE_BASE_UDP] = {CF_ICE_HOST, CF_ICE_UDP, CF_ICE_VIA_UDP},
	[CF_ICE_BASE_TCP_ACTIVE] = {CF_ICE_HOST, CF_ICE_TCP_ACTIVE, CF_ICE_VIA_TCP},
	[CF_ICE_BASE_TCP_PASSIVE] = {CF_ICE_HOST, CF_ICE_TCP_PASSIVE, CF_ICE_VIA_TCP},
	[CF_ICE_BASE_RELAY_UDP] = {CF_ICE_RELAY, CF_ICE_UDP, CF_ICE_VIA_UDP},
	[CF_ICE_BASE_RELAY_TCP] = {CF_ICE_RELAY, CF_ICE_UDP, CF_ICE_VIA_TCP},
	[CF_ICE_BASE_RELAY_TLS] = {CF_ICE_RELAY, CF_ICE_UDP, CF_ICE_VIA_TLS},
};

static const struct cf_addr no_addr;

struct ice_base *ice_base_find(struct cf_ice_agent *agent, unsigned id, uint8_t *ret_slot)
{
	for (uint8_t i = 0; i < CF_ICE_MAX_BASES; i++)
		if (agent->bases[i].used && agent->bases[i].id == id) {
			*ret_slot = i;
			return &agent->bases[i];
		}
	return NULL;
}

struct ice_local *ice_local_find(
	struct cf_ice_agent *agent, uint8_t slot, const struct cf_addr *addr)
{
	for (size_t i = 0; i < agent->n_locals; i++)
		if (agent->locals[i]->slot == slot && cf_addr_eq(&agent->locals[i]->c.addr, addr))
			return agent->locals[i];
	return NULL;
}

struct ice_local *ice_local_of_base(const struct cf_ice_agent *agent, uint8_t slot)
{
	for (size_t i = 0; i < agent->n_locals; i++) {
		struct ice_local *local = agent->locals[i];

		if (local->slot == slot &&
			(local->c.type == CF_ICE_HOST || local->c.type == CF_ICE_RELAY))
			return local;
	}
	return NULL;
}

static uint32_t priority_of(const struct ice_base *base, enum cf_ice_type type)
{
	return cf_ice_priority(cf_ice_type_preference(type, base->transport, base->via),
		cf_ice_local_preference(type, base->transport,
			(enum cf_addr_family)base->addr.family, base->cost, base->place));
}

/* RFC 8445 section 7.1.1: the priority that a peer-reflexive candidate learned from the check would
 * have. A check from a relayed base says the relayed candidate's own priority instead: the peer,
 * who may meet the check before the candidate, can then tell a relayed path from a direct one. */
uint32_t ice_base_prflx_priority(const struct cf_ice_agent *agent, uint8_t slot)
{
	const struct ice_base *base = &agent->bases[slot];

	return priority_of(base, base->relay ? CF_ICE_RELAY : CF_ICE_PRFLX);
}

int ice_local_add(struct cf_ice_agent *agent, uint8_t slot, enum cf_ice_type type,
	const struct cf_addr *addr, const struct cf_addr *related, const struct cf_addr *server,
	struct ice_local **ret_local)
{
	const struct ice_base *base = &agent->bases[slot];
	struct ice_local *local;

	if (agent->n_locals == ICE_MAX_LOCALS)
		return CF_ELIMIT;
	local = cf_alloc(sizeof(*local));
	if (!local)
		return CF_ENOMEM;
	local->slot = slot;
	local->c.component = 1;
	local->c.transport = (uint8_t)base->transport;
	local->c.type = (uint8_t)type;
	local->c.priority = type == CF_ICE_PRFLX ? ice_base_prflx_priority(agent, slot)
						 : priority_of(base, type);
	local->c.addr = *addr;
	local->c.related = *related;
	local->c.network_cost = base->cost;
	cf_ice_foundation(local->c.foundation, type, base->transport, &base->addr, server,
		agent->salt + (uint64_t)base->via);
	/* RFC 8445 section 5.1.3, RFC 8838 section 5: peer-reflexive ones are not signalled. */
	local->announce = type != CF_ICE_PRFLX;
	agent->out_candidates = agent->out_candidates || local->announce;
	if (local->announce && !base->relay)
		agent->announced_us = agent->now_us;
	agent->locals[agent->n_locals++] = local;
	if (ret_local)
		*ret_local = local;
	return 0;
}

static void start_gathers(struct cf_ice_agent *agent, uint8_t slot, uint8_t server)
{
	/* 0, 100, 300, 700, 1500 ms, over after 2.3 s: a caller does not wait 39.5 s (RFC 8489
	 * section 6.2.1), and the keep-alive asks again anyhow. */
	static const struct cf_stun_txn_options quick = {
		.rto_us = 100000, .rto_max_us = 800000, .rc = 5, .rm = 8};
	const struct ice_base *base = &agent->bases[slot];

	if (base->kind != CF_ICE_BASE_UDP || base->addr.family != agent->servers[server].family)
		return;
	for (size_t i = 0; i < ICE_MAX_GATHERS; i++) {
		struct ice_gather *gather = &agent->gathers[i];

		if (gather->used)
			continue;
		*gather = (struct ice_gather){.used = true, .slot = slot, .server = server};
		gather->again_us = CF_TIME_NEVER;
		cf_stun_txn_start(&gather->txn, &quick, CF_STUN_BINDING, agent->now_us);
		return;
	}
}

static unsigned free_place(const struct cf_ice_agent *agent, const struct ice_base *base)
{
	uint32_t taken = 0;
	unsigned place = 0;

	for (size_t i = 0; i < CF_ICE_MAX_BASES; i++) {
		const struct ice_base *other = &agent->bases[i];

		if (other->used && other->kind == base->kind &&
			other->addr.family == base->addr.family)
			taken |= 1u << other->place;
	}
	while (place < 31 && taken & 1u << place)
		place++;
	return place;
}

static int check_base(const struct cf_ice_agent *agent, const struct cf_ice_base_options *options)
{
	bool relay;

	if ((unsigned)options->kind >= CF_ARRAY_LEN(kinds) || !cf_addr_ip_len(&options->addr))
		return CF_EINVAL;
	relay = kinds[options->kind].type == CF_ICE_RELAY;
	if (relay ? agent->options.policy == CF_ICE_POLICY_DIRECT
		  : agent->options.policy == CF_ICE_POLICY_RELAY)
		return CF_EDENIED;
	for (size_t i = 0; i < CF_ICE_MAX_BASES; i++)
		if (agent->bases[i].used && agent->bases[i].kind == options->kind &&
			cf_addr_eq(&agent->bases[i].addr, &options->addr))
			return CF_EEXIST;
	return 0;
}

static int find_slot(const struct cf_ice_agent *agent)
{
	for (int i = 0; i < CF_ICE_MAX_BASES; i++)
		if (!agent->bases[i].used)
			return i;
	return CF_ELIMIT;
}

static int open_base(
	struct cf_ice_agent *agent, int slot, const struct cf_ice_base_options *options)
{
	struct ice_base *base = &agent->bases[slot];
	struct cf_addr addr = options->addr;

	*base = (struct ice_base){.kind = options->kind,
		.transport = (enum cf_ice_transport)kinds[options->kind].transport,
		.via = (enum cf_ice_via)kinds[options->kind].via,
		.relay = kinds[options->kind].type == CF_ICE_RELAY,
		.cost = options->cost > CF_ICE_COST_MAX ? CF_ICE_COST_MAX : options->cost,
		.addr = addr,
		.server = options->server};
	base->place = free_place(agent, base);
	base->id = agent->next_base;
	base->used = true;
	/* RFC 6544 section 4.5: an active candidate has no port of its own, 9 stands there. */
	if (base->kind == CF_ICE_BASE_TCP_ACTIVE)
		addr.port = 9;
	return ice_local_add(agent, (uint8_t)slot, (enum cf_ice_type)kinds[options->kind].type,
		&addr, base->relay ? &options->related : &no_addr, &options->server, NULL);
}

int cf_ice_agent_add_base(
	struct cf_ice_agent *agent, const struct cf_ice_base_options *options, uint64_t now_us)
{
	int err = check_base(agent, options), slot = find_slot(agent);

	if (err < 0)
		return err;
	if (slot < 0)
		return slot;
	agent->now_us = now_us;
	err = open_base(agent, slot, options);
	if (err < 0) {
		agent->bases[slot].used = false;
		return err;
	}
	agent->next_base++;
	err = ice_pairs_of_base(agent, (uint8_t)slot);
	if (err == CF_ENOMEM) {
		cf_ice_agent_remove_base(agent, agent->bases[slot].id, now_us);
		return err;
	}
	for (size_t i = 0; i < agent->n_servers; i++)
		start_gathers(agent, (uint8_t)slot, (uint8_t)i);
	agent->out_permits = true;
	cf_ice_agent_tick(agent, now_us);
	return (int)agent->bases[slot].id;
}

static void drop_locals(struct cf_ice_agent *agent, uint8_t slot)
{
	size_t kept = 0;

	for (size_t i = 0; i < agent->n_locals; i++) {
		if (agent->locals[i]->slot == slot)
			cf_free(agent->locals[i]);
		else
			agent->locals[kept++] = agent->locals[i];
	}
	agent->n_locals = kept;
}

void cf_ice_agent_remove_base(struct cf_ice_agent *agent, unsigned base, uint64_t now_us)
{
	uint8_t slot;
	struct ice_base *gone = ice_base_find(agent, base, &slot);

	if (!gone)
		return;
	agent->now_us = now_us;
	ice_sends_drop(agent, base, false);
	for (size_t i = agent->n_pairs; i-- > 0;)
		if (agent->pairs[i]->slot == slot)
			ice_pair_drop(agent, agent->pairs[i]);
	drop_locals(agent, slot);
	for (size_t i = 0; i < ICE_MAX_GATHERS; i++)
		if (agent->gathers[i].slot == slot)
			agent->gathers[i].used = false;
	for (size_t i = 0; i < agent->n_remotes; i++)
		agent->remotes[i]->permits &= ~(1u << slot);
	gone->used = false;
	cf_ice_agent_tick(agent, now_us);
}

int cf_ice_agent_add_stun_server(
	struct cf_ice_agent *agent, const struct cf_addr *server, uint64_t now_us)
{
	if (!cf_addr_ip_len(server) || server->port == 0)
		return CF_EINVAL;
	for (size_t i = 0; i < agent->n_servers; i++)
		if (cf_addr_eq(&agent->servers[i], server))
			return 0;
	if (agent->n_servers == CF_ICE_MAX_SERVERS)
		return CF_ELIMIT;
	agent->now_us = now_us;
	agent->servers[agent->n_servers++] = *server;
	for (size_t i = 0; i < CF_ICE_MAX_BASES; i++)
		if (agent->bases[i].used)
			start_gathers(agent, (uint8_t)i, (uint8_t)(agent->n_servers - 1));
	cf_ice_agent_tick(agent, now_us);
	return 0;
}

void ice_gather_again(struct cf_ice_agent *agent)
{
	for (size_t i = 0; i < ICE_MAX_GATHERS; i++) {
		struct ice_gather *gather = &agent->gathers[i];

		if (gather->used && !gather->txn.active &&
			agent->now_us - gather->txn.started_us >= ICE_ASK_PAUSE_US)
			gather->again_us = agent->now_us;
	}
}

void cf_ice_agent_ask_again(struct cf_ice_agent *agent, uint64_t now_us)
{
	agent->now_us = now_us;
	ice_gather_again(agent);
	cf_ice_agent_tick(agent, now_us);
}

/* RFC 8445 section 5.1.3: a candidate with the address of another one on the same base is
 * redundant. */
static int add_mapped(struct cf_ice_agent *agent, uint8_t slot, const struct cf_addr *mapped,
	const struct cf_addr *server)
{
	struct ice_local *local = ice_local_find(agent, slot, mapped);

	if (local && local->c.type == CF_ICE_PRFLX) {
		/* Seen by the peer before the server told us: now it can be signalled too. */
		local->c.type = CF_ICE_SRFLX;
		local->c.priority = priority_of(&agent->bases[slot], CF_ICE_SRFLX);
		local->c.related = agent->bases[slot].addr;
		local->announce = agent->out_candidates = true;
		return 0;
	}
	if (local)
		return 0;
	return ice_local_add(
		agent, slot, CF_ICE_SRFLX, mapped, &agent->bases[slot].addr, server, NULL);
}

int cf_ice_agent_add_mapped(struct cf_ice_agent *agent, unsigned base, const struct cf_addr *mapped,
	const struct cf_addr *server, uint64_t now_us)
{
	uint8_t slot;
	const struct ice_base *found = ice_base_find(agent, base, &slot);
	int err;

	if (!found || found->kind != CF_ICE_BASE_UDP || mapped->family != found->addr.family)
		return CF_EINVAL;
	agent->now_us = now_us;
	err = add_mapped(agent, slot, mapped, server ? server : &no_addr);
	if (err == 0)
		cf_ice_agent_tick(agent, now_us);
	return err;
}

void cf_ice_agent_bases_done(struct cf_ice_agent *agent, uint64_t now_us)
{
	agent->bases_done = true;
	cf_ice_agent_tick(agent, now_us);
}

/* Gathering is done once every server has answered or given up; asking again later does not count.
 */
void ice_gather_update(struct cf_ice_agent *agent)
{
	if (!agent->bases_done || agent->gathered)
		return;
	for (size_t i = 0; i < ICE_MAX_GATHERS; i++)
		if (agent->gathers[i].used && agent->gathers[i].state == ICE_GATHER_ASKING)
			return;
	agent->gathered = true;
	agent->out_gathered = true;
}

static struct ice_gather *gather_of(struct cf_ice_agent *agent, uint8_t slot,
	const struct cf_addr *src, const struct cf_stun_msg *msg)
{
	for (size_t i = 0; i < ICE_MAX_GATHERS; i++) {
		struct ice_gather *gather = &agent->gathers[i];

		if (gather->used && gather->slot == slot &&
			cf_stun_txn_matches(&gather->txn, msg) &&
			cf_addr_eq(src, &agent->servers[gather->server]))
			return gather;
	}
	return NULL;
}

bool ice_gather_response(struct cf_ice_agent *agent, uint8_t slot, const struct cf_addr *src,
	const struct cf_stun_msg *msg)
{
	struct ice_gather *gather = gather_of(agent, slot, src, msg);
	struct cf_addr mapped;

	if (!gather)
		return false;
	if (agent->now_us - gather->txn.started_us > agent->far_us)
		agent->far_us = agent->now_us - gather->txn.started_us;
	cf_stun_txn_end(&gather->txn);
	gather->again_us = agent->now_us + ICE_KEEPALIVE_US;
	gather->state = ICE_GATHER_FAILED;
	if (msg->cls != CF_STUN_SUCCESS)
		return true;
	/* RFC 8489 section 14.1: servers of RFC 3489 give the plain address only. */
	if (cf_stun_msg_xor_addr(msg, CF_STUN_XOR_MAPPED_ADDRESS, &mapped) < 0 &&
		cf_stun_msg_addr(msg, CF_STUN_MAPPED_ADDRESS, &mapped) < 0)
		return true;
	if (mapped.family != agent->bases[slot].addr.family || mapped.port == 0)
		return true;
	gather->state = ICE_GATHER_OK;
	if (!gather->answered_us)
		gather->answered_us = agent->now_us;
	/* No room or memory for it: a candidate less, the rest works on. */
	(void)!add_mapped(agent, slot, &mapped, src);
	return true;
}

uint64_t ice_gather_due(const struct cf_ice_agent *agent)
{
	uint64_t due = CF_TIME_NEVER, token_us = ice_token_us(agent);

	for (size_t i = 0; i < ICE_MAX_GATHERS; i++) {
		const struct ice_gather *gather = &agent->gathers[i];
		uint64_t at;

		if (!gather->used)
			continue;
		at = gather->txn.active ? cf_stun_txn_deadline(&gather->txn) : gather->again_us;
		if (!gather->txn.active && agent->state == CF_ICE_FAILED)
			continue;
		if (at < due)
			due = at;
	}
	return due == CF_TIME_NEVER || due > token_us ? due : token_us;
}

static void ask(struct cf_ice_agent *agent, const struct ice_gather *gather)
{
	struct cf_stun_writer w;
	uint8_t msg[64];
	int len;

	cf_stun_write_begin(
		&w, msg, sizeof(msg), CF_STUN_REQUEST, CF_STUN_BINDING, gather->txn.tid);
	cf_stun_write_fingerprint(&w);
	len = cf_stun_write_end(&w);
	if (len > 0)
		ice_send(agent, gather->slot, &agent->servers[gather->server], msg, (size_t)len);
}

static void run_one(struct cf_ice_agent *agent, struct ice_gather *gather)
{
	static const struct cf_stun_txn_options again = {
		.rto_us = 500000, .rto_max_us = 1000000, .rc = 3, .rm = 2};
	static const struct cf_stun_txn_options soon = {
		.rto_us = 100000, .rto_max_us = 400000, .rc = 4, .rm = 2};

	if (!gather->txn.active) {
		if (agent->now_us < gather->again_us || agent->state == CF_ICE_FAILED)
			return;
		cf_stun_txn_start(&gather->txn, agent->doubt ? &soon : &again, CF_STUN_BINDING,
			agent->now_us);
	}
	if (cf_stun_txn_deadline(&gather->txn) > agent->now_us || !ice_take_token(agent))
		return;
	switch (cf_stun_txn_poll(&gather->txn, agent->now_us)) {
	case CF_STUN_TXN_SEND:
		ask(agent, gather);
		break;
	case CF_STUN_TXN_TIMEOUT:
		if (gather->state == ICE_GATHER_ASKING)
			gather->state = ICE_GATHER_FAILED;
		gather->again_us =
			agent->now_us + (agent->doubt ? ICE_ASK_PAUSE_US : ICE_KEEPALIVE_US);
		break;
	case CF_STUN_TXN_WAIT:
		break;
	}
}

void ice_gather_run(struct cf_ice_agent *agent)
{
	for (size_t i = 0; i < ICE_MAX_GATHERS; i++)
		if (agent->gathers[i].used)
			run_one(agent, &agent->gathers[i]);
}

/* A server that ICMP calls unreachable after two questions will not answer the third. */
void ice_gather_icmp(struct cf_ice_agent *agent, uint8_t slot, const struct cf_addr *server)
{
	for (size_t i = 0; i < ICE_MAX_GATHERS; i++) {
		struct ice_gather *gather = &agent->gathers[i];

		if (!gather->used || gather->slot != slot || !gather->txn.active ||
			!cf_addr_eq(server, &agent->servers[gather->server]))
			continue;
		if (gather->txn.sent < 2)
			continue;
		cf_stun_txn_end(&gather->txn);
		if (gather->state == ICE_GATHER_ASKING)
			gather->state = ICE_GATHER_FAILED;
		gather->again_us = agent->now_us + ICE_KEEPALIVE_US;
	}
}
