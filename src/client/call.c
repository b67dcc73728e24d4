/* SPDX-License-Identifier: Apache-2.0 */
/* One call from placing or ringing to its end. */
#include "base/clock.h"
#include "base/mem.h"
#include "client/client_priv.h"

#include <stdio.h>
#include <string.h>

/* The service takes reasons below so many bytes; ours are ASCII. */
#define REASON_MAX 256
#define REJOINS_MAX 5
/* From accepting to media: ICE itself gives up earlier, this is for a DTLS that hangs. */
#define CONNECT_TIMEOUT_US (25 * CF_US_PER_S)
/* The service holds an offer open for so long. */
#define OFFER_US (10 * CF_US_PER_S)

struct client_call *client_call_new(
	struct callflow_client *client, bool outgoing, const char *peer_id)
{
	struct client_call *call;

	if (client->n_calls >= CF_CLIENT_CALLS_MAX)
		return NULL;
	call = cf_alloc(sizeof(*call));
	if (!call)
		return NULL;
	call->client = client;
	call->outgoing = outgoing;
	call->state = outgoing ? CALL_PLACED : CALL_RINGING_IN;
	call->remote_id = cf_strdup(peer_id);
	call->candidates = json_array();
	call->early = json_array();
	call->sent = json_array();
	cf_session_init(&call->session, client->identity);
	call->placed_us = cf_loop_now_us(client->loop);
	if (!call->remote_id || !call->candidates || !call->sent || !call->early) {
		client_call_free(call);
		return NULL;
	}
	cf_list_push(&client->calls, &call->link);
	client->n_calls++;
	return call;
}

struct client_call *client_call_free(struct client_call *call)
{
	if (call->link.next)
		call->client->n_calls--;
	cf_list_remove(&call->link);
	cf_defer_cancel(&call->defer);
	cf_timer_stop(&call->timer);
	cf_timer_stop(&call->restart);
	client_move_stop(call);
	cf_peer_free(call->peer);
	cf_audio_free(call->audio);
	cf_video_free(call->video);
	cf_session_done(&call->session);
	cf_json_free(call->candidates);
	cf_json_free(call->sent);
	cf_json_free(call->early);
	cf_json_free(call->ice_servers);
	cf_json_free(call->targets);
	cf_free(call->remote_id);
	cf_free(call->remote_name);
	return cf_free(call);
}

static void free_ended(void *arg)
{
	struct client_call *call = arg;

	if (call->pending == 0)
		client_call_free(call);
}

void client_call_settled(struct client_call *call)
{
	call->pending--;
	if (call->state == CALL_ENDED && call->pending == 0)
		cf_defer_set(&call->defer, call->client->loop, free_ended, call);
}

/* Ending */

static void tell_hangup(struct client_call *call, int code, int subcode, const char *reason)
{
	char text[REASON_MAX];

	snprintf(text, sizeof(text), "%s", reason);
	client_call_request(call, "hangup",
		json_pack("{s:i, s:i, s:s, s:b}", "code", code, "subcode", subcode, "reason", text,
			"forEveryone", call->for_everyone),
		NULL);
}

void client_call_end(
	struct client_call *call, int code, int subcode, const char *reason, bool tell_service)
{
	struct callflow_stats stats = {0};
	struct callflow_event event = {.type = CALLFLOW_ENDED,
		.code = code,
		.subcode = subcode,
		.reason = reason,
		.stats = &stats,
		.completed = call->connected_once && code == 0};

	if (call->state == CALL_ENDED)
		return;
	client_report(call, "ended");
	if (tell_service && call->id[0])
		tell_hangup(call, code, subcode, reason);
	call->hangup_due = tell_service && !call->id[0] && call->pending > 0;
	call->state = CALL_ENDED;
	if (call->audio)
		cf_audio_stats(call->audio, call->placed_us, &stats);
	cf_video_stats(call->video, call->placed_us, &stats);
	cf_timer_stop(&call->timer);
	cf_timer_stop(&call->restart);
	cf_defer_cancel(&call->defer);
	/* The output files are whole when the event comes. */
	call->audio = cf_audio_free(call->audio);
	call->video = cf_video_free(call->video);
	client_move_stop(call);
	call->peer = cf_peer_free(call->peer);
	client_emit(call->client, call, &event);
	cf_defer_set(&call->defer, call->client->loop, free_ended, call);
}

static bool has_relay(const struct client_call *call)
{
	struct cf_peer_server_info info;

	for (size_t i = 0; cf_peer_server(call->peer, i, &info); i++)
		if (info.turn)
			return true;
	return false;
}

/* What the path lacked, in a few words: the media processor takes UDP only, and nothing but the
 * relay makes UDP of TCP. "": there is no more to say than the pairs do. */
static const char *lack(const struct client_call *call)
{
	if (call->connected_once)
		return "";
	if (call->relay_refused)
		return "relay budget used up, ";
	if (!call->group)
		return "";
	return has_relay(call) ? "UDP to the media processor is blocked and the relay cannot be "
				 "reached, "
			       : "UDP to the media processor is blocked and the relay is "
				 "disabled, ";
}

void client_call_no_path(struct client_call *call, const char *what)
{
	bool refused = call->relay_refused && !call->connected_once;
	char why[1024], reason[1280];

	cf_peer_why(call->peer, why, sizeof(why));
	snprintf(reason, sizeof(reason), "%s%s: %s", lack(call), what, why);
	if (refused)
		client_call_end(call, 403, 301006, reason, true);
	else
		client_call_end(call, 410, call->connected_once ? 301005 : 301004, reason, true);
}

static void on_connect_timeout(struct cf_timer *timer, void *arg)
{
	(void)timer;
	client_call_no_path(arg, "no media in time");
}

static void enter_connecting(struct client_call *call)
{
	struct callflow_event event = {.type = CALLFLOW_CONNECTING};

	call->state = CALL_CONNECTING;
	(void)!cf_timer_after(
		&call->timer, call->client->loop, CONNECT_TIMEOUT_US, on_connect_timeout, call);
	client_emit(call->client, call, &event);
}

/* Placing */

static const char *transport_name(enum cf_ice_policy policy)
{
	return policy == CF_ICE_POLICY_RELAY    ? "relay"
	       : policy == CF_ICE_POLICY_DIRECT ? "direct"
						: "all";
}

/* Whom a group was started with has been called: from now on it has a name. */
static void name_group(struct client_call *call)
{
	char *group_id = call->targets ? cf_strdup(call->id) : NULL;

	if (!group_id)
		return;
	cf_free(call->remote_id);
	call->remote_id = group_id;
	cf_json_free(call->targets);
	call->targets = NULL;
}

static int take_call_id(struct client_call *call, const struct cf_http_response *response)
{
	CF_JSON_AUTOFREE json_t *body = NULL;
	const char *id;

	if (response->err || response->status != 201 ||
		cf_json_parse(&body, response->body.p, response->body.len, NULL) < 0)
		return CF_EBADMSG;
	id = json_string_value(json_object_get(body, "callId"));
	if (!id || strlen(id) >= sizeof(call->id))
		return CF_EBADMSG;
	snprintf(call->id, sizeof(call->id), "%s", id);
	name_group(call);
	call->relay_refused = json_is_object(json_object_get(body, "relayRefused"));
	cf_json_free(call->ice_servers);
	call->ice_servers = json_incref(json_object_get(body, "iceServers"));
	if (call->peer) {
		client_add_servers(call->peer, call->ice_servers, false);
		cf_peer_servers_done(call->peer);
	}
	return 0;
}

static void on_placed(const struct cf_http_response *response, void *arg)
{
	struct client_call *call = arg;
	struct callflow_event event = {.type = CALLFLOW_RINGING};
	char text[256];

	if (take_call_id(call, response) < 0) {
		client_response_text(response, text, sizeof(text));
		client_call_end(call, response->status ? response->status : 480, 0, text, false);
	} else if (call->state == CALL_ENDED) {
		if (call->hangup_due)
			tell_hangup(call, 487, 0, "the caller cancelled");
	} else if (call->state == CALL_PLACED) {
		call->state = CALL_RINGING_OUT;
		if (!call->group)
			client_emit(call->client, call, &event);
		if (call->state == CALL_RINGING_OUT)
			client_send_candidates(call);
		client_replay_events(call);
	}
	client_call_settled(call);
}

static void send_offer(void *arg)
{
	struct client_call *call = arg;
	struct callflow_client *client = call->client;
	CF_AUTOFREE char *sdp = NULL;
	json_t *body;

	if (call->state != CALL_PLACED || call->described || !client->endpoint_id[0])
		return;
	client_add_servers(call->peer, client->ice_servers, true);
	sdp = client_describe(call, false);
	if (!sdp) {
		client_call_end(call, 500, 0, "no description of the call can be made", false);
		return;
	}
	call->described = true;
	body = json_pack("{s:s, s:s, s:s}", "endpointId", client->endpoint_id, "sdp", sdp,
		"iceTransport", transport_name(call->policy));
	if (call->targets)
		json_object_set(body, "targets", call->targets);
	else if (call->group)
		json_object_set_new(body, "groupId", json_string(call->remote_id));
	else
		json_object_set_new(
			body, "targets", json_pack("[{s:s}]", "rawId", call->remote_id));
	if (!body ||
		client_request(client, "POST", CF_CLIENT_API "/calls", body, on_placed, call) < 0)
		client_call_end(call, 500, 0, "the call cannot be placed", false);
	else
		call->pending++;
}

void client_call_proceed(struct client_call *call)
{
	/* At the end of the turn: the host candidates of a new peer come with the offer. */
	if (call->state == CALL_PLACED && call->peer && !call->described)
		cf_defer_set(&call->defer, call->client->loop, send_offer, call);
}

void client_call_place(struct client_call *call)
{
	if (client_make_peer(call) < 0)
		client_call_end(
			call, 410, 301004, "this machine has no usable network address", false);
	else
		client_call_proceed(call);
}

/* Joining a group again */

bool client_call_rejoin(struct client_call *call)
{
	struct callflow_event event = {.type = CALLFLOW_RECONNECTING};
	bool told = call->reconnecting;

	if (!call->connected_once || call->rejoins++ == REJOINS_MAX)
		return false;
	call->reconnecting = true;
	cf_timer_stop(&call->timer);
	cf_timer_stop(&call->restart);
	client_move_stop(call);
	call->peer = cf_peer_free(call->peer);
	cf_session_renew(&call->session);
	client_forget_candidates(call);
	call->offer = OFFER_NONE;
	call->described = false;
	call->id[0] = '\0';
	call->state = CALL_PLACED;
	if (!told)
		client_emit(call->client, call, &event);
	if (call->state == CALL_PLACED)
		client_call_place(call);
	return true;
}

/* Accepting */

static void on_accepted(const struct cf_http_response *response, void *arg)
{
	struct client_call *call = arg;
	char text[256];

	if (call->state != CALL_ENDED && (response->err || response->status != 200)) {
		client_response_text(response, text, sizeof(text));
		client_call_end(call, response->status ? response->status : 480, 0, text, false);
	}
	client_call_settled(call);
}

static void send_answer(void *arg)
{
	struct client_call *call = arg;
	CF_AUTOFREE char *sdp = NULL;
	json_t *early;

	if (call->state != CALL_CONNECTING || call->described)
		return;
	sdp = client_describe(call, true);
	if (!sdp || client_apply(call) < 0) {
		client_call_end(
			call, 488, 0, cf_sdp_refusal_text(call->session.agreed.refusal), true);
		return;
	}
	call->described = true;
	if (client_call_request(call, "accept", json_pack("{s:s}", "sdp", sdp), on_accepted) < 0) {
		client_call_end(call, 500, 0, "the call cannot be accepted", true);
		return;
	}
	early = call->early;
	call->early = json_array();
	client_take_candidates(call, early, false);
	cf_json_free(early);
	client_send_candidates(call);
}

/* Who is called into a group offers to its media processor. */
static void send_offer_to_group(void *arg)
{
	struct client_call *call = arg;
	CF_AUTOFREE char *sdp = NULL;

	if (call->state != CALL_RINGING_OUT || call->described)
		return;
	sdp = client_describe(call, false);
	if (!sdp || client_call_request(
			    call, "accept", json_pack("{s:s}", "sdp", sdp), on_accepted) < 0) {
		client_call_end(call, 500, 0, "the call cannot be accepted", true);
		return;
	}
	call->described = true;
}

int client_call_accept(struct client_call *call)
{
	int err;

	if (call->state != CALL_RINGING_IN)
		return CF_ESTATE;
	call->placed_us = cf_loop_now_us(call->client->loop);
	err = client_make_peer(call);
	if (err)
		return err;
	client_add_servers(call->peer, call->ice_servers, false);
	cf_peer_servers_done(call->peer);
	/* At the end of the turn: our host candidates go with the description. */
	if (call->invited) {
		call->state = CALL_RINGING_OUT;
		cf_defer_set(&call->defer, call->client->loop, send_offer_to_group, call);
		return 0;
	}
	enter_connecting(call);
	cf_defer_set(&call->defer, call->client->loop, send_answer, call);
	return 0;
}

static void end_as_senseless(struct client_call *call, int err)
{
	char reason[128];

	snprintf(reason, sizeof(reason), "the other side's answer makes no sense: %s",
		cf_err_text(err));
	client_call_end(call, 488, 0, reason, true);
}

void client_call_answered(struct client_call *call, const char *sdp)
{
	int err;

	if (call->state != CALL_RINGING_OUT && call->state != CALL_PLACED)
		return;
	enter_connecting(call);
	if (call->state != CALL_CONNECTING)
		return;
	err = cf_session_take_remote(&call->session, sdp, true);
	if (!err)
		err = client_apply(call);
	if (err == CF_ENOTSUP)
		client_call_end(
			call, 488, 0, cf_sdp_refusal_text(call->session.agreed.refusal), true);
	else if (err)
		end_as_senseless(call, err);
}

/* Hold, and ICE restarts: offers of ours */

static bool is_offering(const struct client_call *call)
{
	return call->offer != OFFER_NONE &&
	       cf_loop_now_us(call->client->loop) - call->offer_us < OFFER_US;
}

static void on_offered(const struct cf_http_response *response, void *arg)
{
	struct client_call *call = arg;

	call->describing = false;
	/* Glare: the other side's offer comes by event, ours is void, and what it asked for too. */
	if (response->err || response->status >= 300) {
		if (call->offer == OFFER_HOLD)
			call->hold = !call->hold;
		call->offer = OFFER_NONE;
	}
	if (call->state != CALL_ENDED)
		client_send_candidates(call);
	client_call_settled(call);
}

static int send_reoffer(struct client_call *call, enum client_offer offer)
{
	CF_AUTOFREE char *sdp = client_describe(call, false);
	int err;

	if (!sdp)
		return CF_ENOMEM;
	err = client_call_request(call, "renegotiate",
		json_pack("{s:s, s:s}", "sdp", sdp, "type", "offer"), on_offered);
	if (err)
		return err;
	call->offer = offer;
	call->offer_us = cf_loop_now_us(call->client->loop);
	call->describing = true;
	return 0;
}

int client_call_hold(struct client_call *call, bool on)
{
	int err;

	if (call->state != CALL_CONNECTED || is_offering(call))
		return CF_ESTATE;
	if (call->hold == on)
		return 0;
	call->hold = on;
	err = send_reoffer(call, OFFER_HOLD);
	if (err)
		call->hold = !on;
	return err;
}

void client_call_restart(struct client_call *call)
{
	if (call->state != CALL_CONNECTED || is_offering(call))
		return;
	cf_peer_restart(call->peer);
	client_forget_candidates(call);
	(void)send_reoffer(call, OFFER_RESTART);
}

/* What we may have missed */

static void on_looked(const struct cf_http_response *response, void *arg)
{
	struct client_call *call = arg;
	CF_JSON_AUTOFREE json_t *body = NULL;
	const json_t *end;
	const char *reason;

	if (response->status == 404)
		client_call_end(
			call, 410, 3101, "the service does not know the call any more", false);
	else if (!response->err && response->status == 200 &&
		 cf_json_parse(&body, response->body.p, response->body.len, NULL) == 0 &&
		 json_is_object(end = json_object_get(body, "end"))) {
		reason = json_string_value(json_object_get(end, "reason"));
		client_call_end(call, (int)json_integer_value(json_object_get(end, "code")),
			(int)json_integer_value(json_object_get(end, "subcode")),
			reason ? reason : "", false);
	}
	client_call_settled(call);
}

void client_check_calls(struct callflow_client *client)
{
	char path[256];

	CF_LIST_FOR_SAFE(it, &client->calls)
	{
		struct client_call *call = CF_CONTAINER_OF(it, struct client_call, link);

		if (call->state == CALL_ENDED || !call->id[0])
			continue;
		snprintf(path, sizeof(path), CF_CLIENT_API "/calls/%s", call->id);
		if (client_request(client, "GET", path, NULL, on_looked, call) == 0)
			call->pending++;
	}
}
