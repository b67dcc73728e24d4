/* SPDX-License-Identifier: Apache-2.0 */
/* What is known about users, cached from the store; checking user tokens. */
#include "api/api_priv.h"
#include "base/clock.h"
#include "base/mem.h"

#include <stdio.h>

static bool user_eq(const struct cf_map_node *node, const void *key)
{
	return strcmp(CF_CONTAINER_OF(node, struct cf_api_user, node)->raw_id, key) == 0;
}

static uint32_t hash(const struct cf_api *api, const char *raw_id)
{
	return cf_hash_bytes(raw_id, strlen(raw_id), api->seed);
}

struct cf_api_user *cf_api_user_cached(struct cf_api *api, const char *raw_id)
{
	struct cf_map_node *node = cf_map_find(&api->users, hash(api, raw_id), user_eq, raw_id);
	struct cf_api_user *user;

	if (!node)
		return NULL;
	user = CF_CONTAINER_OF(node, struct cf_api_user, node);
	cf_list_remove(&user->lru);
	cf_list_push(&api->users_lru, &user->lru);
	return user;
}

static void forget(struct cf_api *api, struct cf_api_user *user)
{
	cf_list_remove(&user->lru);
	cf_map_remove(&api->users, &user->node);
	cf_free(user);
}

void cf_api_users_done(struct cf_api *api)
{
	while (!cf_list_empty(&api->users_lru))
		forget(api, CF_CONTAINER_OF(api->users_lru.next, struct cf_api_user, lru));
	cf_map_done(&api->users);
}

struct cf_api_user *cf_api_user_note(
	struct cf_api *api, const char *raw_id, bool known, int64_t valid_from_ms, bool deleted)
{
	struct cf_api_user *user = cf_api_user_cached(api, raw_id);

	if (!user) {
		user = cf_alloc(sizeof(*user));
		if (!user)
			return NULL;
		snprintf(user->raw_id, sizeof(user->raw_id), "%s", raw_id);
		if (cf_map_insert(&api->users, &user->node, hash(api, raw_id)) < 0)
			return cf_free(user);
		cf_list_push(&api->users_lru, &user->lru);
	}
	user->known = known;
	user->valid_from_ms = valid_from_ms;
	user->deleted = deleted;
	if (api->users.count > CF_API_USERS_MAX)
		forget(api, CF_CONTAINER_OF(api->users_lru.next, struct cf_api_user, lru));
	return user;
}

static void looked_up(int err, const struct cf_store_rows *rows, void *arg)
{
	struct cf_api_req *req = arg;
	struct cf_api_user *user = NULL;

	/* What another request wrote meanwhile is newer than what was read. */
	if (err == 0)
		user = cf_api_user_cached(req->api, req->raw_id);
	if (err == 0 && !user)
		user = rows->n_rows == 0 ? cf_api_user_note(req->api, req->raw_id, false, 0, false)
					 : cf_api_user_note(req->api, req->raw_id, true,
						   cf_store_at(rows, 0, 0)->number,
						   cf_store_at(rows, 0, 1)->number != 0);
	if (!user)
		cf_api_fail(req, 503, "StoreUnavailable", "The store is not available; try again.");
	else
		req->then(req, user);
}

void cf_api_user_look(struct cf_api_req *req)
{
	struct cf_api_user *user = cf_api_user_cached(req->api, req->raw_id);
	struct cf_store_value v = cf_store_text(req->raw_id);
	int err;

	if (user) {
		req->then(req, user);
		return;
	}
	err = cf_store_read(req->api->options.store, CF_STORE_USER_GET, &v, 1, looked_up, req);
	if (err < 0)
		cf_api_fail_err(req, err == CF_ELIMIT ? CF_EAGAIN : err);
}

/* ---- tokens ---- */

static void token_user(struct cf_api_req *req, const struct cf_api_user *user)
{
	if (!user->known || user->deleted) {
		cf_api_fail(req, 401, "TokenRevoked", "The user of this token does not exist.");
		return;
	}
	if (req->token.iat_ms < user->valid_from_ms) {
		cf_api_fail(req, 401, "TokenRevoked", "The token was revoked.");
		return;
	}
	cf_api_repeat_check(req);
}

void cf_api_token_auth(struct cf_api_req *req)
{
	const char *header = cf_http_request_header(req->http, "authorization");
	int err;

	if (!header || strncasecmp(header, "Bearer ", 7) != 0) {
		cf_api_fail(req, 401, "TokenMissing",
			"An Authorization header with a user access token is needed.");
		return;
	}
	err = cf_token_check(&req->token,
		cf_view_of(req->api->options.token_secret, CF_AUTH_SECRET_LEN),
		cf_view_str(header + 7), cf_clock_wall_ms());
	if (err == 0 && strcmp(req->token.resource, req->api->resource) != 0)
		err = CF_EAUTH;
	if (err == CF_EEXPIRED)
		cf_api_fail(req, 401, "TokenExpired", "The user access token has expired.");
	else if (err == CF_EAUTH)
		cf_api_fail(req, 401, "TokenInvalid", "The user access token is not valid.");
	else if (err < 0)
		cf_api_fail_err(req, err);
	if (err < 0)
		return;
	snprintf(req->raw_id, sizeof(req->raw_id), "%s", req->token.user);
	req->then = token_user;
	cf_api_user_look(req);
}
