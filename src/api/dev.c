/* SPDX-License-Identifier: Apache-2.0 */
/* What a page needs to be tried out with `callflowd --dev`: to sign in, and to see who is there. */
#include "api/api_priv.h"
#include "base/mem.h"

#include <stdio.h>
#include <strings.h>

/* Another origin's page may not sign in here behind the user's back. */
static bool is_foreign(struct cf_api_req *req)
{
	const char *origin = cf_http_request_header(req->http, "origin");
	char own[CF_API_HOST_MAX + 16];

	snprintf(own, sizeof(own), "https://%s", req->http->host);
	if (!origin || strcasecmp(origin, own) == 0)
		return false;
	cf_api_fail(req, 403, "Forbidden", "Only pages of this service may ask.");
	return true;
}

static json_t *person_json(const struct cf_call_endpoint *endpoint)
{
	return json_pack("{s:s,s:s?}", "rawId", cf_call_endpoint_raw_id(endpoint), "displayName",
		cf_call_endpoint_name(endpoint));
}

void cf_api_dev_people(struct cf_api_req *req)
{
	json_t *list;

	if (is_foreign(req))
		return;
	list = json_array();
	CF_LIST_FOR(it, &req->api->devices)
	{
		const struct cf_api_device *device =
			CF_CONTAINER_OF(it, struct cf_api_device, link);
		const struct cf_call_endpoint *endpoint =
			cf_call_endpoint_find(req->api->domain, device->id);

		if (endpoint && device->stream && json_array_size(list) < CF_API_DEV_PEOPLE_MAX)
			json_array_append_new(list, person_json(endpoint));
	}
	cf_api_reply(req, 200, json_pack("{s:o}", "value", list));
}

void cf_api_dev_identity(struct cf_api_req *req)
{
	if (!is_foreign(req))
		cf_api_identity_create(req);
}
