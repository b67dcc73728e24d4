/* SPDX-License-Identifier: Apache-2.0 */
#include "nat/predict.h"

/*
 * How hard a side is to reach by UDP. Two sides meet without a relay when their grades add up to
 * less than 3: who sends from a port that is not known beforehand (2) can be let in by a filter
 * that looks at the address only (0), not by one that looks at the port as well (1).
 */
enum grade { REACHABLE, BY_PORT, NEW_PORTS, UNREACHABLE };

static const enum grade peer_grades[CF_NAT_PEERS] = {
	[CF_NAT_PEER_PUBLIC] = REACHABLE,
	[CF_NAT_PEER_CONE] = REACHABLE,
	[CF_NAT_PEER_PORT_RESTRICTED] = BY_PORT,
	[CF_NAT_PEER_SYMMETRIC] = NEW_PORTS,
	[CF_NAT_PEER_UDP_BLOCKED] = UNREACHABLE,
	[CF_NAT_PEER_ONLY_443] = UNREACHABLE,
};

static enum grade own_grade(const struct cf_nat_report *nat, bool *ret_certain)
{
	*ret_certain = nat->udp != CF_NAT_UNKNOWN;
	if (nat->udp != CF_NAT_YES)
		return UNREACHABLE;
	if (nat->mapping >= CF_NAT_MAPPING_ADDRESS_DEPENDENT)
		return NEW_PORTS;
	*ret_certain = nat->mapping != CF_NAT_MAPPING_UNKNOWN &&
		       nat->mapping != CF_NAT_MAPPING_PORT_INDEPENDENT &&
		       nat->filtering != CF_NAT_FILTERING_UNKNOWN;
	if (nat->filtering == CF_NAT_FILTERING_ADDRESS_AND_PORT_DEPENDENT ||
		nat->filtering == CF_NAT_FILTERING_UNKNOWN)
		return BY_PORT;
	return REACHABLE;
}

static const char *peer_transport(enum cf_nat_peer peer)
{
	if (peer == CF_NAT_PEER_ONLY_443)
		return "tls";
	return peer == CF_NAT_PEER_UDP_BLOCKED ? "tcp" : "udp";
}

static const char *own_transport(const struct cf_nat_side *side)
{
	if (side->nat.udp == CF_NAT_YES)
		return "udp";
	if (side->turn_tcp == CF_NAT_YES)
		return "tcp";
	return side->turn_tls == CF_NAT_NO ? NULL : "tls";
}

/* TLS is more restricted than TCP, TCP more than UDP: in the alphabet "udp" is the odd one. */
static const char *weaker(const char *a, const char *b)
{
	if (a[0] == 'u')
		return b;
	if (b[0] == 'u')
		return a;
	return a[1] == 'l' ? a : b;
}

struct cf_nat_prediction cf_nat_predict(const struct cf_nat_side *side, enum cf_nat_peer peer)
{
	struct cf_nat_prediction p = {.path = CF_NAT_PATH_NONE, .transport = "udp"};
	const char *own = own_transport(side);
	enum grade mine = own_grade(&side->nat, &p.certain), theirs = peer_grades[peer];

	if (mine + theirs < 3) {
		bool open = side->nat.mapping == CF_NAT_MAPPING_NONE && peer == CF_NAT_PEER_PUBLIC;

		p.path = open ? CF_NAT_PATH_DIRECT : CF_NAT_PATH_REFLEXIVE;
		return p;
	}
	if (!side->relay || !own)
		return p;
	p.path = CF_NAT_PATH_RELAYED;
	p.relays = mine == UNREACHABLE && theirs == UNREACHABLE ? 2 : 1;
	p.transport = weaker(own, peer_transport(peer));
	/* What is not known of a mapping makes no difference to who needs a relay in any case. */
	p.certain = p.certain || (theirs == UNREACHABLE && side->nat.udp != CF_NAT_UNKNOWN);
	return p;
}

const char *cf_nat_peer_name(enum cf_nat_peer peer)
{
	static const char *const names[] = {[CF_NAT_PEER_PUBLIC] = "public",
		[CF_NAT_PEER_CONE] = "cone",
		[CF_NAT_PEER_PORT_RESTRICTED] = "port-restricted",
		[CF_NAT_PEER_SYMMETRIC] = "symmetric",
		[CF_NAT_PEER_UDP_BLOCKED] = "udp-blocked",
		[CF_NAT_PEER_ONLY_443] = "only-443"};

	return names[peer];
}

const char *cf_nat_path_name(enum cf_nat_path path)
{
	static const char *const names[] = {[CF_NAT_PATH_NONE] = "none",
		[CF_NAT_PATH_DIRECT] = "direct",
		[CF_NAT_PATH_REFLEXIVE] = "reflexive",
		[CF_NAT_PATH_RELAYED] = "relayed"};

	return names[path];
}
