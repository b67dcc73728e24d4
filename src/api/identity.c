/* SPDX-License-Identifier: Apache-2.0 */
/* Identity API 2023-10-01 and Network Traversal API 2022-03-01-preview. */
#include "api/api_priv.h"
#include "base/clock.h"
#include "base/mem.h"

#include <stdio.h>

#define MINUTES_MIN 60
#define MINUTES_MAX 1440
#define RELAY_TTL_MAX_S 172800

static void bad_body(struct cf_api_req *req)
{
	cf_api_fail(req, 400, "BadRequest", "%s", req->json_error.text);
}

/* The scopes of a request; 0 with r->err set when one is unknown. */
static unsigned read_scopes(struct cf_json_reader *r, const char *key, enum cf_json_need need)
{
	const json_t *list = cf_json_get_array(r, key, need, 16);
	unsigned scopes = 0;

	for (size_t i = 0; list && i < json_array_size(list); i++) {
		const char *name = cf_json_get_item_string(r, key, list, i, 64);
		unsigned scope = name ? cf_token_scope(cf_view_str(name)) : 0;

		if (name && !scope)
			cf_json_reader_fail(r, key,
				"must hold only chat, voip, chat.join, chat.join.limited, "
				"voip.join");
		scopes |= scope;
	}
	return scopes;
}

/* {token, expiresOn}; NULL without memory. */
static json_t *issue(struct cf_api *api, const char *raw_id, unsigned scopes, int64_t minutes,
	int64_t valid_from)
{
	struct cf_token token = {.scopes = scopes, .iat_ms = cf_clock_wall_ms()};
	char text[CF_TOKEN_MAX];

	/* A token made right after a revocation has to be younger than it. */
	if (token.iat_ms < valid_from)
		token.iat_ms = valid_from;
	token.expiry_ms = token.iat_ms + minutes * 60000;
	snprintf(token.user, sizeof(token.user), "%s", raw_id);
	snprintf(token.resource, sizeof(token.resource), "%s", api->resource);
	cf_rand_uuid(token.jti);
	if (cf_token_issue(
		    text, cf_view_of(api->options.token_secret, CF_AUTH_SECRET_LEN), &token) < 0)
		return NULL;
	return json_pack("{s:s,s:o}", "token", text, "expiresOn", cf_api_time(token.expiry_ms));
}

void cf_api_identity_create(struct cf_api_req *req)
{
	char user[CF_UUID_TEXT_MAX], raw_id[CF_RAWID_TEXT_MAX];
	struct cf_json_reader r;
	unsigned scopes;
	int64_t minutes;
	json_t *answer;

	cf_api_reader(req, &r);
	scopes = read_scopes(&r, "createTokenWithScopes", CF_JSON_OPTIONAL);
	minutes = cf_json_get_int(
		&r, "expiresInMinutes", CF_JSON_OPTIONAL, MINUTES_MIN, MINUTES_MAX, MINUTES_MAX);
	if (r.err < 0) {
		bad_body(req);
		return;
	}
	if (cf_rawid_format_user(
		    raw_id, cf_view_str(req->api->resource), cf_view_str(cf_rand_uuid(user))) < 0 ||
		!cf_api_user_note(req->api, raw_id, true, 0, false)) {
		cf_api_fail_err(req, CF_ENOMEM);
		return;
	}
	(void)cf_api_write(req->api, CF_STORE_USER_PUT,
		(struct cf_store_value[]){cf_store_text(raw_id), cf_store_int(cf_clock_wall_ms())},
		2);
	answer = json_pack("{s:{s:s}}", "identity", "id", raw_id);
	if (scopes)
		json_object_set_new(
			answer, "accessToken", issue(req->api, raw_id, scopes, minutes, 0));
	cf_api_reply_committed(req, 201, answer);
}

void cf_api_with_user(struct cf_api_req *req,
	void (*then)(struct cf_api_req *req, const struct cf_api_user *user))
{
	const char *text = req->params.value[0];
	struct cf_rawid id;

	if (cf_rawid_parse(&id, cf_view_str(text)) < 0 || id.kind != CF_RAWID_USER) {
		cf_api_fail(req, 400, "IdentityInvalid", "The identity is not a user id.");
		return;
	}
	if (!cf_view_is(id.resource, req->api->resource)) {
		cf_api_fail(req, 404, "IdentityNotFound", "The identity does not exist.");
		return;
	}
	snprintf(req->raw_id, sizeof(req->raw_id), "%.80s", text);
	req->then = then;
	cf_api_user_look(req);
}

bool cf_api_user_gone(struct cf_api_req *req, const struct cf_api_user *user)
{
	if (user->known && !user->deleted)
		return false;
	cf_api_fail(req, 404, "IdentityNotFound", "The identity does not exist.");
	return true;
}

/* All tokens issued up to now are void, and the user's devices are signed out. */
static void revoke(struct cf_api_req *req, enum cf_store_write write, bool deleted)
{
	struct cf_api *api = req->api;
	int64_t valid_from = cf_clock_wall_ms() + 1;

	(void)!cf_api_user_note(api, req->raw_id, true, valid_from, deleted);
	(void)cf_api_write(api, write,
		(struct cf_store_value[]){cf_store_text(req->raw_id), cf_store_int(valid_from)}, 2);
	cf_call_user_remove(api->domain, req->raw_id, cf_api_now(api));
	cf_api_reply_committed(req, 204, NULL);
}

static void delete_then(struct cf_api_req *req, const struct cf_api_user *user)
{
	if (cf_api_user_gone(req, user))
		return;
	cf_api_budget_forget(req->api, req->raw_id);
	revoke(req, CF_STORE_USER_DELETE, true);
}

void cf_api_identity_delete(struct cf_api_req *req)
{
	cf_api_with_user(req, delete_then);
}

static void revoke_then(struct cf_api_req *req, const struct cf_api_user *user)
{
	if (!cf_api_user_gone(req, user))
		revoke(req, CF_STORE_USER_REVOKE, false);
}

void cf_api_identity_revoke(struct cf_api_req *req)
{
	cf_api_with_user(req, revoke_then);
}

static void issue_then(struct cf_api_req *req, const struct cf_api_user *user)
{
	struct cf_json_reader r;
	unsigned scopes;
	int64_t minutes;

	if (cf_api_user_gone(req, user))
		return;
	cf_api_reader(req, &r);
	scopes = read_scopes(&r, "scopes", CF_JSON_REQUIRED);
	minutes = cf_json_get_int(
		&r, "expiresInMinutes", CF_JSON_OPTIONAL, MINUTES_MIN, MINUTES_MAX, MINUTES_MAX);
	if (r.err == 0 && scopes == 0)
		cf_json_reader_fail(&r, "scopes", "must hold at least one scope");
	if (r.err < 0) {
		bad_body(req);
		return;
	}
	cf_api_reply(req, 200, issue(req->api, user->raw_id, scopes, minutes, user->valid_from_ms));
}

void cf_api_identity_issue(struct cf_api_req *req)
{
	cf_api_with_user(req, issue_then);
}

/* ---- network traversal ---- */

static void relay_answer(struct cf_api_req *req, const struct cf_api_user *user)
{
	char host[CF_API_HOST_MAX];
	struct cf_json_reader r;
	int64_t ttl_s;
	json_t *servers;
	const char *route;

	if (user && cf_api_user_gone(req, user))
		return;
	cf_api_reader(req, &r);
	route = cf_json_get_string(&r, "routeType", CF_JSON_OPTIONAL, 16);
	ttl_s = cf_json_get_int(&r, "ttl", CF_JSON_OPTIONAL, 1, RELAY_TTL_MAX_S, RELAY_TTL_MAX_S);
	if (route && strcmp(route, "any") != 0 && strcmp(route, "nearest") != 0)
		cf_json_reader_fail(&r, "routeType", "must be any or nearest");
	if (r.err < 0) {
		bad_body(req);
		return;
	}
	cf_api_host_copy(host, req->http->host);
	servers = cf_api_ice_servers(req->api, req->raw_id, NULL, host, true, ttl_s * 1000);
	/* Clients of this API want a user name with each server. */
	for (size_t i = 0; i < json_array_size(servers); i++) {
		json_t *server = json_array_get(servers, i);

		json_object_set_new(server, "routeType", json_string(route ? route : "any"));
		json_object_del(server, "expiresOn");
		if (json_object_get(server, "username"))
			continue;
		json_object_set_new(server, "username", json_string(""));
		json_object_set_new(server, "credential", json_string(""));
	}
	cf_api_reply(req, 200,
		json_pack("{s:o,s:o}", "expiresOn",
			cf_api_time((cf_clock_wall_ms() / 1000 + ttl_s) * 1000), "iceServers",
			servers));
}

void cf_api_relay_configuration(struct cf_api_req *req)
{
	struct cf_json_reader r;
	struct cf_rawid id;
	const char *text;

	if (cf_api_refuse_draining(req))
		return;
	cf_api_reader(req, &r);
	text = cf_json_get_string(&r, "id", CF_JSON_OPTIONAL, CF_RAWID_TEXT_MAX - 1);
	if (text && (cf_rawid_parse(&id, cf_view_str(text)) < 0 || id.kind != CF_RAWID_USER))
		cf_json_reader_fail(&r, "id", "must be a user id");
	if (r.err < 0) {
		bad_body(req);
		return;
	}
	if (!text) {
		relay_answer(req, NULL);
		return;
	}
	snprintf(req->raw_id, sizeof(req->raw_id), "%.80s", text);
	req->then = relay_answer;
	cf_api_user_look(req);
}
