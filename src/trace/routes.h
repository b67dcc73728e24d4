/* SPDX-License-Identifier: Apache-2.0 */
/* Which kinds of path there were between two devices and what became of each: what the picture of
 * the network shows as lines. For trace and its tests only. */
#ifndef CF_TRACE_ROUTES_H
#define CF_TRACE_ROUTES_H

#include "trace/story.h"

/* From the caller's point of view, best first. */
enum route_kind {
	ROUTE_HOST,         /* from device to device */
	ROUTE_NAT,          /* through NAT, no relay */
	ROUTE_CALLER_RELAY, /* through the caller's relay */
	ROUTE_CALLEE_RELAY,
	ROUTE_BOTH_RELAYS,
	ROUTES
};

enum route_state {
	ROUTE_ABSENT, /* nothing of the kind */
	ROUTE_FAILED, /* tried in vain */
	ROUTE_SPARE,  /* a relay that stood by */
	ROUTE_FORMER, /* media went this way for a while */
	ROUTE_USED,   /* media goes, or went at last, this way */
};

#define ROUTE_TEXT 240

struct route {
	enum route_state state;
	char numbers[40]; /* of the paths that went this way: "1, 3" */
	char title[ROUTE_TEXT];
	char detail[ROUTE_TEXT];          /* addresses, or what failed */
	char relay[SIDES][STORY_LEG_MAX]; /* relayed addresses; "" unknown */
	enum trace_via via[SIDES];        /* how each side reaches its relay */
};

struct routes {
	struct route route[ROUTES];
};

void routes_find(const struct story *story, struct routes *ret_routes);

/* What stands between a device and the world. */
struct outside {
	bool nat;
	bool global;    /* the device's own addresses are of the world */
	bool unseen;    /* there has to be one, but STUN did not get through */
	bool symmetric; /* other ports for other destinations were seen */
	size_t n;
	struct cf_addr addrs[8]; /* outside addresses, each once */
};

void outside_find(const struct trace_call *call, int id, struct outside *ret_outside);

/** Whether both devices are in one network, as far as their addresses tell. */
bool same_network(const struct trace_call *call);

#endif
