/* SPDX-License-Identifier: Apache-2.0 */
/* How a member signs in, joins and leaves. */
#include "auth/acs_hmac.h"
#include "load/load_priv.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define API "/calling/2026-11-01"
#define IDENTITIES "/identities?api-version=2023-10-01"
/* Between asking to join and media. */
#define JOIN_US (20 * CF_US_PER_S)
#define RETRY_MAX_S 60

void member_set(struct member *member, enum cf_load_state state, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(member->why, sizeof(member->why), format, args);
	va_end(args);
	member->state = state;
	if (member->load->options.changed)
		member->load->options.changed(member->number, member->load->options.arg);
}

static void drop_media(struct member *member)
{
	media_stop(member);
	member->peer = cf_peer_free(member->peer);
	cf_session_done(&member->session);
}

void member_drop(struct member *member)
{
	cf_timer_stop(&member->timer);
	member->events = cf_http_call_cancel(member->events);
	member->request = cf_http_call_cancel(member->request);
	drop_media(member);
	member->receiver = cf_media_receiver_free(member->receiver);
	member->listener = listener_free(member->listener);
	member->camera = cf_free(member->camera);
	member->pictures = cf_free(member->pictures);
	member->twcc = cf_free(member->twcc);
	if (member->bearer)
		cf_wipe(member->bearer, strlen(member->bearer));
	member->bearer = cf_free(member->bearer);
}

static void fail(struct member *member, const char *where, const char *what)
{
	cf_timer_stop(&member->timer);
	member->events = cf_http_call_cancel(member->events);
	drop_media(member);
	member_set(member, CF_LOAD_FAILED, "%s%s", where, what);
}

/* ---- requests ---- */

static void ask(struct member *member, const char *method, const char *path, json_t *body,
	cf_http_response_fn *fn)
{
	char *text = body ? cf_json_text(body, NULL) : NULL, id[CF_UUID_TEXT_MAX];
	struct cf_http_header headers[] = {
		{"authorization", member->bearer}, {"repeatability-request-id", cf_rand_uuid(id)}};
	struct cf_http_call_options options = {.method = method,
		.path = path,
		.headers = headers,
		.n_headers = 2,
		.body = cf_view_str(text ? text : "")};

	cf_json_free(body);
	if (cf_http_client_request(
		    member->load->http, &options, fn, member, fn ? &member->request : NULL) < 0)
		fail(member, "", "no memory");
	cf_free(text);
}

/* The answer's body; NULL after the member has failed by it. */
static json_t *answer_of(struct member *member, const struct cf_http_response *response)
{
	json_t *body = NULL;

	member->request = NULL;
	if (response->err || response->status >= 300) {
		char text[64];

		snprintf(text, sizeof(text), "status %d", response->status);
		fail(member, "", response->err ? response->text : text);
		return NULL;
	}
	if (cf_json_parse(&body, response->body.p, response->body.len, NULL) < 0)
		fail(member, "", "an answer that is no JSON");
	return body;
}

static bool take_text(const json_t *data, const char *key, char *out, size_t cap)
{
	const char *text = json_string_value(json_object_get(data, key));

	if (!text || strlen(text) >= cap)
		return false;
	memcpy(out, text, strlen(text) + 1);
	return true;
}

/* ---- joining ---- */

static void on_candidate(const char *text, void *arg)
{
	(void)text;
	(void)arg;
}

static void on_gathered(void *arg)
{
	(void)arg;
}

static void on_state(enum cf_peer_state state, void *arg)
{
	struct member *member = arg;
	uint64_t now_us = cf_loop_now_us(member->load->loop);

	if (state == CF_PEER_CONNECTED && member->state == CF_LOAD_JOINING) {
		cf_timer_stop(&member->timer);
		member->setup_ms = (uint32_t)((now_us - member->asked_us) / CF_US_PER_MS);
		member->joins++;
		media_connected(member);
		member_set(member, CF_LOAD_JOINED, "%s", "");
	} else if (state == CF_PEER_FAILED || state == CF_PEER_CLOSED) {
		fail(member, "", state == CF_PEER_FAILED ? "no path" : "the other side closed");
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

static void on_late(struct cf_timer *timer, void *arg)
{
	(void)timer;
	fail(arg, "", "no media in time");
}

static void again(struct cf_timer *timer, void *arg);

/* 409: the call is full; 503: not now, and when (RFC 9110 section 10.2.3). */
static bool refused(struct member *member, const struct cf_http_response *response)
{
	uint64_t wait_s = 1;

	if (response->err || (response->status != 409 && response->status != 503))
		return false;
	member->request = NULL;
	drop_media(member);
	cf_timer_stop(&member->timer);
	for (size_t i = 0; i < response->n_headers; i++)
		if (strcmp(response->headers[i].name, "retry-after") == 0)
			wait_s = strtoul(response->headers[i].value, NULL, 10);
	if (response->status == 503 && member->load->options.retry && !member->load->leaving) {
		member_set(member, CF_LOAD_WAITING, "%s", "busy: comes again");
		wait_s = wait_s > RETRY_MAX_S ? RETRY_MAX_S : wait_s;
		(void)!cf_timer_after(
			&member->timer, member->load->loop, wait_s * CF_US_PER_S, again, member);
		return true;
	}
	if (response->status == 409)
		member_set(member, CF_LOAD_REFUSED, "the call is full (409)");
	else
		member_set(member, CF_LOAD_REFUSED, "busy (503, Retry-After %llu)",
			(unsigned long long)wait_s);
	return true;
}

static void on_joined(const struct cf_http_response *response, void *arg)
{
	struct member *member = arg;
	CF_JSON_AUTOFREE json_t *body = NULL;

	if (refused(member, response))
		return;
	body = answer_of(member, response);
	if (body && !take_text(body, "callId", member->call_id, sizeof(member->call_id)))
		fail(member, "", "an answer without a call");
}

static void join(struct member *member)
{
	static const struct cf_peer_callbacks callbacks = {.candidate = on_candidate,
		.gathered = on_gathered,
		.state = on_state,
		.path = on_path,
		.rtp = media_rtp,
		.rtcp = media_rtcp};
	struct cf_load *load = member->load;
	struct cf_peer_options options = {.loop = load->loop,
		.controlling = true,
		.loopback = load->options.loopback,
		.no_tcp = true,
		.identity = load->identity,
		.pool = load->pool,
		.callbacks = callbacks,
		.arg = member};
	CF_AUTOFREE char *sdp = NULL;

	cf_session_init(&member->session, load->identity);
	member->session.video.on = load->options.cameras > 0;
	member->session.video.direction = member->films ? CF_SDP_SENDRECV : CF_SDP_RECVONLY;
	member->session.video.prefer = CF_VIDEO_VP8;
	if (media_start(member) == 0)
		member->peer = cf_peer_new(&options);
	if (member->peer) {
		cf_peer_servers_done(member->peer);
		sdp = cf_session_describe(
			&member->session, member->peer, false, CF_SDP_SENDRECV, NULL, 0);
	}
	if (!sdp) {
		fail(member, "", "no memory, or no address");
		return;
	}
	member->asked_us = cf_loop_now_us(load->loop);
	(void)!cf_timer_after(&member->timer, load->loop, JOIN_US, on_late, member);
	ask(member, "POST", API "/calls",
		json_pack("{s:s,s:s,s:s}", "endpointId", member->endpoint_id, "groupId",
			load->groups[member->group], "sdp", sdp),
		on_joined);
}

static void again(struct cf_timer *timer, void *arg)
{
	struct member *member = arg;

	(void)timer;
	member_set(member, CF_LOAD_JOINING, "%s", "");
	join(member);
}

/* ---- events ---- */

static void on_event(const struct cf_sse_event *event, void *arg)
{
	struct member *member = arg;
	CF_JSON_AUTOFREE json_t *data = NULL;
	const char *sdp;

	if (cf_json_parse(&data, event->data, event->data_len, NULL) < 0)
		return;
	sdp = json_string_value(json_object_get(data, "sdp"));
	if (strcmp(event->type, "callAccepted") == 0 && sdp && member->peer) {
		if (cf_session_take_remote(&member->session, sdp, true) < 0 ||
			cf_session_apply(&member->session, member->peer) < 0)
			fail(member, "", "an answer that makes no sense");
	} else if (strcmp(event->type, "callEnded") == 0 && member->peer) {
		const char *why = json_string_value(json_object_get(data, "reason"));

		fail(member, "the service ended it: ", why ? why : "");
	}
}

static void on_events_done(const struct cf_http_response *response, void *arg)
{
	struct member *member = arg;

	member->events = NULL;
	if (member->state == CF_LOAD_JOINED || member->state == CF_LOAD_JOINING)
		fail(member, "the event stream ended: ", response->text);
}

static void on_events_open(const struct cf_http_response *response, void *arg)
{
	(void)response;
	join(arg);
}

static void open_events(struct member *member)
{
	char path[128];
	struct cf_http_header header = {"authorization", member->bearer};
	struct cf_http_events_options options = {.path = path,
		.headers = &header,
		.n_headers = 1,
		.open = on_events_open,
		.event = on_event,
		.done = on_events_done,
		.arg = member};

	snprintf(path, sizeof(path), API "/endpoints/%s/events", member->endpoint_id);
	if (cf_http_client_events(member->load->http, &options, &member->events) < 0)
		fail(member, "", "no memory");
}

static void on_signed_in(const struct cf_http_response *response, void *arg)
{
	struct member *member = arg;
	CF_JSON_AUTOFREE json_t *body = answer_of(member, response);

	if (!body)
		return;
	if (take_text(body, "endpointId", member->endpoint_id, sizeof(member->endpoint_id)))
		open_events(member);
	else
		fail(member, "", "an answer without an endpoint");
}

/* ---- a user ---- */

static void on_user(const struct cf_http_response *response, void *arg)
{
	struct member *member = arg;
	CF_JSON_AUTOFREE json_t *body = answer_of(member, response);
	const char *token;
	size_t n;

	if (!body)
		return;
	token = json_string_value(json_object_get(json_object_get(body, "accessToken"), "token"));
	n = token ? strlen(token) + sizeof("Bearer ") : 0;
	member->bearer = token ? cf_alloc(n) : NULL;
	if (!member->bearer) {
		fail(member, "", "an answer without a token");
		return;
	}
	snprintf(member->bearer, n, "Bearer %s", token);
	ask(member, "POST", API "/endpoints", json_pack("{s:s}", "displayName", "load"),
		on_signed_in);
}

static void make_user(struct member *member)
{
	static const char body[] = "{\"createTokenWithScopes\":[\"voip\"]}";
	struct cf_load *load = member->load;
	struct cf_acs_hmac_request asked = {.method = cf_view_str("POST"),
		.target = cf_view_str(IDENTITIES),
		.host = cf_view_str(load->host),
		.body = cf_view_str(body)};
	struct cf_acs_hmac_headers sign;
	int err = cf_acs_hmac_sign(&sign, &asked, &load->key, cf_clock_wall_ms());
	struct cf_http_header headers[] = {{"authorization", sign.authorization},
		{"x-ms-date", sign.date}, {"x-ms-content-sha256", sign.content_sha256}};
	struct cf_http_call_options options = {.method = "POST",
		.path = IDENTITIES,
		.headers = headers,
		.n_headers = 3,
		.body = cf_view_str(body)};

	if (err == 0)
		err = cf_http_client_request(
			load->http, &options, on_user, member, &member->request);
	if (err < 0)
		fail(member, "", "no memory");
}

void member_join(struct member *member)
{
	member_set(member, CF_LOAD_JOINING, "%s", "");
	if (member->events)
		join(member);
	else
		make_user(member);
}

void member_leave(struct member *member)
{
	char path[128];

	cf_timer_stop(&member->timer);
	if (member->state == CF_LOAD_JOINED) {
		snprintf(path, sizeof(path), API "/calls/%s:hangup", member->call_id);
		ask(member, "POST", path, json_pack("{s:s}", "endpointId", member->endpoint_id),
			NULL);
	}
	if (member->load->leaving && member->endpoint_id[0]) {
		member->events = cf_http_call_cancel(member->events);
		snprintf(path, sizeof(path), API "/endpoints/%s", member->endpoint_id);
		ask(member, "DELETE", path, NULL, NULL);
	}
	drop_media(member);
	if (member->state != CF_LOAD_FAILED && member->state != CF_LOAD_REFUSED)
		member_set(member, CF_LOAD_LEFT, "%s", "");
}
