/* SPDX-License-Identifier: Apache-2.0 */
/* What is about the service itself: its description, health, metrics. */
#include "api/api_priv.h"
#include "base/clock.h"
#include "base/mem.h"

#include <stdio.h>

#define METRICS_MAX (1024 * 1024)
#define DRAINING_RETRY_S 5 /* by then a restart is over, or another node has the name */

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

	if (cf_api_refuse_draining(req))
		return;
	if (!cf_store_healthy(api->options.store))
		cf_api_fail(req, 503, "StoreUnavailable", "The store is not available.");
	else
		cf_api_reply(req, 200, json_pack("{s:s}", "status", "ready"));
}

bool cf_api_refuse_draining(struct cf_api_req *req)
{
	if (!req->api->draining)
		return false;
	req->retry_after_s = DRAINING_RETRY_S;
	cf_api_fail(req, 503, "Draining",
		"This node is draining: what runs goes on, nothing new is taken on.");
	return true;
}

void cf_api_node_drain(struct cf_api_req *req)
{
	struct cf_api *api = req->api;

	if (!api->options.drain) {
		cf_api_fail(req, 404, "NotFound", "This node cannot be drained from here.");
		return;
	}
	api->options.drain(api->options.drain_arg);
	cf_api_reply(req, 202,
		json_pack("{s:s,s:I}", "status", "draining", "calls",
			(json_int_t)cf_call_domain_n_calls(api->domain)));
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
