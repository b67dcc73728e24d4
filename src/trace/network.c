/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The picture of the network: the devices left and right in their networks, behind their NATs; the
 * services between them, one below the other; lines nested like the skins of an onion, so that none
 * crosses another. From the outside in: signalling, STUN, relays, what goes from NAT to NAT; from
 * device to device goes below.
 */
#include "trace/picture.h"
#include "trace/routes.h"

#include "base/mem.h"

#include <stdio.h>
#include <string.h>

#define NET_X 30 /* of the caller's network; the callee's is its mirror image */
#define NET_W 390
#define CARD_X 48
#define CARD_W 354
#define SVC_X 440
#define SVC_W 320
#define SVC_H 62
#define SVC_GAP 30
#define RELAY_H 54  /* of a route through the relay */
#define LANE_H 66   /* of a route between the NATs */
#define DIRECT_H 72 /* of a route between the devices */
#define LABEL_PX 12
#define CARD_LINES 6 /* addresses shown */
#define NAT_LINES 3
#define LEGEND_W 190

/* Lines that leave a network upwards, from the outside in. */
enum skin { SKIN_SIGNAL, SKIN_STUN, SKIN_ROUTE };

struct network {
	struct trace_out *out; /* NULL: only measuring */
	const struct story *story;
	struct routes routes;
	struct outside outside[SIDES];
	bool together; /* both devices in one network */
	int signal_y, stun_y, relay_top, relay_h, route_y[ROUTES];
	int net_y, nat_y, nat_h[SIDES], card_y, card_h, net_bottom;
	int skins; /* how many lines leave each network */
	int y;
};

static const struct svg_style bold = {"", FONT_BOLD, 15, ANCHOR_START},
			      bold_middle = {"", FONT_BOLD, 14, ANCHOR_MIDDLE},
			      small = {"muted", FONT_SANS, 11, ANCHOR_START},
			      small_middle = {"muted", FONT_SANS, 11, ANCHOR_MIDDLE},
			      mono = {"", FONT_MONO, 12, ANCHOR_START};

static int mirror(int side, int x)
{
	return side == CALLER ? x : SVG_W - x;
}

/* The left edge of something w wide that is at x on the caller's side. */
static int edge(int side, int x, int w)
{
	return side == CALLER ? x : SVG_W - x - w;
}

static bool has_route(const struct network *n, int kind)
{
	return n->routes.route[kind].state != ROUTE_ABSENT;
}

static bool is_relay_route(int kind)
{
	return kind == ROUTE_CALLER_RELAY || kind == ROUTE_CALLEE_RELAY ||
	       kind == ROUTE_BOTH_RELAYS;
}

/* Where the i-th skin of a side rises. */
static int skin_x(const struct network *n, int side, int i)
{
	int step = n->skins > 1 ? (CARD_W - 60) / (n->skins - 1) : 0;

	return mirror(side, CARD_X + 30 + i * (step > 44 ? 44 : step));
}

/* ---- layout ---- */

static int card_lines(const struct trace_side *side)
{
	int lines = 0;

	for (size_t i = 0; i < side->n_candidates; i++)
		lines +=
			side->candidates[i].type == TYPE_HOST && side->candidates[i].via == VIA_UDP;
	if (lines > CARD_LINES)
		lines = CARD_LINES + 1;
	return lines > 0 ? lines : 1;
}

static int nat_height(const struct outside *outside)
{
	int lines = (int)outside->n < NAT_LINES ? (int)outside->n : NAT_LINES + 1;

	return outside->nat ? 32 + 17 * ((int)outside->n == NAT_LINES ? NAT_LINES : lines) : 0;
}

static void lay_services(struct network *n, int y)
{
	n->signal_y = y + 24 + SVC_H / 2;
	n->stun_y = n->signal_y + SVC_H + SVC_GAP;
	n->relay_top = n->stun_y + SVC_H / 2 + SVC_GAP;
	n->relay_h = 36;
	n->skins = SKIN_ROUTE;
	for (int kind = ROUTE_CALLER_RELAY; kind < ROUTES; kind++)
		if (has_route(n, kind)) {
			n->route_y[kind] = n->relay_top + n->relay_h + RELAY_H / 2;
			n->relay_h += RELAY_H;
			n->skins++;
		}
	if (n->relay_h == 36)
		n->relay_h = SVC_H;
	n->y = n->relay_top + n->relay_h + 14;
	if (has_route(n, ROUTE_NAT)) {
		n->route_y[ROUTE_NAT] = n->y + LANE_H / 2 + 4;
		n->y += LANE_H + 6;
		n->skins++;
	}
}

static void lay_devices(struct network *n)
{
	const struct trace_side *side = n->story->call->side;
	int tallest = 0;

	n->card_h = 0;
	for (int i = 0; i < SIDES; i++) {
		int h = 78 + 17 * card_lines(&side[i]);

		n->nat_h[i] = nat_height(&n->outside[i]);
		tallest = n->nat_h[i] > tallest ? n->nat_h[i] : tallest;
		n->card_h = h > n->card_h ? h : n->card_h;
	}
	if (has_route(n, ROUTE_HOST) && n->card_h < DIRECT_H + 24)
		n->card_h = DIRECT_H + 24;
	n->nat_y = n->y + 10;
	n->net_y = n->nat_y + tallest / 2;
	n->card_y = n->nat_y + tallest + 26;
	n->net_bottom = n->card_y + n->card_h + 40;
	n->route_y[ROUTE_HOST] = n->card_y + n->card_h / 2;
	n->y = n->net_bottom;
}

/* ---- lines ---- */

static void label(struct network *n, struct svg_point at, enum svg_anchor anchor, int width,
	const char *class, const char *title, const char *detail)
{
	struct svg_style above = {class, FONT_BOLD, LABEL_PX, anchor};
	struct svg_style below = {"muted", FONT_SANS, 11, anchor};

	svg_text(n->out, (struct svg_point){at.x, at.y - 8}, &above, width, title);
	if (*detail)
		svg_wrap(n->out, (struct svg_point){at.x, at.y + 19}, &below, width, 2, detail);
}

/* From a side's device up and across to the edge of a service. */
static void rise(struct network *n, int side, int skin, int y, const char *class)
{
	int x = skin_x(n, side, skin);

	svg_poly(n->out, class,
		(struct svg_point[]){{x, n->card_y + 4}, {x, y}, {mirror(side, SVC_X), y}}, 3);
}

/* Beside the rising line, towards the service; y is the text's. */
static void rise_label(
	struct network *n, int side, int skin, int y, const char *class, const char *text)
{
	int x = skin_x(n, side, skin), width = SVC_X - mirror(side, x) - 30;
	struct svg_style style = {
		class, FONT_SANS, LABEL_PX, side == CALLER ? ANCHOR_START : ANCHOR_END};

	svg_text(n->out, (struct svg_point){x + (side == CALLER ? 14 : -14), y}, &style, width,
		text);
}

static void draw_signalling(struct network *n, int side)
{
	size_t requests = n->story->call->side[side].n_requests;
	char text[80];

	rise(n, side, SKIN_SIGNAL, n->signal_y, "l-sig");
	if (n->story->call->side[side].service)
		snprintf(text, sizeof(text), "inside the service");
	else if (!n->story->call->side[side].endpoint_id)
		snprintf(text, sizeof(text), "no device took part");
	else
		snprintf(text, sizeof(text), "HTTPS: %zu request%s, events", requests,
			requests == 1 ? "" : "s");
	rise_label(n, side, SKIN_SIGNAL, n->signal_y - 7, "sig", text);
}

static void draw_stun(struct network *n, int side)
{
	const struct trace_side *s = &n->story->call->side[side];
	size_t answered = 0, silent = 0;
	bool ok;

	for (size_t i = 0; i < s->n_servers; i++)
		if (strncmp(s->servers[i].url, "stun", 4) == 0) {
			answered += strcmp(s->servers[i].state, "answered") == 0;
			silent += strcmp(s->servers[i].state, "no-answer") == 0;
		}
	ok = answered > 0 || (s->n_servers == 0 && n->outside[side].nat);
	if (!ok && silent == 0)
		return;
	rise(n, side, SKIN_STUN, n->stun_y, ok ? "l-stun" : "l-fail");
	rise_label(n, side, SKIN_STUN, n->stun_y - 7, "muted",
		!ok                    ? "UDP: no answer"
		: n->outside[side].nat ? "asks for its outside address"
				       : "asks: there is no NAT");
	if (!ok)
		svg_cross(n->out, (struct svg_point){mirror(side, SVC_X - 16), n->stun_y});
}

static const char *route_class(enum route_state state)
{
	static const char *const classes[] = {[ROUTE_FAILED] = "l-fail",
		[ROUTE_SPARE] = "l-spare",
		[ROUTE_FORMER] = "l-old",
		[ROUTE_USED] = "l-media"};

	return classes[state];
}

static const char *route_text_class(enum route_state state)
{
	static const char *const classes[] = {[ROUTE_FAILED] = "muted",
		[ROUTE_SPARE] = "muted",
		[ROUTE_FORMER] = "old",
		[ROUTE_USED] = "good"};

	return classes[state];
}

/* The bytes of a side's relay, beside the line to it. */
static void draw_bytes(struct network *n, int side, int skin, int y)
{
	const struct trace_call *call = n->story->call;
	double out_bytes = 0, in_bytes = 0;
	char text[ROUTE_TEXT], from[40], to[40];
	bool any = false;

	for (size_t i = 0; i < call->n_relays; i++)
		if (call->relays[i].side == side && call->relays[i].counted) {
			any = true;
			out_bytes += call->relays[i].bytes_from_client;
			in_bytes += call->relays[i].bytes_to_client;
		}
	if (!any)
		return;
	snprintf(text, sizeof(text), "%s out, %s in", story_bytes(out_bytes, from),
		story_bytes(in_bytes, to));
	rise_label(n, side, skin, y + 20, "muted", text);
}

static void draw_leg(struct network *n, int kind, int side, int skin)
{
	const struct route *route = &n->routes.route[kind];
	bool own = kind == ROUTE_BOTH_RELAYS || (kind == ROUTE_CALLER_RELAY) == (side == CALLER);
	int y = n->route_y[kind];
	char text[60];

	if (route->state == ROUTE_SPARE && !own)
		return;
	rise(n, side, skin, y, route_class(route->state));
	snprintf(text, sizeof(text), own ? "%s to its relay" : "%s",
		story_via(own ? route->via[side] : VIA_UDP));
	if (route->state >= ROUTE_FORMER)
		rise_label(n, side, skin, y - 8, route_text_class(route->state), text);
	else if (route->state == ROUTE_SPARE)
		rise_label(n, side, skin, y - 8, "muted", text);
	if (route->state >= ROUTE_FORMER && own)
		draw_bytes(n, side, skin, y);
}

static void draw_relay_route(struct network *n, int kind, int skin)
{
	const struct route *route = &n->routes.route[kind];
	int y = n->route_y[kind];

	for (int side = 0; side < SIDES; side++)
		draw_leg(n, kind, side, skin);
	if (route->state >= ROUTE_FORMER)
		svg_poly(n->out, route_class(route->state),
			(struct svg_point[]){{SVC_X, y}, {SVG_W - SVC_X, y}}, 2);
}

static void draw_nat_route(struct network *n, int skin)
{
	const struct route *route = &n->routes.route[ROUTE_NAT];
	int y = n->route_y[ROUTE_NAT], left = skin_x(n, CALLER, skin),
	    right = skin_x(n, CALLEE, skin);

	svg_poly(n->out, route_class(route->state),
		(struct svg_point[]){
			{left, n->card_y + 4}, {left, y}, {right, y}, {right, n->card_y + 4}},
		4);
	label(n, (struct svg_point){SVG_W / 2, y}, ANCHOR_MIDDLE, right - left - 60,
		route_text_class(route->state), route->title, route->detail);
	if (route->state == ROUTE_FAILED)
		svg_cross(n->out, (struct svg_point){right - 26, y});
}

static void draw_host_route(struct network *n)
{
	const struct route *route = &n->routes.route[ROUTE_HOST];
	int y = n->route_y[ROUTE_HOST], left = CARD_X + CARD_W, right = SVG_W - left;

	if (route->state == ROUTE_ABSENT)
		return;
	svg_poly(n->out, route_class(route->state), (struct svg_point[]){{left, y}, {right, y}}, 2);
	label(n, (struct svg_point){SVG_W / 2, y}, ANCHOR_MIDDLE, right - left - 50,
		route_text_class(route->state), route->title, route->detail);
	if (route->state == ROUTE_FAILED)
		svg_cross(n->out, (struct svg_point){right - 34, y});
}

static void draw_lines(struct network *n)
{
	int skin = SKIN_ROUTE;

	for (int side = 0; side < SIDES; side++) {
		draw_signalling(n, side);
		draw_stun(n, side);
	}
	for (int kind = 0; kind < ROUTES; kind++)
		if (is_relay_route(kind) && has_route(n, kind))
			draw_relay_route(n, kind, skin++);
	if (has_route(n, ROUTE_NAT))
		draw_nat_route(n, skin);
	draw_host_route(n);
}

/* ---- boxes ---- */

static void service_box(struct network *n, int y, const char *name, const char *what)
{
	svg_rect(n->out, "svc", (struct svg_point){SVC_X, y - SVC_H / 2}, SVC_W, SVC_H, 12);
	svg_text(n->out, (struct svg_point){SVG_W / 2, y - 3}, &bold_middle, SVC_W - 20, name);
	svg_text(n->out, (struct svg_point){SVG_W / 2, y + 17}, &small_middle, SVC_W - 20, what);
}

static void relay_row(struct network *n, int kind)
{
	const struct route *route = &n->routes.route[kind];
	int y = n->route_y[kind], h = RELAY_H - 10;
	struct svg_style title = {
		route_text_class(route->state), FONT_BOLD, LABEL_PX, ANCHOR_MIDDLE};
	struct svg_style address = {
		"", route->state == ROUTE_FAILED ? FONT_SANS : FONT_MONO, 11, ANCHOR_MIDDLE};
	const char *caller = route->relay[CALLER], *callee = route->relay[CALLEE];
	char both[2 * STORY_LEG_MAX];

	svg_rect(n->out, "relay", (struct svg_point){SVC_X + 8, y - h / 2}, SVC_W - 16, h, 8);
	svg_text(n->out, (struct svg_point){SVG_W / 2, y - 4}, &title, SVC_W - 28, route->title);
	snprintf(
		both, sizeof(both), "%s%s%s", caller, *caller && *callee ? " \u2194 " : "", callee);
	svg_text(n->out, (struct svg_point){SVG_W / 2, y + 12}, &address, SVC_W - 28,
		route->state == ROUTE_FAILED ? route->detail : both);
	if (route->state == ROUTE_FAILED)
		svg_cross(n->out, (struct svg_point){SVC_X + SVC_W + 22, y});
}

static bool offers_relay(const struct trace_call *call)
{
	for (int side = 0; side < SIDES; side++)
		for (size_t i = 0; i < call->side[side].n_servers; i++)
			if (strncmp(call->side[side].servers[i].url, "turn", 4) == 0)
				return true;
	return false;
}

static void draw_services(struct network *n)
{
	const struct trace_call *call = n->story->call;
	bool any = n->relay_h > SVC_H;

	service_box(n, n->signal_y, "Signalling controller", "offers, answers, addresses");
	service_box(n, n->stun_y, "STUN service", "tells outside addresses");
	svg_rect(n->out, "svc", (struct svg_point){SVC_X, n->relay_top}, SVC_W, n->relay_h, 12);
	svg_text(n->out, (struct svg_point){SVG_W / 2, n->relay_top + 24}, &bold_middle, SVC_W - 20,
		"TURN service");
	if (!any)
		svg_text(n->out, (struct svg_point){SVG_W / 2, n->relay_top + 46}, &small_middle,
			SVC_W - 20,
			offers_relay(call) ? n->story->last && !n->story->last->kind &&
							     !story_unanswered(n->story)
						     ? "a relay was at hand, none could be reached"
						     : "a relay was at hand, none was needed"
			: call->side[CALLER].reported || call->side[CALLEE].reported
				? "no relay was offered"
				: "relays, where there is no other path");
	for (int kind = 0; kind < ROUTES; kind++)
		if (is_relay_route(kind) && has_route(n, kind))
			relay_row(n, kind);
}

static void draw_nets(struct network *n)
{
	int h = n->net_bottom - n->net_y;
	char text[TRACE_TEXT_MAX(STORY_NAME_CHARS) + 40];

	if (n->together) {
		svg_rect(n->out, "net", (struct svg_point){NET_X, n->net_y}, SVG_W - 2 * NET_X, h,
			16);
		svg_text(n->out, (struct svg_point){SVG_W / 2, n->net_bottom - 14}, &small_middle,
			700, "one network for both");
		return;
	}
	for (int side = 0; side < SIDES; side++) {
		int x = edge(side, NET_X, NET_W);
		bool service = n->story->call->side[side].service;

		svg_rect(n->out, "net", (struct svg_point){x, n->net_y}, NET_W, h, 16);
		if (service)
			snprintf(text, sizeof(text), "the machine of the service");
		else if (n->outside[side].global && !n->outside[side].nat)
			snprintf(text, sizeof(text), "%s, on the open Internet",
				n->story->name[side]);
		else
			snprintf(text, sizeof(text), "the network of %s", n->story->name[side]);
		svg_text(n->out, (struct svg_point){x + 18, n->net_bottom - 14}, &small, NET_W - 36,
			text);
	}
}

static void nat_box(struct network *n, const struct outside *outside, int x, int w, int h)
{
	int top = n->net_y - h / 2, y = top + 20;
	char text[CF_ADDR_TEXT_MAX + 40];

	svg_rect(n->out, "nat", (struct svg_point){x, top}, w, h, 10);
	svg_text(n->out, (struct svg_point){x + 14, y},
		&(struct svg_style){"", FONT_BOLD, 13, ANCHOR_START}, w - 28,
		outside->unseen      ? "NAT or firewall, closed to UDP"
		: outside->symmetric ? "NAT, another port for each destination"
				     : "NAT");
	for (size_t i = 0; i < outside->n && i < NAT_LINES; i++) {
		y += 17;
		svg_text(n->out, (struct svg_point){x + 14, y}, &mono, w - 28,
			cf_addr_text(&outside->addrs[i], text));
	}
	if (outside->n > NAT_LINES) {
		snprintf(text, sizeof(text), "and %zu more", outside->n - NAT_LINES);
		svg_text(n->out, (struct svg_point){x + 14, y + 17}, &small, w - 28, text);
	}
}

static void draw_nats(struct network *n)
{
	if (n->together) {
		int side = n->nat_h[CALLER] >= n->nat_h[CALLEE] ? CALLER : CALLEE;

		if (n->nat_h[side] > 0)
			nat_box(n, &n->outside[side], CARD_X, SVG_W - 2 * CARD_X, n->nat_h[side]);
		return;
	}
	for (int side = 0; side < SIDES; side++)
		if (n->nat_h[side] > 0)
			nat_box(n, &n->outside[side], edge(side, CARD_X, CARD_W), CARD_W,
				n->nat_h[side]);
}

static void draw_icon(struct network *n, int x, int y, bool service)
{
	if (service)
		out_say(n->out,
			"<path class=\"icon\" d=\"M%d %dh26v20h-26zM%d %dv-6M%d %dv4M%d %dv4\"/>\n",
			x, y, x + 13, y, x + 8, y + 7, x + 18, y + 7);
	else
		out_say(n->out,
			"<path class=\"icon\" d=\"M%d %dh22v15h-22zM%d %dh30l-3 4h-24z\"/>\n",
			x + 4, y, x, y + 17);
}

static void card_addresses(struct network *n, const struct trace_side *side, int x, int y)
{
	char text[CF_ADDR_TEXT_MAX + 40];
	size_t shown = 0, left = 0;

	for (size_t i = 0; i < side->n_candidates; i++) {
		const struct trace_candidate *c = &side->candidates[i];

		if (c->type != TYPE_HOST || c->via != VIA_UDP)
			continue;
		if (shown == CARD_LINES) {
			left++;
			continue;
		}
		svg_text(n->out, (struct svg_point){x, y + 17 * (int)shown++}, &mono, CARD_W - 28,
			cf_addr_text(&c->addr, text));
	}
	if (left > 0) {
		snprintf(text, sizeof(text), "and %zu more", left);
		svg_text(n->out, (struct svg_point){x, y + 17 * CARD_LINES}, &small, CARD_W - 28,
			text);
	}
	if (shown == 0)
		svg_text(n->out, (struct svg_point){x, y}, &small, CARD_W - 28,
			side->hidden ? "the browser hides its address"
				     : "no local address was told");
}

static void draw_card(struct network *n, int id)
{
	const struct trace_side *side = &n->story->call->side[id];
	int x = edge(id, CARD_X, CARD_W);
	char raw[TRACE_TEXT_MAX(90)];

	svg_rect(n->out, "card", (struct svg_point){x, n->card_y}, CARD_W, n->card_h, 12);
	draw_icon(n, x + 14, n->card_y + 14, side->service);
	svg_text(n->out, (struct svg_point){x + 56, n->card_y + 25}, &bold, CARD_W - 70,
		n->story->name[id]);
	svg_text(n->out, (struct svg_point){x + 56, n->card_y + 43}, &small, CARD_W - 70,
		trace_clean(raw, 90, side->raw_id ? side->raw_id : ""));
	card_addresses(n, side, x + 14, n->card_y + 70);
}

/* ---- legend ---- */

static void draw_legend(struct network *n, int y)
{
	static const struct {
		const char *line, *text;
		bool cross;
	} rows[] = {{"l-media", "media, the path taken", false},
		{"l-old", "media, for a while", false}, {"l-fail", "tried, did not work", true},
		{"l-spare", "a relay that stood by", false}, {"l-sig", "signalling", false},
		{"l-stun", "STUN", false}};

	for (size_t i = 0; i < CF_ARRAY_LEN(rows); i++) {
		int x = NET_X + 6 + LEGEND_W * (int)i;

		svg_poly(n->out, rows[i].line, (struct svg_point[]){{x, y}, {x + 34, y}}, 2);
		if (rows[i].cross)
			svg_cross(n->out, (struct svg_point){x + 17, y});
		svg_text(n->out, (struct svg_point){x + 44, y + 4}, &small, LEGEND_W - 50,
			rows[i].text);
	}
}

int picture_network(struct trace_out *out, const struct story *story, int y)
{
	struct network n = {.out = out, .story = story};

	routes_find(story, &n.routes);
	for (int side = 0; side < SIDES; side++)
		outside_find(story->call, side, &n.outside[side]);
	n.together = same_network(story->call);
	lay_services(&n, y);
	lay_devices(&n);
	if (out) {
		draw_nets(&n);
		draw_lines(&n);
		draw_services(&n);
		draw_nats(&n);
		for (int side = 0; side < SIDES; side++)
			draw_card(&n, side);
		draw_legend(&n, n.y + 30);
	}
	return n.y + 56;
}
