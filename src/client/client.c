/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"
#include "base/mem.h"
#include "base/rand.h"
#include "base/text.h"
#include "client/client_priv.h"

#include <stdio.h>
#include <string.h>

#define RETRY_FIRST_US (200 * CF_US_PER_MS)
#define RETRY_MAX_US (10 * CF_US_PER_S)
/* While there are calls. */
#define RETRY_CALL_MAX_US (1 * CF_US_PER_S)
/* Beyond the service's heartbeat. */
#define HEARTBEAT_LATE_US (5 * CF_US_PER_S)
#define HEARTBEAT_MAX_S 3600
/* Attempts at the first sign-in before the application is told. */
#define SIGN_IN_TRIES 6
#define SIGN_OUT_WAIT_US (2 * CF_US_PER_S)

static void sign_in(struct callflow_client *client);
static void sign_off(struct callflow_client *client);

void client_emit(struct callflow_client *client, const struct client_call *call,
	struct callflow_event *event)
{
	if (call) {
		event->call_id = call->id[0] ? call->id : NULL;
		event->peer = call->remote_id;
		event->peer_name = call->remote_name;
	}
	if (client->on_event)
		client->on_event(event, client->arg);
}

/* Requests */

const char *client_response_text(const struct cf_http_response *response, char *text, size_t cap)
{
	CF_JSON_AUTOFREE json_t *body = NULL;
	const json_t *error;

	if (response->err) {
		snprintf(text, cap, "%s",
			response->text[0] ? response->text : cf_err_text(response->err));
		return text;
	}
	if (cf_json_parse(&body, response->body.p, response->body.len, NULL) < 0) {
		snprintf(text, cap, "the service answered %d", response->status);
		return text;
	}
	error = json_object_get(body, "error");
	snprintf(text, cap, "the service answered %d %s: %s", response->status,
		json_string_value(json_object_get(error, "code"))
			? json_string_value(json_object_get(error, "code"))
			: "",
		json_string_value(json_object_get(error, "message"))
			? json_string_value(json_object_get(error, "message"))
			: "no reason given");
	return text;
}

int client_call_request(
	struct client_call *call, const char *verb, json_t *body, cf_http_response_fn *fn)
{
	char path[256];
	int err;

	if (!body)
		body = json_object();
	json_object_set_new(body, "endpointId", json_string(call->client->endpoint_id));
	snprintf(path, sizeof(path), CF_CLIENT_API "/calls/%s:%s", call->id, verb);
	err = client_request(call->client, "POST", path, body, fn, call);
	if (!err && fn)
		call->pending++;
	return err;
}

struct client_call *client_find_call(struct callflow_client *client, const char *call_id)
{
	CF_LIST_FOR(it, &client->calls)
	{
		struct client_call *call = CF_CONTAINER_OF(it, struct client_call, link);

		/* Who was taken out of a call may be called back before its end is done with. */
		if (call->state != CALL_ENDED && strcmp(call->id, call_id) == 0)
			return call;
	}
	return NULL;
}

/* Signing in, and the event stream */

static void sign_out(struct callflow_client *client, int code, const char *reason)
{
	struct callflow_event event = {.type = CALLFLOW_SIGNED_OUT, .code = code, .reason = reason};

	cf_timer_stop(&client->retry);
	CF_LIST_FOR_SAFE(it, &client->calls)
	client_call_end(CF_CONTAINER_OF(it, struct client_call, link), code, 0, reason, false);
	client_emit(client, NULL, &event);
}

static void on_retry(struct cf_timer *timer, void *arg)
{
	struct callflow_client *client = arg;

	(void)timer;
	if (client->endpoint_id[0])
		client_open_events(client);
	else
		sign_in(client);
}

static void retry_later(struct callflow_client *client)
{
	unsigned shift = client->failures < 8 ? client->failures : 8;
	uint64_t delay_us = RETRY_FIRST_US << shift;
	uint64_t max_us = client->n_calls ? RETRY_CALL_MAX_US : RETRY_MAX_US;

	client->failures++;
	if (delay_us > max_us)
		delay_us = max_us;
	/* Not all clients at once after a restart of the service. */
	delay_us = delay_us / 2 + cf_rand_below((uint32_t)(delay_us / 2) + 1);
	(void)!cf_timer_after(&client->retry, client->loop, delay_us, on_retry, client);
}

static bool is_final(const struct cf_http_response *response)
{
	return response->err == CF_EAUTH ||
	       (!response->err && response->status >= 400 && response->status < 500 &&
		       response->status != 408 && response->status != 429);
}

void client_lost(struct callflow_client *client)
{
	struct callflow_event event = {.type = CALLFLOW_RECONNECTING};

	if (client->lost || !client->announced)
		return;
	client->lost = true;
	client_emit(client, NULL, &event);
}

static void on_events_open(const struct cf_http_response *response, void *arg)
{
	struct client_link *link = arg;
	struct callflow_client *client = link->client;
	struct callflow_event event = {.type = CALLFLOW_SIGNED_IN, .peer = client->user_id};

	(void)response;
	if (link != client->link)
		return;
	client_link_works(link);
	cf_timer_stop(&client->open_due);
	client->failures = 0;
	if (client->announced && !client->lost)
		return;
	if (client->lost)
		event.type = CALLFLOW_RECONNECTED;
	client->announced = true;
	client->lost = false;
	client_emit(client, NULL, &event);
}

static void on_events_done(const struct cf_http_response *response, void *arg)
{
	struct client_link *link = arg;
	struct callflow_client *client = link->client;
	char text[256];

	link->events = NULL;
	cf_timer_stop(&client->open_due);
	if (client->closing || link != client->link)
		return;
	if (!response->err && (response->status == 404 || response->status == 410)) {
		/* The service has forgotten this endpoint, and ended its calls: a new one takes its
		 * place. */
		client->endpoint_id[0] = 0;
		client->last_event_id[0] = 0;
		client_check_calls(client);
		sign_in(client);
		return;
	}
	if (is_final(response) && response->status != 200) {
		client_response_text(response, text, sizeof(text));
		sign_out(client, response->status, text);
		return;
	}
	if (response->err == CF_ETIMEOUT && link->proven) {
		client_doubt(client);
		if (client->link != link)
			return;
	}
	if (client->failures == 0) {
		client->failures++;
		client_open_events(client);
		return;
	}
	client_lost(client);
	retry_later(client);
}

/* Of two streams, the old one and the one that takes its place, each may bring an event. */
static bool is_known(const struct callflow_client *client, const char *id)
{
	uint64_t seq, last;

	return cf_text_u64(id, strlen(id), &seq) == 0 &&
	       cf_text_u64(client->last_event_id, strlen(client->last_event_id), &last) == 0 &&
	       seq <= last;
}

static void on_sse(const struct cf_sse_event *event, void *arg)
{
	struct client_link *link = arg;
	struct callflow_client *client = link->client;

	if (strcmp(event->type, "reset") != 0) {
		if (is_known(client, event->id))
			return;
		if (event->id[0] && strlen(event->id) < sizeof(client->last_event_id))
			snprintf(client->last_event_id, sizeof(client->last_event_id), "%s",
				event->id);
	}
	client_on_event(client, event);
}

static void on_open_due(struct cf_timer *timer, void *arg)
{
	struct callflow_client *client = arg;

	(void)!cf_timer_after(
		timer, client->loop, client_answer_due_us(client), on_open_due, client);
	client_doubt(client);
}

void client_open_events(struct callflow_client *client)
{
	struct client_link *link = client->link;
	char path[256];
	struct cf_http_events_options options = {.path = path,
		.last_event_id = client->last_event_id[0] ? client->last_event_id : NULL,
		.silence_us = client->silence_us,
		.open = on_events_open,
		.event = on_sse,
		.done = on_events_done,
		.arg = link};

	if (!client->endpoint_id[0] || link->events || client->closing)
		return;
	cf_timer_stop(&client->retry);
	snprintf(path, sizeof(path), CF_CLIENT_API "/endpoints/%s/events", client->endpoint_id);
	if (cf_http_client_events(link->http, &options, &link->events) < 0)
		retry_later(client);
	else
		(void)!cf_timer_after(&client->open_due, client->loop, client_answer_due_us(client),
			on_open_due, client);
}

static int take_endpoint(struct callflow_client *client, const struct cf_http_response *response)
{
	CF_JSON_AUTOFREE json_t *body = NULL;
	struct cf_json_error error;
	struct cf_json_reader r;
	const char *id, *user_id;
	int64_t heartbeat_s;

	if (cf_json_parse(&body, response->body.p, response->body.len, &error) < 0)
		return CF_EBADMSG;
	cf_json_reader_init(&r, body, &error);
	id = cf_json_get_string(&r, "endpointId", CF_JSON_REQUIRED, CF_CLIENT_ID_MAX - 1);
	user_id = cf_json_get_string(&r, "userId", CF_JSON_REQUIRED, CALLFLOW_USER_ID_MAX - 1);
	heartbeat_s =
		cf_json_get_int(&r, "heartbeatSeconds", CF_JSON_OPTIONAL, 1, HEARTBEAT_MAX_S, 0);
	if (r.err)
		return r.err;
	snprintf(client->endpoint_id, sizeof(client->endpoint_id), "%s", id);
	snprintf(client->user_id, sizeof(client->user_id), "%s", user_id);
	/* 0: the HTTP client's own limit. */
	client->silence_us =
		heartbeat_s ? (uint64_t)heartbeat_s * CF_US_PER_S + HEARTBEAT_LATE_US : 0;
	cf_json_free(client->ice_servers);
	client->ice_servers = json_incref(json_object_get(body, "iceServers"));
	return 0;
}

static void on_signed_in(const struct cf_http_response *response, void *arg)
{
	struct callflow_client *client = arg;
	char text[256];

	if (client->closing)
		return;
	if (!response->err && response->status == 201 && take_endpoint(client, response) == 0) {
		client->failures = 0;
		client_open_events(client);
		CF_LIST_FOR_SAFE(it, &client->calls)
		client_call_proceed(CF_CONTAINER_OF(it, struct client_call, link));
		return;
	}
	if (is_final(response) || (!client->announced && client->failures + 1 >= SIGN_IN_TRIES)) {
		client_response_text(response, text, sizeof(text));
		sign_out(client, response->status ? response->status : 480, text);
		return;
	}
	retry_later(client);
}

static void sign_in(struct callflow_client *client)
{
	json_t *body = json_object();

	if (client->display_name)
		json_object_set_new(body, "displayName", json_string(client->display_name));
	if (client_request_once(
		    client, "POST", CF_CLIENT_API "/endpoints", body, on_signed_in, client) < 0)
		retry_later(client);
}

/* Life */

static bool is_loopback(const char *endpoint)
{
	const char *host = strstr(endpoint, "://");
	struct cf_addr addr;
	char name[256];
	size_t n;

	host = host ? host + 3 : endpoint;
	n = *host == '[' ? strcspn(host, "]") + 1 : strcspn(host, ":/");
	if (n >= sizeof(name))
		return false;
	snprintf(name, sizeof(name), "%.*s", (int)n, host);
	return strcmp(name, "localhost") == 0 ||
	       (cf_addr_parse(&addr, name, 0) == 0 && cf_addr_classify(&addr) == CF_ADDR_LOOPBACK);
}

static int make_parts(struct callflow_client *client, const struct callflow_client_options *options)
{
	char error[CF_TLS_ERROR_MAX];

	client->thread = cf_loop_thread_new("callflow");
	client->pool = cf_pool_new("callflow-dns", 1, 64);
	if (!client->thread || !client->pool)
		return CF_ENOMEM;
	client->loop = cf_loop_thread_loop(client->thread);
	client->tls = cf_tls_client_new(options->ca_file, error);
	if (!client->tls)
		return CF_EIO;
	if (cf_dtls_identity_new(&client->identity) < 0)
		return CF_ENOMEM;
	client->display_name = cf_strdup(options->display_name);
	client->early_events = json_array();
	client->endpoint = cf_strdup(options->endpoint);
	client->ca_file = cf_strdup(options->ca_file);
	client->authorization = cf_asprintf("Bearer %s", options->token);
	if (!client->endpoint || !client->authorization || (options->ca_file && !client->ca_file))
		return CF_ENOMEM;
	return client_links_init(client);
}

static void start(void *arg)
{
	sign_in(arg);
}

int callflow_client_new(
	struct callflow_client **ret_client, const struct callflow_client_options *options)
{
	struct callflow_client *client;
	int err;

	if (!options || !options->endpoint || !options->token ||
		strncmp(options->endpoint, "https://", 8) != 0)
		return CF_EINVAL;
	client = cf_alloc(sizeof(*client));
	if (!client)
		return CF_ENOMEM;
	cf_list_init(&client->calls);
	cf_list_init(&client->requests);
	client->on_event = options->on_event;
	client->arg = options->arg;
	client->loopback = is_loopback(options->endpoint);
	err = make_parts(client, options);
	if (!err)
		err = cf_loop_post(client->loop, start, NULL, client);
	if (err) {
		callflow_client_free(client);
		return err;
	}
	*ret_client = client;
	return 0;
}

/* What is to be said to the service before the thread ends. */
struct farewell {
	struct callflow_client *client;
	struct cf_timer timer;
};

static void on_signed_out(const struct cf_http_response *response, void *arg)
{
	(void)response;
	cf_loop_stop(((struct farewell *)arg)->client->loop);
}

static void on_farewell_timeout(struct cf_timer *timer, void *arg)
{
	(void)timer;
	cf_loop_stop(((struct farewell *)arg)->client->loop);
}

static void sign_off(struct callflow_client *client)
{
	char path[256];

	snprintf(path, sizeof(path), CF_CLIENT_API "/endpoints/%s", client->endpoint_id);
	if (!client->endpoint_id[0] || client_request_once(client, "DELETE", path, NULL,
					       on_signed_out, client->farewell) < 0)
		cf_loop_stop(client->loop);
}

void client_settled(struct callflow_client *client)
{
	if (client->farewell && client->quiet == 0)
		sign_off(client);
}

static void say_farewell(void *arg)
{
	struct farewell *farewell = arg;
	struct callflow_client *client = farewell->client;

	client->closing = true;
	client_nat_stop(client);
	cf_timer_stop(&client->retry);
	cf_timer_stop(&client->open_due);
	CF_LIST_FOR_SAFE(it, &client->calls)
	client_call_end(
		CF_CONTAINER_OF(it, struct client_call, link), 0, 0, "the client was closed", true);
	client->link->events = cf_http_call_cancel(client->link->events);
	if (client->old_link)
		client->old_link->events = cf_http_call_cancel(client->old_link->events);
	client->farewell = farewell;
	if (cf_timer_after(&farewell->timer, client->loop, SIGN_OUT_WAIT_US, on_farewell_timeout,
		    farewell) < 0)
		cf_loop_stop(client->loop);
	/* Hang-ups first: without its device a call would end for that reason instead of its own.
	 */
	else if (client->quiet == 0)
		sign_off(client);
}

struct callflow_client *callflow_client_free(struct callflow_client *client)
{
	struct farewell farewell = {.client = client};

	if (!client)
		return NULL;
	if (client->link) {
		/* The loop stops itself when the service has answered, or after a while. */
		(void)!cf_loop_post_wait(client->loop, say_farewell, &farewell);
		cf_loop_thread_join(client->thread);
		cf_timer_stop(&farewell.timer);
	}
	client_links_done(client);
	CF_LIST_FOR_SAFE(it, &client->calls)
	client_call_free(CF_CONTAINER_OF(it, struct client_call, link));
	cf_pool_free(client->pool);
	cf_loop_thread_free(client->thread);
	cf_json_free(client->ice_servers);
	cf_json_free(client->early_events);
	cf_dtls_identity_free(client->identity);
	cf_tls_unref(client->tls);
	cf_free(client->display_name);
	cf_free(client->endpoint);
	cf_free(client->ca_file);
	if (client->authorization)
		cf_wipe(client->authorization, strlen(client->authorization));
	cf_free(client->authorization);
	return cf_free(client);
}
