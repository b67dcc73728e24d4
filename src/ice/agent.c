/* SPDX-License-Identifier: Apache-2.0 */
/* The agent's life: options, credentials, generations, time, and the way of a packet into it. */
#include "ice/agent.h"

#include "base/mem.h"
#include "base/rand.h"
#include "ice/ice_priv.h"

#include <stdio.h>
#include <string.h>

/* RFC 8445 section 5.3 asks for 24 and 128 bits of randomness; these give 47 and 142. */
#define UFRAG_LEN 8
#define PWD_LEN 24

void cf_ice_options_defaults(struct cf_ice_options *options)
{
	*options = (struct cf_ice_options){
		.ta_us = 5000,
		.burst = 10,
		.consent_ms = 5000,
		.consent_expiry_ms = 30000,
		.silence_ms = 2500,
		.fail_ms = 12000,
		.hopeless_ms = 2200,
	};
}

static void draw_creds(struct ice_creds *creds)
{
	cf_rand_text(creds->ufrag, UFRAG_LEN);
	cf_rand_text(creds->pwd, PWD_LEN);
}

static int copy_creds(struct ice_creds *creds, const char *ufrag, const char *pwd)
{
	if (!cf_ice_chars_valid(ufrag, strlen(ufrag), CF_ICE_UFRAG_MIN, CF_ICE_UFRAG_MAX) ||
		!cf_ice_chars_valid(pwd, strlen(pwd), CF_ICE_PWD_MIN, CF_ICE_PWD_MAX))
		return CF_EINVAL;
	snprintf(creds->ufrag, sizeof(creds->ufrag), "%s", ufrag);
	snprintf(creds->pwd, sizeof(creds->pwd), "%s", pwd);
	return 0;
}

static int init_creds(struct cf_ice_agent *agent, const struct cf_ice_options *options)
{
	struct ice_creds drawn;

	draw_creds(&drawn);
	return copy_creds(&agent->cur.local, options->ufrag ? options->ufrag : drawn.ufrag,
		options->pwd ? options->pwd : drawn.pwd);
}

struct cf_ice_agent *cf_ice_agent_new(const struct cf_ice_options *options, uint64_t now_us)
{
	struct cf_ice_agent *agent = cf_alloc(sizeof(*agent));

	if (!agent)
		return NULL;
	agent->options = *options;
	if (agent->options.ta_us < 1000)
		agent->options.ta_us = 1000;
	if (agent->options.burst < 1)
		agent->options.burst = 1;
	agent->controlling = options->controlling && !options->lite;
	agent->tie_breaker = options->tie_breaker ? options->tie_breaker : cf_rand_u64();
	agent->salt = cf_rand_u64();
	agent->hash_seed = cf_rand_u32();
	agent->now_us = agent->paced_us = now_us;
	agent->tokens_us = (uint64_t)agent->options.ta_us * agent->options.burst;
	agent->cur.id = agent->next_gen = 1;
	agent->nominate_us = agent->old_drop_us = CF_TIME_NEVER;
	cf_list_init(&agent->sends);
	cf_map_init(&agent->pair_map);
	if (init_creds(agent, options) < 0)
		return cf_ice_agent_free(agent);
	agent->options.ufrag = agent->options.pwd = NULL;
	return agent;
}

struct cf_ice_agent *cf_ice_agent_free(struct cf_ice_agent *agent)
{
	if (!agent)
		return NULL;
	ice_pairs_clear(agent);
	cf_map_done(&agent->pair_map);
	for (size_t i = 0; i < agent->n_remotes; i++)
		cf_free(agent->remotes[i]);
	for (size_t i = 0; i < agent->n_locals; i++)
		cf_free(agent->locals[i]);
	ice_sends_drop(agent, 0, true);
	cf_free(agent->taken);
	cf_wipe(&agent->cur, sizeof(agent->cur));
	cf_wipe(&agent->old, sizeof(agent->old));
	return cf_free(agent);
}

const char *cf_ice_agent_ufrag(const struct cf_ice_agent *agent)
{
	return agent->cur.local.ufrag;
}

const char *cf_ice_agent_pwd(const struct cf_ice_agent *agent)
{
	return agent->cur.local.pwd;
}

int cf_ice_agent_set_remote(
	struct cf_ice_agent *agent, const char *ufrag, const char *pwd, bool lite, uint64_t now_us)
{
	struct ice_creds creds;

	if (!cf_ice_peer_text_valid(
		    ufrag, strlen(ufrag), CF_ICE_UFRAG_MIN, CF_ICE_UFRAG_MAX, false) ||
		!cf_ice_peer_text_valid(pwd, strlen(pwd), CF_ICE_PWD_MIN, CF_ICE_PWD_MAX, true))
		return CF_EINVAL;
	snprintf(creds.ufrag, sizeof(creds.ufrag), "%s", ufrag);
	snprintf(creds.pwd, sizeof(creds.pwd), "%s", pwd);
	if (agent->cur.remote.ufrag[0]) {
		bool same = strcmp(creds.ufrag, agent->cur.remote.ufrag) == 0 &&
			    strcmp(creds.pwd, agent->cur.remote.pwd) == 0;

		return same ? 0 : CF_ESTATE;
	}
	agent->now_us = now_us;
	agent->cur.remote = creds;
	agent->remote_us = now_us;
	agent->remote_lite = lite;
	if (lite) {
		/* RFC 8445 section 6.1.1: the full agent controls; and a lite one never checks. */
		ice_switch_role(agent, true);
		agent->peer_us = now_us;
	}
	ice_remotes_known(agent);
	ice_early_replay(agent);
	cf_ice_agent_tick(agent, now_us);
	return 0;
}

/* What of the current generation outlives a restart: its valid pairs, if data goes over one. */
static void retire_pairs(struct cf_ice_agent *agent)
{
	uint32_t kept = agent->data ? agent->data->gen : 0;

	for (size_t i = agent->n_pairs; i-- > 0;) {
		struct ice_pair *pair = agent->pairs[i];

		pair->trigger = 0;
		if (pair->gen != kept || pair->state != CF_ICE_PAIR_SUCCEEDED)
			ice_pair_drop(agent, pair);
	}
	if (kept == agent->cur.id)
		agent->old = agent->cur;
	else if (kept == 0)
		agent->old.id = 0;
}

void cf_ice_agent_restart(struct cf_ice_agent *agent, uint64_t now_us)
{
	agent->now_us = now_us;
	retire_pairs(agent);
	agent->cur = (struct ice_gen){.id = ++agent->next_gen};
	draw_creds(&agent->cur.local);
	agent->selected = NULL;
	agent->first_valid_us = agent->peer_us = agent->remote_us = agent->remote_end_us = 0;
	agent->nominate_us = agent->old_drop_us = CF_TIME_NEVER;
	agent->remote_end = agent->remote_lite = false;
	agent->n_early = 0;
	ice_remotes_sweep(agent);
	for (size_t i = 0; i < agent->n_locals; i++)
		agent->locals[i]->announce = agent->locals[i]->c.type != CF_ICE_PRFLX;
	agent->out_candidates = true;
	agent->out_gathered = agent->gathered;
	agent->announced_us = now_us;
	if (!agent->data)
		ice_set_state(agent, CF_ICE_NEW);
	else if (agent->state == CF_ICE_COMPLETED)
		ice_set_state(agent, CF_ICE_CONNECTED);
	cf_ice_agent_tick(agent, now_us);
}

static void take_message(struct cf_ice_agent *agent, uint8_t slot, const struct cf_addr *src,
	const struct cf_stun_msg *msg)
{
	if (msg->cls == CF_STUN_REQUEST) {
		ice_answer(agent, slot, src, msg);
		return;
	}
	/* RFC 8445 section 11: an indication is a keep-alive, and proves nothing. */
	if (msg->cls == CF_STUN_INDICATION)
		return;
	if (!ice_gather_response(agent, slot, src, msg))
		ice_check_response(agent, slot, src, msg);
}

bool cf_ice_agent_input(struct cf_ice_agent *agent, unsigned base, const struct cf_addr *src,
	const void *p, size_t n, uint64_t now_us)
{
	struct cf_stun_msg msg;
	uint8_t slot;

	if (!cf_stun_is_msg(p, n) || !ice_base_find(agent, base, &slot))
		return false;
	if (cf_stun_msg_parse(&msg, p, n) < 0 || msg.method != CF_STUN_BINDING)
		return false;
	agent->now_us = now_us;
	take_message(agent, slot, src, &msg);
	cf_ice_agent_tick(agent, now_us);
	return true;
}

void cf_ice_agent_tick(struct cf_ice_agent *agent, uint64_t now_us)
{
	agent->now_us = now_us;
	ice_gather_run(agent);
	ice_gather_update(agent);
	ice_select(agent);
	ice_checks_run(agent);
	ice_gather_run(agent); /* what these two want to know */
}

uint64_t cf_ice_agent_deadline(const struct cf_ice_agent *agent)
{
	uint64_t due = ice_gather_due(agent), at = ice_checks_due(agent);

	if (at < due)
		due = at;
	at = ice_select_due(agent);
	return at < due ? at : due;
}

static void denied(struct cf_ice_agent *agent, uint8_t slot, const struct cf_addr *ip)
{
	for (size_t i = 0; i < agent->n_pairs; i++) {
		struct ice_pair *pair = agent->pairs[i];

		if (pair->slot != slot || !cf_addr_ip_eq(&pair->addr, ip) ||
			pair->state == CF_ICE_PAIR_SUCCEEDED)
			continue;
		ice_pair_fail(pair, CF_ICE_PAIR_DENIED);
		pair->hard = true;
	}
}

static void connection_gone(struct cf_ice_agent *agent, struct ice_pair *pair)
{
	bool was_data = pair == agent->data;

	if (pair->state == CF_ICE_PAIR_SUCCEEDED)
		ice_pair_lost(agent, pair);
	ice_pair_fail(pair, CF_ICE_PAIR_CONNECT);
	pair->hard = true;
	pair->validated = false;
	if (was_data && pair->gen != agent->cur.id)
		agent->data = NULL;
}

/* Soft (RFC 8445 section 7.2.5.2.2 would fail the pair): a NAT or host that says so now may let the
 * next check through, once the other side has sent. */
static void icmp(struct cf_ice_agent *agent, struct ice_pair *pair)
{
	pair->icmp = true;
	if (pair->error == CF_ICE_PAIR_NO_ANSWER)
		pair->error = CF_ICE_PAIR_UNREACHABLE;
	/* In use: ask at once instead of waiting for silence. */
	if (pair == agent->data && pair->unanswered == 0)
		pair->consent_us = agent->now_us;
}

void cf_ice_agent_unreachable(struct cf_ice_agent *agent, unsigned base,
	const struct cf_addr *remote, enum cf_ice_trouble trouble, uint64_t now_us)
{
	const uint32_t gens[] = {agent->cur.id, agent->old.id};
	uint8_t slot;

	if (!ice_base_find(agent, base, &slot))
		return;
	agent->now_us = now_us;
	if (trouble == CF_ICE_TROUBLE_DENIED)
		denied(agent, slot, remote);
	if (trouble == CF_ICE_TROUBLE_ICMP)
		ice_gather_icmp(agent, slot, remote);
	for (size_t i = 0; i < 2; i++) {
		struct ice_pair *pair = ice_pair_find(agent, slot, remote, gens[i]);

		if (pair && trouble == CF_ICE_TROUBLE_CONNECT)
			connection_gone(agent, pair);
		else if (pair && trouble == CF_ICE_TROUBLE_ICMP)
			icmp(agent, pair);
	}
	cf_ice_agent_tick(agent, now_us);
}

void cf_ice_agent_permitted(
	struct cf_ice_agent *agent, unsigned base, const struct cf_addr *ip, uint64_t now_us)
{
	uint8_t slot;

	if (!ice_base_find(agent, base, &slot))
		return;
	agent->now_us = now_us;
	for (size_t i = 0; i < agent->n_pairs; i++) {
		struct ice_pair *pair = agent->pairs[i];

		if (pair->slot == slot && pair->gen == agent->cur.id &&
			cf_addr_ip_eq(&pair->addr, ip))
			ice_pair_restart_tries(agent, pair);
	}
	cf_ice_agent_tick(agent, now_us);
}

static struct ice_pair *find_any(
	const struct cf_ice_agent *agent, unsigned base, const struct cf_addr *src)
{
	for (uint8_t slot = 0; slot < CF_ICE_MAX_BASES; slot++) {
		struct ice_pair *pair;

		if (!agent->bases[slot].used || agent->bases[slot].id != base)
			continue;
		pair = ice_pair_find(agent, slot, src, agent->cur.id);
		if (!(pair && pair->validated) && agent->old.id)
			pair = ice_pair_find(agent, slot, src, agent->old.id);
		return pair;
	}
	return NULL;
}

void cf_ice_agent_note_received(
	struct cf_ice_agent *agent, unsigned base, const struct cf_addr *src, uint64_t now_us)
{
	struct ice_pair *pair = find_any(agent, base, src);

	if (!pair || !pair->validated)
		return;
	if (now_us - pair->data_us > ICE_LIVELY_GAP_US)
		pair->run = 0;
	else if (pair->run < ICE_LIVELY_RUN)
		pair->run++;
	pair->data_us = pair->last_rx_us = now_us;
	pair->unanswered = 0;
	if (pair == agent->data || agent->stray != pair)
		agent->strays = 0;
	agent->stray = pair == agent->data ? NULL : pair;
	agent->strays += agent->stray != NULL;
}

bool cf_ice_agent_is_awaited(const struct cf_ice_agent *agent)
{
	return agent->n_early > 0;
}

bool cf_ice_agent_accepts(
	const struct cf_ice_agent *agent, unsigned base, const struct cf_addr *src)
{
	const struct ice_pair *pair = find_any(agent, base, src);

	return pair && pair->validated;
}
