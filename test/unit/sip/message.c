/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/harness.h"

#include "base/addr.h"
#include "sip/message.h"
#include "sip/writer.h"

#include <stdio.h>
#include <stdlib.h>

#define HEAD                                                         \
	"Via: SIP/2.0/UDP a.example;branch=z9hG4bK1\r\n"             \
	"From: <sip:a@a.example>;tag=1\r\nTo: <sip:b@b.example>\r\n" \
	"Call-ID: c@a\r\n"
#define OPTIONS "OPTIONS sip:b@b.example SIP/2.0\r\n" HEAD "CSeq: 1 OPTIONS\r\n"

static char text_room[8192];

/* Parses a copy, so that folds can be undone in it. */
static int parse(struct cf_sip_msg *msg, const char *text)
{
	snprintf(text_room, sizeof(text_room), "%s", text);
	return cf_sip_msg_parse(msg, (uint8_t *)text_room, strlen(text), CF_SIP_DATAGRAM);
}

static void assert_view(struct cf_view v, const char *text)
{
	if (!cf_view_is(v, text))
		fail_msg(
			"\"%.*s\" is not \"%s\"", (int)v.len, v.len ? (const char *)v.p : "", text);
}

static void typed(void **state)
{
	struct cf_sip_msg msg;
	struct cf_view v;

	(void)state;
	assert_int_equal(parse(&msg, "INVITE sip:b@b.example;x SIP/2.0\r\n"
				     "v: SIP/2.0/TLS 10.0.0.1:5071;rport;branch=z9hG4bK77\r\n"
				     "f: \"A \\\"a\\\" B\" <sips:a@a.example>;tag=t1\r\n"
				     "t: b <sip:b@b.example>\r\ni: abc\r\nCSeq: 007 INVITE\r\n"
				     "Max-Forwards: 70\r\nk: 100rel,\r\n  timer\r\n"
				     "k: path\r\nX-Mine:\t one \r\nExpires: 99999999999\r\n"
				     "l: 4\r\n\r\nbodyrest"),
		0);
	assert_int_equal(msg.fault, 0);
	assert_true(msg.request && msg.method == CF_SIP_INVITE);
	assert_view(msg.uri.user, "b");
	assert_int_equal(msg.via.transport, CF_SIP_TLS);
	assert_int_equal(msg.via.port, 5071);
	assert_true(msg.via.rport && msg.via.rport_value == 0);
	assert_view(msg.via.branch, "z9hG4bK77");
	assert_true(cf_sip_branch_is_new(msg.via.branch));
	assert_view(msg.from.display, "\"A \\\"a\\\" B\"");
	assert_view(msg.from_tag, "t1");
	assert_view(msg.to.display, "b");
	assert_int_equal(msg.to_tag.len, 0);
	assert_view(msg.call_id, "abc");
	assert_int_equal(msg.cseq.number, 7);
	assert_int_equal(msg.max_forwards, 70);
	assert_view(msg.body, "body");
	assert_true(cf_sip_msg_lists(&msg, CF_SIP_H_SUPPORTED, "TIMER"));
	assert_true(cf_sip_msg_lists(&msg, CF_SIP_H_SUPPORTED, "path"));
	assert_false(cf_sip_msg_lists(&msg, CF_SIP_H_SUPPORTED, "pat"));
	assert_true(cf_sip_msg_other(&msg, "x-mine", &v));
	assert_view(v, "one");
	assert_false(cf_sip_msg_other(&msg, "x-other", &v));
	assert_int_equal(cf_sip_msg_seconds(&msg, CF_SIP_H_EXPIRES, 5), UINT32_MAX);
	assert_int_equal(cf_sip_msg_seconds(&msg, CF_SIP_H_MIN_EXPIRES, 5), 5);
}

static void responses(void **state)
{
	struct cf_sip_msg msg;

	(void)state;
	assert_int_equal(parse(&msg, "SIP/2.0 180 \r\n" HEAD "CSeq: 1 INVITE\r\n\r\n"), 0);
	assert_true(!msg.request && msg.status == 180 && msg.cseq_method == CF_SIP_INVITE);
	assert_int_equal(
		parse(&msg, "SIP/2.0 099 x\r\n" HEAD "CSeq: 1 INVITE\r\n\r\n"), CF_EBADMSG);
	assert_int_equal(
		parse(&msg, "SIP/2.0 700 x\r\n" HEAD "CSeq: 1 INVITE\r\n\r\n"), CF_EBADMSG);
	assert_int_equal(parse(&msg, "SIP/2.0 200 OK\r\n" HEAD "CSeq: 1\r\n\r\n"), CF_EBADMSG);
	assert_int_equal(parse(&msg, "SIP/2.0 200 OK\r\n" HEAD "CSeq: 1 INVITE\r\nl: 9\r\n\r\n"),
		CF_EBADMSG);
}

static void faults(void **state)
{
	static const struct {
		const char *text;
		int status; /* 0: none; -1: dropped */
	} rows[] = {
		{OPTIONS "\r\n", 0}, {"\r\n\r\n" OPTIONS "\r\n", 0}, {OPTIONS, 400},
		{OPTIONS "X: y", -1}, {"", -1},
		{"OPTIONS sip:b@b.example\r\n" HEAD "CSeq: 1 OPTIONS\r\n\r\n", -1},
		{"OPTIONS sip:b@b.example SIP/3.0\r\n" HEAD "CSeq: 1 OPTIONS\r\n\r\n", 505},
		{"OPTIONS  sip:b@b.example SIP/2.0\r\n" HEAD "CSeq: 1 OPTIONS\r\n\r\n", 400},
		{"OPTIONS sip:b@b.example  SIP/2.0\r\n" HEAD "CSeq: 1 OPTIONS\r\n\r\n", 400},
		{"OPTIONS http://b SIP/2.0\r\n" HEAD "CSeq: 1 OPTIONS\r\n\r\n", 416},
		{"OPTIONS sip:b@b?a=b SIP/2.0\r\n" HEAD "CSeq: 1 OPTIONS\r\n\r\n", 400},
		{"OPTIONS sip:b@b SIP/2.0\r\n" HEAD "CSeq: 1 INVITE\r\n\r\n", 400},
		{"ACK sip:b@b SIP/2.0\r\n" HEAD "CSeq: 1 INVITE\r\n\r\n", -1},
		{"OPTIONS sip:b@b SIP/2.0\r\n" HEAD "CSeq: 2147483648 OPTIONS\r\n\r\n", 400},
		{OPTIONS "Max-Forwards: 256\r\n\r\n", 400},
		{OPTIONS "Max-Forwards: 1\r\nMax-Forwards: 1\r\n\r\n", 400},
		{OPTIONS "l: 1\r\n\r\n", 400}, {OPTIONS "l: -1\r\n\r\n", 400},
		{OPTIONS "l: 0\r\nContent-Length: 0\r\n\r\n", 400},
		{OPTIONS "Contact: *\r\n\r\n", 400},
		{OPTIONS "Contact: <sip:a@b>;q=1;Q=0\r\n\r\n", 400},
		{OPTIONS "Contact: <sip:a@b>,\r\n\r\n", 400},
		{OPTIONS "Route: sip:a@b\r\n\r\n", 400},
		{OPTIONS "Route: <sip:a@b>, <sip:c;lr>\r\n\r\n", 0},
		{OPTIONS "No colon\r\n\r\n", 400}, {OPTIONS "X: a\nInjected: b\r\n\r\n", 400},
		{OPTIONS "X: a\rb\r\n\r\n", 400}, {OPTIONS "X: \x01\r\n\r\n", 400},
		{OPTIONS "X: \"\\\x01\"\r\n\r\n", 0},
		{OPTIONS " X: folded\r\n\r\n", 400}, /* "1 OPTIONS X: folded" */
		{OPTIONS "Subject: a\r\n folded\r\n\r\n", 0},
		{OPTIONS "Via: SIP/2.0/UDP a,, SIP/2.0/UDP b\r\n\r\n", 400},
		{OPTIONS "Via: SIP/2.0/UDP a b\r\n\r\n", 400},
		{OPTIONS "Via: SIP/1.0 UDP a\r\n\r\n", 400},
		{"OPTIONS sip:b@b SIP/2.0\r\nCSeq: 1 OPTIONS\r\n\r\n", -1}, /* nowhere to answer */
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct cf_sip_msg msg;
		int err = parse(&msg, rows[i].text);
		int status = err ? -1 : msg.fault;

		if (status != rows[i].status || (err && err != CF_EBADMSG))
			fail_msg("row %zu: %d, %d %s", i, err, status, err ? "" : msg.fault_text);
	}
}

static void limits(void **state)
{
	size_t n = CF_SIP_MESSAGE_MAX, at;
	char *p = malloc(n + 1);
	struct cf_sip_msg msg;

	(void)state;
	at = (size_t)snprintf(p, n, "%s\r\n", OPTIONS);
	memset(p + at, 'x', n + 1 - at);
	assert_int_equal(cf_sip_msg_parse(&msg, (uint8_t *)p, n + 1, CF_SIP_DATAGRAM), CF_ELIMIT);
	assert_int_equal(cf_sip_msg_parse(&msg, (uint8_t *)p, n, CF_SIP_DATAGRAM), 0);
	assert_int_equal(msg.body.len, n - at);
	assert_int_equal(cf_sip_msg_parse(&msg, (uint8_t *)p, n, CF_SIP_STREAM), 0);
	assert_int_equal(msg.fault, 400); /* no Content-Length */
	/* Header fields, and values of one. */
	for (int extra = 0; extra < 2; extra++) {
		at = (size_t)snprintf(p, n, "%s", OPTIONS);
		for (int i = 5; i < CF_SIP_HEADERS_MAX + extra; i++)
			at += (size_t)snprintf(p + at, n - at, "A%d: b\r\n", i);
		at += (size_t)snprintf(p + at, n - at, "\r\n");
		assert_int_equal(cf_sip_msg_parse(&msg, (uint8_t *)p, at, CF_SIP_DATAGRAM), 0);
		assert_int_equal(msg.fault, extra ? 400 : 0);
		at = (size_t)snprintf(p, n, "%sRoute: <sip:a>", OPTIONS);
		for (int i = 1; i < CF_SIP_VALUES_MAX + extra; i++)
			at += (size_t)snprintf(p + at, n - at, ",<sip:a>");
		at += (size_t)snprintf(p + at, n - at, "\r\n\r\n");
		assert_int_equal(cf_sip_msg_parse(&msg, (uint8_t *)p, at, CF_SIP_DATAGRAM), 0);
		assert_int_equal(msg.fault, extra ? 400 : 0);
	}
	/* Parameters of one value. */
	for (int extra = 0; extra < 2; extra++) {
		at = (size_t)snprintf(p, n, "%sm: <sip:a>", OPTIONS);
		for (int i = 0; i < CF_SIP_PARAMS_MAX + extra; i++)
			at += (size_t)snprintf(p + at, n - at, ";p%d", i);
		at += (size_t)snprintf(p + at, n - at, "\r\n\r\n");
		assert_int_equal(cf_sip_msg_parse(&msg, (uint8_t *)p, at, CF_SIP_DATAGRAM), 0);
		assert_int_equal(msg.fault, extra ? 400 : 0);
	}
	free(p);
}

/* Whole messages, byte by byte, and everything that may stand between them. */
static void frames(void **state)
{
	static const char stream[] = "\r\n\r\n" OPTIONS "Content-Length: 3\r\n\r\nabc"
				     "\r\n" OPTIONS "l :  0\r\n\r\n"
				     "\r\n\r\n";
	static const int want[] = {CF_SIP_FRAME_PING, CF_SIP_FRAME_MESSAGE, CF_SIP_FRAME_PONG,
		CF_SIP_FRAME_MESSAGE, CF_SIP_FRAME_PING};
	struct cf_sip_framer framer = {0};
	size_t have = 0, start = 0, len = 0, n = 0;

	(void)state;
	while (start < sizeof(stream) - 1) {
		int frame = cf_sip_frame_next(
			&framer, (const uint8_t *)stream + start, have - start, &len);

		assert_true(frame >= 0);
		if (frame == CF_SIP_FRAME_MORE) {
			assert_true(++have <= sizeof(stream) - 1);
			continue;
		}
		assert_true(n < 5);
		assert_int_equal(frame, want[n++]);
		start += len;
	}
	assert_int_equal(n, 5);
}

static void bad_frames(void **state)
{
	static const char *const rows[] = {OPTIONS "\r\n", OPTIONS "l: 1\r\nl: 1\r\n\r\n",
		OPTIONS "l: x\r\n\r\n", OPTIONS "l: 1\r\n 1\r\n\r\n", "\rx"};
	struct cf_sip_framer framer = {.pings = true};
	char *p = malloc(CF_SIP_MESSAGE_MAX + 1);
	size_t len = 0;

	(void)state;
	assert_int_equal(cf_sip_frame_next(&framer, (const uint8_t *)"\r\n\r\n", 4, &len),
		CF_SIP_FRAME_PONG);
	assert_int_equal(len, 2);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		framer = (struct cf_sip_framer){0};
		assert_int_equal(
			cf_sip_frame_next(&framer, (const uint8_t *)rows[i], strlen(rows[i]), &len),
			CF_EBADMSG);
	}
	framer = (struct cf_sip_framer){0};
	assert_int_equal(cf_sip_frame_next(&framer, (const uint8_t *)OPTIONS "l: 65535\r\n\r\n",
				 sizeof(OPTIONS "l: 65535\r\n\r\n") - 1, &len),
		CF_ELIMIT);
	memset(p, 'a', CF_SIP_MESSAGE_MAX + 1);
	framer = (struct cf_sip_framer){0};
	assert_int_equal(cf_sip_frame_next(&framer, (uint8_t *)p, CF_SIP_MESSAGE_MAX, &len),
		CF_SIP_FRAME_MORE);
	assert_int_equal(
		cf_sip_frame_next(&framer, (uint8_t *)p, CF_SIP_MESSAGE_MAX + 1, &len), CF_ELIMIT);
	free(p);
}

/* Nothing that comes from elsewhere can end its line. */
static void injection(void **state)
{
	static const char *const evil[] = {"a\r\nX: y", "a\nb", "a\rb", "\x01", "a\x7f"};
	struct cf_view none = cf_view_of(NULL, 0);
	struct cf_sip_writer w;
	struct cf_buf out;

	(void)state;
	cf_buf_init(&out, 4096);
	assert_int_equal(cf_buf_append_str(&out, "before"), 0);
	for (size_t i = 0; i < sizeof(evil) / sizeof(evil[0]); i++) {
		for (int where = 0; where < 7; where++) {
			struct cf_view bad = cf_view_str(evil[i]), good = cf_view_str("x");

			cf_sip_write_begin(&w, &out);
			if (where < 2)
				cf_sip_write_request(
					&w, where == 0 ? bad : good, where == 1 ? bad : good);
			else
				cf_sip_write_response(&w, 200, where == 2 ? bad : good);
			cf_sip_write_header(&w, CF_SIP_H_SUBJECT, where == 3 ? bad : good);
			cf_sip_write_named(&w, where == 4 ? bad : good, where == 5 ? bad : good);
			if (where == 6)
				cf_sip_write_format(&w, CF_SIP_H_SERVER, "s%.*s", CF_SIP_ARG(bad));
			assert_int_equal(cf_sip_write_end(&w, none, none), CF_EINVAL);
			assert_view(cf_buf_view(&out), "before");
		}
	}
	cf_sip_write_begin(&w, &out);
	cf_sip_write_response(&w, 99, none);
	assert_int_equal(cf_sip_write_end(&w, none, none), CF_EINVAL);
	cf_buf_done(&out);
}

static void answers(void **state)
{
	static const char want[] =
		"SIP/2.0 180 Ringing\r\n"
		"Via: SIP/2.0/UDP h:5062;branch=z9hG4bK1;received=10.0.0.7;rport=9\r\n"
		"Via: SIP/2.0/TCP b\r\nVia: SIP/2.0/UDP c\r\n"
		"f: <sip:a@b>;tag=1\r\nTo: <sip:c@d>;tag=mine\r\n"
		"i: x\r\nCSeq: 1 INVITE\r\nRecord-Route: <sip:p;lr>\r\n"
		"Content-Length: 0\r\n\r\n";
	struct cf_view none = cf_view_of(NULL, 0);
	struct cf_sip_msg msg;
	struct cf_sip_writer w;
	struct cf_buf out, via;
	struct cf_addr from;

	(void)state;
	assert_int_equal(parse(&msg, "INVITE sip:c@d SIP/2.0\r\nVia: SIP/2.0/UDP h:5062;rport;"
				     "branch=z9hG4bK1;received=6.6.6.6, SIP/2.0/TCP b\r\n"
				     "v: SIP/2.0/UDP c\r\nf: <sip:a@b>;tag=1\r\nt: <sip:c@d>\r\n"
				     "i: x\r\nCSeq: 1 INVITE\r\nRecord-Route: <sip:p;lr>\r\n\r\n"),
		0);
	cf_buf_init(&out, 4096);
	cf_buf_init(&via, 512);
	assert_int_equal(cf_addr_parse(&from, "10.0.0.7:9", 0), 0);
	assert_int_equal(cf_sip_via_note(&msg.via, &from, &via), 0);
	cf_sip_write_begin(&w, &out);
	cf_sip_write_answer(&w, &msg, 180, cf_view_str(cf_sip_reason(180)), cf_view_str("mine"),
		cf_buf_view(&via));
	assert_int_equal(cf_sip_write_end(&w, none, none), 0);
	assert_view(cf_buf_view(&out), want);
	cf_buf_done(&out);
	cf_buf_done(&via);
}

static void values(void **state)
{
	struct cf_view rest = cf_view_str("a;b=\"x,\\\",y\" , <c,d>;e"), v, scheme;
	struct cf_sip_param param;
	uint32_t q = 7;
	char text[16];

	(void)state;
	assert_int_equal(cf_sip_list_next(&rest, &v), 1);
	assert_view(v, "a;b=\"x,\\\",y\"");
	assert_int_equal(cf_sip_list_next(&rest, &v), 1);
	assert_view(v, "<c,d>;e");
	assert_int_equal(cf_sip_list_next(&rest, &v), 0);
	assert_int_equal(cf_sip_unquote(cf_view_str("\"a\\\"b\""), text, sizeof(text)), 3);
	assert_memory_equal(text, "a\"b", 3);
	assert_int_equal(cf_sip_unquote(cf_view_str("\"abc\""), text, 2), CF_ENOSPC);
	assert_int_equal(cf_sip_unquote(cf_view_str("\"abc"), text, 9), CF_EBADMSG);
	assert_int_equal(cf_sip_q_parse(&q, cf_view_str("0.75")), 0);
	assert_int_equal(q, 750);
	assert_int_equal(cf_sip_q_parse(&q, cf_view_str("1.000")), 0);
	assert_int_equal(cf_sip_q_parse(&q, cf_view_str("1.001")), CF_EBADMSG);
	assert_int_equal(cf_sip_q_parse(&q, cf_view_str("2")), CF_EBADMSG);
	assert_int_equal(q, 1000);
	assert_int_equal(
		cf_sip_auth_parse(cf_view_str("Digest a=\"b, c\", d=e"), &scheme, &rest), 0);
	assert_view(scheme, "Digest");
	assert_int_equal(cf_sip_auth_next(&rest, &param), 1);
	assert_view(param.value, "\"b, c\"");
	assert_int_equal(cf_sip_auth_next(&rest, &param), 1);
	assert_view(param.name, "d");
	assert_int_equal(cf_sip_auth_next(&rest, &param), 0);
	rest = cf_view_str("a=b,");
	assert_int_equal(cf_sip_auth_next(&rest, &param), CF_EBADMSG);
	assert_string_equal(cf_sip_reason(486), "Busy Here");
	assert_string_equal(cf_sip_reason(299), "OK");
}

static int write_oom(void *arg)
{
	struct cf_view none = cf_view_of(NULL, 0);
	struct cf_sip_writer w;
	struct cf_buf out;
	int err;

	(void)arg;
	cf_buf_init(&out, 4096);
	cf_sip_write_begin(&w, &out);
	cf_sip_write_request(&w, cf_view_str("OPTIONS"), cf_view_str("sip:a@b"));
	for (int i = 0; i < 40; i++)
		cf_sip_write_format(&w, CF_SIP_H_SUBJECT, "%d", i);
	err = cf_sip_write_end(&w, none, none);
	assert_true(err == 0 || out.len == 0);
	cf_buf_done(&out);
	return err;
}

static void out_of_memory(void **state)
{
	(void)state;
	cf_test_oom(write_oom, NULL, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(typed),
		cmocka_unit_test(responses),
		cmocka_unit_test(faults),
		cmocka_unit_test(limits),
		cmocka_unit_test(frames),
		cmocka_unit_test(bad_frames),
		cmocka_unit_test(injection),
		cmocka_unit_test(answers),
		cmocka_unit_test(values),
		cmocka_unit_test(out_of_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
