/* SPDX-License-Identifier: Apache-2.0 */
/*
 * STUN and TURN servers of a peer. STUN is asked by the ICE agent itself. Of the TURN servers one
 * over UDP is tried at once; those over TCP and TLS follow when it has not answered after a head
 * start, all side by side, and the first that connects allocates.
 */
#include "base/clock.h"
#include "base/mem.h"
#include "base/text.h"
#include "peer/peer_priv.h"

#include <string.h>

#define DOUBT_PAUSE_US (300 * CF_US_PER_MS) /* between two requests while nothing else works */
#define HEAD_START_US (100 * CF_US_PER_MS)
/* What waits for a slow TCP connection: media older than that is worth nothing. */
#define STREAM_UNSENT_MAX (64 * 1024)

static uint64_t now_of(const struct peer_server *server)
{
	return cf_loop_now_us(server->peer->loop);
}

static bool is_udp_relay(const struct peer_server *server)
{
	return server->url.turn &&
	       (server->url.transport == CF_PEER_UDP || server->url.transport == CF_PEER_DTLS);
}

static bool any_in(const struct cf_peer *peer, bool udp, enum peer_relay_state state)
{
	for (size_t i = 0; i < peer->n_servers; i++) {
		const struct peer_server *s = peer->servers[i];

		if (s->url.turn && is_udp_relay(s) == udp && s->state == state)
			return true;
	}
	return false;
}

static bool any_allocated(const struct cf_peer *peer)
{
	for (size_t i = 0; i < peer->n_servers; i++)
		if (peer->servers[i]->allocated && !peer->servers[i]->unsure)
			return true;
	return false;
}

bool peer_servers_settled(const struct cf_peer *peer)
{
	bool allocated = any_allocated(peer);

	for (size_t i = 0; i < peer->n_servers; i++) {
		const struct peer_server *s = peer->servers[i];

		if (s->state == RELAY_RESOLVING)
			return false;
		if (s->state != RELAY_DEAD && s->state != RELAY_RESTING && !s->allocated &&
			!allocated)
			return false;
	}
	return true;
}

/* Starting */

static void try_next(struct cf_peer *peer);

void peer_server_reset(struct peer_server *server, enum peer_relay_state state)
{
	if (server->base != NO_BASE)
		cf_ice_agent_remove_base(server->peer->ice, (unsigned)server->base, now_of(server));
	server->base = NO_BASE;
	server->allocated = server->unsure = false;
	server->state = state;
	server->since_us = now_of(server);
	server->turn = cf_turn_client_free(server->turn);
	server->stream = cf_stream_free(server->stream);
	cf_timer_stop(&server->link_timer);
	server->link = cf_dtls_link_free(server->link);
}

static void give_up(struct peer_server *server)
{
	peer_server_reset(server, RELAY_DEAD);
}

static int start_turn(struct peer_server *server, uint8_t family)
{
	struct cf_turn_client_options options = cf_turn_client_defaults();
	int err;

	options.username = server->username;
	options.plain_name = true; /* the service gives out names that carry their own proof */
	options.password = server->credential;
	if (server->peer->doubted)
		options.rto_max_us = DOUBT_PAUSE_US;
	options.is_stream = server->stream != NULL;
	options.mobile = !options.is_stream;
	options.family = family;
	err = cf_turn_client_new(&server->turn, &options);
	if (!err)
		err = cf_turn_client_start(server->turn, now_of(server));
	if (err) {
		give_up(server);
		return err;
	}
	server->state = RELAY_RUNNING;
	server->since_us = now_of(server);
	return 0;
}

void peer_server_message(struct peer_server *server, uint8_t *p, size_t n)
{
	struct cf_turn_data data;

	peer_server_heard(server);
	if (!server->turn)
		return;
	if (cf_turn_client_input(server->turn, p, n, now_of(server), &data) != CF_TURN_INPUT_DATA)
		return;
	peer_packet(server->peer, server->base, &data.peer, p + (data.data.p - p), data.data.len);
}

void peer_server_connected(struct peer_server *server)
{
	(void)!start_turn(server, CF_ADDR_IPV4);
}

void peer_server_failed(struct peer_server *server)
{
	struct cf_peer *peer = server->peer;

	give_up(server);
	try_next(peer);
}

static void start_udp(struct peer_server *server)
{
	server->host = peer_host_towards(server->peer, &server->addr);
	if (!server->host)
		give_up(server);
	else if (server->url.transport != CF_PEER_DTLS)
		(void)!start_turn(server, CF_ADDR_IPV4);
	else if (peer_link_start(server) < 0)
		give_up(server);
}

/* Whether a TURN client works over TCP or TLS. */
static bool stream_is_running(const struct cf_peer *peer)
{
	return any_in(peer, false, RELAY_RUNNING);
}

static void on_stream_open(struct cf_stream *stream, void *arg)
{
	struct peer_server *server = arg;

	(void)stream;
	peer_enter(server->peer);
	server->state = RELAY_STANDBY;
	if (server->extra)
		(void)!start_turn(server, CF_ADDR_IPV6);
	else
		try_next(server->peer);
	peer_leave(server->peer);
}

static void on_stream_close(struct cf_stream *stream, int err, void *arg)
{
	struct peer_server *server = arg;
	struct cf_peer *peer = server->peer;

	(void)stream;
	(void)err;
	peer_enter(peer);
	give_up(server);
	try_next(peer);
	peer_leave(peer);
}

static size_t on_stream_data(struct cf_stream *stream, const uint8_t *p, size_t n, void *arg)
{
	struct peer_server *server = arg;
	struct cf_peer *peer = server->peer;
	uint8_t message[CF_STUN_MAX_LEN];
	size_t done = 0;

	(void)stream;
	peer_enter(peer);
	while (server->turn && !peer->freed) {
		int len = cf_turn_frame_len(p + done, n - done);

		if (len < 0 || len > (int)sizeof(message)) {
			give_up(server);
			break;
		}
		if (len == 0 || (size_t)len > n - done)
			break;
		memcpy(message, p + done, (size_t)len); /* to be decrypted in place */
		peer_server_message(server, message, (size_t)len);
		done += (size_t)len;
	}
	peer_leave(peer);
	return done;
}

static const struct cf_stream_ops stream_ops = {
	.on_open = on_stream_open,
	.on_data = on_stream_data,
	.on_close = on_stream_close,
};

static void start_stream(struct peer_server *server)
{
	static const char *const alpn[] = {"stun.turn", NULL};
	struct cf_stream_options options;

	if (server->url.transport == CF_PEER_TLS && !server->peer->tls) {
		give_up(server);
		return;
	}
	cf_stream_options_defaults(&options);
	if (server->url.transport == CF_PEER_TLS) {
		options.tls = server->peer->tls;
		options.server_name = server->url.host;
		options.alpn = alpn;
	}
	options.write_max = STREAM_UNSENT_MAX;
	server->state = RELAY_CONNECTING;
	server->since_us = now_of(server);
	if (cf_stream_connect(&server->stream, server->peer->loop, &server->addr, &options,
		    &stream_ops, server) < 0)
		give_up(server);
}

/* A connection that came second is of no use once another has allocated. */
static void drop_spare_streams(struct cf_peer *peer)
{
	for (size_t i = 0; i < peer->n_servers; i++) {
		struct peer_server *s = peer->servers[i];

		if (s->url.turn && !is_udp_relay(s) && !s->extra && !s->allocated &&
			s->state != RELAY_DEAD && s->state != RELAY_WAITING &&
			s->state != RELAY_RELEASING && s->state != RELAY_RESTING)
			give_up(s);
	}
}

static void try_next_udp(struct cf_peer *peer)
{
	for (size_t i = 0; i < peer->n_servers; i++) {
		if (any_in(peer, true, RELAY_RUNNING))
			return;
		if (is_udp_relay(peer->servers[i]) && peer->servers[i]->state == RELAY_WAITING)
			start_udp(peer->servers[i]);
	}
}

static void try_next_stream(struct cf_peer *peer)
{
	bool udp_alive = any_in(peer, true, RELAY_RUNNING) || any_in(peer, true, RELAY_RESOLVING);

	if (any_allocated(peer) || (udp_alive && !peer->streams_due))
		return;
	for (size_t i = 0; i < peer->n_servers; i++) {
		struct peer_server *s = peer->servers[i];

		if (!s->url.turn || is_udp_relay(s))
			continue;
		if (s->state == RELAY_WAITING)
			start_stream(s);
		if (s->state == RELAY_STANDBY && !stream_is_running(peer))
			(void)!start_turn(s, CF_ADDR_IPV4);
	}
}

static void try_next(struct cf_peer *peer)
{
	try_next_udp(peer);
	try_next_stream(peer);
}

void peer_servers_try(struct cf_peer *peer)
{
	try_next(peer);
}

static void on_head_start_over(struct cf_timer *timer, void *arg)
{
	struct cf_peer *peer = arg;

	(void)timer;
	peer_enter(peer);
	peer->streams_due = true;
	try_next(peer);
	peer_leave(peer);
}

void peer_servers_head_start(struct cf_peer *peer)
{
	peer->streams_due = false;
	(void)!cf_timer_after(
		&peer->stream_timer, peer->loop, HEAD_START_US, on_head_start_over, peer);
}

/* Adding */

static void on_resolved(int err, const struct cf_addr *addrs, size_t n, void *arg)
{
	struct peer_server *server = arg;
	struct cf_peer *peer = server->peer;

	server->resolving = NULL;
	peer_enter(peer);
	if (err || n == 0) {
		server->state = RELAY_DEAD;
	} else {
		server->addr = addrs[0];
		server->state = server->url.turn ? RELAY_WAITING : RELAY_DEAD;
		if (!server->url.turn)
			(void)!cf_ice_agent_add_stun_server(
				peer->ice, &server->addr, now_of(server));
	}
	try_next(peer);
	peer_leave(peer);
}

static bool is_known(const struct cf_peer *peer, const char *text)
{
	for (size_t i = 0; i < peer->n_servers; i++)
		if (strcmp(peer->servers[i]->text, text) == 0)
			return true;
	return false;
}

static struct peer_server *server_new(struct cf_peer *peer, const struct cf_peer_server *from)
{
	struct peer_server *server = cf_alloc(sizeof(*server));

	if (!server)
		return NULL;
	server->peer = peer;
	server->base = NO_BASE;
	server->state = RELAY_RESOLVING;
	server->text = cf_strdup(from->url);
	server->username = cf_strdup(from->username ? from->username : "");
	server->credential = cf_strdup(from->credential ? from->credential : "");
	if (!server->text || !server->username || !server->credential ||
		cf_peer_url_parse(&server->url, cf_view_str(from->url)) < 0) {
		peer_server_free(server);
		return NULL;
	}
	return server;
}

static void add_server(struct cf_peer *peer, const struct cf_peer_server *from)
{
	struct peer_server *server;

	if (peer->n_servers == CF_PEER_SERVERS_MAX || is_known(peer, from->url))
		return;
	server = server_new(peer, from);
	if (!server)
		return;
	if (server->url.turn && peer->policy == CF_ICE_POLICY_DIRECT) {
		peer_server_free(server);
		return;
	}
	peer->servers[peer->n_servers++] = server;
	if (server->url.turn && !cf_timer_is_set(&peer->stream_timer) && !peer->streams_due)
		(void)!cf_timer_after(
			&peer->stream_timer, peer->loop, HEAD_START_US, on_head_start_over, peer);
	if (cf_resolve_start(&server->resolving, peer->loop, peer->pool, server->url.host,
		    server->url.port, on_resolved, server) < 0)
		server->state = RELAY_DEAD;
}

void cf_peer_add_servers(struct cf_peer *peer, const struct cf_peer_server *servers, size_t n)
{
	for (size_t i = 0; i < n; i++)
		add_server(peer, &servers[i]);
	peer_pump_later(peer);
}

void cf_peer_servers_done(struct cf_peer *peer)
{
	peer->servers_done = true;
	peer_pump_later(peer);
}

/* Over UDP the other side's relay is within our reach, so that one relay is enough; without UDP
 * only a relayed address of the same family makes it one. */
void peer_servers_consider_family(struct cf_peer *peer)
{
	struct peer_server *from = NULL, *extra;

	for (size_t i = 0; i < peer->n_servers; i++) {
		if (peer->servers[i]->extra)
			return;
		if (peer->servers[i]->allocated && peer->servers[i]->stream)
			from = peer->servers[i];
	}
	if (!from || peer->n_servers == CF_PEER_SERVERS_MAX ||
		peer_only_family_of_remotes(peer) != CF_ADDR_IPV6 ||
		cf_turn_client_relayed(from->turn).family != CF_ADDR_IPV4)
		return;
	for (size_t i = 0; i < peer->n_hosts; i++)
		if (peer->hosts[i]->addr.family == CF_ADDR_IPV6)
			return;
	extra = server_new(peer, &(struct cf_peer_server){.url = from->text,
					 .username = from->username,
					 .credential = from->credential});
	if (!extra)
		return;
	extra->extra = extra->ipv6_tried = true;
	extra->addr = from->addr;
	peer->servers[peer->n_servers++] = extra;
	start_stream(extra);
}

/* Running */

static void transmit(struct peer_server *server, const void *p, size_t n)
{
	if (server->stream)
		(void)!cf_stream_write(server->stream, p, n);
	else if (server->link)
		cf_dtls_link_write(server->link, p, n);
	else if (server->host)
		cf_udp_send(server->host->udp, &server->addr, p, n);
}

void peer_server_send(struct peer_server *server, const struct cf_addr *to, const void *p, size_t n)
{
	uint8_t out[CF_TURN_OUTPUT_MAX];
	int len = cf_turn_client_send(server->turn, to, p, n, out, sizeof(out), now_of(server));

	if (len > 0)
		transmit(server, out, (size_t)len);
}

static enum cf_ice_base_kind base_kind(const struct peer_server *server)
{
	static const enum cf_ice_base_kind kinds[] = {[CF_PEER_UDP] = CF_ICE_BASE_RELAY_UDP,
		[CF_PEER_DTLS] = CF_ICE_BASE_RELAY_UDP,
		[CF_PEER_TCP] = CF_ICE_BASE_RELAY_TCP,
		[CF_PEER_TLS] = CF_ICE_BASE_RELAY_TLS};

	return kinds[server->url.transport];
}

static void on_allocated(struct peer_server *server, const struct cf_turn_event *event)
{
	struct cf_peer *peer = server->peer;
	struct cf_ice_base_options base = {.kind = base_kind(server),
		.addr = event->relayed,
		.related = event->mapped,
		.server = server->addr};
	int id = cf_ice_agent_add_base(peer->ice, &base, now_of(server));

	server->allocated = true;
	server->allocated_us = now_of(server);
	if (id < 0) {
		give_up(server);
		return;
	}
	server->base = id;
	if (server->host && server->host->base != NO_BASE)
		(void)!cf_ice_agent_add_mapped(peer->ice, (unsigned)server->host->base,
			&event->mapped, &server->addr, now_of(server));
	drop_spare_streams(peer);
}

/* RFC 8656 section 7.4: 440 means that the server has no address of the family asked for. */
static void on_failed(struct peer_server *server, const struct cf_turn_event *event)
{
	server->code = event->code;
	if (event->code == 440 && !server->ipv6_tried) {
		server->ipv6_tried = true;
		server->turn = cf_turn_client_free(server->turn);
		(void)!start_turn(server, CF_ADDR_IPV6);
		return;
	}
	give_up(server);
	try_next(server->peer);
}

void peer_server_release(struct peer_server *server)
{
	if (!server->host && !server->stream)
		server->host = peer_host_towards(server->peer, &server->addr);
	/* The agent is told first: nothing is sent through it any more. */
	if (server->base != NO_BASE)
		cf_ice_agent_remove_base(server->peer->ice, (unsigned)server->base, now_of(server));
	server->base = NO_BASE;
	server->allocated = server->unsure = false;
	server->state = RELAY_RELEASING;
	server->since_us = now_of(server);
	cf_turn_client_release(server->turn, now_of(server));
}

void peer_server_heard(struct peer_server *server)
{
	server->unsure = false;
}

/* An allocation that stood is gone: the server forgot it, or sees us from another address. Where
 * nothing rests on it there is no hurry: doubt brings it back. */
static void on_expired(struct peer_server *server)
{
	struct cf_peer *peer = server->peer;
	bool needed = peer->doubted || (int)peer->path.base == server->base;

	peer_server_reset(server, needed ? RELAY_WAITING : RELAY_RESTING);
	try_next(peer);
}

/* With its ticket (RFC 8016) an allocation over UDP follows us to another address. */
static bool can_move(const struct peer_server *server)
{
	return server->allocated && !server->stream && !server->link &&
	       cf_turn_client_can_move(server->turn);
}

void peer_server_ask(struct peer_server *server)
{
	server->asked_us = now_of(server);
	if (!server->host && !server->stream)
		server->host = peer_host_towards(server->peer, &server->addr);
	if (!can_move(server) || cf_turn_client_move(server->turn, false, now_of(server)) < 0)
		cf_turn_client_probe(server->turn, now_of(server));
}

void peer_servers_host_gone(struct cf_peer *peer, const struct peer_host *host)
{
	for (size_t i = 0; i < peer->n_servers; i++) {
		struct peer_server *s = peer->servers[i];

		if (s->host != host)
			continue;
		s->host = NULL;
		if (can_move(s)) {
			s->unsure = true;
			peer_server_ask(s);
		} else if (s->turn && s->state != RELAY_RELEASING) {
			peer_server_reset(s, RELAY_WAITING);
		}
	}
}

static void on_event(struct peer_server *server, const struct cf_turn_event *event)
{
	struct cf_ice_agent *ice = server->peer->ice;
	unsigned base = (unsigned)server->base;

	switch (event->type) {
	case CF_TURN_EVENT_ALLOCATED:
		on_allocated(server, event);
		break;
	case CF_TURN_EVENT_FAILED:
		on_failed(server, event);
		break;
	case CF_TURN_EVENT_EXPIRED:
		on_expired(server);
		break;
	case CF_TURN_EVENT_RELEASED:
		if (server->state == RELAY_RELEASING)
			peer_server_reset(server, RELAY_RESTING);
		break;
	case CF_TURN_EVENT_PERMITTED:
		if (server->base != NO_BASE)
			cf_ice_agent_permitted(ice, base, &event->peer, now_of(server));
		break;
	case CF_TURN_EVENT_PEER_REFUSED:
		if (server->base != NO_BASE)
			cf_ice_agent_unreachable(
				ice, base, &event->peer, CF_ICE_TROUBLE_DENIED, now_of(server));
		break;
	default:
		break;
	}
}

bool peer_server_pump(struct peer_server *server)
{
	uint8_t out[CF_TURN_OUTPUT_MAX];
	struct cf_turn_event event;
	bool any = false;
	int n;

	while (server->turn &&
		(n = cf_turn_client_output(server->turn, out, sizeof(out), now_of(server))) > 0) {
		transmit(server, out, (size_t)n);
		any = true;
	}
	while (server->turn && cf_turn_client_event(server->turn, &event)) {
		on_event(server, &event);
		any = true;
	}
	return any;
}

bool peer_servers_input(struct peer_host *host, const struct cf_addr *src, uint8_t *p, size_t n)
{
	struct cf_peer *peer = host->peer;
	struct cf_turn_data data;

	for (size_t i = 0; i < peer->n_servers; i++) {
		struct peer_server *s = peer->servers[i];
		int what;

		if (s->host != host || !cf_addr_eq(&s->addr, src))
			continue;
		if (s->link && cf_dtls_is_record(p, n)) {
			peer_link_input(s, p, n);
			return true;
		}
		if (s->link || !s->turn)
			continue;
		what = cf_turn_client_input(s->turn, p, n, now_of(s), &data);
		if (what == CF_TURN_INPUT_IGNORED)
			continue;
		peer_server_heard(s);
		if (what == CF_TURN_INPUT_DATA)
			peer_packet(
				peer, s->base, &data.peer, p + (data.data.p - p), data.data.len);
		return true;
	}
	return false;
}

/* Ending */

void peer_servers_release(struct cf_peer *peer)
{
	for (size_t i = 0; i < peer->n_servers; i++) {
		struct peer_server *s = peer->servers[i];
		uint8_t out[CF_TURN_OUTPUT_MAX];
		int n;

		if (!s->turn || !s->allocated)
			continue;
		cf_turn_client_release(s->turn, now_of(s));
		while ((n = cf_turn_client_output(s->turn, out, sizeof(out), now_of(s))) > 0)
			transmit(s, out, (size_t)n);
	}
}

void peer_server_free(struct peer_server *server)
{
	if (!server)
		return;
	cf_resolve_cancel(server->resolving);
	cf_turn_client_free(server->turn);
	cf_stream_free(server->stream);
	cf_timer_stop(&server->link_timer);
	cf_dtls_link_free(server->link);
	if (server->credential)
		cf_wipe(server->credential, strlen(server->credential));
	cf_free(server->credential);
	cf_free(server->username);
	cf_free(server->text);
	cf_free(server);
}
