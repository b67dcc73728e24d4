/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which pair carries data, nomination, consent and the agent's state (RFC 8445 sections 7.2.5.3.4,
 * 8.1; RFC 7675).
 *
 * Data goes over the first valid pair at once. The controlling side nominates when nothing better
 * can still come up, or after a short wait measured from when both sides are known to be checking;
 * a clearly better pair that becomes valid later is nominated too (RFC 8445 section 8.1.1 lets the
 * controlled side take the best of several; the counter of libwebrtc's renomination goes along).
 */
#include "base/rand.h"
#include "ice/ice_priv.h"

void ice_set_state(struct cf_ice_agent *agent, enum cf_ice_state state)
{
	if (agent->state == state)
		return;
	if (state == CF_ICE_DISCONNECTED)
		agent->lost_us = agent->now_us;
	agent->state = state;
	agent->out_state = true;
}

/* Something new to try after having failed. */
void ice_revive(struct cf_ice_agent *agent)
{
	if (agent->state != CF_ICE_FAILED)
		return;
	if (agent->remote_us)
		agent->remote_us = agent->now_us;
	ice_set_state(agent, agent->cur.remote.ufrag[0] ? CF_ICE_CHECKING : CF_ICE_NEW);
	ice_boost(agent, NULL);
}

/* RFC 7675 section 5.1: 0.8 to 1.2 of the interval, evenly. */
uint64_t ice_consent_interval(const struct cf_ice_agent *agent)
{
	uint64_t base_us = (uint64_t)agent->options.consent_ms * CF_US_PER_MS;

	return base_us * (800 + cf_rand_below(401)) / 1000;
}

static uint64_t silence_us(const struct cf_ice_agent *agent)
{
	return (uint64_t)agent->options.silence_ms * CF_US_PER_MS;
}

bool ice_lively(const struct ice_pair *pair)
{
	return pair->run >= ICE_LIVELY_RUN;
}

/* From when on the pair in use is to be asked, should nothing come in before. */
static uint64_t quiet_us(const struct cf_ice_agent *agent, const struct ice_pair *pair)
{
	uint64_t heard = pair->last_rx_us > pair->used_us ? pair->last_rx_us : pair->used_us;
	uint64_t given = silence_us(agent) / 3;

	if (ice_lively(pair) && given > ICE_LIVELY_QUIET_US)
		given = ICE_LIVELY_QUIET_US;
	return heard + given;
}

/* When a pair in use that has become quiet is asked whether it still works. */
uint64_t ice_pair_probe_us(const struct cf_ice_agent *agent, const struct ice_pair *pair)
{
	uint64_t quiet = quiet_us(agent, pair), pause = ice_rto(agent, pair);

	if (agent->options.silence_ms == 0)
		return CF_TIME_NEVER;
	if (pair->unanswered > 4)
		pause = pause > ICE_PROBE_MAX_US ? pause : ICE_PROBE_MAX_US;
	else if (pause < ICE_PROBE_MIN_US)
		pause = ICE_PROBE_MIN_US;
	return quiet > pair->last_sent_us + pause ? quiet : pair->last_sent_us + pause;
}

/* The pair in use has become quiet. That proves nothing. */
bool ice_quiet(const struct cf_ice_agent *agent)
{
	return agent->data && agent->options.silence_ms > 0 &&
	       agent->now_us >= quiet_us(agent, agent->data);
}

/* Questions in a row without an answer, and nothing else heard either. */
bool ice_suspect(const struct cf_ice_agent *agent)
{
	return ice_quiet(agent) && agent->data->unanswered >= (ice_lively(agent->data) ? 2u : 4u);
}

/* A valid pair has died. It is tried anew, in case it comes back. */
void ice_pair_lost(struct cf_ice_agent *agent, struct ice_pair *pair)
{
	pair->nominated = pair->nominate_on_success = false;
	pair->state = CF_ICE_PAIR_FAILED;
	pair->error = CF_ICE_PAIR_LOST;
	pair->rtt_us = pair->rtt_last_us = 0;
	pair->losses++;
	ice_pair_restart_tries(agent, pair);
	if (agent->selected == pair)
		agent->selected = NULL;
}

/* A pair that was lost before has to work for some time, while another one does. */
static uint64_t probation_over_us(const struct ice_pair *pair)
{
	uint64_t given = ICE_PROBATION_US << (pair->losses < 5 ? pair->losses : 5) >> 1;

	if (pair->losses == 0)
		return pair->good_us;
	return pair->good_us + (given < ICE_RETRY_MAX_US ? given : ICE_RETRY_MAX_US);
}

bool ice_on_probation(const struct cf_ice_agent *agent, const struct ice_pair *pair)
{
	return agent->now_us < probation_over_us(pair);
}

static enum cf_ice_path_kind kind_of(const struct ice_pair *pair)
{
	if (pair->relays > 0)
		return CF_ICE_PATH_RELAYED;
	if (pair->local->c.type == CF_ICE_HOST && pair->remote->c.type == CF_ICE_HOST)
		return CF_ICE_PATH_DIRECT;
	return CF_ICE_PATH_REFLEXIVE;
}

static uint64_t consent_over_us(const struct cf_ice_agent *agent, const struct ice_pair *pair)
{
	uint64_t last = agent->options.lite ? pair->last_rx_us : pair->last_consent_us;

	return last + (uint64_t)agent->options.consent_expiry_ms * CF_US_PER_MS;
}

/* RFC 7675 section 5.1: nothing is sent to where consent has expired. */
static bool usable(const struct cf_ice_agent *agent, const struct ice_pair *pair)
{
	return pair->state == CF_ICE_PAIR_SUCCEEDED && pair->gen == agent->cur.id &&
	       agent->now_us < consent_over_us(agent, pair);
}

/* Not shaken by what befell the path in use before. */
static bool sound(const struct cf_ice_agent *agent, const struct ice_pair *pair)
{
	return usable(agent, pair) && pair->unanswered <= 1 &&
	       (pair->last_rx_us > agent->shaken_us || agent->options.lite);
}

/* The best valid pair; one that has proved itself since the last trouble, where there is one. */
static struct ice_pair *best_valid(const struct cf_ice_agent *agent)
{
	struct ice_pair *any = NULL;

	for (size_t i = 0; i < agent->n_pairs; i++) {
		if (sound(agent, agent->pairs[i]))
			return agent->pairs[i];
		if (!any && usable(agent, agent->pairs[i]))
			any = agent->pairs[i];
	}
	return any;
}

static void nominate(struct cf_ice_agent *agent, struct ice_pair *pair)
{
	for (size_t i = 0; i < agent->n_pairs; i++)
		if (agent->pairs[i]->gen == agent->cur.id)
			agent->pairs[i]->nominated = false;
	agent->selected = pair;
	agent->nomination++;
	pair->next_us = agent->now_us;
	pair->backoff = 0;
}

/* For how long better pairs are waited for, counted from when they had their chance. */
static uint64_t patience_us(const struct ice_pair *best)
{
	switch (kind_of(best)) {
	case CF_ICE_PATH_DIRECT:
		return 0;
	case CF_ICE_PATH_REFLEXIVE:
		return 20 * CF_US_PER_MS + 2 * best->rtt_us;
	default:
		return 80 * CF_US_PER_MS + 3 * best->rtt_us;
	}
}

static uint64_t later(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

/*
 * When a better pair that has not answered has had its chance. A hole is punched once both sides
 * have checked: from the moment that the peer is known to check, and to have had time to learn of
 * the candidate, one more exchange decides. Before the peer is heard nothing is known.
 */
static uint64_t chance_us(
	const struct cf_ice_agent *agent, const struct ice_pair *pair, const struct ice_pair *best)
{
	uint64_t from = later(pair->created_us, later(agent->peer_us, agent->announced_us));

	if (!agent->peer_us || pair->requests == 0)
		return CF_TIME_NEVER;
	return later(from, pair->last_check_us) + patience_us(best);
}

static bool in_play(const struct cf_ice_agent *agent, const struct ice_pair *pair)
{
	return pair->gen == agent->cur.id &&
	       (pair->state == CF_ICE_PAIR_WAITING || pair->state == CF_ICE_PAIR_IN_PROGRESS);
}

/* When to nominate the best valid pair, should nothing better come up before. */
static uint64_t nomination_us(const struct cf_ice_agent *agent, const struct ice_pair *best)
{
	uint64_t cap = agent->first_valid_us + ICE_WAIT_CAP_US, at = agent->now_us;

	if (kind_of(best) == CF_ICE_PATH_DIRECT)
		return agent->now_us;
	for (size_t i = 0; i < agent->n_pairs && agent->pairs[i] != best; i++)
		if (in_play(agent, agent->pairs[i]))
			at = later(at, chance_us(agent, agent->pairs[i], best));
	/* Candidates that are not there yet may be better than a relayed path as well. */
	if (kind_of(best) == CF_ICE_PATH_RELAYED && !(agent->gathered && agent->remote_end))
		at = later(at, later(agent->first_valid_us, agent->peer_us) + patience_us(best));
	return at < cap ? at : cap;
}

/* Whether a better pair is worth a change of path: a relay less, a faster relay, a NAT less. */
bool ice_worth(const struct ice_pair *better, const struct ice_pair *now)
{
	if (better->relays != now->relays)
		return better->relays < now->relays;
	if (better->relays > 0)
		return cf_ice_candidate_via(&better->local->c) <
			       cf_ice_candidate_via(&now->local->c) ||
		       cf_ice_candidate_via(&better->remote->c) <
			       cf_ice_candidate_via(&now->remote->c);
	return kind_of(better) < kind_of(now) ||
	       better->local->c.transport < now->local->c.transport;
}

/* A pair so much better than the one nominated that it is worth a change, and can be relied on. */
static void change_to_better(struct cf_ice_agent *agent)
{
	const struct ice_pair *now = agent->selected;

	for (size_t i = 0; i < agent->n_pairs; i++) {
		struct ice_pair *pair = agent->pairs[i];

		if (pair == now || !ice_pair_better(pair, now))
			return;
		if (!sound(agent, pair) || !ice_worth(pair, now))
			continue;
		if (!ice_on_probation(agent, pair)) {
			nominate(agent, pair);
			return;
		}
		if (probation_over_us(pair) < agent->nominate_us)
			agent->nominate_us = probation_over_us(pair);
	}
}

static void choose_controlling(struct cf_ice_agent *agent)
{
	struct ice_pair *best;

	agent->nominate_us = CF_TIME_NEVER;
	if (agent->selected) {
		change_to_better(agent);
		return;
	}
	best = best_valid(agent);
	if (!best)
		return;
	agent->nominate_us = nomination_us(agent, best);
	if (agent->nominate_us <= agent->now_us) {
		nominate(agent, best);
		agent->nominate_us = CF_TIME_NEVER;
	}
}

/* RFC 8445 section 8.1.1: of several nominated pairs the best one; the peer's counter, where it
 * sends one, goes before. */
static void choose_controlled(struct cf_ice_agent *agent)
{
	struct ice_pair *chosen = NULL;

	agent->nominate_us = CF_TIME_NEVER;
	for (size_t i = 0; i < agent->n_pairs; i++) {
		struct ice_pair *pair = agent->pairs[i];

		if (usable(agent, pair) && pair->nominated &&
			(!chosen || pair->nomination > chosen->nomination))
			chosen = pair;
	}
	if (chosen)
		agent->selected = chosen;
}

/* A valid pair in reserve that answered after the one in use had gone quiet. */
static struct ice_pair *find_reserve(const struct cf_ice_agent *agent)
{
	for (size_t i = 0; i < agent->n_pairs; i++) {
		struct ice_pair *pair = agent->pairs[i];

		if (usable(agent, pair) && pair != agent->data &&
			pair->last_consent_us > agent->data->last_rx_us + ICE_LIVELY_QUIET_US / 2)
			return pair;
	}
	return NULL;
}

/* To a pair that is not the outcome of the usual choice. */
static void move(struct cf_ice_agent *agent, struct ice_pair *pair)
{
	if (agent->controlling) {
		nominate(agent, pair);
		return;
	}
	/* Until the peer nominates another one. */
	for (size_t i = 0; i < agent->n_pairs; i++)
		if (agent->pairs[i]->gen == agent->cur.id)
			agent->pairs[i]->nominated = false;
	agent->selected = pair;
}

static void fail_over(struct cf_ice_agent *agent)
{
	struct ice_pair *reserve;

	if (agent->options.lite || !ice_suspect(agent) || agent->data->gen != agent->cur.id ||
		agent->data->unanswered < 3)
		return;
	reserve = find_reserve(agent);
	if (!reserve)
		return;
	agent->shaken_us = agent->data->last_rx_us + ICE_LIVELY_QUIET_US / 2;
	ice_pair_lost(agent, agent->data);
	move(agent, reserve);
}

/* The peer sends on another pair than we do: it may know better, for example that nothing of ours
 * reaches it on the one in use. */
static uint64_t follow_us(const struct cf_ice_agent *agent)
{
	const struct ice_pair *stray = agent->stray, *data = agent->data;

	if (!stray || !data || !agent->selected || agent->options.lite ||
		agent->strays < ICE_STRAYS || stray == data || !usable(agent, stray) ||
		data->gen != agent->cur.id)
		return CF_TIME_NEVER;
	return data->data_us > data->used_us ? agent->now_us : data->used_us + ICE_STRAY_US;
}

static void follow(struct cf_ice_agent *agent)
{
	struct ice_pair *before = agent->data;

	if (follow_us(agent) > agent->now_us)
		return;
	move(agent, agent->stray);
	agent->stray = NULL;
	agent->strays = 0;
	/* The one before is believed again once it has answered. */
	agent->shaken_us = agent->now_us;
	before->consent_us = agent->now_us;
	before->losses++;
	before->good_us = agent->now_us;
}

/* Why data moves from one pair to another. */
static void note_cause(struct cf_ice_agent *agent, const struct ice_pair *pair)
{
	const struct ice_pair *before = agent->data;

	if (!before) {
		agent->cause = agent->gone_us ? agent->gone_cause : CF_ICE_CAUSE_FIRST;
		agent->gap_us = agent->gone_us ? agent->now_us - agent->gone_us : 0;
		return;
	}
	agent->gap_us = agent->now_us - before->last_rx_us;
	if (before->error == CF_ICE_PAIR_LOST)
		agent->cause = CF_ICE_CAUSE_SILENCE;
	else if (ice_pair_better(pair, before))
		agent->cause = CF_ICE_CAUSE_BETTER;
	else
		agent->cause = CF_ICE_CAUSE_REMOTE;
}

static void use(struct cf_ice_agent *agent, struct ice_pair *pair, bool described)
{
	if (agent->data == pair && !described)
		return;
	if (pair && agent->data != pair) {
		note_cause(agent, pair);
		pair->used_us = agent->now_us;
		/* As much is expected of it as came on the one before. */
		if (agent->data && ice_lively(agent->data))
			pair->run = ICE_LIVELY_RUN;
		pair->consent_us = agent->now_us + ice_consent_interval(agent);
		if (agent->options.lite)
			pair->last_consent_us = agent->now_us;
	}
	if (!pair && agent->data) {
		agent->gone_us = agent->data->last_rx_us;
		agent->gone_cause = CF_ICE_CAUSE_SILENCE;
	}
	agent->data = pair;
	agent->out_selected = pair != NULL;
}

static void choose_data(struct cf_ice_agent *agent, const struct ice_pair *selected_before)
{
	struct ice_pair *pair = agent->selected ? agent->selected : best_valid(agent);
	bool described = agent->selected != selected_before;

	if (pair) {
		use(agent, pair, described && agent->selected);
		return;
	}
	/* The pair of the old generation stays until the new one has one of its own. */
	if (agent->data && agent->data->state != CF_ICE_PAIR_SUCCEEDED)
		use(agent, NULL, false);
}

static void drop_old(struct cf_ice_agent *agent)
{
	if (agent->old.id == 0)
		return;
	if (!agent->selected)
		agent->old_drop_us = CF_TIME_NEVER;
	else if (agent->old_drop_us == CF_TIME_NEVER)
		agent->old_drop_us = agent->now_us + ICE_OLD_GRACE_US;
	if (agent->now_us < agent->old_drop_us ||
		(agent->data && agent->data->gen == agent->old.id))
		return;
	for (size_t i = agent->n_pairs; i-- > 0;)
		if (agent->pairs[i]->gen == agent->old.id)
			ice_pair_drop(agent, agent->pairs[i]);
	agent->old.id = 0;
	agent->old_drop_us = CF_TIME_NEVER;
	ice_remotes_sweep(agent);
}

/* A pair that will not come up any more, as far as one can tell. */
/* How long a pair goes on being tried in vain. Who knows that the Internet is near need not wait as
 * long as one who does not. */
static uint64_t endurance_us(const struct cf_ice_agent *agent)
{
	uint64_t given = (uint64_t)agent->options.hopeless_ms * CF_US_PER_MS;
	uint64_t near = given / 4 * 3 + 4 * agent->far_us;

	return agent->far_us ? near : given;
}

static bool pair_hopeless(const struct cf_ice_agent *agent, const struct ice_pair *pair)
{
	uint64_t given = endurance_us(agent);

	if (pair->gen != agent->cur.id || pair->state == CF_ICE_PAIR_FAILED)
		return true;
	return pair->backoff >= 5 && agent->now_us - pair->try_from_us >= given;
}

static bool hopeless(const struct cf_ice_agent *agent)
{
	uint64_t given = endurance_us(agent);
	bool any_base = false;

	if (!agent->gathered || !agent->remote_us)
		return false;
	for (size_t i = 0; i < CF_ICE_MAX_BASES; i++)
		any_base = any_base || agent->bases[i].used;
	if (!any_base)
		return true; /* for example only a relay is allowed, and there is none */
	if (!agent->remote_end ||
		agent->now_us < later(agent->remote_us, agent->remote_end_us) + given ||
		agent->now_us < agent->announced_us + given)
		return false;
	for (size_t i = 0; i < agent->n_pairs; i++)
		if (!pair_hopeless(agent, agent->pairs[i]))
			return false;
	return true;
}

static uint64_t fail_us(const struct cf_ice_agent *agent)
{
	if (agent->state == CF_ICE_DISCONNECTED)
		return later(agent->lost_us, agent->remote_us) +
		       (uint64_t)agent->options.consent_expiry_ms * CF_US_PER_MS;
	return agent->remote_us + (uint64_t)agent->options.fail_ms * CF_US_PER_MS;
}

static void state_without_path(struct cf_ice_agent *agent)
{
	if (agent->state == CF_ICE_CONNECTED || agent->state == CF_ICE_COMPLETED) {
		ice_set_state(agent, CF_ICE_DISCONNECTED);
		ice_boost(agent, NULL);
	}
	if (agent->state == CF_ICE_NEW && agent->cur.remote.ufrag[0])
		ice_set_state(agent, CF_ICE_CHECKING);
	if (agent->state == CF_ICE_CHECKING && hopeless(agent))
		ice_set_state(agent, CF_ICE_FAILED);
	if ((agent->state == CF_ICE_CHECKING || agent->state == CF_ICE_DISCONNECTED) &&
		agent->now_us >= fail_us(agent))
		ice_set_state(agent, CF_ICE_FAILED);
}

static bool nothing_better(const struct cf_ice_agent *agent)
{
	for (size_t i = 0; i < agent->n_pairs && agent->pairs[i] != agent->selected; i++)
		if (in_play(agent, agent->pairs[i]))
			return false;
	return agent->gathered && agent->remote_end && agent->selected;
}

/* A lite agent sends no checks: the peer's come at least every consent interval. */
static uint64_t silent_us(const struct cf_ice_agent *agent)
{
	uint64_t given = silence_us(agent), lite = 2 * CF_US_PER_MS * agent->options.consent_ms;

	if (ice_lively(agent->data) && given > ICE_LIVELY_SILENCE_US)
		given = ICE_LIVELY_SILENCE_US;
	return agent->data->last_rx_us + (agent->options.lite ? later(given, lite) : given);
}

static bool is_silent(const struct cf_ice_agent *agent)
{
	return agent->options.silence_ms > 0 && agent->now_us >= silent_us(agent) &&
	       (agent->options.lite || agent->data->unanswered >= 3);
}

/* RFC 7675 section 5.1: without consent nothing may be sent any more. */
static void consent_expired(struct cf_ice_agent *agent)
{
	struct ice_pair *pair = agent->data;
	bool restarting = pair->gen != agent->cur.id && agent->remote_us;

	ice_pair_lost(agent, pair);
	use(agent, NULL, false);
	ice_set_state(agent, restarting ? CF_ICE_CHECKING : CF_ICE_FAILED);
}

static void state_with_path(struct cf_ice_agent *agent)
{
	bool connected = agent->selected || agent->data->gen != agent->cur.id;

	if (agent->now_us >= consent_over_us(agent, agent->data)) {
		consent_expired(agent);
		return;
	}
	if (connected && is_silent(agent)) {
		if (agent->state != CF_ICE_DISCONNECTED)
			ice_boost(agent, NULL);
		ice_set_state(agent, CF_ICE_DISCONNECTED);
	} else if (!connected) {
		ice_set_state(agent, CF_ICE_CHECKING);
	} else if (agent->state != CF_ICE_COMPLETED) {
		ice_set_state(agent, nothing_better(agent) ? CF_ICE_COMPLETED : CF_ICE_CONNECTED);
	}
}

/* Whether the path in use is sound: who can do something about it is told; all that may still work
 * is tried at once, and the STUN servers are asked for our present outside addresses. */
static void consider_doubt(struct cf_ice_agent *agent)
{
	bool doubt = agent->state == CF_ICE_DISCONNECTED || ice_suspect(agent);

	if (agent->options.lite || agent->doubt == doubt)
		return;
	agent->doubt = doubt;
	agent->out_doubt = true;
	if (!doubt)
		return;
	ice_boost(agent, NULL);
	ice_gather_again(agent);
}

void ice_select(struct cf_ice_agent *agent)
{
	const struct ice_pair *before = agent->selected;

	if (agent->data) {
		fail_over(agent);
		follow(agent);
	}
	if (agent->controlling)
		choose_controlling(agent);
	else
		choose_controlled(agent);
	choose_data(agent, before);
	if (agent->data)
		state_with_path(agent);
	else
		state_without_path(agent);
	drop_old(agent);
	consider_doubt(agent);
}

static uint64_t future(const struct cf_ice_agent *agent, uint64_t at)
{
	return at > agent->now_us ? at : CF_TIME_NEVER;
}

static uint64_t sooner(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

uint64_t ice_select_due(const struct cf_ice_agent *agent)
{
	uint64_t due = sooner(agent->nominate_us, agent->old_drop_us);

	if (agent->data) {
		due = sooner(due, consent_over_us(agent, agent->data));
		if (agent->options.silence_ms > 0)
			due = sooner(due, future(agent, silent_us(agent)));
		due = sooner(due, follow_us(agent));
	} else if (agent->state == CF_ICE_CHECKING || agent->state == CF_ICE_DISCONNECTED) {
		due = sooner(due, fail_us(agent));
		/* Whether it is hopeless hangs on many things: look now and then. */
		if (agent->gathered && agent->remote_end)
			due = sooner(due, agent->now_us + 100 * CF_US_PER_MS);
	}
	return due;
}
