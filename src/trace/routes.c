/* SPDX-License-Identifier: Apache-2.0 */
#include "trace/routes.h"

#include "base/mem.h"

#include <stdio.h>
#include <string.h>

/* ---- kinds ---- */

static bool is_relayed(const struct trace_candidate *c)
{
	return c->type == TYPE_RELAY;
}

/* Of a pair or path as the view's side sees it. */
static enum route_kind kind_of(const struct story *story, const struct trace_candidate *local,
	const struct trace_candidate *remote, int relays)
{
	bool ours = is_relayed(local), theirs = is_relayed(remote);

	if (relays == 2 || (ours && theirs))
		return ROUTE_BOTH_RELAYS;
	/* A peer-reflexive candidate may be the relay's before it is known as such. */
	if (relays == 1 && !ours)
		theirs = true;
	if (ours || theirs)
		return ours == (story->view == CALLER) ? ROUTE_CALLER_RELAY : ROUTE_CALLEE_RELAY;
	return local->type == TYPE_HOST && remote->type == TYPE_HOST ? ROUTE_HOST : ROUTE_NAT;
}

static const char *kind_name(const struct story *story, enum route_kind kind, char text[ROUTE_TEXT])
{
	static const char *const plain[] = {[ROUTE_HOST] = "from device to device",
		[ROUTE_NAT] = "directly, through NAT",
		[ROUTE_BOTH_RELAYS] = "both relays"};

	if (kind == ROUTE_CALLER_RELAY || kind == ROUTE_CALLEE_RELAY)
		snprintf(text, ROUTE_TEXT, "relay of %s",
			story->name[kind == ROUTE_CALLER_RELAY ? CALLER : CALLEE]);
	else
		snprintf(text, ROUTE_TEXT, "%s", plain[kind]);
	return text;
}

/* ---- what failed ---- */

struct reason {
	const char *result;
	enum trace_via via;
	int pairs, checks;
};

#define REASONS_MAX 3

static void add_reason(struct reason *reasons, size_t *n, const struct trace_pair *pair)
{
	for (size_t i = 0; i < *n; i++)
		if (reasons[i].via == pair->local.via &&
			strcmp(reasons[i].result, pair->result) == 0) {
			reasons[i].pairs++;
			reasons[i].checks += pair->requests > 0 ? pair->requests : 0;
			return;
		}
	if (*n < REASONS_MAX)
		reasons[(*n)++] = (struct reason){
			pair->result, pair->local.via, 1, pair->requests > 0 ? pair->requests : 0};
}

static void say_reasons(const struct reason *reasons, size_t n, char text[ROUTE_TEXT])
{
	int len = 0;

	for (size_t i = 0; i < n; i++) {
		char result[TRACE_TEXT_MAX(40)];

		trace_clean(result, 40, reasons[i].result);
		len += snprintf(text + len, ROUTE_TEXT - (size_t)len, "%s%s: %.40s", i ? "; " : "",
			story_via(reasons[i].via), result);
		if (strcmp(reasons[i].result, "no answer") == 0 && reasons[i].checks > 0)
			len += snprintf(text + len, ROUTE_TEXT - (size_t)len, " to %d check%s",
				reasons[i].checks, reasons[i].checks == 1 ? "" : "s");
	}
}

/* The pairs of one kind that the path was not worth less than, and that did not work. */
static void find_failed(const struct story *story, const struct trace_path *path,
	enum route_kind kind, struct route *route)
{
	struct reason reasons[REASONS_MAX];
	const struct trace_pair *pair;
	size_t n = 0, pairs = 0;
	char name[ROUTE_TEXT];

	for (size_t i = 0; (pair = story_better(path, i)) != NULL; i++) {
		if (kind_of(story, &pair->local, &pair->remote, pair->relays) != kind)
			continue;
		pairs++;
		add_reason(reasons, &n, pair);
	}
	if (pairs == 0)
		return;
	route->state = ROUTE_FAILED;
	snprintf(route->title, sizeof(route->title), "%.120s: %zu pair%s tried",
		kind_name(story, kind, name), pairs, pairs == 1 ? "" : "s");
	route->title[0] = (char)(route->title[0] - 'a' + 'A');
	say_reasons(reasons, n, route->detail);
}

/* ---- what was used ---- */

/* The relay of a path is the one drawn, of all that a side may have had. */
static void name_relay(struct route *route, int side, const struct trace_candidate *c)
{
	if (!is_relayed(c))
		return;
	story_address(c, route->relay[side]);
	route->via[side] = c->via;
}

static void name_used(const struct story *story, const struct trace_path *path, size_t number,
	size_t n_paths, enum route_kind kind, struct route *route)
{
	char local[STORY_LEG_MAX], remote[STORY_LEG_MAX], time[40], name[ROUTE_TEXT];
	size_t len = strlen(route->numbers);
	int n;

	snprintf(route->numbers + len, sizeof(route->numbers) - len, "%s%zu", len ? ", " : "",
		number);
	snprintf(route->title, sizeof(route->title), "%s%s: %.100s, %s",
		n_paths > 1 ? "Path " : "Media", n_paths > 1 ? route->numbers : "",
		kind_name(story, kind, name), story_via(path->via));
	n = snprintf(route->detail, sizeof(route->detail), "%s \u2194 %s",
		story_address(story->view == CALLER ? &path->local : &path->remote, local),
		story_address(story->view == CALLER ? &path->remote : &path->local, remote));
	if (number > 1)
		n += snprintf(route->detail + n, sizeof(route->detail) - (size_t)n, ", since %s",
			story_duration(path->at_ms, time));
	if (path->rtt_ms > 0 && (size_t)n < sizeof(route->detail))
		snprintf(route->detail + n, sizeof(route->detail) - (size_t)n, ", round trip %s",
			story_duration(path->rtt_ms, time));
	name_relay(route, (int)story->view, &path->local);
	name_relay(route, story->view == CALLER ? CALLEE : CALLER, &path->remote);
	route->state = number == n_paths ? ROUTE_USED : ROUTE_FORMER;
}

static void find_used(const struct story *story, struct routes *routes)
{
	const struct trace_side *side = &story->call->side[story->view];

	for (size_t i = 0; i < side->n_paths; i++) {
		const struct trace_path *path = &side->paths[i];
		enum route_kind kind = kind_of(story, &path->local, &path->remote, path->relays);

		if (path->kind)
			name_used(story, path, i + 1, side->n_paths, kind, &routes->route[kind]);
	}
}

/* ---- relays ---- */

static const struct trace_candidate *relay_candidate(const struct trace_side *side)
{
	for (size_t i = 0; i < side->n_candidates; i++)
		if (is_relayed(&side->candidates[i]))
			return &side->candidates[i];
	return NULL;
}

static void find_relays(const struct story *story, struct routes *routes)
{
	for (int id = 0; id < SIDES; id++) {
		const struct trace_candidate *c = relay_candidate(&story->call->side[id]);
		struct route *own =
			&routes->route[id == CALLER ? ROUTE_CALLER_RELAY : ROUTE_CALLEE_RELAY];
		struct route *both = &routes->route[ROUTE_BOTH_RELAYS];

		if (!c)
			continue;
		if (!own->relay[id][0])
			name_relay(own, id, c);
		if (!both->relay[id][0])
			name_relay(both, id, c);
		if (own->state == ROUTE_ABSENT && both->state < ROUTE_FORMER) {
			own->state = ROUTE_SPARE;
			snprintf(own->title, sizeof(own->title), "Relay of %s, not used",
				story->name[id]);
		}
	}
}

void routes_find(const struct story *story, struct routes *ret_routes)
{
	memset(ret_routes, 0, sizeof(*ret_routes));
	find_used(story, ret_routes);
	for (int kind = 0; kind < ROUTES; kind++) {
		struct route *route = &ret_routes->route[kind];

		if (route->state == ROUTE_ABSENT)
			find_failed(story, story->first, (enum route_kind)kind, route);
		if (route->state == ROUTE_ABSENT)
			find_failed(story, story->last, (enum route_kind)kind, route);
	}
	find_relays(story, ret_routes);
}

/* ---- NATs ---- */

static bool stun_silent(const struct trace_side *side)
{
	bool silent = false;

	for (size_t i = 0; i < side->n_servers; i++) {
		if (strncmp(side->servers[i].url, "stun", 4) != 0)
			continue;
		if (strcmp(side->servers[i].state, "answered") == 0)
			return false;
		silent = silent || strcmp(side->servers[i].state, "no-answer") == 0;
	}
	return silent;
}

/* The device's own addresses are of the world. */
static bool is_public(const struct trace_side *side)
{
	bool any = false;

	for (size_t i = 0; i < side->n_candidates; i++) {
		if (side->candidates[i].type != TYPE_HOST)
			continue;
		if (cf_addr_classify(&side->candidates[i].addr) != CF_ADDR_GLOBAL)
			return false;
		any = true;
	}
	return any;
}

static bool is_own(const struct trace_side *side, const struct cf_addr *addr)
{
	for (size_t i = 0; i < side->n_candidates; i++)
		if (side->candidates[i].type == TYPE_HOST &&
			cf_addr_ip_eq(&side->candidates[i].addr, addr))
			return true;
	return false;
}

static size_t n_hosts(const struct trace_side *side, uint8_t family)
{
	struct cf_addr seen[8];
	size_t n = 0;

	for (size_t i = 0; i < side->n_candidates && n < CF_ARRAY_LEN(seen); i++) {
		const struct trace_candidate *c = &side->candidates[i];
		bool known = c->type != TYPE_HOST || c->addr.family != family;

		for (size_t k = 0; k < n && !known; k++)
			known = cf_addr_ip_eq(&seen[k], &c->addr);
		if (!known)
			seen[n++] = c->addr;
	}
	return n;
}

void outside_find(const struct trace_call *call, int id, struct outside *ret_outside)
{
	const struct trace_side *side = &call->side[id];
	double first_ms = side->n_paths ? side->paths[0].at_ms : TRACE_UNKNOWN;

	*ret_outside = (struct outside){.nat = false};
	for (size_t i = 0; i < side->n_candidates; i++) {
		const struct trace_candidate *c = &side->candidates[i];

		if ((c->type != TYPE_SRFLX && c->type != TYPE_PRFLX) || c->via != VIA_UDP ||
			is_own(side, &c->addr) ||
			ret_outside->n == CF_ARRAY_LEN(ret_outside->addrs))
			continue;
		/* Later ports may be those of a NAT that was started again. */
		for (size_t k = 0; k < ret_outside->n; k++)
			if (cf_addr_ip_eq(&ret_outside->addrs[k], &c->addr) &&
				c->seen_ms <= first_ms && n_hosts(side, c->addr.family) == 1)
				ret_outside->symmetric = true;
		ret_outside->addrs[ret_outside->n++] = c->addr;
		ret_outside->nat = true;
	}
	ret_outside->global = is_public(side);
	ret_outside->unseen = !ret_outside->nat && !ret_outside->global && stun_silent(side);
	ret_outside->nat = ret_outside->nat || ret_outside->unseen;
}

static bool same_subnet(const struct cf_addr *a, const struct cf_addr *b)
{
	size_t n = a->family == CF_ADDR_IPV4 ? 3 : 8;

	return a->family == b->family && memcmp(a->ip, b->ip, n) == 0;
}

static bool hosts_near(const struct trace_side *a, const struct trace_side *b)
{
	for (size_t i = 0; i < a->n_candidates; i++)
		for (size_t k = 0; k < b->n_candidates; k++)
			if (a->candidates[i].type == TYPE_HOST &&
				b->candidates[k].type == TYPE_HOST &&
				same_subnet(&a->candidates[i].addr, &b->candidates[k].addr))
				return true;
	return false;
}

static bool outside_shared(const struct outside *a, const struct outside *b)
{
	for (size_t i = 0; i < a->n; i++)
		for (size_t k = 0; k < b->n; k++)
			if (cf_addr_ip_eq(&a->addrs[i], &b->addrs[k]))
				return true;
	return false;
}

/* Neighbours by address may be two homes with the same range: then their NATs differ. */
bool same_network(const struct trace_call *call)
{
	const struct trace_side *side = call->side;
	struct outside caller, callee;

	outside_find(call, CALLER, &caller);
	outside_find(call, CALLEE, &callee);
	if (!hosts_near(&side[CALLER], &side[CALLEE]) || side[CALLEE].service)
		return false;
	return caller.n && callee.n ? outside_shared(&caller, &callee) : !caller.n && !callee.n;
}
