/* SPDX-License-Identifier: Apache-2.0 */
/* What the agent puts out. Events are marks that are looked at when asked, so that they are never
 * lost for want of memory; packets are queued, and one without memory or room is a packet lost. */
#include "base/mem.h"
#include "ice/ice_priv.h"

#include <stdio.h>
#include <string.h>

void ice_send(struct cf_ice_agent *agent, uint8_t slot, const struct cf_addr *addr, const void *p,
	size_t n)
{
	struct ice_send *send;

	if (agent->n_sends >= ICE_MAX_SENDS)
		return;
	send = cf_alloc(sizeof(*send) + n);
	if (!send)
		return;
	send->base = agent->bases[slot].id;
	send->addr = *addr;
	send->len = n;
	memcpy(send->data, p, n);
	cf_list_push(&agent->sends, &send->node);
	agent->n_sends++;
}

void ice_sends_drop(struct cf_ice_agent *agent, unsigned base, bool all)
{
	CF_LIST_FOR_SAFE(it, &agent->sends)
	{
		struct ice_send *send = CF_CONTAINER_OF(it, struct ice_send, node);

		if (!all && send->base != base)
			continue;
		cf_list_remove(it);
		cf_free(send);
		agent->n_sends--;
	}
}

static bool out_candidate(struct cf_ice_agent *agent, struct cf_ice_output *out)
{
	for (size_t i = 0; agent->out_candidates && i < agent->n_locals; i++) {
		struct ice_local *local = agent->locals[i];

		if (!local->announce)
			continue;
		local->announce = false;
		out->kind = CF_ICE_OUT_LOCAL_CANDIDATE;
		out->base = agent->bases[local->slot].id;
		out->candidate = local->c;
		/* RFC 8838 section 4.3: to which generation it belongs. */
		if (strlen(agent->cur.local.ufrag) < sizeof(out->candidate.ufrag))
			snprintf(out->candidate.ufrag, sizeof(out->candidate.ufrag), "%s",
				agent->cur.local.ufrag);
		return true;
	}
	agent->out_candidates = false;
	return false;
}

static bool out_gathered(struct cf_ice_agent *agent, struct cf_ice_output *out)
{
	if (!agent->out_gathered)
		return false;
	agent->out_gathered = false;
	out->kind = CF_ICE_OUT_GATHERING_DONE;
	return true;
}

/* Whether the relay was asked already to let this IP in, for another port of it. */
static bool asked_for(const struct cf_ice_agent *agent, const struct cf_addr *ip, uint32_t bit)
{
	for (size_t i = 0; i < agent->n_remotes; i++)
		if (agent->remotes[i]->permits & bit &&
			cf_addr_ip_eq(&agent->remotes[i]->c.addr, ip))
			return true;
	return false;
}

static bool permit_needed(struct cf_ice_agent *agent, struct ice_remote *remote,
	const struct ice_base *base, uint32_t bit)
{
	if (!base->used || !base->relay || remote->permits & bit ||
		!ice_usable(agent, base, remote))
		return false;
	if (asked_for(agent, &remote->c.addr, bit)) {
		remote->permits |= bit;
		return false;
	}
	remote->permits |= bit;
	return true;
}

static bool out_permit(struct cf_ice_agent *agent, struct cf_ice_output *out)
{
	for (size_t i = 0; agent->out_permits && i < agent->n_remotes; i++) {
		struct ice_remote *remote = agent->remotes[i];

		for (size_t slot = 0; slot < CF_ICE_MAX_BASES; slot++) {
			const struct ice_base *base = &agent->bases[slot];

			if (!permit_needed(agent, remote, base, 1u << slot))
				continue;
			out->kind = CF_ICE_OUT_PERMIT;
			out->base = base->id;
			out->addr = remote->c.addr;
			out->addr.port = 0;
			return true;
		}
	}
	agent->out_permits = false;
	return false;
}

static bool out_send(struct cf_ice_agent *agent, struct cf_ice_output *out)
{
	struct cf_list *node = cf_list_pop(&agent->sends);

	if (!node)
		return false;
	agent->n_sends--;
	agent->taken = CF_CONTAINER_OF(node, struct ice_send, node);
	out->kind = CF_ICE_OUT_SEND;
	out->base = agent->taken->base;
	out->addr = agent->taken->addr;
	out->data = cf_view_of(agent->taken->data, agent->taken->len);
	return true;
}

static bool out_selected(struct cf_ice_agent *agent, struct cf_ice_output *out)
{
	if (!agent->out_selected)
		return false;
	agent->out_selected = false;
	if (!agent->data)
		return false;
	out->kind = CF_ICE_OUT_SELECTED;
	ice_path_of(agent, agent->data, &out->path);
	out->cause = agent->cause;
	out->gap_us = agent->gap_us;
	return true;
}

static bool out_doubt(struct cf_ice_agent *agent, struct cf_ice_output *out)
{
	if (!agent->out_doubt)
		return false;
	agent->out_doubt = false;
	out->kind = CF_ICE_OUT_DOUBT;
	out->doubt = agent->doubt;
	return true;
}

static bool out_state(struct cf_ice_agent *agent, struct cf_ice_output *out)
{
	if (!agent->out_state)
		return false;
	agent->out_state = false;
	out->kind = CF_ICE_OUT_STATE;
	out->state = agent->state;
	return true;
}

bool cf_ice_agent_output(struct cf_ice_agent *agent, struct cf_ice_output *ret_output)
{
	struct cf_ice_output out = {.kind = CF_ICE_OUT_STATE};

	agent->taken = cf_free(agent->taken);
	if (!out_candidate(agent, &out) && !out_gathered(agent, &out) && !out_permit(agent, &out) &&
		!out_send(agent, &out) && !out_selected(agent, &out) && !out_doubt(agent, &out) &&
		!out_state(agent, &out))
		return false;
	*ret_output = out;
	return true;
}
