/* SPDX-License-Identifier: Apache-2.0 */
/* Events of the service, by name. */
#include "base/mem.h"
#include "client/client_priv.h"

#include <stdio.h>
#include <string.h>

#define TEXT_MAX 65536
#define EARLY_EVENTS_MAX 32
/* Subcode of the end of a group call whose media processor has stopped. */
#define PROCESSOR_LOST 301008

/* Reads what an event carries; a field that is missing or of the wrong type is NULL. */
static const char *text_of(const json_t *data, const char *key)
{
	const char *text = json_string_value(json_object_get(data, key));

	return text && strlen(text) < TEXT_MAX ? text : NULL;
}

static int int_of(const json_t *data, const char *key)
{
	return (int)json_integer_value(json_object_get(data, key));
}

static void refuse(struct callflow_client *client, const char *call_id)
{
	char path[256];

	snprintf(path, sizeof(path), CF_CLIENT_API "/calls/%s:reject", call_id);
	client_request(client, "POST", path,
		json_pack("{s:s, s:s}", "endpointId", client->endpoint_id, "reason", "busy"), NULL,
		NULL);
}

static enum cf_ice_policy policy_of(const json_t *data)
{
	const char *transport = text_of(data, "iceTransport");

	/* "relay" hides the caller's address; ours may be seen. "direct" binds both. */
	return transport && strcmp(transport, "direct") == 0 ? CF_ICE_POLICY_DIRECT
							     : CF_ICE_POLICY_ALL;
}

static void on_incoming(struct callflow_client *client, const char *call_id, const json_t *data)
{
	struct callflow_event event = {.type = CALLFLOW_INCOMING};
	const json_t *from = json_object_get(data, "from");
	const char *sdp = text_of(data, "sdp"), *raw_id = text_of(from, "rawId");
	const char *group_id = text_of(data, "groupId");
	struct client_call *call;

	if (!sdp == !group_id || strlen(call_id) >= CALLFLOW_CALL_ID_MAX ||
		client_find_call(client, call_id))
		return;
	call = client_call_new(client, false, raw_id ? raw_id : "");
	if (!call) {
		refuse(client, call_id);
		return;
	}
	snprintf(call->id, sizeof(call->id), "%s", call_id);
	call->remote_name = cf_strdup(text_of(from, "displayName"));
	call->ice_servers = json_incref(json_object_get(data, "iceServers"));
	call->relay_refused = json_is_object(json_object_get(data, "relayRefused"));
	call->policy = policy_of(data);
	call->invited = group_id;
	if (sdp && cf_session_take_remote(&call->session, sdp, false) < 0) {
		refuse(client, call_id);
		client_call_end(call, 488, 0, "the caller's offer makes no sense", false);
		return;
	}
	client_emit(client, call, &event);
}

static void on_accepted(struct client_call *call, const json_t *data)
{
	const char *sdp = text_of(data, "sdp");

	if (sdp && !client_move_answered(call, sdp) && call->outgoing)
		client_call_answered(call, sdp);
}

static void on_promote(struct client_call *call, const json_t *data)
{
	const char *group_id = text_of(data, "groupId");

	if (group_id)
		client_promote(call, group_id);
}

static void on_moved(struct client_call *call, const json_t *data)
{
	(void)data;
	client_moved(call, true);
}

static void on_not_moved(struct client_call *call, const json_t *data)
{
	(void)data;
	client_moved(call, false);
}

static void on_demote(struct client_call *call, const json_t *data)
{
	const json_t *from = json_object_get(data, "from");
	const char *raw_id = text_of(from, "rawId");

	if (raw_id)
		client_demote(call, raw_id, text_of(from, "displayName"), text_of(data, "sdp"));
}

static void on_ended(struct client_call *call, const json_t *data)
{
	const char *reason = text_of(data, "reason");

	if (call->group && call->state != CALL_ENDED && int_of(data, "subcode") == PROCESSOR_LOST &&
		client_call_rejoin(call))
		return;
	client_call_end(
		call, int_of(data, "code"), int_of(data, "subcode"), reason ? reason : "", false);
}

static void on_candidates(struct client_call *call, const json_t *data)
{
	if (call->state != CALL_ENDED)
		client_take_candidates(call, json_object_get(data, "candidates"),
			json_is_true(json_object_get(data, "endOfCandidates")));
}

/* There is no way to refuse a description and keep the one before: left alone it would forbid us
 * any renegotiation of our own. */
static void end_senseless(struct client_call *call)
{
	client_call_end(call, 488, 0, "the other side's new description makes no sense", true);
}

static void on_answer_sent(const struct cf_http_response *response, void *arg)
{
	struct client_call *call = arg;

	(void)response;
	call->describing = false;
	if (call->state != CALL_ENDED)
		client_send_candidates(call);
	client_call_settled(call);
}

static void answer_offer(struct client_call *call, const char *sdp)
{
	CF_AUTOFREE char *answer = NULL, *ufrag = cf_strdup(cf_peer_ufrag(call->peer));

	if (cf_session_take_remote(&call->session, sdp, false) == 0)
		answer = client_describe(call, true);
	if (!answer || !ufrag || client_apply(call) < 0) {
		end_senseless(call);
		return;
	}
	if (strcmp(ufrag, cf_peer_ufrag(call->peer)) != 0)
		client_forget_candidates(call);
	if (client_call_request(call, "renegotiate",
		    json_pack("{s:s, s:s}", "sdp", answer, "type", "answer"), on_answer_sent) == 0)
		call->describing = true;
}

static void on_renegotiate(struct client_call *call, const json_t *data)
{
	const char *sdp = text_of(data, "sdp"), *type = text_of(data, "type");

	if (!sdp || !type || !call->peer || call->state == CALL_ENDED)
		return;
	if (strcmp(type, "offer") == 0) {
		answer_offer(call, sdp);
	} else if (call->offer != OFFER_NONE) {
		call->offer = OFFER_NONE;
		if (cf_session_take_remote(&call->session, sdp, true) < 0 ||
			client_apply(call) == CF_ENOTSUP)
			end_senseless(call);
	}
}

/* Whose budget, and how far it is. */
static void on_budget_low(struct client_call *call, const json_t *data)
{
	struct callflow_event event = {.type = CALLFLOW_BUDGET_LOW};
	const char *budget = text_of(data, "budget");
	char reason[160];

	if (!budget || call->state == CALL_ENDED)
		return;
	snprintf(reason, sizeof(reason),
		"relay budget of the %.16s nearly used up: %lld of %lld bytes", budget,
		(long long)json_integer_value(json_object_get(data, "usedBytes")),
		(long long)json_integer_value(json_object_get(data, "limitBytes")));
	event.reason = reason;
	client_emit(call->client, call, &event);
}

static enum callflow_participant_state participant_state(const char *name)
{
	if (name && strcmp(name, "ringing") == 0)
		return CALLFLOW_PARTICIPANT_RINGING;
	return name && strcmp(name, "connected") == 0 ? CALLFLOW_PARTICIPANT_CONNECTED
						      : CALLFLOW_PARTICIPANT_DISCONNECTED;
}

/* person: rawId, displayName, endpointId, end. */
static void emit_participant(struct client_call *call, const json_t *person,
	enum callflow_participant_state state, bool muted)
{
	const json_t *end = json_object_get(person, "end");
	struct callflow_participant participant = {.id = text_of(person, "rawId"),
		.name = text_of(person, "displayName"),
		.endpoint_id = text_of(person, "endpointId"),
		.state = state,
		.muted = muted};
	struct callflow_event event = {.type = CALLFLOW_PARTICIPANT,
		.participant = &participant,
		.code = int_of(end, "code"),
		.subcode = int_of(end, "subcode"),
		.reason = text_of(end, "reason")};

	if (!participant.id || call->state == CALL_ENDED)
		return;
	participant.self = participant.endpoint_id &&
			   strcmp(participant.endpoint_id, call->client->endpoint_id) == 0;
	client_emit(call->client, call, &event);
}

static void on_participants(struct client_call *call, const json_t *data)
{
	const json_t *list = json_object_get(data, "participants"), *entry;
	size_t i;

	json_array_foreach(list, i, entry)
	{
		emit_participant(call, entry, participant_state(text_of(entry, "state")),
			json_is_true(json_object_get(entry, "isMuted")));
	}
}

/* Somebody wants us to be silent; we may speak again when we like. */
static void on_mute(struct client_call *call, const json_t *data)
{
	const json_t *from = json_object_get(data, "from");
	struct callflow_event event = {.type = CALLFLOW_MUTED, .reason = text_of(from, "rawId")};

	if (call->state == CALL_CONNECTED && client_call_mute(call, true) == 0)
		client_emit(call->client, call, &event);
}

/* What the others tell of themselves: whether they are muted; or ask of us. */
static void on_notification(struct client_call *call, const json_t *data)
{
	const json_t *muted = json_object_get(json_object_get(data, "data"), "muted");
	const char *kind = text_of(data, "kind");

	if (call->group && kind && strcmp(kind, "state") == 0 && json_is_boolean(muted))
		emit_participant(call, json_object_get(data, "from"),
			CALLFLOW_PARTICIPANT_CONNECTED, json_is_true(muted));
	else if (call->group && kind && strcmp(kind, "mute") == 0)
		on_mute(call, data);
}

static const struct handler {
	const char *name;
	void (*fn)(struct client_call *call, const json_t *data);
} handlers[] = {
	{"callAccepted", on_accepted},
	{"callCancelled", on_ended},
	{"callEnded", on_ended},
	{"demote", on_demote},
	{"demoted", on_moved},
	{"notDemoted", on_not_moved},
	{"notPromoted", on_not_moved},
	{"notification", on_notification},
	{"participantsUpdated", on_participants},
	{"promote", on_promote},
	{"promoted", on_moved},
	{"relayBudgetLow", on_budget_low},
	{"remoteCandidates", on_candidates},
	{"renegotiate", on_renegotiate},
};

static void dispatch(struct client_call *call, const char *type, const json_t *data)
{
	for (size_t i = 0; i < CF_ARRAY_LEN(handlers); i++)
		if (strcmp(type, handlers[i].name) == 0) {
			handlers[i].fn(call, data);
			return;
		}
}

static bool is_placing(const struct callflow_client *client)
{
	CF_LIST_FOR(it, &client->calls)
	if (CF_CONTAINER_OF(it, struct client_call, link)->state == CALL_PLACED)
		return true;
	return false;
}

/* An event can overtake the answer that tells the call's id. */
static void keep_early(struct callflow_client *client, const char *type, json_t *data)
{
	if (is_placing(client) && json_array_size(client->early_events) < EARLY_EVENTS_MAX)
		json_array_append_new(client->early_events, json_pack("[s, O]", type, data));
}

void client_replay_events(struct client_call *call)
{
	struct callflow_client *client = call->client;
	json_t *events = client->early_events;
	const json_t *entry;
	size_t i;

	client->early_events = json_array();
	json_array_foreach(events, i, entry)
	{
		const json_t *data = json_array_get(entry, 1);
		const char *call_id = text_of(data, "callId");

		if (strcmp(call_id, call->id) == 0)
			dispatch(call, json_string_value(json_array_get(entry, 0)), data);
		else if (is_placing(client))
			json_array_append(client->early_events, (json_t *)(uintptr_t)entry);
	}
	cf_json_free(events);
}

void client_on_event(struct callflow_client *client, const struct cf_sse_event *event)
{
	CF_JSON_AUTOFREE json_t *data = NULL;
	struct client_call *call;
	const char *call_id;

	if (strcmp(event->type, "reset") == 0) {
		client_check_calls(client);
		return;
	}
	if (cf_json_parse(&data, event->data, event->data_len, NULL) < 0)
		return;
	call_id = text_of(data, "callId");
	if (!call_id)
		return;
	if (strcmp(event->type, "incomingCall") == 0) {
		on_incoming(client, call_id, data);
		return;
	}
	call = client_find_call(client, call_id);
	if (call)
		dispatch(call, event->type, data);
	else
		keep_early(client, event->type, data);
}
