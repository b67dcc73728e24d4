/* SPDX-License-Identifier: Apache-2.0 */
/* Descriptions and candidates of a call, and the peer that they are about. */
#include "base/clock.h"
#include "base/mem.h"
#include "client/client_priv.h"

#include <stdio.h>
#include <string.h>

#define WHY_MAX 1024
#define GOODBYE_WAIT_US (2 * CF_US_PER_S)
/* A path that is silent: ICE looks for others among what it knows; behind this time from scratch.
 */
#define RESTART_AFTER_US (1500 * CF_US_PER_MS)
#define RESTART_AGAIN_US (5 * CF_US_PER_S)
/* Candidates of the other side that wait for our peer. */
#define EARLY_MAX 64

static void on_candidate(const char *text, void *arg)
{
	struct client_call *call = arg;

	json_array_append_new(call->candidates, json_string(text));
	if (call->described)
		client_send_candidates(call);
}

static void on_gathered(void *arg)
{
	struct client_call *call = arg;

	call->gathered = true;
	if (!call->gathered_us)
		call->gathered_us = cf_loop_now_us(call->client->loop);
	if (call->described)
		client_send_candidates(call);
}

/* Media */

static void send_rtp(uint8_t *packet, size_t n, size_t cap, void *arg)
{
	struct client_call *call = arg;

	(void)!cf_peer_send_rtp(call->peer, packet, n, cap);
}

static void send_rtcp(uint8_t *packet, size_t n, size_t cap, void *arg)
{
	struct client_call *call = arg;

	(void)!cf_peer_send_rtcp(call->peer, packet, n, cap);
}

static void on_digit(char key, void *arg)
{
	struct client_call *call = arg;
	struct callflow_event event = {.type = CALLFLOW_DTMF, .digit = key};

	client_emit(call->client, call, &event);
}

static void on_input_ended(void *arg)
{
	struct client_call *call = arg;
	struct callflow_event event = {.type = CALLFLOW_INPUT_ENDED};

	client_emit(call->client, call, &event);
}

/* Video as agreed on, first or anew. */
static void agree_video(struct client_call *call)
{
	static const struct cf_video_callbacks callbacks = {.rtp = send_rtp, .rtcp = send_rtcp};

	if (!call->video || !call->audio_started || !cf_session_has_audio(&call->session))
		return;
	if (cf_video_agree(call->video, call->client->loop, &call->session.agreed,
		    &call->session.video, call->session.cname, &callbacks, call) < 0)
		client_call_end(call, 500, 0, "no memory for the call's video", true);
}

static void start_media(struct client_call *call)
{
	static const struct cf_audio_callbacks callbacks = {.rtp = send_rtp,
		.rtcp = send_rtcp,
		.digit = on_digit,
		.input_ended = on_input_ended};

	/* A renegotiation that came meanwhile may have left us without audio. */
	if (call->audio_started || !cf_session_has_audio(&call->session))
		return;
	if (cf_audio_start(call->audio, call->client->loop, &call->session.agreed,
		    call->session.ssrc, call->session.cname, &callbacks, call) < 0) {
		client_call_end(call, 500, 0, "no memory for the call's audio", true);
		return;
	}
	call->audio_started = true;
	agree_video(call);
}

static void on_rtp(uint8_t *packet, size_t n, uint64_t now_us, void *arg)
{
	struct client_call *call = arg;

	if (!call->first_rtp_us)
		call->first_rtp_us = now_us;
	/* The other side may be connected a moment before us: its first words count. */
	if (!call->audio_started && call->state == CALL_CONNECTING)
		start_media(call);
	if (call->audio_started && cf_video_takes(call->video, packet, n))
		cf_video_rtp(call->video, packet, n, now_us);
	else if (call->audio_started)
		cf_audio_rtp(call->audio, packet, n, now_us);
}

static void on_rtcp(uint8_t *packet, size_t n, uint64_t now_us, void *arg)
{
	struct client_call *call = arg;

	if (!call->audio_started)
		return;
	cf_audio_rtcp(call->audio, packet, n, now_us);
	cf_video_rtcp(call->video, packet, n, now_us);
}

/* The path */

#define GROUP_WHY "in a group call everybody talks to the media processor; "

/* Texts of an event's path, for as long as the event lives. */
struct path_texts {
	char local[CF_ADDR_TEXT_MAX];
	char remote[CF_ADDR_TEXT_MAX];
	char why[WHY_MAX];
};

static void fill_end(
	struct callflow_path_end *end, const struct cf_ice_candidate *candidate, char *text)
{
	end->type = cf_ice_type_name(candidate->type);
	end->address = cf_addr_ip_text(&candidate->addr, text);
	end->port = candidate->addr.port;
}

static void fill_path(const struct client_call *call, const struct cf_ice_path *from,
	struct callflow_path *path, struct path_texts *texts)
{
	static const enum callflow_path_kind kinds[] = {
		[CF_ICE_PATH_DIRECT] = CALLFLOW_PATH_DIRECT,
		[CF_ICE_PATH_REFLEXIVE] = CALLFLOW_PATH_REFLEXIVE,
		[CF_ICE_PATH_RELAYED] = CALLFLOW_PATH_RELAYED,
	};
	size_t n;

	path->kind = call->group ? CALLFLOW_PATH_MEDIA_PROCESSOR : kinds[from->kind];
	path->transport = cf_ice_via_name(from->via);
	path->relays = (int)from->relays;
	fill_end(&path->local, &from->local, texts->local);
	fill_end(&path->remote, &from->remote, texts->remote);
	snprintf(texts->why, sizeof(texts->why), "%s", call->group ? GROUP_WHY : "");
	n = strlen(texts->why);
	cf_peer_why(call->peer, texts->why + n, sizeof(texts->why) - n);
	path->why = texts->why;
}

static void emit_path(struct client_call *call, enum callflow_event_type type,
	const struct cf_ice_path *from, const char *cause, uint32_t gap_ms)
{
	uint64_t connected_us = cf_peer_connected_us(call->peer);
	struct callflow_path path;
	struct path_texts texts;
	struct callflow_event event = {
		.type = type, .path = &path, .cause = cause, .gap_ms = gap_ms};

	fill_path(call, from, &path, &texts);
	event.setup_ms = (uint32_t)((connected_us - call->placed_us) / CF_US_PER_MS);
	event.ice_ms = (uint32_t)((connected_us - cf_peer_checking_us(call->peer)) / CF_US_PER_MS);
	client_emit(call->client, call, &event);
}

static void on_connected(struct client_call *call)
{
	struct cf_ice_path path;

	if (call->state != CALL_CONNECTING || !cf_peer_path(call->peer, &path))
		return;
	call->state = CALL_CONNECTED;
	call->connected_once = true;
	cf_timer_stop(&call->timer);
	emit_path(call, CALLFLOW_CONNECTED, &path, NULL, 0);
	if (call->state != CALL_CONNECTED)
		return; /* the application hung up from inside the event */
	start_media(call);
	client_report(call, "connected");
}

static void on_path(
	const struct cf_ice_path *path, enum cf_peer_cause cause, uint32_t gap_ms, void *arg)
{
	struct client_call *call = arg;
	const char *name = cf_peer_cause_name(cause);

	if (call->state != CALL_CONNECTED)
		return;
	cf_video_new_path(call->video);
	emit_path(call, CALLFLOW_PATH, path, name, gap_ms);
	/* The first one is in the report on connecting. */
	if (call->state == CALL_CONNECTED && cause != CF_PEER_CAUSE_FIRST)
		client_report_path(call, name, gap_ms);
}

/* The path went silent: this machine's connection to the service may have gone with it. */
static void on_doubt(void *arg)
{
	struct client_call *call = arg;

	client_doubt(call->client);
}

static void on_answer_due(struct cf_timer *timer, void *arg)
{
	struct client_call *call = arg;

	(void)timer;
	client_doubt(call->client);
}

/* The callee has accepted: if the service's word of it does not come too, it was lost. */
static void on_awaited(void *arg)
{
	struct client_call *call = arg;

	if (call->state == CALL_PLACED || call->state == CALL_RINGING_OUT)
		(void)!cf_timer_after(&call->timer, call->client->loop,
			client_answer_due_us(call->client), on_answer_due, call);
}

static void on_restart_due(struct cf_timer *timer, void *arg)
{
	struct client_call *call = arg;

	client_call_restart(call);
	(void)!cf_timer_after(timer, call->client->loop, RESTART_AGAIN_US, on_restart_due, call);
}

static void on_disconnected(struct client_call *call)
{
	struct callflow_event event = {.type = CALLFLOW_RECONNECTING};

	if (call->state != CALL_CONNECTED || call->reconnecting)
		return;
	call->reconnecting = true;
	(void)!cf_timer_after(
		&call->restart, call->client->loop, RESTART_AFTER_US, on_restart_due, call);
	client_report(call, "disconnected");
	client_emit(call->client, call, &event);
}

static void on_reconnected(struct client_call *call)
{
	struct cf_ice_path path;

	call->reconnecting = false;
	call->rejoins = 0;
	cf_timer_stop(&call->restart);
	if (call->state == CALL_CONNECTING) {
		call->state = CALL_CONNECTED;
		cf_timer_stop(&call->timer);
		client_report(call, "connected");
	}
	if (cf_peer_path(call->peer, &path))
		emit_path(call, CALLFLOW_RECONNECTED, &path, NULL, 0);
}

static void on_failed(struct client_call *call)
{
	client_call_no_path(
		call, call->connected_once ? "the media path was lost" : "no media path");
}

static void on_goodbye_timeout(struct cf_timer *timer, void *arg)
{
	(void)timer;
	client_call_end(arg, 0, 0, "the other side hung up", true);
}

/* The service says so too, with code and reason, unless it is away just now. */
static void on_closed(struct client_call *call)
{
	/* Who has moved to another connection is not gone. */
	if (call->state == CALL_CONNECTED && !call->move)
		(void)!cf_timer_after(&call->timer, call->client->loop, GOODBYE_WAIT_US,
			on_goodbye_timeout, call);
}

static void on_peer_state(enum cf_peer_state state, void *arg)
{
	struct client_call *call = arg;

	if (state == CF_PEER_CONNECTED && call->reconnecting)
		on_reconnected(call);
	else if (state == CF_PEER_CONNECTED)
		on_connected(call);
	else if (state == CF_PEER_DISCONNECTED)
		on_disconnected(call);
	else if (state == CF_PEER_CLOSED)
		on_closed(call);
	else if (state == CF_PEER_FAILED)
		on_failed(call);
}

/* Servers: [{"urls": [...], "username", "credential"}] */

void client_add_servers(struct cf_peer *peer, const json_t *ice_servers, bool stun_only)
{
	struct cf_peer_server servers[CF_PEER_SERVERS_MAX];
	const json_t *entry, *url;
	size_t i, k, n = 0;

	json_array_foreach(ice_servers, i, entry)
	{
		json_array_foreach(json_object_get(entry, "urls"), k, url)
		{
			const char *text = json_string_value(url);

			if (!text || n == CF_PEER_SERVERS_MAX ||
				(stun_only && strncmp(text, "stun:", 5) != 0))
				continue;
			servers[n++] = (struct cf_peer_server){.url = text,
				.username = json_string_value(json_object_get(entry, "username")),
				.credential =
					json_string_value(json_object_get(entry, "credential"))};
		}
	}
	cf_peer_add_servers(peer, servers, n);
}

struct cf_peer *client_peer_new(
	struct client_call *call, const struct cf_peer_callbacks *callbacks, void *arg)
{
	struct callflow_client *client = call->client;
	struct cf_peer_options options = {.loop = client->loop,
		.controlling = call->move ? call->move->controlling : call->outgoing,
		.policy = call->policy,
		.loopback = client->loopback,
		.identity = client->identity,
		.tls = client->tls,
		.pool = client->pool,
		.callbacks = *callbacks,
		.arg = arg};

	return cf_peer_new(&options);
}

static const struct cf_peer_callbacks callbacks = {.candidate = on_candidate,
	.gathered = on_gathered,
	.state = on_peer_state,
	.path = on_path,
	.doubt = on_doubt,
	.awaited = on_awaited,
	.rtp = on_rtp,
	.rtcp = on_rtcp};

int client_make_peer(struct client_call *call)
{
	call->peer = client_peer_new(call, &callbacks, call);
	return call->peer ? 0 : CF_EUNREACH;
}

void client_take_connection(struct client_call *call, struct cf_peer *peer,
	struct cf_session *session, const char *cause)
{
	struct cf_ice_path path;

	cf_peer_free(call->peer);
	cf_session_done(&call->session);
	call->peer = peer;
	call->session = *session;
	cf_peer_set_callbacks(peer, &callbacks, call);
	client_forget_candidates(call);
	call->gathered = call->end_sent = true;
	call->offer = OFFER_NONE;
	call->reconnecting = false;
	cf_timer_stop(&call->restart);
	cf_timer_stop(&call->timer);
	if (cf_audio_move(call->audio, &session->agreed, session->ssrc) < 0) {
		client_call_end(call, 500, 0, "no memory for the call's audio", true);
		return;
	}
	cf_video_renew(call->video);
	agree_video(call);
	if (call->state == CALL_CONNECTED && cf_peer_path(peer, &path)) {
		emit_path(call, CALLFLOW_PATH, &path, cause, 0);
		client_report_path(call, cause, 0);
	}
}

/* Descriptions */

char *client_describe(struct client_call *call, bool answer)
{
	struct cf_view candidates[CF_SDP_CANDIDATES_MAX];
	const json_t *text;
	size_t i, n = 0;
	char *sdp;

	json_array_foreach(call->candidates, i, text) if (n < CF_SDP_CANDIDATES_MAX)
		candidates[n++] = cf_view_str(json_string_value(text));
	sdp = cf_session_describe(&call->session, call->peer, answer,
		call->hold ? CF_SDP_INACTIVE : CF_SDP_SENDRECV, candidates, n);
	if (sdp)
		json_array_clear(call->candidates);
	return sdp;
}

static void apply_direction(struct client_call *call)
{
	struct callflow_event event = {
		.type = CALLFLOW_HOLD, .on = call->session.agreed.remote_hold};

	if (call->audio_started)
		cf_audio_set_direction(
			call->audio, call->session.agreed.send, call->session.agreed.recv);
	agree_video(call);
	if (call->state == CALL_ENDED)
		return;
	/* What our own hold makes of the other side's direction is not a hold of theirs. */
	if (call->hold || call->remote_hold == call->session.agreed.remote_hold)
		return;
	call->remote_hold = call->session.agreed.remote_hold;
	if (call->state == CALL_CONNECTED)
		client_emit(call->client, call, &event);
}

int client_apply(struct client_call *call)
{
	int err = cf_session_apply(&call->session, call->peer);

	if (!err)
		apply_direction(call);
	return err;
}

/* Trickle */

void client_take_candidates(struct client_call *call, const json_t *candidates, bool end)
{
	const json_t *entry;
	size_t i;

	if (!call->peer) {
		json_array_foreach(
			candidates, i, entry) if (json_array_size(call->early) < EARLY_MAX)
			json_array_append(call->early, (json_t *)(uintptr_t)entry);
		if (end && json_array_size(call->early) < EARLY_MAX + 1)
			json_array_append_new(call->early, json_null());
		return;
	}
	json_array_foreach(candidates, i, entry)
	{
		const char *text = json_string_value(json_object_get(entry, "candidate"));

		if (json_is_null(entry))
			cf_peer_end_of_remote_candidates(call->peer);
		else if (text)
			cf_peer_add_remote_candidate(call->peer, text, strlen(text));
	}
	if (end)
		cf_peer_end_of_remote_candidates(call->peer);
}

static void on_candidates_sent(const struct cf_http_response *response, void *arg)
{
	struct client_call *call = arg;

	call->sending = false;
	if (response->err) {
		/* Nobody has them: they go again, before those that came meanwhile. */
		json_array_extend(call->sent, call->candidates);
		cf_json_free(call->candidates);
		call->candidates = call->sent;
		call->sent = json_array();
		call->end_sent = false;
	}
	json_array_clear(call->sent);
	if (call->state != CALL_ENDED)
		client_send_candidates(call);
	client_call_settled(call);
}

static json_t *candidate_list(const struct client_call *call)
{
	bool agreed = cf_session_has_audio(&call->session);
	const struct cf_view mid = agreed ? call->session.agreed.transport->mid : cf_view_str("0");
	int index = agreed ? (int)call->session.agreed.transport_index : 0;
	json_t *list = json_array();
	const json_t *text;
	size_t i;

	json_array_foreach(call->sent, i, text) json_array_append_new(
		list, json_pack("{s:s, s:s%, s:i}", "candidate", json_string_value(text), "sdpMid",
			      (const char *)mid.p, mid.len, "sdpMLineIndex", index));
	return list;
}

static void flush_candidates(void *arg)
{
	struct client_call *call = arg;
	json_t *none = call->sent;

	if (!call->id[0] || call->sending || call->describing || call->state == CALL_ENDED)
		return;
	if (json_array_size(call->candidates) == 0 && (call->end_sent || !call->gathered))
		return;
	call->sent = call->candidates;
	call->candidates = none;
	call->end_sent = call->gathered;
	call->sending = client_call_request(call, "candidates",
				json_pack("{s:o, s:b}", "candidates", candidate_list(call),
					"endOfCandidates", call->gathered),
				on_candidates_sent) == 0;
}

void client_forget_candidates(struct client_call *call)
{
	json_array_clear(call->candidates);
	json_array_clear(call->sent);
	call->gathered = false;
	call->end_sent = false;
}

void client_send_candidates(struct client_call *call)
{
	/* At the end of the turn: several candidates of one turn go in one request. */
	cf_defer_set(&call->defer, call->client->loop, flush_candidates, call);
}
