/* SPDX-License-Identifier: Apache-2.0 */
/* A call moves to another connection, which is made beside the one in use and taken when all are
 * there: to the media processor when it becomes a group call; the way back is in demote.c. */
#include "base/mem.h"
#include "client/client_priv.h"

/* ---- moving, either way ---- */

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
	const char *cause = move->to_group ? "promoted" : "demoted";

	cf_free(call->remote_id);
	call->remote_id = move->remote_id;
	cf_free(call->remote_name);
	call->remote_name = move->name;
	call->group = move->to_group;
	call->outgoing = move->controlling;
	call->move = NULL;
	cf_json_free(move->candidates);
	cf_free(move);
	client_take_connection(call, peer, &session, cause);
	if (call->state == CALL_CONNECTED && call->muted)
		(void)!client_call_mute(call, true); /* those who come have to know */
}

void client_move_when_ready(struct client_move *move)
{
	if (move->connected && move->due)
		cf_defer_set(&move->defer, move->call->client->loop, take, move);
}

struct client_move *client_move_new(
	struct client_call *call, const char *remote_id, bool to_group, bool controlling)
{
	struct client_move *move;

	client_move_stop(call);
	move = cf_alloc(sizeof(*move));
	if (!move)
		return NULL;
	move->call = call;
	move->to_group = to_group;
	move->controlling = controlling;
	move->remote_id = cf_strdup(remote_id);
	cf_session_init(&move->session, call->client->identity);
	cf_video_local(call->video, &move->session.video);
	call->move = move;
	if (move->remote_id)
		return move;
	client_move_stop(call);
	return NULL;
}

bool client_move_start(struct client_move *move, const struct cf_peer_callbacks *callbacks)
{
	struct cf_peer_callbacks all = *callbacks;

	all.path = on_path;
	all.rtp = all.rtcp = on_media;
	move->peer = client_peer_new(move->call, &all, move);
	if (!move->peer)
		return false;
	client_add_servers(move->peer, move->call->ice_servers, false);
	cf_peer_servers_done(move->peer);
	return true;
}

bool client_move_answered(struct client_call *call, const char *sdp)
{
	struct client_move *move = call->move;

	if (!move || !move->controlling)
		return false;
	if (cf_session_take_remote(&move->session, sdp, true) < 0 ||
		cf_session_apply(&move->session, move->peer) < 0)
		client_move_stop(call);
	return true;
}

void client_moved(struct client_call *call, bool on)
{
	if (!call->move)
		return;
	if (!on) {
		client_move_stop(call);
		return;
	}
	call->move->due = true;
	client_move_when_ready(call->move);
}

void client_move_stop(struct client_call *call)
{
	struct client_move *move = call->move;

	if (!move)
		return;
	call->move = NULL;
	cf_defer_cancel(&move->defer);
	cf_timer_stop(&move->timer);
	cf_peer_free(move->peer);
	cf_session_done(&move->session);
	cf_json_free(move->candidates);
	cf_free(move->remote_id);
	cf_free(move->name);
	cf_free(move);
}

/* ---- to the media processor ---- */

/* Nothing to signal: it takes what comes (ICE-lite). */
static void on_candidate(const char *text, void *arg)
{
	(void)text;
	(void)arg;
}

static void on_gathered(void *arg)
{
	(void)arg;
}

/* Who does not get there is told so by the service. */
static void on_state(enum cf_peer_state state, void *arg)
{
	struct client_move *move = arg;

	move->connected = state == CF_PEER_CONNECTED;
	client_move_when_ready(move);
}

static void send_offer(void *arg)
{
	struct client_move *move = arg;
	struct client_call *call = move->call;
	CF_AUTOFREE char *sdp = cf_session_describe(&move->session, move->peer, false,
		call->hold ? CF_SDP_INACTIVE : CF_SDP_SENDRECV, NULL, 0);

	if (!sdp || client_call_request(call, "promote", json_pack("{s:s}", "sdp", sdp), NULL) < 0)
		client_move_stop(call);
}

void client_promote(struct client_call *call, const char *group_id)
{
	static const struct cf_peer_callbacks callbacks = {
		.candidate = on_candidate, .gathered = on_gathered, .state = on_state};
	struct client_move *move;

	if (call->state != CALL_CONNECTED || call->group)
		return;
	move = client_move_new(call, group_id, true, true);
	if (!move)
		return;
	if (client_move_start(move, &callbacks))
		cf_defer_set(&move->defer, call->client->loop, send_offer, move);
	else
		client_move_stop(call);
}
