/* SPDX-License-Identifier: Apache-2.0 */
#include "relay/relay.h"

#include "base/mem.h"
#include "base/rand.h"
#include "relay/relay_priv.h"

const char *cf_relay_transport_name(enum cf_relay_transport transport)
{
	static const char *const names[] = {"udp", "tcp", "tls", "dtls"};

	return names[transport];
}

struct cf_relay_config cf_relay_config_defaults(void)
{
	struct cf_relay_config config = {
		.enabled = true,
		.realm = "callflow",
		.nonce_lifetime_us = 3600 * CF_US_PER_S,
		.expired_grace_us = 86400 * CF_US_PER_S,
		.lifetime_s = 600,
		.max_lifetime_s = 3600,
		.max_allocations = 20000,
		.max_permissions = 64,
		.max_channels = 64,
		.unauth_per_s = 50,
		.mobility = true,
		.usage_interval_us = 50 * CF_US_PER_S,
	};

	cf_rand_bytes(config.nonce_key, sizeof(config.nonce_key));
	return config;
}

struct cf_relay *cf_relay_new(
	const struct cf_relay_config *config, const struct cf_relay_io *io, void *arg)
{
	struct cf_relay *relay = cf_alloc(sizeof(*relay));

	if (!relay)
		return NULL;
	relay->mutes = cf_calloc(CF_RELAY_MUTE_SLOTS, sizeof(relay->mutes[0]));
	if (!relay->mutes)
		return cf_free(relay);
	relay->config = *config;
	relay->io = *io;
	relay->arg = arg;
	relay->seed = cf_rand_u64();
	cf_map_init(&relay->by_tuple);
	cf_list_init(&relay->hungry);
	cf_map_init(&relay->by_old);
	for (size_t i = 0; i < CF_RELAY_WHEEL_SLOTS; i++)
		cf_list_init(&relay->wheel[i]);
	return relay;
}

static struct cf_relay_alloc *first(const struct cf_relay *relay)
{
	struct cf_map_node *node = cf_map_next(&relay->by_tuple, NULL);

	return node ? CF_CONTAINER_OF(node, struct cf_relay_alloc, node) : NULL;
}

struct cf_relay *cf_relay_free(struct cf_relay *relay, uint64_t now_us)
{
	struct cf_relay_alloc *alloc;

	if (!relay)
		return NULL;
	while ((alloc = first(relay)))
		cf_relay_alloc_end(relay, alloc, true, now_us);
	cf_map_done(&relay->by_tuple);
	cf_map_done(&relay->by_old);
	cf_free(relay->mutes);
	cf_wipe(relay->config.nonce_key, sizeof(relay->config.nonce_key));
	return cf_free(relay);
}

void cf_relay_configure(struct cf_relay *relay, const struct cf_relay_config *config)
{
	relay->config = *config;
}

void cf_relay_set_draining(struct cf_relay *relay, bool draining)
{
	relay->draining = draining;
}

int cf_relay_client_input(struct cf_relay *relay, const struct cf_relay_tuple *from,
	const uint8_t *p, size_t n, uint64_t now_us)
{
	struct cf_stun_msg msg;
	int err;

	if (cf_turn_is_channel_data(p, n)) {
		cf_relay_channel_input(relay, from, p, n, now_us);
		return 0;
	}
	err = cf_stun_msg_parse(&msg, p, n);
	if (err == CF_ELIMIT && msg.cls == CF_STUN_REQUEST)
		cf_relay_request_refuse(relay, from, &msg, now_us);
	if (err == CF_ELIMIT)
		return 0;
	if (err < 0)
		return cf_relay_classic_input(relay, from, p, n, now_us);
	if (msg.cls == CF_STUN_REQUEST)
		cf_relay_request_input(relay, from, &msg, now_us);
	else if (msg.cls == CF_STUN_INDICATION && msg.method == CF_TURN_SEND)
		cf_relay_send_input(relay, from, &msg, now_us);
	return 0; /* others: a Binding indication keeps a NAT open, a response is not for us */
}

void cf_relay_client_closed(
	struct cf_relay *relay, const struct cf_relay_tuple *tuple, uint64_t now_us)
{
	struct cf_relay_alloc *alloc;

	if (cf_relay_alloc_was_at(relay, tuple))
		return; /* it lives on where the client has gone */
	alloc = cf_relay_alloc_find(relay, tuple, now_us);
	if (alloc)
		cf_relay_alloc_end(relay, alloc, true, now_us);
}

bool cf_relay_has_allocation(
	struct cf_relay *relay, const struct cf_relay_tuple *tuple, uint64_t now_us)
{
	return cf_relay_alloc_find(relay, tuple, now_us) != NULL;
}

size_t cf_relay_end(
	struct cf_relay *relay, struct cf_view call, struct cf_view user, uint64_t now_us)
{
	struct cf_map_node *node = cf_map_next(&relay->by_tuple, NULL), *next;
	size_t n = 0;

	for (; node; node = next) {
		struct cf_relay_alloc *alloc = CF_CONTAINER_OF(node, struct cf_relay_alloc, node);

		next = cf_map_next(&relay->by_tuple, node);
		if ((call.len && cf_view_eq(call, cf_relay_alloc_call(alloc))) ||
			(user.len && cf_view_eq(user, cf_relay_alloc_user(alloc)))) {
			/* The table may shrink as it empties: begin again. */
			cf_relay_alloc_end(relay, alloc, true, now_us);
			next = cf_map_next(&relay->by_tuple, NULL);
			n++;
		}
	}
	return n;
}

uint64_t cf_relay_deadline(const struct cf_relay *relay)
{
	if (relay->by_tuple.count == 0)
		return CF_TIME_NEVER;
	for (uint64_t s = relay->wheel_s; s < relay->wheel_s + CF_RELAY_WHEEL_SLOTS; s++)
		if (!cf_list_empty(&relay->wheel[s % CF_RELAY_WHEEL_SLOTS]))
			return s * CF_US_PER_S;
	return CF_TIME_NEVER;
}

static void visit(struct cf_relay *relay, struct cf_relay_alloc *alloc, uint64_t now_us)
{
	if (now_us >= alloc->expires_us) {
		cf_relay_alloc_end(relay, alloc, true, now_us);
		return;
	}
	if (now_us - alloc->reported_us >= relay->config.usage_interval_us)
		cf_relay_alloc_bill(relay, alloc, false, now_us);
	cf_relay_alloc_arm(relay, alloc, now_us);
}

void cf_relay_tick(struct cf_relay *relay, uint64_t now_us)
{
	uint64_t now_s = now_us / CF_US_PER_S;
	struct cf_list due;
	struct cf_list *node;

	cf_list_init(&due);
	for (size_t i = 0; i < CF_RELAY_WHEEL_SLOTS && relay->wheel_s <= now_s;
		i++, relay->wheel_s++)
		while ((node = cf_list_pop(&relay->wheel[relay->wheel_s % CF_RELAY_WHEEL_SLOTS])))
			cf_list_push(&due, node);
	if (relay->wheel_s <= now_s)
		relay->wheel_s = now_s + 1;
	while ((node = cf_list_pop(&due)))
		visit(relay, CF_CONTAINER_OF(node, struct cf_relay_alloc, timer), now_us);
}

size_t cf_relay_n_allocations(const struct cf_relay *relay)
{
	return relay->by_tuple.count;
}

static void add(struct cf_relay_counters *sum, const struct cf_relay_counters *c)
{
	sum->client_in_bytes += c->client_in_bytes;
	sum->client_in_packets += c->client_in_packets;
	sum->client_out_bytes += c->client_out_bytes;
	sum->client_out_packets += c->client_out_packets;
	sum->peer_in_bytes += c->peer_in_bytes;
	sum->peer_in_packets += c->peer_in_packets;
	sum->peer_out_bytes += c->peer_out_bytes;
	sum->peer_out_packets += c->peer_out_packets;
}

void cf_relay_stats(const struct cf_relay *relay, struct cf_relay_stats *ret_stats)
{
	*ret_stats = relay->stats;
	for (size_t i = 0; i < CF_RELAY_N_TRANSPORTS; i++)
		add(&ret_stats->counters, &relay->stats.by_transport[i]);
}
