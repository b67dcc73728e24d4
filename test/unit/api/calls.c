/* SPDX-License-Identifier: Apache-2.0 */
/* Endpoints, events and calls over HTTP, and what a restart leaves. */
#include "unit/api/rig.h"

static struct rig rig;
static char alice[96], bob[96], at[CF_TOKEN_MAX], bt[CF_TOKEN_MAX];
static char ae[CF_CALL_ID_MAX], be[CF_CALL_ID_MAX], call[CF_CALL_ID_MAX];
static struct rig_stream as, bs;

/* What api.h's tell() said of main steps, and of which call. */
static char told[2048], told_of[CF_CALL_ID_MAX];

static void on_told(const char *call_id, bool main_step, const char *text, void *arg)
{
	size_t n = strlen(told);

	(void)arg;
	if (main_step)
		snprintf(told + n, sizeof(told) - n, "%s\n", text);
	snprintf(told_of, sizeof(told_of), "%s", call_id);
}

static int setup(void **state)
{
	(void)state;
	rig_init(&rig);
	rig.options.tell = on_told;
	*told = 0;
	rig_start(&rig);
	memset(&as, 0, sizeof(as));
	memset(&bs, 0, sizeof(bs));
	rig_identity(&rig, "\"voip\"", alice, at);
	rig_identity(&rig, "\"voip\"", bob, bt);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	rig_hang_up(&as);
	rig_hang_up(&bs);
	rig_done(&rig);
	return 0;
}

/* Both signed in and listening. */
static void sign_in(void)
{
	rig_endpoint(&rig, at, "Alice", ae);
	rig_endpoint(&rig, bt, "Bob", be);
	rig_listen(&rig, &as, at, ae, NULL);
	rig_listen(&rig, &bs, bt, be, NULL);
}

static int place(const char *extra)
{
	char body[1024];

	snprintf(body, sizeof(body),
		"{\"endpointId\":\"%s\",\"targets\":[{\"rawId\":\"%s\"}],\"sdp\":\"offer\"%s}", ae,
		bob, extra);
	rig_user(&rig, at, "POST", CALLING "/calls", body);
	snprintf(call, sizeof(call), "%s", rig_text(&rig, "callId"));
	return rig.status;
}

/* A verb on the call by one of the two; extra members begin with a comma. */
static int verb(const char *token, const char *endpoint, const char *name, const char *extra)
{
	char target[128], body[2048];

	snprintf(target, sizeof(target), CALLING "/calls/%s:%s", call, name);
	snprintf(body, sizeof(body), "{\"endpointId\":\"%s\"%s}", endpoint, extra);
	return rig_user(&rig, token, "POST", target, body);
}

static int get_call(const char *token, const char *rest)
{
	char target[128];

	snprintf(target, sizeof(target), CALLING "/calls/%s%s", call, rest);
	return rig_user(&rig, token, "GET", target, "");
}

static void endpoint(void **state)
{
	char target[128];

	(void)state;
	rig_endpoint(&rig, at, "Alice", ae);
	assert_string_equal(rig_text(&rig, "userId"), alice);
	assert_int_equal(json_array_size(json_object_get(rig.json, "iceServers")), 2);
	assert_true(json_is_true(json_object_get(rig.json, "relayEnabled")));
	rig_user(&rig, at, "POST", CALLING "/endpoints", "{\"displayName\":\"a\\u0007b\"}");
	rig_expect_error(&rig, 400, "BadRequest");
	assert_non_null(strstr(rig.text, "displayName"));
	rig_user(&rig, at, "POST", CALLING "/endpoints", "{\"displayName\":7}");
	rig_expect_error(&rig, 400, "BadRequest");
	snprintf(target, sizeof(target), CALLING "/endpoints/%s", ae);
	rig_user(&rig, bt, "DELETE", target, ""); /* not Bob's */
	rig_expect_error(&rig, 404, "EndpointNotFound");
	assert_int_equal(rig_user(&rig, at, "DELETE", target, ""), 204);
	rig_user(&rig, at, "DELETE", target, "");
	rig_expect_error(&rig, 404, "EndpointNotFound");
	snprintf(target, sizeof(target), CALLING "/endpoints/%s/events", ae);
	rig_user(&rig, at, "GET", target, "");
	rig_expect_error(&rig, 404, "EndpointNotFound");
}

static void whole_call(void **state)
{
	const json_t *servers;

	(void)state;
	sign_in();
	assert_int_equal(place(",\"customContext\":\"ctx\""), 201);
	assert_string_equal(rig_text(&rig, "state"), "ringing");
	servers = json_object_get(rig.json, "iceServers");
	assert_non_null(strstr(
		json_string_value(json_object_get(json_array_get(servers, 1), "username")), call));
	rig_expect_event(&rig, &bs, "incomingCall");
	assert_string_equal(rig_event_text(&bs, "callId"), call);
	assert_string_equal(rig_event_text(&bs, "sdp"), "offer");
	assert_string_equal(rig_event_text(&bs, "customContext"), "ctx");
	assert_string_equal(
		json_string_value(json_object_get(json_object_get(bs.data, "from"), "displayName")),
		"Alice");
	assert_int_equal(
		verb(bt, be, "candidates",
			",\"candidates\":[{\"candidate\":\"candidate:b\",\"sdpMid\":\"0\"}]"),
		204);
	assert_int_equal(verb(at, ae, "candidates",
				 ",\"candidates\":[{\"candidate\":\"candidate:a\","
				 "\"sdpMLineIndex\":0}],\"endOfCandidates\":true"),
		204);
	rig_expect_event(&rig, &bs, "remoteCandidates");
	assert_true(json_is_true(json_object_get(bs.data, "endOfCandidates")));
	assert_int_equal(verb(bt, be, "accept", ",\"sdp\":\"answer\""), 200);
	rig_expect_event(&rig, &as, "callAccepted");
	assert_string_equal(rig_event_text(&as, "sdp"), "answer");
	rig_expect_event(&rig, &as, "remoteCandidates");
	assert_int_equal(get_call(at, ""), 200);
	assert_string_equal(rig_text(&rig, "state"), "connected");
	assert_int_equal(verb(at, ae, "renegotiate", ",\"sdp\":\"o2\",\"type\":\"offer\""), 204);
	rig_expect_event(&rig, &bs, "renegotiate");
	assert_int_equal(verb(bt, be, "renegotiate", ",\"sdp\":\"o3\",\"type\":\"offer\""), 409);
	rig_expect_error(&rig, 409, "RenegotiationConflict");
	assert_int_equal(verb(bt, be, "renegotiate", ",\"sdp\":\"a2\",\"type\":\"answer\""), 204);
	rig_expect_event(&rig, &as, "renegotiate");
	assert_int_equal(
		verb(bt, be, "notify", ",\"kind\":\"state\",\"data\":{\"muted\":true}"), 204);
	rig_expect_event(&rig, &as, "notification");
	assert_string_equal(rig_event_text(&as, "kind"), "state");
	assert_true(json_is_true(json_object_get(json_object_get(as.data, "data"), "muted")));
	assert_int_equal(verb(at, ae, "report", ",\"path\":{\"kind\":\"direct\"}"), 204);
	assert_int_equal(verb(at, ae, "hangup", ""), 204);
	rig_expect_event(&rig, &as, "callEnded");
	rig_expect_event(&rig, &bs, "callEnded");
	assert_int_equal(json_integer_value(json_object_get(bs.data, "code")), 0);
	assert_int_equal(get_call(bt, ""), 200);
	assert_string_equal(rig_text(&rig, "state"), "ended");
}

static void trace(void **state)
{
	char target[160], eve[96], et[CF_TOKEN_MAX];
	const json_t *entries;

	(void)state;
	sign_in();
	assert_int_equal(place(""), 201);
	assert_int_equal(verb(bt, be, "accept", ",\"sdp\":\"answer\""), 200);
	assert_int_equal(verb(at, ae, "report", ",\"rttMs\":3"), 204);
	assert_int_equal(verb(at, ae, "hangup", ""), 204);
	assert_int_equal(get_call(at, "/trace"), 200);
	entries = json_object_get(rig.json, "entries");
	assert_true(json_array_size(entries) >= 5);
	assert_string_equal(
		json_string_value(json_object_get(json_array_get(entries, 0), "kind")), "started");
	assert_string_equal(json_string_value(json_object_get(
				    json_array_get(entries, json_array_size(entries) - 1), "kind")),
		"ended");
	rig_identity(&rig, "\"voip\"", eve, et);
	get_call(et, "/trace");
	rig_expect_error(&rig, 404, "CallNotFound");
	get_call(et, "");
	rig_expect_error(&rig, 404, "CallNotFound");
	snprintf(target, sizeof(target), CALLING "/calls/%s/trace", call);
	assert_int_equal(rig_signed(&rig, "GET", target, ""), 200);
}

/* The log of an operator: who calls whom, which way, how it ended; nothing else of what devices
 * say. */
static void tells_the_log(void **state)
{
	static const char hostile[] = ",\"report\":{\"kind\":\"path\",\"cause\":\"silence\","
				      "\"path\":{\"kind\":\"a\\\"b\",\"transport\":7}}";
	char expected[512];

	(void)state;
	sign_in();
	assert_int_equal(place(""), 201);
	assert_int_equal(verb(bt, be, "accept", ",\"sdp\":\"answer\""), 200);
	assert_int_equal(
		verb(at, ae, "report",
			",\"report\":{\"kind\":\"connected\",\"path\":{\"kind\":\"direct\","
			"\"transport\":\"udp\"}}"),
		204);
	assert_int_equal(verb(at, ae, "report", hostile), 204);
	assert_int_equal(verb(at, ae, "report", ",\"report\":{\"kind\":\"ended\"}"), 204);
	assert_int_equal(verb(at, ae, "hangup", ""), 204);
	snprintf(expected, sizeof(expected),
		"started: %s calls %s\nconnected: direct over udp\n"
		"new path: ? over ?, because of silence\nended: ended by a participant (0/0)\n",
		alice, bob);
	assert_string_equal(told, expected);
	assert_string_equal(told_of, call);
}

static void refused_calls(void **state)
{
	static const char *const extras[][2] = {
		{",\"iceTransport\":\"pigeon\"", "iceTransport"},
		{",\"customContext\":1", "customContext"},
	};
	static const char *const bodies[][2] = {
		{"{}", "endpointId"},
		{"{\"endpointId\":7}", "endpointId"},
		{"{\"endpointId\":\"%s\"}", "targets"},
		{"{\"endpointId\":\"%s\",\"targets\":[],\"sdp\":\"x\"}", "targets"},
		{"{\"endpointId\":\"%s\",\"targets\":[{}],\"sdp\":\"x\"}", "rawId"},
		{"{\"endpointId\":\"%s\",\"targets\":[{\"rawId\":\"bob\"}],\"sdp\":\"x\"}",
			"rawId"},
		{"{\"endpointId\":\"%s\",\"targets\":[{\"rawId\":\"4:+4930123\"}],\"sdp\":\"x\"}",
			"phone"},
		{"{\"endpointId\":\"%s\",\"targets\":[{\"rawId\":\"8:echo123\"}]}", "sdp"},
		{"{\"endpointId\":\"%s\",\"targets\":[{\"rawId\":\"8:echo123\"}],\"sdp\":\"\"}",
			"sdp"},
	};
	char body[512], name[160];

	(void)state;
	sign_in();
	for (size_t i = 0; i < sizeof(extras) / sizeof(extras[0]); i++) {
		assert_int_equal(place(extras[i][0]), 400);
		assert_non_null(strstr(rig.text, extras[i][1]));
	}
	for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
		const char *mark = strstr(bodies[i][0], "%s");

		snprintf(name, sizeof(name), "%s", bodies[i][0]);
		if (mark)
			snprintf(body, sizeof(body), "%.*s%s%s", (int)(mark - bodies[i][0]),
				bodies[i][0], ae, mark + 2);
		else
			snprintf(body, sizeof(body), "%s", name);
		rig_user(&rig, at, "POST", CALLING "/calls", body);
		rig_expect_error(&rig, 400, "BadRequest");
		if (!strstr(rig.text, bodies[i][1]))
			fail_msg("%s: %s does not name %s", body, rig.text, bodies[i][1]);
	}
	rig_user(&rig, bt, "POST", CALLING "/calls", body); /* with Alice's endpoint */
	assert_int_equal(rig.status, 404);
}

static void verbs_refused(void **state)
{
	char eve[96], et[CF_TOKEN_MAX], ee[CF_CALL_ID_MAX];

	(void)state;
	sign_in();
	rig_identity(&rig, "\"voip\"", eve, et);
	rig_endpoint(&rig, et, "Eve", ee);
	assert_int_equal(place(""), 201);
	verb(et, ee, "accept", ",\"sdp\":\"x\"");
	rig_expect_error(&rig, 403, "Forbidden");
	verb(bt, be, "accept", "");
	rig_expect_error(&rig, 400, "BadRequest");
	verb(bt, be, "reject", ",\"reason\":\"rude\"");
	rig_expect_error(&rig, 400, "BadRequest");
	verb(bt, be, "candidates", ",\"candidates\":[{\"sdpMid\":\"0\"}]");
	rig_expect_error(&rig, 400, "BadRequest");
	verb(bt, be, "renegotiate", ",\"sdp\":\"x\",\"type\":\"shout\"");
	rig_expect_error(&rig, 400, "BadRequest");
	verb(bt, be, "notify", ",\"kind\":\"state\"");
	rig_expect_error(&rig, 400, "BadRequest");
	verb(bt, be, "notify", ",\"kind\":\"\",\"data\":7");
	rig_expect_error(&rig, 400, "BadRequest");
	verb(bt, be, "notify", ",\"kind\":\"state\",\"data\":{}");
	rig_expect_error(&rig, 409, "Conflict");
	verb(bt, be, "hangup", ",\"code\":1000");
	rig_expect_error(&rig, 400, "BadRequest");
	verb(bt, ae, "accept", ",\"sdp\":\"x\"");
	rig_expect_error(&rig, 404, "EndpointNotFound");
	assert_int_equal(verb(bt, be, "reject", ",\"reason\":\"busy\""), 204);
	verb(bt, be, "accept", ",\"sdp\":\"x\"");
	rig_expect_error(&rig, 409, "Conflict");
	rig_expect_event(&rig, &as, "callRejected");
	rig_expect_event(&rig, &as, "callEnded");
	assert_int_equal(json_integer_value(json_object_get(as.data, "code")), 486);
	snprintf(call, sizeof(call), "0f8fad5b-d9cb-469f-a165-70867728950e");
	verb(bt, be, "accept", ",\"sdp\":\"x\"");
	rig_expect_error(&rig, 404, "NotFound");
	get_call(at, "");
	rig_expect_error(&rig, 404, "CallNotFound");
}

static void scopes(void **state)
{
	char user[96], token[CF_TOKEN_MAX], body[256];

	(void)state;
	sign_in();
	rig_identity(&rig, "\"chat\"", user, token);
	rig_user(&rig, token, "POST", CALLING "/endpoints", "{}");
	rig_expect_error(&rig, 403, "ScopeMissing");
	rig_identity(&rig, "\"voip.join\"", user, token);
	rig_endpoint(&rig, token, "x", ae);
	snprintf(body, sizeof(body),
		"{\"endpointId\":\"%s\",\"targets\":[{\"rawId\":\"%s\"}],\"sdp\":\"x\"}", ae, bob);
	rig_user(&rig, token, "POST", CALLING "/calls", body);
	rig_expect_error(&rig, 403, "ScopeMissing");
}

static void repeated_call(void **state)
{
	char headers[CF_TOKEN_MAX + 128], body[512], first[CF_CALL_ID_MAX];

	(void)state;
	sign_in();
	snprintf(headers, sizeof(headers),
		"Authorization: Bearer %s\r\n"
		"Repeatability-Request-Id: 7c9e6679-7425-40de-944b-e07fc1f90ae7\r\n",
		at);
	snprintf(body, sizeof(body),
		"{\"endpointId\":\"%s\",\"targets\":[{\"rawId\":\"%s\"}],\"sdp\":\"offer\"}", ae,
		bob);
	assert_int_equal(rig_request(&rig, "POST", CALLING "/calls", headers, body), 201);
	snprintf(first, sizeof(first), "%s", rig_text(&rig, "callId"));
	assert_int_equal(rig_request(&rig, "POST", CALLING "/calls", headers, body), 201);
	assert_string_equal(rig_text(&rig, "callId"), first);
	assert_int_equal(cf_call_domain_n_calls(cf_api_domain(rig.api)), 1);
}

static void relay_off(void **state)
{
	(void)state;
	rig.options.ice.relay_enabled = false;
	assert_int_equal(cf_api_reload(rig.api, &rig.options), 0);
	sign_in();
	assert_int_equal(place(""), 201);
	assert_int_equal(json_array_size(json_object_get(rig.json, "iceServers")), 1);
	place(",\"iceTransport\":\"relay\"");
	rig_expect_error(&rig, 409, "RelayDisabled");
	rig.options.ice.relay_enabled = true;
	assert_int_equal(cf_api_reload(rig.api, &rig.options), 0);
	assert_int_equal(place(",\"iceTransport\":\"direct\""), 201);
	assert_int_equal(json_array_size(json_object_get(rig.json, "iceServers")), 1);
	assert_int_equal(place(",\"iceTransport\":\"relay\""), 201);
	assert_int_equal(json_array_size(json_object_get(rig.json, "iceServers")), 2);
}

/* ---- streams ---- */

static void resume(void **state)
{
	char last[32];

	(void)state;
	sign_in();
	assert_int_equal(place(""), 201);
	rig_expect_event(&rig, &bs, "incomingCall");
	snprintf(last, sizeof(last), "%s", bs.id);
	rig_hang_up(&bs);
	assert_int_equal(
		verb(at, ae, "candidates", ",\"candidates\":[{\"candidate\":\"c1\"}]"), 204);
	assert_int_equal(
		verb(at, ae, "candidates", ",\"candidates\":[{\"candidate\":\"c2\"}]"), 204);
	rig_listen(&rig, &bs, bt, be, last);
	rig_expect_event(&rig, &bs, "remoteCandidates");
	assert_non_null(strstr(bs.text, "c1"));
	rig_expect_event(&rig, &bs, "remoteCandidates");
	/* without a number: all that is not known to have arrived */
	rig_hang_up(&bs);
	rig_listen(&rig, &bs, bt, be, NULL);
	rig_expect_event(&rig, &bs, "remoteCandidates");
	/* a number from elsewhere, and none at all */
	rig_hang_up(&bs);
	rig_listen(&rig, &bs, bt, be, "99999999999999");
	rig_expect_event(&rig, &bs, "reset");
	rig_hang_up(&bs);
	rig_listen(&rig, &bs, bt, be, "abc");
	for (int i = 0; i < 200 && !bs.eof; i++)
		rig_stream_read(&rig, &bs, 5);
	assert_non_null(strstr(bs.text, "400"));
}

static void newer_stream_replaces(void **state)
{
	static struct rig_stream second;

	(void)state;
	sign_in();
	rig_stream_read(&rig, &bs, 5);
	rig_listen(&rig, &second, bt, be, NULL);
	for (int i = 0; i < 200 && !bs.eof; i++)
		rig_stream_read(&rig, &bs, 5);
	assert_true(bs.eof);
	assert_int_equal(place(""), 201);
	rig_expect_event(&rig, &second, "incomingCall");
	rig_hang_up(&second);
}

static void overflow(void **state)
{
	char first[32], extra[96];

	(void)state;
	sign_in();
	assert_int_equal(place(""), 201);
	rig_expect_event(&rig, &bs, "incomingCall");
	snprintf(first, sizeof(first), "%s", bs.id);
	rig_hang_up(&bs);
	for (size_t i = 0; i < rig.options.events_max + 5; i++) {
		snprintf(extra, sizeof(extra), ",\"candidates\":[{\"candidate\":\"c%zu\"}]", i);
		assert_int_equal(verb(at, ae, "candidates", extra), 204);
	}
	rig_listen(&rig, &bs, bt, be, first);
	rig_expect_event(&rig, &bs, "reset");
	rig_expect_event(&rig, &bs, "remoteCandidates");
	assert_null(strstr(bs.text, "\"c4\"")); /* the oldest are gone */
	assert_non_null(strstr(bs.text, "\"c5\""));
}

static void heartbeat(void **state)
{
	(void)state;
	rig_stop(&rig);
	rig.options.heartbeat_us = CF_US_PER_S / 2;
	rig_start(&rig);
	rig_identity(&rig, "\"voip\"", alice, at);
	rig_endpoint(&rig, at, "Alice", ae);
	rig_listen(&rig, &as, at, ae, NULL);
	for (int i = 0; i < 400 && !strstr(as.text, ": heartbeat"); i++)
		rig_stream_read(&rig, &as, 50);
	assert_non_null(strstr(as.text, ": heartbeat"));
}

/* ---- restart ---- */

static void restart(void **state)
{
	char file[] = "/tmp/cf-api-XXXXXX", url[64], last[32], more[64];

	(void)state;
	close(mkstemp(file));
	rig_stop(&rig);
	snprintf(url, sizeof(url), "sqlite:%s", file);
	rig.url = url;
	rig_start(&rig);
	rig_identity(&rig, "\"voip\"", alice, at);
	rig_identity(&rig, "\"voip\"", bob, bt);
	sign_in();
	assert_int_equal(place(""), 201);
	rig_expect_event(&rig, &bs, "incomingCall");
	snprintf(last, sizeof(last), "%s", bs.id);
	assert_int_equal(
		verb(at, ae, "candidates", ",\"candidates\":[{\"candidate\":\"c1\"}]"), 204);
	rig_hang_up(&as);
	rig_hang_up(&bs);
	rig_stop(&rig);
	rig_start(&rig);
	/* tokens, endpoints, the ringing call, the event not yet seen: all there */
	rig_listen(&rig, &as, at, ae, NULL);
	rig_listen(&rig, &bs, bt, be, last);
	rig_expect_event(&rig, &bs, "remoteCandidates");
	assert_int_equal(verb(bt, be, "accept", ",\"sdp\":\"answer\""), 200);
	rig_expect_event(&rig, &as, "callAccepted");
	rig_stop(&rig);
	rig_start(&rig);
	rig_hang_up(&as);
	rig_hang_up(&bs);
	rig_listen(&rig, &as, at, ae, as.id);
	assert_int_equal(get_call(bt, ""), 200);
	assert_string_equal(rig_text(&rig, "state"), "connected");
	assert_int_equal(verb(bt, be, "hangup", ""), 204);
	assert_int_equal(get_call(bt, "/trace"), 200);
	assert_non_null(strstr(rig.text, "service-restarted"));
	unlink(file);
	snprintf(more, sizeof(more), "%s-wal", file);
	unlink(more);
	snprintf(more, sizeof(more), "%s-shm", file);
	unlink(more);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(endpoint),
		TEST(whole_call),
		TEST(trace),
		TEST(tells_the_log),
		TEST(refused_calls),
		TEST(verbs_refused),
		TEST(scopes),
		TEST(repeated_call),
		TEST(relay_off),
		TEST(resume),
		TEST(newer_stream_replaces),
		TEST(overflow),
		TEST(heartbeat),
		TEST(restart),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
