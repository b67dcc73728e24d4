/* SPDX-License-Identifier: Apache-2.0 */
/* What is about the service itself: its description, health, metrics; usage from the relay. */
#include "api/api_priv.h"
#include "auth/turn_credential.h"
#include "base/clock.h"
#include "base/mem.h"

#include <stdio.h>

#define METRICS_MAX (1024 * 1024)

static void reply_text(struct cf_api_req *req, int status, const char *type, struct cf_view text)
{
	const struct cf_http_header header = {"content-type", type};

	cf_http_reply(req->ex, status, &header, 1, text);
	cf_api_req_free(req);
}

void cf_api_openapi(struct cf_api_req *req)
{
	const char *text = req->api->openapi;

	if (text)
		reply_text(req, 200, "application/yaml", cf_view_str(text));
	else
		cf_api_fail(req, 404, "NotFound", "The document is not installed.");
}

void cf_api_health(struct cf_api_req *req)
{
	cf_api_reply(req, 200, json_pack("{s:s}", "status", "ok"));
}

void cf_api_ready(struct cf_api_req *req)
{
	const struct cf_api *api = req->api;

	if (api->draining)
		cf_api_fail(req, 503, "Draining", "The service is shutting down.");
	else if (!cf_store_healthy(api->options.store))
		cf_api_fail(req, 503, "StoreUnavailable", "The store is not available.");
	else
		cf_api_reply(req, 200, json_pack("{s:s}", "status", "ready"));
}

static int metric(struct cf_buf *out, const char *name, const char *type, uint64_t value)
{
	return cf_buf_printf(out, "# TYPE callflow_%s %s\ncallflow_%s %llu\n", name, type, name,
		(unsigned long long)value);
}

static int own_metrics(const struct cf_api *api, struct cf_buf *out)
{
	struct cf_store_stats store;
	int err;

	cf_store_stats_get(api->options.store, &store);
	const struct {
		const char *name;
		const char *type;
		uint64_t value;
	} rows[] = {
		{"api_requests_total", "counter", api->n_requests},
		{"api_refused_total", "counter", api->n_refused},
		{"api_events_total", "counter", api->n_events},
		{"api_event_streams", "gauge", api->n_streams},
		{"endpoints", "gauge", cf_call_domain_n_endpoints(api->domain)},
		{"calls", "gauge", cf_call_domain_n_calls(api->domain)},
		{"store_transactions_total", "counter", store.transactions},
		{"store_writes_total", "counter", store.writes},
		{"store_reads_total", "counter", store.reads},
		{"store_failures_total", "counter", store.failures},
		{"store_pending", "gauge", store.pending},
	};

	err = 0;
	for (size_t i = 0; i < CF_ARRAY_LEN(rows) && err == 0; i++)
		err = metric(out, rows[i].name, rows[i].type, rows[i].value);
	return err;
}

void cf_api_metrics(struct cf_api_req *req)
{
	struct cf_api *api = req->api;
	struct cf_buf out;
	int err;

	cf_buf_init(&out, METRICS_MAX);
	err = own_metrics(api, &out);
	if (err == 0 && api->options.metrics)
		err = api->options.metrics(&out, api->options.metrics_arg);
	if (err < 0)
		cf_api_fail_err(req, err);
	else
		reply_text(req, 200, "text/plain; version=0.0.4", cf_buf_view(&out));
	cf_buf_done(&out);
}

/* ---- the relay's usage ---- */

static void text_of(char *out, size_t cap, struct cf_view text)
{
	snprintf(out, cap, "%.*s", (int)text.len, (const char *)text.p);
}

static void relay_trace(
	struct cf_api *api, const struct cf_api_relay_usage *usage, const char *call, bool first)
{
	json_t *detail = json_pack("{s:s,s:s,s:I,s:I}", "allocation", usage->id, "transport",
		usage->transport, "bytesFromClient", (json_int_t)usage->client_in_bytes,
		"bytesToClient", (json_int_t)usage->client_out_bytes);
	char *text = detail ? cf_json_text(detail, NULL) : NULL;

	/* The call may be over, or its trace full: the usage row says it all the same. */
	(void)!cf_call_trace_add(api->domain, call, "relay", first ? "allocated" : "released", text,
		cf_api_now(api));
	cf_free(text);
	cf_json_free(detail);
}

void cf_api_relay_usage(struct cf_api *api, const struct cf_api_relay_usage *u, bool first)
{
	char call[CF_TURN_CALL_MAX + 1] = "", resource[CF_RAWID_PART_MAX + 1] = "",
				     user[CF_TURN_USERNAME_MAX] = "";
	struct cf_turn_identity id;

	if (cf_turn_username_parse(&id, u->username) == 0) {
		text_of(call, sizeof(call), cf_view_is(id.call, "-") ? cf_view_str("") : id.call);
		text_of(resource, sizeof(resource), id.resource);
		snprintf(user, sizeof(user), "8:acs:%.*s_%.*s", (int)id.resource.len,
			(const char *)id.resource.p, (int)id.user.len, (const char *)id.user.p);
	} else {
		text_of(user, sizeof(user), u->username);
	}
	(void)cf_api_write(api, CF_STORE_USAGE_PUT,
		(struct cf_store_value[]){cf_store_text(u->id), cf_store_text("relay"),
			cf_store_text(call), cf_store_text(resource), cf_store_text(user),
			cf_store_text(NULL), cf_store_text(u->transport),
			cf_store_int(u->start_wall_ms), cf_store_int(u->end_wall_ms),
			cf_store_int(u->ended), cf_store_int(0), cf_store_int(0),
			cf_store_int((int64_t)u->client_in_bytes),
			cf_store_int((int64_t)u->client_out_bytes),
			cf_store_int((int64_t)u->peer_in_bytes),
			cf_store_int((int64_t)u->peer_out_bytes),
			cf_store_int((int64_t)u->client_in_packets),
			cf_store_int((int64_t)u->client_out_packets),
			cf_store_int((int64_t)u->peer_in_packets),
			cf_store_int((int64_t)u->peer_out_packets)},
		20);
	if (*call && (first || u->ended))
		relay_trace(api, u, call, first);
}
