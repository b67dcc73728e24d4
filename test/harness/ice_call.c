/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/ice_call.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MEDIA_US 20000

void ice_side_init(struct ice_side *side, bool controlling, int realm, const char *host)
{
	memset(side, 0, sizeof(*side));
	cf_ice_options_defaults(&side->options);
	side->options.controlling = controlling;
	side->realm = realm;
	side->host = host;
}

static uint64_t now(const struct ice_call *call)
{
	return cf_vnet_now(call->net);
}

static struct ice_signal *post(struct ice_call *call, int from, uint64_t extra_us)
{
	struct ice_signal *signal;

	if (call->n_signals == ICE_CALL_SIGNALS)
		abort();
	signal = &call->signals[call->n_signals++];
	memset(signal, 0, sizeof(*signal));
	signal->to = !from;
	signal->at = now(call) + call->signal_us + extra_us;
	signal->seq = call->seq++;
	return signal;
}

void ice_call_send_creds(struct ice_call *call, int from)
{
	struct ice_side *side = &call->side[from];
	struct ice_signal *signal;

	if (side->deaf)
		return;
	signal = post(call, from, 0);
	signal->kind = SIG_CREDS;
	signal->lite = side->options.lite;
	snprintf(signal->ufrag, sizeof(signal->ufrag), "%s", cf_ice_agent_ufrag(side->agent));
	snprintf(signal->pwd, sizeof(signal->pwd), "%s", cf_ice_agent_pwd(side->agent));
}

static void seen_state(struct ice_call *call, struct ice_side *side, enum cf_ice_state state)
{
	side->state = state;
	side->n_states++;
	if (state == CF_ICE_CONNECTED || state == CF_ICE_COMPLETED) {
		if (!side->connected_us) {
			side->connected_us = now(call);
			side->first_path = side->path;
		}
	}
	if (state == CF_ICE_COMPLETED && !side->completed_us)
		side->completed_us = now(call);
	if (state == CF_ICE_FAILED && !side->failed_us)
		side->failed_us = now(call);
	if (state == CF_ICE_DISCONNECTED)
		side->disconnected_us = now(call);
}

static int sock_of(const struct ice_side *side, unsigned base)
{
	for (int i = 0; i < side->n_bases; i++)
		if (side->bases[i] == base)
			return side->socks[i];
	abort();
}

static void tell_candidate(
	struct ice_call *call, int from, const struct cf_ice_candidate *candidate)
{
	struct ice_side *side = &call->side[from];
	struct ice_signal *signal;

	if (side->deaf)
		return;
	signal = post(call, from, side->trickle_us);
	signal->kind = SIG_CANDIDATE;
	if (cf_ice_candidate_print(candidate, signal->text, sizeof(signal->text)) < 0)
		abort();
}

void ice_call_drain(struct ice_call *call, int index)
{
	struct ice_side *side = &call->side[index];
	struct cf_ice_output out;

	while (cf_ice_agent_output(side->agent, &out)) {
		switch (out.kind) {
		case CF_ICE_OUT_LOCAL_CANDIDATE:
			tell_candidate(call, index, &out.candidate);
			break;
		case CF_ICE_OUT_GATHERING_DONE:
			side->gathered = true;
			if (!side->deaf)
				post(call, index, side->trickle_us)->kind = SIG_END;
			break;
		case CF_ICE_OUT_PERMIT:
			side->n_permits++;
			cf_vnet_permit(call->net, sock_of(side, out.base), &out.addr);
			break;
		case CF_ICE_OUT_SEND:
			side->n_sent++;
			cf_vnet_send(call->net, sock_of(side, out.base), &out.addr, out.data.p,
				out.data.len);
			break;
		case CF_ICE_OUT_SELECTED:
			side->path = out.path;
			side->n_paths++;
			if (!side->data_us)
				side->data_us = now(call);
			side->cause = out.cause;
			break;
		case CF_ICE_OUT_DOUBT:
			side->n_doubts += out.doubt;
			side->doubt = out.doubt;
			break;
		case CF_ICE_OUT_STATE:
			seen_state(call, side, out.state);
			break;
		}
	}
}

static unsigned add_base(struct ice_call *call, int index, int sock, enum cf_ice_base_kind kind)
{
	struct ice_side *side = &call->side[index];
	struct cf_ice_base_options options = {.kind = kind, .addr = cf_vnet_addr(call->net, sock)};
	int id;

	id = cf_ice_agent_add_base(side->agent, &options, now(call));
	if (id < 0 || side->n_bases == ICE_CALL_BASES)
		abort();
	side->socks[side->n_bases] = sock;
	side->bases[side->n_bases++] = (unsigned)id;
	ice_call_drain(call, index);
	return (unsigned)id;
}

unsigned ice_call_add_host(struct ice_call *call, int index, int realm, const char *addr)
{
	return add_base(call, index, cf_vnet_socket(call->net, realm, addr, &call->side[index]),
		CF_ICE_BASE_UDP);
}

unsigned ice_call_add_relay(
	struct ice_call *call, int index, enum cf_ice_base_kind kind, const char *addr)
{
	bool stream = kind != CF_ICE_BASE_RELAY_UDP;

	int sock = cf_vnet_relay(call->net, addr, stream, &call->side[index]);

	cf_vnet_relay_leg(call->net, sock, call->side[index].realm);
	return add_base(call, index, sock, kind);
}

void ice_call_remove(struct ice_call *call, int index, int i)
{
	struct ice_side *side = &call->side[index];
	unsigned base = side->bases[i];

	cf_vnet_close(call->net, side->socks[i]);
	side->n_bases--;
	side->socks[i] = side->socks[side->n_bases];
	side->bases[i] = side->bases[side->n_bases];
	cf_ice_agent_remove_base(side->agent, base, now(call));
	ice_call_drain(call, index);
}

static bool has_relay(const struct ice_call *call, const struct ice_side *side)
{
	for (int i = 0; i < side->n_bases; i++)
		if (cf_vnet_is_relay(call->net, side->socks[i]) &&
			cf_vnet_relay_alive(call->net, side->socks[i]))
			return true;
	return false;
}

/* What the peer room does in doubt: asks for a relay anew where there is none that works. Over UDP
 * that takes two round trips; else 100 ms later over TLS, five. */
static void tend(struct ice_call *call, int index)
{
	static const char *const addrs[2] = {"192.0.2.11", "192.0.2.12"};
	struct ice_side *side = &call->side[index];

	if (!side->tends || !(side->doubt || side->tend_at) || side->tend_at > now(call))
		return;
	if (has_relay(call, side)) {
		side->tend_at = 0;
		return;
	}
	if (side->tend_at && cf_vnet_passes(call->net, side->realm, side->tend_stream)) {
		for (int i = side->n_bases; i-- > 0;)
			if (cf_vnet_is_relay(call->net, side->socks[i]))
				ice_call_remove(call, index, i);
		ice_call_add_relay(call, index,
			side->tend_stream ? CF_ICE_BASE_RELAY_TLS : CF_ICE_BASE_RELAY_UDP,
			addrs[index]);
		side->tend_at = 0;
		return;
	}
	side->tend_stream = !cf_vnet_passes(call->net, side->realm, false);
	side->tend_at = now(call) +
			(side->tend_stream ? 10 * call->wan_us + 100000 : 4 * call->wan_us + 1000);
}

static void start_side(struct ice_call *call, int index)
{
	struct ice_side *side = &call->side[index];
	struct cf_addr stun;
	struct cf_ice_agent *agent = cf_ice_agent_new(&side->options, now(call));

	if (!agent)
		abort();
	side->call = call;
	side->agent = agent;
	side->started = true;
	ice_call_send_creds(call, index);
	if (side->host)
		ice_call_add_host(call, index, side->realm, side->host);
	if (side->host2)
		ice_call_add_host(call, index, side->realm, side->host2);
	if (side->tcp_active)
		add_base(call, index,
			cf_vnet_stream(call->net, side->realm, side->tcp_active, side),
			CF_ICE_BASE_TCP_ACTIVE);
	if (side->tcp_passive)
		add_base(call, index,
			cf_vnet_stream(call->net, side->realm, side->tcp_passive, side),
			CF_ICE_BASE_TCP_PASSIVE);
	if (side->stun) {
		if (cf_addr_parse(&stun, side->stun, 3478) < 0 ||
			cf_ice_agent_add_stun_server(agent, &stun, now(call)) < 0)
			abort();
	}
	side->relay_at = now(call) + side->relay_us;
	ice_call_drain(call, index);
}

/* An allocation takes two round trips, a TCP connection one more, TLS two more. */
static bool add_relays(struct ice_call *call, int index, uint64_t wan_us)
{
	struct ice_side *side = &call->side[index];
	const struct {
		const char **addr;
		enum cf_ice_base_kind kind;
		unsigned trips;
	} rows[] = {
		{&side->relay_udp, CF_ICE_BASE_RELAY_UDP, 2},
		{&side->relay_tcp, CF_ICE_BASE_RELAY_TCP, 3},
		{&side->relay_tls, CF_ICE_BASE_RELAY_TLS, 5},
	};
	bool done = true;

	for (size_t i = 0; i < 3; i++) {
		if (!*rows[i].addr)
			continue;
		if (now(call) >= side->relay_at + rows[i].trips * 2 * wan_us) {
			ice_call_add_relay(call, index, rows[i].kind, *rows[i].addr);
			*rows[i].addr = NULL;
		} else {
			done = false;
		}
	}
	return done;
}

static void take_signal(struct ice_call *call, const struct ice_signal *signal)
{
	struct ice_side *side = &call->side[signal->to];
	struct cf_ice_candidate candidate;

	if (!side->started)
		start_side(call, signal->to);
	if (signal->kind == SIG_CREDS) {
		int err = cf_ice_agent_set_remote(
			side->agent, signal->ufrag, signal->pwd, signal->lite, now(call));

		/* The peer restarted: so do we. */
		if (err == CF_ESTATE) {
			cf_ice_agent_restart(side->agent, now(call));
			ice_call_send_creds(call, signal->to);
			err = cf_ice_agent_set_remote(
				side->agent, signal->ufrag, signal->pwd, signal->lite, now(call));
		}
		if (err < 0)
			abort();
	} else if (signal->kind == SIG_CANDIDATE) {
		int err = cf_ice_candidate_parse(&candidate, signal->text, strlen(signal->text));

		if (err == 0)
			err = cf_ice_agent_add_remote(side->agent, &candidate, now(call));
		if (err < 0 && err != CF_EEXPIRED)
			abort();
	} else {
		cf_ice_agent_end_of_remotes(side->agent, now(call));
	}
	ice_call_drain(call, signal->to);
}

static size_t next_signal(const struct ice_call *call)
{
	size_t best = 0;

	for (size_t i = 1; i < call->n_signals; i++)
		if (call->signals[i].at < call->signals[best].at ||
			(call->signals[i].at == call->signals[best].at &&
				call->signals[i].seq < call->signals[best].seq))
			best = i;
	return best;
}

static void run_signals(struct ice_call *call)
{
	while (call->n_signals > 0) {
		size_t i = next_signal(call);
		struct ice_signal signal = call->signals[i];

		if (signal.at > now(call))
			return;
		call->signals[i] = call->signals[--call->n_signals];
		take_signal(call, &signal);
	}
}

static void send_media(struct ice_call *call)
{
	static const uint8_t packet[160] = {0x80};

	if (!call->media || now(call) < call->media_at)
		return;
	call->media_at = now(call) + MEDIA_US;
	for (int i = 0; i < 2; i++) {
		struct cf_ice_path path;

		if (call->side[i].started && cf_ice_agent_selected(call->side[i].agent, &path))
			cf_vnet_send(call->net, sock_of(&call->side[i], path.base), &path.to,
				packet, sizeof(packet));
	}
}

static void take_media(struct ice_call *call, int index, unsigned base, const struct cf_addr *src)
{
	struct cf_ice_agent *agent = call->side[index].agent;

	if (!cf_ice_agent_accepts(agent, base, src))
		return;
	cf_ice_agent_note_received(agent, base, src, now(call));
	call->media_taken[index]++;
	if (call->media_last_us[index] &&
		now(call) - call->media_last_us[index] > call->media_gap_us[index])
		call->media_gap_us[index] = now(call) - call->media_last_us[index];
	call->media_last_us[index] = now(call);
}

static void take_event(struct ice_call *call, const struct vnet_event *event)
{
	int index = event->owner == &call->side[1];
	struct ice_side *side = &call->side[index];

	for (int i = 0; i < side->n_bases; i++) {
		if (side->socks[i] != event->sock)
			continue;
		if (event->unreachable)
			cf_ice_agent_unreachable(side->agent, side->bases[i], &event->src,
				CF_ICE_TROUBLE_ICMP, now(call));
		else if (!cf_ice_agent_input(side->agent, side->bases[i], &event->src, event->data,
				 event->len, now(call)))
			take_media(call, index, side->bases[i], &event->src);
	}
	ice_call_drain(call, index);
}

static void run_sides(struct ice_call *call)
{
	for (int i = 0; i < 2; i++) {
		struct ice_side *side = &call->side[i];

		if (!side->started)
			continue;
		if (side->relay_at && add_relays(call, i, call->wan_us)) {
			side->relay_at = 0;
			cf_ice_agent_bases_done(side->agent, now(call));
		}
		if (cf_ice_agent_deadline(side->agent) <= now(call))
			cf_ice_agent_tick(side->agent, now(call));
		ice_call_drain(call, i);
		tend(call, i);
		/* What is due was done: an agent that asks for now again would spin. */
		if (cf_ice_agent_deadline(side->agent) <= now(call))
			abort();
	}
}

static uint64_t next_us(const struct ice_call *call)
{
	uint64_t at = CF_TIME_NEVER;

	if (call->n_signals > 0)
		at = call->signals[next_signal(call)].at;
	for (int i = 0; i < 2; i++) {
		uint64_t due;

		if (!call->side[i].started)
			continue;
		due = cf_ice_agent_deadline(call->side[i].agent);
		if (call->side[i].relay_at && due > now(call) + 1000)
			due = now(call) + 1000;
		at = due < at ? due : at;
		if (call->side[i].tend_at && call->side[i].tend_at < at)
			at = call->side[i].tend_at;
	}
	if (call->media && call->media_at < at)
		at = call->media_at;
	return at;
}

/* One step: up to the next thing that happens, at most to until_us. */
static void step(struct ice_call *call, uint64_t until_us)
{
	struct vnet_event event;
	uint64_t at = next_us(call);

	if (at > until_us)
		at = until_us;
	if (cf_vnet_next(call->net, at < now(call) ? now(call) : at, &event))
		take_event(call, &event);
	run_signals(call);
	run_sides(call);
	send_media(call);
}

void ice_call_start(struct ice_call *call)
{
	call->start_us = now(call);
	start_side(call, 0);
	run_sides(call);
}

static bool settled(const struct ice_side *side)
{
	return side->connected_us || side->failed_us;
}

bool ice_call_connect(struct ice_call *call, uint64_t for_us)
{
	uint64_t until = now(call) + for_us;

	while (now(call) < until && !(settled(&call->side[0]) && settled(&call->side[1])))
		step(call, until);
	return call->side[0].connected_us && call->side[1].connected_us;
}

void ice_call_run(struct ice_call *call, uint64_t for_us)
{
	uint64_t until = now(call) + for_us;

	while (now(call) < until)
		step(call, until);
}

void ice_call_restart(struct ice_call *call, int from)
{
	cf_ice_agent_restart(call->side[from].agent, now(call));
	ice_call_send_creds(call, from);
	ice_call_drain(call, from);
}

void ice_call_done(struct ice_call *call)
{
	for (int i = 0; i < 2; i++)
		cf_ice_agent_free(call->side[i].agent);
	cf_vnet_free(call->net);
}

const char *const ice_net_names[] = {"public", "full", "restricted", "port", "symmetric",
	"cgn-cone", "cgn-symmetric", "udp-blocked", "tcp-443"};

static int realm_of(struct cf_vnet *net, enum ice_net_kind kind, int side)
{
	static const char *const outside[2] = {"198.51.100.10", "203.0.113.20"};
	static const char *const shared[2] = {"100.64.1.10", "100.65.1.20"};
	static const enum vnet_nat_kind kinds[] = {[FULL] = VNET_FULL,
		[RESTRICTED] = VNET_RESTRICTED,
		[PORT] = VNET_PORT,
		[SYMMETRIC] = VNET_SYMMETRIC,
		[CGN_CONE] = VNET_PORT,
		[CGN_SYM] = VNET_SYMMETRIC,
		[TCP_ANY] = VNET_BLOCKED,
		[TCP_443] = VNET_BLOCKED};
	struct vnet_nat_options nat = {.kind = kinds[kind], .outside = outside[side]};
	int realm;

	if (kind == PUBLIC)
		return VNET_PUBLIC;
	realm = cf_vnet_realm(net, VNET_PUBLIC, &nat);
	if (kind == CGN_CONE || kind == CGN_SYM) {
		/* The home's own NAT behind the carrier's. */
		nat = (struct vnet_nat_options){.kind = VNET_PORT, .outside = shared[side]};
		realm = cf_vnet_realm(net, realm, &nat);
	}
	return realm;
}

static void side_of(struct cf_vnet *net, struct ice_side *side, enum ice_net_kind kind, int index)
{
	static const char *const inside[2] = {"192.168.1.2", "192.168.7.3"};
	static const char *const open[2] = {"198.51.100.77", "203.0.113.88"};
	const char *relay = index ? "192.0.2.12" : "192.0.2.11";

	ice_side_init(side, index == 0, realm_of(net, kind, index),
		kind == PUBLIC ? open[index] : inside[index]);
	side->stun = "192.0.2.1:3478";
	if (kind == TCP_443)
		side->relay_tls = relay;
	else if (kind == TCP_ANY)
		side->relay_tcp = relay;
	else
		side->relay_udp = relay;
}

void ice_call_setup(struct ice_call *call, const struct vnet_options *options, enum ice_net_kind a,
	enum ice_net_kind b)
{
	memset(call, 0, sizeof(*call));
	call->net = cf_vnet_new(options);
	call->wan_us = options->wan_us;
	call->signal_us = 2 * options->wan_us + 5000;
	cf_vnet_stun(call->net, "192.0.2.1:3478");
	side_of(call->net, &call->side[0], a, 0);
	side_of(call->net, &call->side[1], b, 1);
}
