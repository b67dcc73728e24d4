/* SPDX-License-Identifier: Apache-2.0 */
/* Which path a call will most likely take, from what is known of this side's NAT. Pure. */
#ifndef CF_NAT_PREDICT_H
#define CF_NAT_PREDICT_H

#include "nat/probe.h"

/* Whom one may call. */
enum cf_nat_peer {
	CF_NAT_PEER_PUBLIC,
	CF_NAT_PEER_CONE, /* endpoint-independent mapping; filters by address at most */
	CF_NAT_PEER_PORT_RESTRICTED,
	CF_NAT_PEER_SYMMETRIC,
	CF_NAT_PEER_UDP_BLOCKED,
	CF_NAT_PEER_ONLY_443,
	CF_NAT_PEERS
};

/* What else is known of this side. */
struct cf_nat_side {
	struct cf_nat_report nat;    /* of the family in question */
	enum cf_nat_answer turn_tcp; /* whether the relay answers over TCP */
	enum cf_nat_answer turn_tls; /* and over TLS, on any port */
	bool relay;                  /* there is one */
};

enum cf_nat_path {
	CF_NAT_PATH_NONE,
	CF_NAT_PATH_DIRECT,
	CF_NAT_PATH_REFLEXIVE,
	CF_NAT_PATH_RELAYED
};

struct cf_nat_prediction {
	enum cf_nat_path path;
	unsigned relays;       /* 0, 1, 2 */
	const char *transport; /* "udp", "tcp", "tls": the weakest leg */
	bool certain;          /* false: a fact is missing that might change it */
};

struct cf_nat_prediction cf_nat_predict(const struct cf_nat_side *side, enum cf_nat_peer peer);

/** "public", "cone", "port-restricted", ... Static storage. */
const char *cf_nat_peer_name(enum cf_nat_peer peer);
/** "direct", "reflexive", "relayed", "none". Static storage. */
const char *cf_nat_path_name(enum cf_nat_path path);

#endif
