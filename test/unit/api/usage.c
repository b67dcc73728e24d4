/* SPDX-License-Identifier: Apache-2.0 */
/* Usage over HTTP: rows, sums, pages, who may see what, and what a crash leaves. */
#include "unit/api/rig.h"

#include "auth/seal.h"
#include "base/mem.h"

#include <callflow/callflow.h>

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

/* Writes all pages of an export below a name, and its signature; gives the number of lines. */
static size_t export_to(const char *file, char signature[static CALLFLOW_SIGNATURE_MAX])
{
	char link[1024] = CALLING "/usage:export?from=2026-11-01&to=2026-12-01";
	FILE *out = fopen(file, "w");
	size_t n = 0;

	assert_non_null(out);
	while (*link) {
		const json_t *lines;

		if (rig_signed(&rig, "GET", link, "") != 200)
			fail_msg("%d %s", rig.status, rig.text);
		lines = json_object_get(rig.json, "lines");
		for (size_t i = 0; i < json_array_size(lines); i++, n++)
			fprintf(out, "%s\n", json_string_value(json_array_get(lines, i)));
		snprintf(link, sizeof(link), "%s", rig_text(&rig, "nextLink"));
	}
	fclose(out);
	snprintf(signature, CALLFLOW_SIGNATURE_MAX, "{\"keyId\":\"%s\",\"signature\":\"%s\"}",
		rig_text(&rig, "signature.keyId"), rig_text(&rig, "signature.signature"));
	return n;
}

static char lines[300][1024];

static size_t read_lines(const char *file)
{
	FILE *in = fopen(file, "r");
	size_t n = 0;

	while (n < 300 && fgets(lines[n], sizeof(lines[n]), in))
		n++;
	fclose(in);
	return n;
}

static void write_lines(const char *file, const size_t *order, size_t n)
{
	FILE *out = fopen(file, "w");

	for (size_t i = 0; i < n; i++)
		fputs(lines[order[i]], out);
	fclose(out);
}

/* What verifying a file says. */
static const char *verdict(const char *file, const char *signature)
{
	static char why[CALLFLOW_WHY_MAX];
	int err;

	assert_int_equal(rig_request(&rig, "GET", CALLING "/usage/keys", "", ""), 200);
	err = callflow_usage_verify(file, signature, rig.text, why);
	return err == 0 ? "" : why;
}

static void expect_verdict(const char *file, const char *signature, const char *wanted)
{
	const char *got = verdict(file, signature);

	if (*wanted ? strstr(got, wanted) == NULL : *got != 0)
		fail_msg("\"%s\", expected \"%s\"", got, wanted);
}

/* Writes a line anew as somebody would who knows how the chain is made. */
static void forge_chain(size_t from, size_t n)
{
	struct cf_seal seal;
	char tail[CF_SEAL_TAIL_MAX];

	assert_int_equal(cf_seal_begin(&seal), 0);
	for (size_t i = 0; i < n; i++) {
		size_t len = strlen(lines[i]) - 1 - CF_SEAL_TAIL_LEN;

		assert_int_equal(cf_seal_line(&seal, cf_view_of(lines[i], len), tail), 0);
		if (i >= from)
			snprintf(lines[i] + len, sizeof(lines[i]) - len, "%s\n", tail);
	}
}

/* Each way of tampering with an export of five rows: lines 0 (head), 1 to 5, 6 (end). */
static void export_tampered(void **state)
{
	static const struct {
		size_t order[9];
		size_t n;
		const char *wanted;
	} cases[] = {
		{{0, 1, 2, 3, 4, 5, 6}, 7, ""},
		{{0, 1, 2, 4, 5, 6}, 6, "row 3 is missing"},
		{{0, 1, 4, 5, 6}, 5, "rows 2 to 3 are missing"},
		{{0, 1, 2, 3, 4, 6}, 6, "rows were removed at the end: 4 are here, 5"},
		{{0, 1, 2, 3, 4, 5}, 6, "the end is missing"},
		{{0, 2, 1, 3, 4, 5, 6}, 7, "row 1 is missing"},
		{{0, 1, 2, 2, 3, 4, 5, 6}, 8, "row 2 is not in its place, or there twice"},
		{{0, 1, 2, 3, 4, 5, 6, 5}, 8, "added behind the end"},
		{{1, 2, 3, 4, 5, 6}, 6, "line 1 is not the head"},
		{{0}, 0, "the file is empty"},
	};
	char file[] = "/tmp/callflow-export-XXXXXX", id[16], signature[CALLFLOW_SIGNATURE_MAX];
	int fd = mkstemp(file);
	char *digit;

	(void)state;
	close(fd);
	for (int i = 0; i < 5; i++) {
		snprintf(id, sizeof(id), "r%d", i);
		put(id, alice, "udp", START + i, 77, true);
	}
	put("open", alice, "udp", START, 1, false); /* not closed: not in it */
	assert_int_equal(export_to(file, signature), 7);
	for (size_t i = 0; i < CF_ARRAY_LEN(cases); i++) {
		assert_int_equal(export_to(file, signature), 7);
		assert_int_equal(read_lines(file), 7);
		write_lines(file, cases[i].order, cases[i].n);
		expect_verdict(file, signature, cases[i].wanted);
	}
	export_to(file, signature);
	read_lines(file);
	digit = strstr(lines[3], ":77,");
	assert_non_null(digit);
	digit[1] = '6';
	write_lines(file, cases[0].order, 7);
	expect_verdict(file, signature, "line 4 was altered");
	forge_chain(3, 7);
	write_lines(file, cases[0].order, 7);
	expect_verdict(file, signature, "the signature does not fit");
	lines[3][5] = '{';
	write_lines(file, cases[0].order, 7);
	expect_verdict(file, signature, "line 4 was altered: it is not a line");
	unlink(file);
}

static void export_keys(void **state)
{
	char file[] = "/tmp/callflow-export-XXXXXX", signature[CALLFLOW_SIGNATURE_MAX],
	     other[CALLFLOW_SIGNATURE_MAX], why[CALLFLOW_WHY_MAX];
	int fd = mkstemp(file);

	(void)state;
	close(fd);
	put("a", alice, "udp", START, 1, true);
	assert_int_equal(export_to(file, signature), 3);
	expect_verdict(file, signature, "");
	/* Keys change: the old one is retired, and still checks what it has signed. */
	rig_stop(&rig);
	rig.options.usage_keys.n = 2;
	memcpy(rig.options.usage_keys.key[1], rig.options.usage_keys.key[0], CF_ED25519_KEY_LEN);
	memset(rig.options.usage_keys.key[0], 10, CF_ED25519_KEY_LEN);
	rig_start(&rig);
	expect_verdict(file, signature, "");
	export_to(file, other); /* of no rows */
	expect_verdict(file, other, "");
	expect_verdict(file, signature, "the signature is of another export");
	rig_stop(&rig);
	rig.options.usage_keys.n = 1;
	memset(rig.options.usage_keys.key[0], 11, CF_ED25519_KEY_LEN);
	rig_start(&rig);
	expect_verdict(file, other, "which is not among those given");
	expect_verdict(file, "{}", "the signature cannot be read");
	expect_verdict("/nonexistent", other, "cannot be read");
	assert_int_equal(callflow_usage_verify(file, other, "[", why), CF_EBADMSG);
	unlink(file);
}

/* Pages of an export are one chain, and nobody can have another chain signed. */
static void export_pages(void **state)
{
	char file[] = "/tmp/callflow-export-XXXXXX", signature[CALLFLOW_SIGNATURE_MAX], id[16];
	char link[1024], *token;
	int fd = mkstemp(file);

	(void)state;
	close(fd);
	for (int i = 0; i < 230; i++) {
		snprintf(id, sizeof(id), "r%03d", i);
		put(id, alice, "udp", START, (uint64_t)i, true);
	}
	assert_int_equal(export_to(file, signature), 232);
	expect_verdict(file, signature, "");
	rig_signed(&rig, "GET", CALLING "/usage:export", "");
	snprintf(link, sizeof(link), "%s", rig_text(&rig, "nextLink"));
	token = strstr(link, "skipToken=");
	assert_non_null(token);
	token[30] = token[30] == 'A' ? 'B' : 'A';
	rig_signed(&rig, "GET", link, "");
	rig_expect_error(&rig, 400, "BadRequest");
	rig_user(&rig, at, "GET", CALLING "/usage:export", "");
	rig_expect_error(&rig, 401, "Denied");
	unlink(file);
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
		TEST(export_tampered),
		TEST(export_keys),
		TEST(export_pages),
		TEST(crash),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
