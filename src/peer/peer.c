/* SPDX-License-Identifier: Apache-2.0 */
#include "peer/peer.h"

#include "base/clock.h"
#include "base/mem.h"
#include "peer/peer_priv.h"

#include <stdio.h>
#include <string.h>

/* Turns of the pump until what is left waits for the next turn of the loop. */
#define PUMP_ROUNDS 64
#define RELAY_SPARE_MS 5000

static uint64_t now_of(const struct cf_peer *peer)
{
	return cf_loop_now_us(peer->loop);
}

/* Finding what a base of the agent stands for */

static struct peer_host *host_of(const struct cf_peer *peer, unsigned base)
{
	for (size_t i = 0; i < peer->n_hosts; i++)
		if (peer->hosts[i]->base == (int)base)
			return peer->hosts[i];
	return NULL;
}

struct peer_server *peer_server_of(const struct cf_peer *peer, unsigned base)
{
	for (size_t i = 0; i < peer->n_servers; i++)
		if (peer->servers[i]->turn && peer->servers[i]->base == (int)base)
			return peer->servers[i];
	return NULL;
}

void peer_send(
	struct cf_peer *peer, unsigned base, const struct cf_addr *to, const void *p, size_t n)
{
	struct peer_host *host = host_of(peer, base);
	struct peer_server *server;

	if (host) {
		cf_udp_send(host->udp, to, p, n);
		return;
	}
	if (peer_tcp_send(peer, base, to, p, n))
		return;
	server = peer_server_of(peer, base);
	if (server)
		peer_server_send(server, to, p, n);
}

/* Outputs */

static void set_state(struct cf_peer *peer, enum cf_peer_state state)
{
	if (peer->state == state)
		return;
	peer->state = state;
	if (state == CF_PEER_CONNECTED && !peer->connected_us)
		peer->connected_us = now_of(peer);
	peer->callbacks.state(state, peer->arg);
}

/* The peer's state follows from those of the agent and of DTLS. */
static void derive_state(struct cf_peer *peer)
{
	enum cf_ice_state ice = cf_ice_agent_state(peer->ice);
	bool secure = peer->dtls && cf_dtls_state(peer->dtls) == CF_DTLS_CONNECTED;

	if (peer->state == CF_PEER_FAILED || peer->state == CF_PEER_CLOSED)
		return;
	if (peer->dtls && cf_dtls_state(peer->dtls) == CF_DTLS_CLOSED) {
		set_state(peer, CF_PEER_CLOSED);
		return;
	}
	if (peer->secure_err || ice == CF_ICE_FAILED)
		set_state(peer, CF_PEER_FAILED);
	else if (ice == CF_ICE_DISCONNECTED && peer->connected_us)
		set_state(peer, CF_PEER_DISCONNECTED);
	else if (secure && (ice == CF_ICE_CONNECTED || ice == CF_ICE_COMPLETED))
		set_state(peer, CF_PEER_CONNECTED);
}

static void on_selected(struct cf_peer *peer, const struct cf_ice_path *path,
	enum cf_ice_cause cause, uint64_t gap_us)
{
	static const enum cf_peer_cause causes[] = {[CF_ICE_CAUSE_FIRST] = CF_PEER_CAUSE_FIRST,
		[CF_ICE_CAUSE_BETTER] = CF_PEER_CAUSE_BETTER,
		[CF_ICE_CAUSE_SILENCE] = CF_PEER_CAUSE_SILENCE,
		[CF_ICE_CAUSE_BASE_GONE] = CF_PEER_CAUSE_NETWORK_CHANGED,
		[CF_ICE_CAUSE_RELAY_GONE] = CF_PEER_CAUSE_RELAY_LOST,
		[CF_ICE_CAUSE_REMOTE] = CF_PEER_CAUSE_REMOTE};
	struct peer_server *server = peer_server_of(peer, path->base);

	peer->path = *path;
	peer->path_known = true;
	peer->cause = causes[cause];
	peer->gap_ms = (uint32_t)(gap_us / CF_US_PER_MS);
	if (server)
		(void)!cf_turn_client_bind(server->turn, &path->to, now_of(peer));
}

static bool same_path(const struct cf_ice_path *a, const struct cf_ice_path *b)
{
	return a->base == b->base && a->kind == b->kind && a->relays == b->relays &&
	       a->via == b->via && cf_addr_eq(&a->to, &b->to) && a->local.type == b->local.type &&
	       a->remote.type == b->remote.type && cf_addr_eq(&a->local.addr, &b->local.addr);
}

/* Behind the state: a path found while disconnected is told as well. */
static void tell_path(struct cf_peer *peer)
{
	if (peer->freed || peer->state != CF_PEER_CONNECTED || !peer->path_known ||
		(peer->path_told && same_path(&peer->path, &peer->told)))
		return;
	peer->told = peer->path;
	peer->path_told = true;
	if (peer->netwatch)
		(void)!peer_hosts_refresh(peer); /* what the next look is compared with */
	peer->callbacks.path(&peer->told, peer->cause, peer->gap_ms, peer->arg);
}

static void tell_awaited(struct cf_peer *peer)
{
	bool awaited = cf_ice_agent_is_awaited(peer->ice);

	if (awaited && !peer->awaited_told && peer->callbacks.awaited)
		peer->callbacks.awaited(peer->arg);
	peer->awaited_told = awaited;
}

const char *cf_peer_cause_name(enum cf_peer_cause cause)
{
	static const char *const names[] = {[CF_PEER_CAUSE_FIRST] = "first",
		[CF_PEER_CAUSE_BETTER] = "better",
		[CF_PEER_CAUSE_SILENCE] = "silence",
		[CF_PEER_CAUSE_NETWORK_CHANGED] = "network-changed",
		[CF_PEER_CAUSE_RELAY_LOST] = "relay-lost",
		[CF_PEER_CAUSE_REMOTE] = "remote"};

	return (unsigned)cause < CF_ARRAY_LEN(names) ? names[cause] : "unknown";
}

static void on_permit(struct cf_peer *peer, const struct cf_ice_output *out)
{
	struct peer_server *server = peer_server_of(peer, out->base);

	if (server && cf_turn_client_permit(server->turn, &out->addr, now_of(peer)) < 0)
		cf_ice_agent_unreachable(
			peer->ice, out->base, &out->addr, CF_ICE_TROUBLE_DENIED, now_of(peer));
}

static void on_output(struct cf_peer *peer, const struct cf_ice_output *out)
{
	char text[CF_ICE_CANDIDATE_TEXT_MAX];

	switch (out->kind) {
	case CF_ICE_OUT_LOCAL_CANDIDATE:
		if (cf_ice_candidate_print(&out->candidate, text, sizeof(text)) > 0)
			peer->callbacks.candidate(text, peer->arg);
		break;
	case CF_ICE_OUT_GATHERING_DONE:
		peer->callbacks.gathered(peer->arg);
		break;
	case CF_ICE_OUT_PERMIT:
		on_permit(peer, out);
		break;
	case CF_ICE_OUT_SEND:
		peer_send(peer, out->base, &out->addr, out->data.p, out->data.len);
		break;
	case CF_ICE_OUT_SELECTED:
		on_selected(peer, &out->path, out->cause, out->gap_us);
		break;
	case CF_ICE_OUT_DOUBT:
		peer_tend_doubt(peer, out->doubt);
		break;
	case CF_ICE_OUT_STATE:
		break;
	}
}

static void tell_bases_done(struct cf_peer *peer)
{
	if (peer->bases_done || !peer->servers_done || !peer_servers_settled(peer))
		return;
	peer->bases_done = true;
	cf_ice_agent_bases_done(peer->ice, now_of(peer));
}

static void on_timer(struct cf_timer *timer, void *arg)
{
	struct cf_peer *peer = arg;

	(void)timer;
	cf_ice_agent_tick(peer->ice, now_of(peer));
	peer_pump(peer);
}

static void arm(struct cf_peer *peer)
{
	uint64_t due_us = cf_ice_agent_deadline(peer->ice);

	for (size_t i = 0; i < peer->n_servers; i++) {
		struct cf_turn_client *turn = peer->servers[i]->turn;

		if (turn && cf_turn_client_deadline(turn) < due_us)
			due_us = cf_turn_client_deadline(turn);
	}
	if (peer->dtls && cf_dtls_deadline(peer->dtls) < due_us)
		due_us = cf_dtls_deadline(peer->dtls);
	(void)!cf_timer_set(&peer->timer, peer->loop, due_us, on_timer, peer);
}

static void destroy(struct cf_peer *peer)
{
	cf_defer_cancel(&peer->defer);
	cf_timer_stop(&peer->timer);
	cf_timer_stop(&peer->stream_timer);
	cf_timer_stop(&peer->tend_timer);
	cf_netwatch_free(peer->netwatch);
	for (size_t i = 0; i < peer->n_servers; i++)
		peer_server_free(peer->servers[i]);
	peer_tcp_free(peer->tcp);
	for (size_t i = 0; i < peer->n_hosts; i++)
		peer_host_free(peer->hosts[i]);
	cf_dtls_free(peer->dtls);
	cf_ice_agent_free(peer->ice);
	cf_free(peer->early);
	cf_free(peer);
}

void peer_pump(struct cf_peer *peer)
{
	struct cf_ice_output out;

	if (peer->depth > 0)
		return; /* who holds the peer pumps at the end */
	peer->depth++;
	for (int round = 0; round < PUMP_ROUNDS && !peer->freed; round++) {
		bool any = false;

		while (!peer->freed && cf_ice_agent_output(peer->ice, &out)) {
			any = true;
			on_output(peer, &out);
		}
		for (size_t i = 0; !peer->freed && i < peer->n_servers; i++)
			any |= peer_server_pump(peer->servers[i]);
		if (!peer->freed)
			tell_bases_done(peer);
		if (!any)
			break;
	}
	if (!peer->freed) {
		peer_servers_consider_family(peer);
		peer_secure_pump(peer);
	}
	if (!peer->freed)
		derive_state(peer);
	if (!peer->freed)
		tell_path(peer);
	if (!peer->freed)
		tell_awaited(peer);
	if (!peer->freed)
		peer_tend(peer);
	peer->depth--;
	if (peer->freed)
		destroy(peer);
	else
		arm(peer);
}

void peer_enter(struct cf_peer *peer)
{
	peer->depth++;
}

void peer_leave(struct cf_peer *peer)
{
	peer->depth--;
	if (peer->freed)
		destroy(peer);
	else
		peer_pump(peer);
}

static void deferred_pump(void *arg)
{
	struct cf_peer *peer = arg;

	peer_enter(peer);
	if (peer->look_again) {
		peer->look_again = false;
		peer_tend_network(peer);
		peer_tend_again(peer);
	}
	peer_leave(peer);
}

void peer_pump_later(struct cf_peer *peer)
{
	cf_defer_set(&peer->defer, peer->loop, deferred_pump, peer);
}

void peer_packet(struct cf_peer *peer, int base, const struct cf_addr *src, uint8_t *p, size_t n)
{
	struct peer_server *server;

	if (base == NO_BASE || peer->freed)
		return;
	if (cf_ice_agent_input(peer->ice, (unsigned)base, src, p, n, now_of(peer)))
		return;
	if (!peer->dtls) {
		peer_secure_keep_early(peer, base, src, p, n);
		return;
	}
	if (!cf_ice_agent_accepts(peer->ice, (unsigned)base, src))
		return;
	/* The agent may have selected this very path with the packet before: send by it already. */
	if (!peer->path_known)
		peer->path_known = cf_ice_agent_selected(peer->ice, &peer->path);
	if (!peer_secure_input(peer, p, n))
		return;
	cf_ice_agent_note_received(peer->ice, (unsigned)base, src, now_of(peer));
	server = peer_server_of(peer, (unsigned)base);
	if (server)
		server->used_us = now_of(peer);
}

/* Life */

static struct cf_ice_agent *new_agent(const struct cf_peer_options *options)
{
	struct cf_ice_options ice;

	cf_ice_options_defaults(&ice);
	ice.controlling = options->controlling;
	ice.policy = options->policy;
	return cf_ice_agent_new(&ice, cf_loop_now_us(options->loop));
}

static void on_network(void *arg)
{
	struct cf_peer *peer = arg;

	peer_enter(peer);
	peer_tend_network(peer);
	peer_leave(peer);
}

struct cf_peer *cf_peer_new(const struct cf_peer_options *options)
{
	struct cf_peer *peer = cf_alloc(sizeof(*peer));

	if (!peer)
		return NULL;
	peer->loop = options->loop;
	peer->callbacks = options->callbacks;
	peer->arg = options->arg;
	peer->identity = options->identity;
	peer->tls = options->tls;
	peer->pool = options->pool;
	peer->policy = options->policy;
	peer->loopback = options->loopback;
	peer->relay_spare_ms = options->relay_spare_ms ? options->relay_spare_ms : RELAY_SPARE_MS;
	peer->port_min = options->port_min;
	peer->port_max = options->port_max;
	peer->ice = new_agent(options);
	if (!peer->ice || peer_hosts_open(peer, options) < 0 || peer_tcp_open(peer, options) < 0) {
		destroy(peer);
		return NULL;
	}
	if (!options->hosts)
		(void)!cf_netwatch_new(&peer->netwatch, peer->loop, on_network, peer);
	cf_peer_add_servers(peer, options->servers, options->n_servers);
	peer_pump_later(peer);
	return peer;
}

void cf_peer_set_callbacks(
	struct cf_peer *peer, const struct cf_peer_callbacks *callbacks, void *arg)
{
	peer->callbacks = *callbacks;
	peer->arg = arg;
}

struct cf_peer *cf_peer_free(struct cf_peer *peer)
{
	if (!peer || peer->freed)
		return NULL;
	peer_secure_stop(peer);
	peer_servers_release(peer);
	if (peer->depth > 0)
		peer->freed = true;
	else
		destroy(peer);
	return NULL;
}

/* The other side */

bool cf_peer_restart_for(struct cf_peer *peer, const char *ufrag)
{
	if (!peer->remote_ufrag[0] || strcmp(peer->remote_ufrag, ufrag) == 0)
		return false;
	cf_ice_agent_restart(peer->ice, now_of(peer));
	peer->remote_ufrag[0] = 0;
	peer_pump_later(peer);
	return true;
}

void cf_peer_restart(struct cf_peer *peer)
{
	cf_ice_agent_restart(peer->ice, now_of(peer));
	if (peer->remote_ufrag[0])
		snprintf(peer->former_ufrag, sizeof(peer->former_ufrag), "%s", peer->remote_ufrag);
	peer->remote_ufrag[0] = 0;
	peer_pump_later(peer);
}

void cf_peer_regather(struct cf_peer *peer)
{
	peer->look_again = true;
	peer_pump_later(peer);
}

int cf_peer_set_remote(struct cf_peer *peer, const struct cf_peer_remote *remote)
{
	int err;

	if (strlen(remote->ufrag) >= sizeof(peer->remote_ufrag))
		return CF_EINVAL;
	/* Behind a restart of ours, what was said before it says nothing new. */
	if (strcmp(peer->remote_ufrag, remote->ufrag) == 0 ||
		strcmp(peer->former_ufrag, remote->ufrag) == 0)
		return 0;
	if (!peer->dtls) {
		err = peer_secure_start(peer, remote);
		if (err)
			return err;
	}
	err = cf_ice_agent_set_remote(
		peer->ice, remote->ufrag, remote->pwd, remote->ice_lite, now_of(peer));
	if (err)
		return err;
	snprintf(peer->remote_ufrag, sizeof(peer->remote_ufrag), "%s", remote->ufrag);
	peer->former_ufrag[0] = 0;
	if (!peer->checking_us)
		peer->checking_us = now_of(peer);
	peer_pump_later(peer);
	return 0;
}

int cf_peer_add_remote_candidate(struct cf_peer *peer, const char *text, size_t n)
{
	struct cf_ice_candidate candidate;
	int err;

	if (n == 0) {
		cf_peer_end_of_remote_candidates(peer);
		return 0;
	}
	err = cf_ice_candidate_parse(&candidate, text, n);
	if (!err)
		err = cf_ice_agent_add_remote(peer->ice, &candidate, now_of(peer));
	peer_pump_later(peer);
	return err;
}

void cf_peer_end_of_remote_candidates(struct cf_peer *peer)
{
	cf_ice_agent_end_of_remotes(peer->ice, now_of(peer));
	peer_pump_later(peer);
}

/* Looking */

const char *cf_peer_ufrag(const struct cf_peer *peer)
{
	return cf_ice_agent_ufrag(peer->ice);
}

const char *cf_peer_pwd(const struct cf_peer *peer)
{
	return cf_ice_agent_pwd(peer->ice);
}

enum cf_peer_state cf_peer_state(const struct cf_peer *peer)
{
	return peer->state;
}

bool cf_peer_path(const struct cf_peer *peer, struct cf_ice_path *ret_path)
{
	return cf_ice_agent_selected(peer->ice, ret_path);
}

const char *cf_peer_why(const struct cf_peer *peer, char *text, size_t cap)
{
	if (peer->secure_err) {
		snprintf(text, cap, "the DTLS handshake failed: %s", cf_err_text(peer->secure_err));
		return text;
	}
	return cf_ice_agent_why(peer->ice, text, cap);
}

const struct cf_ice_agent *cf_peer_agent(const struct cf_peer *peer)
{
	return peer->ice;
}

uint64_t cf_peer_checking_us(const struct cf_peer *peer)
{
	return peer->checking_us;
}

uint64_t cf_peer_connected_us(const struct cf_peer *peer)
{
	return peer->connected_us;
}

uint64_t cf_peer_dtls_started_us(const struct cf_peer *peer)
{
	return peer->dtls_started_us;
}

uint64_t cf_peer_dtls_done_us(const struct cf_peer *peer)
{
	return peer->dtls_done_us;
}

uint8_t peer_only_family_of_remotes(const struct cf_peer *peer)
{
	struct cf_ice_candidate candidate;
	uint8_t family = CF_ADDR_NONE;

	for (size_t i = 0; cf_ice_agent_remote(peer->ice, i, &candidate); i++) {
		if (cf_ice_candidate_is_relayed(&candidate))
			continue;
		if (family != CF_ADDR_NONE && candidate.addr.family != family)
			return CF_ADDR_NONE;
		family = candidate.addr.family;
	}
	return family;
}
