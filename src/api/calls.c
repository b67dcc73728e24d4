/* SPDX-License-Identifier: Apache-2.0 */
/* Calls: the routes below /calling/2026-11-01/calls. */
#include "api/api_priv.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/text.h"
#include "call/snapshot.h"

#include <stdio.h>

#define BUSY_RETRY_S 5

struct cf_call_endpoint *cf_api_body_endpoint(struct cf_api_req *req, struct cf_json_reader *r)
{
	const char *id = cf_json_get_string(r, "endpointId", CF_JSON_REQUIRED, CF_CALL_ID_MAX - 1);

	if (r->err < 0) {
		cf_api_fail(req, 400, "BadRequest", "%s", req->json_error.text);
		return NULL;
	}
	return cf_api_own_endpoint(req, id);
}

static void refuse_busy(struct cf_api_req *req)
{
	req->retry_after_s = BUSY_RETRY_S;
	cf_api_fail(req, 503, "MediaProcessorBusy",
		"The media processor has as much to do as it can do well; try again.");
}

void cf_api_call_done(struct cf_api_req *req, int err, int status)
{
	if (err == CF_ENOTSUP)
		cf_api_fail(req, 501, "NoMediaProcessor",
			"This service has no media processor, which group calls need.");
	else if (err == CF_EAGAIN)
		refuse_busy(req);
	else if (err < 0)
		cf_api_fail_err(req, err);
	else
		cf_api_reply_committed(req, status, status == 204 ? NULL : json_object());
}

/* ---- starting ---- */

static int read_transport(struct cf_json_reader *r)
{
	static const char *const names[] = {"all", "relay", "direct"};
	const char *name = cf_json_get_string(r, "iceTransport", CF_JSON_OPTIONAL, 16);

	for (int i = 0; name && i < 3; i++)
		if (strcmp(name, names[i]) == 0)
			return i;
	if (name)
		cf_json_reader_fail(r, "iceTransport", "must be all, relay or direct");
	return CF_CALL_ICE_ALL;
}

/* A call to somebody, or a group to join. */
static const char *read_group(struct cf_json_reader *r)
{
	const char *group_id = cf_json_get_string(r, "groupId", CF_JSON_OPTIONAL, 64);
	char uuid[CF_CALL_ID_MAX];

	if (group_id && cf_text_uuid(uuid, group_id) < 0)
		cf_json_reader_fail(r, "groupId", "must be a UUID");
	return group_id;
}

static bool read_start(struct cf_api_req *req, struct cf_json_reader *r,
	const char *targets[static CF_CALL_TARGETS_MAX], struct cf_call_start *start)
{
	start->group_id = read_group(r);
	if (start->group_id && json_object_get(r->object, "targets"))
		cf_json_reader_fail(r, "targets", "and groupId exclude each other");
	else if (!start->group_id)
		start->n_targets = cf_api_read_targets(r, targets);
	start->targets = start->n_targets > 1 ? targets : NULL;
	start->target_raw_id = start->n_targets == 1 ? targets[0] : NULL;
	start->sdp = cf_json_get_string(r, "sdp", CF_JSON_REQUIRED, CF_CALL_SDP_MAX);
	start->custom_context =
		cf_json_get_string(r, "customContext", CF_JSON_OPTIONAL, CF_CALL_CONTEXT_MAX);
	start->ice_transport = (enum cf_call_ice_transport)read_transport(r);
	if (start->sdp && !*start->sdp)
		cf_json_reader_fail(r, "sdp", "must not be empty");
	if (r->err < 0)
		cf_api_fail(req, 400, "BadRequest", "%s", req->json_error.text);
	return r->err == 0;
}

static json_t *started_json(
	struct cf_api_req *req, const char *call_id, const struct cf_call_start *start)
{
	struct cf_api *api = req->api;
	struct cf_call_view view;
	char host[CF_API_HOST_MAX];
	bool relay = start->ice_transport != CF_CALL_ICE_DIRECT;
	json_t *json;

	cf_api_host_copy(host, req->http->host);
	if (cf_call_look(api->domain, call_id, &view) < 0)
		return NULL;
	json = json_pack("{s:s,s:s,s:o,s:o}", "callId", call_id, "state",
		cf_call_state_name(view.state), "createdOn", cf_api_time(view.created_wall_ms),
		"iceServers",
		cf_api_ice_servers(
			api, req->token.user, call_id, host, relay, api->options.ice.turn_ttl_ms));
	if (json && view.group_id)
		json_object_set_new(json, "groupId", json_string(view.group_id));
	if (json && relay && cf_api_budget_spent(api, req->token.user))
		cf_api_budget_refuse(api, call_id, req->token.user, json);
	return json;
}

/* A call that may take no other way than the relay, and has none. true: answered. */
static bool refused_relay(struct cf_api_req *req, const struct cf_call_start *start)
{
	if (start->ice_transport != CF_CALL_ICE_RELAY)
		return false;
	if (!req->api->options.ice.relay_enabled)
		cf_api_fail(req, 409, "RelayDisabled",
			"The relay is switched off, so a call cannot be relayed.");
	else if (cf_api_budget_spent(req->api, req->token.user))
		cf_api_fail(req, 403, "RelayBudgetUsedUp",
			"The relay budget is used up, so a call cannot be relayed.");
	else
		return false;
	return true;
}

void cf_api_call_create(struct cf_api_req *req)
{
	struct cf_api *api = req->api;
	const char *targets[CF_CALL_TARGETS_MAX];
	struct cf_call_endpoint *endpoint;
	struct cf_call_start start = {.n_targets = 0};
	struct cf_json_reader r;
	char call_id[CF_CALL_ID_MAX];
	int err;

	if (!(req->token.scopes & CF_SCOPE_VOIP)) {
		cf_api_fail(req, 403, "ScopeMissing",
			"Starting calls needs a token with the scope voip.");
		return;
	}
	cf_api_reader(req, &r);
	endpoint = cf_api_body_endpoint(req, &r);
	if (!endpoint || !read_start(req, &r, targets, &start))
		return;
	if (cf_api_refuse_draining(req))
		return;
	if (refused_relay(req, &start))
		return;
	err = cf_call_start(api->domain, endpoint, &start, cf_api_now(api), call_id);
	if (err < 0)
		cf_api_call_done(req, err, 201);
	else
		cf_api_reply_committed(req, 201, started_json(req, call_id, &start));
}

/* ---- verbs ---- */

void cf_api_call_accept(struct cf_api_req *req)
{
	struct cf_json_reader r;
	struct cf_call_endpoint *endpoint;
	const char *sdp;

	cf_api_reader(req, &r);
	sdp = cf_json_get_string(&r, "sdp", CF_JSON_REQUIRED, CF_CALL_SDP_MAX);
	endpoint = cf_api_body_endpoint(req, &r);
	if (endpoint)
		cf_api_call_done(req,
			cf_call_accept(req->api->domain, req->params.value[0], endpoint, sdp,
				cf_api_now(req->api)),
			200);
}

void cf_api_call_reject(struct cf_api_req *req)
{
	struct cf_json_reader r;
	struct cf_call_endpoint *endpoint;
	const char *reason;

	cf_api_reader(req, &r);
	reason = cf_json_get_string(&r, "reason", CF_JSON_OPTIONAL, 16);
	if (reason && strcmp(reason, "busy") != 0 && strcmp(reason, "declined") != 0)
		cf_json_reader_fail(&r, "reason", "must be busy or declined");
	endpoint = cf_api_body_endpoint(req, &r);
	if (endpoint)
		cf_api_call_done(req,
			cf_call_reject(req->api->domain, req->params.value[0], endpoint,
				reason && strcmp(reason, "busy") == 0, cf_api_now(req->api)),
			204);
}

/* The candidates of the body; their number, or -1 with r->err set. */
static int read_candidates(
	struct cf_json_reader *r, struct cf_call_candidate out[static CF_CALL_CANDIDATES_MAX])
{
	const json_t *list =
		cf_json_get_array(r, "candidates", CF_JSON_OPTIONAL, CF_CALL_CANDIDATES_MAX);
	int n = 0;

	for (size_t i = 0; list && i < json_array_size(list) && r->err == 0; i++) {
		struct cf_json_reader item;

		if (!cf_json_get_item(r, "candidates", list, i, &item))
			return -1;
		out[n].candidate = cf_json_get_string(
			&item, "candidate", CF_JSON_REQUIRED, CF_CALL_CANDIDATE_MAX);
		out[n].mid = cf_json_get_string(&item, "sdpMid", CF_JSON_OPTIONAL, CF_CALL_MID_MAX);
		out[n].mline_index =
			(int)cf_json_get_int(&item, "sdpMLineIndex", CF_JSON_OPTIONAL, 0, 255, -1);
		cf_json_reader_leave(r, &item);
		n++;
	}
	return r->err < 0 ? -1 : n;
}

void cf_api_call_candidates(struct cf_api_req *req)
{
	struct cf_call_candidate candidates[CF_CALL_CANDIDATES_MAX];
	struct cf_call_endpoint *endpoint;
	struct cf_json_reader r;
	bool end;
	int n;

	cf_api_reader(req, &r);
	n = read_candidates(&r, candidates);
	end = cf_json_get_bool(&r, "endOfCandidates", CF_JSON_OPTIONAL, false);
	endpoint = cf_api_body_endpoint(req, &r);
	if (!endpoint)
		return;
	n = cf_call_candidates(req->api->domain, req->params.value[0], endpoint, candidates,
		(size_t)n, end, cf_api_now(req->api));
	/* Nothing to wait for: a candidate that a crash swallows is trickled by no one anyway. */
	if (n < 0)
		cf_api_fail_err(req, n);
	else
		cf_api_reply(req, 204, NULL);
}

void cf_api_call_renegotiate(struct cf_api_req *req)
{
	struct cf_json_reader r;
	struct cf_call_endpoint *endpoint;
	const char *sdp, *type;
	int err;

	cf_api_reader(req, &r);
	sdp = cf_json_get_string(&r, "sdp", CF_JSON_REQUIRED, CF_CALL_SDP_MAX);
	type = cf_json_get_string(&r, "type", CF_JSON_REQUIRED, 16);
	if (type && strcmp(type, "offer") != 0 && strcmp(type, "answer") != 0)
		cf_json_reader_fail(&r, "type", "must be offer or answer");
	endpoint = cf_api_body_endpoint(req, &r);
	if (!endpoint || !type)
		return;
	err = cf_call_renegotiate(req->api->domain, req->params.value[0], endpoint, sdp,
		strcmp(type, "answer") == 0, cf_api_now(req->api));
	if (err == CF_ESTATE)
		cf_api_fail(req, 409, "RenegotiationConflict",
			"Another offer waits for its answer, or there is no offer to answer.");
	else
		cf_api_call_done(req, err, 204);
}

void cf_api_call_hangup(struct cf_api_req *req)
{
	struct cf_json_reader r;
	struct cf_call_endpoint *endpoint;
	struct cf_call_end end;
	bool everyone;

	cf_api_reader(req, &r);
	everyone = cf_json_get_bool(&r, "forEveryone", CF_JSON_OPTIONAL, false);
	end.code = (int)cf_json_get_int(&r, "code", CF_JSON_OPTIONAL, 0, 699, 0);
	end.subcode = (int)cf_json_get_int(&r, "subcode", CF_JSON_OPTIONAL, 0, 999999, 0);
	end.reason = cf_json_get_string(&r, "reason", CF_JSON_OPTIONAL, CF_CALL_REASON_MAX);
	endpoint = cf_api_body_endpoint(req, &r);
	if (endpoint)
		cf_api_call_done(req,
			cf_call_hangup(req->api->domain, req->params.value[0], endpoint, everyone,
				&end, cf_api_now(req->api)),
			204);
}

void cf_api_call_notify(struct cf_api_req *req)
{
	struct cf_call_notification notification;
	struct cf_call_endpoint *endpoint;
	struct cf_json_reader r, data;
	char *text = NULL;
	int err;

	cf_api_reader(req, &r);
	notification.kind =
		cf_json_get_string(&r, "kind", CF_JSON_REQUIRED, CF_CALL_NOTIFICATION_KIND_MAX);
	if (cf_json_get_object(&r, "data", CF_JSON_REQUIRED, &data)) {
		text = cf_json_text(data.object, NULL);
		cf_json_reader_leave(&r, &data);
	}
	if (text && strlen(text) > CF_CALL_NOTIFICATION_MAX)
		cf_json_reader_fail(&r, "data", "must have 4096 bytes at the most");
	endpoint = cf_api_body_endpoint(req, &r);
	if (endpoint) {
		notification.data = text;
		err = text ? cf_call_notify(req->api->domain, req->params.value[0], endpoint,
				     &notification)
			   : CF_ENOMEM;
		/* As candidates: what a crash swallows is told by no one anyway. */
		if (err < 0)
			cf_api_fail_err(req, err);
		else
			cf_api_reply(req, 204, NULL);
	}
	cf_free(text);
}

void cf_api_call_report(struct cf_api_req *req)
{
	struct cf_json_reader r;
	struct cf_call_endpoint *endpoint;
	const json_t *report;
	char *text;
	int err;

	cf_api_reader(req, &r);
	endpoint = cf_api_body_endpoint(req, &r);
	if (!endpoint)
		return;
	json_object_del(req->body, "endpointId");
	text = cf_json_text(req->body, NULL);
	err = text ? cf_call_report(req->api->domain, req->params.value[0], endpoint, text,
			     cf_api_now(req->api))
		   : CF_ENOMEM;
	cf_free(text);
	if (err < 0) {
		cf_api_fail_err(req, err);
		return;
	}
	report = json_object_get(req->body, "report");
	cf_api_count_report(req->api, req->params.value[0], report);
	cf_api_tell_report(req->api, req->params.value[0], report);
	cf_api_reply(req, 204, NULL);
}

/* ---- looking ---- */

static json_t *participant_json(const struct cf_call_participant_view *p)
{
	return json_pack("{s:s,s:s?,s:s?,s:s}", "rawId", p->raw_id, "displayName", p->display_name,
		"endpointId", p->endpoint_id, "state", p->state);
}

static void append_participant(const struct cf_call_participant_view *view, void *list)
{
	json_array_append_new(list, participant_json(view));
}

static json_t *call_json(const struct cf_api *api, const struct cf_call_view *view)
{
	json_t *call = json_pack("{s:s,s:s,s:o}", "callId", view->call_id, "state",
		cf_call_state_name(view->state), "createdOn", cf_api_time(view->created_wall_ms));
	json_t *list = json_array();

	cf_call_look_participants(api->domain, view->call_id, append_participant, list);
	json_object_set_new(call, "participants", list);
	if (view->group_id)
		json_object_set_new(call, "groupId", json_string(view->group_id));
	if (view->connected_wall_ms)
		json_object_set_new(call, "connectedOn", cf_api_time(view->connected_wall_ms));
	if (view->state == CF_CALL_ENDED) {
		json_object_set_new(call, "endedOn", cf_api_time(view->ended_wall_ms));
		json_object_set_new(call, "end",
			json_pack("{s:i,s:i,s:s}", "code", view->end.code, "subcode",
				view->end.subcode, "reason", view->end.reason));
	}
	return call;
}

static bool names_user(const json_t *call, const char *raw_id)
{
	const json_t *list = json_object_get(call, "participants");

	for (size_t i = 0; i < json_array_size(list); i++) {
		const char *id =
			json_string_value(json_object_get(json_array_get(list, i), "rawId"));

		if (id && strcmp(id, raw_id) == 0)
			return true;
	}
	return false;
}

json_t *cf_api_call_of_rows(const struct cf_api_req *req, const struct cf_store_rows *rows)
{
	const char *data = rows->n_rows > 0 ? cf_store_at(rows, 0, 4)->text : "";
	json_t *call;

	if (cf_json_parse(&call, data, strlen(data), NULL) < 0)
		return NULL;
	if (req->by_key || names_user(call, req->token.user))
		return call;
	cf_json_free(call);
	return NULL;
}

/* A call that is no longer in memory, as it was stored. */
static void stored_call(int err, const struct cf_store_rows *rows, void *arg)
{
	struct cf_api_req *req = arg;
	json_t *call;

	if (err < 0) {
		cf_api_fail(req, 503, "StoreUnavailable", "The store is not available; try again.");
		return;
	}
	call = cf_api_call_of_rows(req, rows);
	if (!call) {
		cf_api_fail(req, 404, "CallNotFound", "There is no such call.");
		return;
	}
	json_object_del(call, "restore");
	cf_api_reply(req, 200, call);
}

void cf_api_call_get(struct cf_api_req *req)
{
	const char *id = req->params.value[0];
	struct cf_store_value v = cf_store_text(id);
	struct cf_call_view view;
	int err;

	if (cf_call_look(req->api->domain, id, &view) == 0 &&
		(req->by_key || cf_call_has_user(req->api->domain, id, req->token.user))) {
		cf_api_reply(req, 200, call_json(req->api, &view));
		return;
	}
	err = cf_store_read(req->api->options.store, CF_STORE_CALL_GET, &v, 1, stored_call, req);
	if (err < 0)
		cf_api_fail_err(req, CF_EAGAIN);
}

/* Of the call's first participants: calls can be looked for by them. */
static const char *raw_id_at(const json_t *call, size_t i)
{
	const char *id = json_string_value(
		json_object_get(json_array_get(json_object_get(call, "participants"), i), "rawId"));

	return id ? id : "";
}

void cf_api_call_stored(struct cf_api *api, const char *call_id)
{
	struct cf_call_view view;
	json_t *call;
	char *text;

	if (cf_call_look(api->domain, call_id, &view) < 0)
		return;
	call = call_json(api, &view);
	json_object_set_new(call, "restore", cf_call_snapshot(api->domain, call_id));
	text = call ? cf_json_text(call, NULL) : NULL;
	if (text)
		(void)cf_api_write(api, CF_STORE_CALL_PUT,
			(struct cf_store_value[]){cf_store_text(call_id),
				cf_store_text(raw_id_at(call, 0)),
				cf_store_text(raw_id_at(call, 1)),
				cf_store_int(view.created_wall_ms),
				view.state == CF_CALL_ENDED
					? cf_store_int(view.ended_wall_ms)
					: (struct cf_store_value){.type = CF_STORE_NULL},
				cf_store_text(text)},
			6);
	cf_free(text);
	cf_json_free(call);
}
