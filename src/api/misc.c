/* SPDX-License-Identifier: Apache-2.0 */
/* What is about the service itself: its description, health, draining. */
#include "api/api_priv.h"
#include "base/clock.h"
#include "base/mem.h"

#include <stdio.h>

#define DRAINING_RETRY_S 5 /* by then a restart is over, or another node has the name */

void cf_api_reply_text(struct cf_api_req *req, int status, const char *type, struct cf_view text)
{
	const struct cf_http_header header = {"content-type", type};

	req->answered = status;
	cf_http_reply(req->ex, status, &header, 1, text);
	cf_api_req_free(req);
}

void cf_api_openapi(struct cf_api_req *req)
{
	const char *text = req->api->openapi;

	if (text)
		cf_api_reply_text(req, 200, "application/yaml", cf_view_str(text));
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
