/* SPDX-License-Identifier: Apache-2.0 */
/* What the agent knows, told to programs and to people. */
#include "base/mem.h"
#include "ice/ice_priv.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const char *const state_names[] = {
	[CF_ICE_NEW] = "new",
	[CF_ICE_CHECKING] = "checking",
	[CF_ICE_CONNECTED] = "connected",
	[CF_ICE_COMPLETED] = "completed",
	[CF_ICE_DISCONNECTED] = "disconnected",
	[CF_ICE_FAILED] = "failed",
};

static const char *const error_texts[] = {
	[CF_ICE_PAIR_OK] = "works",
	[CF_ICE_PAIR_NOT_TRIED] = "not tried",
	[CF_ICE_PAIR_NO_ANSWER] = "no answer",
	[CF_ICE_PAIR_UNREACHABLE] = "destination unreachable (ICMP)",
	[CF_ICE_PAIR_DENIED] = "the relay refuses that address",
	[CF_ICE_PAIR_CONNECT] = "TCP could not connect",
	[CF_ICE_PAIR_REFUSED] = "refused, most likely a stranger with that address",
	[CF_ICE_PAIR_BAD_ANSWER] = "answered without the right password, a stranger",
	[CF_ICE_PAIR_ASYMMETRIC] = "answered from another address",
	[CF_ICE_PAIR_LOST] = "worked and then went silent",
};

const char *cf_ice_state_name(enum cf_ice_state state)
{
	return state <= CF_ICE_FAILED ? state_names[state] : "unknown";
}

const char *cf_ice_pair_error_text(enum cf_ice_pair_error error)
{
	return error <= CF_ICE_PAIR_LOST ? error_texts[error] : "unknown";
}

enum cf_ice_state cf_ice_agent_state(const struct cf_ice_agent *agent)
{
	return agent->state;
}

bool cf_ice_agent_controlling(const struct cf_ice_agent *agent)
{
	return agent->controlling;
}

uint64_t cf_ice_agent_last_received_us(const struct cf_ice_agent *agent)
{
	return agent->data ? agent->data->last_rx_us : 0;
}

uint64_t cf_ice_agent_last_consent_us(const struct cf_ice_agent *agent)
{
	return agent->data ? agent->data->last_consent_us : 0;
}

static enum cf_ice_path_kind kind_of(const struct ice_pair *pair)
{
	if (pair->relays > 0)
		return CF_ICE_PATH_RELAYED;
	return pair->local->c.type == CF_ICE_HOST && pair->remote->c.type == CF_ICE_HOST
		       ? CF_ICE_PATH_DIRECT
		       : CF_ICE_PATH_REFLEXIVE;
}

void ice_path_of(
	const struct cf_ice_agent *agent, const struct ice_pair *pair, struct cf_ice_path *ret_path)
{
	const struct ice_base *base = &agent->bases[pair->slot];
	enum cf_ice_via ours = base->via, theirs = cf_ice_candidate_via(&pair->remote->c);

	*ret_path = (struct cf_ice_path){
		.kind = kind_of(pair),
		.relays = pair->relays,
		.via = ours > theirs ? ours : theirs,
		.base = base->id,
		.to = pair->addr,
		.nominated = pair == agent->selected,
		.rtt_us = pair->rtt_us,
		.priority = pair->priority,
		.local = pair->local->c,
		.remote = pair->remote->c,
	};
}

bool cf_ice_agent_selected(const struct cf_ice_agent *agent, struct cf_ice_path *ret_path)
{
	if (!agent->data)
		return false;
	ice_path_of(agent, agent->data, ret_path);
	return true;
}

static void info_of(const struct cf_ice_agent *agent, const struct ice_pair *pair,
	struct cf_ice_pair_info *info)
{
	*info = (struct cf_ice_pair_info){
		.base = agent->bases[pair->slot].id,
		.local = pair->local->c,
		.remote = pair->remote->c,
		.priority = pair->priority,
		.relays = pair->relays,
		.state = pair->state,
		.error = pair->error,
		.code = pair->code,
		.requests = pair->requests,
		.responses = pair->responses,
		.checks_received = pair->checks_received,
		.rtt_us = pair->rtt_us,
		.first_request_us = pair->first_request_us,
		.first_response_us = pair->first_response_us,
		.nominated = pair->nominated,
		.selected = pair == agent->data,
	};
}

bool cf_ice_agent_pair(
	const struct cf_ice_agent *agent, size_t i, struct cf_ice_pair_info *ret_info)
{
	if (i >= agent->n_pairs)
		return false;
	info_of(agent, agent->pairs[i], ret_info);
	return true;
}

bool cf_ice_agent_local(
	const struct cf_ice_agent *agent, size_t i, struct cf_ice_candidate *ret_candidate)
{
	if (i >= agent->n_locals)
		return false;
	*ret_candidate = agent->locals[i]->c;
	return true;
}

bool cf_ice_agent_remote(
	const struct cf_ice_agent *agent, size_t i, struct cf_ice_candidate *ret_candidate)
{
	for (size_t k = 0; k < agent->n_remotes; k++)
		if (agent->remotes[k]->gen == agent->cur.id && i-- == 0) {
			*ret_candidate = agent->remotes[k]->c;
			return true;
		}
	return false;
}

enum cf_ice_stun_state cf_ice_agent_stun(
	const struct cf_ice_agent *agent, const struct cf_addr *server, uint64_t *ret_answered_us)
{
	enum cf_ice_stun_state state = CF_ICE_STUN_UNUSED;

	*ret_answered_us = 0;
	for (size_t i = 0; i < ICE_MAX_GATHERS; i++) {
		const struct ice_gather *gather = &agent->gathers[i];

		if (!gather->used || !cf_addr_eq(server, &agent->servers[gather->server]))
			continue;
		if (state == CF_ICE_STUN_UNUSED)
			state = CF_ICE_STUN_NO_ANSWER;
		if (gather->state == ICE_GATHER_ASKING)
			state = CF_ICE_STUN_ASKING;
		if (gather->answered_us &&
			(!*ret_answered_us || gather->answered_us < *ret_answered_us))
			*ret_answered_us = gather->answered_us;
	}
	return *ret_answered_us ? CF_ICE_STUN_ANSWERED : state;
}

/* Text that is cut off rather than overrun. */
struct out {
	char *p;
	size_t cap, len;
	bool cut;
};

CF_PRINTF(2, 3) static void say(struct out *out, const char *format, ...)
{
	va_list args;
	int n;

	if (out->cut)
		return;
	va_start(args, format);
	n = vsnprintf(out->p + out->len, out->cap - out->len, format, args);
	va_end(args);
	if (n < 0 || (size_t)n >= out->cap - out->len) {
		out->cut = true;
		/* A cut-off tail ends in dots. */
		if (out->cap > 4)
			memcpy(out->p + out->cap - 4, "...", 4);
		else
			out->p[out->len] = 0;
		return;
	}
	out->len += (size_t)n;
}

static void say_leg(struct out *out, const struct cf_ice_candidate *c)
{
	char text[CF_ADDR_TEXT_MAX];
	bool relayed = cf_ice_candidate_is_relayed(c);
	enum cf_ice_via via = cf_ice_candidate_via(c);

	say(out, "%s %s", relayed ? "relay" : cf_ice_type_name((enum cf_ice_type)c->type),
		cf_addr_text(&c->addr, text));
	if (via != CF_ICE_VIA_UDP)
		say(out, " over %s", cf_ice_via_name(via));
}

static void say_pair(struct out *out, const struct ice_pair *pair)
{
	say_leg(out, &pair->local->c);
	say(out, " to ");
	say_leg(out, &pair->remote->c);
}

static void say_failure(struct out *out, const struct ice_pair *pair)
{
	say_pair(out, pair);
	say(out, ": %s", cf_ice_pair_error_text(pair->error));
	if (pair->error == CF_ICE_PAIR_REFUSED)
		say(out, " (%u)", pair->code);
	if (pair->error == CF_ICE_PAIR_NO_ANSWER || pair->error == CF_ICE_PAIR_UNREACHABLE) {
		say(out, " to %u check%s", pair->requests, pair->requests == 1 ? "" : "s");
		if (pair->checks_received > 0)
			say(out, " (the peer's came through)");
	}
}

static void say_kind(struct out *out, const struct cf_ice_path *path)
{
	static const char *const kinds[] = {
		[CF_ICE_PATH_DIRECT] = "direct, host to host",
		[CF_ICE_PATH_REFLEXIVE] = "direct through NAT",
		[CF_ICE_PATH_RELAYED] = "through one relay",
	};

	say(out, "%s over %s", path->relays == 2 ? "through two relays" : kinds[path->kind],
		cf_ice_via_name(path->via));
}

static void why_path(const struct cf_ice_agent *agent, struct out *out)
{
	struct cf_ice_path path;
	size_t better = 0;

	ice_path_of(agent, agent->data, &path);
	say_kind(out, &path);
	say(out, " (");
	say_pair(out, agent->data);
	say(out, ")");
	for (size_t i = 0; i < agent->n_pairs && agent->pairs[i] != agent->data; i++) {
		const struct ice_pair *pair = agent->pairs[i];

		/* One that works too is left alone because it would change nothing for people. */
		if (pair->gen != agent->cur.id || pair->state == CF_ICE_PAIR_SUCCEEDED)
			continue;
		say(out, better++ == 0 ? "; better ones did not do: " : "; ");
		say_failure(out, pair);
	}
	if (better == 0)
		say(out, "; there is no better kind of path between these candidates");
	say(out, ".");
}

static void why_none(const struct cf_ice_agent *agent, struct out *out)
{
	static const char *const policies[] = {
		[CF_ICE_POLICY_ALL] = "",
		[CF_ICE_POLICY_RELAY] = " (only a relay is allowed)",
		[CF_ICE_POLICY_DIRECT] = " (relays are not allowed)",
	};
	bool relayed = agent->options.policy == CF_ICE_POLICY_DIRECT;

	for (size_t i = 0; i < CF_ICE_MAX_BASES; i++)
		relayed = relayed || (agent->bases[i].used && agent->bases[i].relay);
	/* What a person can change comes first: the rest may be cut off. */
	say(out, "no path%s%s", policies[agent->options.policy],
		relayed ? "" : ", and no relay is at hand");
	if (agent->n_locals == 0)
		say(out, ": no local candidate");
	else if (!agent->cur.remote.ufrag[0])
		say(out, ": the peer's credentials are not known");
	else if (agent->n_pairs == 0)
		say(out, ": no remote candidate fits ours");
	else
		for (size_t i = 0; i < agent->n_pairs; i++) {
			say(out, i == 0 ? ": " : "; ");
			say_failure(out, agent->pairs[i]);
		}
	say(out, ".");
}

const char *cf_ice_agent_why(const struct cf_ice_agent *agent, char *text, size_t cap)
{
	struct out out = {text, cap, 0, false};

	if (cap == 0)
		return text;
	text[0] = 0;
	if (agent->data)
		why_path(agent, &out);
	else
		why_none(agent, &out);
	return text;
}
