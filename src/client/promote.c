/* SPDX-License-Identifier: Apache-2.0 */
/* A call between two becomes a group call: the way to the media processor is made beside the one
 * in use, and taken when both sides are there. */
#include "base/mem.h"
#include "client/client_priv.h"

/* Nothing to signal: the media processor takes what comes (ICE-lite). */
static void on_candidate(const char *text, void *arg)
{
	(void)text;
	(void)arg;
}

static void on_gathered(void *arg)
{
	(void)arg;
}

static void on_path(
	const struct cf_ice_path *path, enum cf_peer_cause cause, uint32_t gap_ms, void *arg)
{
	(void)path;
	(void)cause;
	(void)gap_ms;
	(void)arg;
}

/* Both say the same until all have moved. */
static void on_media(uint8_t *packet, size_t n, uint64_t now_us, void *arg)
{
	(void)packet;
	(void)n;
	(void)now_us;
	(void)arg;
}

/* At the end of the turn: a peer may not be replaced from inside its callback. */
static void take(void *arg)
{
	struct client_move *move = arg;
	struct client_call *call = move->call;
	struct cf_session session = move->session;
	struct cf_peer *peer = move->peer;

	cf_free(call->remote_id);
	call->remote_id = move->group_id;
	call->group = call->outgoing = true;
	call->move = NULL;
	cf_free(move);
	client_take_connection(call, peer, &session);
	if (call->state == CALL_CONNECTED && call->muted)
		(void)!client_call_mute(call, true); /* those who come have to know */
}

static void take_when_ready(struct client_move *move)
{
	if (move->connected && move->due)
		cf_defer_set(&move->defer, move->call->client->loop, take, move);
}

/* Who does not get there is told so by the service. */
static void on_state(enum cf_peer_state state, void *arg)
{
	struct client_move *move = arg;

	move->connected = state == CF_PEER_CONNECTED;
	take_when_ready(move);
}

static void send_offer(void *arg)
{
	struct client_move *move = arg;
	struct client_call *call = move->call;
	CF_AUTOFREE char *sdp = cf_session_describe(&move->session, move->peer, false,
		call->hold ? CF_SDP_INACTIVE : CF_SDP_SENDRECV, NULL, 0);

	if (!sdp || client_call_request(call, "promote", json_pack("{s:s}", "sdp", sdp), NULL) < 0)
		client_promote_stop(call);
}

void client_promote(struct client_call *call, const char *group_id)
{
	static const struct cf_peer_callbacks callbacks = {.candidate = on_candidate,
		.gathered = on_gathered,
		.state = on_state,
		.path = on_path,
		.rtp = on_media,
		.rtcp = on_media};
	struct client_move *move;

	if (call->state != CALL_CONNECTED || call->group)
		return;
	client_promote_stop(call);
	move = cf_alloc(sizeof(*move));
	if (!move)
		return;
	move->call = call;
	call->move = move;
	cf_session_init(&move->session, call->client->identity);
	move->group_id = cf_strdup(group_id);
	move->peer = client_peer_new(call, &callbacks, move);
	if (!move->peer || !move->group_id) {
		client_promote_stop(call);
		return;
	}
	client_add_servers(move->peer, call->ice_servers, false);
	cf_peer_servers_done(move->peer);
	cf_defer_set(&move->defer, call->client->loop, send_offer, move);
}

bool client_promote_answered(struct client_call *call, const char *sdp)
{
	struct client_move *move = call->move;

	if (!move)
		return false;
	if (cf_session_take_remote(&move->session, sdp, true) < 0 ||
		cf_session_apply(&move->session, move->peer) < 0)
		client_promote_stop(call);
	return true;
}

void client_promoted(struct client_call *call, bool on)
{
	if (!call->move)
		return;
	if (!on) {
		client_promote_stop(call);
		return;
	}
	call->move->due = true;
	take_when_ready(call->move);
}

void client_promote_stop(struct client_call *call)
{
	struct client_move *move = call->move;

	if (!move)
		return;
	call->move = NULL;
	cf_defer_cancel(&move->defer);
	cf_peer_free(move->peer);
	cf_session_done(&move->session);
	cf_free(move->group_id);
	cf_free(move);
}
