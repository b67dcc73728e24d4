/* SPDX-License-Identifier: Apache-2.0 */
/* The object, its ports to the domain, batches of writes, routing. */
#include "api/api.h"

#include "api/api_priv.h"
#include "auth/acs_hmac.h"
#include "base/clock.h"
#include "base/mem.h"

#include <stdio.h>

#define CALLING "/calling/2026-11-01"
#define IDENTITY "2023-10-01"
#define TRAVERSAL "2022-03-01-preview"
#define BATCH_FULL (CF_STORE_BATCH_MAX - 1)
#define PRUNE_US (600 * CF_US_PER_S)
#define HEARTBEAT_LOOK_US (CF_US_PER_S)

#define R(auth, limit, version, body, repeatable, fn)                                       \
	&(const struct cf_api_route)                                                        \
	{                                                                                   \
		CF_API_##auth, CF_API_LIMIT_##limit, version, body, repeatable, cf_api_##fn \
	}

static cf_route_fn no_fn;

/* clang-format off */
static const struct cf_route ROUTES[] = {
	{"POST", "/identities", no_fn, R(KEY, CREATE, IDENTITY, true, true, identity_create)},
	{"DELETE", "/identities/{id}", no_fn, R(KEY, DELETE, IDENTITY, false, false, identity_delete)},
	{"POST", "/identities/{id}/:issueAccessToken", no_fn, R(KEY, ISSUE, IDENTITY, true, false, identity_issue)},
	{"POST", "/identities/{id}/:revokeAccessTokens", no_fn, R(KEY, REVOKE, IDENTITY, false, false, identity_revoke)},
	{"POST", "/networkTraversal/:issueRelayConfiguration", no_fn, R(KEY, RELAY, TRAVERSAL, true, false, relay_configuration)},
	{"POST", CALLING "/endpoints", no_fn, R(TOKEN, NONE, NULL, true, true, endpoint_create)},
	{"DELETE", CALLING "/endpoints/{id}", no_fn, R(TOKEN, NONE, NULL, false, false, endpoint_delete)},
	{"GET", CALLING "/endpoints/{id}/events", no_fn, R(TOKEN, NONE, NULL, false, false, endpoint_events)},
	{"POST", CALLING "/calls", no_fn, R(TOKEN, NONE, NULL, true, true, call_create)},
	{"GET", CALLING "/calls/{id}", no_fn, R(KEY_OR_TOKEN, NONE, NULL, false, false, call_get)},
	{"POST", CALLING "/calls/{id}:accept", no_fn, R(TOKEN, NONE, NULL, true, true, call_accept)},
	{"POST", CALLING "/calls/{id}:reject", no_fn, R(TOKEN, NONE, NULL, true, false, call_reject)},
	{"POST", CALLING "/calls/{id}:candidates", no_fn, R(TOKEN, NONE, NULL, true, false, call_candidates)},
	{"POST", CALLING "/calls/{id}:renegotiate", no_fn, R(TOKEN, NONE, NULL, true, true, call_renegotiate)},
	{"POST", CALLING "/calls/{id}:hangup", no_fn, R(TOKEN, NONE, NULL, true, false, call_hangup)},
	{"POST", CALLING "/calls/{id}:notify", no_fn, R(TOKEN, NONE, NULL, true, false, call_notify)},
	{"POST", CALLING "/calls/{id}:report", no_fn, R(TOKEN, NONE, NULL, true, false, call_report)},
	{"POST", CALLING "/calls/{id}:promote", no_fn, R(TOKEN, NONE, NULL, true, true, call_promote)},
	{"POST", CALLING "/calls/{id}:view", no_fn, R(TOKEN, NONE, NULL, true, false, call_view)},
	{"POST", CALLING "/calls/{id}:demote", no_fn, R(TOKEN, NONE, NULL, true, true, call_demote)},
	{"POST", CALLING "/calls/{id}/participants", no_fn, R(TOKEN, NONE, NULL, true, true, participants_add)},
	{"POST", CALLING "/calls/{id}/participants:remove", no_fn, R(TOKEN, NONE, NULL, true, false, participants_remove)},
	{"POST", CALLING "/calls/{id}/participants:mute", no_fn, R(TOKEN, NONE, NULL, true, false, participants_mute)},
	{"GET", CALLING "/calls/{id}/trace", no_fn, R(KEY_OR_TOKEN, NONE, NULL, false, false, call_trace)},
	{"GET", CALLING "/usage", no_fn, R(KEY_OR_TOKEN, NONE, NULL, false, false, usage)},
	{"GET", CALLING "/usage:summarize", no_fn, R(KEY_OR_TOKEN, NONE, NULL, false, false, usage_summarize)},
	{"GET", CALLING "/usage/budgets/{id}", no_fn, R(KEY, NONE, NULL, false, false, budget_get)},
	{"PUT", CALLING "/usage/budgets/{id}", no_fn, R(KEY, NONE, NULL, true, false, budget_put)},
	{"DELETE", CALLING "/usage/budgets/{id}", no_fn, R(KEY, NONE, NULL, false, false, budget_delete)},
	{"POST", "/node/:drain", no_fn, R(KEY, NONE, NULL, false, false, node_drain)},
	{"GET", CALLING "/usage:export", no_fn, R(KEY, NONE, NULL, false, false, usage_export)},
	{"GET", CALLING "/usage/keys", no_fn, R(PUBLIC, NONE, NULL, false, false, usage_keys)},
	{"GET", "/openapi.yaml", no_fn, R(PUBLIC, NONE, NULL, false, false, openapi)},
	{"GET", "/healthz", no_fn, R(PUBLIC, NONE, NULL, false, false, health)},
	{"GET", "/readyz", no_fn, R(PUBLIC, NONE, NULL, false, false, ready)},
	{"GET", "/metrics", no_fn, R(KEY, NONE, NULL, false, false, metrics)},
};
/* clang-format on */

/* Of --dev alone. */
static const struct cf_route DEV_ROUTES[] = {
	{"GET", "/dev/people", no_fn, R(PUBLIC, NONE, NULL, false, false, dev_people)},
	{"POST", "/dev/identities", no_fn, R(PUBLIC, CREATE, NULL, true, false, dev_identity)},
};

static const struct cf_route LOOPBACK_ROUTES[] = {
	{"GET", "/metrics", no_fn, R(PUBLIC, NONE, NULL, false, false, metrics)},
	{"GET", "/healthz", no_fn, R(PUBLIC, NONE, NULL, false, false, health)},
	{"GET", "/readyz", no_fn, R(PUBLIC, NONE, NULL, false, false, ready)},
};

/* The table is only searched; what a row does is in its `extra`. */
static void no_fn(struct cf_http_exchange *ex, const struct cf_http_request *request,
	const struct cf_route_params *params, void *arg)
{
	(void)ex, (void)request, (void)params, (void)arg;
}

/* ---- batches ---- */

static void batch_done(int err, void *arg)
{
	struct cf_api_batch *batch = arg;
	struct cf_list *node;

	if (batch->number > batch->api->stored_batch)
		batch->api->stored_batch = batch->number;
	cf_api_devices_send(batch->api);
	cf_histogram_add(&batch->api->metrics.commits, cf_clock_us() - batch->begun_us);
	while ((node = cf_list_pop(&batch->waiting)))
		cf_api_req_committed(CF_CONTAINER_OF(node, struct cf_api_req, link), err);
	batch->api->n_batches--;
	cf_free(batch);
}

void cf_api_flush(struct cf_api *api)
{
	struct cf_api_batch *batch = api->batch;
	int err;

	if (!batch)
		return;
	api->batch = NULL;
	api->n_batches++;
	batch->begun_us = cf_clock_us();
	err = cf_store_commit(batch->writes, batch_done, batch);
	if (err < 0)
		batch_done(err, batch);
}

/* Events are stored together with what has caused them. */
static void flush(void *arg)
{
	struct cf_api *api = arg;

	cf_call_domain_deliver(api->domain);
	cf_api_flush(api);
}

struct cf_api_batch *cf_api_batch_get(struct cf_api *api)
{
	struct cf_api_batch *batch = api->batch;

	if (batch)
		return batch;
	batch = cf_alloc(sizeof(*batch));
	if (!batch)
		return NULL;
	batch->api = api;
	batch->number = ++api->batch_number;
	cf_list_init(&batch->waiting);
	batch->writes = cf_store_batch_new(api->options.store);
	if (!batch->writes)
		return cf_free(batch);
	api->batch = batch;
	cf_defer_set(&api->flush, api->options.loop, flush, api);
	return batch;
}

int cf_api_write(
	struct cf_api *api, enum cf_store_write write, const struct cf_store_value *v, size_t n)
{
	struct cf_api_batch *batch;

	if (api->batch && api->batch->n >= BATCH_FULL)
		cf_api_flush(api);
	batch = cf_api_batch_get(api);
	if (!batch)
		return CF_ENOMEM;
	batch->n++;
	return cf_store_add(batch->writes, write, v, n);
}

/* ---- ports of the domain ---- */

static void deliver(void *arg)
{
	struct cf_api *api = arg;

	cf_call_domain_deliver(api->domain);
}

static void port_wake(void *arg)
{
	struct cf_api *api = arg;

	cf_defer_set(&api->deliver, api->options.loop, deliver, api);
}

static void on_deadline(struct cf_timer *timer, void *arg)
{
	struct cf_api *api = arg;

	(void)timer;
	cf_call_domain_tick(api->domain, cf_api_now(api));
}

static void port_deadline(void *arg)
{
	struct cf_api *api = arg;

	/* Without memory for the timer the next verb sets it. */
	(void)!cf_timer_set(&api->deadline, api->options.loop, cf_call_domain_deadline(api->domain),
		on_deadline, api);
}

static void port_trace(const struct cf_call_trace *entry, void *arg)
{
	cf_api_tell_step(arg, entry);
	(void)cf_api_write(arg, CF_STORE_TRACE_PUT,
		(struct cf_store_value[]){cf_store_text(entry->call_id), cf_store_int(entry->seq),
			cf_store_int(entry->wall_ms), cf_store_text(entry->room),
			cf_store_text(entry->kind), cf_store_text(entry->endpoint_id),
			cf_store_text(entry->detail)},
		7);
}

static void port_leg(const struct cf_call_leg_record *record, void *arg)
{
	struct cf_api *api = arg;
	struct cf_store_value v[20];

	for (size_t i = 0; i < 20; i++)
		v[i] = cf_store_int(0);
	if (record->ended)
		cf_api_count_ending(api, record->code, record->subcode);
	v[0] = cf_store_text(record->leg_id);
	v[1] = cf_store_text("leg");
	v[2] = cf_store_text(record->call_id);
	v[3] = cf_store_text(api->resource);
	v[4] = cf_store_text(record->raw_id);
	v[5] = cf_store_text(record->endpoint_id);
	v[6] = cf_store_text(NULL);
	v[7] = cf_store_int(record->start_wall_ms);
	v[8] = cf_store_int(record->end_wall_ms);
	v[9] = cf_store_int(record->ended);
	v[10] = cf_store_int(record->code);
	v[11] = cf_store_int(record->subcode);
	(void)cf_api_write(api, CF_STORE_USAGE_PUT, v, 20);
}

static void port_call_changed(const char *call_id, void *arg)
{
	struct cf_api *api = arg;

	if (!api->freeing)
		cf_api_call_stored(api, call_id);
}

/* ---- timers ---- */

static void on_heartbeat(struct cf_timer *timer, void *arg)
{
	struct cf_api *api = arg;

	cf_api_devices_heartbeat(api);
	cf_api_usage_mark(api);
	(void)!cf_timer_after(timer, api->options.loop, HEARTBEAT_LOOK_US, on_heartbeat, api);
}

static void on_prune(struct cf_timer *timer, void *arg)
{
	struct cf_api *api = arg;
	int64_t now = cf_clock_wall_ms();
	struct cf_store_value repeats = cf_store_int(now - api->options.repeat_keep_ms);
	struct cf_store_value calls = cf_store_int(now - api->options.traces_keep_ms);
	struct cf_store_value usage = cf_store_int(now - api->options.usage_keep_ms);

	(void)cf_api_write(api, CF_STORE_PRUNE_REPEAT, &repeats, 1);
	(void)cf_api_write(api, CF_STORE_PRUNE_CALLS, &calls, 1);
	(void)cf_api_write(api, CF_STORE_PRUNE_USAGE, &usage, 1);
	(void)!cf_timer_after(timer, api->options.loop, PRUNE_US, on_prune, api);
}

/* ---- the object ---- */

void cf_api_options_defaults(struct cf_api_options *options)
{
	memset(options, 0, sizeof(*options));
	options->calls = cf_call_options_defaults();
	options->heartbeat_us = 15 * CF_US_PER_S;
	options->events_max = 128;
	options->repeat_keep_ms = 48 * 3600000LL;
	options->traces_keep_ms = 7 * 86400000LL;
	options->usage_keep_ms = 400 * 86400000LL;
	options->ice.turn_ttl_ms = 12 * 3600000LL;
	options->ice.relay_enabled = true;
}

/* Copies the URLs, which then belong to api->urls. */
static int copy_ice(struct cf_api *api, const struct cf_api_ice_config *ice)
{
	char *urls[2 * CF_API_URLS_MAX] = {NULL};
	struct cf_api_ice_config copy = *ice;
	size_t n = 0;
	int err = 0;

	if (ice->n_stun > CF_API_URLS_MAX || ice->n_turn > CF_API_URLS_MAX)
		return CF_EINVAL;
	for (size_t i = 0; i < ice->n_stun; i++)
		copy.stun[i] = urls[n++] = cf_strdup(ice->stun[i]);
	for (size_t i = 0; i < ice->n_turn; i++)
		copy.turn[i] = urls[n++] = cf_strdup(ice->turn[i]);
	for (size_t i = 0; i < n; i++)
		err = urls[i] ? err : CF_ENOMEM;
	for (size_t i = 0; i < CF_ARRAY_LEN(urls); i++) {
		cf_free(err < 0 ? urls[i] : api->urls[i]);
		if (err == 0)
			api->urls[i] = urls[i];
	}
	if (err == 0)
		api->options.ice = copy;
	return err;
}

static int api_init(struct cf_api *api, const struct cf_api_options *options)
{
	static const struct cf_call_ports ports = {
		.wake = port_wake,
		.deadline_moved = port_deadline,
		.trace = port_trace,
		.leg = port_leg,
		.call_changed = port_call_changed,
		.endpoint_gone = cf_api_endpoint_gone,
	};
	int err;

	api->resource = cf_strdup(options->resource);
	api->openapi = cf_strdup(options->openapi);
	if (!api->resource || (options->openapi && !api->openapi))
		return CF_ENOMEM;
	err = copy_ice(api, &options->ice);
	if (err < 0)
		return err;
	api->domain = cf_call_domain_new(&options->calls, &ports, api);
	if (!api->domain)
		return CF_ENOMEM;
	err = cf_timer_after(&api->heartbeat, options->loop, HEARTBEAT_LOOK_US, on_heartbeat, api);
	if (err < 0)
		return err;
	return cf_timer_after(&api->prune, options->loop, 60 * CF_US_PER_S, on_prune, api);
}

struct cf_api *cf_api_new(const struct cf_api_options *options)
{
	struct cf_api *api = cf_alloc(sizeof(*api));

	if (!api)
		return NULL;
	api->options = *options;
	api->seed = cf_rand_u64();
	cf_map_init(&api->users);
	cf_list_init(&api->users_lru);
	cf_list_init(&api->devices);
	cf_list_init(&api->repeating);
	cf_list_init(&api->unsent);
	if (api_init(api, options) < 0)
		return cf_api_free(api);
	return api;
}

struct cf_api *cf_api_free(struct cf_api *api)
{
	if (!api)
		return NULL;
	api->freeing = true;
	cf_api_flush(api);
	while (api->n_batches > 0)
		if (cf_loop_run_once(api->options.loop, 100) < 0)
			break;
	cf_call_domain_free(api->domain);
	cf_api_users_done(api);
	cf_api_forget_text(api);
	cf_timer_stop(&api->deadline);
	cf_timer_stop(&api->heartbeat);
	cf_timer_stop(&api->prune);
	cf_defer_cancel(&api->deliver);
	cf_defer_cancel(&api->flush);
	for (size_t i = 0; i < CF_ARRAY_LEN(api->urls); i++)
		cf_free(api->urls[i]);
	cf_free(api->resource);
	cf_free(api->openapi);
	cf_wipe(&api->options, sizeof(api->options));
	return cf_free(api);
}

struct cf_call_domain *cf_api_domain(struct cf_api *api)
{
	return api->domain;
}

struct cf_call_time cf_api_now(const struct cf_api *api)
{
	return (struct cf_call_time){cf_loop_now_us(api->options.loop), cf_clock_wall_ms()};
}

int cf_api_reload(struct cf_api *api, const struct cf_api_options *options)
{
	int err = copy_ice(api, &options->ice);

	if (err < 0)
		return err;
	api->options.keys = options->keys;
	api->options.calls = options->calls;
	api->options.traces_keep_ms = options->traces_keep_ms;
	api->options.usage_keep_ms = options->usage_keep_ms;
	cf_call_domain_configure(api->domain, &options->calls, cf_api_now(api));
	return 0;
}

void cf_api_drain(struct cf_api *api)
{
	api->draining = true;
}

/* ---- requests ---- */

void cf_api_run(struct cf_api_req *req)
{
	req->route->fn(req);
}

static void parse_body(struct cf_api_req *req)
{
	struct cf_view body = req->http->body;
	int err;

	if (!req->route->body) {
		cf_api_run(req);
		return;
	}
	if (body.len == 0)
		body = cf_view_str("{}");
	else if (!cf_http_request_is_type(req->http, "application/json")) {
		cf_api_fail(
			req, 415, "UnsupportedMediaType", "The body has to be application/json.");
		return;
	}
	err = cf_json_parse(&req->body, body.p, body.len, &req->json_error);
	if (err == 0 && !json_is_object(req->body)) {
		cf_api_fail(req, 400, "BadRequest", "The body has to be a JSON object.");
		return;
	}
	if (err < 0)
		cf_api_fail(req, err == CF_ENOMEM ? 500 : 400, "BadRequest",
			"The body is not valid JSON: %s.", req->json_error.text);
	else if (req->route->auth == CF_API_TOKEN ||
		 (req->route->auth == CF_API_KEY_OR_TOKEN && !req->by_key))
		cf_api_token_auth(req);
	else
		cf_api_repeat_check(req);
}

static struct cf_view header_view(const struct cf_http_request *http, const char *name)
{
	return cf_view_str(cf_http_request_header(http, name));
}

static int key_auth(struct cf_api_req *req)
{
	const struct cf_http_request *h = req->http;
	struct cf_acs_hmac_request r = {.method = cf_view_str(h->method),
		.target = cf_view_str(h->target),
		.host = cf_view_str(h->host),
		.date = header_view(h, "x-ms-date"),
		.content_sha256 = header_view(h, "x-ms-content-sha256"),
		.authorization = header_view(h, "authorization"),
		.body = h->body};
	const char *why = "";
	int err;

	req->by_key = true;
	if (r.date.len == 0)
		r.date = header_view(h, "date");
	err = cf_acs_hmac_check(&r, &req->api->options.keys, cf_clock_wall_ms(), &why);
	if (err == CF_EEXPIRED)
		cf_api_fail(req, 401, "RequestExpired", "%s", why);
	else if (err == CF_EAUTH)
		cf_api_fail(req, 401, "Denied", "%s", why);
	else if (err < 0)
		cf_api_fail_err(req, err);
	return err;
}

/* Each REST service of ACS wants its api-version; the client API has its own in the path. */
static int check_version(struct cf_api_req *req)
{
	char version[32];
	int n;

	if (!req->route->version)
		return 0;
	n = cf_query_get(req->http->query, "api-version", version, sizeof(version));
	if (n > 0 && strcmp(version, req->route->version) == 0)
		return 0;
	cf_api_fail(req, 400, n < 0 ? "MissingApiVersion" : "UnsupportedApiVersion",
		"The query parameter api-version has to be %s.", req->route->version);
	return CF_EINVAL;
}

static void with_route(struct cf_api_req *req)
{
	const char *authorization = cf_http_request_header(req->http, "authorization");
	enum cf_api_auth auth = req->route->auth;
	unsigned wait_s;

	if (auth == CF_API_KEY_OR_TOKEN)
		auth = authorization && strncasecmp(authorization, "Bearer ", 7) == 0 ? CF_API_TOKEN
										      : CF_API_KEY;
	if (auth == CF_API_KEY && key_auth(req) < 0)
		return;
	if (check_version(req) < 0)
		return;
	wait_s = cf_api_limit(req->api, req->route->limit);
	req->retry_after_s = wait_s;
	if (wait_s > 0)
		cf_api_fail(req, 429, "TooManyRequests", "The rate limit is reached.");
	else if (auth == CF_API_TOKEN && !req->route->body)
		cf_api_token_auth(req);
	else
		parse_body(req);
}

static const char *const ROUTE_ERRORS[][2] = {
	{"NotFound", "There is nothing at this path."},
	{"MethodNotAllowed", "This path does not have that method."},
	{"BadRequest", "The path is malformed."},
};

static void no_route(struct cf_api_req *req, int status)
{
	size_t i = status == 404 ? 0 : status == 405 ? 1 : 2;

	cf_api_fail(req, status, ROUTE_ERRORS[i][0], "%s", ROUTE_ERRORS[i][1]);
}

_Static_assert(CF_ARRAY_LEN(ROUTES) < CF_API_ROUTES_MAX, "each route has its counters");

/* Pages of other origins may call the client API: it wants a token with each request, and knows no
 * cookies. (Fetch standard, "CORS-preflight request".) */
static void allow_origins(struct cf_http_exchange *ex)
{
	static const struct cf_http_header headers[] = {
		{"access-control-allow-methods", "GET, POST, DELETE"},
		{"access-control-allow-headers",
			"authorization, content-type, last-event-id, repeatability-request-id"},
		{"access-control-max-age", "7200"},
	};

	cf_http_reply(ex, 204, headers, CF_ARRAY_LEN(headers), cf_view_of(NULL, 0));
}

static bool is_preflight(const struct cf_http_request *request)
{
	return strcmp(request->method, "OPTIONS") == 0 &&
	       cf_http_request_header(request, "access-control-request-method") &&
	       request->path.len > strlen(CALLING) &&
	       memcmp(request->path.p, CALLING, strlen(CALLING)) == 0;
}

static void handle(struct cf_api *api, const struct cf_route *table, size_t n_table,
	struct cf_http_exchange *ex, const struct cf_http_request *request)
{
	struct cf_api_req *req = cf_api_req_new(api, ex, request);
	const struct cf_route *route;
	int status;

	api->n_requests++;
	if (!req) {
		cf_http_reply(ex, 503, NULL, 0, cf_view_of(NULL, 0));
		return;
	}
	status = cf_route_find(
		table, n_table, request->method, request->path, &route, &req->params, req->allow);
	if (status != 200) {
		no_route(req, status);
		return;
	}
	req->route = route->extra;
	if (table == ROUTES)
		req->route_at = (size_t)(route - ROUTES);
	with_route(req);
}

void cf_api_handle(struct cf_http_exchange *ex, const struct cf_http_request *request, void *arg)
{
	const struct cf_api *api = arg;
	bool dev = api->options.dev && request->path.len > 5 &&
		   memcmp(request->path.p, "/dev/", 5) == 0;

	if (is_preflight(request))
		allow_origins(ex);
	else if (dev)
		handle(arg, DEV_ROUTES, CF_ARRAY_LEN(DEV_ROUTES), ex, request);
	else if (!cf_http_files_answer(api->options.files, api->options.n_files, ex, request))
		handle(arg, ROUTES, CF_ARRAY_LEN(ROUTES), ex, request);
}

/* The port without key: nothing but what the machine's own programs may see. */
void cf_api_handle_metrics(
	struct cf_http_exchange *ex, const struct cf_http_request *request, void *arg)
{
	handle(arg, LOOPBACK_ROUTES, CF_ARRAY_LEN(LOOPBACK_ROUTES), ex, request);
}

const char *cf_api_route_labels(size_t i, char text[static CF_API_LABELS_MAX])
{
	if (i < CF_ARRAY_LEN(ROUTES))
		snprintf(text, CF_API_LABELS_MAX, "method=\"%s\",route=\"%s\"", ROUTES[i].method,
			ROUTES[i].pattern);
	else
		snprintf(text, CF_API_LABELS_MAX, "method=\"other\",route=\"other\"");
	return text;
}
