/* SPDX-License-Identifier: Apache-2.0 */
/* The local addresses of a peer and their sockets. */
#include "base/map.h"
#include "base/mem.h"
#include "base/rand.h"
#include "net/ifaddrs.h"
#include "peer/peer_priv.h"

/* Random ports of a range to try before giving up. */
#define PORT_TRIES 64
#define SOCKET_BUFFER (256 * 1024)

static void on_datagrams(
	struct cf_udp *udp, const struct cf_udp_packet *packets, size_t n, void *arg)
{
	struct peer_host *host = arg;
	struct cf_peer *peer = host->peer;

	(void)udp;
	peer_enter(peer);
	for (size_t i = 0; i < n && !peer->freed; i++)
		if (!peer_servers_input(host, &packets[i].src, packets[i].p, packets[i].len))
			peer_packet(
				peer, host->base, &packets[i].src, packets[i].p, packets[i].len);
	peer_leave(peer);
}

static void on_icmp(struct cf_udp *udp, const struct cf_addr *dest, int err, void *arg)
{
	struct peer_host *host = arg;
	struct cf_peer *peer = host->peer;

	(void)udp;
	(void)err;
	if (host->base == NO_BASE)
		return;
	peer_enter(peer);
	cf_ice_agent_unreachable(peer->ice, (unsigned)host->base, dest, CF_ICE_TROUBLE_ICMP,
		cf_loop_now_us(peer->loop));
	peer_leave(peer);
}

static int open_socket(struct peer_host *host, uint16_t port_min, uint16_t port_max)
{
	struct cf_udp_options options;
	int err = CF_EADDRINUSE;

	cf_udp_options_defaults(&options);
	options.bind = host->addr;
	options.recv_buffer = options.send_buffer = SOCKET_BUFFER;
	options.recv = on_datagrams;
	options.error = on_icmp;
	options.arg = host;
	for (int i = 0; i < PORT_TRIES && err == CF_EADDRINUSE; i++) {
		uint32_t range = (uint32_t)port_max - port_min + 1;

		options.bind.port =
			port_min ? (uint16_t)(port_min + cf_rand_below(range)) : (uint16_t)0;
		err = cf_udp_open(&host->udp, host->peer->loop, &options);
	}
	return err;
}

/* Tells the agent; a policy that keeps host candidates out leaves the socket to TURN. */
static void add_base(struct peer_host *host)
{
	struct cf_ice_base_options base = {
		.kind = CF_ICE_BASE_UDP, .addr = *cf_udp_local(host->udp)};
	int id = cf_ice_agent_add_base(host->peer->ice, &base, cf_loop_now_us(host->peer->loop));

	host->base = id < 0 ? NO_BASE : id;
}

/* 1:1 NAT keeps ports, so the mapped address is known without asking. */
static void add_mapped(struct peer_host *host, const struct cf_addr *ip)
{
	struct cf_addr mapped = *ip;

	mapped.port = host->addr.port;
	if (host->base != NO_BASE && !cf_addr_ip_eq(ip, &host->addr))
		(void)!cf_ice_agent_add_mapped(host->peer->ice, (unsigned)host->base, &mapped, NULL,
			cf_loop_now_us(host->peer->loop));
}

/* mapped: NULL without NAT. */
static bool open_host(
	struct cf_peer *peer, const struct cf_addr *addr, const struct cf_addr *mapped)
{
	struct peer_host *host;

	if (peer->n_hosts == CF_PEER_HOSTS_MAX)
		return false;
	host = cf_alloc(sizeof(*host));
	if (!host)
		return false;
	host->peer = peer;
	host->addr = *addr;
	if (open_socket(host, peer->port_min, peer->port_max) < 0) {
		cf_free(host);
		return false;
	}
	host->addr = *cf_udp_local(host->udp);
	peer->hosts[peer->n_hosts++] = host;
	add_base(host);
	if (mapped)
		add_mapped(host, mapped);
	return true;
}

static int list_addresses(const struct cf_peer *peer, struct cf_ifaddr *found)
{
	return cf_ifaddrs_list(found, CF_IFADDRS_MAX,
		peer->loopback ? CF_IFADDRS_LOOPBACK_ALSO : CF_IFADDRS_LOOPBACK_LAST);
}

int peer_hosts_open(struct cf_peer *peer, const struct cf_peer_options *options)
{
	struct cf_ifaddr found[CF_IFADDRS_MAX];
	int n;

	for (size_t i = 0; options->hosts && i < options->n_hosts; i++)
		open_host(peer, &options->hosts[i], options->mapped ? &options->mapped[i] : NULL);
	if (!options->hosts) {
		n = list_addresses(peer, found);
		for (int i = 0; i < n; i++)
			open_host(peer, &found[i].addr, NULL);
	}
	return peer->n_hosts > 0 ? 0 : CF_EUNREACH;
}

void peer_host_free(struct peer_host *host)
{
	cf_udp_free(host->udp);
	cf_free(host);
}

struct peer_host *peer_host_towards(const struct cf_peer *peer, const struct cf_addr *addr)
{
	struct peer_host *same_family = NULL;
	struct cf_addr source;

	if (cf_ifaddrs_source(addr, &source) < 0)
		return NULL;
	for (size_t i = 0; i < peer->n_hosts; i++) {
		if (cf_addr_ip_eq(&peer->hosts[i]->addr, &source))
			return peer->hosts[i];
		if (peer->hosts[i]->addr.family == addr->family)
			same_family = peer->hosts[i];
	}
	return same_family;
}

/* In the course of a call */

static bool has_host(const struct cf_peer *peer, const struct cf_addr *addr)
{
	for (size_t i = 0; i < peer->n_hosts; i++)
		if (cf_addr_ip_eq(&peer->hosts[i]->addr, addr))
			return true;
	return false;
}

static void close_host(struct cf_peer *peer, size_t at)
{
	struct peer_host *host = peer->hosts[at];

	peer->hosts[at] = peer->hosts[--peer->n_hosts];
	peer_servers_host_gone(peer, host);
	peer_tcp_remove_host(peer, &host->addr);
	if (host->base != NO_BASE)
		cf_ice_agent_remove_base(
			peer->ice, (unsigned)host->base, cf_loop_now_us(peer->loop));
	peer_host_free(host);
}

/* The new ones first: the call may move to them at once. A loopback address is not worth it, where
 * there was another kind before. */
static bool follow_addresses(struct cf_peer *peer, const struct cf_ifaddr *found, int n)
{
	bool changed = false;

	for (int i = 0; i < n; i++) {
		if (has_host(peer, &found[i].addr) || (found[i].loopback && !peer->loopback) ||
			!open_host(peer, &found[i].addr, NULL))
			continue;
		peer_tcp_add_host(peer, &found[i].addr);
		changed = true;
	}
	for (size_t i = peer->n_hosts; i-- > 0;)
		if (!cf_ifaddrs_has(&peer->hosts[i]->addr)) {
			close_host(peer, i);
			changed = true;
		}
	return changed;
}

/* What there is, links that are down left out. */
static uint64_t digest(const struct cf_ifaddr *found, int n)
{
	uint64_t sum = (uint64_t)n;

	for (int i = 0; i < n; i++)
		sum = sum * 31 + cf_hash_bytes(found[i].addr.ip, 16, found[i].index);
	return sum;
}

bool peer_hosts_refresh(struct cf_peer *peer)
{
	struct cf_ifaddr found[CF_IFADDRS_MAX];
	struct cf_addr source = {0};
	int n = list_addresses(peer, found);
	uint64_t now_is = n < 0 ? peer->network : digest(found, n);
	bool changed = n >= 0 && follow_addresses(peer, found, n);

	/* Another route: our packets may go another way, with a source that does not fit it. */
	if (peer->path_known && cf_ifaddrs_source(&peer->path.to, &source) < 0)
		source = (struct cf_addr){0};
	source.port = 0;
	changed |= peer->network != 0 &&
		   (peer->network != now_is || !cf_addr_eq(&peer->source, &source));
	peer->network = now_is;
	peer->source = source;
	return changed;
}
