/* SPDX-License-Identifier: Apache-2.0 */
/* Two are left in a group call: a way to the other one is made beside the one over the media
 * processor, and taken when both sides have it. Nobody waits for it: the descriptions go when all
 * candidates are in them, or after a while. */
#include "base/clock.h"
#include "base/mem.h"
#include "client/client_priv.h"

#define GATHER_US (2 * CF_US_PER_S)

static void describe(void *arg)
{
	struct client_move *move = arg;
	struct client_call *call = move->call;
	struct cf_view candidates[CF_SDP_CANDIDATES_MAX];
	CF_AUTOFREE char *sdp = NULL;
	const json_t *text;
	size_t i, n = 0;

	cf_timer_stop(&move->timer);
	json_array_foreach(move->candidates, i, text) candidates[n++] =
		cf_view_str(json_string_value(text));
	sdp = cf_session_describe(&move->session, move->peer, !move->controlling,
		call->hold ? CF_SDP_INACTIVE : CF_SDP_SENDRECV, candidates, n);
	if (!sdp || client_call_request(call, "demote", json_pack("{s:s}", "sdp", sdp), NULL) < 0 ||
		(!move->controlling && cf_session_apply(&move->session, move->peer) < 0))
		client_move_stop(call);
}

static void describe_soon(struct client_move *move)
{
	if (move->described)
		return;
	move->described = true;
	cf_defer_set(&move->defer, move->call->client->loop, describe, move);
}

static void on_candidate(const char *text, void *arg)
{
	struct client_move *move = arg;

	if (json_array_size(move->candidates) < CF_SDP_CANDIDATES_MAX)
		json_array_append_new(move->candidates, json_string(text));
}

static void on_gathered(void *arg)
{
	describe_soon(arg);
}

static void on_gather_timeout(struct cf_timer *timer, void *arg)
{
	(void)timer;
	describe_soon(arg);
}

static void on_state(enum cf_peer_state state, void *arg)
{
	struct client_move *move = arg;
	bool before = move->connected;

	move->connected = state == CF_PEER_CONNECTED;
	if (move->connected && !before)
		(void)!client_call_request(
			move->call, "demote", json_pack("{s:b}", "connected", true), NULL);
	client_move_when_ready(move);
}

void client_demote(struct client_call *call, const char *raw_id, const char *name, const char *sdp)
{
	static const struct cf_peer_callbacks callbacks = {
		.candidate = on_candidate, .gathered = on_gathered, .state = on_state};
	struct client_move *move;

	if (call->state != CALL_CONNECTED || !call->group)
		return;
	move = client_move_new(call, raw_id, false, !sdp);
	if (!move)
		return;
	move->name = cf_strdup(name);
	move->candidates = json_array();
	if ((sdp && cf_session_take_remote(&move->session, sdp, false) < 0) ||
		!client_move_start(move, &callbacks)) {
		client_move_stop(call);
		return;
	}
	(void)!cf_timer_after(&move->timer, call->client->loop, GATHER_US, on_gather_timeout, move);
}
