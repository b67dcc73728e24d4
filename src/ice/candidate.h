/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ICE candidates: the value itself, its priority and foundation (RFC 8445 section 5.1, RFC 8421,
 * RFC 6544 section 4.2) and the text of the candidate attribute (RFC 8839 section 5.1, RFC 6544
 * section 4.5). How preferred a pair of two candidates is, is decided here too. Pure values: no
 * memory is allocated. Pairs, checks and states are the agent's (ice/agent.h).
 */
#ifndef CF_ICE_CANDIDATE_H
#define CF_ICE_CANDIDATE_H

#include "base/addr.h"
#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum cf_ice_type {
	CF_ICE_HOST,
	CF_ICE_SRFLX,
	CF_ICE_PRFLX,
	CF_ICE_RELAY,
};

/* The candidate's own transport. A relayed candidate is UDP, however its client reaches the relay.
 */
enum cf_ice_transport {
	CF_ICE_UDP,
	CF_ICE_TCP_ACTIVE,
	CF_ICE_TCP_PASSIVE,
	CF_ICE_TCP_SO,
};

/* How bytes travel on one leg: the wire itself, or the leg between a client and its relay. */
enum cf_ice_via {
	CF_ICE_VIA_UDP,
	CF_ICE_VIA_TCP,
	CF_ICE_VIA_TLS,
};

#define CF_ICE_FOUNDATION_MAX 32 /* RFC 8839 section 5.1: 1 to 32 ice-chars */
#define CF_ICE_UFRAG_MIN 4       /* RFC 8839 section 5.4 */
#define CF_ICE_UFRAG_MAX 256
#define CF_ICE_PWD_MIN 22
#define CF_ICE_PWD_MAX 256
#define CF_ICE_COST_MAX 999

/* Longest candidate text accepted: a line of a stranger. */
#define CF_ICE_CANDIDATE_IN_MAX 1024
/* Room for any candidate text that we write, and the terminator. */
#define CF_ICE_CANDIDATE_TEXT_MAX 384

struct cf_ice_candidate {
	char foundation[CF_ICE_FOUNDATION_MAX + 1];
	uint16_t component; /* 1 to 256; we use 1 only */
	uint8_t transport;  /* enum cf_ice_transport */
	uint8_t type;       /* enum cf_ice_type */
	uint32_t priority;
	struct cf_addr addr;
	struct cf_addr related; /* raddr and rport; no family: not given */
	char ufrag[33]; /* the ufrag extension of trickle (RFC 8838); "" when absent or longer */
	uint16_t network_cost; /* 0 to 999, 0 when absent */
};

/** Reads "candidate:..." or "a=candidate:..." (n bytes, borrowed). Unknown extensions are skipped.
 * 0; CF_EBADMSG malformed; CF_ENOTSUP well-formed but of no use to us (unknown transport or type,
 * another component than 1); CF_EUNREACH a name instead of an address, such as mDNS ".local"
 * (RFC 8839 section 5.1: candidates with names are ignored); CF_ELIMIT text longer than
 * CF_ICE_CANDIDATE_IN_MAX. */
CF_MUST_CHECK int cf_ice_candidate_parse(
	struct cf_ice_candidate *ret_candidate, const char *text, size_t n);

/** Writes "candidate:..." (no "a=", no line end). Its length, or CF_ENOSPC. */
CF_MUST_CHECK int cf_ice_candidate_print(
	const struct cf_ice_candidate *candidate, char *text, size_t cap);

/** "host", "srflx", "prflx", "relay". Static storage. */
const char *cf_ice_type_name(enum cf_ice_type type);
/** "udp", "tcp", "tls". Static storage. */
const char *cf_ice_via_name(enum cf_ice_via via);

/** Type preference (RFC 8445 section 5.1.2.2): host 126, prflx 110, srflx 100, relayed over UDP 2,
 * over TCP 1, over TLS 0; over TCP of its own (RFC 6544) host 90, prflx 80, srflx 70. */
uint8_t cf_ice_type_preference(
	enum cf_ice_type type, enum cf_ice_transport transport, enum cf_ice_via via);

/** Local preference from the cost of the network (0 best, 999) and the address's place among its
 * own family (0 first): families alternate, IPv6 first (RFC 8421 section 4). For TCP the direction
 * preference of RFC 6544 section 4.2 goes in front. */
uint16_t cf_ice_local_preference(enum cf_ice_type type, enum cf_ice_transport transport,
	enum cf_addr_family family, unsigned cost, unsigned place);

/** RFC 8445 section 5.1.2.1, component 1. */
uint32_t cf_ice_priority(uint8_t type_preference, uint16_t local_preference);

/** Whether the candidate leads through a relay: by its type, or, for a peer-reflexive one, because
 * its priority carries a relay's type preference. */
bool cf_ice_candidate_is_relayed(const struct cf_ice_candidate *candidate);

/** The leg of a candidate: its own transport, or for a relayed one that between client and relay as
 * far as the type preference tells (2 UDP, 1 TCP, 0 TLS; libwebrtc counts the same way). */
enum cf_ice_via cf_ice_candidate_via(const struct cf_ice_candidate *candidate);

/** Pair priority (RFC 8445 section 6.1.2.3): g of the controlling, d of the controlled side. */
uint64_t cf_ice_pair_priority(uint32_t g, uint32_t d);

/** Number of relays on the path between two candidates: 0, 1 or 2. */
unsigned cf_ice_pair_relays(const struct cf_ice_candidate *a, const struct cf_ice_candidate *b);

/** The foundation (RFC 8445 section 5.1.1.3): equal for equal type, base IP, server and transport.
 * server may have no family. salt is secret to the agent, so that the text tells nothing. */
void cf_ice_foundation(char text[static CF_ICE_FOUNDATION_MAX + 1], enum cf_ice_type type,
	enum cf_ice_transport transport, const struct cf_addr *base, const struct cf_addr *server,
	uint64_t salt);

/** Whether the n bytes are ice-chars and as many as min to max (for ufrag and password). */
bool cf_ice_chars_valid(const char *text, size_t n, size_t min, size_t max);

/** The same for what a peer sends, leniently: any visible ASCII, as some agents use '-' or '_'; a
 * colon only where colon says so, for it ends the fragment in USERNAME. */
bool cf_ice_peer_text_valid(const char *text, size_t n, size_t min, size_t max, bool colon);

#endif
