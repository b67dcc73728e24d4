/* SPDX-License-Identifier: Apache-2.0 */
#include "bot/echo_media.h"

#include "base/clock.h"
#include "base/mem.h"
#include "bot/echo.h"
#include "peer/session.h"
#include "rtp/packet.h"
#include "rtp/rtcp.h"
#include "rtp/sender.h"
#include "rtp/stats.h"

#include <stdio.h>
#include <string.h>

#define WHY_MAX 512
#define REPORT_US (CF_RTP_REPORT_MS * CF_US_PER_MS)

struct echo_media {
	const struct echo_media_env *env;
	struct cf_loop *loop;
	char id[CF_CALL_ID_MAX];
	bool over; /* control loop: no op may follow */
	/* The worker's from here on. */
	struct cf_peer *peer;
	struct cf_session session;
	struct cf_view candidates[16]; /* texts owned; those that go with the answer */
	size_t n_candidates;
	bool described;
	bool connected;
	struct cf_rtp_sender sender;
	struct cf_rtp_source source;
	struct cf_timer report;
	struct cf_timer limit;
	struct cf_defer defer;
};

/* A message between the two halves. */
struct message {
	struct echo_media *media;
	void (*handle)(struct echo_media *media, char *text, bool flag);
	char *text; /* owned; may be NULL */
	bool flag;
};

static void message_free(void *arg)
{
	struct message *message = arg;

	cf_free(message->text);
	cf_free(message);
}

static void message_run(void *arg)
{
	struct message *message = arg;

	message->handle(message->media, message->text, message->flag);
	message_free(message);
}

static int post(struct cf_loop *loop, struct echo_media *media,
	void (*handle)(struct echo_media *, char *, bool), const char *text, bool flag)
{
	struct message *message = cf_alloc(sizeof(*message));

	if (!message)
		return CF_ENOMEM;
	*message = (struct message){
		.media = media, .handle = handle, .text = cf_strdup(text), .flag = flag};
	if ((text && !message->text) ||
		cf_loop_post(loop, message_run, message_free, message) < 0) {
		message_free(message);
		return CF_ENOMEM;
	}
	return 0;
}

/* On the control loop */

static void tell_described(struct echo_media *media, char *text, bool flag)
{
	(void)flag;
	if (!media->over)
		media->env->ops->described(media->env->owner, media->id, text);
}

static void tell_reoffered(struct echo_media *media, char *text, bool flag)
{
	(void)flag;
	if (!media->over)
		media->env->ops->reoffered(media->env->owner, media->id, text);
}

static void tell_candidate(struct echo_media *media, char *text, bool flag)
{
	(void)flag;
	if (!media->over)
		media->env->ops->candidate(media->env->owner, media->id, text, NULL);
}

static void tell_failed(struct echo_media *media, char *text, bool lost)
{
	if (!media->over)
		media->env->ops->failed(media->env->owner, media->id, text, lost);
}

static void last_words(struct echo_media *media, char *text, bool flag)
{
	(void)text;
	(void)flag;
	cf_free(media);
}

/* On the worker */

static void tell_control(struct echo_media *media,
	void (*handle)(struct echo_media *, char *, bool), const char *text, bool flag)
{
	(void)!post(media->env->control, media, handle, text, flag);
}

static void on_candidate(const char *text, void *arg)
{
	struct echo_media *media = arg;
	char *copy;

	if (media->described) {
		tell_control(media, tell_candidate, text, false);
		return;
	}
	copy = media->n_candidates < CF_ARRAY_LEN(media->candidates) ? cf_strdup(text) : NULL;
	if (copy)
		media->candidates[media->n_candidates++] = cf_view_str(copy);
}

static void on_gathered(void *arg)
{
	tell_control(arg, tell_candidate, NULL, false);
}

static void send_report(struct cf_timer *timer, void *arg)
{
	struct echo_media *media = arg;
	uint64_t now_us = cf_loop_now_us(media->loop);
	struct cf_rtcp_block block;
	struct cf_wire_writer w;
	uint8_t packet[CF_PEER_PACKET_MAX];

	(void)timer;
	cf_wire_writer_init(&w, packet, sizeof(packet) - 64);
	if (media->source.started)
		cf_rtp_source_block(&media->source, now_us, &block);
	cf_rtp_sender_write_report(&media->sender, media->source.started ? &block : NULL,
		media->session.cname, now_us, &w);
	if (!w.err)
		(void)!cf_peer_send_rtcp(media->peer, packet, w.len, sizeof(packet));
	(void)!cf_timer_after(&media->report, media->loop, REPORT_US, send_report, media);
}

static void on_limit(struct cf_timer *timer, void *arg)
{
	(void)timer;
	tell_control(arg, tell_failed, "an echo call lasts 15 minutes at most", true);
}

static void on_state(enum cf_peer_state state, void *arg)
{
	struct echo_media *media = arg;
	char why[WHY_MAX];

	if (state == CF_PEER_CONNECTED && !media->connected) {
		media->connected = true;
		send_report(&media->report, media);
	} else if (state == CF_PEER_FAILED) {
		cf_peer_why(media->peer, why, sizeof(why));
		tell_control(media, tell_failed, why, media->connected);
	}
}

static void on_path(
	const struct cf_ice_path *path, enum cf_peer_cause cause, uint32_t gap_ms, void *arg)
{
	(void)path;
	(void)cause;
	(void)gap_ms;
	(void)arg;
}

/* Sequence numbers and timestamps are those of the caller's packets: gaps and pauses stay as they
 * were. Payload types are the same in both directions of our answers. */
static void on_rtp(uint8_t *packet, size_t n, uint64_t now_us, void *arg)
{
	struct echo_media *media = arg;
	struct cf_rtp_packet rtp;
	uint8_t out[CF_PEER_PACKET_MAX];
	int len;

	if (cf_rtp_packet_parse(&rtp, packet, n) < 0)
		return;
	if (!media->source.started || media->source.ssrc != rtp.ssrc)
		cf_rtp_source_init(&media->source, rtp.ssrc, 48000);
	cf_rtp_source_update(&media->source, rtp.seq, rtp.ts, rtp.payload.len, now_us);
	if (!media->session.agreed.send)
		return;
	media->sender.next_seq = rtp.seq;
	cf_rtp_sender_next(&media->sender, rtp.ts, rtp.payload.len, now_us);
	rtp.ssrc = media->sender.ssrc;
	rtp.padding = 0;
	rtp.csrcs.len = 0;
	len = cf_rtp_packet_write(out, sizeof(out) - 64, &rtp, NULL, 0);
	if (len > 0)
		(void)!cf_peer_send_rtp(media->peer, out, (size_t)len, sizeof(out));
}

static void on_rtcp(uint8_t *packet, size_t n, uint64_t now_us, void *arg)
{
	struct echo_media *media = arg;
	struct cf_rtcp_block block;
	struct cf_rtcp_item item;
	struct cf_rtcp_iter it;

	if (cf_rtcp_check(packet, n) < 0)
		return;
	cf_rtcp_iter_init(&it, packet, n);
	while (cf_rtcp_iter_next(&it, &item) > 0) {
		if (item.kind == CF_RTCP_SR && item.ssrc == media->source.ssrc)
			cf_rtp_source_sr(&media->source, &item.info, now_us);
		for (size_t i = 0; cf_rtcp_item_block(&item, i, &block); i++)
			cf_rtp_sender_report(&media->sender, &block, now_us);
	}
}

static void free_candidates(struct echo_media *media)
{
	for (size_t i = 0; i < media->n_candidates; i++)
		cf_free((void *)(uintptr_t)media->candidates[i].p);
	media->n_candidates = 0;
}

/* At the end of the turn in which the peer was made: its host candidates are there. */
static void describe(void *arg)
{
	struct echo_media *media = arg;
	CF_AUTOFREE char *answer = cf_session_describe(&media->session, media->peer, true,
		CF_SDP_SENDRECV, media->candidates, media->n_candidates);

	free_candidates(media);
	media->described = true;
	if (!answer || cf_session_apply(&media->session, media->peer) < 0) {
		tell_control(media, tell_described, NULL, false);
		return;
	}
	cf_rtp_sender_init(&media->sender, media->session.ssrc, 48000, 0);
	tell_control(media, tell_described, answer, false);
}

static void do_start(struct echo_media *media, char *offer, bool flag)
{
	struct cf_peer_options options = {.loop = media->loop,
		.no_tcp = true,
		.hosts = media->env->hosts,
		.n_hosts = media->env->n_hosts,
		.mapped = media->env->mapped,
		.port_min = media->env->port_min,
		.port_max = media->env->port_max,
		.identity = media->env->identity,
		.pool = media->env->pool,
		.callbacks = {.candidate = on_candidate,
			.gathered = on_gathered,
			.state = on_state,
			.path = on_path,
			.rtp = on_rtp,
			.rtcp = on_rtcp},
		.arg = media};

	(void)flag;
	cf_session_init(&media->session, media->env->identity);
	media->peer = cf_peer_new(&options);
	if (!media->peer && options.hosts) {
		/* Public addresses that are a NAT's, not this machine's. */
		options.hosts = NULL;
		media->peer = cf_peer_new(&options);
	}
	if (!media->peer || cf_session_take_remote(&media->session, offer, false) < 0) {
		tell_control(media, tell_described, NULL, false);
		return;
	}
	cf_peer_servers_done(media->peer);
	(void)!cf_timer_after(&media->limit, media->loop, CF_ECHO_CALL_MAX_US, on_limit, media);
	cf_defer_set(&media->defer, media->loop, describe, media);
}

static void do_candidate(struct echo_media *media, char *text, bool flag)
{
	(void)flag;
	if (media->peer)
		cf_peer_add_remote_candidate(
			media->peer, text ? text : "", text ? strlen(text) : 0);
}

static void do_offer(struct echo_media *media, char *offer, bool flag)
{
	CF_AUTOFREE char *answer = NULL;

	(void)flag;
	if (!media->peer)
		return;
	if (cf_session_take_remote(&media->session, offer, false) == 0)
		answer = cf_session_describe(
			&media->session, media->peer, true, CF_SDP_SENDRECV, NULL, 0);
	if (answer && cf_session_apply(&media->session, media->peer) < 0)
		answer = cf_free(answer);
	tell_control(media, tell_reoffered, answer, false);
}

static void do_end(struct echo_media *media, char *text, bool flag)
{
	(void)text;
	(void)flag;
	cf_timer_stop(&media->report);
	cf_timer_stop(&media->limit);
	cf_defer_cancel(&media->defer);
	media->peer = cf_peer_free(media->peer);
	cf_session_done(&media->session);
	free_candidates(media);
	/* Behind all that this half has said. */
	tell_control(media, last_words, NULL, false);
}

/* From the control loop */

struct echo_media *echo_media_start(
	const struct echo_media_env *env, struct cf_loop *worker, const char *id, const char *offer)
{
	struct echo_media *media = cf_alloc(sizeof(*media));

	if (!media)
		return NULL;
	media->env = env;
	media->loop = worker;
	snprintf(media->id, sizeof(media->id), "%s", id);
	if (post(worker, media, do_start, offer, false) < 0)
		return cf_free(media);
	return media;
}

void echo_media_candidate(struct echo_media *media, const char *candidate)
{
	(void)!post(media->loop, media, do_candidate, candidate, false);
}

void echo_media_offer(struct echo_media *media, const char *offer)
{
	(void)!post(media->loop, media, do_offer, offer, false);
}

void echo_media_end(struct echo_media *media)
{
	media->over = true;
	(void)!post(media->loop, media, do_end, NULL, false);
}

static void nothing(void *arg)
{
	(void)arg;
}

void echo_media_settle(struct cf_loop *worker)
{
	(void)!cf_loop_post_wait(worker, nothing, NULL);
}
