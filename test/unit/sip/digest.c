/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/harness.h"

#include "base/clock.h"
#include "sip/digest.h"
#include "sip/digest_priv.h"

#include <stdio.h>

#define START ((uint64_t)7000000)

static unsigned asked_for_secret;

/* alice, with the password "secret". */
static int secret(struct cf_view user, struct cf_view realm, enum cf_sip_digest_algorithm algorithm,
	char ret_ha1[static CF_SIP_DIGEST_HEX_MAX], void *arg)
{
	(void)arg;
	asked_for_secret++;
	if (!cf_view_is(user, "alice"))
		return CF_ENOTFOUND;
	return cf_sip_digest_ha1(algorithm, user, realm, cf_view_str("secret"), ret_ha1);
}

static struct cf_sip_digest *make(uint32_t slots)
{
	struct cf_sip_digest_opts opts = cf_sip_digest_defaults();
	struct cf_sip_digest *digest;

	opts.realm = "calls.example";
	opts.slots = slots;
	opts.secret = secret;
	memset(opts.key, 7, sizeof(opts.key));
	assert_int_equal(cf_sip_digest_new(&digest, &opts), 0);
	return digest;
}

static char room[4][4096];

static struct cf_sip_msg *parse(struct cf_sip_msg *msg, char *text)
{
	assert_int_equal(cf_sip_msg_parse(msg, (uint8_t *)text, strlen(text), CF_SIP_DATAGRAM), 0);
	assert_int_equal(msg->fault, 0);
	return msg;
}

#define IDS "Via: SIP/2.0/UDP h\r\nFrom: <sip:a@a>;tag=1\r\nTo: <sip:b@b>\r\nCall-ID: c\r\n"

/* A 401 with the challenges of digest. */
static void challenge(
	struct cf_sip_digest *digest, bool stale, uint64_t now, struct cf_sip_msg *ret_msg)
{
	struct cf_sip_writer w;
	struct cf_buf out;

	cf_buf_init(&out, 4096);
	assert_int_equal(
		cf_buf_append_str(&out, "SIP/2.0 401 Unauthorized\r\n" IDS "CSeq: 1 REGISTER\r\n"),
		0);
	cf_sip_write_begin(&w, &out);
	cf_sip_digest_challenge(digest, &w, CF_SIP_H_WWW_AUTHENTICATE, stale, now);
	assert_int_equal(cf_sip_write_end(&w, cf_view_of(NULL, 0), cf_view_of(NULL, 0)), 0);
	snprintf(room[0], sizeof(room[0]), "%.*s", (int)out.len, (char *)out.p);
	cf_buf_done(&out);
	parse(ret_msg, room[0]);
}

static const struct cf_sip_digest_login alice = {{(const uint8_t *)"alice", 5},
	{(const uint8_t *)"calls.example", 13}, {(const uint8_t *)"secret", 6}};

/* A REGISTER with the answer of the client. */
static enum cf_sip_digest_verdict answer(struct cf_sip_digest *digest,
	const struct cf_sip_digest_asked *asked, const struct cf_sip_digest_login *login,
	uint32_t nc, uint64_t now)
{
	struct cf_sip_digest_user user = {0};
	enum cf_sip_digest_verdict verdict;
	struct cf_sip_msg msg;
	struct cf_buf out;

	cf_buf_init(&out, 2048);
	assert_int_equal(cf_sip_digest_answer(asked, login, cf_view_str("REGISTER"),
				 cf_view_str("sip:calls.example"), nc, &out),
		0);
	snprintf(room[1], sizeof(room[1]),
		"REGISTER sip:calls.example SIP/2.0\r\n" IDS
		"CSeq: 1 REGISTER\r\nAuthorization: %.*s\r\n\r\n",
		(int)out.len, (char *)out.p);
	cf_buf_done(&out);
	parse(&msg, room[1]);
	verdict = cf_sip_digest_check(digest, &msg, CF_SIP_H_AUTHORIZATION, now, &user);
	assert_int_equal(verdict == CF_SIP_DIGEST_GOOD, user.len == 5);
	return verdict;
}

/* RFC 7616 section 3.9.1 (HTTP), and RFC 2617's without qop. */
static void vectors(void **state)
{
	struct cf_sip_digest_parts parts = {
		.method = cf_view_str("GET"),
		.uri = cf_view_str("/dir/index.html"),
		.nonce = cf_view_str("7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v"),
		.nc = cf_view_str("00000001"),
		.cnonce = cf_view_str("f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ"),
		.qop = cf_view_str("auth"),
	};
	char ha1[CF_SIP_DIGEST_HEX_MAX], hex[CF_SIP_DIGEST_HEX_MAX];
	static const char *const want[] = {
		"753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1",
		"8ca523f5e9506fed4657c9700eebdbec"};

	(void)state;
	for (int i = 0; i < 2; i++) {
		parts.algorithm = (enum cf_sip_digest_algorithm)i;
		parts.ha1 = ha1;
		assert_int_equal(cf_sip_digest_ha1(parts.algorithm, cf_view_str("Mufasa"),
					 cf_view_str("http-auth@example.org"),
					 cf_view_str("Circle of Life"), ha1),
			0);
		assert_int_equal(cf_sip_digest_response(&parts, hex), 0);
		assert_string_equal(hex, want[i]);
	}
}

/* A carrier that still speaks RFC 2069: no qop, MD5. */
static void without_qop(void **state)
{
	struct cf_sip_digest_asked asked = {.algorithm = CF_SIP_DIGEST_MD5,
		.realm = cf_view_str("\"testrealm@host.com\""),
		.nonce = cf_view_str("\"dcd98b7102dd2f0e8b11d0f600bfb0c093\""),
		.opaque = cf_view_str("\"5ccc\"")};
	struct cf_sip_digest_login login = {cf_view_str("Mufasa"),
		cf_view_str("testrealm@host.com"), cf_view_str("Circle Of Life")};
	struct cf_buf out;

	(void)state;
	cf_buf_init(&out, 1000);
	assert_int_equal(cf_sip_digest_answer(&asked, &login, cf_view_str("GET"),
				 cf_view_str("/dir/index.html"), 1, &out),
		0);
	/* H(H(A1):nonce:H(A2)) with RFC 2617's A1 and A2. */
	assert_true(cf_view_is(cf_buf_view(&out),
		"Digest username=\"Mufasa\", realm=\"testrealm@host.com\", "
		"nonce=\"dcd98b7102dd2f0e8b11d0f600bfb0c093\", uri=\"/dir/index.html\", "
		"response=\"670fd8c2df070c60b045671b8b24ff02\", algorithm=MD5, "
		"opaque=\"5ccc\""));
	cf_buf_done(&out);
}

static void round_trip(void **state)
{
	struct cf_sip_digest *digest = make(64);
	struct cf_sip_digest_asked asked;
	struct cf_sip_msg msg;

	(void)state;
	challenge(digest, false, START, &msg);
	assert_int_equal(cf_sip_digest_choose(&msg, alice.realm, &asked), 0);
	assert_int_equal(asked.algorithm, CF_SIP_DIGEST_SHA256); /* RFC 8760 section 2.4 */
	assert_true(asked.qop && !asked.stale);
	assert_int_equal(answer(digest, &asked, &alice, 1, START), CF_SIP_DIGEST_GOOD);
	/* The second challenge is MD5's. */
	asked.algorithm = CF_SIP_DIGEST_MD5;
	assert_int_equal(answer(digest, &asked, &alice, 2, START), CF_SIP_DIGEST_GOOD);
	/* Nobody else's realm is answered. */
	assert_int_equal(cf_sip_digest_choose(&msg, cf_view_str("other"), &asked), CF_ENOTFOUND);
	challenge(digest, true, START, &msg);
	assert_int_equal(cf_sip_digest_choose(&msg, alice.realm, &asked), 0);
	assert_true(asked.stale);
	cf_sip_digest_free(digest);
}

/* Each count once, within a window of 64; then the nonce is stale, not the user wrong. */
static void replay(void **state)
{
	static const struct {
		uint32_t nc;
		enum cf_sip_digest_verdict verdict;
	} rows[] = {{1, CF_SIP_DIGEST_GOOD}, {1, CF_SIP_DIGEST_STALE}, {3, CF_SIP_DIGEST_GOOD},
		{2, CF_SIP_DIGEST_GOOD}, {2, CF_SIP_DIGEST_STALE}, {3, CF_SIP_DIGEST_STALE},
		{70, CF_SIP_DIGEST_GOOD}, {6, CF_SIP_DIGEST_STALE}, {7, CF_SIP_DIGEST_GOOD},
		{7, CF_SIP_DIGEST_STALE}, {0xffffffff, CF_SIP_DIGEST_GOOD},
		{70, CF_SIP_DIGEST_STALE}};
	struct cf_sip_digest *digest = make(64);
	struct cf_sip_digest_asked asked;
	struct cf_sip_msg msg;

	(void)state;
	challenge(digest, false, START, &msg);
	assert_int_equal(cf_sip_digest_choose(&msg, alice.realm, &asked), 0);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (answer(digest, &asked, &alice, rows[i].nc, START + 1) != rows[i].verdict)
			fail_msg("row %zu", i);
	cf_sip_digest_free(digest);
}

/* Where there is room for few nonces, older ones become stale: none is ever good twice. */
static void crowded(void **state)
{
	enum { N = 9 };
	struct cf_sip_digest *digest = make(4);
	struct cf_sip_digest_asked asked;
	struct cf_sip_msg msg;
	static char nonces[N][64];

	(void)state;
	for (unsigned i = 0; i < N; i++) {
		challenge(digest, false, START + i, &msg);
		assert_int_equal(cf_sip_digest_choose(&msg, alice.realm, &asked), 0);
		snprintf(nonces[i], sizeof(nonces[i]), "%.*s", CF_SIP_ARG(asked.nonce));
		assert_int_equal(answer(digest, &asked, &alice, 1, START + i), CF_SIP_DIGEST_GOOD);
	}
	for (unsigned i = 0; i < N; i++) {
		asked.nonce = cf_view_str(nonces[i]);
		assert_int_equal(answer(digest, &asked, &alice, 1, START + N), CF_SIP_DIGEST_STALE);
		assert_int_equal(answer(digest, &asked, &alice, 2, START + N),
			i < N - 4 ? CF_SIP_DIGEST_STALE : CF_SIP_DIGEST_GOOD);
	}
	cf_sip_digest_free(digest);
}

static void nonces(void **state)
{
	struct cf_sip_digest *digest = make(64), *other = make(64);
	struct cf_sip_digest_opts opts = cf_sip_digest_defaults();
	struct cf_sip_digest_asked asked;
	struct cf_sip_msg msg;
	char nonce[64];

	(void)state;
	challenge(digest, false, START, &msg);
	assert_int_equal(cf_sip_digest_choose(&msg, alice.realm, &asked), 0);
	/* From the future, in time, too late. */
	assert_int_equal(answer(digest, &asked, &alice, 1, START - 1), CF_SIP_DIGEST_NONE);
	assert_int_equal(
		answer(digest, &asked, &alice, 1, START + 300 * CF_US_PER_S), CF_SIP_DIGEST_GOOD);
	assert_int_equal(answer(digest, &asked, &alice, 2, START + 300 * CF_US_PER_S + 1),
		CF_SIP_DIGEST_STALE);
	/* The same key makes the same nonces good; another does not. */
	assert_int_equal(answer(other, &asked, &alice, 1, START), CF_SIP_DIGEST_GOOD);
	other = cf_sip_digest_free(other);
	opts.realm = "calls.example";
	opts.secret = secret;
	assert_int_equal(cf_sip_digest_new(&other, &opts), 0);
	assert_int_equal(answer(other, &asked, &alice, 3, START), CF_SIP_DIGEST_NONE);
	/* Any changed digit. */
	for (size_t i = 1; i + 1 < asked.nonce.len; i++) {
		struct cf_sip_digest_asked forged = asked;

		snprintf(nonce, sizeof(nonce), "%.*s", CF_SIP_ARG(asked.nonce));
		nonce[i] = nonce[i] == 'A' ? 'B' : 'A';
		forged.nonce = cf_view_str(nonce);
		assert_int_equal(answer(digest, &forged, &alice, 3, START), CF_SIP_DIGEST_NONE);
	}
	cf_sip_digest_free(other);
	cf_sip_digest_free(digest);
}

/* The wrong password and somebody unknown end alike. */
static void enumeration(void **state)
{
	struct cf_sip_digest *digest = make(64);
	struct cf_sip_digest_login login = alice;
	struct cf_sip_digest_asked asked;
	struct cf_sip_msg msg;
	unsigned before;

	(void)state;
	challenge(digest, false, START, &msg);
	assert_int_equal(cf_sip_digest_choose(&msg, alice.realm, &asked), 0);
	login.password = cf_view_str("guess");
	assert_int_equal(answer(digest, &asked, &login, 1, START), CF_SIP_DIGEST_WRONG);
	login.user = cf_view_str("nobody");
	assert_int_equal(answer(digest, &asked, &login, 1, START), CF_SIP_DIGEST_WRONG);
	/* Too late, with the wrong password: wrong, not stale (that would tell). */
	assert_int_equal(
		answer(digest, &asked, &login, 1, START + 900 * CF_US_PER_S), CF_SIP_DIGEST_WRONG);
	/* Nobody is looked up for a nonce that is not ours. */
	before = asked_for_secret;
	asked.nonce = cf_view_str("\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"");
	assert_int_equal(answer(digest, &asked, &alice, 1, START), CF_SIP_DIGEST_NONE);
	assert_int_equal(asked_for_secret, before);
	/* A wrong answer uses nothing up. */
	assert_int_equal(cf_sip_digest_choose(&msg, alice.realm, &asked), 0);
	assert_int_equal(answer(digest, &asked, &alice, 1, START), CF_SIP_DIGEST_GOOD);
	cf_sip_digest_free(digest);
}

static void malformed(void **state)
{
	static const struct {
		const char *value;
		enum cf_sip_digest_verdict verdict;
	} rows[] = {
		{"Digest", CF_SIP_DIGEST_NONE},
		{"NoOneKnowsThisScheme opaque-data=here", CF_SIP_DIGEST_NONE},
		{"Digest realm=\"calls.example\", realm=\"calls.example\"", CF_SIP_DIGEST_NONE},
		{"Digest realm=\"other\", nonce=\"N\"", CF_SIP_DIGEST_NONE},
		{"Digest realm=\"calls.example\", nonce=\"N\"", CF_SIP_DIGEST_BAD},
		{"Digest realm=\"calls.example\", nonce=\"N\", algorithm=SHA-512-256",
			CF_SIP_DIGEST_NONE},
		{"Digest username=\"alice\", realm=\"calls.example\", nonce=\"N\", uri=\"sip:x\", "
		 "response=\"1\", cnonce=\"2\", nc=00000001, qop=auth",
			CF_SIP_DIGEST_BAD},
		{"Digest username=\"alice\", realm=\"calls.example\", nonce=\"N\", "
		 "uri=\"sip:calls.example\", response=\"1\", cnonce=\"2\", nc=00000000, qop=auth",
			CF_SIP_DIGEST_BAD},
		{"Digest username=\"alice\", realm=\"calls.example\", nonce=\"N\", "
		 "uri=\"sip:calls.example\", response=\"1\", cnonce=\"2\", nc=00000001",
			CF_SIP_DIGEST_BAD},
		{"Digest username=\"alice\", realm=\"calls.example\", nonce=\"N\", opaque=\"0\", "
		 "uri=\"sip:calls.example\", response=\"1\", cnonce=\"2\", nc=00000001, qop=auth",
			CF_SIP_DIGEST_BAD},
		{"Digest username=\"alice\", realm=\"calls.example\", nonce=\"N\", "
		 "uri=\"sip:CALLS.example\", response=\"1\", cnonce=\"2\", nc=00000001, qop=auth",
			CF_SIP_DIGEST_WRONG},
	};
	struct cf_sip_digest *digest = make(64);
	struct cf_sip_digest_user user;
	struct cf_sip_digest_asked asked;
	struct cf_sip_msg msg;

	(void)state;
	challenge(digest, false, START, &msg);
	assert_int_equal(cf_sip_digest_choose(&msg, alice.realm, &asked), 0);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const char *at = strstr(rows[i].value, "\"N\"");
		int head = at ? (int)(at - rows[i].value) : (int)strlen(rows[i].value);

		snprintf(room[2], sizeof(room[2]),
			"REGISTER sip:calls.example SIP/2.0\r\n" IDS
			"CSeq: 1 REGISTER\r\nAuthorization: %.*s%.*s%s\r\n\r\n",
			head, rows[i].value, at ? (int)asked.nonce.len : 0,
			(const char *)asked.nonce.p, at ? at + 3 : "");
		parse(&msg, room[2]);
		if (cf_sip_digest_check(digest, &msg, CF_SIP_H_AUTHORIZATION, START, &user) !=
			rows[i].verdict)
			fail_msg("row %zu", i);
	}
	cf_sip_digest_free(digest);
}

static void odd_challenges(void **state)
{
	static const struct {
		const char *value;
		int err;
	} rows[] = {
		{"Digest realm=\"r\", nonce=\"n\"", 0},
		{"Digest realm=\"r\", nonce=\"n\", algorithm=SHA-256", CF_ENOTFOUND},
		{"Digest realm=\"r\", nonce=\"n\", qop=\"auth-int\"", CF_ENOTFOUND},
		{"Digest realm=\"r\", nonce=\"n\", qop=\"auth-int,auth\"", 0},
		{"Digest realm=\"r\", nonce=\"n\", algorithm=MD5-sess", CF_ENOTFOUND},
		{"Digest realm=\"r\"", CF_ENOTFOUND},
		{"Basic realm=\"r\"", CF_ENOTFOUND},
	};
	struct cf_sip_digest_login login = alice;
	struct cf_sip_digest_asked asked;
	struct cf_sip_msg msg;
	struct cf_buf out;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		snprintf(room[3], sizeof(room[3]),
			"SIP/2.0 407 x\r\n" IDS "CSeq: 1 INVITE\r\nProxy-Authenticate: %s\r\n\r\n",
			rows[i].value);
		parse(&msg, room[3]);
		if (cf_sip_digest_choose(&msg, cf_view_str("r"), &asked) != rows[i].err)
			fail_msg("row %zu", i);
	}
	cf_buf_init(&out, 2048);
	login.user = cf_view_str("a\"b\\");
	assert_int_equal(cf_sip_digest_answer(&asked, &login, cf_view_str("INVITE"),
				 cf_view_str("sip:x"), 1, &out),
		0);
	assert_memory_equal(out.p, "Digest username=\"a\\\"b\\\\\"", 24);
	out.len = 0;
	login.user = cf_view_str("a\r\nX: y");
	assert_int_equal(cf_sip_digest_answer(&asked, &login, cf_view_str("INVITE"),
				 cf_view_str("sip:x"), 1, &out),
		CF_EINVAL);
	assert_int_equal(out.len, 0);
	cf_buf_done(&out);
}

static int oom_body(void *arg)
{
	struct cf_sip_digest_opts opts = cf_sip_digest_defaults();
	struct cf_sip_digest *digest;
	int err;

	(void)arg;
	opts.realm = "r";
	opts.secret = secret;
	err = cf_sip_digest_new(&digest, &opts);
	if (!err)
		cf_sip_digest_free(digest);
	return err;
}

static void out_of_memory(void **state)
{
	struct cf_sip_digest_opts opts = cf_sip_digest_defaults();
	struct cf_sip_digest *digest;

	(void)state;
	cf_test_oom(oom_body, NULL, 1);
	opts.realm = "a\"b";
	assert_int_equal(cf_sip_digest_new(&digest, &opts), CF_EINVAL);
	opts.realm = "a\nb";
	assert_int_equal(cf_sip_digest_new(&digest, &opts), CF_EINVAL);
	opts.realm = "a";
	opts.slots = (1u << 20) + 1;
	assert_int_equal(cf_sip_digest_new(&digest, &opts), CF_EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(vectors),
		cmocka_unit_test(without_qop),
		cmocka_unit_test(round_trip),
		cmocka_unit_test(replay),
		cmocka_unit_test(crowded),
		cmocka_unit_test(nonces),
		cmocka_unit_test(enumeration),
		cmocka_unit_test(malformed),
		cmocka_unit_test(odd_challenges),
		cmocka_unit_test(out_of_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
