/* SPDX-License-Identifier: Apache-2.0 */
/* Usage over HTTP: rows, sums, pages, who may see what, and what a crash leaves. */
#include "unit/api/rig.h"

#include "base/mem.h"

static struct rig rig;
static char alice[96], bob[96], at[CF_TOKEN_MAX], bt[CF_TOKEN_MAX];

#define CALL "11111111-2222-3333-4444-555555555555"
#define START 1793491200000LL /* 2026-11-01T00:00:00Z */

static int setup(void **state)
{
	(void)state;
	rig_init(&rig);
	rig_start(&rig);
	rig_identity(&rig, "\"voip\"", alice, at);
	rig_identity(&rig, "\"voip\"", bob, bt);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	rig_done(&rig);
	return 0;
}

/* A relay's row of a user: one minute long, bytes to the peer as given. */
static void put(const char *id, const char *raw_id, const char *transport, int64_t start,
	uint64_t bytes, bool ended)
{
	char username[256];
	struct cf_api_relay_usage u = {.id = id,
		.transport = transport,
		.start_wall_ms = start,
		.end_wall_ms = start + 60000,
		.ended = ended,
		.client_in_bytes = bytes + 4,
		.client_in_packets = 1,
		.peer_out_bytes = bytes,
		.peer_out_packets = 1};

	if (strncmp(raw_id, "8:acs:", 6) == 0)
		snprintf(username, sizeof(username), "9999999999:res:%s:" CALL, raw_id + 10);
	else
		snprintf(username, sizeof(username), "%s", raw_id);
	u.username = cf_view_str(username);
	cf_api_relay_usage(rig.api, &u, !ended);
}

static json_t *value(void)
{
	return json_object_get(rig.json, "value");
}

static int get(const char *token, const char *rest)
{
	char target[512];

	snprintf(target, sizeof(target), CALLING "/usage%s", rest);
	return token ? rig_user(&rig, token, "GET", target, "")
		     : rig_signed(&rig, "GET", target, "");
}

static int count(const char *token, const char *rest)
{
	if (get(token, rest) != 200)
		fail_msg("%d %s", rig.status, rig.text);
	return (int)json_array_size(value());
}

static int64_t number(size_t row, const char *key)
{
	return json_integer_value(json_object_get(json_array_get(value(), row), key));
}

static const char *text(size_t row, const char *key)
{
	return json_string_value(json_object_get(json_array_get(value(), row), key));
}

static void rows_of_calls_and_relays(void **state)
{
	(void)state;
	put("a", alice, "udp", START, 100, false);
	put("a", alice, "udp", START, 500, true);
	put("a", alice, "udp", START, 300, false); /* late: neither twice nor backwards */
	put("b", "static", "tls", START + 1, 7, true);
	assert_int_equal(count(NULL, ""), 2);
	assert_int_equal(number(0, "peerOutBytes"), 500);
	assert_int_equal(number(0, "clientInBytes"), 504);
	assert_int_equal(number(0, "durationMs"), 60000);
	assert_true(json_is_true(json_object_get(json_array_get(value(), 0), "ended")));
	assert_string_equal(text(0, "user"), alice);
	assert_string_equal(text(0, "callId"), CALL);
	assert_string_equal(text(1, "user"), "static");
	assert_string_equal(text(1, "callId"), "");
	assert_string_equal(text(0, "startedOn"), "2026-11-01T00:00:00.000Z");
}

static void filters(void **state)
{
	char query[256];

	(void)state;
	put("a", alice, "udp", START, 1, true);
	put("b", bob, "tcp", START + 86400000, 2, true);
	put("c", "static", "tls", START + 2 * 86400000LL, 4, true);
	assert_int_equal(count(NULL, "?callId=" CALL), 2);
	assert_int_equal(count(NULL, "?user=static"), 1);
	snprintf(query, sizeof(query), "?user=%s&callId=" CALL, bob);
	assert_int_equal(count(NULL, query), 1);
	assert_int_equal(count(NULL, "?transport=tcp"), 1);
	assert_int_equal(count(NULL, "?kind=relay"), 3);
	assert_int_equal(count(NULL, "?kind=leg"), 0);
	assert_int_equal(count(NULL, "?from=2026-11-02"), 2);
	assert_int_equal(count(NULL, "?from=2026-11-02&to=2026-11-03T00:00:00Z"), 1);
	assert_int_equal(count(NULL, "?from=2026-11-02&to=2026-11-03T00:00:00.001Z"), 2);
	assert_int_equal(count(NULL, "?to=1793491200000"), 0);
	assert_int_equal(count(NULL, "?to=1793491200001"), 1);
}

static void malformed(void **state)
{
	static const char *const queries[] = {"?from=x", "?to=2026-02-30", "?kind=phone",
		"?transport=sctp", "?maxpagesize=0", "?maxpagesize=x", "?skipToken=!",
		"?skipToken=eA", "?callId=11111111-2222-3333-4444-5555555555555", "?from=1&from=2",
		":summarize", ":summarize?groupBy=colour"};

	(void)state;
	for (size_t i = 0; i < CF_ARRAY_LEN(queries); i++) {
		get(NULL, queries[i]);
		rig_expect_error(&rig, 400, "BadRequest");
	}
}

/* All rows come once, in order, whatever the size of the pages. */
static void pages(void **state)
{
	char id[16], link[512] = CALLING "/usage?maxpagesize=7&kind=relay";
	int n = 0;

	(void)state;
	for (int i = 0; i < 40; i++) { /* several with the same start */
		snprintf(id, sizeof(id), "r%02d", i);
		put(id, alice, "udp", START + i / 3, (uint64_t)i, true);
	}
	while (*link) {
		assert_int_equal(rig_signed(&rig, "GET", link, ""), 200);
		assert_true(json_array_size(value()) <= 7);
		for (size_t i = 0; i < json_array_size(value()); i++, n++)
			assert_int_equal(number(i, "peerOutBytes"), n);
		snprintf(link, sizeof(link), "%s", rig_text(&rig, "nextLink"));
		if (n == 7)
			put("r05x", alice, "udp", START, 5, true); /* behind us: not seen */
	}
	assert_int_equal(n, 40);
}

static void page_limit(void **state)
{
	char id[16];

	(void)state;
	for (int i = 0; i < 201; i++) {
		snprintf(id, sizeof(id), "r%03d", i);
		put(id, alice, "udp", START, 1, true);
	}
	assert_int_equal(count(NULL, "?maxpagesize=100000"), 200);
	assert_int_equal(rig_signed(&rig, "GET", rig_text(&rig, "nextLink"), ""), 200);
	assert_int_equal(json_array_size(value()), 1);
	assert_null(json_object_get(rig.json, "nextLink"));
}

static void sums(void **state)
{
	(void)state;
	put("a", alice, "udp", START, 100, true);
	put("b", alice, "tls", START + 5, 10, false);
	put("c", bob, "udp", START + 86400000, 1, true);
	assert_int_equal(count(NULL, ":summarize?groupBy=user"), 2);
	assert_int_equal(number(0, "records") + number(1, "records"), 3);
	assert_int_equal(count(NULL, ":summarize?groupBy=transport"), 2);
	assert_string_equal(text(0, "transport"), "tls");
	assert_int_equal(number(1, "peerOutBytes"), 101);
	assert_int_equal(number(1, "relayMs"), 120000);
	assert_int_equal(count(NULL, ":summarize?groupBy=day"), 2);
	assert_string_equal(text(1, "day"), "2026-11-02");
	assert_int_equal(number(1, "clientInBytes"), 5);
	assert_int_equal(count(NULL, ":summarize?groupBy=call"), 1);
	assert_string_equal(text(0, "callId"), CALL);
	assert_int_equal(count(NULL, ":summarize?groupBy=total&from=2026-11-02"), 1);
	assert_int_equal(number(0, "records"), 1);
	assert_int_equal(count(NULL, ":summarize?groupBy=transport&maxpagesize=1"), 1);
	assert_int_equal(rig_signed(&rig, "GET", rig_text(&rig, "nextLink"), ""), 200);
	assert_string_equal(text(0, "transport"), "udp");
}

static void own_usage_only(void **state)
{
	char query[256];

	(void)state;
	put("a", alice, "udp", START, 100, true);
	put("b", bob, "udp", START, 10, true);
	assert_int_equal(count(at, ""), 1);
	assert_string_equal(text(0, "user"), alice);
	assert_int_equal(count(at, "?callId=" CALL), 1); /* of the call only the own part */
	assert_int_equal(count(bt, ":summarize?groupBy=call"), 1);
	assert_int_equal(number(0, "peerOutBytes"), 10);
	snprintf(query, sizeof(query), "?user=%s", alice);
	assert_int_equal(count(at, query), 1);
	get(bt, query);
	rig_expect_error(&rig, 403, "Forbidden");
	rig_request(&rig, "GET", CALLING "/usage", "", "");
	rig_expect_error(&rig, 401, "Denied");
}

/* kill -9: what was open is closed at the next start, once, with its last counts. */
static void crash(void **state)
{
	char file[] = "/tmp/callflow-usage-XXXXXX", url[64], more[64];
	static const char *const rest[] = {"", "-wal", "-shm"};
	int fd = mkstemp(file);

	(void)state;
	close(fd);
	rig_stop(&rig);
	snprintf(url, sizeof(url), "sqlite:%s", file);
	rig.url = url;
	rig_start(&rig);
	put("a", alice, "udp", START, 100, false);
	put("a", alice, "udp", START, 700, false);
	assert_int_equal(count(NULL, ""), 1);
	assert_true(json_is_false(json_object_get(json_array_get(value(), 0), "ended")));
	for (int i = 0; i < 2; i++) {
		rig_stop(&rig);
		rig_start(&rig);
		assert_int_equal(count(NULL, ""), 1);
		assert_true(json_is_true(json_object_get(json_array_get(value(), 0), "ended")));
		assert_int_equal(number(0, "peerOutBytes"), 700);
	}
	for (size_t i = 0; i < CF_ARRAY_LEN(rest); i++) {
		snprintf(more, sizeof(more), "%s%s", file, rest[i]);
		unlink(more);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(rows_of_calls_and_relays),
		TEST(filters),
		TEST(malformed),
		TEST(pages),
		TEST(page_limit),
		TEST(sums),
		TEST(own_usage_only),
		TEST(crash),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
