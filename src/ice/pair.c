/* SPDX-License-Identifier: Apache-2.0 */
/* Remote candidates and the pairs formed with them (RFC 8445 section 6.1.2, RFC 8838 section 10).
 */
#include "base/mem.h"
#include "ice/ice_priv.h"

#include <stdio.h>
#include <string.h>

enum cf_ice_transport ice_opposite(enum cf_ice_transport transport)
{
	static const uint8_t opposite[] = {
		[CF_ICE_UDP] = CF_ICE_UDP,
		[CF_ICE_TCP_ACTIVE] = CF_ICE_TCP_PASSIVE,
		[CF_ICE_TCP_PASSIVE] = CF_ICE_TCP_ACTIVE,
		[CF_ICE_TCP_SO] = CF_ICE_TCP_SO,
	};

	return (enum cf_ice_transport)opposite[transport];
}

struct ice_gen *ice_gen_of(struct cf_ice_agent *agent, uint32_t id)
{
	if (id == agent->cur.id)
		return &agent->cur;
	return id != 0 && id == agent->old.id ? &agent->old : NULL;
}

static bool is_link_local6(const struct cf_addr *addr)
{
	return addr->family == CF_ADDR_IPV6 && addr->ip[0] == 0xfe && (addr->ip[1] & 0xc0) == 0x80;
}

/* RFC 8445 section 6.1.2.2: same family, link-local only with link-local; RFC 6544 section 6.2:
 * active with passive, and passive ones wait for the peer to connect. */
bool ice_usable(const struct cf_ice_agent *agent, const struct ice_base *base,
	const struct ice_remote *remote)
{
	if (!base->used || remote->barred || remote->gen != agent->cur.id)
		return false;
	if (base->addr.family != remote->c.addr.family || base->kind == CF_ICE_BASE_TCP_PASSIVE)
		return false;
	if (remote->c.transport != ice_opposite(base->transport))
		return false;
	return is_link_local6(&base->addr) == is_link_local6(&remote->c.addr);
}

/* Without the scope, which is ours alone. */
static struct cf_addr plain(const struct cf_addr *addr)
{
	struct cf_addr out = *addr;

	out.scope = 0;
	return out;
}

static struct cf_addr scoped(const struct ice_base *base, const struct cf_addr *addr)
{
	struct cf_addr out = *addr;

	out.scope = is_link_local6(addr) ? base->addr.scope : 0;
	return out;
}

struct pair_key {
	uint8_t slot;
	uint32_t gen;
	const struct cf_addr *addr;
};

static uint32_t key_hash(const struct cf_ice_agent *agent, const struct pair_key *key)
{
	return cf_addr_hash(
		key->addr, agent->hash_seed ^ (uint32_t)key->slot << 24 ^ key->gen * 2654435761u);
}

static bool key_eq(const struct cf_map_node *node, const void *arg)
{
	const struct pair_key *key = arg;
	const struct ice_pair *pair = CF_CONTAINER_OF(node, struct ice_pair, node);

	return pair->slot == key->slot && pair->gen == key->gen &&
	       cf_addr_eq(&pair->addr, key->addr);
}

struct ice_pair *ice_pair_find(
	const struct cf_ice_agent *agent, uint8_t slot, const struct cf_addr *remote, uint32_t gen)
{
	struct cf_addr addr = scoped(&agent->bases[slot], remote);
	struct pair_key key = {slot, gen, &addr};
	struct cf_map_node *node =
		cf_map_find(&agent->pair_map, key_hash(agent, &key), key_eq, &key);

	return node ? CF_CONTAINER_OF(node, struct ice_pair, node) : NULL;
}

/* The order of preference: fewer relays first, whatever the numbers say (RFC 8445's formula would
 * put two UDP relays before one TCP relay), then the pair priority. */
bool ice_pair_better(const struct ice_pair *a, const struct ice_pair *b)
{
	if (a->relays != b->relays)
		return a->relays < b->relays;
	return a->priority > b->priority;
}

void ice_pairs_sort(struct cf_ice_agent *agent)
{
	for (size_t i = 1; i < agent->n_pairs; i++) {
		struct ice_pair *pair = agent->pairs[i];
		size_t at = i;

		for (; at > 0 && ice_pair_better(pair, agent->pairs[at - 1]); at--)
			agent->pairs[at] = agent->pairs[at - 1];
		agent->pairs[at] = pair;
	}
}

void ice_pair_rank(struct cf_ice_agent *agent, struct ice_pair *pair)
{
	uint32_t ours = pair->local->c.priority, theirs = pair->remote->c.priority;

	pair->priority = agent->controlling ? cf_ice_pair_priority(ours, theirs)
					    : cf_ice_pair_priority(theirs, ours);
	pair->relays = (unsigned)agent->bases[pair->slot].relay +
		       (unsigned)cf_ice_candidate_is_relayed(&pair->remote->c);
}

/* Makes room by dropping the worst pair, if it is not in use and worse than the one to come. */
static bool make_room(struct cf_ice_agent *agent, const struct ice_pair *comer)
{
	struct ice_pair *worst;

	if (agent->n_pairs < CF_ICE_MAX_PAIRS)
		return true;
	worst = agent->pairs[agent->n_pairs - 1];
	if (worst->state == CF_ICE_PAIR_SUCCEEDED || worst == agent->selected ||
		worst == agent->data || !ice_pair_better(comer, worst))
		return false;
	ice_pair_drop(agent, worst);
	return true;
}

int ice_pair_add(struct cf_ice_agent *agent, uint8_t slot, struct ice_remote *remote,
	struct ice_pair **ret_pair)
{
	struct ice_pair *pair = cf_alloc(sizeof(*pair));
	struct pair_key key;

	if (!pair)
		return CF_ENOMEM;
	pair->gen = remote->gen;
	pair->slot = slot;
	pair->remote = remote;
	pair->addr = scoped(&agent->bases[slot], &remote->c.addr);
	pair->local = ice_local_of_base(agent, slot);
	pair->error = CF_ICE_PAIR_NOT_TRIED;
	pair->created_us = pair->try_from_us = pair->next_us = agent->now_us;
	pair->consent_us = CF_TIME_NEVER;
	ice_pair_rank(agent, pair);
	key = (struct pair_key){slot, pair->gen, &pair->addr};
	if (!make_room(agent, pair)) {
		cf_free(pair);
		return CF_ELIMIT;
	}
	if (cf_map_insert(&agent->pair_map, &pair->node, key_hash(agent, &key)) < 0) {
		cf_free(pair);
		return CF_ENOMEM;
	}
	agent->pairs[agent->n_pairs++] = pair;
	ice_revive(agent);
	ice_pairs_sort(agent);
	if (ret_pair)
		*ret_pair = pair;
	return 0;
}

void ice_pair_drop(struct cf_ice_agent *agent, struct ice_pair *pair)
{
	size_t kept = 0;

	for (size_t i = 0; i < agent->n_pairs; i++)
		if (agent->pairs[i] != pair)
			agent->pairs[kept++] = agent->pairs[i];
	agent->n_pairs = kept;
	cf_map_remove(&agent->pair_map, &pair->node);
	if (agent->selected == pair)
		agent->selected = NULL;
	if (agent->stray == pair)
		agent->stray = NULL;
	if (agent->data == pair) {
		agent->gone_us = pair->last_rx_us;
		agent->gone_cause = agent->bases[pair->slot].relay ? CF_ICE_CAUSE_RELAY_GONE
								   : CF_ICE_CAUSE_BASE_GONE;
		agent->data = NULL;
		agent->out_selected = false;
	}
	cf_free(pair);
}

void ice_pairs_clear(struct cf_ice_agent *agent)
{
	while (agent->n_pairs > 0)
		ice_pair_drop(agent, agent->pairs[agent->n_pairs - 1]);
}

/* Pairs of one base with all remote candidates. CF_ENOMEM; a full table is no error. */
int ice_pairs_of_base(struct cf_ice_agent *agent, uint8_t slot)
{
	const struct ice_base *base = &agent->bases[slot];

	if (agent->options.lite)
		return 0;
	for (size_t i = 0; i < agent->n_remotes; i++) {
		struct ice_remote *remote = agent->remotes[i];

		if (!ice_usable(agent, base, remote) ||
			ice_pair_find(agent, slot, &remote->c.addr, remote->gen))
			continue;
		if (ice_pair_add(agent, slot, remote, NULL) == CF_ENOMEM)
			return CF_ENOMEM;
	}
	return 0;
}

static int pairs_of_remote(struct cf_ice_agent *agent, struct ice_remote *remote)
{
	if (agent->options.lite)
		return 0;
	for (uint8_t slot = 0; slot < CF_ICE_MAX_BASES; slot++) {
		if (!ice_usable(agent, &agent->bases[slot], remote) ||
			ice_pair_find(agent, slot, &remote->c.addr, remote->gen))
			continue;
		if (ice_pair_add(agent, slot, remote, NULL) == CF_ENOMEM)
			return CF_ENOMEM;
	}
	return 0;
}

struct ice_remote *ice_remote_find(struct cf_ice_agent *agent, const struct cf_addr *addr,
	enum cf_ice_transport transport, uint32_t gen)
{
	struct cf_addr wanted = plain(addr);

	for (size_t i = 0; i < agent->n_remotes; i++) {
		struct ice_remote *remote = agent->remotes[i];

		if (remote->gen == gen && remote->c.transport == transport &&
			cf_addr_eq(&remote->c.addr, &wanted))
			return remote;
	}
	return NULL;
}

static size_t count_remotes(const struct cf_ice_agent *agent, bool learned)
{
	size_t n = 0;

	for (size_t i = 0; i < agent->n_remotes; i++)
		n += agent->remotes[i]->gen == agent->cur.id &&
		     agent->remotes[i]->learned == learned;
	return n;
}

static void remove_remote(struct cf_ice_agent *agent, struct ice_remote *remote)
{
	size_t kept = 0;

	for (size_t i = agent->n_pairs; i-- > 0;)
		if (agent->pairs[i]->remote == remote)
			ice_pair_drop(agent, agent->pairs[i]);
	for (size_t i = 0; i < agent->n_remotes; i++)
		if (agent->remotes[i] != remote)
			agent->remotes[kept++] = agent->remotes[i];
	agent->n_remotes = kept;
	cf_free(remote);
}

/* Room for a candidate of a peer whose network changes again and again: the oldest one that no
 * working pair goes to. Not before there is a path: a stranger's flood pushes nothing out. */
static void evict_remote(struct cf_ice_agent *agent, bool learned)
{
	for (size_t i = 0; agent->selected && i < agent->n_remotes; i++) {
		struct ice_remote *remote = agent->remotes[i];
		bool works = remote->gen != agent->cur.id || remote->learned != learned;

		for (size_t k = 0; !works && k < agent->n_pairs; k++)
			works = agent->pairs[k]->remote == remote &&
				(agent->pairs[k]->state == CF_ICE_PAIR_SUCCEEDED ||
					agent->pairs[k] == agent->data);
		if (works)
			continue;
		remove_remote(agent, remote);
		return;
	}
}

static int new_remote(struct cf_ice_agent *agent, const struct cf_ice_candidate *candidate,
	bool learned, struct ice_remote **ret_remote)
{
	struct ice_remote *remote;

	if (count_remotes(agent, learned) >= (learned ? ICE_MAX_PRFLX : CF_ICE_MAX_REMOTES))
		evict_remote(agent, learned);
	if (count_remotes(agent, learned) >= (learned ? ICE_MAX_PRFLX : CF_ICE_MAX_REMOTES) ||
		agent->n_remotes == CF_ARRAY_LEN(agent->remotes))
		return CF_ELIMIT;
	remote = cf_alloc(sizeof(*remote));
	if (!remote)
		return CF_ENOMEM;
	remote->c = *candidate;
	remote->c.addr = plain(&candidate->addr);
	remote->gen = agent->cur.id;
	remote->learned = learned;
	agent->remotes[agent->n_remotes++] = remote;
	agent->out_permits = true;
	*ret_remote = remote;
	return 0;
}

int ice_remote_prflx(struct cf_ice_agent *agent, const struct cf_addr *addr,
	enum cf_ice_transport transport, uint32_t priority, struct ice_remote **ret_remote)
{
	struct cf_ice_candidate c = {.component = 1,
		.transport = (uint8_t)transport,
		.type = CF_ICE_PRFLX,
		.priority = priority,
		.addr = *addr};

	/* RFC 8445 section 7.3.1.3: a foundation unlike those of the other remote candidates. */
	snprintf(c.foundation, sizeof(c.foundation), "prflx%zu", agent->n_remotes);
	return new_remote(agent, &c, true, ret_remote);
}

/* Drops remote candidates of earlier generations that no pair refers to any more. */
void ice_remotes_sweep(struct cf_ice_agent *agent)
{
	for (size_t i = agent->n_remotes; i-- > 0;) {
		struct ice_remote *remote = agent->remotes[i];
		bool wanted = remote->gen == agent->cur.id;

		for (size_t k = 0; !wanted && k < agent->n_pairs; k++)
			wanted = agent->pairs[k]->remote == remote;
		if (!wanted)
			remove_remote(agent, remote);
	}
}

/* RFC 8838 section 11.1: what was peer-reflexive turns out to be a candidate of the peer. */
static void upgrade(struct cf_ice_agent *agent, struct ice_remote *remote,
	const struct cf_ice_candidate *candidate)
{
	struct cf_addr addr = remote->c.addr;

	if (remote->c.type != CF_ICE_PRFLX || candidate->type == CF_ICE_PRFLX)
		return;
	remote->c = *candidate;
	remote->c.addr = addr;
	for (size_t i = 0; i < agent->n_pairs; i++)
		if (agent->pairs[i]->remote == remote) {
			ice_pair_rank(agent, agent->pairs[i]);
			if (agent->pairs[i] == agent->data)
				agent->out_selected = true; /* described anew */
		}
	ice_pairs_sort(agent);
}

static int check_remote(const struct cf_ice_agent *agent, const struct cf_ice_candidate *candidate)
{
	enum cf_addr_class class = cf_addr_classify(&candidate->addr);

	if (candidate->component != 1 || candidate->transport > CF_ICE_TCP_SO ||
		candidate->type > CF_ICE_RELAY || !cf_addr_ip_len(&candidate->addr))
		return CF_EINVAL;
	if (candidate->addr.port == 0 || class == CF_ADDR_UNSPECIFIED || class == CF_ADDR_MULTICAST)
		return CF_EINVAL;
	if (candidate->ufrag[0] && agent->cur.remote.ufrag[0] &&
		strcmp(candidate->ufrag, agent->cur.remote.ufrag) != 0)
		return CF_EEXPIRED;
	return 0;
}

int cf_ice_agent_add_remote(
	struct cf_ice_agent *agent, const struct cf_ice_candidate *candidate, uint64_t now_us)
{
	struct ice_remote *remote;
	int err = check_remote(agent, candidate);

	if (err < 0)
		return err;
	agent->now_us = now_us;
	remote = ice_remote_find(agent, &candidate->addr,
		(enum cf_ice_transport)candidate->transport, agent->cur.id);
	if (remote) {
		upgrade(agent, remote, candidate);
	} else {
		err = new_remote(agent, candidate, false, &remote);
		if (err < 0)
			return err;
	}
	remote->barred = agent->options.policy == CF_ICE_POLICY_DIRECT &&
			 cf_ice_candidate_is_relayed(&remote->c);
	for (size_t i = agent->n_pairs; remote->barred && i-- > 0;)
		if (agent->pairs[i]->remote == remote)
			ice_pair_drop(agent, agent->pairs[i]);
	err = pairs_of_remote(agent, remote);
	if (err < 0) {
		remove_remote(agent, remote);
		return err;
	}
	cf_ice_agent_tick(agent, now_us);
	return 0;
}

/* Candidates that came before the credentials and name those of another generation. */
static void drop_strays(struct cf_ice_agent *agent)
{
	for (size_t i = agent->n_remotes; i-- > 0;) {
		struct ice_remote *remote = agent->remotes[i];

		if (remote->gen == agent->cur.id && remote->c.ufrag[0] &&
			strcmp(remote->c.ufrag, agent->cur.remote.ufrag) != 0)
			remove_remote(agent, remote);
	}
}

void ice_remotes_known(struct cf_ice_agent *agent)
{
	drop_strays(agent);
	for (size_t i = 0; i < agent->n_pairs; i++)
		if (agent->pairs[i]->gen == agent->cur.id)
			ice_pair_restart_tries(agent, agent->pairs[i]);
}

void cf_ice_agent_end_of_remotes(struct cf_ice_agent *agent, uint64_t now_us)
{
	if (!agent->remote_end)
		agent->remote_end_us = now_us;
	agent->remote_end = true;
	cf_ice_agent_tick(agent, now_us);
}
