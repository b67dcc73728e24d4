/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Relays and the network in the course of a call. A relay that nothing rests on is given back a few
 * seconds after a path without it works: it is metered. As soon as the path is in doubt it is asked
 * for again; a server that does not answer then is begun anew with, again and again, until the path
 * is sound. Addresses that come and go are followed.
 */
#include "base/clock.h"
#include "peer/peer_priv.h"

#define TEND_US (50 * CF_US_PER_MS)
#define ANSWER_US (250 * CF_US_PER_MS)  /* for a server in doubt */
#define CONNECT_US (500 * CF_US_PER_MS) /* rather a new connection than SYN's back-off */
#define ALLOCATE_US (1500 * CF_US_PER_MS)
#define REVIVE_US (250 * CF_US_PER_MS) /* between two beginnings */
#define RELEASE_US (2 * CF_US_PER_S)

static uint64_t now_of(const struct cf_peer *peer)
{
	return cf_loop_now_us(peer->loop);
}

/* What a server in this state is given, until it is begun anew with; never for those that wait. */
static uint64_t patience_us(const struct peer_server *s)
{
	uint64_t rtt = s->turn ? cf_turn_client_rtt_us(s->turn) : 0;

	switch (s->state) {
	case RELAY_CONNECTING:
		return CONNECT_US;
	case RELAY_RUNNING:
		if (!s->allocated)
			return ALLOCATE_US;
		return s->unsure ? ANSWER_US + 2 * rtt : CF_TIME_NEVER;
	case RELAY_DEAD:
	case RELAY_RESTING:
		return REVIVE_US;
	case RELAY_RELEASING:
		return RELEASE_US;
	default:
		return CF_TIME_NEVER;
	}
}

static void look_after(struct cf_peer *peer, struct peer_server *s)
{
	uint64_t from = s->unsure && s->asked_us > s->since_us ? s->asked_us : s->since_us;
	uint64_t given = patience_us(s);

	if (!s->url.turn || s->addr.family == CF_ADDR_NONE || s->resolving ||
		given == CF_TIME_NEVER || now_of(peer) - from < given)
		return;
	/* Over UDP the old allocation may still be good when the way to it is again; a server that
	 * forgot it answers 437. */
	if (s->allocated && !s->stream) {
		peer_server_ask(s);
		return;
	}
	peer_server_reset(s, RELAY_WAITING);
}

/* For so long a path without the relay has to be nominated, and no media to come through it. */
static uint64_t spare_us(const struct cf_peer *peer)
{
	return peer->relay_spare_ms * CF_US_PER_MS;
}

/* Only the relay that is used, if any, is kept; and nothing is kept while it may be needed. */
static bool is_spare(const struct cf_peer *peer, const struct peer_server *s)
{
	return s->allocated && s->base != NO_BASE && (int)peer->path.base != s->base &&
	       now_of(peer) - s->used_us >= spare_us(peer) / 2;
}

static void give_back(struct cf_peer *peer)
{
	for (size_t i = 0; i < peer->n_servers; i++)
		if (is_spare(peer, peer->servers[i]))
			peer_server_release(peer->servers[i]);
}

static bool is_settled(const struct cf_peer *peer)
{
	enum cf_ice_state ice = cf_ice_agent_state(peer->ice);

	return peer->state == CF_PEER_CONNECTED && !peer->doubted && peer->path.nominated &&
	       (ice == CF_ICE_CONNECTED || ice == CF_ICE_COMPLETED);
}

static bool any_spare(const struct cf_peer *peer)
{
	for (size_t i = 0; i < peer->n_servers; i++)
		if (peer->servers[i]->allocated && (int)peer->path.base != peer->servers[i]->base)
			return true;
	return false;
}

static void on_tend(struct cf_timer *timer, void *arg)
{
	struct cf_peer *peer = arg;

	(void)timer;
	peer_enter(peer);
	if (peer->doubted) {
		for (size_t i = 0; i < peer->n_servers; i++)
			look_after(peer, peer->servers[i]);
		peer_servers_try(peer);
	} else if (is_settled(peer) && now_of(peer) - peer->direct_us >= spare_us(peer)) {
		give_back(peer);
	}
	peer_leave(peer);
}

void peer_tend(struct cf_peer *peer)
{
	uint64_t at;

	if (!peer->connected_us)
		return;
	if (!is_settled(peer))
		peer->direct_us = 0;
	else if (!peer->direct_us)
		peer->direct_us = now_of(peer);
	if (cf_timer_is_set(&peer->tend_timer))
		return;
	if (peer->doubted)
		at = now_of(peer) + TEND_US;
	else if (peer->direct_us && any_spare(peer))
		at = now_of(peer) + spare_us(peer) / 4 + CF_US_PER_MS;
	else
		return;
	(void)!cf_timer_set(&peer->tend_timer, peer->loop, at, on_tend, peer);
}

/* All servers: does the allocation stand, or may we have one. */
static void ask_servers(struct cf_peer *peer)
{
	for (size_t i = 0; i < peer->n_servers; i++) {
		struct peer_server *s = peer->servers[i];

		if (s->allocated) {
			s->unsure = true;
			peer_server_ask(s);
		} else if (s->url.turn && (s->state == RELAY_RESTING || s->state == RELAY_DEAD) &&
			   s->addr.family != CF_ADDR_NONE && !s->resolving) {
			s->state = RELAY_WAITING;
			s->since_us = now_of(peer);
		}
	}
	peer_servers_head_start(peer);
	peer_servers_try(peer);
}

static void set_doubt(struct cf_peer *peer)
{
	bool news = !peer->doubted;

	peer->doubted = true;
	cf_timer_stop(&peer->tend_timer);
	if (!peer->connected_us)
		return;
	ask_servers(peer);
	if (news && peer->callbacks.doubt)
		peer->callbacks.doubt(peer->arg);
}

void peer_tend_again(struct cf_peer *peer)
{
	cf_ice_agent_ask_again(peer->ice, now_of(peer));
	if (peer->doubted && peer->connected_us)
		ask_servers(peer);
}

void peer_tend_doubt(struct cf_peer *peer, bool doubt)
{
	if (!doubt) {
		peer->doubted = false;
		for (size_t i = 0; i < peer->n_servers; i++)
			peer->servers[i]->unsure = false;
		return;
	}
	if (peer->netwatch)
		peer_hosts_refresh(peer);
	set_doubt(peer);
}

void peer_tend_network(struct cf_peer *peer)
{
	if (!peer->netwatch || !peer_hosts_refresh(peer) || !peer->connected_us)
		return;
	cf_ice_agent_network_changed(peer->ice, now_of(peer));
	if (peer->callbacks.doubt && !peer->doubted)
		peer->callbacks.doubt(peer->arg);
}
