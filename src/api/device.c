/* SPDX-License-Identifier: Apache-2.0 */
/* Devices behind HTTP: signing in and out, their events (kept until they arrived) and streams. */
#include "api/api_priv.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/text.h"
#include "http/sse.h"

#include <stdio.h>

#define SSE_MAX (CF_SSE_DATA_MAX + 1024)

/* ---- the events kept ---- */

/* What an event says. In a group many devices are told the same: it is kept once. */
struct cf_api_text {
	size_t refs;
	size_t len;
	char bytes[];
};

static struct cf_api_text *text_unref(struct cf_api_text *text)
{
	if (text && --text->refs == 0)
		cf_free(text);
	return NULL;
}

static struct cf_api_text *text_new(const char *bytes, size_t len)
{
	struct cf_api_text *text = cf_alloc(sizeof(*text) + len + 1);

	if (!text)
		return NULL;
	text->refs = 1;
	text->len = len;
	memcpy(text->bytes, bytes, len + 1);
	return text;
}

/* The text of before, where it is the same. */
static struct cf_api_text *text_share(struct cf_api *api, const char *bytes, size_t len)
{
	struct cf_api_text *last = api->last_text;

	if (!last || last->len != len || memcmp(last->bytes, bytes, len) != 0) {
		text_unref(last);
		api->last_text = last = text_new(bytes, len);
	}
	if (last)
		last->refs++;
	return last;
}

void cf_api_forget_text(struct cf_api *api)
{
	api->last_text = text_unref(api->last_text);
}

static void event_free(struct cf_api_device *device, struct cf_api_event *event)
{
	cf_list_remove(&event->link);
	device->n_events--;
	device->bytes -= event->size;
	text_unref(event->text);
	cf_free(event);
}

static struct cf_api_event *oldest(struct cf_api_device *device)
{
	return CF_CONTAINER_OF(device->events.next, struct cf_api_event, link);
}

/* Drops all up to seq: it has arrived, or it is lost for want of room. */
static void trim(struct cf_api_device *device, uint64_t seq, bool arrived)
{
	bool any = false;

	while (!cf_list_empty(&device->events) && oldest(device)->seq <= seq) {
		event_free(device, oldest(device));
		any = true;
	}
	if (arrived && seq > device->seen_seq)
		device->seen_seq = seq;
	if (!arrived)
		device->lost_seq = seq;
	if (any)
		(void)cf_api_write(device->api, CF_STORE_EVENT_TRIM,
			(struct cf_store_value[]){
				cf_store_text(device->id), cf_store_int((int64_t)seq)},
			2);
}

struct cf_api_device *cf_api_device_new(struct cf_api *api, struct cf_call_endpoint *endpoint)
{
	struct cf_api_device *device = cf_alloc(sizeof(*device));

	if (!device)
		return NULL;
	device->api = api;
	/* Numbers begin at the clock: after a restart they are above all that were given before,
	 * those included that the store had not seen yet. */
	device->next_seq = (uint64_t)cf_clock_wall_ms();
	device->seen_seq = device->next_seq - 1;
	cf_list_init(&device->events);
	cf_list_push(&api->devices, &device->link);
	snprintf(device->id, sizeof(device->id), "%s", cf_call_endpoint_id(endpoint));
	cf_call_endpoint_set_data(endpoint, device);
	return device;
}

static void stream_close(struct cf_api_device *device)
{
	if (!device->stream)
		return;
	cf_http_exchange_on_gone(device->stream, NULL, NULL);
	cf_http_stream_end(device->stream);
	device->stream = NULL;
	device->api->n_streams--;
}

void cf_api_device_free(struct cf_api_device *device)
{
	stream_close(device);
	while (!cf_list_empty(&device->events))
		event_free(device, oldest(device));
	cf_list_remove(&device->link);
	cf_list_remove(&device->unsent);
	cf_free(device);
}

/* ---- the stream ---- */

static int stream_put(struct cf_api_device *device, const char *id, const char *type,
	const char *data, size_t len)
{
	struct cf_buf buf;
	int err;

	cf_buf_init(&buf, SSE_MAX);
	err = cf_sse_write(&buf, id, type, data, len);
	if (err == 0)
		err = cf_http_stream_write(device->stream, buf.p, buf.len);
	cf_buf_done(&buf);
	device->written_us = cf_loop_now_us(device->api->options.loop);
	return err;
}

static void set_offline(struct cf_api_device *device)
{
	struct cf_call_endpoint *endpoint = cf_call_endpoint_find(device->api->domain, device->id);

	if (endpoint)
		cf_call_endpoint_online(
			device->api->domain, endpoint, false, cf_api_now(device->api));
}

/* The client is gone or does not read: it will come again and ask from its last event on. */
static void stream_lost(struct cf_api_device *device)
{
	stream_close(device);
	set_offline(device);
}

static void on_gone(struct cf_http_exchange *ex, void *arg)
{
	struct cf_api_device *device = arg;

	if (device->stream == ex)
		stream_lost(device);
	else
		cf_http_stream_end(ex);
}

static int stream_event(struct cf_api_device *device, const struct cf_api_event *event)
{
	char id[24];

	snprintf(id, sizeof(id), "%llu", (unsigned long long)event->seq);
	return stream_put(device, id, event->type, event->data, strlen(event->data));
}

static bool is_stored(const struct cf_api_device *device, const struct cf_api_event *event)
{
	return event->batch <= device->api->stored_batch;
}

/* What is stored and was not sent yet. A crash between sending and storing would have told what
 * never was. */
static int send_stored(struct cf_api_device *device)
{
	struct cf_list *it = &device->events;
	int err = 0;

	while (it->prev != &device->events &&
		CF_CONTAINER_OF(it->prev, struct cf_api_event, link)->seq > device->sent_seq)
		it = it->prev;
	for (; it != &device->events && err == 0; it = it->next) {
		const struct cf_api_event *event = CF_CONTAINER_OF(it, struct cf_api_event, link);

		if (!is_stored(device, event))
			return 0;
		err = stream_event(device, event);
		device->sent_seq = event->seq;
	}
	if (err == 0)
		cf_list_remove(&device->unsent);
	return err;
}

void cf_api_devices_send(struct cf_api *api)
{
	CF_LIST_FOR_SAFE(it, &api->unsent)
	{
		struct cf_api_device *device = CF_CONTAINER_OF(it, struct cf_api_device, unsent);

		if (!device->stream)
			cf_list_remove(&device->unsent);
		else if (send_stored(device) < 0)
			stream_lost(device);
	}
}

static struct cf_api_event *event_new(
	struct cf_api *api, uint64_t seq, const char *type, const json_t *data)
{
	struct cf_api_event *event = cf_alloc(sizeof(*event));
	size_t len = 0;
	char *bytes = event && data ? cf_json_text(data, &len) : NULL;

	if (bytes)
		event->text = text_share(api, bytes, len);
	cf_free(bytes);
	if (!event || !event->text)
		return cf_free(event);
	event->data = event->text->bytes;
	event->size = sizeof(*event) + len;
	event->seq = seq;
	snprintf(event->type, sizeof(event->type), "%s", type);
	return event;
}

void cf_api_device_restore_event(
	struct cf_api_device *device, uint64_t seq, const char *type, const char *data)
{
	struct cf_api_event *event = cf_alloc(sizeof(*event));

	if (event)
		event->text = text_new(data, strlen(data));
	if (!event || !event->text) {
		device->lost_seq = seq;
		cf_free(event);
		return;
	}
	event->data = event->text->bytes;
	event->seq = seq;
	event->size = sizeof(*event) + strlen(data);
	snprintf(event->type, sizeof(event->type), "%s", type);
	cf_list_push(&device->events, &event->link);
	device->n_events++;
	device->bytes += event->size;
	/* What came before the oldest one kept has arrived. */
	if (device->n_events == 1)
		device->seen_seq = seq - 1;
	if (device->next_seq <= seq)
		device->next_seq = seq + 1;
}

void cf_api_device_push(struct cf_api_device *device, const char *type, json_t *data)
{
	struct cf_api *api = device->api;
	struct cf_api_event *event = event_new(api, device->next_seq, type, data);

	cf_json_free(data);
	if (!event) {
		/* Without memory the event is lost: the device learns that by a reset. */
		device->lost_seq = device->next_seq++;
		return;
	}
	device->next_seq++;
	device->n_events++;
	device->bytes += event->size;
	api->n_events++;
	cf_list_push(&device->events, &event->link);
	if (cf_api_write(api, CF_STORE_EVENT_PUT,
		    (struct cf_store_value[]){cf_store_text(device->id),
			    cf_store_int((int64_t)event->seq), cf_store_text(type),
			    cf_store_text(event->data)},
		    4) == 0)
		event->batch = api->batch_number;
	if (device->stream && !device->unsent.next)
		cf_list_push(&api->unsent, &device->unsent);
	/* Without memory for a batch there is none to wait for. */
	if (!event->batch)
		cf_api_devices_send(api);
	while (device->n_events > api->options.events_max || device->bytes > CF_API_EVENT_BYTES)
		trim(device, oldest(device)->seq, false);
}

void cf_api_devices_heartbeat(struct cf_api *api)
{
	uint64_t now = cf_loop_now_us(api->options.loop);

	CF_LIST_FOR_SAFE(it, &api->devices)
	{
		struct cf_api_device *device = CF_CONTAINER_OF(it, struct cf_api_device, link);

		if (!device->stream || now - device->written_us < api->options.heartbeat_us)
			continue;
		device->written_us = now;
		if (cf_http_stream_write(device->stream, ": heartbeat\n\n", 13) < 0)
			stream_lost(device);
	}
}

void cf_api_endpoint_gone(struct cf_call_endpoint *endpoint, void *arg)
{
	struct cf_api_device *device = cf_call_endpoint_data(endpoint);
	struct cf_store_value id;

	(void)arg;
	if (!device)
		return;
	id = cf_store_text(device->id);
	if (!device->api->freeing)
		(void)cf_api_write(device->api, CF_STORE_ENDPOINT_DELETE, &id, 1);
	cf_call_endpoint_set_data(endpoint, NULL);
	cf_api_device_free(device);
}

/* What a restart needs to know about a device. */
void cf_api_device_save(struct cf_api_device *device, const struct cf_call_endpoint *endpoint)
{
	json_t *data = json_pack(
		"{s:s?,s:s}", "displayName", cf_call_endpoint_name(endpoint), "host", device->host);
	char *text = data ? cf_json_text(data, NULL) : NULL;

	if (text)
		(void)cf_api_write(device->api, CF_STORE_ENDPOINT_PUT,
			(struct cf_store_value[]){cf_store_text(device->id),
				cf_store_text(cf_call_endpoint_raw_id(endpoint)),
				cf_store_int(device->created_wall_ms), cf_store_text(text)},
			4);
	cf_free(text);
	cf_json_free(data);
}

/* ---- requests ---- */

struct cf_call_endpoint *cf_api_own_endpoint(struct cf_api_req *req, const char *endpoint_id)
{
	struct cf_call_endpoint *endpoint =
		endpoint_id ? cf_call_endpoint_find(req->api->domain, endpoint_id) : NULL;

	if (!endpoint || strcmp(cf_call_endpoint_raw_id(endpoint), req->token.user) != 0 ||
		!cf_call_endpoint_data(endpoint)) {
		cf_api_fail(req, 404, "EndpointNotFound",
			"There is no such endpoint of this user; sign in again.");
		return NULL;
	}
	return endpoint;
}

static bool name_valid(const char *name)
{
	for (const unsigned char *p = (const unsigned char *)name; *p; p++)
		if (*p < ' ' || *p == 0x7f || (*p == 0xc2 && p[1] >= 0x80 && p[1] <= 0x9f))
			return false;
	return true;
}

/* The name of a new endpoint (NULL is fine); false when the request was answered. */
static bool read_name(struct cf_api_req *req, const char **ret_name)
{
	struct cf_json_reader r;

	cf_api_reader(req, &r);
	*ret_name = cf_json_get_string(&r, "displayName", CF_JSON_OPTIONAL, CF_CALL_NAME_MAX);
	if (*ret_name && !name_valid(*ret_name))
		cf_json_reader_fail(&r, "displayName", "must not hold control characters");
	if (r.err < 0)
		cf_api_fail(req, 400, "BadRequest", "%s", req->json_error.text);
	return r.err == 0;
}

static json_t *endpoint_json(struct cf_api *api, const struct cf_call_endpoint *endpoint,
	const struct cf_api_device *device)
{
	const char *user = cf_call_endpoint_raw_id(endpoint);

	return json_pack("{s:s,s:s,s:s?,s:o,s:b,s:I,s:I}", "endpointId", device->id, "userId", user,
		"displayName", cf_call_endpoint_name(endpoint), "iceServers",
		cf_api_ice_servers(
			api, user, NULL, device->host, true, api->options.ice.turn_ttl_ms),
		"relayEnabled", api->options.ice.relay_enabled, "heartbeatSeconds",
		(json_int_t)(api->options.heartbeat_us / CF_US_PER_S), "expiresAfterSeconds",
		(json_int_t)(api->options.calls.endpoint_timeout_us / CF_US_PER_S));
}

void cf_api_endpoint_create(struct cf_api_req *req)
{
	struct cf_api *api = req->api;
	struct cf_call_endpoint_info info = {
		.raw_id = req->token.user, .sink = cf_api_event_sink, .sink_arg = api};
	struct cf_call_endpoint *endpoint;
	struct cf_api_device *device;
	int err;

	if (!(req->token.scopes & (CF_SCOPE_VOIP | CF_SCOPE_VOIP_JOIN))) {
		cf_api_fail(req, 403, "ScopeMissing", "The token lacks the scope voip.");
		return;
	}
	if (!read_name(req, &info.display_name))
		return;
	if (cf_api_refuse_draining(req))
		return;
	err = cf_call_endpoint_register(api->domain, &info, cf_api_now(api), &endpoint);
	if (err < 0) {
		cf_api_fail_err(req, err);
		return;
	}
	device = cf_api_device_new(api, endpoint);
	if (!device) {
		cf_call_endpoint_remove(api->domain, endpoint, cf_api_now(api));
		cf_api_fail_err(req, CF_ENOMEM);
		return;
	}
	device->created_wall_ms = cf_clock_wall_ms();
	cf_api_host_copy(device->host, req->http->host);
	cf_api_device_save(device, endpoint);
	cf_api_reply_committed(req, 201, endpoint_json(api, endpoint, device));
}

void cf_api_endpoint_delete(struct cf_api_req *req)
{
	struct cf_call_endpoint *endpoint = cf_api_own_endpoint(req, req->params.value[0]);

	if (!endpoint)
		return;
	cf_call_endpoint_remove(req->api->domain, endpoint, cf_api_now(req->api));
	cf_api_reply_committed(req, 204, NULL);
}

/* Last-Event-ID; without one, what the device said before. false: not a number of ours. */
static bool last_seen(
	const struct cf_api_device *device, const struct cf_http_request *http, uint64_t *ret_seq)
{
	const char *text = cf_http_request_header(http, "last-event-id");

	*ret_seq = device->seen_seq;
	return !text || !*text || cf_text_u64(text, strlen(text), ret_seq) == 0;
}

/* All that the device has not seen; a reset before it when something in between is lost. */
static int replay(struct cf_api_device *device, uint64_t seen)
{
	int err = 0;

	if (seen < device->lost_seq || seen >= device->next_seq)
		err = stream_put(device, NULL, "reset", "{}", 2);
	else
		trim(device, seen, true);
	device->sent_seq = 0;
	if (!device->unsent.next)
		cf_list_push(&device->api->unsent, &device->unsent);
	return err ? err : send_stored(device);
}

void cf_api_endpoint_events(struct cf_api_req *req)
{
	static const struct cf_http_header headers[] = {
		{"content-type", "text/event-stream"}, {"cache-control", "no-store"}};
	struct cf_call_endpoint *endpoint = cf_api_own_endpoint(req, req->params.value[0]);
	struct cf_http_exchange *ex;
	struct cf_api_device *device;
	struct cf_api *api;
	uint64_t seen;

	if (!endpoint)
		return; /* refused: the request is gone */
	ex = req->ex;
	api = req->api;
	device = cf_call_endpoint_data(endpoint);
	if (!last_seen(device, req->http, &seen)) {
		cf_api_fail(req, 400, "BadRequest", "Last-Event-ID is not an id of this stream.");
		return;
	}
	cf_api_host_copy(device->host, req->http->host);
	stream_close(device); /* a newer stream replaces the older */
	req->answered = 200;
	cf_api_req_free(req);
	if (cf_http_stream_begin(ex, 200, headers, CF_ARRAY_LEN(headers)) < 0) {
		cf_http_stream_end(ex);
		set_offline(device);
		return;
	}
	device->stream = ex;
	api->n_streams++;
	cf_http_exchange_on_gone(ex, on_gone, device);
	cf_call_endpoint_online(api->domain, endpoint, true, cf_api_now(api));
	if (cf_http_stream_write(ex, ": welcome\n\n", 11) < 0 || replay(device, seen) < 0)
		stream_lost(device);
}

/* ---- events of the domain as JSON ---- */

static json_t *candidates_json(const struct cf_call_event *event)
{
	json_t *list = json_array();

	for (size_t i = 0; i < event->n_candidates; i++) {
		const struct cf_call_candidate *c = &event->candidates[i];
		json_t *item = json_pack("{s:s}", "candidate", c->candidate);

		if (c->mid)
			json_object_set_new(item, "sdpMid", json_string(c->mid));
		if (c->mline_index >= 0)
			json_object_set_new(item, "sdpMLineIndex", json_integer(c->mline_index));
		json_array_append_new(list, item);
	}
	return json_pack("{s:s,s:o,s:b}", "callId", event->call_id, "candidates", list,
		"endOfCandidates", event->end_of_candidates);
}

static json_t *person(const char *raw_id, const char *name)
{
	return name ? json_pack("{s:s,s:s}", "rawId", raw_id, "displayName", name)
		    : json_pack("{s:s}", "rawId", raw_id);
}

static const char *const ICE_TRANSPORTS[] = {"all", "relay", "direct"};

static json_t *incoming_json(const struct cf_call_event *event, struct cf_api_device *device)
{
	struct cf_api *api = device->api;
	bool relay = event->ice_transport != CF_CALL_ICE_DIRECT;
	json_t *data = json_pack("{s:s,s:o,s:o,s:s,s:o}", "callId", event->call_id, "from",
		person(event->from_raw_id, event->from_name), "to", person(event->to_raw_id, NULL),
		"iceTransport", ICE_TRANSPORTS[event->ice_transport], "iceServers",
		cf_api_ice_servers(api, event->to_raw_id, event->call_id, device->host, relay,
			api->options.ice.turn_ttl_ms));

	if (data && relay && cf_api_budget_spent(api, event->to_raw_id))
		cf_api_budget_refuse(api, event->call_id, event->to_raw_id, data);
	if (data)
		json_object_set_new(data, event->sdp ? "sdp" : "groupId",
			json_string(event->sdp ? event->sdp : event->group_id));
	if (data && event->custom_context)
		json_object_set_new(data, "customContext", json_string(event->custom_context));
	return data;
}

static json_t *end_json(const struct cf_call_event *event)
{
	json_t *data = json_pack("{s:s,s:i,s:i,s:s}", "callId", event->call_id, "code",
		event->end.code, "subcode", event->end.subcode, "reason",
		event->end.reason ? event->end.reason : "");

	if (data && event->type == CF_CALL_EV_REJECTED)
		json_object_set_new(data, "by", person(event->from_raw_id, event->from_name));
	return data;
}

static json_t *budget_low_json(const struct cf_call_event *event)
{
	return json_pack("{s:s,s:s,s:I,s:I}", "callId", event->call_id, "budget", event->budget,
		"usedBytes", (json_int_t)event->used_bytes, "limitBytes",
		(json_int_t)event->limit_bytes);
}

static json_t *sdp_json(const struct cf_call_event *event)
{
	json_t *data = json_pack("{s:s,s:s,s:s}", "callId", event->call_id, "sdp", event->sdp,
		"type", event->sdp_type);

	if (data)
		json_object_set_new(data, event->type == CF_CALL_EV_ACCEPTED ? "by" : "from",
			person(event->from_raw_id, event->from_name));
	return data;
}

static json_t *notification_json(const struct cf_call_event *event)
{
	const struct cf_call_notification *n = &event->notification;
	json_t *data, *from;

	if (cf_json_parse(&data, n->data, strlen(n->data), NULL) < 0)
		return NULL;
	from = person(event->from_raw_id, event->from_name);
	if (from && event->from_endpoint_id)
		json_object_set_new(from, "endpointId", json_string(event->from_endpoint_id));
	return json_pack("{s:s,s:o,s:s,s:o}", "callId", event->call_id, "from", from, "kind",
		n->kind, "data", data);
}

static json_t *participants_json(const struct cf_call_event *event)
{
	json_t *list = json_array();

	for (size_t i = 0; i < event->n_participants; i++) {
		const struct cf_call_participant_view *p = &event->participants[i];
		json_t *item = person(p->raw_id, p->display_name);

		json_object_set_new(item, "state", json_string(p->state));
		if (p->endpoint_id) {
			json_object_set_new(item, "endpointId", json_string(p->endpoint_id));
			json_object_set_new(item, "isMuted", json_boolean(p->muted));
			json_object_set_new(item, "audioSource", json_integer(p->source));
			json_object_set_new(item, "videoSource", json_integer(p->source));
			json_object_set_new(item, "screenSource",
				json_integer(p->source ^ CF_CALL_SCREEN_SOURCE));
		}
		if (p->end.code != 0)
			json_object_set_new(item, "end",
				json_pack("{s:i,s:i,s:s}", "code", p->end.code, "subcode",
					p->end.subcode, "reason", p->end.reason));
		json_array_append_new(list, item);
	}
	return json_pack("{s:s,s:i,s:o}", "callId", event->call_id, "sequence", (int)event->roster,
		"participants", list);
}

static json_t *demote_json(const struct cf_call_event *event)
{
	json_t *data = json_pack("{s:s,s:o}", "callId", event->call_id, "from",
		person(event->from_raw_id, event->from_name));

	if (data && event->sdp)
		json_object_set_new(data, "sdp", json_string(event->sdp));
	return data;
}

static json_t *event_json(const struct cf_call_event *event, struct cf_api_device *device)
{
	switch (event->type) {
	case CF_CALL_EV_INCOMING:
		return incoming_json(event, device);
	case CF_CALL_EV_ACCEPTED:
	case CF_CALL_EV_RENEGOTIATE:
		return sdp_json(event);
	case CF_CALL_EV_CANDIDATES:
		return candidates_json(event);
	case CF_CALL_EV_PARTICIPANTS:
		return participants_json(event);
	case CF_CALL_EV_BUDGET_LOW:
		return budget_low_json(event);
	case CF_CALL_EV_NOTIFICATION:
		return notification_json(event);
	case CF_CALL_EV_PROMOTE:
		return json_pack("{s:s,s:s}", "callId", event->call_id, "groupId", event->group_id);
	case CF_CALL_EV_PROMOTED:
		return json_pack("{s:s}", "callId", event->call_id);
	case CF_CALL_EV_DEMOTE:
	case CF_CALL_EV_DEMOTED:
	case CF_CALL_EV_NOT_DEMOTED:
		return demote_json(event);
	default:
		return end_json(event);
	}
}

void cf_api_event_sink(
	struct cf_call_endpoint *endpoint, const struct cf_call_event *event, void *arg)
{
	static const char *const types[] = {"incomingCall", "callAccepted", "callRejected",
		"callCancelled", "remoteCandidates", "renegotiate", "participantsUpdated",
		"callEnded", "relayBudgetLow", "notification", "promote", "promoted", "notPromoted",
		"demote", "demoted", "notDemoted"};
	struct cf_api_device *device = cf_call_endpoint_data(endpoint);

	(void)arg;
	if (device)
		cf_api_device_push(device, types[event->type], event_json(event, device));
}
