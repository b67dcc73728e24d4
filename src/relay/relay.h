/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The STUN and TURN server of one worker (RFC 8489, RFC 8656), pure: packets with their 5-tuple
 * come in, packets go out through a struct of functions. Owns allocations, permissions, channels
 * and counters. Leaves to the io behind the functions: sockets, the choice of ports, reservations,
 * quotas over all workers, batching. Keeps nothing for a packet that is not authenticated: the
 * nonce is a MAC over time and client address; and sends no more than 1.75 times its bytes for it.
 *
 * Not thread-safe: one object belongs to one worker. Functions of the io are called from inside
 * verbs and call none.
 */
#ifndef CF_RELAY_RELAY_H
#define CF_RELAY_RELAY_H

#include "base/addr.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/view.h"
#include "relay/ledger.h"
#include "turn/channel.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cf_relay;
struct cf_relay_alloc;

enum cf_relay_transport { CF_RELAY_UDP, CF_RELAY_TCP, CF_RELAY_TLS, CF_RELAY_DTLS };
#define CF_RELAY_N_TRANSPORTS 4

/** "udp", "tcp", "tls", "dtls". Static storage. */
const char *cf_relay_transport_name(enum cf_relay_transport transport);

/* How a client reaches us. Copied where it is kept. */
struct cf_relay_tuple {
	struct cf_addr local;  /* as the client addressed us */
	struct cf_addr remote; /* the client */
	void *conn;            /* TCP, TLS, DTLS: the io's connection; UDP: the io's socket */
	uint8_t transport;     /* enum cf_relay_transport */
};

#define CF_RELAY_PASSWORD_MAX 256

/* What authentication gives. The views are copied by the caller of the function, at once. */
struct cf_relay_credential {
	char password[CF_RELAY_PASSWORD_MAX];
	struct cf_view resource;
	struct cf_view user;
	struct cf_view call;     /* "-" or empty: none */
	struct cf_view username; /* of auth_hash(): the name behind the hash */
	uint64_t expires_us;     /* on the clock of now_us; CF_TIME_NEVER for a static user */
};

struct cf_relay_counters {
	uint64_t client_in_bytes,
		client_in_packets; /* TURN messages with relayed data from the client */
	uint64_t client_out_bytes, client_out_packets;
	uint64_t peer_in_bytes, peer_in_packets; /* UDP payload; dropped ones are not counted */
	uint64_t peer_out_bytes, peer_out_packets;
};

#define CF_RELAY_ID_TEXT_MAX 33

/* State of an allocation's bill. Totals since its start: a later one replaces an earlier one with
 * the same id. Borrowed until return. */
struct cf_relay_usage {
	char id[CF_RELAY_ID_TEXT_MAX]; /* unique, of 128 random bits */
	struct cf_view username, resource, user, call;
	enum cf_relay_transport transport;
	struct cf_addr client, relayed;
	uint64_t start_us;
	uint64_t end_us; /* now, when not ended */
	bool ended;
	bool budget_used_up;     /* why it ended */
	struct cf_relay_low low; /* a budget that is nearly used up, or none */
	struct cf_relay_counters counters;
};

/* What a relayed address is to be. */
struct cf_relay_open {
	uint8_t family;    /* CF_ADDR_IPV4, CF_ADDR_IPV6 */
	bool even_port;    /* RFC 8656 section 7.2: EVEN-PORT */
	bool reserve_next; /* and the next higher port kept for a RESERVATION-TOKEN */
	bool has_token;    /* take the reserved one; family is what it was reserved with */
	uint64_t token;
	struct cf_addr near; /* the address the client came to: prefer a relay address like it */
	struct cf_relay_alloc *owner; /* for cf_relay_peer_input() */
};

struct cf_relay_opened {
	void *socket;           /* the io's */
	struct cf_addr relayed; /* as told to the client */
	uint64_t token;         /* when reserve_next was asked for */
};

struct cf_relay_io {
	/** Sends to a client. in_place: p lies in the packet handed in (with its head- and
	 * tailroom) and stays valid as long as that; else it has to be copied or sent before
	 * return. UDP without conn: from the socket for to->local (RFC 5780). */
	void (*send_client)(const struct cf_relay_tuple *to, const uint8_t *p, size_t n,
		bool in_place, void *arg);
	/** Sends from a relayed address to a peer; p lies in the packet handed in. */
	void (*send_peer)(void *socket, const struct cf_addr *peer, const uint8_t *p, size_t n,
		bool dont_fragment, void *arg);
	/** Opens a relayed address. 0; CF_ENOTSUP (this family is not served: 440); CF_ENOTFOUND
	 * (no such token: 508) or any other error (508). */
	int (*open)(
		const struct cf_relay_open *request, struct cf_relay_opened *ret_opened, void *arg);
	void (*close)(void *socket, void *arg);
	/** Name and realm into a password. 0, CF_EEXPIRED or any other error (both 401). */
	int (*auth)(struct cf_view username, struct cf_view realm, uint64_t now_us,
		struct cf_relay_credential *ret_credential, void *arg);
	/** The same for USERHASH, the 32 bytes of cf_stun_userhash(); username is filled as well.
	 * CF_ENOTFOUND when nobody is found. May be NULL: nobody ever is. */
	int (*auth_hash)(const uint8_t hash[static 32], struct cf_view realm, uint64_t now_us,
		struct cf_relay_credential *ret_credential, void *arg);
	/** Whether one more allocation of this user may be. 0, CF_ELIMIT (486), CF_ENOSPC (508).
	 * Each success is followed by one retire(). */
	int (*admit)(struct cf_view resource, struct cf_view user, void *arg);
	void (*retire)(struct cf_view resource, struct cf_view user, void *arg);
	/** Renews a lease of bytes, as cf_relay_ledger_renew(); NULL: no budgets. Never called for
	 * a packet: after hungry(), the owner calls cf_relay_settle() at the end of its turn. */
	uint64_t (*lease)(const struct cf_relay_party *party, uint64_t held, uint64_t spent,
		bool wanted, struct cf_relay_low *ret_low, void *arg);
	void (*hungry)(void *arg);
	/** Sends the request to another worker, whose relay gives up the allocation that its ticket
	 * names (cf_relay_give()) for this one to take (cf_relay_take()). 0, or an error: there is
	 * no such worker. May be NULL. Copies p. */
	int (*fetch)(uint8_t worker, const struct cf_relay_tuple *from, const uint8_t *p, size_t n,
		void *arg);
	/** Takes a bill: when an allocation begins, at the latest every usage_interval_us while
	 * bytes flow, and at the end. */
	void (*usage)(const struct cf_relay_usage *usage, void *arg);
};

/* Our addresses and UDP ports of one family for NAT behaviour discovery (RFC 5780). */
struct cf_relay_discovery {
	size_t n;                /* addresses: 0 switches it off, 1 allows the port to change */
	struct cf_addr local[2]; /* as packets arrive at them; ports unused */
	struct cf_addr advertised[2];
	uint16_t ports[2];
};

struct cf_relay_config {
	bool enabled;      /* false: STUN only, TURN requests get 403 "relay disabled" */
	const char *realm; /* kept: outlives the relay or the next configure */
	bool anonymity;    /* offer USERHASH: some names can be found by it */
	uint8_t nonce_key[32];
	uint64_t nonce_lifetime_us; /* at half of it at the earliest: 438 */
	uint64_t expired_grace_us;  /* how long a running allocation outlives its credential */
	uint32_t lifetime_s;        /* default of an allocation: 600 */
	uint32_t max_lifetime_s;    /* 3600 */
	uint32_t max_allocations;   /* of this worker, then 508 */
	uint32_t max_permissions;   /* per allocation, then 508 */
	uint32_t max_channels;      /* per allocation, then 508 */
	uint64_t max_bps;           /* per allocation and direction, relayed data; 0: no cap */
	uint32_t unauth_per_s;      /* answers without authentication per source IP; 0: no cap */
	bool mobility;              /* RFC 8016: allocations may move; else 405 */
	uint8_t worker;             /* this one's number, in its tickets */
	uint64_t usage_interval_us; /* 50 s */
	const struct cf_cidr *allow_peers; /* kept; opened in spite of the default deny */
	size_t n_allow_peers;
	const struct cf_addr *own; /* kept; our own STUN and TURN ports (port 0: all of that IP) */
	size_t n_own;
	struct cf_addr alternate; /* while draining: 300 with this server; none: 508 */
	struct cf_relay_discovery discovery[2]; /* IPv4, IPv6 */
};

struct cf_relay_stats {
	uint64_t allocations; /* living */
	uint64_t allocations_total;
	uint64_t bindings;                 /* Binding requests answered */
	uint64_t errors;                   /* error responses */
	uint64_t challenges;               /* of these, 401 and 438 */
	uint64_t muted;                    /* answers not given: unauth_per_s */
	uint64_t dropped;                  /* relayed data, for any reason */
	uint64_t dropped_rate;             /* of these, for want of tokens */
	struct cf_relay_counters counters; /* of all allocations, the ended included */
	struct cf_relay_counters by_transport[CF_RELAY_N_TRANSPORTS];
	uint64_t allocations_by_transport[CF_RELAY_N_TRANSPORTS]; /* living */
};

/** Values as in the comments; realm "callflow", 64 permissions and channels, nonce 1 h, grace 24 h,
 * 20,000 allocations, 50 answers a second; the nonce key is random. */
struct cf_relay_config cf_relay_config_defaults(void);

/** A relay, or NULL. Copies config and io (what config points to is kept). */
CF_MUST_CHECK struct cf_relay *cf_relay_new(
	const struct cf_relay_config *config, const struct cf_relay_io *io, void *arg);

/** Ends all allocations (with their bills) and frees. NULL is fine. Returns NULL. */
struct cf_relay *cf_relay_free(struct cf_relay *relay, uint64_t now_us);

/** Another configuration; allocations live on under it. */
void cf_relay_configure(struct cf_relay *relay, const struct cf_relay_config *config);

/** While draining no new allocation is made: 300 or 508. */
void cf_relay_set_draining(struct cf_relay *relay, bool draining);

/**
 * Takes a datagram of a client, or one whole message of its stream (cf_turn_frame_len()). Before
 * and behind p nothing is written; the bytes stay unchanged. Gives 0, or CF_EBADMSG for what is
 * neither STUN nor ChannelData (a stream is then to be closed).
 */
int cf_relay_client_input(struct cf_relay *relay, const struct cf_relay_tuple *from,
	const uint8_t *p, size_t n, uint64_t now_us);

/** Takes a datagram that came to a relayed address. CF_TURN_HEADROOM bytes before p and
 * CF_TURN_TAILROOM behind p + n are overwritten: it is wrapped in place. */
void cf_relay_peer_input(struct cf_relay *relay, struct cf_relay_alloc *alloc,
	const struct cf_addr *peer, uint8_t *p, size_t n, uint64_t now_us);

/** An ICMP error (type 3 or 11, ICMPv6 1 or 3) about what was sent to peer (RFC 8656 section 11.5);
 * data: the error's 32 bits (the MTU of a "too big"). */
void cf_relay_peer_icmp(struct cf_relay *relay, struct cf_relay_alloc *alloc,
	const struct cf_addr *peer, uint8_t type, uint8_t code, uint32_t data, uint64_t now_us);

/**
 * The worker of a ticket gives away the allocation that a Refresh received by another worker names
 * (RFC 8016): NULL when there is none, or the request is not its owner's. The caller owns it until
 * cf_relay_take() or cf_relay_lose(). Its sockets stay open: cf_relay_alloc_socket() names them.
 */
CF_MUST_CHECK struct cf_relay_alloc *cf_relay_give(struct cf_relay *relay,
	const struct cf_relay_tuple *from, const uint8_t *p, size_t n, uint64_t now_us);

/** Takes an allocation (NULL: none was given) to the 5-tuple of the Refresh, and answers that. */
void cf_relay_take(struct cf_relay *relay, struct cf_relay_alloc *alloc,
	const struct cf_relay_tuple *from, const uint8_t *p, size_t n, uint64_t now_us);

/** Ends an allocation that was given and that nobody takes, with its bill. */
void cf_relay_lose(
	struct cf_relay_alloc *alloc, const struct cf_relay_io *io, void *arg, uint64_t now_us);

/** The io's socket of a family, or NULL. */
void *cf_relay_alloc_socket(const struct cf_relay_alloc *alloc, uint8_t family);

/** The client's stream is closed: its allocation ends (RFC 8656 section 7). */
void cf_relay_client_closed(
	struct cf_relay *relay, const struct cf_relay_tuple *tuple, uint64_t now_us);

/** Whether this 5-tuple has an allocation. */
bool cf_relay_has_allocation(
	struct cf_relay *relay, const struct cf_relay_tuple *tuple, uint64_t now_us);

/** Ends every allocation of a call or of a user (the other view empty). Gives their number. */
size_t cf_relay_end(
	struct cf_relay *relay, struct cf_view call, struct cf_view user, uint64_t now_us);

/** Renews the leases that run low, and ends allocations whose budget is used up. */
void cf_relay_settle(struct cf_relay *relay, uint64_t now_us);

/** Limits have changed: renews the leases of this user, or of all (empty), used up or not. */
void cf_relay_relet(struct cf_relay *relay, struct cf_view user, uint64_t now_us);

/** When cf_relay_tick() has work next; CF_TIME_NEVER without allocations. */
uint64_t cf_relay_deadline(const struct cf_relay *relay);
void cf_relay_tick(struct cf_relay *relay, uint64_t now_us);

size_t cf_relay_n_allocations(const struct cf_relay *relay);
void cf_relay_stats(const struct cf_relay *relay, struct cf_relay_stats *ret_stats);

/** Whether config lets clients reach this peer. Port 0: as far as the IP tells. */
bool cf_relay_peer_allowed(const struct cf_relay_config *config, const struct cf_addr *peer);

#endif
