/* SPDX-License-Identifier: Apache-2.0 */
/* The ICE servers that a client is told. */
#include "api/api_priv.h"
#include "auth/turn_credential.h"
#include "base/clock.h"

#include <ctype.h>
#include <stdio.h>

void cf_api_host_copy(char out[static CF_API_HOST_MAX], const char *host)
{
	size_t n = host ? strlen(host) : 0;

	out[0] = 0;
	if (n == 0 || n >= CF_API_HOST_MAX)
		return;
	for (size_t i = 0; i < n; i++)
		if (!isalnum((unsigned char)host[i]) && !strchr("-.:[]", host[i]))
			return;
	memcpy(out, host, n + 1);
}

json_t *cf_api_time(int64_t wall_ms)
{
	char text[CF_CLOCK_TEXT_MAX];

	return json_string(cf_clock_text(wall_ms, text));
}

/* "turns:HOST:PORT?transport=tcp" for the address that the client used; 443 if it named no port. */
static json_t *shared_url(const char *host)
{
	const char *bracket = strrchr(host, ']');
	bool has_port = strchr(bracket ? bracket : host, ':') != NULL;

	return json_sprintf("turns:%s%s?transport=tcp", host, has_port ? "" : ":443");
}

static json_t *turn_urls(const struct cf_api *api, const char *host)
{
	const struct cf_api_ice_config *ice = &api->options.ice;
	bool shared = ice->shared_port && *host;
	json_t *urls = json_array();

	for (size_t i = 0; i < ice->n_turn; i++) {
		/* In front of the first TLS URL: this port is known to be open for the client. */
		if (shared && strncmp(ice->turn[i], "turns:", 6) == 0) {
			json_array_append_new(urls, shared_url(host));
			shared = false;
		}
		json_array_append_new(urls, json_string(ice->turn[i]));
	}
	if (shared)
		json_array_append_new(urls, shared_url(host));
	return urls;
}

static json_t *turn_server(struct cf_api *api, const char *raw_id, const char *call_id,
	const char *host, int64_t ttl_ms)
{
	int64_t expiry_s = (cf_clock_wall_ms() + ttl_ms) / 1000;
	struct cf_turn_identity identity = {expiry_s, cf_view_str(api->resource),
		cf_view_str(CF_TURN_NO_CALL), cf_view_str(call_id ? call_id : CF_TURN_NO_CALL)};
	struct cf_turn_credential credential;
	struct cf_rawid id;

	if (cf_rawid_parse(&id, cf_view_str(raw_id)) == 0)
		identity.user = id.user;
	if (cf_turn_credential_make(&credential,
		    cf_view_of(api->options.turn_secret, CF_AUTH_SECRET_LEN), &identity) < 0)
		return NULL;
	return json_pack("{s:o,s:s,s:s,s:s,s:o}", "urls", turn_urls(api, host), "username",
		credential.username, "credential", credential.password, "routeType", "any",
		"expiresOn", cf_api_time(expiry_s * 1000));
}

static json_t *stun_server(const struct cf_api *api)
{
	const struct cf_api_ice_config *ice = &api->options.ice;
	json_t *urls = json_array();

	for (size_t i = 0; i < ice->n_stun; i++)
		json_array_append_new(urls, json_string(ice->stun[i]));
	return json_pack("{s:o,s:s}", "urls", urls, "routeType", "any");
}

json_t *cf_api_ice_servers(struct cf_api *api, const char *raw_id, const char *call_id,
	const char *host, bool relay, int64_t ttl_ms)
{
	json_t *list = json_array();

	if (api->options.ice.n_stun > 0)
		json_array_append_new(list, stun_server(api));
	/* Without a call nobody could be told why: the relay itself refuses then. */
	if (relay && api->options.ice.relay_enabled &&
		!(call_id && cf_api_budget_spent(api, raw_id)))
		json_array_append_new(list, turn_server(api, raw_id, call_id, host, ttl_ms));
	return list;
}
