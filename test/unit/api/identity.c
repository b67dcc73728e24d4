/* SPDX-License-Identifier: Apache-2.0 */
/* Identity and Network Traversal, signatures, limits, repetition. */
#include "unit/api/rig.h"

static struct rig rig;
static char user[96], token[CF_TOKEN_MAX];

static int setup(void **state)
{
	(void)state;
	rig_init(&rig);
	rig_start(&rig);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	rig_done(&rig);
	return 0;
}

static const char *path_of(const char *id, const char *rest)
{
	static char path[256];

	/* as clients write it: the colons of the id are encoded, the verb's is not */
	snprintf(path, sizeof(path), "/identities/8%%3Aacs%%3A%s%s" IDENTITY_VERSION, id + 6, rest);
	return path;
}

static void create(void **state)
{
	(void)state;
	assert_int_equal(rig_signed(&rig, "POST", "/identities" IDENTITY_VERSION, ""), 201);
	assert_int_equal(strncmp(rig_text(&rig, "identity.id"), "8:acs:res_", 10), 0);
	assert_null(json_object_get(rig.json, "accessToken"));
	rig_identity(&rig, "\"voip\",\"chat\"", user, token);
	assert_true(token[0] != 0);
	assert_true(rig_text(&rig, "accessToken.expiresOn")[0] != 0);
	assert_non_null(strstr(rig.head, "application/json"));
	assert_int_equal(rig_user(&rig, token, "POST", CALLING "/endpoints", "{}"), 201);
}

static void bodies(void **state)
{
	static const char *const bad[] = {"{\"createTokenWithScopes\":[\"fly\"]}",
		"{\"createTokenWithScopes\":\"voip\"}", "{\"expiresInMinutes\":59}",
		"{\"expiresInMinutes\":1441}", "{\"expiresInMinutes\":\"60\"}",
		"{\"expiresInMinutes\":60.5}", "[]", "{", "{\"a\":1,\"a\":2}"};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		rig_signed(&rig, "POST", "/identities" IDENTITY_VERSION, bad[i]);
		rig_expect_error(&rig, 400, "BadRequest");
	}
	assert_int_equal(rig_signed(&rig, "POST", "/identities" IDENTITY_VERSION,
				 "{\"expiresInMinutes\":60,\"other\":[1]}"),
		201);
}

static void versions(void **state)
{
	(void)state;
	rig_signed(&rig, "POST", "/identities", "");
	rig_expect_error(&rig, 400, "MissingApiVersion");
	rig_signed(&rig, "POST", "/identities?api-version=2099-01-01", "");
	rig_expect_error(&rig, 400, "UnsupportedApiVersion");
}

static void signatures(void **state)
{
	const char *target = "/identities" IDENTITY_VERSION;
	char headers[1024];

	(void)state;
	rig_request(&rig, "POST", target, "", "");
	rig_expect_error(&rig, 401, "Denied");
	rig_sign(&rig, headers, "POST", target, "{}", 0, "");
	rig_request(&rig, "POST", target, headers, "{ }"); /* another body */
	rig_expect_error(&rig, 401, "Denied");
	assert_non_null(strstr(rig.head, "x-ms-error-code: Denied"));
	rig_sign(&rig, headers, "POST", target, "", -16 * 60000, "");
	rig_request(&rig, "POST", target, headers, "");
	rig_expect_error(&rig, 401, "RequestExpired");
	rig_sign(&rig, headers, "POST", target, "", 14 * 60000, "");
	assert_int_equal(rig_request(&rig, "POST", target, headers, ""), 201);
	/* retries are identical: a second time is not refused */
	assert_int_equal(rig_request(&rig, "POST", target, headers, ""), 201);
	/* a user token is no access key */
	rig_identity(&rig, "\"voip\"", user, token);
	rig_user(&rig, token, "POST", target, "");
	rig_expect_error(&rig, 401, "Denied");
}

static void issue(void **state)
{
	(void)state;
	rig_identity(&rig, "\"voip\"", user, token);
	assert_int_equal(rig_signed(&rig, "POST", path_of(user, "/:issueAccessToken"),
				 "{\"scopes\":[\"voip.join\"],\"expiresInMinutes\":60}"),
		200);
	assert_true(rig_text(&rig, "token")[0] != 0);
	rig_signed(&rig, "POST", path_of(user, "/:issueAccessToken"), "{}");
	rig_expect_error(&rig, 400, "BadRequest");
	rig_signed(&rig, "POST", path_of(user, "/:issueAccessToken"), "{\"scopes\":[]}");
	rig_expect_error(&rig, 400, "BadRequest");
	rig_signed(&rig, "POST", path_of("8:acs:res_nobody", "/:issueAccessToken"),
		"{\"scopes\":[\"voip\"]}");
	rig_expect_error(&rig, 404, "IdentityNotFound");
	rig_signed(&rig, "POST", path_of("8:acs:other_nobody", "/:issueAccessToken"),
		"{\"scopes\":[\"voip\"]}");
	rig_expect_error(&rig, 404, "IdentityNotFound");
	rig_signed(&rig, "POST", "/identities/alice/:issueAccessToken" IDENTITY_VERSION,
		"{\"scopes\":[\"voip\"]}");
	rig_expect_error(&rig, 400, "IdentityInvalid");
}

static void revoked(void **state)
{
	char endpoint[CF_CALL_ID_MAX], fresh[CF_TOKEN_MAX], target[128];

	(void)state;
	rig_identity(&rig, "\"voip\"", user, token);
	rig_endpoint(&rig, token, "x", endpoint);
	assert_int_equal(rig_signed(&rig, "POST", path_of(user, "/:revokeAccessTokens"), ""), 204);
	rig_user(&rig, token, "POST", CALLING "/endpoints", "{}");
	rig_expect_error(&rig, 401, "TokenRevoked");
	assert_int_equal(rig_signed(&rig, "POST", path_of(user, "/:issueAccessToken"),
				 "{\"scopes\":[\"voip\"]}"),
		200);
	snprintf(fresh, sizeof(fresh), "%s", rig_text(&rig, "token"));
	/* the device was signed out; the new token works at once */
	snprintf(target, sizeof(target), CALLING "/endpoints/%s", endpoint);
	rig_user(&rig, fresh, "DELETE", target, "");
	rig_expect_error(&rig, 404, "EndpointNotFound");
}

static void deleted(void **state)
{
	(void)state;
	rig_identity(&rig, "\"voip\"", user, token);
	assert_int_equal(rig_signed(&rig, "DELETE", path_of(user, ""), ""), 204);
	rig_user(&rig, token, "POST", CALLING "/endpoints", "{}");
	rig_expect_error(&rig, 401, "TokenRevoked");
	rig_signed(&rig, "DELETE", path_of(user, ""), "");
	rig_expect_error(&rig, 404, "IdentityNotFound");
	rig_signed(&rig, "POST", path_of(user, "/:issueAccessToken"), "{\"scopes\":[\"voip\"]}");
	rig_expect_error(&rig, 404, "IdentityNotFound");
}

static void tokens(void **state)
{
	struct cf_token t = {.user = "8:acs:res_x",
		.resource = "res",
		.jti = "j",
		.scopes = CF_SCOPE_VOIP,
		.iat_ms = cf_clock_wall_ms() - 7200000,
		.expiry_ms = cf_clock_wall_ms() - 3600000};
	struct cf_view key = {rig.options.token_secret, CF_AUTH_SECRET_LEN};

	(void)state;
	rig_request(&rig, "POST", CALLING "/endpoints", "", "{}");
	rig_expect_error(&rig, 401, "TokenMissing");
	rig_user(&rig, "rubbish", "POST", CALLING "/endpoints", "{}");
	rig_expect_error(&rig, 401, "TokenInvalid");
	assert_int_equal(cf_token_issue(token, key, &t), 0);
	rig_user(&rig, token, "POST", CALLING "/endpoints", "{}");
	rig_expect_error(&rig, 401, "TokenExpired");
	t.expiry_ms = cf_clock_wall_ms() + 3600000;
	assert_int_equal(cf_token_issue(token, key, &t), 0);
	rig_user(&rig, token, "POST", CALLING "/endpoints", "{}");
	rig_expect_error(&rig, 401, "TokenRevoked"); /* well signed, but no such user */
	snprintf(t.resource, sizeof(t.resource), "else");
	assert_int_equal(cf_token_issue(token, key, &t), 0);
	rig_user(&rig, token, "POST", CALLING "/endpoints", "{}");
	rig_expect_error(&rig, 401, "TokenInvalid");
}

static void traversal(void **state)
{
	const char *target =
		"/networkTraversal/:issueRelayConfiguration?api-version=2022-03-01-preview";
	const json_t *servers, *turn;
	char body[160];

	(void)state;
	assert_int_equal(rig_signed(&rig, "POST", target, "{}"), 200);
	servers = json_object_get(rig.json, "iceServers");
	assert_int_equal(json_array_size(servers), 2);
	turn = json_array_get(servers, 1);
	assert_non_null(strstr(json_string_value(json_object_get(turn, "username")), ":res:-:-"));
	assert_string_equal(json_string_value(json_object_get(turn, "routeType")), "any");
	/* the port that the client came by is the first TLS one */
	assert_string_equal(json_string_value(json_array_get(json_object_get(turn, "urls"), 2)),
		"turns:" RIG_HOST "?transport=tcp");
	rig_identity(&rig, "\"voip\"", user, token);
	snprintf(
		body, sizeof(body), "{\"id\":\"%s\",\"routeType\":\"nearest\",\"ttl\":3600}", user);
	assert_int_equal(rig_signed(&rig, "POST", target, body), 200);
	turn = json_array_get(json_object_get(rig.json, "iceServers"), 1);
	assert_string_equal(json_string_value(json_object_get(turn, "routeType")), "nearest");
	assert_non_null(strstr(json_string_value(json_object_get(turn, "username")), user + 10));
	rig_signed(&rig, "POST", target, "{\"ttl\":172801}");
	rig_expect_error(&rig, 400, "BadRequest");
	rig_signed(&rig, "POST", target, "{\"routeType\":\"far\"}");
	rig_expect_error(&rig, 400, "BadRequest");
	rig_signed(&rig, "POST", target, "{\"id\":\"8:acs:res_none\"}");
	rig_expect_error(&rig, 404, "IdentityNotFound");
	rig_signed(&rig, "POST", "/networkTraversal/:issueRelayConfiguration", "{}");
	rig_expect_error(&rig, 400, "MissingApiVersion");
}

static void repetition(void **state)
{
	const char *target = "/identities" IDENTITY_VERSION;
	const char *again = "repeatability-request-id: 0f8fad5b-d9cb-469f-a165-70867728950e\r\n";
	char headers[1024];
	int fd[2];

	(void)state;
	rig_sign(&rig, headers, "POST", target, "", 0, again);
	/* both under way at once */
	fd[0] = rig_begin(&rig, "POST", target, headers, "");
	fd[1] = rig_begin(&rig, "POST", target, headers, "");
	assert_int_equal(rig_finish(&rig, fd[0]), 201);
	snprintf(user, sizeof(user), "%s", rig_text(&rig, "identity.id"));
	assert_int_equal(rig_finish(&rig, fd[1]), 201);
	assert_string_equal(rig_text(&rig, "identity.id"), user);
	/* and later */
	assert_int_equal(rig_request(&rig, "POST", target, headers, ""), 201);
	assert_string_equal(rig_text(&rig, "identity.id"), user);
	/* the same id for something else */
	rig_sign(&rig, headers, "POST", target, "{}", 0, again);
	rig_request(&rig, "POST", target, headers, "{}");
	rig_expect_error(&rig, 409, "RepeatabilityConflict");
	rig_sign(&rig, headers, "POST", target, "", 0, "repeatability-request-id: a b\r\n");
	rig_request(&rig, "POST", target, headers, "");
	rig_expect_error(&rig, 400, "BadRequest");
}

static void rate_limit(void **state)
{
	int status = 0;

	(void)state;
	for (int i = 0; i < 1200 && status != 429; i++)
		status = rig_signed(
			&rig, "POST", path_of("8:acs:res_none", "/:revokeAccessTokens"), "");
	rig_expect_error(&rig, 429, "TooManyRequests");
	assert_non_null(strstr(rig.head, "etry-"));
	/* other verbs have their own */
	assert_int_equal(rig_signed(&rig, "POST", "/identities" IDENTITY_VERSION, ""), 201);
}

static void paths(void **state)
{
	(void)state;
	rig_request(&rig, "GET", "/nothing", "", "");
	rig_expect_error(&rig, 404, "NotFound");
	rig_request(&rig, "PUT", "/identities", "", "");
	rig_expect_error(&rig, 405, "MethodNotAllowed");
	assert_non_null(strstr(rig.head, "POST"));
	rig_request(&rig, "GET", CALLING "/calls/%zz", "", "");
	rig_expect_error(&rig, 400, "BadRequest");
	assert_int_equal(rig_request(&rig, "GET", "/healthz", "", ""), 200);
	assert_int_equal(rig_request(&rig, "GET", "/readyz", "", ""), 200);
	assert_int_equal(rig_request(&rig, "GET", "/openapi.yaml", "", ""), 200);
	assert_string_equal(rig.text, "openapi: 3.1.0\n");
	rig_request(&rig, "GET", "/metrics", "", "");
	rig_expect_error(&rig, 401, "Denied");
	assert_int_equal(rig_signed(&rig, "GET", "/metrics", ""), 200);
	assert_non_null(strstr(rig.text, "callflow_http_requests_total"));
	assert_int_equal(rig_signed(&rig, "POST", "/node/:drain", ""), 404);
	cf_api_drain(rig.api);
	rig_request(&rig, "GET", "/readyz", "", "");
	rig_expect_error(&rig, 503, "Draining");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(create),
		TEST(bodies),
		TEST(versions),
		TEST(signatures),
		TEST(issue),
		TEST(revoked),
		TEST(deleted),
		TEST(tokens),
		TEST(traversal),
		TEST(repetition),
		TEST(rate_limit),
		TEST(paths),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
