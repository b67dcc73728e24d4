/* SPDX-License-Identifier: Apache-2.0 */
/* One member's connection: ICE-lite, DTLS-SRTP, and what comes out of it. */
#include "base/mem.h"
#include "base/wire.h"
#include "processor/processor_priv.h"
#include "rtp/demux.h"
#include "rtp/packet.h"
#include "rtp/rtcp.h"

#include <stdio.h>
#include <string.h>

static uint64_t now_of(const struct member *member)
{
	return cf_loop_now_us(member->hall->loop);
}

/* ---- life ---- */

/* Neither heard nor hearing from now on. */
static void disconnect(struct member *member)
{
	if (member->recv)
		group_disconnected(member);
	member->send = member->recv = NULL;
}

void member_free(struct member *member)
{
	uint8_t flight[CF_DTLS_MTU];
	int n;

	disconnect(member);
	if (member->dtls) {
		cf_dtls_close(member->dtls);
		while (member->path_known &&
			(n = cf_dtls_output(member->dtls, flight, sizeof(flight))) > 0)
			cf_udp_send(
				member->hall->udp[member->host], &member->to, flight, (size_t)n);
	}
	cf_timer_stop(&member->timer);
	hall_forget(member);
	video_leave(member);
	if (member->mix)
		cf_mix_remove(member->mix);
	cf_dtls_free(member->dtls);
	cf_ice_agent_free(member->ice);
	cf_sdp_desc_free(member->offer);
	cf_map_remove(&member->hall->members, &member->node);
	cf_list_remove(&member->link);
	cf_free(member);
}

/* It is over: the control loop is told, the call goes on for the others. */
static void lose(struct member *member)
{
	struct group *group = member->group;

	hall_say(member, CF_PROCESSOR_LOST, NULL);
	member_free(member);
	group_release(group);
}

/* ---- ICE and DTLS ---- */

static void on_path(struct member *member, const struct cf_ice_path *path)
{
	member->path_known = true;
	member->host = path->base;
	member->to = path->to;
}

/* True while the member lives. */
static bool pump_ice(struct member *member)
{
	struct cf_ice_output out;
	bool failed = false;

	while (cf_ice_agent_output(member->ice, &out)) {
		if (out.kind == CF_ICE_OUT_SEND)
			cf_udp_send(
				member->hall->udp[out.base], &out.addr, out.data.p, out.data.len);
		else if (out.kind == CF_ICE_OUT_SELECTED)
			on_path(member, &out.path);
		else if (out.kind == CF_ICE_OUT_STATE)
			failed = out.state == CF_ICE_FAILED;
	}
	return !failed;
}

static void secured(struct member *member)
{
	member->send = cf_dtls_srtp_send(member->dtls);
	member->recv = cf_dtls_srtp_recv(member->dtls);
	member->was_connected = true;
	member->lose_us = CF_TIME_NEVER;
	group_connected(member);
	video_agree(member);
	hall_say(member, CF_PROCESSOR_CONNECTED, NULL);
}

static bool pump_dtls(struct member *member)
{
	uint64_t now_us = now_of(member);
	uint8_t flight[CF_DTLS_MTU];
	int n;

	if (!member->path_known)
		return true;
	if (cf_dtls_state(member->dtls) == CF_DTLS_NEW && cf_dtls_start(member->dtls, now_us) < 0)
		return false;
	if (cf_dtls_deadline(member->dtls) <= now_us)
		cf_dtls_tick(member->dtls, now_us);
	while ((n = cf_dtls_output(member->dtls, flight, sizeof(flight))) > 0)
		cf_udp_send(member->hall->udp[member->host], &member->to, flight, (size_t)n);
	if (!member->recv && cf_dtls_state(member->dtls) == CF_DTLS_CONNECTED)
		secured(member);
	if (cf_dtls_state(member->dtls) == CF_DTLS_CLOSED && member->lose_us == CF_TIME_NEVER) {
		disconnect(member);
		member->lose_us = now_us + CLOSE_US;
	}
	return cf_dtls_state(member->dtls) != CF_DTLS_FAILED;
}

static void on_timer(struct cf_timer *timer, void *arg);

static uint64_t deadline(const struct member *member)
{
	uint64_t ice = cf_ice_agent_deadline(member->ice);
	uint64_t dtls = cf_dtls_deadline(member->dtls);
	uint64_t least = ice < dtls ? ice : dtls;

	return least < member->lose_us ? least : member->lose_us;
}

/* Everything that follows from what has come in, or from time. The member may be gone behind it. */
static void pump(struct member *member)
{
	if (!pump_ice(member) || !pump_dtls(member)) {
		lose(member);
		return;
	}
	(void)!cf_timer_set(&member->timer, member->hall->loop, deadline(member), on_timer, member);
}

static void on_timer(struct cf_timer *timer, void *arg)
{
	struct member *member = arg;
	uint64_t now_us = now_of(member);

	(void)timer;
	if (now_us >= member->lose_us) {
		lose(member);
		return;
	}
	cf_ice_agent_tick(member->ice, now_us);
	pump(member);
}

/* ---- packets in ---- */

static void on_rtp(struct member *member, uint8_t *p, size_t n)
{
	struct cf_rtp_packet packet;
	int len = cf_srtp_unprotect_rtp(member->recv, p, n);

	if (len < 0 || cf_rtp_packet_parse(&packet, p, (size_t)len) < 0)
		return;
	if (!member->forward ||
		cf_forward_put(member->forward, p, (size_t)len, now_of(member)) == CF_ENOTFOUND)
		cf_mix_put(member->mix, &packet, now_of(member));
	else if (!member->group->flush_link.next)
		cf_list_push(&member->hall->flush, &member->group->flush_link);
}

static void on_rtcp(struct member *member, uint8_t *p, size_t n)
{
	int len = cf_srtp_unprotect_rtcp(member->recv, p, n);
	uint64_t now_us = now_of(member);
	struct cf_rtcp_block block;
	struct cf_rtcp_item item;
	struct cf_rtcp_iter it;

	if (len < 0 || cf_rtcp_check(p, (size_t)len) < 0)
		return;
	cf_rtcp_iter_init(&it, p, (size_t)len);
	while (cf_rtcp_iter_next(&it, &item) > 0) {
		if (item.kind == CF_RTCP_SR)
			cf_mix_sr(member->mix, item.ssrc, &item.info, now_us);
		for (size_t i = 0; cf_rtcp_item_block(&item, i, &block); i++)
			cf_mix_report(member->mix, &block, now_us);
		if (member->forward)
			cf_forward_rtcp(member->forward, &item, now_us);
	}
}

void member_input(
	struct member *member, unsigned host, const struct cf_addr *src, uint8_t *p, size_t n)
{
	uint64_t now_us = now_of(member);
	enum cf_demux kind = cf_demux_packet(p, n);

	if (kind == CF_DEMUX_STUN) {
		cf_ice_agent_input(member->ice, host, src, p, n, now_us);
		if (cf_ice_agent_accepts(member->ice, host, src))
			hall_source(member, host, src);
		pump(member);
		return;
	}
	if (!cf_ice_agent_accepts(member->ice, host, src))
		return;
	if (kind == CF_DEMUX_DTLS) {
		cf_dtls_input(member->dtls, p, n, now_us);
		pump(member);
		return;
	}
	if (!member->recv)
		return;
	if (kind == CF_DEMUX_RTP)
		on_rtp(member, p, n);
	else if (kind == CF_DEMUX_RTCP)
		on_rtcp(member, p, n);
}

/* ---- packets out ---- */

/* packet: PACKET_MAX bytes, that w has written. */
static void send_rtcp(struct member *member, uint8_t *packet, const struct cf_wire_writer *w)
{
	int len = w->err < 0 ? w->err
			     : cf_srtp_protect_rtcp(member->send, packet, w->len, PACKET_MAX);

	if (len > 0)
		cf_udp_send(member->hall->udp[member->host], &member->to, packet, (size_t)len);
}

/* What there is to say about video: what came of it, and the clocks of what is shown. */
static void report_video(struct member *member, uint64_t now_us)
{
	struct cf_rtcp_block blocks[CF_FORWARD_TRACKS_MAX * CF_FORWARD_LAYERS_MAX];
	size_t n = cf_forward_blocks(member->forward, now_us, blocks, CF_ARRAY_LEN(blocks));
	uint8_t packet[PACKET_MAX];
	struct cf_wire_writer w;

	cf_wire_writer_init(&w, packet, sizeof(packet) - CF_SRTP_MAX_OVERHEAD);
	if (n > 0) {
		cf_rtcp_write_rr(&w, member->ssrc, blocks, n);
		cf_rtcp_write_sdes(&w, member->ssrc, member->cname);
	}
	cf_forward_reports(member->forward, member->cname, now_us, &w);
	if (w.len > 0)
		send_rtcp(member, packet, &w);
}

void member_report(struct member *member)
{
	uint64_t now_us = now_of(member);
	uint8_t packet[PACKET_MAX];
	struct cf_rtcp_block block;
	struct cf_wire_writer w;
	bool has = cf_mix_block(member->mix, now_us, &block);

	cf_wire_writer_init(&w, packet, sizeof(packet) - CF_SRTP_MAX_OVERHEAD);
	cf_rtp_sender_write_report(
		cf_mix_member_rtp(member->mix), has ? &block : NULL, member->cname, now_us, &w);
	send_rtcp(member, packet, &w);
	if (member->forward)
		report_video(member, now_us);
}

void member_feedback(struct member *member)
{
	uint64_t now_us = now_of(member);
	uint8_t packet[PACKET_MAX];
	struct cf_wire_writer w;

	if (!member->forward || !cf_forward_feedback_due(member->forward, now_us))
		return;
	cf_wire_writer_init(&w, packet, sizeof(packet) - CF_SRTP_MAX_OVERHEAD);
	cf_rtcp_write_rr(&w, member->ssrc, NULL, 0);
	cf_rtcp_write_sdes(&w, member->ssrc, member->cname);
	cf_forward_feedback(member->forward, &w, member->ssrc, now_us);
	send_rtcp(member, packet, &w);
}

void member_send_in_place(struct member *member, uint8_t *packet, size_t n, size_t cap)
{
	int len = member->send ? cf_srtp_protect_rtp(member->send, packet, n, cap) : CF_ESTATE;

	if (len > 0)
		cf_udp_send(member->hall->udp[member->host], &member->to, packet, (size_t)len);
}

void member_send(struct member *member, const uint8_t *packet, size_t n)
{
	uint8_t out[PACKET_MAX];

	if (n > sizeof(out) - CF_SRTP_MAX_OVERHEAD)
		return;
	memcpy(out, packet, n);
	member_send_in_place(member, out, n, sizeof(out));
}

/* ---- descriptions ---- */

static void copy_text(char *out, size_t cap, struct cf_view view)
{
	snprintf(out, cap, "%.*s", (int)view.len, (const char *)view.p);
}

/* The agent, with a base for each address of the port; its ids are the hosts' numbers. */
static int make_agent(struct member *member)
{
	struct cf_ice_options options;
	uint64_t now_us = now_of(member);

	cf_ice_options_defaults(&options);
	options.lite = true;
	member->ice = cf_ice_agent_new(&options, now_us);
	if (!member->ice)
		return CF_ENOMEM;
	for (size_t i = 0; i < member->hall->n_hosts; i++) {
		struct cf_ice_base_options base = {
			.kind = CF_ICE_BASE_UDP, .addr = member->hall->hosts[i]};
		int id = cf_ice_agent_add_base(member->ice, &base, now_us);

		if (id != (int)i)
			return id < 0 ? id : CF_ESTATE;
	}
	cf_ice_agent_bases_done(member->ice, now_us);
	pump_ice(member);
	return hall_name(member, cf_ice_agent_ufrag(member->ice));
}

/* RFC 8445 section 9: other credentials mean that the client looks for a new path. */
static int take_credentials(struct member *member)
{
	const struct cf_sdp_transport *theirs = &member->agreed.transport->transport;
	char pwd[CF_SDP_ICE_TEXT_MAX + 1];

	copy_text(member->remote_ufrag, sizeof(member->remote_ufrag), theirs->ufrag);
	copy_text(pwd, sizeof(pwd), theirs->pwd);
	return cf_ice_agent_set_remote(
		member->ice, member->remote_ufrag, pwd, false, now_of(member));
}

static int make_dtls(struct member *member)
{
	const struct cf_sdp_fingerprint *theirs = member->agreed.transport->transport.fingerprints;
	enum cf_dtls_role role = member->agreed.dtls_client ? CF_DTLS_CLIENT : CF_DTLS_SERVER;
	char text[CF_SDP_FINGERPRINT_TEXT_MAX];
	int err = 0;

	if (!member->dtls)
		err = cf_dtls_new(&member->dtls, member->hall->options.identity, role);
	if (err < 0)
		return err;
	cf_sdp_fingerprint_print(theirs, text);
	return cf_dtls_set_fingerprint(
		member->dtls, cf_sdp_hash_name(theirs->hash), text, now_of(member));
}

static int make_mix(struct member *member)
{
	const struct cf_sdp_agreed *agreed = &member->agreed;
	struct cf_mix_member_opts opts;
	char mid[CF_MIX_MAX_MID + 1];

	cf_mix_member_opts_defaults(&opts);
	opts.recv_opus_pt = agreed->opus_recv_pt;
	opts.recv_level_ext_id = agreed->recv_ext_level;
	opts.recv_dtmf_pt = agreed->dtmf_recv_pt[0] > 0 ? (uint8_t)agreed->dtmf_recv_pt[0] : 0;
	opts.opus_pt = agreed->opus_send_pt;
	opts.level_ext_id = agreed->send_ext_level;
	opts.mid_ext_id = agreed->send_ext_mid;
	copy_text(mid, sizeof(mid), agreed->remote->mid);
	opts.mid = mid;
	opts.source = member->source;
	/* A little above half a second; a packet of 120 ms at 50 kbit/s, of 20 ms at 300. */
	opts.jitter.slots = 32;
	opts.jitter.max_payload = 768;
	opts.ssrc = member->ssrc;
	opts.seq_seed = (uint16_t)cf_rand_u32();
	opts.ts_seed = cf_rand_u32();
	return cf_mix_add(member->group->mix, &opts, member, &member->mix);
}

/* The offer, parsed, in the place of the one before. */
static int take_offer(struct member *member, const char *sdp)
{
	struct cf_sdp_desc *offer;
	int err = cf_sdp_desc_parse(&offer, cf_view_str(sdp));

	if (err < 0)
		return err;
	cf_sdp_desc_free(member->offer);
	member->offer = offer;
	return 0;
}

static struct member *member_new(struct group *group, const char *leg_id)
{
	struct cf_processor_hall *hall = group->hall;
	struct member *member = cf_alloc(sizeof(*member));

	if (!member)
		return NULL;
	member->group = group;
	member->hall = hall;
	member->lose_us = now_of(member) + CONNECT_US;
	member->session_id = cf_rand_u64() >> 2; /* RFC 8829 section 5.2.1: below 2^63 */
	member->ssrc = cf_rand_u32() | 1;
	cf_rand_text(member->cname, CNAME_LEN);
	snprintf(member->id, sizeof(member->id), "%s", leg_id);
	if (cf_map_insert(&hall->members, &member->node,
		    cf_hash_bytes(leg_id, strlen(leg_id), hall->seed)) < 0)
		return cf_free(member);
	cf_list_push(&group->members, &member->link);
	return member;
}

void member_join(struct group *group, const char *leg_id, uint32_t source, const char *sdp)
{
	struct member *member = member_new(group, leg_id);
	CF_AUTOFREE char *answer = NULL;
	int err;

	if (!member)
		return; /* the device finds that it gets no answer */
	member->source = source;
	err = make_agent(member);
	video_init(member);
	if (err == 0)
		err = take_offer(member, sdp);
	if (err == 0)
		answer = member_describe(member);
	if (answer)
		err = take_credentials(member);
	if (answer && err == 0)
		err = make_dtls(member);
	if (answer && err == 0)
		err = make_mix(member);
	hall_say(member, CF_PROCESSOR_ANSWERED, err == 0 ? answer : NULL);
	if (err < 0 || !answer) {
		member_free(member);
		return;
	}
	pump(member);
}

/* Where the offer has other credentials than before, ours have to be others too (RFC 8839 section
 * 4.4.1.1.1); the answer will have them. */
static int restart_if_asked(struct member *member)
{
	struct cf_sdp_local local;
	struct cf_sdp_agreed agreed;
	char ufrag[CF_SDP_ICE_TEXT_MAX + 1];

	cf_sdp_local_defaults(&local);
	local.setup = CF_SDP_SETUP_PASSIVE;
	cf_sdp_agree_offer(&local, member->offer, &agreed);
	if (agreed.refusal != CF_SDP_ACCEPTED)
		return CF_ENOTSUP;
	copy_text(ufrag, sizeof(ufrag), agreed.transport->transport.ufrag);
	if (strcmp(ufrag, member->remote_ufrag) == 0)
		return 0;
	cf_ice_agent_restart(member->ice, now_of(member));
	return hall_name(member, cf_ice_agent_ufrag(member->ice));
}

void member_offer(struct member *member, const char *sdp)
{
	CF_AUTOFREE char *answer = NULL;
	int err = take_offer(member, sdp);

	if (err == 0)
		err = restart_if_asked(member);
	if (err == 0)
		answer = member_describe(member);
	if (answer)
		err = take_credentials(member);
	if (answer && err == 0)
		err = make_dtls(member);
	hall_say(member, CF_PROCESSOR_ANSWERED, err == 0 ? answer : NULL);
	if (err < 0 || !answer) {
		struct group *group = member->group;

		member_free(member);
		group_release(group);
		return;
	}
	cf_mix_set_listening(member->mix, member->recv && member->agreed.send);
	video_agree(member);
	pump(member);
}
