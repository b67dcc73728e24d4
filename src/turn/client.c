/* SPDX-License-Identifier: Apache-2.0 */
#include "turn/client.h"

#include "base/clock.h"
#include "base/mem.h"
#include "turn/client_priv.h"

#include <string.h>

#define MAX_USERNAME 509 /* RFC 8489 section 14.3 */
#define MAX_PASSWORD 763

struct cf_turn_client_options cf_turn_client_defaults(void)
{
	return (struct cf_turn_client_options){
		.family = CF_ADDR_IPV4,
		.lifetime_s = 600,
		.rto_us = 100000,
		.rto_max_us = 1600000,
		.timeout_us = 10000000,
	};
}

static bool text_ok(const char *text, size_t max)
{
	return text && *text && strlen(text) <= max;
}

int cf_turn_client_new(
	struct cf_turn_client **ret_client, const struct cf_turn_client_options *options)
{
	struct cf_turn_client *client;

	if (!text_ok(options->username, MAX_USERNAME) ||
		!text_ok(options->password, MAX_PASSWORD) ||
		(options->family != CF_ADDR_IPV4 && options->family != CF_ADDR_IPV6))
		return CF_EINVAL;
	client = cf_alloc(sizeof(*client));
	if (!client)
		return CF_ENOMEM;
	client->options = *options;
	client->options.username = cf_strdup(options->username);
	client->options.password = cf_strdup(options->password);
	if (!client->options.username || !client->options.password) {
		cf_turn_client_free(client);
		return CF_ENOMEM;
	}
	client->txn_options = cf_stun_txn_defaults();
	client->txn_options.rto_us = options->rto_us;
	client->txn_options.rto_max_us = options->rto_max_us;
	client->txn_options.ti_us = options->timeout_us;
	client->txn_options.reliable = options->is_stream;
	client->refresh_us = CF_TIME_NEVER;
	client->next_channel = CF_TURN_CHANNEL_MIN;
	*ret_client = client;
	return 0;
}

static void drop_queue(struct cf_turn_client *client)
{
	for (size_t i = 0; i < CF_TURN_CLIENT_QUEUE_MAX; i++)
		client->queue[i].p = cf_free(client->queue[i].p);
	client->queue_len = 0;
}

struct cf_turn_client *cf_turn_client_free(struct cf_turn_client *client)
{
	char *password;

	if (!client)
		return NULL;
	drop_queue(client);
	password = (char *)(uintptr_t)client->options.password;
	if (password)
		cf_wipe(password, strlen(password));
	cf_free(password);
	cf_free((char *)(uintptr_t)client->options.username);
	cf_wipe(client->key, sizeof(client->key));
	return cf_free(client);
}

struct cf_turn_event *cf_turn_client_emit(
	struct cf_turn_client *client, enum cf_turn_event_type type, uint16_t code)
{
	struct cf_turn_event *event;

	if (client->event_len == CF_TURN_EVENTS_MAX) {
		client->event_first = (client->event_first + 1) % CF_TURN_EVENTS_MAX;
		client->event_len--;
	}
	event = &client->events[(client->event_first + client->event_len++) % CF_TURN_EVENTS_MAX];
	*event = (struct cf_turn_event){.type = type, .code = code};
	return event;
}

bool cf_turn_client_event(struct cf_turn_client *client, struct cf_turn_event *ret_event)
{
	if (client->event_len == 0)
		return false;
	*ret_event = client->events[client->event_first];
	client->event_first = (client->event_first + 1) % CF_TURN_EVENTS_MAX;
	client->event_len--;
	return true;
}

void cf_turn_event_reason(struct cf_turn_event *event, const struct cf_stun_msg *msg)
{
	struct cf_view reason;
	uint16_t code;
	size_t n;

	if (!msg || cf_stun_msg_error(msg, &code, &reason) < 0)
		return;
	n = reason.len < CF_TURN_REASON_MAX ? reason.len : CF_TURN_REASON_MAX - 1;
	for (size_t i = 0; i < n; i++)
		event->reason[i] =
			reason.p[i] >= ' ' && reason.p[i] < 0x7f ? (char)reason.p[i] : '?';
	if (cf_stun_msg_addr(msg, CF_STUN_ALTERNATE_SERVER, &event->alternate) < 0)
		event->alternate = (struct cf_addr){0};
}

/* Ends all requests and forgets what depends on the allocation. */
static void stop_all(struct cf_turn_client *client)
{
	cf_stun_txn_end(&client->txn);
	for (size_t i = 0; i < CF_TURN_CLIENT_MAX_PERMISSIONS; i++)
		client->permissions[i] = (struct cf_turn_grant){0};
	for (size_t i = 0; i < CF_TURN_CLIENT_MAX_CHANNELS; i++)
		client->channels[i] = (struct cf_turn_grant){0};
	drop_queue(client);
}

void cf_turn_client_close(struct cf_turn_client *client, enum cf_turn_event_type type,
	uint16_t code, const struct cf_stun_msg *msg)
{
	client->state = CF_TURN_CLOSED;
	client->moving = false;
	stop_all(client);
	cf_turn_event_reason(cf_turn_client_emit(client, type, code), msg);
}

int cf_turn_client_start(struct cf_turn_client *client, uint64_t now_us)
{
	if (client->state != CF_TURN_IDLE)
		return CF_ESTATE;
	client->state = CF_TURN_ALLOCATING;
	cf_turn_client_begin(client, CF_TURN_ALLOCATE, now_us);
	return 0;
}

void cf_turn_client_probe(struct cf_turn_client *client, uint64_t now_us)
{
	if (client->state == CF_TURN_ALLOCATED)
		cf_turn_client_begin(client, CF_TURN_REFRESH, now_us);
}

bool cf_turn_client_can_move(const struct cf_turn_client *client)
{
	return client->state == CF_TURN_ALLOCATED && client->ticket_len > 0;
}

int cf_turn_client_move(struct cf_turn_client *client, bool is_stream, uint64_t now_us)
{
	if (client->state != CF_TURN_ALLOCATED)
		return CF_ESTATE;
	if (client->ticket_len == 0)
		return CF_ENOTSUP;
	client->options.is_stream = client->txn_options.reliable = is_stream;
	client->moving = true;
	client->challenges = 0; /* the nonce was for the old address */
	cf_turn_client_begin(client, CF_TURN_REFRESH, now_us);
	return 0;
}

void cf_turn_client_release(struct cf_turn_client *client, uint64_t now_us)
{
	if (client->state == CF_TURN_RELEASING || client->state == CF_TURN_CLOSED)
		return;
	if (client->key_len == 0) { /* never authenticated: there is nothing to give back */
		cf_turn_client_close(client, CF_TURN_EVENT_RELEASED, 0, NULL);
		return;
	}
	stop_all(client);
	client->state = CF_TURN_RELEASING;
	cf_turn_client_begin(client, CF_TURN_REFRESH, now_us);
}

struct cf_turn_grant *cf_turn_grant_find(
	struct cf_turn_grant *grants, size_t n, const struct cf_addr *peer, bool with_port)
{
	for (size_t i = 0; i < n; i++)
		if (grants[i].state != CF_TURN_GRANT_FREE && cf_addr_ip_eq(&grants[i].peer, peer) &&
			(!with_port || grants[i].peer.port == peer->port))
			return &grants[i];
	return NULL;
}

struct cf_turn_grant *cf_turn_client_permission(
	struct cf_turn_client *client, const struct cf_addr *peer)
{
	return cf_turn_grant_find(client->permissions, CF_TURN_CLIENT_MAX_PERMISSIONS, peer, false);
}

/* Credentials are known, so the request can go; before that allocated() starts it. */
void cf_turn_grant_ask(struct cf_turn_client *client, struct cf_turn_grant *grant, uint64_t now_us)
{
	uint16_t method = grant->channel ? CF_TURN_CHANNEL_BIND : CF_TURN_CREATE_PERMISSION;

	grant->renew_us = CF_TIME_NEVER;
	if (client->state == CF_TURN_ALLOCATED)
		cf_stun_txn_start(&grant->txn, &client->txn_options, method, now_us);
}

static struct cf_turn_grant *add(
	struct cf_turn_grant *grants, size_t n, const struct cf_addr *peer, bool with_port)
{
	for (size_t i = 0; i < n; i++) {
		if (grants[i].state != CF_TURN_GRANT_FREE)
			continue;
		grants[i] = (struct cf_turn_grant){.peer = *peer, .state = CF_TURN_GRANT_ASKED};
		if (!with_port)
			grants[i].peer.port = 0;
		return &grants[i];
	}
	return NULL;
}

static int usable(const struct cf_turn_client *client, const struct cf_addr *peer)
{
	if (client->state != CF_TURN_ALLOCATED && client->state != CF_TURN_ALLOCATING &&
		client->state != CF_TURN_IDLE)
		return CF_ESTATE;
	return peer->family == client->options.family ? 0 : CF_ENOTSUP;
}

int cf_turn_client_permit(
	struct cf_turn_client *client, const struct cf_addr *peer, uint64_t now_us)
{
	struct cf_turn_grant *grant = cf_turn_client_permission(client, peer);
	int err = usable(client, peer);

	if (err < 0)
		return err;
	if (!grant) {
		grant = add(client->permissions, CF_TURN_CLIENT_MAX_PERMISSIONS, peer, false);
		if (!grant)
			return CF_ELIMIT;
		cf_turn_grant_ask(client, grant, now_us);
	} else if (grant->state == CF_TURN_GRANT_REFUSED && !grant->txn.active) {
		cf_turn_grant_ask(client, grant, now_us);
	}
	return 0;
}

int cf_turn_client_bind(struct cf_turn_client *client, const struct cf_addr *peer, uint64_t now_us)
{
	struct cf_turn_grant *grant =
		cf_turn_grant_find(client->channels, CF_TURN_CLIENT_MAX_CHANNELS, peer, true);
	int err = cf_turn_client_permit(client, peer, now_us);

	if (err < 0)
		return err;
	if (grant) {
		if (grant->state == CF_TURN_GRANT_REFUSED && !grant->txn.active)
			cf_turn_grant_ask(client, grant, now_us);
		return 0;
	}
	if (client->next_channel > CF_TURN_CHANNEL_MAX)
		return CF_ELIMIT; /* numbers are not used twice: RFC 8656 section 12, 5 minutes'
				     pause */
	grant = add(client->channels, CF_TURN_CLIENT_MAX_CHANNELS, peer, true);
	if (!grant)
		return CF_ELIMIT;
	grant->channel = client->next_channel++;
	cf_turn_grant_ask(client, grant, now_us);
	return 0;
}

void cf_turn_client_forget(struct cf_turn_client *client, const struct cf_addr *peer)
{
	struct cf_turn_grant *grant =
		cf_turn_grant_find(client->channels, CF_TURN_CLIENT_MAX_CHANNELS, peer, true);

	if (grant)
		*grant = (struct cf_turn_grant){0};
	if (cf_turn_grant_find(client->channels, CF_TURN_CLIENT_MAX_CHANNELS, peer, false))
		return; /* another port of the same IP is still in use */
	grant = cf_turn_client_permission(client, peer);
	if (grant)
		*grant = (struct cf_turn_grant){0};
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static uint64_t grants_deadline(const struct cf_turn_grant *grants, size_t n)
{
	uint64_t due = CF_TIME_NEVER;

	for (size_t i = 0; i < n; i++) {
		if (grants[i].state == CF_TURN_GRANT_FREE)
			continue;
		due = earlier(due, cf_stun_txn_deadline(&grants[i].txn));
		if (!grants[i].txn.active)
			due = earlier(due, grants[i].renew_us);
	}
	return due;
}

uint64_t cf_turn_client_deadline(const struct cf_turn_client *client)
{
	uint64_t due = cf_stun_txn_deadline(&client->txn);

	if (client->queue_len > 0 && !client->moving)
		return 0;
	if (client->state == CF_TURN_ALLOCATED) {
		due = earlier(due, client->expires_us);
		if (!client->txn.active)
			due = earlier(due, client->refresh_us);
	}
	if (client->moving)
		return due;
	due = earlier(due, grants_deadline(client->permissions, CF_TURN_CLIENT_MAX_PERMISSIONS));
	return earlier(due, grants_deadline(client->channels, CF_TURN_CLIENT_MAX_CHANNELS));
}

/* One request's clock: the length of what it sends now, or 0. */
static int poll_txn(struct cf_turn_client *client, struct cf_stun_txn *txn,
	struct cf_turn_grant *grant, void *buf, size_t cap, uint64_t now_us)
{
	switch (cf_stun_txn_poll(txn, now_us)) {
	case CF_STUN_TXN_SEND:
		return cf_turn_client_write_request(client, txn, grant, buf, cap);
	case CF_STUN_TXN_TIMEOUT:
		cf_turn_client_timed_out(client, grant, now_us);
		return 0;
	default:
		return 0;
	}
}

static int poll_grants(struct cf_turn_client *client, struct cf_turn_grant *grants, size_t max,
	void *buf, size_t cap, uint64_t now_us)
{
	int n = 0;

	for (size_t i = 0; i < max && n == 0; i++) {
		if (grants[i].state == CF_TURN_GRANT_FREE)
			continue;
		if (!grants[i].txn.active && now_us >= grants[i].renew_us)
			cf_turn_grant_ask(client, &grants[i], now_us);
		n = poll_txn(client, &grants[i].txn, &grants[i], buf, cap, now_us);
	}
	return n;
}

static int poll_queue(struct cf_turn_client *client, void *buf, size_t cap)
{
	struct cf_turn_queued *first = &client->queue[client->queue_first];
	size_t n = first->n;

	if (client->queue_len == 0)
		return 0;
	if (n > cap)
		return CF_ENOSPC;
	memcpy(buf, first->p, n);
	first->p = cf_free(first->p);
	client->queue_first = (client->queue_first + 1) % CF_TURN_CLIENT_QUEUE_MAX;
	client->queue_len--;
	return (int)n;
}

int cf_turn_client_output(struct cf_turn_client *client, void *buf, size_t cap, uint64_t now_us)
{
	int n;

	if (client->state == CF_TURN_ALLOCATED && now_us >= client->expires_us)
		cf_turn_client_close(client, CF_TURN_EVENT_EXPIRED, 0, NULL);
	if (client->state == CF_TURN_ALLOCATED && !client->txn.active &&
		now_us >= client->refresh_us)
		cf_turn_client_begin(client, CF_TURN_REFRESH, now_us);
	n = poll_txn(client, &client->txn, NULL, buf, cap, now_us);
	if (client->moving) /* the server knows the rest at the old place only */
		return n;
	if (n == 0)
		n = poll_grants(client, client->permissions, CF_TURN_CLIENT_MAX_PERMISSIONS, buf,
			cap, now_us);
	if (n == 0)
		n = poll_grants(
			client, client->channels, CF_TURN_CLIENT_MAX_CHANNELS, buf, cap, now_us);
	return n == 0 ? poll_queue(client, buf, cap) : n;
}

enum cf_turn_client_state cf_turn_client_state(const struct cf_turn_client *client)
{
	return client->state;
}

struct cf_addr cf_turn_client_relayed(const struct cf_turn_client *client)
{
	return client->relayed;
}

struct cf_addr cf_turn_client_mapped(const struct cf_turn_client *client)
{
	return client->mapped;
}

uint64_t cf_turn_client_rtt_us(const struct cf_turn_client *client)
{
	return client->rtt_us;
}
