/* SPDX-License-Identifier: Apache-2.0 */
#include "base/mem.h"
#include "base/rand.h"
#include "relay/io/io_priv.h"

#include <unistd.h>

_Static_assert(CF_UDP_HEADROOM >= CF_TURN_HEADROOM && CF_UDP_TAILROOM >= CF_TURN_TAILROOM,
	"datagrams of peers are wrapped where they were received");

/* Relayed addresses of this host reach each other inside: not every 1:1 NAT turns packets round. A
 * peer that is one of them by its public address, or on the way back by its own one, is rewritten;
 * other ports are not, for that would open what the NAT's firewall keeps shut. */
static const struct cf_addr *turn_round(const struct cf_relay_server *server,
	const struct cf_addr *peer, bool inwards, struct cf_addr *room)
{
	const struct cf_relay_server_config *config = &server->shared->config;

	if (!server->behind_nat || peer->port < server->inner_min || peer->port > server->inner_max)
		return peer;
	for (size_t i = 0; i < config->n_relay; i++) {
		const struct cf_relay_addr *r = &config->relay[i];

		if (!cf_addr_ip_eq(peer, inwards ? &r->advertised : &r->bind))
			continue;
		*room = inwards ? r->bind : r->advertised;
		room->port = peer->port;
		return room;
	}
	return peer;
}

static void on_datagrams(
	struct cf_udp *udp, const struct cf_udp_packet *packets, size_t n, void *arg)
{
	struct relay_port *port = arg;
	struct cf_relay_server *server = port->server;
	uint64_t now_us = cf_loop_now_us(server->loop);

	(void)udp;
	for (size_t i = 0; i < n; i++) {
		struct cf_addr outer;

		cf_relay_peer_input(server->relay, port->alloc,
			turn_round(server, &packets[i].src, false, &outer), packets[i].p,
			packets[i].len, now_us);
	}
}

/* The types that RFC 8656 section 11.5 passes on, as near as the socket's error tells. */
static void on_error(struct cf_udp *udp, const struct cf_addr *dest, int err, void *arg)
{
	struct relay_port *port = arg;
	bool v6 = dest->family == CF_ADDR_IPV6;
	uint8_t type = v6 ? 1 : 3, code = v6 ? 3 : 1; /* host or address unreachable */

	(void)udp;
	if (err == CF_EDENIED)
		code = v6 ? 1 : 13; /* administratively prohibited */
	else if (err == CF_ENOSPC && v6)
		return; /* packet too big is type 2 and not passed on */
	else if (err == CF_ENOSPC)
		code = 4; /* fragmentation needed */
	cf_relay_peer_icmp(port->server->relay, port->alloc, dest, type, code, 0,
		cf_loop_now_us(port->server->loop));
}

static void fill_options(struct relay_port *port, struct cf_udp_options *options)
{
	cf_udp_options_defaults(options);
	options->recv = on_datagrams;
	options->error = on_error;
	options->arg = port;
}

static int try_port(struct relay_port *port, size_t addr, uint16_t number, bool reuse)
{
	struct cf_udp_options options;
	int err;

	fill_options(port, &options);
	options.bind = port->server->shared->config.relay[addr].bind;
	options.bind.port = number;
	options.reuse_port = reuse;
	err = cf_udp_open(&port->udp, port->server->loop, &options);
	/* RFC 8656 section 15: DF only where the client asks for it. */
	if (err == 0)
		(void)!cf_udp_set_dont_fragment(port->udp, false);
	return err;
}

void cf_relay_port_detach(struct relay_port *port)
{
	if (!port)
		return;
	port->fd = cf_udp_detach(port->udp);
	port->udp = NULL;
}

int cf_relay_port_attach(struct relay_port *port, struct cf_relay_server *server)
{
	struct cf_udp_options options;
	int fd = port->fd;

	fill_options(port, &options);
	port->fd = -1;
	port->server = server;
	return cf_udp_adopt(&port->udp, server->loop, &options, fd);
}

/* A relay address of this family: the one the client came to, else the first. */
static int choose_addr(const struct cf_relay_server_config *config,
	const struct cf_relay_open *request, size_t *ret_addr)
{
	int found = CF_ENOTSUP;

	for (size_t i = 0; i < config->n_relay; i++) {
		if (config->relay[i].bind.family != request->family)
			continue;
		if (found < 0 || cf_addr_ip_eq(&config->relay[i].bind, &request->near)) {
			*ret_addr = i;
			found = 0;
		}
	}
	return found;
}

/* A port by chance; with a reservation, an even one whose neighbour is free too. */
static int open_random(struct relay_port *port, size_t addr, const struct cf_relay_open *request,
	uint64_t *ret_token)
{
	const struct cf_relay_server *server = port->server;
	uint32_t span = (uint32_t)(server->max_port - server->min_port) + 1;
	uint64_t now_us = cf_loop_now_us(port->server->loop);
	int err = CF_EADDRINUSE;

	for (int i = 0; i < RELAY_PORT_TRIES; i++) {
		uint16_t number = (uint16_t)(server->min_port + cf_rand_below(span));

		if (request->even_port)
			number &= 0xfffe;
		if (number < server->min_port ||
			(request->reserve_next && number >= server->max_port))
			continue;
		err = try_port(port, addr, number, false);
		if (err == 0 && request->reserve_next) {
			err = cf_relay_shared_reserve(port->server->shared, addr,
				(uint16_t)(number + 1), now_us, ret_token);
			if (err < 0)
				port->udp = cf_udp_free(port->udp);
		}
		if (err != CF_EADDRINUSE)
			return err;
	}
	return err;
}

static int open_reserved(struct relay_port *port, uint64_t token, size_t *ret_addr)
{
	uint64_t now_us = cf_loop_now_us(port->server->loop);
	uint16_t number;
	int err, fd;

	fd = cf_relay_shared_claim(port->server->shared, token, now_us, ret_addr, &number);
	if (fd < 0)
		return fd;
	err = try_port(port, *ret_addr, number, true);
	close(fd);
	return err;
}

int cf_relay_port_open(
	const struct cf_relay_open *request, struct cf_relay_opened *ret_opened, void *arg)
{
	struct cf_relay_server *server = arg;
	const struct cf_relay_server_config *config = &server->shared->config;
	struct relay_port *port;
	uint64_t token = 0;
	size_t addr = 0;
	int err = request->has_token ? 0 : choose_addr(config, request, &addr);

	if (err < 0)
		return err;
	port = cf_alloc(sizeof(*port));
	if (!port)
		return CF_ENOMEM;
	port->server = server;
	port->fd = -1;
	port->alloc = request->owner;
	err = request->has_token ? open_reserved(port, request->token, &addr)
				 : open_random(port, addr, request, &token);
	if (err < 0) {
		cf_free(port);
		return err;
	}
	ret_opened->socket = port;
	ret_opened->token = token;
	ret_opened->relayed = config->relay[addr].advertised.family ? config->relay[addr].advertised
								    : config->relay[addr].bind;
	ret_opened->relayed.port = cf_udp_local(port->udp)->port;
	return 0;
}

void cf_relay_port_close(void *socket, void *arg)
{
	struct relay_port *port = socket;

	(void)arg;
	cf_udp_free(port->udp);
	if (port->fd >= 0)
		close(port->fd);
	cf_free(port);
}

void cf_relay_port_send(void *socket, const struct cf_addr *peer, const uint8_t *p, size_t n,
	bool dont_fragment, void *arg)
{
	struct relay_port *port = socket;
	struct cf_addr inner;

	(void)arg;
	peer = turn_round(port->server, peer, true, &inner);
	if (!dont_fragment) {
		cf_udp_send(port->udp, peer, p, n);
		return;
	}
	/* The flag is the socket's, so this one goes alone. */
	cf_udp_flush(port->udp);
	if (cf_udp_set_dont_fragment(port->udp, true) == 0) {
		cf_udp_send(port->udp, peer, p, n);
		cf_udp_flush(port->udp);
	}
	(void)!cf_udp_set_dont_fragment(port->udp, false);
}
