/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A network in virtual time for scenario tests: realms (address spaces) connected by NATs up to the
 * public one, sockets, a STUN server, relays as the peer sees them (a public address with
 * permissions by IP), delay, loss, hairpin, ICMP, strangers. Deterministic: randomness comes from
 * the seed.
 *
 * Time stands still until cf_vnet_next() moves it to the next delivery.
 */
#ifndef CF_TEST_VNET_H
#define CF_TEST_VNET_H

#include "base/addr.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define VNET_MAX_PACKET 2048

struct cf_vnet;

enum vnet_nat_kind {
	VNET_FULL,       /* endpoint-independent mapping and filtering */
	VNET_RESTRICTED, /* ... filtering by IP */
	VNET_PORT,       /* ... filtering by IP and port */
	VNET_SYMMETRIC,  /* a mapping for each destination, filtering by IP and port */
	VNET_BLOCKED,    /* UDP does not pass; streams do */
	VNET_ROUTER,     /* no translation, everything passes */
};

struct vnet_nat_options {
	enum vnet_nat_kind kind;
	const char *outside; /* its address in the outer realm */
	bool hairpin;        /* packets from inside to the outside address come back in */
	bool answers;     /* an unexpected packet spoils the mapping for its sender (conntrack) */
	uint64_t idle_us; /* a mapping unused for so long is forgotten; 0 never */
};

struct vnet_options {
	uint64_t lan_us;        /* one way inside a realm */
	uint64_t wan_us;        /* one way through the public realm */
	uint64_t jitter_us;     /* 0 to this much is added */
	unsigned loss_permille; /* of UDP packets */
	uint64_t seed;
	bool icmp; /* sending to where nobody is, gives an unreachable */
};

#define VNET_PUBLIC 0

struct cf_vnet *cf_vnet_new(const struct vnet_options *options);
void cf_vnet_free(struct cf_vnet *net);

/** A realm behind a NAT, which stands in the outer realm. Gives its number. */
int cf_vnet_realm(struct cf_vnet *net, int outer, const struct vnet_nat_options *nat);

/** A UDP socket of owner in a realm. Its number. Port 0 of addr: a free one. */
int cf_vnet_socket(struct cf_vnet *net, int realm, const char *addr, void *owner);
/** A listening or connecting TCP-like socket: no loss, passes VNET_BLOCKED outwards. */
int cf_vnet_stream(struct cf_vnet *net, int realm, const char *addr, void *owner);
/** A relay's public address, used by a client in a realm; stream: its leg to the client does not
 * lose packets and passes VNET_BLOCKED. */
int cf_vnet_relay(struct cf_vnet *net, const char *addr, bool stream, void *owner);
/** The relay's client sits in this realm: its leg dies with the realm's network, and with the NAT's
 * memory. */
void cf_vnet_relay_leg(struct cf_vnet *net, int sock, int realm);
bool cf_vnet_is_relay(const struct cf_vnet *net, int sock);
/** Whether a realm's network lets UDP, or streams, out. */
bool cf_vnet_passes(const struct cf_vnet *net, int realm, bool stream);
/** Whether the leg still works. */
bool cf_vnet_relay_alive(const struct cf_vnet *net, int sock);
/** Lets an IP send through a relay. */
void cf_vnet_permit(struct cf_vnet *net, int sock, const struct cf_addr *ip);
/** A STUN server in the public realm. */
void cf_vnet_stun(struct cf_vnet *net, const char *addr);
/** A host that answers every STUN request with an error 401: not the peer, but at its address. */
void cf_vnet_stranger(struct cf_vnet *net, int realm, const char *addr);

void cf_vnet_close(struct cf_vnet *net, int sock);
struct cf_addr cf_vnet_addr(const struct cf_vnet *net, int sock);
uint64_t cf_vnet_now(const struct cf_vnet *net);

void cf_vnet_send(
	struct cf_vnet *net, int sock, const struct cf_addr *dst, const void *p, size_t n);

/** Everything sent from or to this realm's outside is lost from now on (or no longer). */
void cf_vnet_cut(struct cf_vnet *net, int realm, bool cut);
/** What two realms send each other's outside is lost (or no longer); all else passes. */
void cf_vnet_block(struct cf_vnet *net, int realm_a, int realm_b, bool block);
/** The realm's NAT lets no UDP through any more (or again). Streams pass. */
void cf_vnet_block_udp(struct cf_vnet *net, int realm, bool block);
/** What leaves this realm is lost; what comes in is not (or no longer so). */
void cf_vnet_mute(struct cf_vnet *net, int realm, bool mute);
/** The NAT forgets its mappings, as after a reboot. */
void cf_vnet_reboot(struct cf_vnet *net, int realm);
void cf_vnet_set_loss(struct cf_vnet *net, unsigned permille);

/* What arrived. */
struct vnet_event {
	int sock;
	void *owner;
	bool unreachable; /* ICMP: src is where we sent to */
	struct cf_addr src;
	size_t len;
	uint8_t data[VNET_MAX_PACKET];
};

/** When something arrives next; CF_TIME_NEVER. */
uint64_t cf_vnet_next_us(const struct cf_vnet *net);
/** Moves time to until_us at most. True and the event when one comes up to then. */
bool cf_vnet_next(struct cf_vnet *net, uint64_t until_us, struct vnet_event *ret_event);

/** All packets sent so far. */
uint64_t cf_vnet_sent(const struct cf_vnet *net);

#endif
