/* SPDX-License-Identifier: Apache-2.0 */
/* The parts of the TURN client: state (client.c), requests and answers (client_request.c), what
 * the server's challenge leads to (client_auth.c), data (client_data.c). For this room alone. */
#ifndef CF_TURN_CLIENT_PRIV_H
#define CF_TURN_CLIENT_PRIV_H

#include "stun/msg.h"
#include "stun/transaction.h"
#include "turn/client.h"

#define CF_TURN_EVENTS_MAX 16
#define CF_TURN_TEXT_MAX 763   /* RFC 8489 sections 14.9 and 14.10: REALM, NONCE */
#define CF_TURN_TICKET_MAX 256 /* a longer one is not kept */
#define CF_TURN_AUTH_TRIES 4   /* challenges in a row before giving up */

/* RFC 8656 section 9: a permission lives 300 s; section 12: a channel 600 s and its binding renews
 * the permission too. Both are renewed early enough for several tries. */
#define CF_TURN_RENEW_US (240 * (uint64_t)1000000)
#define CF_TURN_RETRY_US (5 * (uint64_t)1000000)

enum cf_turn_grant_state {
	CF_TURN_GRANT_FREE,
	CF_TURN_GRANT_ASKED,   /* never confirmed so far */
	CF_TURN_GRANT_GIVEN,   /* confirmed; a renewal may be on its way */
	CF_TURN_GRANT_REFUSED, /* by the server; asked again after a while when still wanted */
};

/* A permission (peer port 0, channel 0) or a channel. */
struct cf_turn_grant {
	struct cf_addr peer;
	uint16_t channel;
	uint8_t state;      /* enum cf_turn_grant_state */
	uint8_t challenges; /* in a row */
	struct cf_stun_txn txn;
	uint64_t renew_us; /* when the next request starts, while none runs */
};

struct cf_turn_queued {
	uint8_t *p; /* owned */
	size_t n;
};

struct cf_turn_client {
	struct cf_turn_client_options options; /* username and password owned */
	enum cf_turn_client_state state;
	struct cf_stun_txn_options txn_options;

	/* The one request about the allocation itself: Allocate, or Refresh. */
	struct cf_stun_txn txn;
	uint32_t lifetime_s;
	uint64_t refresh_us;
	uint64_t expires_us;
	struct cf_addr relayed;
	struct cf_addr mapped;
	uint64_t rtt_us;
	uint8_t ticket[CF_TURN_TICKET_MAX];
	uint16_t ticket_len; /* 0: none */
	bool moving;

	/* Credentials as the server asked for them. */
	char realm[CF_TURN_TEXT_MAX + 1];
	char nonce[CF_TURN_TEXT_MAX + 1];
	uint8_t algorithms[32]; /* PASSWORD-ALGORITHMS, to be sent back as it came */
	size_t n_algorithms;
	uint8_t key[32];
	size_t key_len; /* 0: not challenged yet; 16: MD5, 32: SHA-256 */
	bool sha256;    /* MESSAGE-INTEGRITY-SHA256 only (RFC 8489 section 9.2.5) */
	bool userhash;
	uint8_t challenges; /* in a row, of the allocation's own requests */

	struct cf_turn_grant permissions[CF_TURN_CLIENT_MAX_PERMISSIONS];
	struct cf_turn_grant channels[CF_TURN_CLIENT_MAX_CHANNELS];
	uint16_t next_channel;

	struct cf_turn_queued queue[CF_TURN_CLIENT_QUEUE_MAX]; /* ring */
	size_t queue_first, queue_len;

	struct cf_turn_event events[CF_TURN_EVENTS_MAX]; /* ring; the oldest is dropped when full */
	size_t event_first, event_len;
};

/* client.c */
struct cf_turn_event *cf_turn_client_emit(
	struct cf_turn_client *client, enum cf_turn_event_type type, uint16_t code);
void cf_turn_client_close(struct cf_turn_client *client, enum cf_turn_event_type type,
	uint16_t code, const struct cf_stun_msg *msg);
void cf_turn_event_reason(struct cf_turn_event *event, const struct cf_stun_msg *msg);
struct cf_turn_grant *cf_turn_grant_find(
	struct cf_turn_grant *grants, size_t n, const struct cf_addr *peer, bool with_port);
struct cf_turn_grant *cf_turn_client_permission(
	struct cf_turn_client *client, const struct cf_addr *peer);
void cf_turn_grant_ask(struct cf_turn_client *client, struct cf_turn_grant *grant, uint64_t now_us);

/* client_request.c */
CF_MUST_CHECK int cf_turn_client_write_request(struct cf_turn_client *client,
	const struct cf_stun_txn *txn, const struct cf_turn_grant *grant, void *buf, size_t cap);
/** Handles a response whose transaction runs (grant NULL: the allocation's own). */
void cf_turn_client_answer(struct cf_turn_client *client, struct cf_stun_txn *txn,
	struct cf_turn_grant *grant, const struct cf_stun_msg *msg, uint64_t now_us);
void cf_turn_client_timed_out(
	struct cf_turn_client *client, struct cf_turn_grant *grant, uint64_t now_us);
void cf_turn_client_begin(struct cf_turn_client *client, uint16_t method, uint64_t now_us);

/* client_auth.c */
/** Puts the credentials of the last challenge and the integrity into a request. */
void cf_turn_client_write_auth(struct cf_turn_client *client, struct cf_stun_writer *w);
void cf_turn_client_write_mac(struct cf_turn_client *client, struct cf_stun_writer *w);
/** Whether a response may be believed. */
bool cf_turn_client_trusts(const struct cf_turn_client *client, const struct cf_stun_msg *msg);
/** Takes a 401 or 438: true when the request is to be sent again with new credentials. tries
 * counts the challenges in a row of this request. */
bool cf_turn_client_challenged(struct cf_turn_client *client, const struct cf_stun_msg *msg,
	uint16_t code, uint8_t *tries);

#endif
