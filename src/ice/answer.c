/* SPDX-License-Identifier: Apache-2.0 */
/* The peer's connectivity checks: who may ask, what is answered, what follows (RFC 8445
 * section 7.3). */
#include "base/mem.h"
#include "base/rand.h"
#include "ice/ice_priv.h"

#include <string.h>

/* One request on its way through. */
struct asking {
	struct cf_ice_agent *agent;
	uint8_t slot;
	const struct cf_addr *src;
	const struct cf_stun_msg *msg;
	const struct ice_gen *gen; /* whose password is right */
	bool sha256;               /* answered in kind */
	uint32_t priority;
	uint32_t nomination;
	bool use_candidate;
};

int cf_ice_peek_ufrag(const void *p, size_t n, struct cf_view *ret_ufrag)
{
	struct cf_stun_msg msg;
	struct cf_view user;
	const uint8_t *colon;

	if (!cf_stun_is_msg(p, n) || cf_stun_msg_parse(&msg, p, n) < 0)
		return CF_EBADMSG;
	if (msg.method != CF_STUN_BINDING || msg.cls != CF_STUN_REQUEST ||
		!cf_stun_msg_attr(&msg, CF_STUN_USERNAME, &user) || user.len == 0)
		return CF_ENOTFOUND;
	colon = memchr(user.p, ':', user.len);
	if (!colon)
		return CF_ENOTFOUND;
	*ret_ufrag = cf_view_of(user.p, (size_t)(colon - user.p));
	return 0;
}

static void put_integrity(struct cf_stun_writer *w, const struct asking *ask)
{
	if (ask->gen && ask->sha256)
		cf_stun_write_integrity_sha256(w, cf_view_str(ask->gen->local.pwd));
	else if (ask->gen)
		cf_stun_write_integrity(w, cf_view_str(ask->gen->local.pwd));
	cf_stun_write_fingerprint(w);
}

static void finish(const struct asking *ask, struct cf_stun_writer *w, const uint8_t *msg)
{
	int len;

	put_integrity(w, ask);
	len = cf_stun_write_end(w);
	if (len > 0)
		ice_send(ask->agent, ask->slot, ask->src, msg, (size_t)len);
}

/* Strangers get few error responses, and none larger than what they sent needs to be. */
static bool may_refuse(struct cf_ice_agent *agent)
{
	if (agent->now_us - agent->errors_from_us >= CF_US_PER_S) {
		agent->errors_from_us = agent->now_us;
		agent->errors_sent = 0;
	}
	return agent->errors_sent++ < ICE_ERRORS_PER_S;
}

static void refuse(
	const struct asking *ask, uint16_t code, const uint16_t *unknown, size_t n_unknown)
{
	struct cf_stun_writer w;
	uint8_t msg[ICE_MSG_MAX];

	if (!ask->gen && !may_refuse(ask->agent))
		return;
	cf_stun_write_begin(&w, msg, sizeof(msg), CF_STUN_ERROR, CF_STUN_BINDING, ask->msg->tid);
	cf_stun_write_error(&w, code, NULL);
	if (n_unknown > 0)
		cf_stun_write_unknown(&w, unknown, n_unknown);
	finish(ask, &w, msg);
}

static void accept_check(const struct asking *ask)
{
	struct cf_stun_writer w;
	uint8_t msg[ICE_MSG_MAX];

	cf_stun_write_begin(&w, msg, sizeof(msg), CF_STUN_SUCCESS, CF_STUN_BINDING, ask->msg->tid);
	cf_stun_write_xor_addr(&w, CF_STUN_XOR_MAPPED_ADDRESS, ask->src);
	finish(ask, &w, msg);
}

static bool names(const struct ice_gen *gen, struct cf_view local)
{
	return gen->id != 0 && cf_view_is(local, gen->local.ufrag);
}

/* RFC 8445 section 7.3, RFC 8489 section 9.1.3: 0, or the error code. */
static uint16_t authenticate(struct asking *ask)
{
	struct cf_view user, local;
	const uint8_t *colon;
	const struct ice_gen *gen;
	bool sha1 = cf_stun_msg_has(ask->msg, CF_STUN_MESSAGE_INTEGRITY);
	int err;

	ask->sha256 = !sha1 && cf_stun_msg_has(ask->msg, CF_STUN_MESSAGE_INTEGRITY_SHA256);
	if ((!sha1 && !ask->sha256) || !cf_stun_msg_attr(ask->msg, CF_STUN_USERNAME, &user))
		return 400;
	colon = user.len ? memchr(user.p, ':', user.len) : NULL;
	if (!colon)
		return 401;
	local = cf_view_of(user.p, (size_t)(colon - user.p));
	gen = names(&ask->agent->cur, local)   ? &ask->agent->cur
	      : names(&ask->agent->old, local) ? &ask->agent->old
					       : NULL;
	if (!gen)
		return 401;
	err = sha1 ? cf_stun_msg_check_integrity(ask->msg, cf_view_str(gen->local.pwd))
		   : cf_stun_msg_check_integrity_sha256(ask->msg, cf_view_str(gen->local.pwd));
	if (err < 0)
		return 401;
	ask->gen = gen;
	return 0;
}

static size_t unknown_attrs(const struct asking *ask, uint16_t *types, size_t cap)
{
	static const uint16_t known[] = {CF_STUN_USERNAME, CF_STUN_MESSAGE_INTEGRITY,
		CF_STUN_MESSAGE_INTEGRITY_SHA256, CF_ICE_PRIORITY, CF_ICE_USE_CANDIDATE,
		CF_STUN_REALM, CF_STUN_NONCE};

	return cf_stun_msg_unknown(ask->msg, known, CF_ARRAY_LEN(known), types, cap);
}

void ice_switch_role(struct cf_ice_agent *agent, bool controlling)
{
	if (agent->controlling == controlling || agent->options.lite)
		return;
	agent->controlling = controlling;
	/* RFC 8445 section 7.2.5.1 asks for it after a 487; it does no harm otherwise. */
	agent->tie_breaker = cf_rand_u64();
	for (size_t i = 0; i < agent->n_pairs; i++)
		ice_pair_rank(agent, agent->pairs[i]);
	ice_pairs_sort(agent);
	/* What was being nominated under the other role is no longer ours to decide. */
	if (!controlling && agent->selected && !agent->selected->nominated)
		agent->selected = NULL;
	agent->nomination = 0;
}

/* RFC 8445 section 7.3.1.1. True when the check goes on, false when 487 was the answer. */
static bool settle_roles(const struct asking *ask)
{
	struct cf_ice_agent *agent = ask->agent;
	uint64_t theirs;

	if (agent->options.lite || agent->remote_lite)
		return true;
	if (agent->controlling && cf_stun_msg_u64(ask->msg, CF_ICE_CONTROLLING, &theirs) == 0) {
		if (agent->tie_breaker >= theirs) {
			refuse(ask, 487, NULL, 0);
			return false;
		}
		ice_switch_role(agent, false);
	} else if (!agent->controlling &&
		   cf_stun_msg_u64(ask->msg, CF_ICE_CONTROLLED, &theirs) == 0) {
		if (agent->tie_breaker < theirs) {
			refuse(ask, 487, NULL, 0);
			return false;
		}
		ice_switch_role(agent, true);
	}
	return true;
}

static void read_attrs(struct asking *ask)
{
	const struct ice_base *base = &ask->agent->bases[ask->slot];

	ask->use_candidate = cf_stun_msg_has(ask->msg, CF_ICE_USE_CANDIDATE);
	if (cf_stun_msg_u32(ask->msg, CF_ICE_PRIORITY, &ask->priority) < 0)
		ask->priority = cf_ice_priority(
			cf_ice_type_preference(CF_ICE_PRFLX, base->transport, base->via), 0);
	if (cf_stun_msg_u32(ask->msg, ICE_ATTR_NOMINATION, &ask->nomination) < 0)
		ask->nomination = 0;
}

static void nominate_by_peer(struct cf_ice_agent *agent, struct ice_pair *pair, uint32_t nomination)
{
	if (agent->controlling)
		return;
	if (nomination > pair->nomination)
		pair->nomination = nomination;
	/* RFC 8445 section 7.3.1.5. */
	if (pair->state == CF_ICE_PAIR_SUCCEEDED)
		pair->nominated = true;
	else
		pair->nominate_on_success = true;
}

/* RFC 8445 section 7.3.2: a lite agent takes the peer's word for it that the pair works. */
static void lite_valid(struct cf_ice_agent *agent, struct ice_pair *pair)
{
	if (!agent->options.lite || pair->state == CF_ICE_PAIR_SUCCEEDED)
		return;
	pair->state = CF_ICE_PAIR_SUCCEEDED;
	pair->error = CF_ICE_PAIR_OK;
	if (!agent->first_valid_us)
		agent->first_valid_us = agent->now_us;
}

/* A pair for where the check came from. NULL without room or memory for it. */
static struct ice_pair *pair_for(
	struct cf_ice_agent *agent, uint8_t slot, const struct cf_addr *src, uint32_t priority)
{
	enum cf_ice_transport transport = ice_opposite(agent->bases[slot].transport);
	struct ice_pair *pair = ice_pair_find(agent, slot, src, agent->cur.id);
	struct ice_remote *remote;

	if (pair)
		return pair;
	remote = ice_remote_find(agent, src, transport, agent->cur.id);
	if (!remote && ice_remote_prflx(agent, src, transport, priority, &remote) < 0)
		return NULL;
	if (ice_pair_add(agent, slot, remote, &pair) < 0)
		return NULL;
	return pair;
}

static void check_came(struct cf_ice_agent *agent, uint8_t slot, const struct ice_early *check)
{
	struct ice_pair *pair = pair_for(agent, slot, &check->src, check->priority);

	ice_revive(agent);
	if (!agent->peer_us) {
		agent->peer_us = agent->now_us;
		ice_boost(agent, NULL);
	}
	if (!pair)
		return;
	pair->checks_received++;
	pair->last_rx_us = pair->last_check_us = agent->now_us;
	pair->validated = true;
	lite_valid(agent, pair);
	ice_pair_trigger(agent, pair);
	if (check->use_candidate)
		nominate_by_peer(agent, pair, check->nomination);
}

static void remember(struct cf_ice_agent *agent, const struct ice_early *check)
{
	for (size_t i = 0; i < agent->n_early; i++) {
		struct ice_early *known = &agent->early[i];

		if (known->base == check->base && cf_addr_eq(&known->src, &check->src)) {
			known->use_candidate = known->use_candidate || check->use_candidate;
			known->nomination = check->nomination;
			return;
		}
	}
	if (agent->n_early < ICE_MAX_EARLY)
		agent->early[agent->n_early++] = *check;
}

void ice_early_replay(struct cf_ice_agent *agent)
{
	for (size_t i = 0; i < agent->n_early; i++) {
		uint8_t slot;

		if (ice_base_find(agent, agent->early[i].base, &slot))
			check_came(agent, slot, &agent->early[i]);
	}
	agent->n_early = 0;
}

/* The policy "direct" neither uses nor answers what comes through a relay. */
static bool barred(const struct asking *ask)
{
	const struct ice_remote *remote;

	if (ask->agent->options.policy != CF_ICE_POLICY_DIRECT)
		return false;
	remote = ice_remote_find(ask->agent, ask->src,
		ice_opposite(ask->agent->bases[ask->slot].transport), ask->agent->cur.id);
	return remote ? remote->barred : ask->priority >> 24 <= 2;
}

static void authenticated(const struct asking *ask)
{
	struct cf_ice_agent *agent = ask->agent;
	struct ice_early check = {agent->bases[ask->slot].id, *ask->src, ask->priority,
		ask->nomination, ask->use_candidate};
	struct ice_pair *pair;

	if (ask->gen->id != agent->cur.id) {
		/* The peer's consent check on the path that a restart is about to replace. */
		pair = ice_pair_find(agent, ask->slot, ask->src, ask->gen->id);
		if (pair) {
			pair->last_rx_us = agent->now_us;
			pair->checks_received++;
		}
	} else if (ask->gen->remote.ufrag[0] || agent->options.lite) {
		check_came(agent, ask->slot, &check);
	} else {
		remember(agent, &check);
	}
}

bool ice_answer(struct cf_ice_agent *agent, uint8_t slot, const struct cf_addr *src,
	const struct cf_stun_msg *msg)
{
	struct asking ask = {.agent = agent, .slot = slot, .src = src, .msg = msg};
	uint16_t unknown[8];
	size_t n_unknown;
	uint16_t code = authenticate(&ask);

	if (code != 0) {
		refuse(&ask, code, NULL, 0);
		return true;
	}
	n_unknown = unknown_attrs(&ask, unknown, CF_ARRAY_LEN(unknown));
	if (n_unknown > 0) {
		refuse(&ask, 420, unknown,
			n_unknown < CF_ARRAY_LEN(unknown) ? n_unknown : CF_ARRAY_LEN(unknown));
		return true;
	}
	read_attrs(&ask);
	if (barred(&ask) || !settle_roles(&ask))
		return true;
	accept_check(&ask);
	authenticated(&ask);
	return true;
}
