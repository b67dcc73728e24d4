/* SPDX-License-Identifier: Apache-2.0 */
#include "base/mem.h"
#include "base/rand.h"
#include "base/text.h"
#include "relay/relay_priv.h"

#include <string.h>

static uint32_t tuple_hash(const struct cf_relay *relay, const struct cf_relay_tuple *tuple)
{
	struct {
		uint8_t ip[16];
		void *conn;
		uint32_t port_and_transport;
		uint32_t zero;
	} key = {.conn = tuple->conn,
		.port_and_transport = (uint32_t)tuple->remote.port << 8 | tuple->transport};

	memcpy(key.ip, tuple->remote.ip, 16);
	return cf_hash_bytes(&key, sizeof(key), relay->seed);
}

static bool tuple_eq(const struct cf_map_node *node, const void *key)
{
	const struct cf_relay_alloc *alloc = CF_CONTAINER_OF(node, struct cf_relay_alloc, node);
	const struct cf_relay_tuple *tuple = key;

	return alloc->tuple.transport == tuple->transport && alloc->tuple.conn == tuple->conn &&
	       cf_addr_eq(&alloc->tuple.remote, &tuple->remote) &&
	       cf_addr_eq(&alloc->tuple.local, &tuple->local);
}

static bool old_eq(const struct cf_map_node *node, const void *key)
{
	const struct cf_relay_alloc *alloc = CF_CONTAINER_OF(node, struct cf_relay_alloc, old_node);
	const struct cf_relay_tuple *tuple = key;

	return alloc->old.transport == tuple->transport && alloc->old.conn == tuple->conn &&
	       cf_addr_eq(&alloc->old.remote, &tuple->remote) &&
	       cf_addr_eq(&alloc->old.local, &tuple->local);
}

static void forget_old(struct cf_relay *relay, struct cf_relay_alloc *alloc)
{
	if (alloc->has_old)
		cf_map_remove(&relay->by_old, &alloc->old_node);
	alloc->has_old = false;
}

struct cf_relay_alloc *cf_relay_alloc_find(
	struct cf_relay *relay, const struct cf_relay_tuple *tuple, uint64_t now_us)
{
	uint32_t hash = tuple_hash(relay, tuple);
	struct cf_map_node *node = cf_map_find(&relay->by_tuple, hash, tuple_eq, tuple);
	struct cf_relay_alloc *alloc = NULL;

	if (node) {
		alloc = CF_CONTAINER_OF(node, struct cf_relay_alloc, node);
		if (alloc->has_old) /* RFC 8016: it has arrived */
			forget_old(relay, alloc);
	} else if (relay->by_old.count > 0) {
		node = cf_map_find(&relay->by_old, hash, old_eq, tuple);
		if (node)
			alloc = CF_CONTAINER_OF(node, struct cf_relay_alloc, old_node);
	}
	if (alloc && now_us >= alloc->expires_us) {
		cf_relay_alloc_end(relay, alloc, true, now_us);
		return NULL;
	}
	return alloc;
}

bool cf_relay_alloc_was_at(struct cf_relay *relay, const struct cf_relay_tuple *tuple)
{
	struct cf_map_node *node =
		cf_map_find(&relay->by_old, tuple_hash(relay, tuple), old_eq, tuple);

	if (!node)
		return false;
	forget_old(relay, CF_CONTAINER_OF(node, struct cf_relay_alloc, old_node));
	return true;
}

int cf_relay_alloc_move(struct cf_relay *relay, struct cf_relay_alloc *alloc,
	const struct cf_relay_tuple *to, uint64_t now_us)
{
	struct cf_relay_tuple from = alloc->tuple;
	int err;

	cf_relay_alloc_leave(relay, alloc);
	alloc->tuple = *to;
	alloc->moves++;
	err = cf_relay_alloc_place(relay, alloc, now_us);
	if (err < 0)
		return err;
	alloc->old = from;
	/* Without memory for it the old one is forgotten at once. */
	alloc->has_old =
		cf_map_insert(&relay->by_old, &alloc->old_node, tuple_hash(relay, &from)) == 0;
	return 0;
}

struct cf_relay_alloc *cf_relay_alloc_new(const struct cf_relay_request *req)
{
	const struct cf_relay_credential *c = &req->credential;
	struct cf_view parts[4] = {req->username, c->resource, c->user, c->call};
	struct cf_relay_alloc *alloc;
	size_t n = 0;

	for (size_t i = 0; i < 4; i++) {
		if (parts[i].len > UINT16_MAX)
			return NULL;
		n += parts[i].len;
	}
	alloc = cf_alloc(sizeof(*alloc) + n);
	if (!alloc)
		return NULL;
	alloc->username_len = (uint16_t)parts[0].len;
	alloc->resource_len = (uint16_t)parts[1].len;
	alloc->user_len = (uint16_t)parts[2].len;
	alloc->call_len = (uint16_t)parts[3].len;
	n = 0;
	for (size_t i = 0; i < 4; i++) {
		if (parts[i].len)
			memcpy(alloc->text + n, parts[i].p, parts[i].len);
		n += parts[i].len;
	}
	alloc->tuple = *req->from;
	alloc->start_us = alloc->reported_us = req->now_us;
	alloc->credential_expires_us = c->expires_us;
	alloc->algorithm = req->algorithm;
	alloc->key_len = (uint8_t)req->key_len;
	alloc->in_short_realm = req->in_short_realm;
	memcpy(alloc->key, req->key, sizeof(alloc->key));
	memcpy(alloc->tid, req->msg->tid, sizeof(alloc->tid));
	cf_rand_bytes(alloc->id, sizeof(alloc->id));
	return alloc;
}

void cf_relay_alloc_arm(struct cf_relay *relay, struct cf_relay_alloc *alloc, uint64_t now_us)
{
	uint64_t due_us = now_us + relay->config.usage_interval_us;
	uint64_t due_s;

	if (alloc->expires_us < due_us)
		due_us = alloc->expires_us;
	due_s = (due_us + CF_US_PER_S - 1) / CF_US_PER_S;
	if (due_s < relay->wheel_s)
		due_s = relay->wheel_s;
	if (due_s > relay->wheel_s + CF_RELAY_WHEEL_SLOTS - 1)
		due_s = relay->wheel_s + CF_RELAY_WHEEL_SLOTS - 1;
	cf_list_remove(&alloc->timer);
	cf_list_push(&relay->wheel[due_s % CF_RELAY_WHEEL_SLOTS], &alloc->timer);
}

int cf_relay_alloc_place(struct cf_relay *relay, struct cf_relay_alloc *alloc, uint64_t now_us)
{
	if (cf_map_insert(&relay->by_tuple, &alloc->node, tuple_hash(relay, &alloc->tuple)) < 0)
		return CF_ENOMEM;
	if (relay->by_tuple.count == 1)
		relay->wheel_s =
			now_us / CF_US_PER_S; /* the wheel stood still while it was empty */
	cf_relay_alloc_arm(relay, alloc, now_us);
	relay->stats.allocations++;
	relay->stats.allocations_by_transport[alloc->tuple.transport]++;
	return 0;
}

void cf_relay_alloc_leave(struct cf_relay *relay, struct cf_relay_alloc *alloc)
{
	forget_old(relay, alloc);
	cf_map_remove(&relay->by_tuple, &alloc->node);
	cf_list_remove(&alloc->timer);
	relay->stats.allocations--;
	relay->stats.allocations_by_transport[alloc->tuple.transport]--;
}

int cf_relay_alloc_enter(struct cf_relay *relay, struct cf_relay_alloc *alloc, uint64_t now_us)
{
	if (cf_relay_alloc_place(relay, alloc, now_us) < 0)
		return CF_ENOMEM;
	relay->stats.allocations_total++;
	/* The first bill says that there is one: whoever traces the call hears of it now. */
	alloc->reported_packets = UINT64_MAX;
	cf_relay_alloc_bill(relay, alloc, false, now_us);
	return 0;
}

static void bill(struct cf_relay_alloc *alloc, const struct cf_relay_io *io, void *arg, bool ended,
	uint64_t now_us)
{
	const struct cf_relay_counters *c = &alloc->counters;
	struct cf_relay_usage usage = {
		.username = cf_relay_alloc_username(alloc),
		.resource = cf_relay_alloc_resource(alloc),
		.user = cf_relay_alloc_user(alloc),
		.call = cf_relay_alloc_call(alloc),
		.transport = alloc->tuple.transport,
		.client = alloc->tuple.remote,
		.relayed = alloc->sides[alloc->sides[0].socket ? 0 : 1].relayed,
		.start_us = alloc->start_us,
		.end_us = now_us,
		.ended = ended,
		.budget_used_up = alloc->budget_used_up,
		.low = alloc->low,
		.counters = *c,
	};
	uint64_t packets = c->client_in_packets + c->peer_in_packets;

	if (!ended && packets == alloc->reported_packets && !usage.low.kind)
		return;
	alloc->low.kind = CF_RELAY_BUDGET_NONE;
	alloc->reported_packets = packets;
	alloc->reported_us = now_us;
	cf_hex_encode(usage.id, alloc->id, sizeof(alloc->id));
	if (io->usage)
		io->usage(&usage, arg);
}

void cf_relay_alloc_bill(
	struct cf_relay *relay, struct cf_relay_alloc *alloc, bool ended, uint64_t now_us)
{
	bill(alloc, &relay->io, relay->arg, ended, now_us);
}

static void free_lists(struct cf_relay_alloc *alloc)
{
	while (alloc->channels) {
		struct cf_relay_channel *channel = alloc->channels;

		alloc->channels = channel->next;
		cf_free(channel);
	}
	while (alloc->permissions) {
		struct cf_relay_permission *permission = alloc->permissions;

		alloc->permissions = permission->next;
		cf_free(permission);
	}
}

static void destroy(struct cf_relay_alloc *alloc, const struct cf_relay_io *io, void *arg)
{
	for (size_t i = 0; i < 2; i++)
		if (alloc->sides[i].socket)
			io->close(alloc->sides[i].socket, arg);
	if (io->retire)
		io->retire(cf_relay_alloc_resource(alloc), cf_relay_alloc_user(alloc), arg);
	free_lists(alloc);
	cf_wipe(alloc->key, sizeof(alloc->key));
	cf_free(alloc);
}

void cf_relay_alloc_end(
	struct cf_relay *relay, struct cf_relay_alloc *alloc, bool entered, uint64_t now_us)
{
	cf_relay_lease_end(relay, alloc);
	if (entered) {
		cf_relay_alloc_bill(relay, alloc, true, now_us);
		cf_relay_alloc_leave(relay, alloc);
	}
	destroy(alloc, &relay->io, relay->arg);
}

void cf_relay_lose(
	struct cf_relay_alloc *alloc, const struct cf_relay_io *io, void *arg, uint64_t now_us)
{
	bill(alloc, io, arg, true, now_us);
	destroy(alloc, io, arg);
}

struct cf_relay_permission *cf_relay_permission_find(
	struct cf_relay_alloc *alloc, const struct cf_addr *peer)
{
	for (struct cf_relay_permission **at = &alloc->permissions; *at; at = &(*at)->next) {
		struct cf_relay_permission *permission = *at;

		if (!cf_addr_ip_eq(&permission->ip, peer))
			continue;
		*at = permission->next;
		permission->next = alloc->permissions;
		alloc->permissions = permission;
		return permission;
	}
	return NULL;
}

/* Makes room when a limit is reached; between two limits the dead cost nothing but memory. */
static void sweep(struct cf_relay_alloc *alloc, uint64_t now_us)
{
	struct cf_relay_channel **chan = &alloc->channels;
	struct cf_relay_permission **perm = &alloc->permissions;

	while (*chan) {
		struct cf_relay_channel *channel = *chan;

		if (now_us < channel->expires_us) {
			chan = &channel->next;
			continue;
		}
		*chan = channel->next;
		channel->permission->n_channels--;
		alloc->n_channels--;
		cf_free(channel);
	}
	while (*perm) {
		struct cf_relay_permission *permission = *perm;

		if (now_us < permission->expires_us || permission->n_channels > 0) {
			perm = &permission->next;
			continue;
		}
		*perm = permission->next;
		alloc->n_permissions--;
		cf_free(permission);
	}
}

int cf_relay_permission_put(struct cf_relay *relay, struct cf_relay_alloc *alloc,
	const struct cf_addr *peer, uint64_t now_us)
{
	struct cf_relay_permission *permission = cf_relay_permission_find(alloc, peer);

	if (!permission) {
		if (alloc->n_permissions >= relay->config.max_permissions)
			sweep(alloc, now_us);
		if (alloc->n_permissions >= relay->config.max_permissions)
			return CF_ELIMIT;
		permission = cf_alloc(sizeof(*permission));
		if (!permission)
			return CF_ENOMEM;
		permission->ip = *peer;
		permission->ip.port = 0;
		permission->next = alloc->permissions;
		alloc->permissions = permission;
		alloc->n_permissions++;
	}
	permission->expires_us = now_us + CF_RELAY_PERMISSION_US;
	return 0;
}

static struct cf_relay_channel *to_front(struct cf_relay_alloc *alloc, struct cf_relay_channel **at)
{
	struct cf_relay_channel *channel = *at;

	*at = channel->next;
	channel->next = alloc->channels;
	alloc->channels = channel;
	return channel;
}

struct cf_relay_channel *cf_relay_channel_by_number(
	struct cf_relay_alloc *alloc, uint16_t number, uint64_t now_us)
{
	for (struct cf_relay_channel **at = &alloc->channels; *at; at = &(*at)->next)
		if ((*at)->number == number && now_us < (*at)->expires_us)
			return to_front(alloc, at);
	return NULL;
}

struct cf_relay_channel *cf_relay_channel_by_peer(
	struct cf_relay_alloc *alloc, const struct cf_addr *peer, uint64_t now_us)
{
	for (struct cf_relay_channel **at = &alloc->channels; *at; at = &(*at)->next)
		if (cf_addr_eq(&(*at)->peer, peer) && now_us < (*at)->expires_us)
			return to_front(alloc, at);
	return NULL;
}

int cf_relay_channel_put(struct cf_relay *relay, struct cf_relay_alloc *alloc, uint16_t number,
	const struct cf_addr *peer, uint64_t now_us)
{
	struct cf_relay_channel *channel = cf_relay_channel_by_number(alloc, number, now_us);
	int err;

	if (!channel && alloc->n_channels >= relay->config.max_channels)
		sweep(alloc, now_us);
	if (!channel && alloc->n_channels >= relay->config.max_channels)
		return CF_ELIMIT;
	err = cf_relay_permission_put(relay, alloc, peer, now_us);
	if (err < 0)
		return err;
	if (!channel) {
		channel = cf_alloc(sizeof(*channel));
		if (!channel)
			return CF_ENOMEM;
		channel->number = number;
		channel->peer = *peer;
		channel->permission = alloc->permissions; /* put moves it to the front */
		channel->permission->n_channels++;
		channel->next = alloc->channels;
		alloc->channels = channel;
		alloc->n_channels++;
	}
	channel->expires_us = now_us + CF_RELAY_CHANNEL_US;
	return 0;
}
