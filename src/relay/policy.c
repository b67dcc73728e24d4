/* SPDX-License-Identifier: Apache-2.0 */
#include "relay/relay.h"

bool cf_relay_peer_allowed(const struct cf_relay_config *config, const struct cf_addr *peer)
{
	/* Our own STUN and TURN ports: a relay that talks to itself would count, and could be
	 * driven in a circle. Relayed addresses of this host are fine: two relayed clients meet
	 * there. */
	for (size_t i = 0; i < config->n_own; i++)
		if (cf_addr_ip_eq(peer, &config->own[i]) &&
			(config->own[i].port == 0 || config->own[i].port == peer->port))
			return false;
	for (size_t i = 0; i < config->n_allow_peers; i++)
		if (cf_cidr_contains(&config->allow_peers[i], peer))
			return true;
	return cf_addr_classify(peer) == CF_ADDR_GLOBAL;
}
