/* SPDX-License-Identifier: Apache-2.0 */
/* Clients over DTLS (RFC 8656 section 3.1): one session per 5-tuple, beside STUN on the same port.
 * Before its cookie came back a client costs no memory and gets fewer bytes than it sent. */
#include "base/mem.h"
#include "relay/io/io_priv.h"

#include <string.h>

#define HANDSHAKE_US (10 * CF_US_PER_S)

struct key {
	const struct cf_udp *udp;
	const struct cf_addr *local, *remote;
};

static bool session_eq(const struct cf_map_node *node, const void *arg)
{
	const struct relay_dtls *s = CF_CONTAINER_OF(node, struct relay_dtls, node);
	const struct key *key = arg;

	return s->udp == key->udp && cf_addr_eq(&s->tuple.remote, key->remote) &&
	       cf_addr_ip_eq(&s->tuple.local, key->local);
}

static struct relay_dtls *find(struct cf_relay_server *server, const struct key *key)
{
	uint32_t hash = cf_addr_hash(key->remote, server->dtls.seed);
	struct cf_map_node *node = cf_map_find(&server->dtls.sessions, hash, session_eq, key);

	return node ? CF_CONTAINER_OF(node, struct relay_dtls, node) : NULL;
}

/* Sessions of a source. Sources that share a slot share the limit: no memory grows with them. */
static uint16_t *source_count(struct cf_relay_server *server, const struct cf_addr *remote)
{
	struct cf_addr ip = *remote;

	ip.port = 0;
	if (ip.family == CF_ADDR_IPV6)
		memset(ip.ip + 8, 0, 8);
	return &server->dtls.by_source[cf_addr_hash(&ip, server->dtls.seed) %
				       CF_ARRAY_LEN(server->dtls.by_source)];
}

struct relay_dtls *cf_relay_dtls_free(struct relay_dtls *s)
{
	struct cf_relay_server *server = s->server;

	cf_relay_client_closed(server->relay, &s->tuple, cf_loop_now_us(server->loop));
	cf_timer_stop(&s->timer);
	cf_map_remove(&server->dtls.sessions, &s->node);
	--*source_count(server, &s->tuple.remote);
	cf_dtls_link_free(s->link);
	return cf_free(s);
}

/* Events of the association */

static void on_send(const uint8_t *p, size_t n, void *arg)
{
	struct relay_dtls *s = arg;

	cf_udp_send_from(s->udp, &s->tuple.remote, &s->tuple.local, p, n);
}

static void on_data(const uint8_t *p, size_t n, void *arg)
{
	struct relay_dtls *s = arg;

	(void)cf_relay_client_input(
		s->server->relay, &s->tuple, p, n, cf_loop_now_us(s->server->loop));
}

static const struct cf_dtls_link_ops ops = {.send = on_send, .data = on_data};

void cf_relay_dtls_send(struct relay_dtls *s, const uint8_t *p, size_t n)
{
	cf_dtls_link_write(s->link, p, n);
}

/* Time */

static int arm(struct relay_dtls *s);

static bool is_over(const struct relay_dtls *s, uint64_t now_us)
{
	if (!cf_dtls_link_is_open(s->link))
		return now_us - s->begun_us >= HANDSHAKE_US;
	return now_us - s->heard_us >= RELAY_IDLE_US &&
	       !cf_relay_has_allocation(s->server->relay, &s->tuple, now_us);
}

static void on_timer(struct cf_timer *timer, void *arg)
{
	struct relay_dtls *s = arg;

	(void)timer;
	if (is_over(s, cf_loop_now_us(s->server->loop)) || cf_dtls_link_tick(s->link) < 0 ||
		arm(s) < 0)
		cf_relay_dtls_free(s);
}

static int arm(struct relay_dtls *s)
{
	uint64_t now_us = cf_loop_now_us(s->server->loop), wait_us = RELAY_IDLE_US, left_us;

	if (!cf_dtls_link_is_open(s->link)) {
		left_us = s->begun_us + HANDSHAKE_US - now_us;
		wait_us = cf_dtls_link_wait_us(s->link);
		wait_us = wait_us < left_us ? wait_us : left_us;
	} else if (cf_timer_is_set(&s->timer) && s->armed_open) {
		return 0; /* looks again when it is due */
	}
	s->armed_open = cf_dtls_link_is_open(s->link);
	return cf_timer_after(&s->timer, s->server->loop, wait_us, on_timer, s);
}

/* Arrival */

static int begin(struct cf_relay_server *server, struct cf_udp *udp,
	const struct cf_udp_packet *packet, const struct cf_dtls_hello *hello)
{
	struct relay_dtls *s = cf_alloc(sizeof(*s));
	int err;

	if (!s)
		return CF_ENOMEM;
	s->server = server;
	s->udp = udp;
	s->begun_us = s->heard_us = cf_loop_now_us(server->loop);
	s->tuple = (struct cf_relay_tuple){.local = packet->local,
		.remote = packet->src,
		.conn = s,
		.transport = CF_RELAY_DTLS};
	memcpy(s->random, hello->random, sizeof(s->random));
	err = cf_dtls_link_accept(&s->link, server->tls, packet->p, packet->len, &ops, s);
	if (err == 0)
		err = cf_map_insert(&server->dtls.sessions, &s->node,
			cf_addr_hash(&packet->src, server->dtls.seed));
	if (err < 0) {
		cf_dtls_link_free(s->link);
		cf_free(s);
		return err;
	}
	++*source_count(server, &packet->src);
	if (arm(s) < 0)
		cf_relay_dtls_free(s);
	return 0;
}

static bool has_room(struct cf_relay_server *server, const struct cf_addr *remote)
{
	return server->dtls.sessions.count < server->shared->config.max_clients &&
	       *source_count(server, remote) < RELAY_DTLS_PER_SOURCE;
}

/* Someone without a session, or with one that it seems to have forgotten (RFC 6347 section 4.2.8):
 * nothing begins or ends before a cookie has come back. */
static void knock(struct cf_relay_server *server, struct cf_udp *udp,
	const struct cf_udp_packet *packet, const struct cf_dtls_hello *hello,
	struct relay_dtls *old)
{
	uint64_t now_us = cf_loop_now_us(server->loop);
	uint8_t cookie[CF_DTLS_COOKIE_LEN], answer[CF_DTLS_VERIFY_LEN];

	if (cf_dtls_cookie_good(hello, server->dtls.cookie_key, &packet->src, now_us)) {
		if (old)
			cf_relay_dtls_free(old);
		if (has_room(server, &packet->src))
			(void)!begin(server, udp, packet, hello);
	} else if (cf_dtls_cookie_make(cookie, server->dtls.cookie_key, &packet->src, now_us) ==
		   0) {
		cf_dtls_verify_write(answer, hello, cookie);
		cf_udp_send_from(udp, &packet->src, &packet->local, answer, sizeof(answer));
	}
}

void cf_relay_dtls_input(
	struct cf_relay_server *server, struct cf_udp *udp, const struct cf_udp_packet *packet)
{
	struct key key = {udp, &packet->local, &packet->src};
	struct relay_dtls *s = find(server, &key);
	struct cf_dtls_hello hello;
	bool is_hello = cf_dtls_hello_parse(&hello, packet->p, packet->len) == 0;

	if (!s || (is_hello && memcmp(hello.random, s->random, sizeof(s->random)) != 0)) {
		if (is_hello)
			knock(server, udp, packet, &hello, s);
		return;
	}
	s->heard_us = cf_loop_now_us(server->loop);
	if (cf_dtls_link_input(s->link, packet->p, packet->len) < 0 || arm(s) < 0)
		cf_relay_dtls_free(s);
}

void cf_relay_dtls_end_all(struct cf_relay_server *server)
{
	struct cf_map_node *node;

	while ((node = cf_map_next(&server->dtls.sessions, NULL)))
		cf_relay_dtls_free(CF_CONTAINER_OF(node, struct relay_dtls, node));
	cf_map_done(&server->dtls.sessions);
}
