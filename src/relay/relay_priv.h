/* SPDX-License-Identifier: Apache-2.0 */
/* The parts of the relay: dispatch and clock (relay.c), allocations with their permissions and
 * channels (alloc.c), who asks (auth.c), requests (request.c, allocate.c), relayed data (data.c),
 * which peers may be reached (policy.c). For this room and its unit tests alone. */
#ifndef CF_RELAY_PRIV_H
#define CF_RELAY_PRIV_H

#include "base/list.h"
#include "base/map.h"
#include "relay/relay.h"
#include "stun/msg.h"

#define CF_RELAY_WHEEL_SLOTS 64 /* seconds; no allocation waits longer than that for a look */
#define CF_RELAY_MUTE_SLOTS 4096
#define CF_RELAY_RESPONSE_MAX 1024
#define CF_RELAY_CLASSIC_MAX 548 /* longest request without cookie that is looked at */
#define CF_RELAY_PERMISSION_US (300 * CF_US_PER_S) /* RFC 8656 section 9 */
#define CF_RELAY_CHANNEL_US (600 * CF_US_PER_S)    /* RFC 8656 section 12 */

#define CF_RELAY_ALGORITHM_MD5 1 /* RFC 8489 section 18.5 */
#define CF_RELAY_ALGORITHM_SHA256 2

struct cf_relay_permission {
	struct cf_relay_permission *next;
	struct cf_addr ip; /* port 0 */
	uint64_t expires_us;
	uint16_t n_channels; /* that point here */
};

struct cf_relay_channel {
	struct cf_relay_channel *next;
	struct cf_relay_permission *permission; /* lives as long as the channel */
	struct cf_addr peer;
	uint64_t expires_us;
	uint16_t number;
};

/* Tokens in millionths of a byte, so that short pauses count too. */
struct cf_relay_bucket {
	uint64_t tokens;
	uint64_t last_us;
};

struct cf_relay_side {
	void *socket; /* the io's, NULL: none of this family */
	struct cf_addr relayed;
};

struct cf_relay_alloc {
	struct cf_map_node node;
	struct cf_list hungry; /* in the relay's, while its lease runs low */
	uint64_t lease_end;    /* of payload, both ways: up to here it may go */
	uint64_t lease_low;    /* from here on it asks for more */
	uint64_t lease_held;
	uint64_t lease_settled; /* payload that the ledger knows of */
	bool starved;           /* something was not relayed for want of a lease */
	bool budget_used_up;
	struct cf_relay_low low;     /* for the next bill */
	struct cf_map_node old_node; /* while has_old: in by_old */
	struct cf_relay_tuple old;   /* where the client was before it moved */
	bool has_old;
	bool mobile;          /* has a ticket */
	uint32_t moves;       /* tickets of fewer moves are worthless */
	struct cf_list timer; /* in a slot of the wheel */
	struct cf_relay_tuple tuple;
	struct cf_relay_side sides[2];           /* IPv4, IPv6 */
	struct cf_relay_permission *permissions; /* owned; the one used last comes first */
	struct cf_relay_channel *channels;       /* owned; likewise */
	uint64_t expires_us;
	uint64_t start_us;
	uint64_t reported_us;
	uint64_t reported_packets;
	uint64_t credential_expires_us;
	struct cf_relay_bucket up, down; /* client to peer, peer to client */
	struct cf_relay_counters counters;
	uint64_t token;
	bool has_token;
	uint16_t additional_code;
	uint8_t algorithm;
	uint8_t key_len;
	bool in_short_realm; /* of the key */
	uint8_t key[32];
	uint8_t tid[CF_STUN_TID_LEN]; /* of the Allocate, to know its retransmission */
	uint8_t id[16];
	uint16_t n_permissions, n_channels;
	uint16_t username_len, resource_len, user_len, call_len;
	char text[]; /* the four, one behind the other */
};

struct cf_relay_mute {
	uint64_t last_us;
	uint64_t tokens; /* millionths of an answer */
};

struct cf_relay {
	struct cf_relay_config config;
	struct cf_relay_io io;
	void *arg;
	bool draining;
	uint64_t seed;
	struct cf_map by_tuple;
	struct cf_list hungry; /* struct cf_relay_alloc */
	struct cf_map by_old;  /* 5-tuples that a client has left, until it is heard on the new */
	bool fetched;          /* the request at hand has been to the worker of its ticket */
	struct cf_list wheel[CF_RELAY_WHEEL_SLOTS];
	uint64_t wheel_s;            /* the next second to look at */
	struct cf_relay_mute *mutes; /* owned, CF_RELAY_MUTE_SLOTS */
	struct cf_relay_stats stats;
};

#define CF_RELAY_TICKET_LEN 37

struct cf_relay_ticket {
	uint8_t worker;
	uint32_t hash, moves;
	uint8_t id[16];
};

/* A request on its way through. */
struct cf_relay_request {
	struct cf_relay *relay;
	const struct cf_relay_tuple *from;
	const struct cf_relay_tuple *to; /* where the answer goes from; NULL: as it came */
	const struct cf_stun_msg *msg;
	struct cf_relay_alloc *alloc; /* of this 5-tuple, or NULL */
	uint64_t now_us;
	struct cf_relay_credential
		credential;  /* valid behind authentication without alloc's own key */
	bool budget_used_up; /* why an allocation is refused */
	bool known_user;     /* the name is the allocation's own: credential may be empty */
	struct cf_view username;
	const uint8_t *userhash; /* 32 bytes in place of the name, or NULL */
	struct cf_view realm;    /* ours, as the client knows it */
	bool in_short_realm;     /* the beginning of our realm */
	bool hash_unknown;       /* nobody was found by USERHASH: the next nonce asks for names */
	uint8_t algorithm;
	uint8_t key[32];
	size_t key_len; /* 0: not authenticated; answers then carry no integrity */
	bool mac_sha256;
	uint16_t unknown[8];
	size_t n_unknown;
	bool silent; /* nothing is answered */
	bool with_ticket, ticket_good, moving;
	struct cf_relay_ticket ticket;
	const uint8_t *classic; /* of an RFC 3489 client: what it has in place of the cookie */
};

static inline struct cf_view cf_relay_alloc_username(const struct cf_relay_alloc *a)
{
	return cf_view_of(a->text, a->username_len);
}

static inline struct cf_view cf_relay_alloc_resource(const struct cf_relay_alloc *a)
{
	return cf_view_of(a->text + a->username_len, a->resource_len);
}

static inline struct cf_view cf_relay_alloc_user(const struct cf_relay_alloc *a)
{
	return cf_view_of(a->text + a->username_len + a->resource_len, a->user_len);
}

static inline struct cf_view cf_relay_alloc_call(const struct cf_relay_alloc *a)
{
	return cf_view_of(a->text + a->username_len + a->resource_len + a->user_len, a->call_len);
}

static inline struct cf_relay_side *cf_relay_alloc_side(struct cf_relay_alloc *a, uint8_t family)
{
	return &a->sides[family == CF_ADDR_IPV6];
}

/* lease.c */
/** Takes the first lease. 0 or 486. */
uint16_t cf_relay_lease_begin(struct cf_relay *relay, struct cf_relay_alloc *alloc);
/** Gives back what is left. */
void cf_relay_lease_end(struct cf_relay *relay, struct cf_relay_alloc *alloc);
/** Whether n more bytes of payload may go. */
bool cf_relay_lease_take(struct cf_relay *relay, struct cf_relay_alloc *alloc, size_t n);

/* alloc.c */
/** The living allocation of a 5-tuple, or NULL. */
struct cf_relay_alloc *cf_relay_alloc_find(
	struct cf_relay *relay, const struct cf_relay_tuple *tuple, uint64_t now_us);
/** An allocation without addresses yet, not in the table. Copies what it needs. */
CF_MUST_CHECK struct cf_relay_alloc *cf_relay_alloc_new(const struct cf_relay_request *req);
/** Puts it into table and wheel. 0 or CF_ENOMEM. */
CF_MUST_CHECK int cf_relay_alloc_enter(
	struct cf_relay *relay, struct cf_relay_alloc *alloc, uint64_t now_us);
/** Into table and wheel, and out of them. 0 or CF_ENOMEM. */
CF_MUST_CHECK int cf_relay_alloc_place(
	struct cf_relay *relay, struct cf_relay_alloc *alloc, uint64_t now_us);
void cf_relay_alloc_leave(struct cf_relay *relay, struct cf_relay_alloc *alloc);
/** Whether a client left this 5-tuple for another: it is forgotten then. */
bool cf_relay_alloc_was_at(struct cf_relay *relay, const struct cf_relay_tuple *tuple);
/** Moves it to another 5-tuple of this worker; the old one is good until the new one is used. 0 or
 * CF_ENOMEM, and the allocation is in no table then. */
CF_MUST_CHECK int cf_relay_alloc_move(struct cf_relay *relay, struct cf_relay_alloc *alloc,
	const struct cf_relay_tuple *to, uint64_t now_us);
/** Closes sockets, retires the user, frees; entered: with the last bill. */
void cf_relay_alloc_end(
	struct cf_relay *relay, struct cf_relay_alloc *alloc, bool entered, uint64_t now_us);
void cf_relay_alloc_bill(
	struct cf_relay *relay, struct cf_relay_alloc *alloc, bool ended, uint64_t now_us);
void cf_relay_alloc_arm(struct cf_relay *relay, struct cf_relay_alloc *alloc, uint64_t now_us);
/** Permission of an IP, alive or not; NULL when there is none. Moves it to the front. */
struct cf_relay_permission *cf_relay_permission_find(
	struct cf_relay_alloc *alloc, const struct cf_addr *peer);
/** Makes or renews it. 0, CF_ELIMIT, CF_ENOMEM. */
CF_MUST_CHECK int cf_relay_permission_put(struct cf_relay *relay, struct cf_relay_alloc *alloc,
	const struct cf_addr *peer, uint64_t now_us);
struct cf_relay_channel *cf_relay_channel_by_number(
	struct cf_relay_alloc *alloc, uint16_t number, uint64_t now_us);
struct cf_relay_channel *cf_relay_channel_by_peer(
	struct cf_relay_alloc *alloc, const struct cf_addr *peer, uint64_t now_us);
/** Makes or renews a binding that was found free of conflict, and its permission. */
CF_MUST_CHECK int cf_relay_channel_put(struct cf_relay *relay, struct cf_relay_alloc *alloc,
	uint16_t number, const struct cf_addr *peer, uint64_t now_us);

/* auth.c */
/** RFC 8489 section 9.2.4: true when the request is authentic; else it has been answered. */
bool cf_relay_authenticate(struct cf_relay_request *req);
/** Whether an answer without authentication may go to this source now. */
bool cf_relay_may_answer(
	struct cf_relay *relay, const struct cf_relay_tuple *from, uint64_t now_us);
/** REALM, NONCE and, whole, PASSWORD-ALGORITHMS; not whole: as few bytes as a client can use. */
void cf_relay_write_challenge(struct cf_relay_request *req, struct cf_stun_writer *w, bool whole);

/* discovery.c */
/** Which of our addresses and ports answers, to which port (CHANGE-REQUEST, RESPONSE-PORT; RFC 5780
 * section 6.1): 0, or the type of the attribute that cannot be followed, and so is unknown here. */
uint16_t cf_relay_discover(struct cf_relay_request *req, struct cf_relay_tuple *ret_to);
/** RESPONSE-ORIGIN and OTHER-ADDRESS, where there are two addresses. true: the answer is larger
 * than the request has paid for, and was granted out of the source's bucket. */
bool cf_relay_write_discovery(
	struct cf_relay_request *req, struct cf_stun_writer *w, const struct cf_relay_tuple *to);

/* request.c */
void cf_relay_request_input(struct cf_relay *relay, const struct cf_relay_tuple *from,
	const struct cf_stun_msg *msg, uint64_t now_us);
/** 400 to a request of too many attributes, when its method is one of ours. */
void cf_relay_request_refuse(struct cf_relay *relay, const struct cf_relay_tuple *from,
	const struct cf_stun_msg *msg, uint64_t now_us);
/** A Binding request of an RFC 3489 client, which knows no cookie. 0, or CF_EBADMSG: it is none. */
int cf_relay_classic_input(struct cf_relay *relay, const struct cf_relay_tuple *from,
	const uint8_t *p, size_t n, uint64_t now_us);
void cf_relay_respond_begin(struct cf_relay_request *req, struct cf_stun_writer *w, uint8_t *buf,
	enum cf_stun_class cls);
void cf_relay_respond_end(struct cf_relay_request *req, struct cf_stun_writer *w);
void cf_relay_respond_error(struct cf_relay_request *req, uint16_t code, const char *reason);
/** Granted lifetime in seconds (RFC 8656 section 7.2 and 8.2): false when LIFETIME is malformed. */
bool cf_relay_lifetime(const struct cf_relay_request *req, uint32_t *ret_s);

/* mobility.c */
/** Reads the ticket of a Refresh, and finds the allocation that it names where that is here. */
void cf_relay_find_by_ticket(struct cf_relay_request *req);
/** 0, or the code of the refusal. */
uint16_t cf_relay_check_ticket(const struct cf_relay_request *req);
/** Sends for the allocation of another worker: true when the request is to wait for it. */
bool cf_relay_fetch(struct cf_relay_request *req);
void cf_relay_write_ticket(const struct cf_relay_request *req, struct cf_stun_writer *w);

/* allocate.c */
void cf_relay_allocate(struct cf_relay_request *req);

/* data.c */
void cf_relay_channel_input(struct cf_relay *relay, const struct cf_relay_tuple *from,
	const uint8_t *p, size_t n, uint64_t now_us);
void cf_relay_send_input(struct cf_relay *relay, const struct cf_relay_tuple *from,
	const struct cf_stun_msg *msg, uint64_t now_us);

#endif
