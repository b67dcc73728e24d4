/* SPDX-License-Identifier: Apache-2.0 */
/* What became of each STUN and TURN server, for traces and reports. */
#include "peer/peer_priv.h"

static const char *stun_state(const struct peer_server *server, uint64_t *ret_done_us)
{
	static const char *const names[] = {[CF_ICE_STUN_UNUSED] = "unused",
		[CF_ICE_STUN_ASKING] = "asking",
		[CF_ICE_STUN_ANSWERED] = "answered",
		[CF_ICE_STUN_NO_ANSWER] = "no-answer"};

	if (!cf_addr_ip_len(&server->addr))
		return "unknown-host";
	return names[cf_ice_agent_stun(server->peer->ice, &server->addr, ret_done_us)];
}

static const char *turn_state(const struct peer_server *server)
{
	static const char *const names[] = {[RELAY_RESOLVING] = "resolving",
		[RELAY_WAITING] = "waiting",
		[RELAY_CONNECTING] = "connecting",
		[RELAY_STANDBY] = "connected",
		[RELAY_RUNNING] = "allocating",
		[RELAY_RELEASING] = "released",
		[RELAY_RESTING] = "released",
		[RELAY_DEAD] = "given-up"};

	if (server->state == RELAY_DEAD && !cf_addr_ip_len(&server->addr))
		return "unknown-host";
	return server->allocated ? "allocated" : names[server->state];
}

bool cf_peer_server(const struct cf_peer *peer, size_t i, struct cf_peer_server_info *ret_info)
{
	const struct peer_server *server;

	if (i >= peer->n_servers)
		return false;
	server = peer->servers[i];
	*ret_info = (struct cf_peer_server_info){.url = server->text,
		.addr = server->addr,
		.turn = server->url.turn,
		.code = server->code,
		.done_us = server->allocated_us};
	if (server->url.turn || server->state == RELAY_RESOLVING)
		ret_info->state = turn_state(server);
	else
		ret_info->state = stun_state(server, &ret_info->done_us);
	return true;
}
