/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Our connectivity checks: when they go out, and what their answers do (RFC 8445 section 7.2).
 *
 * Each transmission is a transaction of its own, with a fresh id and remembered until ICE_RING
 * later ones: a late answer still counts, round trips are measured exactly (no Karn problem), and
 * the schedule is free to punch quickly at first and go on for seconds.
 */
#include "base/mem.h"
#include "base/rand.h"
#include "ice/ice_priv.h"

#include <string.h>

/* Pacing (RFC 8445 section 14.2): one check each Ta, with credit for a burst. */
static uint64_t credit_us(const struct cf_ice_agent *agent)
{
	uint64_t max = (uint64_t)agent->options.ta_us * agent->options.burst;
	uint64_t credit = agent->tokens_us + (agent->now_us - agent->paced_us);

	return credit < max ? credit : max;
}

bool ice_take_token(struct cf_ice_agent *agent)
{
	agent->tokens_us = credit_us(agent);
	agent->paced_us = agent->now_us;
	if (agent->tokens_us < agent->options.ta_us)
		return false;
	agent->tokens_us -= agent->options.ta_us;
	return true;
}

uint64_t ice_token_us(const struct cf_ice_agent *agent)
{
	uint64_t credit = credit_us(agent);

	return credit >= agent->options.ta_us ? agent->now_us
					      : agent->now_us + agent->options.ta_us - credit;
}

uint64_t ice_rto(const struct cf_ice_agent *agent, const struct ice_pair *pair)
{
	uint64_t rtt_us = pair->rtt_us ? pair->rtt_us : agent->data ? agent->data->rtt_us : 0;
	uint64_t rto_us = rtt_us * 3 / 2;

	if (agent->bases[pair->slot].transport != CF_ICE_UDP)
		return ICE_RTO_MAX_US; /* TCP repeats by itself */
	if (!rtt_us)
		return ICE_RTO_FIRST_US;
	if (rto_us < ICE_RTO_MIN_US)
		return ICE_RTO_MIN_US;
	return rto_us < ICE_RTO_MAX_US ? rto_us : ICE_RTO_MAX_US;
}

void ice_pair_restart_tries(struct cf_ice_agent *agent, struct ice_pair *pair)
{
	if (pair->state == CF_ICE_PAIR_SUCCEEDED || pair->hard)
		return;
	pair->state = CF_ICE_PAIR_WAITING;
	pair->next_us = pair->try_from_us = agent->now_us;
	pair->backoff = 0;
	pair->retries = 0;
}

/* RFC 8445 section 7.3.1.4: the peer's check came in, so ours goes out before all others. */
void ice_pair_trigger(struct cf_ice_agent *agent, struct ice_pair *pair)
{
	if (pair->state == CF_ICE_PAIR_SUCCEEDED || agent->options.lite)
		return;
	pair->hard = false;
	ice_pair_restart_tries(agent, pair);
	if (!pair->trigger)
		pair->trigger = ++agent->trigger_seq;
}

void ice_pair_fail(struct ice_pair *pair, enum cf_ice_pair_error error)
{
	pair->state = CF_ICE_PAIR_FAILED;
	pair->error = error;
	pair->trigger = 0;
}

/* All pairs that may still come up, and are better than the one given, start their schedule anew.
 */
void ice_boost(struct cf_ice_agent *agent, const struct ice_pair *better_than)
{
	for (size_t i = 0; i < agent->n_pairs; i++) {
		struct ice_pair *pair = agent->pairs[i];

		/* A connection that failed once may be made now. */
		if (agent->doubt && pair->error == CF_ICE_PAIR_CONNECT)
			pair->hard = false;
		if (pair->gen == agent->cur.id &&
			(!better_than || ice_pair_better(pair, better_than)))
			ice_pair_restart_tries(agent, pair);
	}
}

void cf_ice_agent_network_changed(struct cf_ice_agent *agent, uint64_t now_us)
{
	agent->now_us = now_us;
	for (size_t i = 0; i < agent->n_pairs; i++)
		if (agent->pairs[i]->state == CF_ICE_PAIR_SUCCEEDED)
			agent->pairs[i]->consent_us = now_us;
	ice_boost(agent, NULL);
	ice_gather_again(agent);
	cf_ice_agent_tick(agent, now_us);
}

static bool nominating(const struct cf_ice_agent *agent, const struct ice_pair *pair)
{
	return agent->controlling && pair == agent->selected && !pair->nominated &&
	       pair->gen == agent->cur.id;
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* A valid pair that is not in use: kept warm, and asked quickly when the one in use is in doubt. */
static uint64_t reserve_due(const struct cf_ice_agent *agent, const struct ice_pair *pair)
{
	uint64_t rto = ice_rto(agent, pair);
	uint64_t soon = pair->last_sent_us + rto + ICE_PROBE_MIN_US;

	if (ice_quiet(agent) && agent->data->unanswered > 0)
		return earlier(pair->consent_us, soon);
	if (pair->unanswered > 0 || ice_on_probation(agent, pair))
		return earlier(pair->consent_us, pair->last_sent_us + rto + ICE_PROBE_MAX_US / 2);
	return pair->consent_us;
}

static uint64_t valid_due(
	const struct cf_ice_agent *agent, const struct ice_pair *pair, unsigned *reserve)
{
	if (nominating(agent, pair))
		return pair->next_us;
	if (pair == agent->data)
		return earlier(pair->consent_us, ice_pair_probe_us(agent, pair));
	if (pair->gen != agent->cur.id || (*reserve)++ >= ICE_MAX_RESERVE)
		return CF_TIME_NEVER;
	return reserve_due(agent, pair);
}

/* When the next check of a pair is due. reserve counts the valid pairs seen so far, best first. */
static uint64_t pair_due(
	const struct cf_ice_agent *agent, const struct ice_pair *pair, unsigned *reserve)
{
	const struct ice_gen *gen = pair->gen == agent->cur.id ? &agent->cur : &agent->old;

	if (agent->options.lite || !gen->remote.ufrag[0] || agent->state == CF_ICE_FAILED)
		return pair->trigger && !agent->options.lite && gen->remote.ufrag[0]
			       ? agent->now_us
			       : CF_TIME_NEVER;
	if (pair->trigger)
		return agent->now_us;
	if (pair->state == CF_ICE_PAIR_SUCCEEDED)
		return valid_due(agent, pair, reserve);
	if (pair->gen != agent->cur.id)
		return CF_TIME_NEVER;
	if (pair->state != CF_ICE_PAIR_FAILED)
		return pair->next_us;
	/* Failed for now: asked again at times where it would be better than what there is. */
	if (pair->hard || !agent->first_valid_us ||
		(agent->data && !agent->doubt &&
			(!ice_pair_better(pair, agent->data) || !ice_worth(pair, agent->data))))
		return CF_TIME_NEVER;
	return pair->next_us;
}

/* When a pair that has failed is tried again. */
static uint64_t retry_us(const struct cf_ice_agent *agent, const struct ice_pair *pair)
{
	uint64_t pause = ICE_RETRY_US << (pair->retries < 4 ? pair->retries : 4);

	if (agent->doubt)
		pause = ICE_RETRY_US;
	return agent->now_us + (pause < ICE_RETRY_MAX_US ? pause : ICE_RETRY_MAX_US);
}

/* The checks that keep or make the path in use: few, so neither queue nor pacing holds them up. */
static bool urgent(const struct cf_ice_agent *agent, const struct ice_pair *pair)
{
	return pair->state == CF_ICE_PAIR_SUCCEEDED &&
	       (pair == agent->data || pair == agent->selected);
}

/* Whether a goes before b, both due. */
static bool goes_before(const struct cf_ice_agent *agent, const struct ice_pair *a, uint64_t a_due,
	const struct ice_pair *b, uint64_t b_due)
{
	bool now = urgent(agent, a) && a_due <= agent->now_us;

	if (now != (urgent(agent, b) && b_due <= agent->now_us))
		return now;
	if (a->trigger && b->trigger)
		return a->trigger < b->trigger;
	if (a->trigger || b->trigger)
		return a->trigger != 0;
	return a_due < b_due;
}

static struct ice_pair *next_pair(const struct cf_ice_agent *agent, uint64_t *ret_due)
{
	struct ice_pair *best = NULL;
	uint64_t best_due = CF_TIME_NEVER;
	unsigned reserve = 0;

	for (size_t i = 0; i < agent->n_pairs; i++) {
		struct ice_pair *pair = agent->pairs[i];
		uint64_t due = pair_due(agent, pair, &reserve);

		if (due == CF_TIME_NEVER ||
			(best && !goes_before(agent, pair, due, best, best_due)))
			continue;
		best = pair;
		best_due = due;
	}
	*ret_due = best_due;
	return best;
}

uint64_t ice_checks_due(const struct cf_ice_agent *agent)
{
	uint64_t due, token_us = ice_token_us(agent);
	const struct ice_pair *pair = next_pair(agent, &due);

	if (!pair)
		return CF_TIME_NEVER;
	return due > token_us || urgent(agent, pair) ? due : token_us;
}

static int write_check(const struct cf_ice_agent *agent, const struct ice_pair *pair,
	const struct ice_check *check, uint8_t *msg, size_t cap)
{
	const struct ice_gen *gen = pair->gen == agent->cur.id ? &agent->cur : &agent->old;
	uint8_t user[2 * CF_ICE_UFRAG_MAX + 1];
	size_t theirs = strlen(gen->remote.ufrag), ours = strlen(gen->local.ufrag);
	struct cf_stun_writer w;

	/* RFC 8445 section 7.2.2: the peer's fragment, a colon, ours. */
	memcpy(user, gen->remote.ufrag, theirs);
	user[theirs] = ':';
	memcpy(user + theirs + 1, gen->local.ufrag, ours);
	cf_stun_write_begin(&w, msg, cap, CF_STUN_REQUEST, CF_STUN_BINDING, check->tid);
	cf_stun_write_bytes(&w, CF_STUN_USERNAME, user, theirs + 1 + ours);
	cf_stun_write_u32(&w, CF_ICE_PRIORITY, ice_base_prflx_priority(agent, pair->slot));
	cf_stun_write_u64(&w, agent->controlling ? CF_ICE_CONTROLLING : CF_ICE_CONTROLLED,
		agent->tie_breaker);
	if (check->use_candidate) {
		cf_stun_write_empty(&w, CF_ICE_USE_CANDIDATE);
		cf_stun_write_u32(&w, ICE_ATTR_NOMINATION, agent->nomination);
	}
	cf_stun_write_integrity(&w, cf_view_str(gen->remote.pwd));
	cf_stun_write_fingerprint(&w);
	return cf_stun_write_end(&w);
}

static void schedule(struct cf_ice_agent *agent, struct ice_pair *pair)
{
	uint64_t pause = ice_rto(agent, pair) * (pair->backoff < 12 ? pair->backoff : 12);

	if (pause > ICE_RTO_MAX_US)
		pause = ICE_RTO_MAX_US;
	pair->next_us = agent->now_us + pause;
	pair->consent_us = agent->now_us +
			   (pair == agent->data ? ice_consent_interval(agent) : ICE_KEEPALIVE_US);
}

static void send_check(struct cf_ice_agent *agent, struct ice_pair *pair)
{
	struct ice_check *check = &pair->ring[pair->ring_next++ % ICE_RING];
	uint8_t msg[ICE_MSG_MAX];
	int len;

	cf_rand_bytes(check->tid, sizeof(check->tid));
	check->sent_us = agent->now_us;
	check->use_candidate = nominating(agent, pair);
	check->controlling = agent->controlling;
	len = write_check(agent, pair, check, msg, sizeof(msg));
	if (len > 0)
		ice_send(agent, pair->slot, &pair->addr, msg, (size_t)len);
	if (!pair->requests++)
		pair->first_request_us = agent->now_us;
	pair->unanswered++;
	pair->backoff++;
	pair->trigger = 0;
	pair->last_sent_us = agent->now_us;
	if (pair->state != CF_ICE_PAIR_SUCCEEDED)
		pair->state = CF_ICE_PAIR_IN_PROGRESS;
	if (pair->error == CF_ICE_PAIR_NOT_TRIED)
		pair->error = pair->icmp ? CF_ICE_PAIR_UNREACHABLE : CF_ICE_PAIR_NO_ANSWER;
	schedule(agent, pair);
}

/* A pair whose time is over does not get another check. Whether it may be checked now. */
static bool may_try(struct cf_ice_agent *agent, struct ice_pair *pair)
{
	uint64_t given = agent->peer_us ? ICE_PAIR_TRY_SHORT_US : ICE_PAIR_TRY_US;

	if (pair->state == CF_ICE_PAIR_SUCCEEDED) {
		/* In reserve, and dead. The one in use is judged in select.c. */
		if (pair != agent->data && pair != agent->selected && pair->unanswered > 8) {
			ice_pair_lost(agent, pair);
			return false;
		}
		return true;
	}
	if (pair->state == CF_ICE_PAIR_FAILED && !pair->trigger) {
		pair->retries++;
		pair->backoff = 0;
		pair->try_from_us = agent->now_us - given + ICE_RETRY_FOR_US;
		/* Our outside addresses may be others by now. */
		if (!agent->bases[pair->slot].relay)
			ice_gather_again(agent);
	}
	if (agent->now_us - pair->try_from_us < given || pair->trigger)
		return true;
	ice_pair_fail(pair, pair->error);
	pair->next_us = retry_us(agent, pair);
	return false;
}

void ice_checks_run(struct cf_ice_agent *agent)
{
	for (;;) {
		uint64_t due;
		struct ice_pair *pair = next_pair(agent, &due);

		if (!pair || due > agent->now_us)
			return;
		if (!may_try(agent, pair))
			continue;
		if (!ice_take_token(agent) && !urgent(agent, pair))
			return;
		send_check(agent, pair);
	}
}

static struct ice_check *ring_find(struct ice_pair *pair, const uint8_t *tid)
{
	for (size_t i = 0; i < ICE_RING; i++)
		if (pair->ring[i].sent_us && memcmp(pair->ring[i].tid, tid, CF_STUN_TID_LEN) == 0)
			return &pair->ring[i];
	return NULL;
}

/* RFC 8445 section 7.2.5.3.1: what the peer saw us as; a peer-reflexive candidate if it is new. */
static void learn_local(
	struct cf_ice_agent *agent, struct ice_pair *pair, const struct cf_addr *mapped)
{
	const struct ice_base *base = &agent->bases[pair->slot];
	struct ice_local *own = ice_local_of_base(agent, pair->slot);
	struct ice_local *local = ice_local_find(agent, pair->slot, mapped);

	/* The port of an active TCP socket is any; a relay in front of which there is a NAT stays
	 * what it is. */
	if (!local && (base->relay || (base->transport != CF_ICE_UDP &&
					      cf_addr_ip_eq(mapped, &base->addr))))
		local = own;
	if (!local && ice_local_add(agent, pair->slot, CF_ICE_PRFLX, mapped, &base->addr,
			      &pair->addr, &local) < 0)
		local = own;
	if (local == pair->local)
		return;
	pair->local = local;
	ice_pair_rank(agent, pair);
	ice_pairs_sort(agent);
	if (pair == agent->data)
		agent->out_selected = true;
}

/* Of two samples the lesser: one that an outage or ARP held up says nothing about the way, and
 * doubt would come late for minutes. */
static void measure(struct ice_pair *pair, uint64_t sample_us)
{
	uint64_t last_us = pair->rtt_last_us;

	if (!sample_us)
		sample_us = 1;
	pair->rtt_last_us = sample_us;
	if (last_us && last_us < sample_us)
		sample_us = last_us;
	pair->rtt_us = pair->rtt_us ? (7 * pair->rtt_us + sample_us) / 8 : sample_us;
}

static void succeeded(struct cf_ice_agent *agent, struct ice_pair *pair,
	const struct ice_check *check, const struct cf_addr *mapped)
{
	bool nominated = check->use_candidate && check->controlling && agent->controlling;

	/* Quiet and yet alive: rightly so. */
	if (agent->now_us - pair->data_us >= ICE_LIVELY_QUIET_US)
		pair->run = 0;
	measure(pair, agent->now_us - check->sent_us);
	if (!pair->responses++)
		pair->first_response_us = agent->now_us;
	pair->last_rx_us = pair->last_consent_us = agent->now_us;
	pair->unanswered = 0;
	pair->error = CF_ICE_PAIR_OK;
	pair->validated = true;
	pair->trigger = 0;
	if (pair->state != CF_ICE_PAIR_SUCCEEDED) {
		pair->state = CF_ICE_PAIR_SUCCEEDED;
		pair->good_us = agent->now_us;
		pair->consent_us = agent->now_us + ICE_KEEPALIVE_US;
	}
	learn_local(agent, pair, mapped);
	pair->nominated = pair->nominated || nominated;
	if (pair->gen != agent->cur.id)
		return;
	if (!agent->controlling && pair->nominate_on_success)
		pair->nominated = true;
	if (!agent->first_valid_us) {
		agent->first_valid_us = agent->now_us;
		ice_boost(agent, pair);
	}
}

static void refused(struct cf_ice_agent *agent, struct ice_pair *pair,
	const struct ice_check *check, uint16_t code, bool authentic)
{
	/* RFC 8445 section 7.2.5.1: role conflict. Only for the role that the check was sent in, or
	 * several answers to old checks would turn us back and forth. */
	if (code == 487 && authentic) {
		if (check->controlling == agent->controlling)
			ice_switch_role(agent, !agent->controlling);
		ice_pair_trigger(agent, pair);
		return;
	}
	/* Anything else is most likely a stranger with the same private address: the schedule goes
	 * on, the peer may still come up there, and the reason is remembered. */
	pair->code = code;
	if (pair->state != CF_ICE_PAIR_SUCCEEDED)
		pair->error = CF_ICE_PAIR_REFUSED;
}

static struct ice_pair *find_check(struct cf_ice_agent *agent, uint8_t slot,
	const struct cf_addr *src, const uint8_t *tid, struct ice_check **ret_check)
{
	const uint32_t gens[] = {agent->cur.id, agent->old.id};

	for (size_t i = 0; i < 2; i++) {
		struct ice_pair *pair = ice_pair_find(agent, slot, src, gens[i]);
		struct ice_check *check = pair ? ring_find(pair, tid) : NULL;

		if (check) {
			*ret_check = check;
			return pair;
		}
	}
	return NULL;
}

/* RFC 8445 section 7.2.5.2.1: an answer that does not come from where the check went. */
static bool asymmetric(struct cf_ice_agent *agent, const struct cf_stun_msg *msg)
{
	for (size_t i = 0; i < agent->n_pairs; i++) {
		struct ice_pair *pair = agent->pairs[i];
		struct ice_check *check = ring_find(pair, msg->tid);
		const struct ice_gen *gen = ice_gen_of(agent, pair->gen);

		if (!check || !gen)
			continue;
		if (cf_stun_msg_check_integrity(msg, cf_view_str(gen->remote.pwd)) == 0 &&
			pair->state != CF_ICE_PAIR_SUCCEEDED) {
			ice_pair_fail(pair, CF_ICE_PAIR_ASYMMETRIC);
			pair->next_us = retry_us(agent, pair);
		}
		check->sent_us = 0;
		return true;
	}
	return false;
}

bool ice_check_response(struct cf_ice_agent *agent, uint8_t slot, const struct cf_addr *src,
	const struct cf_stun_msg *msg)
{
	struct ice_check *check, copy;
	struct ice_pair *pair = find_check(agent, slot, src, msg->tid, &check);
	const struct ice_gen *gen;
	struct cf_addr mapped;
	uint16_t code;
	bool authentic;

	if (!pair)
		return asymmetric(agent, msg);
	gen = ice_gen_of(agent, pair->gen);
	authentic = gen && cf_stun_msg_check_integrity(msg, cf_view_str(gen->remote.pwd)) == 0;
	copy = *check;
	if (msg->cls == CF_STUN_ERROR) {
		if (cf_stun_msg_error(msg, &code, NULL) == 0)
			refused(agent, pair, &copy, code, authentic);
		return true;
	}
	if (!authentic || cf_stun_msg_xor_addr(msg, CF_STUN_XOR_MAPPED_ADDRESS, &mapped) < 0) {
		if (pair->state != CF_ICE_PAIR_SUCCEEDED)
			pair->error = CF_ICE_PAIR_BAD_ANSWER;
		return true;
	}
	check->sent_us = 0;
	succeeded(agent, pair, &copy, &mapped);
	return true;
}
