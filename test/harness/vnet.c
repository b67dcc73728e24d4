/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/vnet.h"

#include "base/clock.h"
#include "stun/msg.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_SOCKS 64
#define MAX_REALMS 16
#define MAX_MAPS 512
#define MAX_FILTERS 64
#define MAX_PERMITS 64

enum sock_kind { VSOCK_UDP, VSOCK_STREAM, VSOCK_RELAY, VSOCK_STUN, VSOCK_STRANGER };

struct sock {
	enum sock_kind kind;
	bool open;
	bool stream_leg;
	int leg_realm; /* of a relay's client */
	unsigned leg_epoch;
	int realm;
	struct cf_addr addr;
	void *owner;
	struct cf_addr permits[MAX_PERMITS];
	size_t n_permits;
};

struct map {
	bool used;
	bool spoilt; /* made by a packet from outside: takes the port for that peer */
	struct cf_addr inside;
	struct cf_addr peer; /* symmetric: the destination */
	uint16_t port;
	struct cf_addr filters[MAX_FILTERS];
	size_t n_filters;
	uint64_t used_us;
};

struct realm {
	int outer;
	struct vnet_nat_options nat;
	struct cf_addr outside;
	bool cut, mute, no_udp;
	unsigned epoch; /* reboots so far */
	struct map *maps;
};

struct packet {
	struct packet *next;
	uint64_t at;
	uint64_t seq;
	int realm; /* where it is delivered */
	struct cf_addr src, dst;
	int to_sock; /* relay's client leg, ICMP: straight to this socket; else -1 */
	bool unreachable;
	bool stream;
	size_t len;
	uint8_t data[];
};

struct cf_vnet {
	struct vnet_options options;
	uint64_t now, seq, sent;
	uint64_t rng;
	struct sock socks[MAX_SOCKS];
	int n_socks;
	struct realm realms[MAX_REALMS];
	int n_realms;
	uint16_t next_port;
	int blocked[2];       /* realms */
	struct packet *queue; /* by time */
};

static uint32_t draw(struct cf_vnet *net)
{
	net->rng = net->rng * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(net->rng >> 33);
}

struct cf_vnet *cf_vnet_new(const struct vnet_options *options)
{
	struct cf_vnet *net = calloc(1, sizeof(*net));

	if (!net)
		abort();
	net->options = *options;
	net->now = 1000000;
	net->rng = options->seed * 2 + 1;
	net->n_realms = 1;
	net->next_port = 20000;
	for (int i = 0; i < 8; i++)
		draw(net);
	return net;
}

void cf_vnet_free(struct cf_vnet *net)
{
	while (net->queue) {
		struct packet *packet = net->queue;

		net->queue = packet->next;
		free(packet);
	}
	for (int i = 0; i < net->n_realms; i++)
		free(net->realms[i].maps);
	free(net);
}

static struct cf_addr parse(const char *text)
{
	struct cf_addr addr = {0};

	if (cf_addr_parse(&addr, text, 0) < 0)
		abort();
	return addr;
}

int cf_vnet_realm(struct cf_vnet *net, int outer, const struct vnet_nat_options *nat)
{
	struct realm *realm = &net->realms[net->n_realms];

	realm->outer = outer;
	realm->nat = *nat;
	realm->outside = parse(nat->outside);
	realm->maps = calloc(MAX_MAPS, sizeof(struct map));
	if (!realm->maps)
		abort();
	return net->n_realms++;
}

static int new_sock(
	struct cf_vnet *net, enum sock_kind kind, int realm, const char *addr, void *owner)
{
	struct sock *sock = &net->socks[net->n_socks];

	if (net->n_socks == MAX_SOCKS)
		abort();
	*sock = (struct sock){
		.kind = kind, .open = true, .realm = realm, .addr = parse(addr), .owner = owner};
	if (sock->addr.port == 0)
		sock->addr.port = net->next_port++;
	return net->n_socks++;
}

int cf_vnet_socket(struct cf_vnet *net, int realm, const char *addr, void *owner)
{
	return new_sock(net, VSOCK_UDP, realm, addr, owner);
}

int cf_vnet_stream(struct cf_vnet *net, int realm, const char *addr, void *owner)
{
	return new_sock(net, VSOCK_STREAM, realm, addr, owner);
}

int cf_vnet_relay(struct cf_vnet *net, const char *addr, bool stream, void *owner)
{
	int sock = new_sock(net, VSOCK_RELAY, VNET_PUBLIC, addr, owner);

	net->socks[sock].stream_leg = stream;
	return sock;
}

void cf_vnet_relay_leg(struct cf_vnet *net, int sock, int realm)
{
	net->socks[sock].leg_realm = realm;
	net->socks[sock].leg_epoch = net->realms[realm].epoch;
}

/* Whether a leg lets something through, out of the client's network or into it. */
static bool leg_passes(const struct cf_vnet *net, const struct sock *s, bool out)
{
	const struct realm *realm = &net->realms[s->leg_realm];

	return realm->epoch == s->leg_epoch && !realm->cut && !(realm->mute && out) &&
	       (s->stream_leg || !realm->no_udp);
}

bool cf_vnet_is_relay(const struct cf_vnet *net, int sock)
{
	return net->socks[sock].kind == VSOCK_RELAY;
}

bool cf_vnet_passes(const struct cf_vnet *net, int realm, bool stream)
{
	const struct realm *r = &net->realms[realm];

	return !r->cut && !r->mute &&
	       (stream || !(r->no_udp || (realm > 0 && r->nat.kind == VNET_BLOCKED)));
}

bool cf_vnet_relay_alive(const struct cf_vnet *net, int sock)
{
	return net->socks[sock].open && leg_passes(net, &net->socks[sock], true);
}

void cf_vnet_stun(struct cf_vnet *net, const char *addr)
{
	new_sock(net, VSOCK_STUN, VNET_PUBLIC, addr, NULL);
}

void cf_vnet_stranger(struct cf_vnet *net, int realm, const char *addr)
{
	new_sock(net, VSOCK_STRANGER, realm, addr, NULL);
}

void cf_vnet_permit(struct cf_vnet *net, int sock, const struct cf_addr *ip)
{
	struct sock *s = &net->socks[sock];

	if (s->n_permits < MAX_PERMITS)
		s->permits[s->n_permits++] = *ip;
}

void cf_vnet_close(struct cf_vnet *net, int sock)
{
	net->socks[sock].open = false;
}

struct cf_addr cf_vnet_addr(const struct cf_vnet *net, int sock)
{
	return net->socks[sock].addr;
}

uint64_t cf_vnet_now(const struct cf_vnet *net)
{
	return net->now;
}

uint64_t cf_vnet_sent(const struct cf_vnet *net)
{
	return net->sent;
}

void cf_vnet_cut(struct cf_vnet *net, int realm, bool cut)
{
	net->realms[realm].cut = cut;
}

void cf_vnet_block(struct cf_vnet *net, int realm_a, int realm_b, bool block)
{
	net->blocked[0] = block ? realm_a : 0;
	net->blocked[1] = block ? realm_b : 0;
}

void cf_vnet_reboot(struct cf_vnet *net, int realm)
{
	memset(net->realms[realm].maps, 0, MAX_MAPS * sizeof(struct map));
	net->realms[realm].epoch++;
}

void cf_vnet_block_udp(struct cf_vnet *net, int realm, bool block)
{
	net->realms[realm].no_udp = block;
}

void cf_vnet_mute(struct cf_vnet *net, int realm, bool mute)
{
	net->realms[realm].mute = mute;
}

void cf_vnet_set_loss(struct cf_vnet *net, unsigned permille)
{
	net->options.loss_permille = permille;
}

static void enqueue(struct cf_vnet *net, struct packet *packet)
{
	struct packet **at = &net->queue;

	packet->seq = net->seq++;
	while (*at && (*at)->at <= packet->at)
		at = &(*at)->next;
	packet->next = *at;
	*at = packet;
}

static struct packet *new_packet(const void *p, size_t n)
{
	struct packet *packet = calloc(1, sizeof(*packet) + n);

	if (!packet)
		abort();
	packet->to_sock = -1;
	packet->len = n;
	memcpy(packet->data, p, n);
	return packet;
}

static struct sock *find_sock(
	struct cf_vnet *net, int realm, const struct cf_addr *addr, bool stream)
{
	for (int i = 0; i < net->n_socks; i++) {
		struct sock *s = &net->socks[i];

		if (s->open && s->realm == realm && cf_addr_eq(&s->addr, addr) &&
			(s->kind == VSOCK_STREAM) == stream)
			return s;
	}
	return NULL;
}

static int find_nat(struct cf_vnet *net, int outer, const struct cf_addr *dst)
{
	for (int i = 1; i < net->n_realms; i++)
		if (net->realms[i].outer == outer && net->realms[i].nat.kind != VNET_ROUTER &&
			cf_addr_ip_eq(&net->realms[i].outside, dst))
			return i;
	return -1;
}

static bool map_alive(const struct cf_vnet *net, const struct realm *realm, const struct map *map)
{
	return map->used &&
	       (realm->nat.idle_us == 0 || net->now - map->used_us < realm->nat.idle_us);
}

static bool is_symmetric(const struct realm *realm)
{
	return realm->nat.kind == VNET_SYMMETRIC;
}

static struct map *free_map(struct cf_vnet *net, struct realm *realm)
{
	for (size_t i = 0; i < MAX_MAPS; i++)
		if (!map_alive(net, realm, &realm->maps[i])) {
			realm->maps[i] = (struct map){.used = true};
			return &realm->maps[i];
		}
	abort();
}

/* Whether an unexpected packet of the peer to this port has taken the place that we want. */
static bool spoilt(
	struct cf_vnet *net, struct realm *realm, uint16_t port, const struct cf_addr *peer)
{
	for (size_t i = 0; i < MAX_MAPS; i++) {
		const struct map *map = &realm->maps[i];

		if (map_alive(net, realm, map) && map->spoilt && map->port == port &&
			cf_addr_eq(&map->peer, peer))
			return true;
	}
	return false;
}

static struct map *find_outgoing(struct cf_vnet *net, struct realm *realm,
	const struct cf_addr *inside, const struct cf_addr *dst)
{
	for (size_t i = 0; i < MAX_MAPS; i++) {
		struct map *map = &realm->maps[i];

		if (!map_alive(net, realm, map) || map->spoilt || !cf_addr_eq(&map->inside, inside))
			continue;
		if (map->peer.family != CF_ADDR_NONE
				? cf_addr_eq(&map->peer, dst)
				: !is_symmetric(realm) && !spoilt(net, realm, map->port, dst))
			return map;
	}
	return NULL;
}

static struct cf_addr translate_out(struct cf_vnet *net, struct realm *realm,
	const struct cf_addr *src, const struct cf_addr *dst)
{
	struct map *map = find_outgoing(net, realm, src, dst);
	struct cf_addr out = realm->outside;

	if (!map) {
		bool known = false;

		for (size_t i = 0; i < MAX_MAPS; i++)
			known = known || (realm->maps[i].used && !realm->maps[i].spoilt &&
						 cf_addr_eq(&realm->maps[i].inside, src));
		map = free_map(net, realm);
		map->inside = *src;
		map->port = (uint16_t)(30000 + draw(net) % 30000);
		if (is_symmetric(realm) || known)
			map->peer = *dst;
	}
	map->used_us = net->now;
	if (map->n_filters < MAX_FILTERS)
		map->filters[map->n_filters++] = *dst;
	else
		map->filters[draw(net) % MAX_FILTERS] = *dst;
	out.port = map->port;
	return out;
}

static bool lets_in(const struct realm *realm, const struct map *map, const struct cf_addr *src)
{
	if (realm->nat.kind == VNET_FULL)
		return true;
	for (size_t i = 0; i < map->n_filters; i++) {
		if (realm->nat.kind == VNET_RESTRICTED && cf_addr_ip_eq(&map->filters[i], src))
			return true;
		if (cf_addr_eq(&map->filters[i], src))
			return true;
	}
	return false;
}

static bool translate_in(
	struct cf_vnet *net, struct realm *realm, const struct cf_addr *src, struct cf_addr *dst)
{
	struct map *spoiler;

	if (realm->nat.kind == VNET_BLOCKED || realm->cut || realm->no_udp)
		return false;
	for (size_t i = 0; i < MAX_MAPS; i++) {
		struct map *map = &realm->maps[i];

		if (!map_alive(net, realm, map) || map->spoilt || map->port != dst->port ||
			!lets_in(realm, map, src))
			continue;
		map->used_us = net->now;
		*dst = map->inside;
		return true;
	}
	if (!realm->nat.answers)
		return false;
	spoiler = free_map(net, realm);
	spoiler->spoilt = true;
	spoiler->port = dst->port;
	spoiler->peer = *src;
	spoiler->used_us = net->now;
	return false;
}

/* Where a packet in a realm goes to: up through NATs, then down. The final realm, or -1. */
static int route(struct cf_vnet *net, int realm, struct cf_addr *src, struct cf_addr *dst,
	bool stream, uint64_t *delay)
{
	bool came_up = false;

	for (int hops = 0; hops < 8; hops++) {
		struct realm *r = &net->realms[realm];
		int nat = find_nat(net, realm, dst);

		*delay += realm == VNET_PUBLIC ? net->options.wan_us : net->options.lan_us;
		if (nat > 0) {
			if (stream || !translate_in(net, &net->realms[nat], src, dst))
				return -1;
			realm = nat;
			came_up = true;
			continue;
		}
		if (find_sock(net, realm, dst, stream))
			return realm;
		/* A routed subnet hangs off this realm. */
		for (int i = 1; i < net->n_realms; i++)
			if (net->realms[i].outer == realm &&
				net->realms[i].nat.kind == VNET_ROUTER &&
				find_sock(net, i, dst, stream))
				return net->realms[i].cut ? -1 : i;
		if (realm == VNET_PUBLIC || came_up || r->cut || r->mute)
			return -1;
		if (r->no_udp && !stream)
			return -1;
		if (r->nat.kind == VNET_ROUTER) {
			realm = r->outer;
			continue;
		}
		if (r->nat.kind == VNET_BLOCKED && !stream)
			return -1;
		if (cf_addr_ip_eq(&r->outside, dst) && !r->nat.hairpin)
			return -1;
		*src = translate_out(net, r, src, dst);
		realm = r->outer;
	}
	return -1;
}

static bool lost(struct cf_vnet *net, bool stream)
{
	return !stream && net->options.loss_permille > 0 &&
	       draw(net) % 1000 < net->options.loss_permille;
}

static bool is_blocked(const struct cf_vnet *net, int from, int to)
{
	const int *b = net->blocked;

	return b[0] != b[1] && ((from == b[0] && to == b[1]) || (from == b[1] && to == b[0]));
}

static uint64_t jitter(struct cf_vnet *net)
{
	return net->options.jitter_us ? draw(net) % net->options.jitter_us : 0;
}

static void send_unreachable(struct cf_vnet *net, int sock, const struct cf_addr *dst)
{
	struct packet *packet;

	if (!net->options.icmp)
		return;
	packet = new_packet("", 0);
	packet->unreachable = true;
	packet->to_sock = sock;
	packet->src = *dst;
	packet->at = net->now + 2 * net->options.lan_us;
	enqueue(net, packet);
}

void cf_vnet_send(struct cf_vnet *net, int sock, const struct cf_addr *dst, const void *p, size_t n)
{
	struct sock *s = &net->socks[sock];
	struct cf_addr src = s->addr, to = *dst;
	uint64_t delay = jitter(net);
	bool stream = s->kind == VSOCK_STREAM;
	struct packet *packet;
	int realm;

	net->sent++;
	to.scope = src.scope = 0;
	if (!s->open)
		return;
	/* The client's leg to its relay. */
	if (s->kind == VSOCK_RELAY) {
		bool allowed = false;

		for (size_t i = 0; i < s->n_permits; i++)
			allowed = allowed || cf_addr_ip_eq(&s->permits[i], dst);
		delay += net->options.wan_us;
		if (!allowed || lost(net, s->stream_leg) || !leg_passes(net, s, true))
			return;
	}
	realm = route(net, s->realm, &src, &to, stream, &delay);
	if (realm < 0) {
		send_unreachable(net, sock, dst);
		return;
	}
	if (lost(net, stream) || is_blocked(net, s->realm, realm))
		return;
	packet = new_packet(p, n);
	packet->at = net->now + delay;
	packet->realm = realm;
	packet->src = src;
	packet->dst = to;
	packet->stream = stream;
	enqueue(net, packet);
}

/* STUN server and stranger. */
static void serve(struct cf_vnet *net, struct sock *s, const struct packet *packet)
{
	struct cf_stun_msg msg;
	struct cf_stun_writer w;
	uint8_t out[256];
	int len;

	if (cf_stun_msg_parse(&msg, packet->data, packet->len) < 0 || msg.cls != CF_STUN_REQUEST)
		return;
	cf_stun_write_begin(&w, out, sizeof(out),
		s->kind == VSOCK_STUN ? CF_STUN_SUCCESS : CF_STUN_ERROR, CF_STUN_BINDING, msg.tid);
	if (s->kind == VSOCK_STUN)
		cf_stun_write_xor_addr(&w, CF_STUN_XOR_MAPPED_ADDRESS, &packet->src);
	else
		cf_stun_write_error(&w, 401, NULL);
	cf_stun_write_fingerprint(&w);
	len = cf_stun_write_end(&w);
	if (len > 0)
		cf_vnet_send(net, (int)(s - net->socks), &packet->src, out, (size_t)len);
}

/* The relay's leg to its client. */
static void relay_in(struct cf_vnet *net, struct sock *s, const struct packet *packet)
{
	struct packet *leg;

	for (size_t i = 0; i < s->n_permits; i++) {
		if (!cf_addr_ip_eq(&s->permits[i], &packet->src))
			continue;
		if (lost(net, s->stream_leg) || !leg_passes(net, s, false))
			return;
		leg = new_packet(packet->data, packet->len);
		leg->at = net->now + net->options.wan_us;
		leg->to_sock = (int)(s - net->socks);
		leg->src = packet->src;
		enqueue(net, leg);
		return;
	}
}

static struct sock *arrive(struct cf_vnet *net, const struct packet *packet)
{
	struct sock *s;

	if (packet->to_sock >= 0) {
		s = &net->socks[packet->to_sock];
		return s->open ? s : NULL;
	}
	s = find_sock(net, packet->realm, &packet->dst, packet->stream);
	if (!s)
		return NULL;
	if (s->kind == VSOCK_RELAY) {
		relay_in(net, s, packet);
		return NULL;
	}
	if (s->kind == VSOCK_STUN || s->kind == VSOCK_STRANGER) {
		serve(net, s, packet);
		return NULL;
	}
	return s;
}

uint64_t cf_vnet_next_us(const struct cf_vnet *net)
{
	return net->queue ? net->queue->at : CF_TIME_NEVER;
}

bool cf_vnet_next(struct cf_vnet *net, uint64_t until_us, struct vnet_event *ret_event)
{
	while (net->queue && net->queue->at <= until_us) {
		struct packet *packet = net->queue;
		struct sock *s;

		net->queue = packet->next;
		if (packet->at > net->now)
			net->now = packet->at;
		s = arrive(net, packet);
		if (s && packet->len <= sizeof(ret_event->data)) {
			ret_event->sock = (int)(s - net->socks);
			ret_event->owner = s->owner;
			ret_event->unreachable = packet->unreachable;
			ret_event->src = packet->src;
			ret_event->len = packet->len;
			memcpy(ret_event->data, packet->data, packet->len);
			free(packet);
			return true;
		}
		free(packet);
	}
	if (until_us != CF_TIME_NEVER && until_us > net->now)
		net->now = until_us;
	return false;
}
