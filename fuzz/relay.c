/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The relay core as a state machine with its io in memory. The input is a script: requests that are
 * signed as the client would (or not), raw packets, datagrams from peers, pauses. Checked: sockets,
 * admissions and allocations always agree, and nothing leaves by a socket that is closed.
 */
#include "relay/relay.h"
#include "base/clock.h"
#include "base/mem.h"
#include "stun/msg.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define PORTS 32

struct port {
	struct cf_relay_alloc *owner;
	bool open;
};

struct script {
	struct cf_wire_reader r;
	struct cf_relay *relay;
	uint64_t now_us;
	struct port ports[PORTS];
	int n_open, admitted;
	char nonce[4][128]; /* per client */
	int client;
	uint8_t tid;
	uint8_t ticket[64]; /* the last one seen */
	size_t ticket_len;
	size_t asked_len; /* of the message at hand */
	bool raw;
};

/* Nobody unproven gets much more than he sent (docs/adr/0006). */
static void check_size(const struct script *s, const struct cf_relay_tuple *to,
	const struct cf_stun_msg *msg, size_t n)
{
	if (to->transport != CF_RELAY_UDP || msg->cls == CF_STUN_INDICATION ||
		cf_stun_msg_has(msg, CF_STUN_MESSAGE_INTEGRITY) ||
		cf_stun_msg_has(msg, CF_STUN_MESSAGE_INTEGRITY_SHA256))
		return;
	if (msg->method == CF_STUN_BINDING ? (n + 28) * 4 > (s->asked_len + 28) * 5
					   : n * 4 > s->asked_len * 7)
		abort();
}

static void send_client(
	const struct cf_relay_tuple *to, const uint8_t *p, size_t n, bool in_place, void *arg)
{
	struct script *s = arg;
	struct cf_stun_msg msg;
	uint8_t copy[2048];
	struct cf_view v;

	(void)in_place;
	if (cf_turn_is_channel_data(p, n))
		return;
	if (s->raw && n >= CF_STUN_HEADER_LEN && n <= sizeof(copy)) {
		/* An answer to RFC 3489 has 16 bytes of transaction id where the cookie is today.
		 */
		p = memcpy(copy, p, n);
		memcpy(copy + 4, (const uint8_t[]){0x21, 0x12, 0xa4, 0x42}, 4);
	}
	if (cf_stun_msg_parse(&msg, p, n) < 0)
		abort(); /* what we say is well-formed */
	check_size(s, to, &msg, n);
	if (cf_stun_msg_attr(&msg, CF_TURN_MOBILITY_TICKET, &v) && v.len <= sizeof(s->ticket)) {
		memcpy(s->ticket, v.p, v.len);
		s->ticket_len = v.len;
	}
	if (cf_stun_msg_attr(&msg, CF_STUN_NONCE, &v) && v.len < sizeof(s->nonce[0])) {
		memcpy(s->nonce[to->remote.port & 3], v.p, v.len);
		s->nonce[to->remote.port & 3][v.len] = 0;
	}
}

static void send_peer(void *socket, const struct cf_addr *peer, const uint8_t *p, size_t n,
	bool dont_fragment, void *arg)
{
	uint8_t sum = 0;

	(void)peer;
	(void)dont_fragment;
	(void)arg;
	if (!((struct port *)socket)->open)
		abort();
	for (size_t i = 0; i < n; i++)
		sum ^= p[i];
	*(volatile uint8_t *)&sum = sum;
}

static int open_port(const struct cf_relay_open *request, struct cf_relay_opened *ret, void *arg)
{
	struct script *s = arg;

	for (int i = 0; i < PORTS; i++) {
		if (s->ports[i].open)
			continue;
		s->ports[i] = (struct port){request->owner, true};
		s->n_open++;
		ret->socket = &s->ports[i];
		ret->relayed.family = request->family ? request->family : CF_ADDR_IPV4;
		ret->relayed.port = (uint16_t)(i + 1);
		ret->token = 7;
		return 0;
	}
	return CF_EADDRINUSE;
}

static void close_port(void *socket, void *arg)
{
	struct port *port = socket;

	if (!port->open)
		abort();
	port->open = false;
	((struct script *)arg)->n_open--;
}

static int auth(struct cf_view username, struct cf_view realm, uint64_t now_us,
	struct cf_relay_credential *ret, void *arg)
{
	(void)realm;
	(void)now_us;
	(void)arg;
	if (username.len != 1)
		return CF_EINVAL;
	memcpy(ret->password, "p", 2);
	ret->user = username;
	ret->expires_us = username.p[0] == 't' ? 3000 * CF_US_PER_S : CF_TIME_NEVER;
	return 0;
}

/* "v" alone can be found. */
static int auth_hash(const uint8_t hash[static 32], struct cf_view realm, uint64_t now_us,
	struct cf_relay_credential *ret, void *arg)
{
	uint8_t of[32];

	if (cf_stun_userhash(of, cf_view_str("v"), realm) < 0 || memcmp(of, hash, sizeof(of)) != 0)
		return CF_ENOTFOUND;
	ret->username = cf_view_str("v");
	return auth(ret->username, realm, now_us, ret, arg);
}

static int admit(struct cf_view resource, struct cf_view user, void *arg)
{
	(void)resource;
	(void)user;
	((struct script *)arg)->admitted++;
	return 0;
}

static void retire(struct cf_view resource, struct cf_view user, void *arg)
{
	(void)resource;
	(void)user;
	((struct script *)arg)->admitted--;
}

static const struct cf_relay_io io = {
	.send_client = send_client,
	.send_peer = send_peer,
	.open = open_port,
	.close = close_port,
	.auth = auth,
	.auth_hash = auth_hash,
	.admit = admit,
	.retire = retire,
};

static struct cf_relay_tuple tuple(const struct script *s)
{
	return (struct cf_relay_tuple){
		.local = {.family = CF_ADDR_IPV4, .port = 3478, .ip = {9, 9, 9, 9}},
		.remote = {.family = CF_ADDR_IPV4, .port = (uint16_t)s->client, .ip = {7, 7, 7, 7}},
		.transport = s->client & 1 ? CF_RELAY_TCP : CF_RELAY_UDP,
	};
}

static struct cf_addr peer(struct script *s)
{
	uint8_t b = cf_wire_read_u8(&s->r);
	struct cf_addr addr = {.family = b & 1 ? CF_ADDR_IPV6 : CF_ADDR_IPV4, .port = (b & 6) + 1u};

	addr.ip[0] = b & 1 ? 0x26 : b & 0x80 ? 10 : 8;
	addr.ip[3] = b >> 3 & 15;
	return addr;
}

static void sign(struct script *s, struct cf_stun_writer *w, uint8_t flags)
{
	const char *user = flags & 8 ? "t" : flags & 0x10 ? "v" : "u";
	uint8_t key[32], hash[32];

	if (flags & 0x80 && cf_stun_userhash(hash, cf_view_str(user), cf_view_str("r")) == 0)
		cf_stun_write_bytes(w, CF_STUN_USERHASH, hash, sizeof(hash));
	else
		cf_stun_write_view(w, CF_STUN_USERNAME, cf_view_str(user));
	cf_stun_write_view(w, CF_STUN_REALM, cf_view_str("r"));
	cf_stun_write_view(w, CF_STUN_NONCE, cf_view_str(s->nonce[s->client]));
	(void)!cf_stun_key_md5(key, cf_view_str(user), cf_view_str("r"), cf_view_str("p"));
	if (flags & 2)
		cf_stun_write_integrity_sha256(w, cf_view_of(key, 16));
	else
		cf_stun_write_integrity(w, cf_view_of(key, 16));
	if (flags & 4)
		cf_stun_write_fingerprint(w);
}

static void message(struct script *s)
{
	static const uint16_t methods[] = {CF_TURN_ALLOCATE, CF_TURN_REFRESH,
		CF_TURN_CREATE_PERMISSION, CF_TURN_CHANNEL_BIND, CF_TURN_SEND, CF_STUN_BINDING};
	uint8_t what = cf_wire_read_u8(&s->r), flags = cf_wire_read_u8(&s->r), p[2048];
	uint8_t tid[CF_STUN_TID_LEN] = {flags & 0x20 ? s->tid : ++s->tid};
	uint16_t method = methods[(what & 15) % CF_ARRAY_LEN(methods)];
	struct cf_relay_tuple from = tuple(s);
	struct cf_stun_writer w;
	int n;

	cf_stun_write_begin(&w, p, sizeof(p),
		method == CF_TURN_SEND ? CF_STUN_INDICATION : CF_STUN_REQUEST, method, tid);
	if (method == CF_TURN_ALLOCATE)
		cf_stun_write_u32(&w, CF_TURN_REQUESTED_TRANSPORT, 17u << 24);
	if (flags & 0x40 && (method == CF_TURN_ALLOCATE || method == CF_TURN_REFRESH))
		cf_stun_write_bytes(&w, CF_TURN_MOBILITY_TICKET, s->ticket,
			method == CF_TURN_REFRESH ? s->ticket_len : 0);
	if (method == CF_TURN_CHANNEL_BIND)
		cf_stun_write_u32(
			&w, CF_TURN_CHANNEL_NUMBER, (0x4000u + (cf_wire_read_u8(&s->r) & 3)) << 16);
	if (what & 0x40) {
		struct cf_addr addr = peer(s);

		cf_stun_write_xor_addr(&w, CF_TURN_XOR_PEER_ADDRESS, &addr);
	}
	if (what & 0x80)
		cf_stun_write_view(&w, CF_TURN_DATA_ATTR, cf_view_str("data"));
	for (int i = what >> 4 & 3; i > 0; i--) {
		uint16_t type = cf_wire_read_u16(&s->r);
		uint8_t len = cf_wire_read_u8(&s->r);

		cf_stun_write_view(&w, type, cf_wire_read_view(&s->r, len & 15));
	}
	if (flags & 1)
		sign(s, &w, flags);
	n = cf_stun_write_end(&w);
	s->asked_len = n > 0 ? (size_t)n : 0;
	if (n > 0)
		(void)cf_relay_client_input(s->relay, &from, p, (size_t)n, s->now_us);
}

static void raw(struct script *s)
{
	struct cf_view v = cf_wire_read_view(&s->r, cf_wire_read_u8(&s->r));
	struct cf_relay_tuple from = tuple(s);
	uint8_t *exact = malloc(v.len + 1);

	if (v.len)
		memcpy(exact, v.p, v.len);
	s->asked_len = v.len;
	s->raw = true;
	(void)cf_relay_client_input(s->relay, &from, exact, v.len, s->now_us);
	s->raw = false;
	free(exact);
}

static void from_peer(struct script *s)
{
	uint8_t len = cf_wire_read_u8(&s->r);
	uint8_t *room = malloc(CF_TURN_HEADROOM + len + CF_TURN_TAILROOM);
	struct port *port = &s->ports[cf_wire_read_u8(&s->r) % PORTS];
	struct cf_addr addr = peer(s);

	memset(room, 0, CF_TURN_HEADROOM + len + CF_TURN_TAILROOM);
	if (port->open && len & 1)
		cf_relay_peer_icmp(s->relay, port->owner, &addr, 3, len, len, s->now_us);
	else if (port->open)
		cf_relay_peer_input(
			s->relay, port->owner, &addr, room + CF_TURN_HEADROOM, len, s->now_us);
	free(room);
}

static void other(struct script *s, uint8_t op)
{
	struct cf_relay_tuple from = tuple(s);

	if (op == 0)
		cf_relay_client_closed(s->relay, &from, s->now_us);
	else if (op == 1)
		(void)cf_relay_end(s->relay, cf_view_str(""), cf_view_str("u"), s->now_us);
	else
		cf_relay_set_draining(s->relay, op & 1);
}

static void check(const struct script *s)
{
	size_t n = cf_relay_n_allocations(s->relay);

	if ((size_t)s->admitted != n || (size_t)s->n_open < n || (size_t)s->n_open > 2 * n)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cf_relay_config config = cf_relay_config_defaults();
	struct script s = {.now_us = CF_US_PER_S};

	config.realm = "r";
	config.max_permissions = config.max_channels = 4;
	config.unauth_per_s = 0;
	config.anonymity = true;
	cf_wire_reader_init(&s.r, data, size);
	config.max_bps = cf_wire_read_u8(&s.r) & 1 ? 8000 : 0;
	s.relay = cf_relay_new(&config, &io, &s);
	if (!s.relay)
		return 0;
	while (cf_wire_left(&s.r) > 0) {
		uint8_t op = cf_wire_read_u8(&s.r);

		s.client = op >> 6;
		op &= 15;
		if (op < 8)
			message(&s);
		else if (op == 8)
			raw(&s);
		else if (op < 11)
			from_peer(&s);
		else if (op < 13)
			s.now_us += cf_wire_read_u16(&s.r) * (uint64_t)50000;
		else
			other(&s, (uint8_t)(op - 13));
		if (op < 13 && cf_relay_deadline(s.relay) <= s.now_us)
			cf_relay_tick(s.relay, s.now_us);
		check(&s);
	}
	cf_relay_free(s.relay, s.now_us);
	if (s.n_open || s.admitted)
		abort();
	return 0;
}
