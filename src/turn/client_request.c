/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"
#include "turn/client_priv.h"

#include <string.h>

#define TRANSPORT_UDP \
	(17u << 24)            /* RFC 8656 section 18.7: a protocol number and three RFFU bytes */
#define FAMILY_IPV6 (2u << 24) /* section 18.6 */
#define MIN_LIFETIME_S 20      /* an answer below it is taken as this */

void cf_turn_client_begin(struct cf_turn_client *client, uint16_t method, uint64_t now_us)
{
	cf_stun_txn_start(&client->txn, &client->txn_options, method, now_us);
}

static uint32_t asked_lifetime(const struct cf_turn_client *client)
{
	return client->state == CF_TURN_RELEASING ? 0 : client->options.lifetime_s;
}

static void write_body(struct cf_turn_client *client, uint16_t method,
	const struct cf_turn_grant *grant, struct cf_stun_writer *w)
{
	switch (method) {
	case CF_TURN_ALLOCATE:
		if (client->key_len == 0) /* room for a whole challenge: docs/adr/0006 */
			cf_stun_write_view(w, CF_STUN_SOFTWARE, cf_view_str("callflow"));
		cf_stun_write_u32(w, CF_TURN_REQUESTED_TRANSPORT, TRANSPORT_UDP);
		if (client->options.family == CF_ADDR_IPV6)
			cf_stun_write_u32(w, CF_TURN_REQUESTED_ADDRESS_FAMILY, FAMILY_IPV6);
		cf_stun_write_u32(w, CF_TURN_LIFETIME, asked_lifetime(client));
		if (client->options.mobile)
			cf_stun_write_empty(w, CF_TURN_MOBILITY_TICKET);
		break;
	case CF_TURN_REFRESH:
		if (client->moving)
			cf_stun_write_bytes(
				w, CF_TURN_MOBILITY_TICKET, client->ticket, client->ticket_len);
		cf_stun_write_u32(w, CF_TURN_LIFETIME, asked_lifetime(client));
		if (client->options.family == CF_ADDR_IPV6)
			cf_stun_write_u32(w, CF_TURN_REQUESTED_ADDRESS_FAMILY, FAMILY_IPV6);
		break;
	case CF_TURN_CHANNEL_BIND:
		cf_stun_write_u32(w, CF_TURN_CHANNEL_NUMBER, (uint32_t)grant->channel << 16);
		cf_stun_write_xor_addr(w, CF_TURN_XOR_PEER_ADDRESS, &grant->peer);
		break;
	default: /* CreatePermission */
		cf_stun_write_xor_addr(w, CF_TURN_XOR_PEER_ADDRESS, &grant->peer);
		break;
	}
}

int cf_turn_client_write_request(struct cf_turn_client *client, const struct cf_stun_txn *txn,
	const struct cf_turn_grant *grant, void *buf, size_t cap)
{
	struct cf_stun_writer w;

	cf_stun_write_begin(&w, buf, cap, CF_STUN_REQUEST, txn->method, txn->tid);
	write_body(client, txn->method, grant, &w);
	cf_turn_client_write_auth(client, &w);
	cf_turn_client_write_mac(client, &w);
	return cf_stun_write_end(&w);
}

static void set_lifetime(
	struct cf_turn_client *client, const struct cf_stun_msg *msg, uint64_t now_us)
{
	uint32_t s;

	if (cf_stun_msg_u32(msg, CF_TURN_LIFETIME, &s) < 0)
		s = client->options.lifetime_s;
	if (s < MIN_LIFETIME_S)
		s = MIN_LIFETIME_S;
	client->lifetime_s = s;
	client->expires_us = now_us + s * CF_US_PER_S;
	/* RFC 8656 section 8.1: a minute early, or half-way when that is too short. */
	client->refresh_us = now_us + (s >= 120 ? s - 60 : s / 2) * CF_US_PER_S;
}

/* RFC 8016: each success brings the ticket for the next time. */
static void keep_ticket(struct cf_turn_client *client, const struct cf_stun_msg *msg)
{
	struct cf_view v;

	if (!client->options.mobile || !cf_stun_msg_attr(msg, CF_TURN_MOBILITY_TICKET, &v) ||
		v.len == 0 || v.len > sizeof(client->ticket))
		return;
	memcpy(client->ticket, v.p, v.len);
	client->ticket_len = (uint16_t)v.len;
}

static void allocated(struct cf_turn_client *client, const struct cf_stun_msg *msg, uint64_t now_us)
{
	struct cf_turn_event *event;

	if (cf_stun_msg_xor_addr(msg, CF_TURN_XOR_RELAYED_ADDRESS, &client->relayed) < 0 ||
		client->relayed.family != client->options.family) {
		client->relayed = (struct cf_addr){0};
		cf_turn_client_close(client, CF_TURN_EVENT_FAILED, 440, NULL);
		return;
	}
	if (cf_stun_msg_xor_addr(msg, CF_STUN_XOR_MAPPED_ADDRESS, &client->mapped) < 0)
		client->mapped = (struct cf_addr){0};
	set_lifetime(client, msg, now_us);
	keep_ticket(client, msg);
	client->state = CF_TURN_ALLOCATED;
	event = cf_turn_client_emit(client, CF_TURN_EVENT_ALLOCATED, 0);
	event->relayed = client->relayed;
	event->mapped = client->mapped;
	event->lifetime_s = client->lifetime_s;
	/* What was asked for early and came too early is asked for again at once. */
	for (size_t i = 0; i < CF_TURN_CLIENT_MAX_PERMISSIONS; i++)
		if (client->permissions[i].state == CF_TURN_GRANT_ASKED &&
			!client->permissions[i].txn.active)
			cf_turn_grant_ask(client, &client->permissions[i], now_us);
	for (size_t i = 0; i < CF_TURN_CLIENT_MAX_CHANNELS; i++)
		if (client->channels[i].state == CF_TURN_GRANT_ASKED &&
			!client->channels[i].txn.active)
			cf_turn_grant_ask(client, &client->channels[i], now_us);
}

/* Success of Allocate or Refresh. */
static void own_success(struct cf_turn_client *client, uint16_t method,
	const struct cf_stun_msg *msg, uint64_t now_us)
{
	if (client->state == CF_TURN_RELEASING) {
		cf_turn_client_close(client, CF_TURN_EVENT_RELEASED, 0, NULL);
	} else if (method == CF_TURN_ALLOCATE) {
		allocated(client, msg, now_us);
	} else {
		set_lifetime(client, msg, now_us);
		keep_ticket(client, msg);
		if (client->moving)
			cf_turn_client_emit(client, CF_TURN_EVENT_MOVED, 0);
		client->moving = false;
	}
}

static void own_error(struct cf_turn_client *client, uint16_t method, uint16_t code,
	const struct cf_stun_msg *msg, uint64_t now_us)
{
	if (client->state == CF_TURN_RELEASING && code == 437 && client->ticket_len > 0 &&
		!client->moving) {
		client->moving = true; /* it may stand where the server saw us before */
		cf_turn_client_begin(client, CF_TURN_REFRESH, now_us);
	} else if (client->state == CF_TURN_RELEASING) {
		cf_turn_client_close(client, CF_TURN_EVENT_RELEASED, code, msg);
	} else if (method == CF_TURN_ALLOCATE && code == 405 && client->options.mobile) {
		client->options.mobile = false; /* RFC 8016 section 3.1: without a ticket then */
		cf_turn_client_begin(client, CF_TURN_ALLOCATE, now_us);
	} else if (method == CF_TURN_ALLOCATE) {
		cf_turn_client_close(client, CF_TURN_EVENT_FAILED, code, msg);
	} else if (code == 437) { /* RFC 8656 section 8.3: there is no allocation any more */
		cf_turn_client_close(client, CF_TURN_EVENT_EXPIRED, code, msg);
	} else if (code == 401 || code == 441 || client->moving) {
		cf_turn_client_close(client, CF_TURN_EVENT_EXPIRED, code, msg);
	} else { /* an upset server may recover before the time is over */
		client->refresh_us = now_us + CF_TURN_RETRY_US;
	}
}

static void grant_success(
	struct cf_turn_client *client, struct cf_turn_grant *grant, uint64_t now_us)
{
	bool first = grant->state != CF_TURN_GRANT_GIVEN;
	struct cf_turn_grant *permission;

	grant->state = CF_TURN_GRANT_GIVEN;
	grant->renew_us = now_us + CF_TURN_RENEW_US;
	if (first)
		cf_turn_client_emit(client,
			grant->channel ? CF_TURN_EVENT_CHANNEL_BOUND : CF_TURN_EVENT_PERMITTED, 0)
			->peer = grant->peer;
	if (!grant->channel)
		return;
	/* RFC 8656 section 12.2: a binding installs or renews the permission as well. */
	permission = cf_turn_client_permission(client, &grant->peer);
	if (permission && !permission->txn.active) {
		permission->state = CF_TURN_GRANT_GIVEN;
		permission->renew_us = now_us + CF_TURN_RENEW_US + CF_TURN_RETRY_US;
	}
}

static void grant_error(struct cf_turn_client *client, struct cf_turn_grant *grant, uint16_t code,
	const struct cf_stun_msg *msg, uint64_t now_us)
{
	struct cf_turn_event *event;

	if (code == 437 && client->state == CF_TURN_ALLOCATING)
		return; /* asked together with the allocation and overtook it: allocated() asks
			   again */
	if (code == 437 && client->state == CF_TURN_ALLOCATED) {
		cf_turn_client_close(client, CF_TURN_EVENT_EXPIRED, code, msg);
		return;
	}
	if (code == 0 && grant->state == CF_TURN_GRANT_GIVEN) {
		grant->renew_us = now_us + CF_TURN_RETRY_US; /* there is time for more tries */
		return;
	}
	if (grant->state != CF_TURN_GRANT_REFUSED) {
		event = cf_turn_client_emit(client,
			grant->channel ? CF_TURN_EVENT_CHANNEL_REFUSED : CF_TURN_EVENT_PEER_REFUSED,
			code);
		event->peer = grant->peer;
		cf_turn_event_reason(event, msg);
	}
	grant->state = code ? CF_TURN_GRANT_REFUSED : CF_TURN_GRANT_FREE;
	grant->renew_us = CF_TIME_NEVER;
}

/* Sends the request anew with the credentials now known. The permissions wanted so far follow an
 * Allocate at once: the server takes them in this order and a round trip is saved; if they arrive
 * too early after all, 437 comes back and allocated() asks again. */
static void again(
	struct cf_turn_client *client, struct cf_stun_txn *txn, uint16_t method, uint64_t now_us)
{
	cf_stun_txn_start(txn, &client->txn_options, method, now_us);
	if (method != CF_TURN_ALLOCATE)
		return;
	for (size_t i = 0; i < CF_TURN_CLIENT_MAX_PERMISSIONS; i++)
		if (client->permissions[i].state == CF_TURN_GRANT_ASKED)
			cf_stun_txn_start(&client->permissions[i].txn, &client->txn_options,
				CF_TURN_CREATE_PERMISSION, now_us);
}

void cf_turn_client_answer(struct cf_turn_client *client, struct cf_stun_txn *txn,
	struct cf_turn_grant *grant, const struct cf_stun_msg *msg, uint64_t now_us)
{
	uint64_t rtt = cf_stun_txn_rtt_us(txn, now_us);
	uint8_t *tries = grant ? &grant->challenges : &client->challenges;
	uint16_t method = txn->method, code = 0;

	if (rtt)
		client->rtt_us = rtt;
	cf_stun_txn_end(txn);
	if (msg->cls == CF_STUN_SUCCESS) {
		*tries = 0;
		if (grant)
			grant_success(client, grant, now_us);
		else
			own_success(client, method, msg, now_us);
		return;
	}
	if (cf_stun_msg_error(msg, &code, NULL) < 0)
		code = 500;
	if ((code == 401 || code == 438) && cf_turn_client_challenged(client, msg, code, tries))
		again(client, txn, method, now_us);
	else if (grant)
		grant_error(client, grant, code, msg, now_us);
	else
		own_error(client, method, code, msg, now_us);
}

void cf_turn_client_timed_out(
	struct cf_turn_client *client, struct cf_turn_grant *grant, uint64_t now_us)
{
	if (grant)
		grant_error(client, grant, 0, NULL, now_us);
	else if (client->state == CF_TURN_ALLOCATED)
		client->refresh_us = now_us + CF_US_PER_S;
	else if (client->state == CF_TURN_RELEASING)
		cf_turn_client_close(client, CF_TURN_EVENT_RELEASED, 0, NULL);
	else
		cf_turn_client_close(client, CF_TURN_EVENT_FAILED, 0, NULL);
}
